"""What a comparison of arms says, in words: for people at a page or a terminal."""

from cxr_clip.evaluate.compare_page import signed
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.experiments.comparison import Compared, Contrast

LEVEL = 0.05


def signed_interval(change: Estimate) -> str:
    """Write a difference with its interval."""
    return f"{signed(change.value)} ({signed(change.low)} to {signed(change.high)})"


def told_apart(contrast: Contrast) -> bool:
    """Whether two arms differ, with all differences of the comparison in mind."""
    return contrast.adjusted < LEVEL


def summary(compared: Compared, figure: str) -> tuple[str, ...]:
    """Say of every contrast of a figure whether the arms are told apart."""
    return tuple(_sentence(one) for one in compared.contrasts if one.figure == figure)


def _sentence(one: Contrast) -> str:
    change = one.difference.estimate
    found = f"{signed(change.value)}, 95 %: {signed(change.low)} to {signed(change.high)}"
    if not told_apart(one):
        return f"{one.arm} is not told apart from {one.against} ({found})."
    return f"{one.arm} is {'higher' if change.value > 0 else 'lower'} than {one.against} ({found})."


def trained_on(compared: Compared) -> str:
    """Say of how many tested studies the training knows something, arm by arm."""
    counts = {arm.name: arm.trained_on for arm in compared.arms}
    if None in counts.values():
        return "Not every run was looked at for tested studies that it was trained on."
    if not any(counts.values()):
        return "No tested study shares a patient, an image or a rare report with the training of any arm."
    told = "; ".join(f"{name}: {count:,}" for name, count in counts.items())
    return (
        "Tested studies that share a patient, an image or a rare report with the training, the most of any seed: "
        f"{told}. The figures are of all tested studies; the report of each run has those of the others."
    )


def protocol(compared: Compared) -> tuple[str, ...]:
    """Say every choice behind the figures."""
    seeds = (
        f"Every arm was trained with the seeds 0 to {compared.seeds - 1}: they decide weights, order and augmentation, "
        "and which patients a part of them is."
        if compared.seeds > 1
        else "Every arm was trained with one seed: how much depends on the seed is not known, and not in the intervals."
    )
    return (
        seeds,
        "Intervals: 95 %, Student's t on the mean over seeds. The variance is that over seeds, divided by their "
        f"number, plus that over {compared.resamples:,} resamples of whole patients; the degrees of freedom are those "
        "of Welch and Satterthwaite.",
        "Differences are paired: the same seed, the same patients and the same resamples for both arms.",
        "Corrected p: Holm's method over all differences of this page together. Words and colours go by it; intervals "
        "are of one difference each.",
        trained_on(compared),
        "Seeds of one test set tell how training varies; another collection of studies may say otherwise.",
    )
