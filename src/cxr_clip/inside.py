"""Paths that stand in a file: they lead below the folder that they are relative to, or nowhere."""

from pathlib import Path


def path_inside(folder: Path, name: str) -> Path | None:
    """The path of a name below a folder; None where it leads out, by itself or through a link.

    The folder itself may be a link.
    """
    if not name or "\0" in name:
        return None
    path = folder / name
    try:
        real, root = path.resolve(), folder.resolve()
    except (OSError, RuntimeError):  # a ring of links
        return None
    return path if real.is_relative_to(root) and real != root else None
