"""The records on disk: what a study is, whichever data set it came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Certainty(StrEnum):
    """What a source says of a finding; a finding that is not mentioned has no entry at all."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    UNCERTAIN = "uncertain"


class Split(StrEnum):
    """The part of a data set that a study belongs to."""

    TRAIN = "train"
    VALIDATE = "validate"
    TEST = "test"


class View(StrEnum):
    """The projection of an image; `FRONTAL` where a source does not tell PA from AP."""

    PA = "pa"
    AP = "ap"
    FRONTAL = "frontal"
    LATERAL = "lateral"
    UNKNOWN = "unknown"

    @property
    def is_frontal(self) -> bool:
        """Whether the beam ran front to back or back to front."""
        return self in (View.PA, View.AP, View.FRONTAL)


def views_in_use(views: Sequence[View]) -> tuple[int, ...]:
    """Which images of a study stand for it, by number: the frontal ones; else those of unknown view; else none."""
    frontal = tuple(number for number, view in enumerate(views) if view.is_frontal)
    return frontal or tuple(number for number, view in enumerate(views) if view is View.UNKNOWN)


@dataclass(frozen=True)
class Stored:
    """Where the bytes of an image lie: a tar shard below the manifest's folder, and the byte range."""

    shard: str
    offset: int
    length: int


@dataclass(frozen=True)
class ImageFile:
    """One image of a study.

    `path` is relative to the raw folder of the source; `stored` is set once the image is in a shard.
    `height` and `width` are those of the stored image, in pixels.
    """

    path: str
    view: View = View.UNKNOWN
    stored: Stored | None = None
    height: int | None = None
    width: int | None = None


@dataclass(frozen=True)
class Box:
    """Where a finding lies in image number `image` of its study; sides are fractions of the image, 0 to 1."""

    finding: str
    image: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Mask:
    """The pixels that show a finding in image number `image` of its study, exactly.

    `height` and `width` are those of the image that the source drew the mask on, in pixels. `runs` are the lengths of
    runs of equal pixels, taken down the columns from left to right, the first one without the finding (it may be 0),
    the next with it, and so on in turn; they add up to all pixels. data/run_lengths.py turns them into a picture.
    """

    finding: str
    image: int
    height: int
    width: int
    runs: tuple[int, ...]


@dataclass(frozen=True)
class Study:
    """One examination of one patient: its images and what is said about them.

    `sections` maps "findings", "impression" and further section names to text; a section without text is absent.
    `findings` maps canonical finding names (see data/findings.py) to a certainty; not mentioned is absent.
    `grades` says how much of a finding readers saw, on an ordinal scale from 0, which is none; not graded is absent.
    """

    id: str
    patient: str
    source: str
    split: Split
    images: tuple[ImageFile, ...]
    sections: Mapping[str, str] = field(default_factory=dict)
    findings: Mapping[str, Certainty] = field(default_factory=dict)
    boxes: tuple[Box, ...] = ()
    masks: tuple[Mask, ...] = ()
    age: float | None = None
    sex: str | None = None
    grades: Mapping[str, int] = field(default_factory=dict)
