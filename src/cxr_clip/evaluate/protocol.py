"""The protocol of each benchmark in plain sentences: every choice that could move a figure."""

from collections.abc import Sequence

IMAGES = (
    "A study counts with its frontal images (PA, AP or frontal); where no view is frontal, with those of unknown view. "
    "A study with lateral images only is left out."
)


def _intervals(resamples: int, seed: int) -> str:
    """Say how intervals are made."""
    return (
        f"Intervals: 95 %, percentile bootstrap, {resamples:,} resamples of whole patients (seed {seed}), the same "
        "resamples for every figure; a resample in which a class was not drawn is left out of that figure's interval."
    )


def zero_shot(style: str, resamples: int, seed: int, *, min_positives: int) -> tuple[str, ...]:
    """Say how zero-shot figures are made."""
    return (
        IMAGES,
        "A study's embedding is the mean of the unit-length embeddings of its images, brought back to unit length.",
        f"Prompts: the style '{style}', a positive and a negative side for each finding, listed below; several prompts "
        "of one side are averaged as unit-length embeddings and brought back to unit length.",
        "Score: the cosine with the positive side minus the cosine with the negative side, which orders studies as the "
        "softmax of the pair does at any temperature.",
        "One finding at a time: a study counts if the finding is explicitly positive or explicitly negative; uncertain "
        "and not mentioned are left out.",
        "AUROC and average precision with ties as scikit-learn has them; the macro average weighs findings equally and "
        f"takes those with at least {min_positives} positive and {min_positives} negative studies.",
        _intervals(resamples, seed),
    )


def retrieval(resamples: int, seed: int, recalls: Sequence[int]) -> tuple[str, ...]:
    """Say how retrieval figures are made."""
    return (
        IMAGES,
        "The image of a study is the first of those; its text is the longer of findings and impression, in characters. "
        "A study without either section is left out.",
        "Identical texts (white space aside) are merged into one target, embedded once. From image to text one text is "
        "right; from text to image the images of all studies with that text are right and the best of them counts.",
        "Rank by cosine against the whole pool. Equal cosines (closer than 0.000001) give the middle rank of the tie, "
        "rounded up, so a collapsed model ranks as chance does.",
        f"R@{', R@'.join(str(k) for k in recalls)}: the share of queries whose right target is among the first k; the "
        "median rank is the smallest that half of the queries reach.",
        "Chance is exact: the mean over all orders of the same pool.",
        _intervals(resamples, seed) + " Queries are resampled and the pool stays whole; a merged text goes with "
        "the patient of its first study.",
    )


def without_image(count: int) -> tuple[str, ...]:
    """Say how many studies were left out for want of a frontal image; nothing where there are none."""
    return (f"{count:,} studies without a frontal image are left out.",) if count else ()


def pool_notes(studies: int, with_text: int, texts: int) -> tuple[str, ...]:
    """Say how large the two pools of retrieval are, and whether there is anything to retrieve."""
    notes = [f"The pool holds {with_text:,} images and {texts:,} different texts."]
    if with_text < studies:
        notes.append(f"{studies - with_text:,} studies without findings and impression are left out.")
    if texts < 2:
        notes.append("Retrieval is not measured: it needs two different texts.")
    return tuple(notes)
