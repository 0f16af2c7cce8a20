"""A recipe and a folder in, a trained run out; a folder that holds a run is continued."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from cxr_clip import assemble, checkpoint
from cxr_clip.checkpoint import Run
from cxr_clip.data.batching import Collate, Order, TrainingOrder, batches, batches_ahead, in_order, steps_per_epoch
from cxr_clip.data.chunked_batches import batches_by_chunks
from cxr_clip.data.dataset import StudyDataset
from cxr_clip.data.hold_out import HeldOutCounts
from cxr_clip.data.prompts import load_zero_shot_prompts
from cxr_clip.distributed import SINGLE, Workers, gather_objects, refuse_crowded_gpu, refuse_disagreement, replicate
from cxr_clip.errors import CheckpointError, HubError, TrainingError
from cxr_clip.losses import LossWeights
from cxr_clip.model.freezing import LearningRateFactors, trainable_groups
from cxr_clip.model.lora import require_peft
from cxr_clip.model.placement import place
from cxr_clip.recipe import DataSettings, Recipe, TrainSettings
from cxr_clip.runlog import RunLog, require_tensorboard
from cxr_clip.study import Split
from cxr_clip.tensors import Batch
from cxr_clip.train.averaging import Average
from cxr_clip.train.continuation import refuse_other_workers_recipe, run_to_continue
from cxr_clip.train.fingerprint import fingerprint
from cxr_clip.train.loop import SAME_DISK, TrainResult, train
from cxr_clip.train.one_training import only_training, unwritable
from cxr_clip.train.optim import adamw, warmup_cosine
from cxr_clip.train.profile import profiled, told
from cxr_clip.train.starting import start_from
from cxr_clip.train.training import Pace, Training
from cxr_clip.train.validation import by_loss, by_recall
from cxr_clip.train.zero_shot import Question, questions
from cxr_clip.whole_files import write_whole


@dataclass(frozen=True)
class Trained:
    """How a training ended, with one paragraph that says so."""

    result: TrainResult
    summary: str


def train_run(
    recipe: Recipe, folder: Path, *, progress: bool = True, profile: bool = False, workers: Workers = SINGLE
) -> Trained:
    """Train `recipe` in `folder`, or continue the run that is there; all `workers` call this, and the first one writes.

    `profile` records a few steps of the first worker.

    Raises RecipeError where the folder holds a run of another recipe, TrainingError where it learned from other
    studies, not all workers find its checkpoint or another process trains there, and what the parts raise.
    """
    _refuse_what_is_absent(recipe, workers)
    sources = assemble.open_sources(recipe.data)
    if workers.count > 1:
        refuse_other_workers_recipe(recipe, sources, workers)
    there = run_to_continue(recipe, folder, sources)
    refuse_disagreement(f"whether {folder} has a checkpoint", there is not None, workers, mend=SAME_DISK)
    run = there or _new_run(recipe, sources, folder, workers)
    if workers.count > 1:
        mend = "give all machines the same files of the text encoder"
        refuse_disagreement("the tokeniser", checkpoint.words_fingerprint(run.tokeniser), workers, mend=mend)
    training = make_training(run, sources, workers)
    gather_objects("looked", workers)  # nobody looks any more, so the folder may change
    console = Console(stderr=True) if progress and workers.leads else None
    with only_training(folder) if workers.leads else nullcontext():
        if there is None and workers.leads:
            # Not before all of the recipe has proved possible: the mended one must find no run of another recipe here.
            _begin(folder, run, sources)
        if there is None and console is not None and recipe.model.start_from is not None:
            words = f"towers, tokeniser, projections and scale are those of {recipe.model.start_from}"
            console.print(words, highlight=False, markup=False, soft_wrap=True)
        with RunLog(
            folder if workers.leads else None,
            total_steps=training.pace.total_steps,
            tensorboard=recipe.log.tensorboard,
            console=console,
        ) as log:
            resume, weights = folder / checkpoint.RESUME, folder / checkpoint.WEIGHTS
            with profiled(folder) if profile and workers.leads else nullcontext() as after_step:
                result = train(training, resume=resume, weights=weights, log=log, after_step=after_step)
    return Trained(result, _summary(result, folder) + (f"\n{told(folder)}" if profile else ""))


def _begin(folder: Path, run: Run, sources: tuple[assemble.Source, ...]) -> None:
    """Write all of a run folder that is there before the first step. Raises TrainingError."""
    if (folder / checkpoint.RESUME).is_file():
        raise TrainingError(
            f"another process has trained in {folder} while this one began: give the command again to continue that run"
        )
    try:
        checkpoint.write_run(folder, run)
        (folder / checkpoint.STUDIES).write_text(f"{fingerprint(sources)}\n", encoding="utf-8")
        _keep_counts(folder, assemble.held_out(sources))
    except OSError as error:
        raise unwritable(folder, error) from error


def _keep_counts(folder: Path, held_out: Mapping[Split, HeldOutCounts]) -> None:
    """Say in the run how many studies and labels were kept from it, if findings are held out."""
    if held_out:
        content = {split.value: asdict(counts) for split, counts in held_out.items()}
        write_whole(folder / checkpoint.HELD_OUT, json.dumps(content, indent=1) + "\n")


def _refuse_what_is_absent(recipe: Recipe, workers: Workers) -> None:
    """Look for the packages and the device of a recipe before anything is made."""
    if recipe.log.tensorboard:
        require_tensorboard()
    if recipe.model.text.lora is not None:
        require_peft()
    refuse_crowded_gpu(assemble.choose_device(recipe.train.device), workers)


def _new_run(recipe: Recipe, sources: tuple[assemble.Source, ...], folder: Path, workers: Workers) -> Run:
    name = recipe.model.start_from
    if name is None:
        model, tokeniser = assemble.make_model(recipe, sources)
        return Run(model=model, tokeniser=tokeniser, recipe=recipe)
    try:
        return start_from(name, recipe, workers)
    except (CheckpointError, HubError) as error:
        if not checkpoint.is_run(folder):
            raise
        raise CheckpointError(
            f"{folder} has no checkpoint yet, so it starts again from {name}, which cannot be read ({error}): put that "
            "model back, or name another folder for another start"
        ) from error


def make_training(run: Run, sources: tuple[assemble.Source, ...], workers: Workers = SINGLE) -> Training:
    """The objects of a training, from a run and its data, for one of `workers`."""
    recipe, settings = run.recipe, run.recipe.train
    device = assemble.choose_device(settings.device)
    assemble.set_up_training(run.model, recipe.model, workers, device=device)
    model = place(run.model, device)
    draws = assemble.study_draws(recipe.data, sources, batch_size=settings.batch_size)
    data = assemble.make_training_set(recipe.data, sources, seed=settings.seed, draws=draws)
    checking = assemble.make_validation_set(recipe.data, sources)
    collate = assemble.make_collate(recipe, run.tokeniser)
    pace = _pace(recipe, len(data))
    factors = LearningRateFactors(**settings.factors.model_dump())
    load = _loading(recipe, collate, device, workers)

    def batches_from(step: int) -> Iterable[Batch]:
        order = TrainingOrder(
            len(data),
            batch_size=settings.batch_size,
            seed=settings.seed,
            total_steps=pace.total_steps,
            start_step=step,
            workers=workers,
            draws=draws,
        )
        return load(data, order)

    def validation_batches() -> Iterable[Batch]:
        return load(checking, in_order(len(checking), settings.batch_size, workers))

    def learning_rate(step: int) -> float:
        warmup = round(settings.warmup_epochs * pace.steps_per_epoch)
        return settings.learning_rate * warmup_cosine(step, warmup_steps=warmup, total_steps=pace.total_steps)

    return Training(
        model=model,
        optimizer=adamw(
            trainable_groups(model, settings.weight_decay, factors=factors, decay_on=settings.weight_decay_on),
            learning_rate=settings.learning_rate,
        ),
        learning_rate=learning_rate,
        weights=LossWeights(**recipe.loss.model_dump()),
        batches_from=batches_from,
        validation_batches=validation_batches if len(checking) else None,
        pace=pace,
        best_by={"recall": by_recall, "loss": by_loss}[settings.best_by],
        seed=settings.seed,
        bf16=settings.precision == "bf16",
        device=device,
        workers=workers,
        replica=replicate(model, workers) if workers.count > 1 else None,
        questions=_questions(sources, collate) if recipe.log.zero_shot else (),
        average=Average(model, settings.average.decay) if settings.average is not None else None,
        chunks=_chunks(settings, workers),
        monitored=recipe.log.monitor,
    )


def _questions(sources: tuple[assemble.Source, ...], collate: Collate) -> tuple[Question, ...]:
    """What is asked of the validation studies: those that have labels, in the words of our own prompts."""
    studies = [study for source in sources for study in source.validate]
    return questions(studies, load_zero_shot_prompts(), collate.tokenise)


def _loading(
    recipe: Recipe, collate: Collate, device: str, workers: Workers
) -> Callable[[StudyDataset, Order], Iterator[Batch]]:
    """How batches are made: whole, or as they go through the encoders, a chunk at a time."""
    processes, size = recipe.train.loader_processes, recipe.train.chunk_size
    studies = size or math.ceil(recipe.train.batch_size / workers.count)
    ahead = batches_ahead(studies * _bytes_of_a_study(recipe.data), processes=processes)
    if size is not None:
        return partial(batches_by_chunks, collate=collate, processes=processes, chunk_size=size, prefetch=ahead)
    return partial(batches, collate=collate, processes=processes, pin=device.startswith("cuda"), prefetch=ahead)


def _bytes_of_a_study(settings: DataSettings) -> int:
    """The most that a study takes of a batch: its grey pictures, and tokens with their mask."""
    tokens = 2 * 8 * settings.max_tokens * settings.texts_per_study * (1 + 2 * settings.hard_negatives)
    return settings.images_per_study * settings.image_size**2 + tokens


def _chunks(settings: TrainSettings, workers: Workers) -> int:
    """How many chunks the largest share of a batch has: as many as every worker's share is taken in."""
    if settings.chunk_size is None:
        return 1
    largest = range(settings.batch_size)[Workers(0, workers.count).share(settings.batch_size)]
    return math.ceil(len(largest) / settings.chunk_size)


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
    learning = max(spent.learning, 1e-9)
    whole = (
        f"{result.state.step} steps in {result.state.seconds:.0f} s of learning and validation; {best}{recall}; run "
        f"folder {folder}"
    )
    if not result.steps:
        return f"{whole}\nthe run had come to its end before: nothing was left to do"
    return (
        f"{whole}\nthis session took {spent.total:.0f} s ({shares}): {result.steps / learning:.2f} steps and "
        f"{result.images / learning:.0f} images a second of learning"
    )
