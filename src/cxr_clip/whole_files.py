"""Texts that are there whole or not at all."""

from pathlib import Path


def write_whole(path: Path, text: str) -> Path:
    """Write a text under another name first, so that a reader never sees half of it; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)
