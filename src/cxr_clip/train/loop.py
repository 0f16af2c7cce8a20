"""The training loop: step after step, with validation, checkpoints and exact continuation."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cxr_clip.distributed import refuse_disagreement, take_buffers_of_first
from cxr_clip.errors import TrainingError, TrainingStoppedError
from cxr_clip.runlog import RunLog
from cxr_clip.tensors import Batch
from cxr_clip.train.keeping import Keeper
from cxr_clip.train.monitor import Monitor, batch_figures
from cxr_clip.train.signatures import Finding
from cxr_clip.train.state import TrainState, load_state
from cxr_clip.train.step import Learnt, learn, numbers, rehearse
from cxr_clip.train.stopping import asked_to_end
from cxr_clip.train.stopwatch import Part, Stopwatch, TimeSpent, clock_of
from cxr_clip.train.training import Training
from cxr_clip.train.validation import Validation, validate

SAME_DISK = "the run folder must lie on a disk that all machines share"


@dataclass(frozen=True)
class TrainResult:
    """How a training ended; `spent`, `steps` and `images` are of this session, `state.seconds` is of all sessions."""

    state: TrainState
    validation: Validation | None
    spent: TimeSpent
    steps: int
    images: int


def train(
    training: Training, *, resume: Path, weights: Path, log: RunLog, after_step: Callable[[], None] | None = None
) -> TrainResult:
    """Train to the last step, from the state in the file `resume` if it is there; the best weights go to `weights`.

    Of several workers all call this, and the first one writes. Checkpoints are written while the training goes on;
    `after_step` is called after every step. Raises TrainingError at a loss or gradient that is not finite, and where a
    file cannot be written; the last good checkpoint is kept. Raises TrainingStoppedError after SIGTERM, when a
    checkpoint of the step under way is written.
    """
    model, pace, workers = training.model, training.pace, training.workers
    state = load_state(resume, model, training.optimizer, training.average) if resume.is_file() else TrainState()
    refuse_disagreement(f"the step in {resume}", state.step, workers, mend=SAME_DISK)
    told = _Told(training, log, Monitor(max_scale=model.max_scale))
    told.replay(state.step)
    start, earlier = state.step, state.seconds
    watch, validation, images, ending = Stopwatch(clock_of(training.device)), None, 0, False
    model.train()
    with asked_to_end(workers) as asked, Keeper(resume, weights, first=log.wait) as keeper:
        for batch in training.batches_from(state.step):
            watch.lap(Part.DATA)
            learnt = _take_step(training, batch, state.step, lap=watch.lap, first=state.step == start)
            keeper.check()
            state = replace(state, step=state.step + 1)
            images += len(batch.images) * learnt.studies
            if pace.due(state.step, pace.log_steps):
                told.step(state.step, figures(training, state.step, learnt, watch.spent, images))
            watch.lap(Part.OTHER)
            best = training.validation_batches is None and state.step == pace.total_steps
            if training.validation_batches is not None and pace.due(state.step, pace.validate_steps):
                keeper.wait()  # loader processes are forked off here, and no thread must be at work then
                validation = _validate(training, training.validation_batches())
                told.validation(state.step, validation.figures)
                watch.lap(Part.VALIDATION)
                state, best = _with_best(state, training.best_by(validation))
            ending = asked() and state.step < pace.total_steps
            resumable = ending or pace.due(state.step, pace.checkpoint_steps)
            if resumable:
                state = replace(state, seconds=earlier + watch.spent.learning + watch.spent.validation)
            if workers.leads:
                keeper.keep(state, model, training.optimizer, training.average, best=best, resumable=resumable)
            watch.lap(Part.CHECKPOINTS)
            if after_step is not None:
                after_step()
                watch.lap(Part.OTHER)
            if ending:
                break
        keeper.wait()
        watch.lap(Part.CHECKPOINTS)
    if images:
        told.end(state.step, watch.spent)
    if ending:
        raise TrainingStoppedError(
            f"asked to end (SIGTERM) and did so after step {state.step} of {pace.total_steps}, which {resume} holds: "
            "the same command continues from there"
        )
    return TrainResult(state, validation, watch.spent, state.step - start, images)


def _take_step(training: Training, batch: Batch, step: int, *, lap: Callable[[Part], None], first: bool) -> Learnt:
    """One step of the weights and of their average; `first`: of this session."""
    if first:
        rehearse(training, batch, step)
    learnt = learn(training, batch, step, lap=lap)
    training.optimizer.step()
    if training.average is not None:
        training.average.follow(training.model, step + 1)
    lap(Part.OPTIMIZER)
    return learnt


@dataclass(frozen=True)
class _Told:
    """What people and programs hear of a training: its figures, and what the monitor makes of them."""

    training: Training
    log: RunLog
    monitor: Monitor

    def replay(self, step: int) -> None:
        """Go on after `step`, the monitor as one that has seen all before."""
        self.monitor.replay(self.log.open_at(step))

    def step(self, step: int, figures: Mapping[str, float]) -> None:
        epoch = self._epoch(step)
        self.log.training(step, epoch, figures)
        self._warn(step, self.monitor.learning(epoch, figures))

    def validation(self, step: int, figures: Mapping[str, float]) -> None:
        epoch = self._epoch(step)
        self.log.validation(step, epoch, figures)
        self._warn(step, self.monitor.validation(epoch, figures))

    def end(self, step: int, spent: TimeSpent) -> None:
        self.log.end(step, self._epoch(step), asdict(spent))

    def _warn(self, step: int, found: Iterable[Finding]) -> None:
        """The signatures of failure that appear."""
        for one in found if self.training.monitored else ():
            self.log.warning(step, self._epoch(step), signature=one.signature, says=one.says, advice=one.advice)

    def _epoch(self, step: int) -> float:
        return step / self.training.pace.steps_per_epoch


def figures(training: Training, step: int, learnt: Learnt, spent: TimeSpent, images: int) -> dict[str, float]:
    """What the log says after `step` steps; a term that does not exist is left out.

    Images a second and the share of the time that went into waiting for data are means since the start, of the
    training steps alone.
    """
    watched = training.monitored and training.workers.leads
    scale = training.model.scale.detach()
    return {
        "loss": learnt.loss,
        **numbers(learnt.terms),
        "scale": float(scale),
        "learning_rate": training.learning_rate(step - 1),
        "gradient_norm": learnt.gradient_norm,
        "images_per_second": images / max(spent.learning, 1e-9),
        "data_share": spent.data / max(spent.learning, 1e-9),
        **(batch_figures(learnt.views, scale, training.weights) if watched else {}),
    }


def _validate(training: Training, batches: Iterable[Batch]) -> Validation:
    with training.to_keep():
        take_buffers_of_first(training.model, training.workers)
        return validate(
            training.model,
            batches,
            weights=training.weights,
            autocast=training.autocast,
            device=training.device,
            workers=training.workers,
            asked=training.questions,
            chunks=training.chunks,
        )


def _with_best(state: TrainState, value: float) -> tuple[TrainState, bool]:
    """The state that knows of a validation's value, and whether its weights are the best so far."""
    if not math.isfinite(value):
        raise TrainingError(
            f"the validation after step {state.step} is not finite: the weights, or running statistics, are not any "
            "more. A checkpoint kept before stays; start a new run folder with a lower train.learning_rate, "
            "train.clip_norm=1 or train.precision=fp32"
        )
    if state.best_value is not None and value <= state.best_value:
        return state, False
    return replace(state, best_value=value, best_step=state.step), True
