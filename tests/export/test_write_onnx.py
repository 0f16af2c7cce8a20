"""A run in ONNX Runtime has the run's embeddings, for any batch and length, or it is not written."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import AutoTokenizer

from cxr_clip.checkpoint import Run
from cxr_clip.embed import Embedder, load
from cxr_clip.errors import CheckpointError, ExportError, MissingPackageError
from cxr_clip.export import onnx_file, write_onnx
from cxr_clip.export.certificate import largest_difference, made_up_pictures
from cxr_clip.export.onnx_file import OnnxTower, write_tower
from cxr_clip.export.towers import ImageTower, portable
from cxr_clip.export.write_onnx import export_onnx
from cxr_clip.model.batch_norm import batch_norm_names
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from support_data import made_up_picture
from support_models import SENTENCES, tiny_recipe, tiny_run

SWIN = {
    "model_type": "swin",
    "image_size": 32,
    "embed_dim": 8,
    "depths": [2],
    "num_heads": [2],
    "window_size": 4,
    "patch_size": 4,
}
MOBILENET = {"model_type": "mobilenet_v2", "depth_multiplier": 0.25}


def test_the_files_alone_give_the_embeddings_of_the_run(folder: Path, onnx_folder: Path) -> None:
    embedder = load(folder, device="cpu")
    pictures = [made_up_picture(number, height=50 + 9 * number, width=70 - 8 * number) for number in range(3)]
    squares = np.stack([embedder.encoder.square(picture) for picture in pictures])[:, None]
    image = onnxruntime.InferenceSession(onnx_folder / "image.onnx")
    np.testing.assert_allclose(
        image.run(None, {"pixels": squares})[0], embedder.embed_images(pictures).numpy(), atol=1e-5
    )
    text = onnxruntime.InferenceSession(onnx_folder / "text.onnx")
    longest = json.loads((onnx_folder / "preprocessing.json").read_text())["text"]["max_tokens"]
    tokeniser = AutoTokenizer.from_pretrained(onnx_folder / "tokeniser")
    for texts in (SENTENCES, ("",), ("No change. " * 9, "Clear.")):
        tokens = tokeniser(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="np")
        given = {name: tokens[name] for name in ("input_ids", "attention_mask")}
        np.testing.assert_allclose(text.run(None, given)[0], embedder.embed_texts(texts).numpy(), atol=1e-5)


def test_the_certificate_and_the_preprocessing_lie_beside(folder: Path, onnx_folder: Path) -> None:
    certificate = json.loads((onnx_folder / "certificate.json").read_text())
    assert 0 < certificate["images"] < certificate["tolerance"] == 1e-4
    assert 0 < certificate["texts"] < 1e-4
    assert certificate["apart"] > 100 * certificate["images"]
    assert certificate["model"] == load(folder, device="cpu").fingerprint
    assert certificate["versions"]["torch"] == torch.__version__
    assert max(certificate["tokens"]) == 48
    told = json.loads((onnx_folder / "preprocessing.json").read_text())
    assert (told["image"]["size"], told["text"]["max_tokens"]) == (32, 48)
    assert told["scale"] == pytest.approx(1 / 0.07)
    assert "license: apache-2.0" in (onnx_folder / "README.md").read_text()


@pytest.mark.parametrize(("architecture", "apart"), [(SWIN, True), (MOBILENET, False)], ids=["swin", "mobilenet"])
def test_other_image_encoders_are_exported(
    architecture: Mapping[str, object], apart: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ONNX file may have 2 GiB; where 1,000 bytes are many, the weights lie beside it, and move with it."""
    monkeypatch.setattr(onnx_file, "LARGEST", 1_000 if apart else onnx_file.LARGEST)
    torch.manual_seed(3)
    run = tiny_run(tiny_recipe(Path("nowhere")))
    model = DualEncoder(image_encoder_from_architecture(architecture, pooling="mean"), run.model.text, dim=12)
    pictures = torch.from_numpy(np.stack([picture[:16, :16].repeat(2, 0).repeat(2, 1) for picture in _pictures()]))
    for layer in batch_norm_names(model):
        model.get_submodule(layer).momentum = 1.0
    with torch.no_grad():
        model.embed_images(pictures[:, None])  # statistics of batch normalisation that fit, or all pictures look alike
        expected = model.eval().embed_images(pictures[:, None])
    example = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    written = tmp_path / "written"
    written.mkdir()
    write_tower(
        ImageTower(portable(model)), written / "image.onnx", examples=[example], inputs=["pixels"], axes=["batch"]
    )
    moved = written.rename(tmp_path / "moved")
    (moved / "text.onnx").touch()
    beside = ["image.onnx.data"] if apart else []
    assert [file.name for file in write_onnx.onnx_files(moved)] == ["image.onnx", "text.onnx", *beside]
    tower = OnnxTower(moved / "image.onnx", threads=1)
    assert largest_difference(lambda first, last: tower(pictures[first:last, None]), expected) < 1e-4
    assert float((expected[0] - expected[3]).abs().max()) > 1e-3


def _pictures() -> list[np.ndarray]:
    return [made_up_picture(number, height=32, width=32) for number in range(6)]


def test_the_run_stays_as_it_was() -> None:
    run = tiny_run(tiny_recipe(Path("nowhere")))
    before = Embedder(run).embed_texts(SENTENCES)
    attention = run.model.text.backbone.config._attn_implementation
    portable(run.model)
    assert run.model.text.backbone.config._attn_implementation == attention != "eager"
    assert torch.equal(Embedder(run).embed_texts(SENTENCES), before)


def test_an_export_that_differs_is_not_written(
    folder: Path, copy_towers: Callable[[Run, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Off(OnnxTower):
        def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
            return super().__call__(*inputs) + 2e-4

    monkeypatch.setattr(write_onnx, "OnnxTower", Off)
    monkeypatch.setattr(write_onnx, "write_towers", copy_towers)
    with pytest.raises(ExportError, match=r"embeddings of images by 2.0e-04 and of texts by 2.0e-04 differ, 1e-04 is"):
        export_onnx(folder, tmp_path / "exact")
    assert not list(tmp_path.iterdir())


def test_what_is_not_a_number_differs() -> None:
    expected = torch.zeros(3, 2)
    assert largest_difference(lambda first, last: expected[first:last] * torch.nan, expected) == float("inf")
    assert largest_difference(lambda first, last: expected, torch.zeros(2, 2)) == float("inf")
    assert largest_difference(lambda first, last: expected[first:last] + 0.5, expected) == 0.5


def test_pictures_of_the_proof_are_the_same_each_time() -> None:
    first, second = made_up_pictures(32), made_up_pictures(32)
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_a_folder_with_something_in_it_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="not empty"):
        export_onnx(folder, tmp_path)


def test_absent_packages_are_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(MissingPackageError, match=r"needs onnxscript: pip install 'cxr-clip\[export\]'"):
        export_onnx(folder, tmp_path / "out")


def test_the_command_says_where_the_fault_is(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert command("export", "nothing", "out", "--to", "onnx") == 2
    assert "is not a run folder" in capsys.readouterr().err
