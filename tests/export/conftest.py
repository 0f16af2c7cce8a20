"""One tiny run, and one export of it to ONNX, for all tests of exports: following a model takes seconds."""

from pathlib import Path

import pytest

from cxr_clip.export.write_onnx import export_onnx
from support_models import tiny_run_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run_folder(tmp_path_factory.mktemp("export") / "run", Path("nowhere"))


@pytest.fixture(scope="session")
def onnx_folder(folder: Path) -> Path:
    export_onnx(folder, folder.parent / "onnx", licence="apache-2.0")
    return folder.parent / "onnx"
