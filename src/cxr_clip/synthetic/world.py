"""Which made-up world a folder holds, and whether it is whole: world.json, written before all else and at the end."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cxr_clip.errors import SourceError
from cxr_clip.synthetic.files import write_whole

VERSION = 1  # raised with every change after which the same seed gives other pictures or reports
_NAME = "world.json"


@dataclass(frozen=True)
class World:
    """All that the bytes of a world depend on."""

    layout: str
    studies: int
    seed: int
    image_size: int
    version: int = VERSION


def begin(out: Path, world: World, progress: Callable[[int], None] | None = None) -> bool:
    """Claim a folder for a world; whether there is anything left to draw. If not, `progress` hears of all studies.

    Raises SourceError where the folder holds anything but the same world, whole or begun.
    """
    path = out / _NAME
    if not path.exists():
        _require_empty(out)
        _write(path, world, finished=False)
        return True
    there = _read(path)
    if there not in (_entry(world, finished=False), _entry(world, finished=True)):
        raise SourceError(
            f"{out} holds another made-up world ({_difference(there, world)}): give another folder, or delete this one"
        )
    if there["finished"] and progress is not None:
        progress(world.studies)
    return there["finished"] is False


def finish(out: Path, world: World) -> None:
    """Say that all files of a world are written."""
    _write(out / _NAME, world, finished=True)


def _require_empty(out: Path) -> None:
    """What is hidden may stay: it comes from the file system, or from a run that was killed at its first file."""
    if out.exists() and not out.is_dir():
        raise SourceError(f"{out} is a file: give a folder to write the made-up world into")
    other = sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) if out.is_dir() else []
    if other:
        raise SourceError(
            f"{out} holds files of something else ({', '.join(other[:3])}): give a new or an empty folder"
        )


def _read(path: Path) -> dict[str, object]:
    """The content of world.json; nothing of it where it is damaged."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, world: World, *, finished: bool) -> None:
    write_whole(path, (json.dumps(_entry(world, finished=finished), indent=2) + "\n").encode())


def _entry(world: World, *, finished: bool) -> dict[str, object]:
    return {**asdict(world), "finished": finished}


def _difference(there: dict[str, object], world: World) -> str:
    """In which entries another world differs, with the value there and the value asked for."""
    pairs = ((key, there.get(key), value) for key, value in asdict(world).items())
    different = [f"{key} {seen!r}, not {value!r}" for key, seen, value in pairs if seen != value]
    return ", ".join(different) if there and different else f"its {_NAME} is damaged"
