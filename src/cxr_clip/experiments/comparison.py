"""Arms beside each other: every figure as a mean over seeds, and its difference to the baseline arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cxr_clip.evaluate.multiplicity import holm
from cxr_clip.experiments.arms import Arm
from cxr_clip.experiments.measured import measure_arms, read_trained_on
from cxr_clip.experiments.seed_intervals import SeedFigures, SeedMean, mean_over_seeds
from cxr_clip.experiments.trials import Trial, read_spent


@dataclass(frozen=True)
class ArmFigures:
    """What came out of an arm: every figure over its seeds and of each seed; and what its trials took.

    `steps` and `studies` are of one trial, `processor_seconds` of all. `trained_on`: how many of the tested studies
    share something with the training, the most of any trial; None where nobody looked.
    """

    name: str
    overrides: tuple[str, ...]
    means: Mapping[str, SeedMean]
    of_seeds: Mapping[str, tuple[float, ...]]
    steps: int
    studies: int
    processor_seconds: float
    trained_on: int | None = None


@dataclass(frozen=True)
class Contrast:
    """How far an arm is from another in one figure, paired by seed and patient; `adjusted` is p by Holm's method."""

    figure: str
    arm: str
    against: str
    difference: SeedMean
    adjusted: float


@dataclass(frozen=True)
class Compared:
    """All arms, and contrasts that were corrected together; `chance` is what guessing gives of a figure."""

    arms: tuple[ArmFigures, ...]
    contrasts: tuple[Contrast, ...]
    chance: Mapping[str, float]
    seeds: int
    resamples: int


def compare_arms(
    trials: Sequence[Trial], pairs: Sequence[tuple[str, str]] | None = None, *, resamples: int = 2000
) -> Compared:
    """Compare finished trials; `pairs` are (arm, against) by name, by default every other arm against the first.

    Raises ExperimentError where the trials cannot be compared.
    """
    by_arm: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda one: one.seed):
        by_arm.setdefault(trial.arm.name, []).append(trial)
    by_arm = {trial.arm.name: by_arm[trial.arm.name] for trial in trials}
    measured, chance = measure_arms(list(by_arm.values()), resamples=resamples)
    figures = dict(zip(by_arm, measured, strict=True))
    names = list(by_arm)
    if pairs is None:
        pairs = [(name, names[0]) for name in names[1:]]
    return Compared(
        arms=tuple(_arm_figures(by_arm[name], figures[name]) for name in names),
        contrasts=contrasts(figures, pairs),
        chance=chance,
        seeds=len(by_arm[names[0]]),
        resamples=resamples,
    )


def contrasts(
    figures: Mapping[str, Mapping[str, SeedFigures]], pairs: Sequence[tuple[str, str]]
) -> tuple[Contrast, ...]:
    """Take the difference of every pair in every figure, and correct all their p values together."""
    found = [
        (name, arm, against, mean_over_seeds(figures[arm][name].minus(figures[against][name])).within(-1.0, 1.0))
        for arm, against in pairs
        for name in figures[arm]
    ]
    adjusted = holm([difference.p for *_, difference in found])
    return tuple(Contrast(*one, p) for one, p in zip(found, adjusted, strict=True))


def _arm_figures(trials: Sequence[Trial], figures: Mapping[str, SeedFigures]) -> ArmFigures:
    arm: Arm = trials[0].arm
    spent = [read_spent(trial) for trial in trials]
    audited = [count for trial in trials if (count := read_trained_on(trial.folder)) is not None]
    return ArmFigures(
        name=arm.name,
        overrides=arm.overrides,
        means={name: mean_over_seeds(one).within(0.0, 1.0) for name, one in figures.items()},
        of_seeds={name: tuple(one.values.tolist()) for name, one in figures.items()},
        steps=spent[0].steps,
        studies=spent[0].studies,
        processor_seconds=sum(one.processor_seconds for one in spent),
        trained_on=max(audited, default=None),
    )
