"""Which public data sets are made of which others, and which of them number their patients alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml


@dataclass(frozen=True)
class Derivation:
    """That images of `source` come from the data set `origin`, in words, and who says so.

    `same_patients`: both give a patient the same name, so that names can be compared between them.
    """

    source: str
    origin: str
    same_patients: bool
    words: str
    told_by: str


@cache
def all_derivations() -> tuple[Derivation, ...]:
    """The table of the package."""
    rows = yaml.safe_load(files("cxr_clip").joinpath("resources", "derivations.yaml").read_text("utf-8"))
    return tuple(Derivation(**row) for row in rows)


def known_derivations(training: Iterable[str], evaluation: Iterable[str]) -> tuple[Derivation, ...]:
    """Those that join a source of the training with another one of the evaluation, directly or by a common origin."""
    pairs = [(one, other) for one in training for other in evaluation if one != other]
    joined = {source for pair in pairs if _origin(pair[0]) == _origin(pair[1]) for source in pair}
    return tuple(row for row in all_derivations() if row.source in joined)


def patients_of(source: str) -> str:
    """The data set whose names of patients a source uses: its own, or those of its origin."""
    named = {row.source: row.origin for row in all_derivations() if row.same_patients}
    return named.get(source, source)


def _origin(source: str) -> str:
    return {row.source: row.origin for row in all_derivations()}.get(source, source)
