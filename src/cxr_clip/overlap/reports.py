"""Reports that are word for word the same, told apart from the short normal ones that everybody writes."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cxr_clip.data.columns import entries
from cxr_clip.overlap.hits import Hits, equal_keys, keys_of

# A text is common where it is that short, or where so many patients have it, both sides counted together: such a report
# is written anew each time. What is left is long and belongs to two patients, or to one.
COMMON_WORDS, COMMON_PATIENTS = 20, 3
_SECTIONS = ("findings", "impression")
_EXAMPLES, _LETTERS_SHOWN = 5, 160
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Reports:
    """Of each study a key of its normalised report (0: no report) and the number of its words."""

    keys: NDArray[np.uint64]
    words: NDArray[np.int64]


@dataclass(frozen=True)
class CommonText:
    """A text that is no sign of a leak: how many words, patients and studies of the evaluation have it."""

    text: str
    words: int
    patients: int
    evaluation_studies: int


@dataclass(frozen=True)
class EqualReports:
    """Equal reports, the long and rare ones apart from the common ones."""

    rare: Hits
    common: Hits
    examples: tuple[CommonText, ...]


def normalised(text: str) -> str:
    """The words of a text in small letters, without punctuation and masks ("XXXX", "___")."""
    return " ".join(word for word in _NOT_A_WORD.sub(" ", text.lower()).split() if word != "xxxx")


def report_of(sections: Mapping[str, str]) -> str:
    """Findings and impression, normalised; where a study has neither, all its sections."""
    chosen = [sections[name] for name in _SECTIONS if name in sections]
    return normalised(" ".join(chosen or sections.values()))


def read_reports(table: pa.Table) -> Reports:
    """Read the reports of a manifest's table, some rows at a time."""
    words: list[int] = []

    def counted() -> Iterator[str]:
        for text in report_texts(table):
            words.append(text.count(" ") + 1 if text else 0)
            yield text

    keys = keys_of(counted())
    return Reports(keys, np.asarray(words, dtype=np.int64))


def report_texts(table: pa.Table) -> Iterator[str]:
    """The normalised report of each study."""
    for batch in table.select(["sections"]).to_batches(max_chunksize=2048):
        rows, names, texts = entries(pa.Table.from_batches([batch]), "sections")
        studies: list[dict[str, str]] = [{} for _ in range(batch.num_rows)]
        for row, name, text in zip(rows.tolist(), names.to_pylist(), texts.to_pylist(), strict=True):
            studies[row][name] = text or ""
        yield from map(report_of, studies)


def equal_reports(
    training: Reports, evaluation: Reports, *, patients: NDArray[np.uint64], others: NDArray[np.uint64]
) -> EqualReports:
    """Compare all reports; `patients` are those of the training's studies, `others` those of the evaluation's.

    The examples come without their texts (`with_texts`).
    """
    hits = equal_keys(training.keys, evaluation.keys)
    found = evaluation.keys[hits.evaluation]
    owners = _owners(found, (training.keys, patients), (evaluation.keys, others))
    counts = np.asarray([owners[key] for key in found.tolist()], dtype=np.int64)
    common = (evaluation.words[hits.evaluation] < COMMON_WORDS) | (counts >= COMMON_PATIENTS)
    shown = Counter(found[common].tolist()).most_common(_EXAMPLES)
    words = dict(zip(found.tolist(), evaluation.words[hits.evaluation].tolist(), strict=True))
    examples = tuple(CommonText(str(key), words[key], owners[key], studies) for key, studies in shown)
    return EqualReports(hits.where(~common), hits.where(common), examples)


def with_texts(reports: EqualReports, tables: Iterable[pa.Table]) -> tuple[CommonText, ...]:
    """The examples with the beginnings of their texts, from the tables of the evaluation."""
    wanted = {one.text for one in reports.examples}
    texts: dict[str, str] = {}
    for text in chain.from_iterable(map(report_texts, tables)):
        key = str(int(keys_of([text])[0]))
        if key in wanted:
            texts.setdefault(key, text)
    return tuple(
        CommonText(_short(texts[one.text]), one.words, one.patients, one.evaluation_studies) for one in reports.examples
    )


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS_SHOWN else f"{text[:_LETTERS_SHOWN].rsplit(' ', 1)[0]} …"


def _owners(found: NDArray[np.uint64], *sides: tuple[NDArray[np.uint64], NDArray[np.uint64]]) -> Mapping[int, int]:
    """How many different patients have each text."""
    wanted = np.unique(found)
    kept = [np.isin(keys, wanted) for keys, _ in sides]
    pairs = [np.stack([keys[k], owners[k]], axis=1) for k, (keys, owners) in zip(kept, sides, strict=True)]
    different: Sequence[Sequence[int]] = np.unique(np.concatenate(pairs), axis=0).tolist()
    return Counter(int(key) for key, _ in different)
