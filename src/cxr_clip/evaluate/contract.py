"""What a benchmark is: a named, versioned, frozen record of every choice that moves its figures, and its short hash.

A new benchmark is one record in `benchmark_table.py`; a new kind of benchmark is one task here and one function in
`benchmarks.MEASURES`. Two figures are of the same benchmark where their hashes are equal.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar

from cxr_clip.data.meaning_prompts import MeaningPrompts
from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.study import Split

HASH_LENGTH = 12
TRANSFORM = "short side to the size of the model, antialiased bilinear; centre crop; one grey channel"


class ImageRule(StrEnum):
    """Which of the frontal images of a study stand for it."""

    MEAN = "mean of the unit-length embeddings of the frontal images, of unit length"
    FIRST = "first frontal image"


class Ties(StrEnum):
    """The rank of a right target among targets with the same score, and which ways are asked."""

    MIDDLE = "both ways, the middle rank of a tie, rounded up"
    IN_ORDER = "image to text, ties in the order in which the texts are listed"


class SetScore(StrEnum):
    """The score of a class from its cosines with a set of prompts."""

    MEAN = "mean cosine"
    BEST = "largest cosine"


class Learner(StrEnum):
    """What learns from the labels of a share of the training studies."""

    PROBE = "logistic regression on frozen image features"
    FINE_TUNE = "image encoder and a linear head, trained together"


@dataclass(frozen=True)
class FindingsTask:
    """Zero-shot, one finding at a time: AUROC and average precision of a pair of prompts.

    A finding counts with at least `min_positives` positive and negative studies. With `decisions` there are accuracy
    and F1 of the nearer prompt too; with `pass_over_unspoken` findings that no study speaks of are not listed.
    """

    kind: ClassVar[str] = "zero-shot, one finding at a time"
    style: str
    prompts: tuple[ZeroShotPrompt, ...]
    images: ImageRule = ImageRule.MEAN
    min_positives: int = 5
    decisions: bool = False
    pass_over_unspoken: bool = False


@dataclass(frozen=True)
class PromptSet:
    """The prompts of one class."""

    finding: str
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class ClassesTask:
    """Zero-shot, one class of several: accuracy of the class whose set of prompts scores highest.

    A study counts if exactly one of the classes is positive.
    """

    kind: ClassVar[str] = "zero-shot, one class of several"
    sets: tuple[PromptSet, ...]
    score: SetScore
    images: ImageRule = ImageRule.FIRST


@dataclass(frozen=True)
class RetrievalTask:
    """Retrieval between images and texts: both ways, or from image to text alone as the published evaluation has it.

    The way that ties are settled decides which. The other fields say what is the same in both.
    """

    kind: ClassVar[str] = "retrieval"
    ties: Ties = Ties.MIDDLE
    text: str = "longer of findings and impression, in characters"
    identical_texts: str = "one target, white space aside, embedded once"
    images: ImageRule = ImageRule.FIRST
    recalls: tuple[int, ...] = (1, 5, 10)


@dataclass(frozen=True)
class FewShotTask:
    """Learning from shares of the training studies: AUROC of findings on the test studies.

    Subsets are drawn by patient for each of `seeds`, nested over `shares`, with both classes of each finding. A finding
    counts with at least `min_positives` positive and negative test studies. `settings` are the learner's own.
    """

    kind: ClassVar[str] = "few-shot"
    learner: Learner
    findings: tuple[str, ...]
    settings: tuple[tuple[str, float], ...]
    shares: tuple[float, ...] = (0.01, 0.1, 1.0)
    seeds: tuple[int, ...] = (0, 1, 2)
    images: ImageRule = ImageRule.FIRST
    min_positives: int = 5


@dataclass(frozen=True)
class Wording:
    """One way of putting a finding and its absence into words."""

    name: str
    positive: str
    negative: str


@dataclass(frozen=True)
class FindingWordings:
    """The wordings of one finding."""

    finding: str
    wordings: tuple[Wording, ...]


@dataclass(frozen=True)
class WordingTask:
    """Zero-shot with each wording alone: how far AUROC depends on the words, and what all of them together give.

    A finding counts with at least `min_positives` positive and negative studies.
    """

    kind: ClassVar[str] = "zero-shot, one wording at a time"
    findings: tuple[FindingWordings, ...]
    images: ImageRule = ImageRule.MEAN
    min_positives: int = 5


@dataclass(frozen=True)
class MeaningTask:
    """Sentences of opposite meaning: which of them a study is nearer to, and how near they are to each other.

    `others` say in other words that a finding is there. A finding counts with at least `min_positives` positive and
    negative studies, or of each side, or of two grades. The other fields say how side and grade are known.
    """

    kind: ClassVar[str] = "sentences of opposite meaning"
    prompts: tuple[MeaningPrompts, ...]
    others: tuple[PromptSet, ...]
    images: ImageRule = ImageRule.MEAN
    min_positives: int = 5
    side: str = "centres of boxes and masks, a tenth of the width off the middle; else sentences that name one side"
    grade: str = "sentences on no other finding that name one grade: small or mild, moderate, large or severe"


@dataclass(frozen=True)
class GroundingTask:
    """Whether the map of a finding's prompts lies where it was drawn, on the test images on which it was.

    `wrong` are the prompts of another finding for each of `prompts`, a control. `thresholds` are how far from the least
    to the greatest value of a map its region begins; of the `candidates` the validation images choose one. A finding
    counts with at least `min_images` images. The other fields say how maps are made and compared.
    """

    kind: ClassVar[str] = "grounding"
    style: str
    prompts: tuple[ZeroShotPrompt, ...]
    wrong: tuple[ZeroShotPrompt, ...]
    thresholds: tuple[float, ...] = (0.3, 0.5, 0.7)
    candidates: tuple[float, ...] = tuple(number / 20 for number in range(1, 20))
    min_images: int = 5
    method: str = "parts of the score where the encoder pools by the mean, else gradient times activation"
    region: str = "union of all boxes and masks of a finding on an image, of what the model sees"
    contrast: str = "difference of means over the root of the sum of variances"


@dataclass(frozen=True)
class SubgroupsTask:
    """Groups of patients and pictures side by side: the macro AUROC of findings, and recall from image to text.

    A group is compared with at least `min_studies` studies, a finding with at least `min_positives` positive and
    negative ones in every compared group. `age_bounds` are the first years of all age bands but the youngest.
    """

    kind: ClassVar[str] = "subgroups side by side"
    style: str
    prompts: tuple[ZeroShotPrompt, ...]
    attributes: tuple[str, ...] = ("age", "sex", "view", "source", "images", "sections")
    age_bounds: tuple[int, ...] = (18, 40, 60, 80)
    min_studies: int = 20
    min_positives: int = 5
    recall: int = 10
    images: str = "mean of the unit-length embeddings of the frontal images, of unit length; of a view, of its images"
    text: str = "longer of findings and impression, in characters; identical ones are one target"

    @property
    def recall_figure(self) -> str:
        """The name of the retrieval figure."""
        return f"recall_at_{self.recall}"


@dataclass(frozen=True)
class ViewsTask:
    """What all images of a study give against its frontal, or lateral, ones alone, where it has both.

    It needs `min_studies` such studies; a finding counts with at least `min_positives` positive and negative ones.
    """

    kind: ClassVar[str] = "all images against single views"
    style: str
    prompts: tuple[ZeroShotPrompt, ...]
    min_studies: int = 20
    min_positives: int = 5
    recall: int = 10
    images: str = "mean of the unit-length embeddings of all, of the frontal or of the lateral images, of unit length"
    text: str = "longer of findings and impression, in characters; identical ones are one target"


@dataclass(frozen=True)
class SeverityTask:
    """Scores against the grades of readers: rank correlation, and agreement of grades by thresholds of validation.

    `degrees` have the words for most of a finding. A finding counts with `min_studies` graded studies, of which two
    grades have `min_of_grade`.
    """

    kind: ClassVar[str] = "scores against grades"
    style: str
    prompts: tuple[ZeroShotPrompt, ...]
    degrees: tuple[MeaningPrompts, ...]
    min_studies: int = 20
    min_of_grade: int = 5
    images: ImageRule = ImageRule.MEAN
    thresholds: str = "each grade to as many validation studies as have it"


Task = (
    FindingsTask
    | ClassesTask
    | RetrievalTask
    | FewShotTask
    | WordingTask
    | MeaningTask
    | GroundingTask
    | SubgroupsTask
    | ViewsTask
    | SeverityTask
)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: a change of anything in it is a new version.

    `name` is kind, data set and variant with slashes between; `sources` are the data sets that it is made for, as
    manifests call them (none: any). `split` is the part that is measured; None is the whole data set.
    """

    name: str
    version: int
    sources: tuple[str, ...]
    split: Split | None
    task: Task

    @property
    def identity(self) -> str:
        """The first digits of the SHA-256 of the record."""
        return hashlib.sha256(canonical_json(content(self)).encode()).hexdigest()[:HASH_LENGTH]

    @property
    def label(self) -> str:
        """Name, version and hash as they are printed beside a figure."""
        return f"{self.name} v{self.version} {self.identity}"


def content(benchmark: Benchmark) -> Mapping[str, Any]:
    """The whole record as JSON has it, with the kind of its task and the transform of images."""
    return {**asdict(benchmark), "kind": benchmark.task.kind, "transform": TRANSFORM}


def canonical_json(value: Mapping[str, Any]) -> str:
    """JSON with sorted keys and without white space: equal content gives equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
