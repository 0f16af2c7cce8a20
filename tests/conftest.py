"""Shared fixtures: where the development data lies, if it is there at all. Shapes in signatures are checked."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import jaxtyping
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless Chromium; skips where there is none."""
    from support_page import chromium

    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A fresh page on a wide screen."""
    opened = browser.new_page(viewport={"width": 1600, "height": 900})
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()
