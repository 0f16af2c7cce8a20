"""8-bit towers stay near the run's embeddings on real pictures, and say how near; another model is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.data.manifest import read_manifest
from cxr_clip.embed import load
from cxr_clip.errors import ExportError
from cxr_clip.export import write_onnx
from cxr_clip.export.certificate import Int8, Kept
from cxr_clip.export.int8 import quantise_text_tower
from cxr_clip.export.kept import kept, refuse_other_model
from cxr_clip.export.real_inputs import read_real_inputs
from cxr_clip.export.write_onnx import export_onnx, opened
from cxr_clip.study import Split
from support_data import made_up_picture, write_tiny_manifest


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def _towers_from_there(copy_towers: Callable[[Run, Path], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_onnx, "write_towers", copy_towers)


@pytest.mark.usefixtures("_towers_from_there")
def test_an_8_bit_export_is_measured_on_other_pictures(
    folder: Path, onnx_folder: Path, prepared: Path, tmp_path: Path
) -> None:
    export_onnx(folder, tmp_path / "int8", calibrate_on=prepared)
    told = json.loads((tmp_path / "int8" / "certificate.json").read_text())
    assert told["int8"]["calibrated"] == 8
    assert told["int8"]["images"]["count"] == 4
    model, real = load(folder, device="cpu"), read_real_inputs(prepared)
    narrow = opened(load_run(folder), tmp_path / "int8")
    cosines = (narrow.embed_images(real.pictures) * model.embed_images(real.pictures)).sum(dim=1)
    assert told["int8"]["images"]["least_cosine"] == pytest.approx(float(cosines.min()), abs=1e-6)
    assert 0.98 < told["int8"]["images"]["least_cosine"] < 1
    assert 0.98 < told["int8"]["texts"]["mean_cosine"] < 1
    whole = json.loads((onnx_folder / "certificate.json").read_text())
    assert told["images"] == whole["images"]
    assert told["files"].keys() == whole["files"].keys()
    assert all(told["files"][name] != whole["files"][name] for name in whole["files"])
    picture = np.asarray(made_up_picture(3, height=40, width=40))
    assert float((narrow.embed_images([picture]) * model.embed_images([picture])).sum()) > 0.98
    weights = {one.data_type for one in onnx.load(tmp_path / "int8" / "image.onnx").graph.initializer if one.dims}
    assert onnx.TensorProto.INT8 in weights
    assert onnx.TensorProto.FLOAT not in {
        one.data_type
        for one in onnx.load(tmp_path / "int8" / "image.onnx").graph.initializer
        if len(one.dims) == 4 and one.dims[1] > 3
    }


def test_calibration_and_check_are_of_other_studies(prepared: Path) -> None:
    real, manifest = read_real_inputs(prepared), read_manifest(prepared)
    assert len(real.calibration) == len(manifest.where(split=Split.TRAIN))
    validate = list(manifest.where(split=Split.VALIDATE))
    assert len(real.pictures) == len(validate)
    assert set(real.texts) == {text for study in validate for text in study.sections.values()}


def test_a_folder_without_validation_studies_is_refused(tmp_path: Path) -> None:
    write_tiny_manifest(tmp_path, validate=0)
    with pytest.raises(ExportError, match="has 8 training and 0 validation studies with an image"):
        read_real_inputs(tmp_path)


def test_what_is_kept_is_told_by_cosines_and_neighbours() -> None:
    expected = torch.eye(4)[:3]
    found = torch.tensor([[0.6, 0.8, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    assert kept(found, expected) == Kept(3, pytest.approx(2.6 / 3), pytest.approx(0.6), pytest.approx(2 / 3))


def test_another_model_is_refused() -> None:
    near, far = Kept(9, 0.99, 0.9, 1.0), Kept(9, 0.89, 0.9, 1.0)
    refuse_other_model(Int8("", 8, near, None))
    with pytest.raises(ExportError, match=r"embeddings of texts have a mean cosine of 0\.890 with the run's, 0\.9 is"):
        refuse_other_model(Int8("", 8, near, far))
    with pytest.raises(ExportError, match="embeddings of pictures"):
        refuse_other_model(Int8("", 8, Kept(9, float("nan"), 0.9, 1.0), None))


def test_weights_in_a_second_file_are_not_made_8_bits(tmp_path: Path) -> None:
    (tmp_path / "text.onnx.data").touch()
    with pytest.raises(ExportError, match=r"text\.onnx has its weights in a second file.*leave out --int8"):
        quantise_text_tower(tmp_path / "text.onnx", tmp_path / "narrow.onnx")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--to", "onnx", "--int8"), "--int8 and --calibrate-on PREPARED go together"),
        (("--to", "openvino", "--calibrate-on", "there"), "--int8 and --calibrate-on PREPARED go together"),
        (("--to", "huggingface", "--int8", "--calibrate-on", "there"), "--int8 is for --to onnx and --to openvino"),
    ],
)
def test_options_that_do_not_fit_are_told(
    options: tuple[str, ...], words: str, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("export", "run", "out", *options) == 2
    assert words in capsys.readouterr().err


@pytest.mark.usefixtures("_towers_from_there")
def test_the_command_says_what_8_bits_cost(
    folder: Path, prepared: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("export", folder, "out", "--to", "onnx", "--int8", "--calibrate-on", prepared) == 0
    assert "of 4 validation pictures with the run's, 100% nearest to their own" in capsys.readouterr().out
