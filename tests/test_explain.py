"""Where a text is supported, in an image's own pixels: coordinates, scores, and what the maps are not."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import cxr_clip
from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.data.transforms import EvalTransform
from cxr_clip.embed import Embedder
from cxr_clip.errors import EmbeddingInputError, PromptError
from cxr_clip.explain import Square, spread, text_maps
from cxr_clip.model.places import Places
from support_data import made_up_picture
from support_models import tiny_recipe, tiny_run, tiny_run_folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return cxr_clip.load(tiny_run_folder(tmp_path_factory.mktemp("run"), Path("nowhere")), device="cpu")


@pytest.mark.parametrize(("height", "width"), [(100, 100), (150, 90), (83, 211), (32, 32), (20, 25)])
def test_resizing_and_cropping_are_undone(height: int, width: int) -> None:
    """A bright spot of the picture is found at its own place again, by way of the square that the model sees."""
    transform, size = EvalTransform(32), 32
    square = Square(height, width, height, width, transform)
    rows, columns = square.rows(), square.columns()
    scale = min(height, width) / size
    for down, across in ((0.5, 0.5), (0.3, 0.6), (0.62, 0.45)):
        picture, spot = np.zeros((height, width), np.uint8), max(2, round(2 * scale))
        # Below the middle of the long side, so that it is within the crop.
        top = round((height - min(height, width)) / 2 + down * min(height, width))
        left = round((width - min(height, width)) / 2 + across * min(height, width))
        picture[top : top + spot, left : left + spot] = 255
        seen = transform(picture).astype(float)
        centre_down = (seen.sum(axis=1) @ np.arange(size)) / seen.sum()
        centre_across = (seen.sum(axis=0) @ np.arange(size)) / seen.sum()
        assert np.interp(top + (spot - 1) / 2, np.arange(height), rows) == pytest.approx(centre_down, abs=0.2)
        assert np.interp(left + (spot - 1) / 2, np.arange(width), columns) == pytest.approx(centre_across, abs=0.2)
    assert np.isfinite(rows).sum() == pytest.approx(min(height, width), abs=1 + scale)
    assert np.isfinite(columns).sum() == pytest.approx(min(height, width), abs=1 + scale)


def test_a_map_keeps_its_sum_has_its_peak_at_its_place_and_is_not_where_nothing_was_seen() -> None:
    cells = np.zeros((4, 4), np.float32)
    cells[1, 2] = 0.5
    square = Square(64, 96, 32, 48, EvalTransform(32))
    values = spread(cells, Places(4, 8.0, 3.5), square)
    assert values.shape == (64, 96)
    assert np.isnan(values[:, :16]).all()
    assert np.isnan(values[:, -16:]).all()
    assert np.isfinite(values[:, 16:-16]).all()
    # Pixel 11.5 and 19.5 of the square: two pixels of the picture for one, and 16 cut off at the left.
    rows, columns = np.nonzero(values == np.nanmax(values))
    assert (rows.mean(), columns.mean()) == (23.5, 16 + 39.5)
    # The nearest pixels are a quarter of a pixel of the square away, on both axes.
    assert np.nanmax(values) == pytest.approx(16 * 0.5 * (1 - 0.25 / 8) ** 2)
    assert np.nanmean(values) == pytest.approx(0.5, rel=0.01)


def test_scores_are_those_of_classify_and_the_cells_add_up_to_them(model: Embedder) -> None:
    picture = made_up_picture(1)
    tube = ZeroShotPrompt("tube", positive=("A tube is seen.", "There is a tube."), negative=("No tube is seen.",))
    questions = ["edema", "The heart is large.", tube]
    found, (classified,) = model.explain(picture, questions), model.classify([picture], questions)
    assert [one.text for one in found.maps] == ["Edema", "The heart is large.", "tube"]
    for one, wanted in zip(found.maps, classified.findings, strict=True):
        assert one.score == pytest.approx(wanted.score, abs=1e-5)
        assert one.cells.sum() + one.elsewhere == pytest.approx(wanted.score, abs=1e-5)
        assert one.values.shape == picture.shape
    assert found.doubts == classified.abstained == ()
    (alone,) = model.explain(picture, "edema").maps
    np.testing.assert_allclose(alone.values, found.map_of("Edema").values, atol=1e-6)


def test_a_file_has_its_map_in_its_own_pixels_and_the_score_of_the_shrunk_picture(
    model: Embedder, tmp_path: Path
) -> None:
    large = np.asarray(Image.fromarray(made_up_picture(2)).resize((1300, 1200)))
    path = tmp_path / "large.png"
    Image.fromarray(large).save(path)
    by_path, by_bytes = model.explain(path, "edema"), model.explain(io.BytesIO(path.read_bytes()), "edema")
    assert by_path.maps[0].values.shape == by_path.picture.shape == (1200, 1300)
    # The model sees 32 of 34 columns.
    assert np.isnan(by_path.maps[0].values[:, [37, -38]]).all()
    assert np.isfinite(by_path.maps[0].values[:, 40:-40]).all()
    assert by_path.maps[0].score == pytest.approx(model.classify([path], ["edema"])[0].findings[0].score, abs=1e-5)
    np.testing.assert_array_equal(by_bytes.maps[0].values, by_path.maps[0].values)
    assert by_path.name == str(path)


def test_what_cannot_be_is_told(model: Embedder) -> None:
    picture = made_up_picture(0)
    assert "hardly any contrast" in model.explain(np.full((50, 50), 7, np.uint8), "edema").doubts[0]
    with pytest.raises(EmbeddingInputError, match=r"picture 0 \(nowhere.png\): the file cannot be read"):
        model.explain("nowhere.png", "edema")
    with pytest.raises(PromptError, match="or write a sentence of your own"):
        model.explain(picture, "a blue heart")
    with pytest.raises(EmbeddingInputError, match="there is no method 'cam'"):
        model.explain(picture, "edema", method="cam")
    with pytest.raises(EmbeddingInputError, match="'Mass' was not asked: there are maps of Edema"):
        model.explain(picture, "edema").map_of("Mass")


DIRECTION = torch.nn.functional.normalize(torch.arange(12.0).cos(), dim=0)
SIZE, SPOT = 64, 16
SEEN_WHOLE = Square(SIZE, SIZE, SIZE, SIZE, EvalTransform(SIZE))


def larger_model(seed: int = 4) -> Embedder:
    """The tiny model with random weights, for pictures of 64 pixels: 8 x 8 places."""
    torch.manual_seed(seed)
    return Embedder(tiny_run(tiny_recipe(Path("nowhere"), ("data.image_size", SIZE))))


@pytest.fixture(scope="module")
def taught() -> Embedder:
    """The model after a few steps that tell lying stripes from standing ones, by DIRECTION."""
    model, rng = larger_model(), np.random.default_rng(5)
    inner = model.encoder._model
    optimiser = torch.optim.Adam([*inner.image.parameters(), *inner.image_projection.parameters()], lr=5e-3)
    inner.train()
    for _ in range(60):
        lying = torch.from_numpy(rng.random(32) < 0.5)
        pictures = np.stack([planted(rng, (bool(one),))[0] for one in lying])
        embedded = inner.embed_images(torch.from_numpy(pictures)[:, None])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(10 * embedded @ DIRECTION, lying.float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    inner.eval()
    return model


def planted(rng: np.random.Generator, lying: tuple[bool, ...]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Noise with a striped square for each of `lying`, in different quarters; and their corners."""
    picture, corners = rng.integers(90, 160, (SIZE, SIZE)).astype(np.uint8), []
    stripes = np.where(np.arange(SPOT) % 4 < 2, 40, 210).astype(np.uint8)
    for quarter, lies in zip(rng.permutation(4), lying, strict=False):
        within = rng.integers(0, SIZE // 2 - SPOT + 1, 2)
        top, left = int(quarter // 2 * SIZE // 2 + within[0]), int(quarter % 2 * SIZE // 2 + within[1])
        square = np.tile(stripes, (SPOT, 1))
        picture[top : top + SPOT, left : left + SPOT] = square.T if lies else square
        corners.append((top, left))
    return picture, corners


def peak(model: Embedder, picture: np.ndarray, method: str) -> tuple[float, float]:
    found, places = model.encoder.locate([picture], DIRECTION[None], method=method)
    (one,) = text_maps(["planted"], found, places, SEEN_WHOLE)
    return one.peak


def hits(model: Embedder, method: str, count: int = 60) -> tuple[float, float]:
    """How often the peak of the map lies in the lying stripes, and how often in the standing ones beside them."""
    rng, inside = np.random.default_rng(11), np.zeros(2)
    for _ in range(count):
        picture, corners = planted(rng, (True, False))
        row, column = peak(model, picture, method)
        inside += [top <= row < top + SPOT and left <= column < left + SPOT for top, left in corners]
    wanted, other = inside / count
    return wanted, other


@pytest.mark.parametrize("method", ["parts", "gradient"])
def test_a_taught_model_points_at_what_it_was_taught_and_random_weights_have_no_preference(
    taught: Embedder, method: str
) -> None:
    """Random weights may well point at what is conspicuous; which of two equally conspicuous things is chance."""
    wanted, other = hits(taught, method)
    assert wanted > 10 * SPOT**2 / SIZE**2
    assert other < 0.1
    untaught = np.asarray([hits(larger_model(seed), method, count=20) for seed in range(20)])
    differences = untaught[:, 0] - untaught[:, 1]
    assert abs(differences.mean()) < 3 * differences.std() / np.sqrt(len(differences))
    assert untaught[:, 0].mean() < wanted / 2


def test_the_map_moves_with_the_picture(taught: Embedder) -> None:
    ground = np.random.default_rng(3).integers(90, 160, (SIZE, SIZE)).astype(np.uint8)
    stripes = np.where(np.arange(SPOT) % 4 < 2, 40, 210)
    for top, left in ((8, 8), (8, 40), (40, 8), (40, 40)):
        picture = ground.copy()
        picture[top : top + SPOT, left : left + SPOT] = stripes[:, None]
        row, column = peak(taught, picture, "parts")
        assert abs(row - (top + SPOT / 2)) <= SPOT / 2
        assert abs(column - (left + SPOT / 2)) <= SPOT / 2
