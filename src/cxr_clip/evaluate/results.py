"""What a benchmark hands to the report: its figures, how they were made, and what there is to look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cxr_clip.evaluate.contract import Benchmark
from cxr_clip.evaluate.differences import Difference
from cxr_clip.evaluate.query_ranks import QueryRanks
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.severity_figures import GradeTable
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.evaluate.subgroup_figures import Subgroups
from cxr_clip.metrics import RocCurve


@dataclass(frozen=True)
class Population:
    """How much data a benchmark was measured on."""

    studies: int
    patients: int
    images: int


@dataclass(frozen=True)
class FindingDetails:
    """What one finding was measured with: how many studies say what of it, and the prompts of both sides."""

    finding: str
    positive: int
    negative: int
    uncertain: int
    not_mentioned: int
    positive_prompts: tuple[str, ...]
    negative_prompts: tuple[str, ...]
    measured: bool
    curve: RocCurve | None = None


@dataclass(frozen=True)
class Retrieved:
    """One retrieved text; `right` where it is the query's own."""

    text: str
    similarity: float
    right: bool


@dataclass(frozen=True)
class GalleryEntry:
    """One query image with its own text, the rank at which that came, and the first texts retrieved."""

    study_id: str
    image: NDArray[np.uint8]
    text: str
    rank: int
    similarity: float
    retrieved: tuple[Retrieved, ...]


@dataclass(frozen=True)
class GroundedPicture:
    """The map of a finding over an image in colour, with what was drawn outlined; `points`: its peak lies in that."""

    study_id: str
    finding: str
    picture: NDArray[np.uint8] = field(repr=False)
    points: bool


@dataclass(frozen=True)
class Overlap:
    """Whether a benchmark's studies were trained on: "clean", "overlapping: 3 of 90", or why it is not known.

    `studies` is how many were (None: not audited), `clean` the figures of the others, where some were; `known` states
    what is known of the data sets, whatever the audit found.
    """

    verdict: str
    studies: int | None
    clean: Mapping[str, Estimate]
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class BenchmarkResult:
    """The figures of one benchmark, by name, with the protocol in plain sentences and remarks on this run.

    Zero-shot figures are named "auroc/<finding>", "average_precision/<finding>" and ".../macro"; retrieval figures
    "image_to_text/recall_at_10", "text_to_image/median_rank" and the same with "_chance" behind; those of one class of
    several "accuracy/<finding>", "accuracy/macro", "accuracy/micro"; those of few-shot "auroc_at_10/<finding>" for 10 %
    of the training studies; those of wordings "auroc/<wording>/<finding>", and "lowest", "highest", "deviation",
    "median", "together", "gain" with "/<finding>" behind, or "/macro"; those of opposite meanings "negation",
    "uncertainty", "side", "severity" and those of texts alone with the same behind; those of grounding "pointing",
    "iou_at_50", "iou_at_best", "contrast", the same with "_wrong_text" and "_centre", and "pointing_chance"; those of
    subgroups "auroc/<attribute>/<group>", "recall_at_10/<attribute>/<group>", and "auroc_gap/<attribute>"; those
    of views "auroc/macro/<images>", "image_to_text/recall_at_10/<images>", and "gain/auroc/macro/<images>";
    those of severity "spearman/<score>/<finding>" and "kappa/<score>/<finding>" or "/macro".
    `benchmark` is the record that was followed.
    """

    name: str
    metrics: Mapping[str, Estimate]
    protocol: tuple[str, ...]
    population: Population
    notes: tuple[str, ...] = ()
    findings: tuple[FindingDetails, ...] = ()
    gallery: tuple[GalleryEntry, ...] = field(default=(), repr=False)
    scores: tuple[FindingScores, ...] = field(default=(), repr=False)
    ranks: tuple[QueryRanks, ...] = field(default=(), repr=False)
    groundings: tuple[GroundedPicture, ...] = field(default=(), repr=False)
    benchmark: Benchmark | None = None
    overlap: Overlap | None = None
    subgroups: Subgroups | None = None
    differences: tuple[Difference, ...] = ()
    grades: tuple[GradeTable, ...] = ()
