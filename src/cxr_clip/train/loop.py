"""The training loop: step after step, with validation, checkpoints and exact continuation."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.runlog import RunLog
from cxr_clip.tensor_files import save_weights
from cxr_clip.tensors import Batch
from cxr_clip.train.state import TrainState, load_state, save_state
from cxr_clip.train.step import Learnt, learn, numbers
from cxr_clip.train.stopwatch import Part, Stopwatch, TimeSpent
from cxr_clip.train.training import Training
from cxr_clip.train.validation import Validation, validate


@dataclass(frozen=True)
class TrainResult:
    """How a training ended; `spent` and `images` are of this session alone, `state.seconds` is of all sessions."""

    state: TrainState
    validation: Validation | None
    spent: TimeSpent
    images: int


def train(training: Training, *, resume: Path, weights: Path, log: RunLog) -> TrainResult:
    """Train to the last step, from the state in the file `resume` if it is there; the best weights go to `weights`.

    Raises TrainingError at a loss or gradient that is not finite; the last good checkpoint is kept.
    """
    model, pace = training.model, training.pace
    state = load_state(resume, model, training.optimizer) if resume.is_file() else TrainState()
    log.open_at(state.step)
    earlier = state.seconds
    watch, validation, images = Stopwatch(), None, 0
    model.train()
    for batch in training.batches_from(state.step):
        watch.lap(Part.DATA)
        learnt = learn(training, batch, state.step)
        watch.lap(Part.MODEL)
        training.optimizer.step()
        watch.lap(Part.OPTIMIZER)
        state = replace(state, step=state.step + 1)
        epoch = state.step / pace.steps_per_epoch
        images += sum(len(view) for view in batch.images) * training.workers.count
        if pace.due(state.step, pace.log_steps):
            log.training(state.step, epoch, figures(training, state.step, learnt, watch.spent, images))
        watch.lap(Part.OTHER)
        if training.validation_batches is not None and pace.due(state.step, pace.validate_steps):
            validation = _validate(training, training.validation_batches())
            log.validation(state.step, epoch, asdict(validation))
            watch.lap(Part.VALIDATION)
            state = _keep_best(state, validation, model, weights)
        state = replace(state, seconds=earlier + watch.spent.learning + watch.spent.validation)
        if pace.due(state.step, pace.checkpoint_steps):
            save_state(resume, state, model, training.optimizer)
        watch.lap(Part.CHECKPOINTS)
    if training.validation_batches is None:
        save_weights(weights, model)
    if images:
        log.end(state.step, state.step / pace.steps_per_epoch, asdict(watch.spent))
    return TrainResult(state, validation, watch.spent, images)


def figures(training: Training, step: int, learnt: Learnt, spent: TimeSpent, images: int) -> dict[str, float]:
    """What the log says after `step` steps; a term that does not exist is left out.

    Images a second and the share of the time that went into waiting for data are means since the start, of the
    training steps alone.
    """
    return {
        "loss": learnt.loss,
        **numbers(learnt.terms),
        "scale": float(training.model.scale.detach()),
        "learning_rate": training.learning_rate(step - 1),
        "gradient_norm": learnt.gradient_norm,
        "images_per_second": images / max(spent.learning, 1e-9),
        "data_share": spent.data / max(spent.learning, 1e-9),
    }


def _validate(training: Training, batches: Iterable[Batch]) -> Validation:
    return validate(
        training.model, batches, weights=training.weights, autocast=training.autocast, device=training.device
    )


def _keep_best(state: TrainState, validation: Validation, model: DualEncoder, weights: Path) -> TrainState:
    if state.best_value is not None and validation.value <= state.best_value:
        return state
    save_weights(weights, model)
    return replace(state, best_value=validation.value, best_step=state.step)
