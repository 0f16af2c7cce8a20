"""Golden numbers of the published code, read by file and key, each declared by the test module that reads it.

A declaration is `READS = {"file": ("pattern", ...)}`; patterns are those of file names, matched against the keys of
an .npz file or the top level of a .json file. `test_nothing_is_forgotten` adds up the declarations.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

Reads = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Golden:
    """The golden folder as one test module may see it."""

    folder: Path
    reads: Reads

    def arrays(self, file: str) -> dict[str, np.ndarray]:
        """The arrays of an .npz file that the module lists."""
        with np.load(self.folder / file) as stored:
            return {key: stored[key] for key in stored if matches(key, self.reads[file])}

    def facts(self, file: str) -> dict[str, Any]:
        """The top level of a .json file, what the module lists of it."""
        return {key: value for key, value in json_items(self.folder / file) if matches(key, self.reads[file])}

    def path(self, file: str) -> Path:
        """The place of any other file that the module lists."""
        assert file in self.reads, f"{file} is not in READS"
        return self.folder / file


def matches(key: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns stands for the key."""
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def keys_of(path: Path) -> tuple[str, ...]:
    """The keys of a golden file; other files have none."""
    if path.suffix == ".npz":
        with np.load(path) as stored:
            return tuple(stored)
    return tuple(key for key, _ in json_items(path)) if path.suffix == ".json" else ()


def json_items(path: Path) -> tuple[tuple[str, Any], ...]:
    """The items of a mapping, or of a list whose entries have names."""
    content = json.loads(path.read_text())
    return tuple(content.items()) if isinstance(content, dict) else tuple((item["name"], item) for item in content)
