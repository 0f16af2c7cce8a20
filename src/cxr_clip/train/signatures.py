"""The ways in which a contrastive training fails, each told by figures of the log, in words, with what to try.

Every rule is a function of the history of one run and says whether its signature shows now. A signature that could
also be a passing state must hold for several entries, and none of the batch is looked for in the first epoch: random
towers map everything to one point, far from each other, and have to learn to leave it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Figures = dict[str, float]


@dataclass(frozen=True)
class Moment:
    """The figures of one log entry and the epochs that were done then."""

    epoch: float
    figures: Figures


@dataclass(frozen=True)
class History:
    """What a run said so far; `max_scale` is the limit of the scale."""

    learning: Sequence[Moment]
    validations: Sequence[Moment]
    max_scale: float


@dataclass(frozen=True)
class Finding:
    """One signature that shows: its name, what is seen with the figures, and what to try."""

    signature: str
    says: str
    advice: str


# Nothing is looked for before so many epochs: see the first lines.
FIRST_EPOCHS = 1.0
# So many log entries in a row must show a signature of the batch: one odd batch is none.
IN_A_ROW = 3
# With fewer studies in a batch, ranks and cosines of it say nothing.
MIN_STUDIES = 16

# Two different studies whose embeddings have this cosine on average differ by less than a scale of 14 (the usual start)
# makes a nat of: 14 x 0.05 = 0.7.
COLLAPSED_COSINE = 0.95
# Two points, or this share of the directions open to a batch, min(batch, dim). Trained towers use a fifth and more, and
# texts made of few different prompts still more than this.
FEW_DIRECTIONS, FEW_SHARE = 2.0, 0.05
# The distance between centroids. Towers that never met have about 1.4, the square root of 2; CLIP's is about 0.8.
WIDE_GAP = 1.15
# Of uniformity, which runs from 0 (one point) to -4 (spread): towers that learn together stay within a few tenths.
ONE_SIDED = 1.0
# Within this share of the limit the scale stands at it.
AT_LIMIT = 0.995
# The share of the loss of chance that perfect embeddings would still have, with everything wrong at right angles.
FLAT_SHARE = 0.5
# Validations without a better AUROC, and what counts as better: less is noise on a few hundred studies.
PLATEAU_VALIDATIONS = 3
PLATEAU_GAIN = 0.005
# ICL on images or TCL on texts pull harder than the image-text term, which alone makes zero-shot questions possible.
# With the paper's weights embeddings at random give 0.74 and 0.59, and the shares fall as the views of a study meet.
DOMINANT_SHARE = 0.8
# A classification that is fine, and R@10 as a multiple of chance that is not: those of docs/results.md have 4 to 5.
FINE_AUROC = 0.7
LOW_LIFT = 3.0
# R@10 by chance is 10 / texts: with fewer texts even a perfect model is no multiple of it.
MIN_TEXTS = 100

SIDES = {"image": "images", "text": "texts"}
OTHER = {"image": "text", "text": "image"}


def findings(history: History) -> tuple[Finding, ...]:
    """Return every signature that shows now."""
    found = (rule(history) for rule in RULES)
    return tuple(one for several in found for one in several)


def low_retrieval(history: History) -> Sequence[Finding]:
    """Retrieval near chance while findings are told apart: the prompts are not the language of the reports."""
    last = _last(history.validations)
    auroc, texts = last.get("auroc"), last.get("texts", 0)
    if auroc is None or auroc < FINE_AUROC or texts < MIN_TEXTS:
        return ()
    lift = last["recall_at_10"] * texts / 10
    if lift >= LOW_LIFT:
        return ()
    return _one(
        "low retrieval",
        f"R@10 is {last['recall_at_10']:.3f}, {lift:.1f} times chance, while zero-shot AUROC is {auroc:.2f}: findings "
        "are told apart, reports are not; prompt texts may not match real reports",
        "put more studies with real reports into data.sources, lower label_prompts of sources that have reports, and "
        "give prompts in the words of the reports (data.prompts)",
    )


def plateau(history: History) -> Sequence[Finding]:
    """AUROC stands still while ICL or TCL pull harder than the image-text term."""
    areas = [one.figures["auroc"] for one in history.validations if "auroc" in one.figures]
    recent, before = areas[-PLATEAU_VALIDATIONS:], areas[:-PLATEAU_VALIDATIONS]
    if not before or max(recent) >= max(before) + PLATEAU_GAIN:
        return ()
    since = history.validations[-PLATEAU_VALIDATIONS - 1].epoch
    terms = {"image": ("ICL", "loss.image_image"), "text": ("TCL", "loss.text_text")}
    return [
        Finding(
            f"AUROC plateau, {term} dominates",
            f"zero-shot AUROC has not risen above {max(before):.3f} in {PLATEAU_VALIDATIONS} validations, and {term} "
            f"makes {100 * share:.0f} % of the gradient on the {SIDES[side]}",
            f"lower {setting}, or set it to 0 in another run to see the difference; raise loss.image_text",
        )
        for side, (term, setting) in terms.items()
        if (share := _mean(history.learning, f"{side}_own_share", since)) is not None and share > DOMINANT_SHARE
    ]


def collapse(history: History) -> Sequence[Finding]:
    """The embeddings of a tower are one point, or lie along a few directions."""
    lately = _lately(history)
    seen = {side: _collapse_of(side, lately) for side in SIDES} if lately else {}
    return [
        Finding(f"collapse of the {SIDES[side]}", says, _against_collapse(side)) for side, says in seen.items() if says
    ]


def _collapse_of(side: str, lately: Sequence[Figures]) -> str | None:
    cosine = min(one[f"{side}_mean_cosine"] for one in lately)
    rank = max(one[f"{side}_effective_rank"] for one in lately)
    full = lately[-1]["directions"]
    if cosine > COLLAPSED_COSINE:
        return (
            f"the embeddings of different {SIDES[side]} have a mean cosine of {cosine:.3f}: they are nearly one point"
        )
    if rank < max(FEW_DIRECTIONS, FEW_SHARE * full):
        return f"the embeddings of the {SIDES[side]} use {rank:.1f} directions of {full:.0f} (effective rank)"
    return None


def temperature(history: History) -> Sequence[Finding]:
    """The scale stands at its limit, or is so low that no embeddings could make the loss small."""
    lately = _lately(history)
    if not lately:
        return ()
    scales, studies = [one["scale"] for one in lately], int(lately[-1]["studies"])
    lowest, highest = min(scales), max(scales)
    if lowest > AT_LIMIT * history.max_scale:
        return _one(
            "temperature at its limit",
            f"the scale (1/temperature) stands at its limit of {history.max_scale:g}: the loss asks for more contrast "
            "than the embeddings have",
            "lower train.factors.projection or train.learning_rate; look for studies that are twice in the manifest "
            "(cxr-clip inspect); without harm while validation still gets better",
        )
    if flatness(highest, studies) > FLAT_SHARE:
        return _one(
            "temperature falling",
            f"the scale (1/temperature) is down to {highest:.2f}: even perfect embeddings would keep "
            f"{100 * flatness(highest, studies):.0f} % of the loss of chance",
            "check that images and texts of a study belong together (cxr-clip inspect shows pairs), lower "
            "train.factors.projection, or raise the share of distinct texts in a batch",
        )
    return ()


def gap(history: History) -> Sequence[Finding]:
    """Images and texts lie apart as wholes."""
    width = min((one["centroid_gap"] for one in _lately(history)), default=0.0)
    if width < WIDE_GAP:
        return ()
    return _one(
        "gap between modalities",
        f"the centroids of images and texts are {width:.2f} apart (1.41: towers that never met): the modalities lie in "
        "different places",
        "raise loss.image_text against loss.image_image and loss.text_text, warm up longer, and see that neither tower "
        "nor a projection is frozen",
    )


def one_sided(history: History) -> Sequence[Finding]:
    """One modality spreads over the sphere and the other stays together."""
    lately = _lately(history)
    behind = {
        side: min((one[f"{side}_uniformity"] - one[f"{other}_uniformity"] for one in lately), default=0.0)
        for side, other in OTHER.items()
    }
    return [
        Finding(
            f"{SIDES[side]} stay together",
            f"the {SIDES[side]} are less spread than the {SIDES[OTHER[side]]}: uniformity is {by:.1f} behind",
            _against_collapse(side),
        )
        for side, by in behind.items()
        if by > ONE_SIDED
    ]


RULES: tuple[Callable[[History], Sequence[Finding]], ...] = (
    low_retrieval,
    plateau,
    collapse,
    temperature,
    gap,
    one_sided,
)


def flatness(scale: float, studies: int) -> float:
    """Return the loss of right pairs at one point and wrong ones at right angles, as a share of that of chance.

    The first is log(1 + (n-1) e^-s) for n studies and a scale s, the second log n.
    """
    return math.log1p((studies - 1) * math.exp(-scale)) / math.log(studies)


def _against_collapse(side: str) -> str:
    what = {
        "image": "lower train.factors.image or train.learning_rate, and look at the pictures (cxr-clip inspect)",
        "text": "lower train.factors.text or train.learning_rate, and look at the texts (cxr-clip inspect): the same "
        "sentence in most studies gives the same embedding",
    }
    return f"{what[side]}; raise train.warmup_epochs or train.batch_size; see that model.freeze leaves this tower free"


def _lately(history: History) -> Sequence[Figures]:
    """The figures of the last IN_A_ROW entries that tell of a batch, if all are of after the first epoch; else none."""
    last = history.learning[-IN_A_ROW:]
    if len(last) < IN_A_ROW or last[0].epoch <= FIRST_EPOCHS or any("studies" not in one.figures for one in last):
        return ()
    return [one.figures for one in last]


def _mean(moments: Sequence[Moment], name: str, after: float) -> float | None:
    values = [one.figures[name] for one in moments if one.epoch > after and name in one.figures]
    return sum(values) / len(values) if values else None


def _last(moments: Sequence[Moment]) -> Figures:
    return moments[-1].figures if moments else {}


def _one(signature: str, says: str, advice: str) -> tuple[Finding, ...]:
    return (Finding(signature, says, advice),)
