"""Maps against what was drawn: each measure by hand, and a benchmark whose model is right, blind or deaf."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest

from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.data.run_lengths import runs_of
from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.benchmarks import EvaluationOptions, measure
from cxr_clip.evaluate.contract import Benchmark, GroundingTask
from cxr_clip.evaluate.grounding import agreement, area_share, centre_prior, region_of
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.subject import Material
from cxr_clip.evaluate.trained_on import Seen
from cxr_clip.model.local_scores import LocalScores, Method
from cxr_clip.model.places import Places
from cxr_clip.study import Box, ImageFile, Mask, Split, Study, View


def test_a_region_is_the_union_of_boxes_and_masks_at_any_size() -> None:
    box = Box("Mass", 0, left=0.25, top=0.5, right=0.75, bottom=1.0)
    mask = np.zeros((8, 8), dtype=bool)
    mask[0:2, 6:8] = True
    drawn = Mask("Mass", 0, 8, 8, runs_of(mask))
    small = region_of([box], [drawn], height=4, width=4)
    assert small.astype(int).tolist() == [[0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]]
    large = region_of([box], [drawn], height=16, width=12)
    assert large.sum() == 8 * 6 + 4 * 3
    assert large[15, 3:9].all()
    assert large[:4, 9:].all()


def test_each_measure_by_hand() -> None:
    values = np.array([[0.0, 1.0, np.nan], [2.0, 4.0, np.nan]], np.float32)
    region = np.array([[False, False, True], [True, True, True]])
    found = agreement(values, region, (0.25, 0.5, 0.75))
    assert found.pointing == 1
    assert found.overlaps.tolist() == [pytest.approx(2 / 3), 1, 1 / 2]
    assert found.contrast == pytest.approx((3 - 0.5) / np.sqrt(1 + 0.25))
    assert area_share(values, region) == 0.5
    beside = agreement(values, ~region & np.isfinite(values), (0.5,))
    assert (beside.pointing, beside.overlaps[0], beside.contrast) == (0, 0, pytest.approx(-found.contrast))
    # A map that says nothing points everywhere.
    flat = agreement(np.ones((2, 2), np.float32), np.array([[True, False], [False, False]]), (0.5,))
    assert (flat.pointing, flat.overlaps[0], flat.contrast) == (0.25, 0, 0)


def test_the_prior_is_largest_in_the_middle_of_what_is_seen() -> None:
    seen = np.zeros((5, 9), dtype=bool)
    seen[:, 2:7] = True
    prior = centre_prior(seen)
    assert np.unravel_index(np.nanargmax(prior), prior.shape) == (2, 4)
    np.testing.assert_array_equal(np.isfinite(prior), seen)
    np.testing.assert_allclose(prior[:, 2:7], prior[::-1, 6:1:-1])


SIDE, CELLS = 40, 8
PROMPTS = tuple(ZeroShotPrompt(name, (name,), (f"No {name}",)) for name in ("Mass", "Nodule"))
TASK = GroundingTask("made-up", PROMPTS, wrong=(PROMPTS[1], PROMPTS[0]))
BENCHMARK = Benchmark("grounding/vindr_cxr", 1, ("vindr_cxr",), None, TASK)


class BlockModel:
    """Its map is the picture itself where it is asked for a mass, and the picture upside down for a nodule.

    `of` makes another map of the picture.
    """

    def __init__(self, of=lambda picture: picture):
        self.of = of
        self.encoder = self

    def embed_images(self, images):
        return torch.zeros(len(images), 2)

    def embed_texts(self, texts):
        return torch.tensor([[float("Mass" in text), float("Nodule" in text)] for text in texts]) * torch.tensor(
            [[-1.0 if text.startswith("No ") else 1.0] for text in texts]
        )

    def square(self, picture):
        return picture

    def locate(self, squares, directions, *, method=None):
        assert method is None
        cells = torch.tensor(np.stack([self.of(one.reshape(CELLS, 5, CELLS, 5).mean(axis=(1, 3))) for one in squares]))
        parts = torch.stack([torch.stack([one, one.flip(0)]) for one in cells]).float() / 255
        places = torch.einsum("dk,nkrc->ndrc", directions, parts)
        return LocalScores(places, torch.zeros(len(squares), len(directions)), Method.PARTS), Places(CELLS, 5.0, 2.0)


def world(count=30):
    """Studies with a bright block each, drawn as a mass where it is and as a nodule where it is upside down."""
    rng, studies, pictures = np.random.default_rng(0), [], {}
    for number in range(count):
        # In the upper part, so that right and wrong are apart.
        row, column = int(rng.integers(0, 3)), int(rng.integers(0, CELLS - 1))
        picture = rng.integers(0, 60, (SIDE, SIDE)).astype(np.uint8)
        picture[row * 5 : row * 5 + 10, column * 5 : column * 5 + 10] = 250
        box = Box("Mass", 0, column / CELLS, row / CELLS, (column + 2) / CELLS, (row + 2) / CELLS)
        turned = replace(box, finding="Nodule", top=1 - box.bottom, bottom=1 - box.top)
        name = f"study-{number}"
        split = (Split.TRAIN, Split.VALIDATE, Split.TEST)[number % 3]
        studies.append(
            Study(
                name,
                f"patient-{number % 15}",
                "vindr_cxr",
                split,
                (ImageFile(f"{name}.png", View.PA),),
                boxes=(box, turned),
            )
        )
        pictures[f"{name}.png"] = picture
    return studies, lambda image: pictures[image.path]


def measured(model, seen=None, benchmark=BENCHMARK):
    studies, read = world()
    (result,) = measure(model, [(benchmark, Material(studies, read, seen))], EvaluationOptions(resamples=50, gallery=2))
    return result


def test_a_right_map_is_told_from_a_wrong_text_and_from_the_middle() -> None:
    result = measured(BlockModel())
    assert result.population.studies == 10
    assert result.metrics["pointing/macro"].value == 1
    assert result.metrics["pointing/Nodule"].n == 10
    assert result.metrics["pointing_wrong_text/macro"].value == 0
    assert result.metrics["pointing_chance/Mass"].value == pytest.approx(1 / 16)
    assert result.metrics["pointing_centre/macro"].value < 0.5
    assert result.metrics["iou_at_50/macro"].value > 0.8
    assert result.metrics["iou_at_50_centre/macro"].value < 0.3
    assert result.metrics["iou_at_best/Mass"].value >= result.metrics["iou_at_70/Mass"].value - 1e-9
    assert result.metrics["contrast/macro"].value > 3
    assert result.metrics["contrast_wrong_text/macro"].value < 0
    assert any("best threshold on validation is 0." in note for note in result.notes)
    assert [one.points for one in result.groundings] == [True, True]
    assert result.groundings[0].picture.shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize(("name", "value"), [("pointing", 1), ("pointing_wrong_text", 0)])
@pytest.mark.parametrize(("of", "count"), [("macro", 2), ("Mass", 10), ("Nodule", 10)])
def test_where_all_or_none_are_pointed_at_the_interval_is_wilsons_by_patient(name, value, of, count) -> None:
    found = measured(BlockModel()).metrics[f"{name}/{of}"]
    # Each of five patients has two of the test studies, and each of these both findings.
    expected = binomtest(5 * value, 5).proportion_ci(0.95, method="wilson")
    assert (found.value, found.n) == (value, count)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.low < found.high


def test_what_is_no_share_has_the_interval_of_its_resamples() -> None:
    # The blocks are of one size: every resample has the same chance, which is known and needs no width.
    found = measured(BlockModel()).metrics["pointing_chance/macro"]
    assert found.low == pytest.approx(found.high)


def test_a_model_that_draws_lots_points_by_chance() -> None:
    rng = np.random.default_rng(1)
    hits = [
        measured(BlockModel(lambda picture: rng.random(picture.shape))).metrics["pointing/macro"].value
        for _ in range(10)
    ]
    # 200 draws of a sixteenth.
    assert abs(np.mean(hits) - 1 / 16) < 3 * np.sqrt(1 / 16 * 15 / 16 / 200)


def test_studies_that_were_trained_on_are_told_and_the_others_measured_alone() -> None:
    studies, _ = world()
    of_test = [study.id for study in studies if study.split is Split.TEST]
    result = measured(BlockModel(), Seen(frozenset([*of_test[:4], studies[0].id]), ""))
    assert result.overlap.verdict == "overlapping: 4 of 10"
    assert result.overlap.clean["pointing/Mass"].n == 6


def test_what_cannot_be_measured_is_told() -> None:
    few = replace(BENCHMARK, task=replace(TASK, min_images=11))
    result = measured(BlockModel(), benchmark=few)
    assert result.metrics == {}
    assert result.notes == ("Not measured, drawn on fewer than 11 test images: Mass, Nodule.",)
    assert result.groundings == ()

    class Deaf:
        embed_images = embed_texts = None

    with pytest.raises(EvaluationError, match="grounding/vindr_cxr needs a model whose scores can be taken apart"):
        measured(Deaf())


def test_the_report_has_chance_controls_and_pictures(tmp_path) -> None:
    write_report(tmp_path, [measured(BlockModel())], run_title="made up")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Grounding: VinDr-CXR" in page
    assert page.count("points into it") == page.count('alt="Map of') == 2
    assert "Text of another finding" in page
    address = re.search(r'src="data:image/jpeg;base64,([^"]*)" alt="Map of', page)
    with Image.open(io.BytesIO(base64.b64decode(address[1]))) as shown:
        red, _, blue = np.asarray(shown.convert("RGB")).astype(int).reshape(-1, 3).T
    # The greatest value of a map is yellow.
    assert (red - blue).max() > 80 > (blue - red).max()
    assert "IoU at the best threshold of validation, macro average" in page
    assert json.loads((tmp_path / "report.json").read_text())["benchmarks"]["grounding/vindr_cxr"]["pointing/Mass"]
