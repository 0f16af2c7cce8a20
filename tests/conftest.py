"""Shared fixtures: where the development data lies, if it is there at all. Shapes in signatures are checked."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import jaxtyping
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# The modules whose signatures carry shapes: each call checks its arguments and its result. Before their first import.
WITH_SHAPES = (
    "cxr_clip.data.doubts",
    "cxr_clip.data.resize",
    "cxr_clip.data.tones",
    "cxr_clip.data.transforms",
    "cxr_clip.classify",
    "cxr_clip.directions",
    "cxr_clip.distributed",
    "cxr_clip.embed",
    "cxr_clip.embeddings_file",
    "cxr_clip.evaluate.prompt_sets",
    "cxr_clip.explain",
    "cxr_clip.evaluate.retrieval",
    "cxr_clip.losses",
    "cxr_clip.model",
    "cxr_clip.overlay",
    "cxr_clip.ranking",
    "cxr_clip.reference",
    "cxr_clip.tensors",
    "cxr_clip.train.geometry",
    "cxr_clip.train.loop",
    "cxr_clip.train.step",
    "cxr_clip.train.validation",
    "cxr_clip.train.zero_shot",
)
jaxtyping.install_import_hook(WITH_SHAPES, "support_checks.checked")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny tensors gain nothing from threads, and tests run side by side."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of development data and golden numbers beside the checkout (or CXR_CLIP_SHARED)."""
    folder = Path(os.environ.get("CXR_CLIP_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"the development data is absent: no folder {folder.name} beside the checkout")
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Runs `cxr-clip` with arguments, in an empty folder, and returns its exit code."""
    from cxr_clip import cli

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["cxr-clip", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run
