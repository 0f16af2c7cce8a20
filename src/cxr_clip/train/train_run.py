"""A recipe and a folder in, a trained run out; a folder that holds a run is continued."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from cxr_clip import assemble, checkpoint
from cxr_clip.checkpoint import Run
from cxr_clip.data.batching import TrainingOrder, batches, in_order, steps_per_epoch
from cxr_clip.errors import RecipeError
from cxr_clip.losses import LossWeights
from cxr_clip.model.freezing import LearningRateFactors, trainable_groups
from cxr_clip.recipe import Recipe
from cxr_clip.runlog import RunLog
from cxr_clip.tensors import Batch
from cxr_clip.train.loop import Pace, Training, TrainResult, train
from cxr_clip.train.optim import adamw, warmup_cosine

# Settings that may change when a run is continued: they decide where and how it is shown, not what comes out.
MAY_CHANGE = ("train.device", "train.loader_processes", "train.checkpoint_steps", "log")


@dataclass(frozen=True)
class Trained:
    """How a training ended, with one paragraph that says so."""

    result: TrainResult
    summary: str


def train_run(recipe: Recipe, folder: Path, *, progress: bool = True) -> Trained:
    """Train `recipe` in `folder`, or continue the run that is there.

    Raises RecipeError where the folder holds a run of another recipe, and what the parts raise.
    """
    sources = assemble.open_sources(recipe.data)
    run = _open_run(recipe, folder, sources)
    training = make_training(run, sources)
    console = Console(stderr=True) if progress else None
    with RunLog(
        folder, total_steps=training.pace.total_steps, tensorboard=recipe.log.tensorboard, console=console
    ) as log:
        result = train(training, resume=folder / checkpoint.RESUME, weights=folder / checkpoint.WEIGHTS, log=log)
    return Trained(result, _summary(result, folder))


def _open_run(recipe: Recipe, folder: Path, sources: tuple[assemble.Source, ...]) -> Run:
    """The run to continue; one that is new, or stopped before its first checkpoint, is at its seeded start."""
    if checkpoint.is_run(folder):
        there = checkpoint.read_run(folder)
        _refuse_other_recipe(there.recipe, recipe, folder)
        if (folder / checkpoint.RESUME).is_file():
            return replace(there, recipe=recipe)
    model, tokeniser = assemble.make_model(recipe, sources)
    run = Run(model=model, tokeniser=tokeniser, recipe=recipe)
    checkpoint.write_run(folder, run)
    return run


def make_training(run: Run, sources: tuple[assemble.Source, ...]) -> Training:
    """The objects of a training, from a run and its data."""
    recipe, settings = run.recipe, run.recipe.train
    device = assemble.choose_device(settings.device)
    assemble.set_up_training(run.model, recipe.model)
    model = run.model.to(device)
    data = assemble.make_training_set(recipe.data, sources, seed=settings.seed)
    checking = assemble.make_validation_set(recipe.data, sources)
    collate = assemble.make_collate(recipe, run.tokeniser)
    pace = _pace(recipe, len(data))
    factors = LearningRateFactors(**settings.factors.model_dump())
    load = partial(batches, collate=collate, processes=settings.loader_processes, pin=device.startswith("cuda"))

    def batches_from(step: int) -> Iterable[Batch]:
        order = TrainingOrder(
            len(data),
            batch_size=settings.batch_size,
            seed=settings.seed,
            total_steps=pace.total_steps,
            start_step=step,
        )
        return load(data, order)

    def validation_batches() -> Iterable[Batch]:
        return load(checking, in_order(len(checking), settings.batch_size))

    def learning_rate(step: int) -> float:
        warmup = round(settings.warmup_epochs * pace.steps_per_epoch)
        return settings.learning_rate * warmup_cosine(step, warmup_steps=warmup, total_steps=pace.total_steps)

    return Training(
        model=model,
        optimizer=adamw(
            trainable_groups(model, weight_decay=settings.weight_decay, factors=factors),
            learning_rate=settings.learning_rate,
        ),
        learning_rate=learning_rate,
        weights=LossWeights(**recipe.loss.model_dump()),
        batches_from=batches_from,
        validation_batches=validation_batches if len(checking) else None,
        pace=pace,
        seed=settings.seed,
        bf16=settings.precision == "bf16",
        device=device,
    )


def _pace(recipe: Recipe, studies: int) -> Pace:
    settings = recipe.train
    epoch = steps_per_epoch(studies, settings.batch_size)
    return Pace(
        total_steps=epoch * settings.epochs,
        steps_per_epoch=epoch,
        validate_steps=epoch * settings.validate_epochs,
        checkpoint_steps=settings.checkpoint_steps or epoch,
        log_steps=recipe.log.every_steps,
        clip_norm=settings.clip_norm,
    )


def _refuse_other_recipe(there: Recipe, asked: Recipe, folder: Path) -> None:
    """A run is continued with its own settings or not at all."""
    old, new = (dict(_flat(recipe.model_dump(mode="json"))) for recipe in (there, asked))
    changed = [
        f"{key}: {old.get(key)!r} there, {new.get(key)!r} asked"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(MAY_CHANGE)
    ]
    if changed:
        raise RecipeError(
            f"{folder} holds a run of another recipe ({'; '.join(changed[:5])}): name another folder, "
            "or continue it with the recipe of its recipe.yaml"
        )


def _flat(settings: object, prefix: str = "") -> list[tuple[str, object]]:
    """Nested settings as (dotted key, value)."""
    if not isinstance(settings, dict):
        return [(prefix, settings)]
    return [pair for key, value in settings.items() for pair in _flat(value, f"{prefix}.{key}" if prefix else key)]


def _summary(result: TrainResult, folder: Path) -> str:
    spent = result.spent
    shares = ", ".join(
        f"{name} {100 * seconds / max(spent.total, 1e-9):.0f} %" for name, seconds in vars(spent).items()
    )
    found = result.validation
    best = (
        f"best validation at step {result.state.best_step}" if result.state.best_step is not None else "no validation"
    )
    recall = f", last R@10 {found.recall_at_10:.3f} on {found.studies} studies" if found else ""
    return f"{result.state.step} steps in {spent.total:.0f} s ({shares}); {best}{recall}; run folder {folder}"
