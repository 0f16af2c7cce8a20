"""A recipe and a folder in, a trained run out; a folder that holds a run is continued."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from cxr_clip import assemble, checkpoint
from cxr_clip.checkpoint import Run
from cxr_clip.data.batching import TrainingOrder, batches, in_order, steps_per_epoch
from cxr_clip.errors import CheckpointError, RecipeError, TrainingError
from cxr_clip.losses import LossWeights
from cxr_clip.model.freezing import LearningRateFactors, trainable_groups
from cxr_clip.recipe import Recipe, load_recipe
from cxr_clip.runlog import RunLog, require_tensorboard
from cxr_clip.tensors import Batch
from cxr_clip.train.fingerprint import fingerprint
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

    Raises RecipeError where the folder holds a run of another recipe, TrainingError where it learned from other
    studies, and what the parts raise.
    """
    _refuse_what_is_absent(recipe)
    sources = assemble.open_sources(recipe.data)
    there = _run_to_continue(recipe, folder, sources)
    run = there or _new_run(recipe, sources)
    training = make_training(run, sources)
    if there is None:
        # Not before all of the recipe has proved possible: the mended one must find no run of another recipe here.
        checkpoint.write_run(folder, run)
        (folder / checkpoint.STUDIES).write_text(f"{fingerprint(sources)}\n", encoding="utf-8")
    console = Console(stderr=True) if progress else None
    with RunLog(
        folder, total_steps=training.pace.total_steps, tensorboard=recipe.log.tensorboard, console=console
    ) as log:
        result = train(training, resume=folder / checkpoint.RESUME, weights=folder / checkpoint.WEIGHTS, log=log)
    return Trained(result, _summary(result, folder))


def _refuse_what_is_absent(recipe: Recipe) -> None:
    """Look for the packages and the device of a recipe before anything is made."""
    if recipe.log.tensorboard:
        require_tensorboard()
    assemble.choose_device(recipe.train.device)


def _run_to_continue(recipe: Recipe, folder: Path, sources: tuple[assemble.Source, ...]) -> Run | None:
    """The run of the last checkpoint in `folder`; None where there is none, so that a run starts anew."""
    has_checkpoint = (folder / checkpoint.RESUME).is_file()
    if checkpoint.is_run(folder):
        _refuse_other_recipe(load_recipe(folder / checkpoint.RECIPE), recipe, folder)
    elif has_checkpoint:
        raise CheckpointError(
            f"{folder} holds {checkpoint.RESUME} without the {checkpoint.RECIPE} of its run: put that file back, or "
            "name another folder"
        )
    if not has_checkpoint:
        return None
    _refuse_other_studies(folder, sources)
    return replace(checkpoint.read_run(folder), recipe=recipe)


def _new_run(recipe: Recipe, sources: tuple[assemble.Source, ...]) -> Run:
    model, tokeniser = assemble.make_model(recipe, sources)
    return Run(model=model, tokeniser=tokeniser, recipe=recipe)


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
    """A run is continued with its own settings or not at all; where its manifests lie is none of them."""
    paths = {"data": {"sources": {"__all__": {"manifest"}}}}
    old, new = (dict(_flat(recipe.model_dump(mode="json", exclude=paths))) for recipe in (there, asked))
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


def _refuse_other_studies(folder: Path, sources: tuple[assemble.Source, ...]) -> None:
    """A run is continued on the studies that it started with, wherever their manifests lie by now."""
    kept, now = folder / checkpoint.STUDIES, fingerprint(sources)
    if not kept.is_file():
        raise TrainingError(
            f"{folder} does not say which studies it learned from ({kept.name} is missing): if data.sources are still "
            f"those of its start, write {now} into that file, else name another folder"
        )
    if kept.read_text(encoding="utf-8").strip() != now:
        raise TrainingError(
            f"the run in {folder} learned from other studies than data.sources have now in the splits train and "
            "validate: give it the manifests of its start, wherever they lie, or name another folder for a new run"
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
    return (
        f"{result.state.step} steps in {result.state.seconds:.0f} s of learning and validation; this session took "
        f"{spent.total:.0f} s ({shares}); {best}{recall}; run folder {folder}"
    )
