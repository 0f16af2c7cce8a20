"""A run in OpenVINO has the run's embeddings, in single precision, in bfloat16 and in 8 bits as near as it says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cxr_clip.checkpoint import Run
from cxr_clip.embed import load
from cxr_clip.errors import ExportError, MissingPackageError
from cxr_clip.export import openvino_file, write_openvino
from cxr_clip.export.openvino_file import OpenVinoTower, new_core
from cxr_clip.export.write_openvino import export_openvino
from cxr_clip.model.tokeniser import load_tokeniser, tokenise
from support_data import made_up_picture, write_tiny_manifest
from support_models import SENTENCES
from support_programs import run_program


def test_the_files_alone_give_the_embeddings_of_the_run(folder: Path, openvino_folder: Path) -> None:
    model = load(folder, device="cpu")
    pictures = [made_up_picture(number, height=50 + 9 * number, width=70 - 8 * number) for number in range(3)]
    squares = torch.stack([torch.from_numpy(model.encoder.square(picture)) for picture in pictures])[:, None]
    core = new_core()
    image = OpenVinoTower(core, openvino_folder / "image.xml")
    text = OpenVinoTower(core, openvino_folder / "text.xml", threads=1)
    torch.testing.assert_close(image(squares), model.embed_images(pictures), atol=1e-5, rtol=0)
    torch.testing.assert_close(image(squares[:1]), model.embed_images(pictures[:1]), atol=1e-5, rtol=0)
    tokeniser = load_tokeniser(str(openvino_folder / "tokeniser"))
    for texts in (SENTENCES, ("",), ("No change. " * 9, "Clear.")):
        tokens = tokenise(tokeniser, texts, max_length=48)
        torch.testing.assert_close(text(tokens.ids, tokens.mask), model.embed_texts(texts), atol=1e-5, rtol=0)


def test_the_certificate_tells_single_precision_and_bfloat16(folder: Path, openvino_folder: Path) -> None:
    told = json.loads((openvino_folder / "certificate.json").read_text())
    assert 0 < told["images"] < told["tolerance"] == 1e-4
    assert told["model"] == load(folder, device="cpu").fingerprint
    assert list(told["files"]) == ["image.xml", "image.bin", "text.xml", "text.bin"]
    assert "openvino" in told["versions"]
    assert "int8" not in told
    if openvino_file.computes_bf16():
        assert 1e-4 < told["bf16"]["images"] < 0.1
    assert "library_name: openvino" in (openvino_folder / "README.md").read_text()


def test_8_bit_pictures_are_measured_and_texts_stay_whole(
    folder: Path,
    openvino_folder: Path,
    tmp_path: Path,
    copy_towers: Callable[[Run, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(write_openvino, "write_towers", copy_towers)
    monkeypatch.setattr(write_openvino, "computes_bf16", lambda: False)
    prepared = write_tiny_manifest(tmp_path / "prepared")
    certificate = export_openvino(folder, tmp_path / "int8", calibrate_on=prepared)
    assert certificate.bf16 is None
    assert certificate.int8 is not None
    assert certificate.int8.texts is not None
    assert 0.98 < certificate.int8.images.least_cosine < 1
    assert certificate.int8.texts.least_cosine == pytest.approx(1, abs=1e-5)
    assert (tmp_path / "int8/text.bin").read_bytes() == (openvino_folder / "text.bin").read_bytes()
    sizes = [(openvino_folder / "image.bin").stat().st_size, (tmp_path / "int8/image.bin").stat().st_size]
    assert sizes[1] < sizes[0] / 2


def test_an_export_that_differs_is_not_written(
    folder: Path, openvino_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Off(OpenVinoTower):
        def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
            return super().__call__(*inputs) + 2e-4

    def copy_files(_onnx: Path, unfinished: Path) -> None:
        for file in (*openvino_folder.glob("*.xml"), *openvino_folder.glob("*.bin")):
            shutil.copy(file, unfinished)

    monkeypatch.setattr(write_openvino, "OpenVinoTower", Off)
    monkeypatch.setattr(write_openvino, "write_towers", lambda _run, _folder: None)
    monkeypatch.setattr(write_openvino, "_convert", copy_files)
    with pytest.raises(ExportError, match=r"embeddings of images by 2.0e-04 and of texts by 2.0e-04 differ"):
        export_openvino(folder, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_program_that_exports_may_fork_afterwards_and_nobody_is_told_of_it(
    folder: Path, onnx_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    run_program("support_openvino_then_forks.py", folder, onnx_folder, tmp_path / "out")


def test_absent_packages_are_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_file, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"needs openvino: pip install 'cxr-clip\[export,openvino\]'"):
        export_openvino(folder, tmp_path / "out")
