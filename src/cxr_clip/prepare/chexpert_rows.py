"""The rows of a table of CheXpert in a compact form; they are made into objects when they are asked for."""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cxr_clip.prepare.chexpert_images import ImageKey, image_key
from cxr_clip.prepare.packed_labels import PackedLabels
from cxr_clip.prepare.packed_texts import PackedTexts
from cxr_clip.study import Certainty, View

_VIEWS = tuple(View)
_SEXES = (None, "F", "M")
_NONE = -1


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says of one image."""

    path: str
    key: ImageKey
    view: View
    findings: Mapping[str, Certainty]
    age: float | None
    sex: str | None
    sections: Mapping[str, str] = field(default_factory=dict)


class Rows:
    """Rows in the order of their table, each with a key; they are made anew at every pass.

    `findings` are the names that rows may label.
    """

    def __init__(self, findings: Sequence[str]) -> None:
        self._paths, self._ends = bytearray(), array("q", [0])
        self._views, self._sexes, self._ages = array("B"), array("B"), array("d")
        self._texts = array("i")
        self._findings = PackedLabels(findings)
        self._sections = PackedTexts()
        self._last = ""

    def append(self, row: Row) -> None:
        """Add a row. Of following rows of one study the first sections alone are kept, which are those of the study."""
        self._paths += _bytes(row.path)
        self._ends.append(len(self._paths))
        self._views.append(_VIEWS.index(row.view))
        self._sexes.append(_SEXES.index(row.sex))
        self._ages.append(math.nan if row.age is None else row.age)
        self._findings.append(row.findings)
        keeps = bool(row.sections) and row.key.study_id != self._last
        self._texts.append(self._sections.append(row.sections) if keeps else _NONE)
        self._last = row.key.study_id if keeps else self._last

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[Row]:
        return map(self._row, range(len(self)))

    def _row(self, number: int) -> Row:
        path = self._path(number)
        key = image_key(path)
        assert key is not None, "only rows with a key are appended"
        text, age = self._texts[number], self._ages[number]
        return Row(
            path=path,
            key=key,
            view=_VIEWS[self._views[number]],
            findings=self._findings[number],
            age=None if math.isnan(age) else age,
            sex=_SEXES[self._sexes[number]],
            sections={} if text == _NONE else self._sections[text],
        )

    def _path(self, number: int) -> str:
        return self._paths[self._ends[number] : self._ends[number + 1]].decode("utf-8", "surrogateescape")

    def by_study(self) -> Iterator[Sequence[Row]]:
        """The rows of each study, in the order in which the studies come."""
        if not len(self):
            return
        names = np.array([_bytes(row.key.study_id) for row in self])
        _, first, studies = np.unique(names, return_index=True, return_inverse=True)
        ranks = first[studies]
        order = np.argsort(ranks, kind="stable")
        for numbers in np.split(order, np.flatnonzero(np.diff(ranks[order])) + 1):
            yield [self._row(int(number)) for number in numbers]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
