"""The findings that the project knows: one canonical name each, whatever a data set calls it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files

import yaml

from cxr_clip.errors import PromptError


@dataclass(frozen=True)
class Finding:
    """A finding: its canonical name, its other names, and the label sets that have it."""

    name: str
    aliases: tuple[str, ...]
    sets: tuple[str, ...]


def _read() -> tuple[Finding, ...]:
    """The table of findings in `resources/findings.yaml`, which documents its own shape."""
    rows = yaml.safe_load(files("cxr_clip").joinpath("resources", "findings.yaml").read_text("utf-8"))
    return tuple(Finding(row["name"], tuple(row["aliases"]), tuple(row["sets"])) for row in rows)


def _key(name: str) -> str:
    return re.sub(r"[\s_\-/]+", " ", name).strip().lower()


def _by_key(table: Iterable[Finding]) -> dict[str, str]:
    """Canonical names by every spelling that stands for them."""
    return {_key(spelling): finding.name for finding in table for spelling in (finding.name, *finding.aliases)}


TABLE: tuple[Finding, ...] = _read()
NO_FINDING = "No Finding"
KNOWN_FINDINGS: tuple[str, ...] = tuple(finding.name for finding in TABLE)
CHESTXRAY14: tuple[str, ...] = tuple(finding.name for finding in TABLE if "chestxray14" in finding.sets)
VINDR_CXR: tuple[str, ...] = tuple(finding.name for finding in TABLE if "vindr_cxr" in finding.sets)
# The findings of the label sets of the paper's pre-training.
FINDINGS: tuple[str, ...] = tuple(
    finding.name for finding in TABLE if {"chexpert", "chestxray14"}.intersection(finding.sets)
)
_NAMES = _by_key(TABLE)


def canonical(name: str) -> str:
    """The canonical name of a finding; case, underscores, hyphens and slashes do not matter.

    Raises PromptError for a name that no finding has; the message names the nearest known one.
    """
    known = _NAMES.get(_key(name))
    if known is not None:
        return known
    near = get_close_matches(_key(name), _NAMES, n=1, cutoff=0.6)
    hint = f"did you mean {_NAMES[near[0]]!r}?" if near else f"known are {', '.join(KNOWN_FINDINGS)}."
    raise PromptError(f"There is no finding called {name!r}: {hint}")
