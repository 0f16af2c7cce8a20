"""What preparation passes around: its options, what it leaves out and why, and its summary."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.data.provenance import Provenance
from cxr_clip.errors import SourceError
from cxr_clip.prepare.hashed_ids import Ids
from cxr_clip.study import Study

# Called with the number of studies that are done and the number of all studies.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Share:
    """One of several machines' shares of a data set: every `of`-th shard, from shard number `number` on (1 to `of`)."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise SourceError(f"the share is {self}; it must be 1/n, 2/n, ... or n/n")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def takes(self, shard: int) -> bool:
        """Whether shard number `shard` (from 0) belongs to this share."""
        return shard % self.of == self.number - 1


@dataclass(frozen=True)
class PrepareOptions:
    """How to prepare a data set.

    `short_side` bounds the stored images, in pixels; images are never enlarged. `processes` decode at the same time
    (1: no process is started). `limit` takes the first so many studies only. A shard holds `studies_per_shard`
    studies, and is the unit in which a stopped run continues, and in which machines share the work: with a `share`
    only its shards are made, to be merged with those of the others (prepare/merge.py). `windowing` is for DICOM.
    With `label_reports` a study without labels gets those that its report speaks of (data/labeller.py). `ids` tells
    whether ids and file names are written as they are, or hashed.
    """

    short_side: int = 512
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    limit: int | None = None
    studies_per_shard: int = 1000
    share: Share | None = None
    windowing: Windowing = Windowing.FILE
    label_reports: bool = False
    ids: Ids = field(default_factory=Ids)

    def __post_init__(self) -> None:
        for name in ("short_side", "processes", "limit", "studies_per_shard"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SourceError(f"{name} is {value}; it must be at least 1")

    @property
    def provenance(self) -> Provenance:
        """What the manifest is to say of how it was made."""
        return Provenance(windowing=self.windowing, hashed_ids=self.ids.check, labelled_by_rule=self.label_reports)


@dataclass(frozen=True)
class Rejection:
    """Something that was left out: its kind, its file, its study, and why.

    The kind is "study", or the part of one that is left out: "image", "report", "labels", "box", "mask".
    """

    kind: str
    path: str | None
    study: str | None
    reason: str


def absent_line(absent: int, listed: int) -> tuple[Rejection, ...]:
    """The one line that says how many of the listed images are absent, if any is."""
    if not absent:
        return ()
    reason = f"{absent:,} of {listed:,} listed images are not in the raw folder; absent.txt names them"
    return (Rejection("image", "absent.txt", None, reason),)


def nonzero(counts: Mapping[str, int]) -> dict[str, int]:
    """The remarks that there are: what was counted and is not there is none."""
    return {text: count for text, count in counts.items() if count}


@dataclass(frozen=True)
class RawSource:
    """A raw data set as read from its text files: drafts of studies, whose images are not decoded yet.

    `drafts` come in a fixed order; a draft's image paths are relative to `raw`. `absent` are the images that the data
    set lists and the folder lacks; `remarks` count further things that a person should know.
    """

    name: str
    raw: Path
    drafts: Iterable[Study | Rejection]
    total: int
    absent: tuple[str, ...] = ()
    remarks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PrepareSummary:
    """What a prepared folder holds and what was left out.

    `rejected` counts by "kind: reason"; the single cases are in rejected.jsonl. `absent_images` are listed by the data
    set but not in the raw folder; absent.txt names them. `seconds` is the time of this run alone, and
    `nothing_to_do` tells that an earlier run had done all.
    """

    source: str
    studies: int
    images: int
    splits: Mapping[str, int]
    rejected: Mapping[str, int]
    absent_images: int
    remarks: Mapping[str, int]
    seconds: float
    nothing_to_do: bool = False
