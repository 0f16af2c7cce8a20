"""One tiny run, and one export of it to ONNX, for all tests of exports: following a model takes seconds."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_clip.checkpoint import Run
from cxr_clip.export import write_openvino
from cxr_clip.export.write_onnx import export_onnx
from support_models import tiny_run_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run_folder(tmp_path_factory.mktemp("export") / "run", Path("nowhere"))


@pytest.fixture(scope="session")
def onnx_folder(folder: Path) -> Path:
    export_onnx(folder, folder.parent / "onnx", licence="apache-2.0")
    return folder.parent / "onnx"


@pytest.fixture(scope="session")
def copy_towers(onnx_folder: Path) -> Callable[[Run, Path], None]:
    """What writes the towers of `folder` in no time: those that were exported already."""

    def write(_run: Run, unfinished: Path) -> None:
        for file in onnx_folder.glob("*.onnx"):
            shutil.copy(file, unfinished)

    return write


@pytest.fixture(scope="session")
def openvino_folder(folder: Path, copy_towers: Callable[[Run, Path], None]) -> Path:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(write_openvino, "write_towers", copy_towers)
        write_openvino.export_openvino(folder, folder.parent / "openvino")
    return folder.parent / "openvino"
