"""What the rows of an index are about: which of them are wanted, and rows as hits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cxr_clip.embeddings_file import IMAGE
from cxr_clip.search.vector_index import Hit, Wanted


def wanted_rows(rows: pa.Table, wanted: Wanted) -> NDArray[np.bool_]:
    """Which rows may be found."""
    found = np.ones(len(rows), dtype=bool)
    columns = (
        ("kind", wanted.kinds),
        ("source", wanted.sources),
        ("split", wanted.splits),
        ("view", wanted.views),
        ("patient", wanted.patients),
    )
    for name, values in columns:
        if values:
            found &= has_one_of(rows, name, values)
    for finding in wanted.findings:
        found &= _has_finding(rows, finding)
    if wanted.without:
        found &= ~has_one_of(rows, "study_id", wanted.without)
    return found


@dataclass(frozen=True)
class IndexContents:
    """How many rows there are, and what they can be told apart by, each in order."""

    entries: int
    sources: tuple[str, ...]
    splits: tuple[str, ...]
    views: tuple[str, ...]
    kinds: tuple[str, ...]
    findings: tuple[str, ...]


def contents_of(rows: pa.Table) -> IndexContents:
    """The values that a search can be narrowed to."""
    columns = (rows.column(name) for name in ("source", "split", "view", "kind"))
    named = (*columns, pc.list_flatten(rows.column("findings")))
    return IndexContents(len(rows), *(tuple(sorted(filter(None, pc.unique(column).to_pylist()))) for column in named))


def not_held(contents: IndexContents, wanted: Wanted) -> tuple[str, ...]:
    """Say of each value asked for that no row has which there are instead."""
    asked = {
        "source": (wanted.sources, contents.sources),
        "split": (wanted.splits, contents.splits),
        "view": (wanted.views, contents.views),
        "finding": (wanted.findings, contents.findings),
    }
    return tuple(
        f"no row is of {kind} {value!r}: there are {', '.join(held) or 'none'}"
        for kind, (values, held) in asked.items()
        for value in values
        if value not in held
    )


def has_one_of(rows: pa.Table, name: str, values: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows have one of some values in a column; a value that is no Unicode is in none."""
    texts = [value for value in values if not any("\ud800" <= character <= "\udfff" for character in value)]
    found = pc.is_in(rows.column(name), value_set=pa.array(texts, pa.string()))
    return np.asarray(found.to_numpy(), dtype=bool)


def as_hits(rows: pa.Table, scores: Sequence[float], places: Sequence[int], reports: Mapping[str, str]) -> list[Hit]:
    """Rows as hits, those of equal score by their ids."""
    hits = [
        Hit(
            **{name: row[name] for name in ("id", "study_id", "patient", "source", "split", "kind", "view", "path")},
            score=score,
            findings=tuple(row["findings"]),
            report=reports.get(row["study_id"]),
        )
        for row, score in zip(rows.take(list(places)).to_pylist(), scores, strict=True)
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))


def reports_of(texts: pa.Table, studies: Sequence[str]) -> dict[str, str]:
    """The texts of studies, their sections one after the other; `texts` has study_id, kind and text."""
    reports: dict[str, str] = {}
    for row in texts.filter(has_one_of(texts, "study_id", studies)).to_pylist():
        if row["kind"] != IMAGE:
            reports[row["study_id"]] = " ".join(filter(None, (reports.get(row["study_id"]), row["text"])))
    return reports


def _has_finding(rows: pa.Table, finding: str) -> NDArray[np.bool_]:
    findings = rows.column("findings").combine_chunks()
    of_row = pc.list_parent_indices(findings).to_numpy()
    named = pc.equal(pc.list_flatten(findings), finding).to_numpy(zero_copy_only=False)
    has = np.zeros(len(rows), dtype=bool)
    has[of_row[named.astype(bool)]] = True
    return has
