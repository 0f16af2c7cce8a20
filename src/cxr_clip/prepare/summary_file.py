"""summary.json of a prepared folder, read: what the preparation says of itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cxr_clip.errors import ManifestError

SUMMARY = "summary.json"


@dataclass(frozen=True)
class Preparation:
    """What the preparation says of itself: what it left out, by reason, absent images, remarks, its settings."""

    reasons: Mapping[str, int] = field(default_factory=dict)
    absent_images: int = 0
    remarks: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, str | int | None] = field(default_factory=dict)


def read_preparation(folder: Path) -> Preparation:
    """Read what summary.json says; nothing where the folder has none. Raises ManifestError where it is damaged."""
    file = folder / SUMMARY
    if not file.is_file():
        return Preparation()
    try:
        note = json.loads(file.read_text("utf-8"))
        return Preparation(
            reasons=note.get("rejected", {}),
            absent_images=note.get("absent_images", 0),
            remarks=note.get("remarks", {}),
            settings=note.get("run", {}),
        )
    except (ValueError, AttributeError) as error:
        raise ManifestError(f"{file} is damaged ({error}): prepare the data set again") from error
