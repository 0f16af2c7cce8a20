"""Images and texts of any size and number get the embeddings of the model, in their order."""

import inspect
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import cxr_clip
from cxr_clip.checkpoint import WEIGHTS, Run, write_run
from cxr_clip.data.transforms import EvalTransform
from cxr_clip.embed import BATCH, Embedder, load
from cxr_clip.errors import CheckpointError, EmbeddingInputError, RecipeError
from cxr_clip.model.tokeniser import tokenise
from cxr_clip.study import View
from support_data import made_up_picture
from support_dicom import RAMP, dicom
from support_models import SENTENCES, tiny_recipe, tiny_run


@pytest.fixture(scope="module")
def run() -> Run:
    torch.manual_seed(4)
    return tiny_run(tiny_recipe(Path("nowhere")))


@pytest.fixture(scope="module")
def embedder(run: Run) -> Embedder:
    return Embedder(run)


def pictures(count: int) -> Sequence[np.ndarray]:
    """Pictures of sizes that differ, high and wide ones."""
    return [
        made_up_picture(number, height=33 + 7 * (number % 5), width=61 - 9 * (number % 4)) for number in range(count)
    ]


def test_pictures_are_embedded_as_by_hand_and_keep_their_order(run: Run, embedder: Embedder) -> None:
    several = pictures(BATCH + 3)
    found = embedder.embed_images(several)
    assert found.shape == (BATCH + 3, embedder.dim)
    for row in (0, 1, BATCH - 1, BATCH, BATCH + 2):
        square = torch.from_numpy(EvalTransform(32)(several[row]))[None, None]
        with torch.no_grad():
            alone = run.model.embed_images(square)[0]
        torch.testing.assert_close(found[row], alone, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(BATCH + 3))


def test_texts_are_embedded_as_by_hand_and_keep_their_order(run: Run, embedder: Embedder) -> None:
    texts = [f"{SENTENCES[number % 4]} {'No change. ' * (number % 7)}" for number in range(BATCH + 2)]
    found = embedder.embed_texts(texts)
    with torch.no_grad():
        for row in (0, 6, BATCH - 1, BATCH, BATCH + 1):
            alone = run.model.embed_texts(tokenise(run.tokeniser, [texts[row]], max_length=48))[0]
            torch.testing.assert_close(found[row], alone, rtol=0, atol=1e-6)


def test_nothing_in_nothing_out(embedder: Embedder) -> None:
    assert embedder.embed_images([]).shape == (0, 12)
    assert embedder.embed_texts([]).shape == (0, 12)


def test_the_scale_is_one_over_the_temperature(embedder: Embedder) -> None:
    assert embedder.scale == pytest.approx(1 / 0.07)


def test_embeddings_carry_no_gradient_and_dropout_is_off(embedder: Embedder) -> None:
    first, second = (embedder.embed_texts(SENTENCES) for _ in range(2))
    assert torch.equal(first, second)
    assert not first.requires_grad


def test_a_run_folder_is_loaded_by_its_path(run: Run, embedder: Embedder, tmp_path: Path) -> None:
    write_run(tmp_path, run)
    save_file(run.model.state_dict(), tmp_path / WEIGHTS)
    loaded = cxr_clip.load(str(tmp_path), device="cpu")
    assert torch.equal(loaded.embed_texts(SENTENCES), embedder.embed_texts(SENTENCES))
    assert torch.equal(loaded.embed_images(pictures(3)), embedder.embed_images(pictures(3)))
    assert loaded.recipe == run.recipe


def test_a_device_that_is_absent_is_told(run: Run, tmp_path: Path) -> None:
    write_run(tmp_path, run)
    save_file(run.model.state_dict(), tmp_path / WEIGHTS)
    with pytest.raises(RecipeError, match="device 'cuda:77' is not to be had here: use auto or cpu"):
        load(tmp_path, device="cuda:77")
    assert load(tmp_path).device == ("cuda" if torch.cuda.is_available() else "cpu")


def test_one_text_that_is_no_list_is_refused(embedder: Embedder) -> None:
    with pytest.raises(EmbeddingInputError, match=r"not one text: give \['There is a small right"):
        embedder.embed_texts(SENTENCES[0])
    # As in a program: these tests check types before the method can.
    embed_texts = inspect.unwrap(Embedder.embed_texts)
    with pytest.raises(EmbeddingInputError, match=r"text 1 is of type float: give a str"):
        embed_texts(embedder, [SENTENCES[0], float("nan")])


def test_the_image_that_cannot_be_read_is_named(embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    several = [*pictures(BATCH), tmp_path / "broken.png", np.zeros((40, 50), dtype=np.float32)]
    with pytest.raises(
        EmbeddingInputError, match=r"^picture 64 \(.*broken.png\): the file is in no known image format"
    ):
        embedder.embed_images(several)
    with pytest.raises(EmbeddingInputError, match="takes a list of images, not one"):
        embedder.embed_images("chest.png")


def test_files_and_arrays_have_the_same_embeddings(embedder: Embedder, tmp_path: Path) -> None:
    several = pictures(5)
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, picture in zip(paths, several, strict=True):
        Image.fromarray(picture).save(path)
    with paths[4].open("rb") as opened:
        found = embedder.embed_images([several[0], paths[1].read_bytes(), Image.open(paths[2]), str(paths[3]), opened])
    assert torch.equal(found, embedder.embed_images(several))


def test_a_study_is_the_mean_of_its_frontal_images(embedder: Embedder) -> None:
    several = pictures(3)
    each = embedder.embed_images(several)
    for views, used in (
        (["pa", "lateral", View.AP], [0, 2]),
        (["unknown", "lateral", "unknown"], [0, 2]),
        (["unknown", "frontal", "unknown"], [1]),
        (None, [0, 1, 2]),
    ):
        mean = torch.nn.functional.normalize(each[used].mean(dim=0), dim=0)
        torch.testing.assert_close(embedder.embed_study(several, views), mean)


def test_the_view_of_a_dicom_file_is_read_from_its_header(embedder: Embedder, tmp_path: Path) -> None:
    views = {"a.dcm": "LL", "b.dcm": "PA"}
    for name, view in views.items():
        (tmp_path / name).write_bytes(dicom(RAMP if view == "PA" else RAMP[::-1].copy(), ViewPosition=view))
    paths = [tmp_path / name for name in views]
    torch.testing.assert_close(embedder.embed_study(paths), embedder.embed_images(paths[1:])[0])
    with pytest.raises(EmbeddingInputError, match="none of 1 images of the study is frontal"):
        embedder.embed_study(paths[:1])


def test_views_that_do_not_fit_are_told(embedder: Embedder) -> None:
    with pytest.raises(EmbeddingInputError, match="2 images have 1 views: give one view for each image"):
        embedder.embed_study(pictures(2), ["pa"])
    with pytest.raises(EmbeddingInputError, match="'side' is no view: use one of pa, ap, frontal, lateral, unknown"):
        embedder.embed_study(pictures(1), ["side"])


def test_the_fingerprint_is_that_of_the_model_and_not_of_its_folder(
    run: Run, embedder: Embedder, tmp_path: Path
) -> None:
    embedder.embed_texts(SENTENCES)
    embedder.save(tmp_path / "saved")
    assert load(tmp_path / "saved", device="cpu").fingerprint == embedder.fingerprint
    torch.manual_seed(5)
    assert Embedder(tiny_run(run.recipe)).fingerprint != embedder.fingerprint
    larger = run.recipe.model_copy(update={"data": run.recipe.data.model_copy(update={"image_size": 48})})
    assert Embedder(Run(model=run.model, tokeniser=run.tokeniser, recipe=larger)).fingerprint != embedder.fingerprint


def test_what_is_no_run_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a run folder"):
        cxr_clip.load(tmp_path)


def test_importing_the_package_or_its_command_leaves_torch_alone() -> None:
    program = (
        "import sys, cxr_clip, cxr_clip.cli\n"
        "assert cxr_clip.load\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'sklearn', 'pyarrow', 'cv2'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
