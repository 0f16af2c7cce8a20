"""Every golden file, and every key in it, is read by a test; and nothing is listed that is not there."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from support_golden import Reads, keys_of, matches

# Files that hold no number of the published code, and keys that say how the numbers were made.
NO_NUMBERS = {
    "README.md": "the description",
    "model_resnet_recipe/rebuild.py": "a program; the tests follow the recipe beside it",
}
HOW_MADE = {
    "loss_ddp2.json": ("report",),
    "model_swin_trainer/info.json": ("versions", "images_from_*", "views_from_*", "normalize"),
    "model_resnet_recipe/info.json": ("versions", "images_from_*", "views_from_*", "normalize"),
}


def declarations() -> Iterator[Reads]:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.name != Path(__file__).name:
            description = importlib.util.spec_from_file_location(f"reads_of_{path.stem}", path)
            assert description is not None
            assert description.loader is not None
            module = importlib.util.module_from_spec(description)
            description.loader.exec_module(module)
            yield getattr(module, "READS", {})


@pytest.fixture(scope="module")
def read() -> dict[str, tuple[str, ...]]:
    """For each file, the patterns of all modules together."""
    together: dict[str, tuple[str, ...]] = {}
    for reads in declarations():
        for file, patterns in reads.items():
            together[file] = (*together.get(file, ()), *patterns)
    return together


@pytest.mark.shared
def test_every_file_and_key_is_read(read: dict[str, tuple[str, ...]], shared_folder: Path) -> None:
    folder, forgotten = shared_folder / "golden", []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        file = path.relative_to(folder).as_posix()
        if file not in read:
            forgotten += [] if file in NO_NUMBERS else [file]
            continue
        patterns = (*read[file], *HOW_MADE.get(file, ()))
        forgotten += [f"{file}: {key}" for key in keys_of(path) if not matches(key, patterns)]
    assert forgotten == []


@pytest.mark.shared
def test_nothing_is_listed_that_is_not_there(read: dict[str, tuple[str, ...]], shared_folder: Path) -> None:
    for file, patterns in read.items():
        path = shared_folder / "golden" / file
        assert path.is_file(), file
        for pattern in patterns:
            assert any(matches(key, [pattern]) for key in keys_of(path)), f"{file}: {pattern}"
