"""The training loop: batch, two encoders, contrast, step; with validation, checkpoints and exact continuation."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from cxr_clip.distributed import SINGLE, Workers, gather
from cxr_clip.errors import TrainingError
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.runlog import RunLog
from cxr_clip.tensors import Batch, EmbeddedViews, LossTerms
from cxr_clip.train.optim import set_learning_rate
from cxr_clip.train.state import TrainState, load_state, save_state, save_weights
from cxr_clip.train.stopwatch import Part, Stopwatch, TimeSpent
from cxr_clip.train.validation import Validation, move, validate


@dataclass(frozen=True)
class Pace:
    """When things happen, in steps; `clip_norm` absent: gradients are not clipped."""

    total_steps: int
    steps_per_epoch: int
    validate_steps: int
    checkpoint_steps: int
    log_steps: int
    clip_norm: float | None = None

    def due(self, step: int, every: int) -> bool:
        """Whether something that happens `every` so many steps, and at the end, happens after `step` steps."""
        return step % every == 0 or step == self.total_steps


@dataclass(frozen=True)
class Training:
    """The objects of one training; `batches_from(step)` gives the batches of all steps from there on."""

    model: DualEncoder
    optimizer: torch.optim.Optimizer
    learning_rate: Callable[[int], float]
    weights: LossWeights
    batches_from: Callable[[int], Iterable[Batch]]
    validation_batches: Callable[[], Iterable[Batch]] | None
    pace: Pace
    seed: int
    bf16: bool = False
    device: str = "cpu"
    workers: Workers = SINGLE

    @property
    def autocast(self) -> torch.autocast:
        """Half precision for the encoders where it is asked for; weights and losses stay in single precision."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.bf16)


@dataclass(frozen=True)
class TrainResult:
    """How a training ended; `spent` and `images` are of this session alone, `state.seconds` is of all sessions."""

    state: TrainState
    validation: Validation | None
    spent: TimeSpent
    images: int


@dataclass(frozen=True)
class Learnt:
    """What one batch had to say: its loss terms, and the norm of the gradient before clipping."""

    loss: float
    terms: LossTerms
    gradient_norm: float


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
        learnt = _learn(training, batch, state.step)
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


def _learn(training: Training, batch: Batch, step: int) -> Learnt:
    """Put the gradients of one batch, and the learning rate of its step, where the optimiser finds them."""
    # Dropout of a step depends on (seed, step), so a continued run needs no saved random state.
    torch.manual_seed((training.seed * 1_000_003 + step) % 2**63)
    set_learning_rate(training.optimizer, training.learning_rate(step))
    training.optimizer.zero_grad(set_to_none=True)
    with training.autocast:
        views: EmbeddedViews = training.model(move(batch, training.device))
    everyone = EmbeddedViews(
        images=tuple(gather(view, training.workers) for view in views.images),
        texts=tuple(gather(view, training.workers) for view in views.texts),
    )
    terms = study_contrast(everyone, training.model.scale)
    loss = weighted_sum(terms, training.weights)
    _refuse_not_finite("loss", loss, terms, batch, step)
    loss.backward()  # type: ignore[no-untyped-call]
    limit = training.pace.clip_norm if training.pace.clip_norm is not None else float("inf")
    norm = torch.nn.utils.clip_grad_norm_(training.model.parameters(), limit)
    _refuse_not_finite("gradient", norm, terms, batch, step)
    return Learnt(loss=float(loss.detach()), terms=terms, gradient_norm=float(norm))


def _refuse_not_finite(what: str, value: Float[Tensor, ""], terms: LossTerms, batch: Batch, step: int) -> None:
    if torch.isfinite(value):
        return
    parts = ", ".join(f"{name} {number:g}" for name, number in _numbers(terms).items())
    shown = ", ".join(batch.study_ids[:5]) + (", ..." if len(batch.study_ids) > 5 else "")
    raise TrainingError(
        f"the {what} of step {step} is not finite ({parts}); studies of the batch: {shown}. The last checkpoint is "
        "kept; start a new run folder with a lower train.learning_rate, train.clip_norm=1 or train.precision=fp32"
    )


def figures(training: Training, step: int, learnt: Learnt, spent: TimeSpent, images: int) -> dict[str, float]:
    """What the log says after `step` steps; a term that does not exist is left out.

    Images a second and the share of the time that went into waiting for data are means since the start, of the
    training steps alone.
    """
    return {
        "loss": learnt.loss,
        **_numbers(learnt.terms),
        "scale": float(training.model.scale.detach()),
        "learning_rate": training.learning_rate(step - 1),
        "gradient_norm": learnt.gradient_norm,
        "images_per_second": images / max(spent.learning, 1e-9),
        "data_share": spent.data / max(spent.learning, 1e-9),
    }


def _numbers(terms: LossTerms) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in vars(terms).items() if value is not None}


def _validate(training: Training, batches: Iterable[Batch]) -> Validation:
    return validate(
        training.model, batches, weights=training.weights, autocast=training.autocast, device=training.device
    )


def _keep_best(state: TrainState, validation: Validation, model: DualEncoder, weights: Path) -> TrainState:
    if state.best_value is not None and validation.value <= state.best_value:
        return state
    save_weights(weights, model)
    return replace(state, best_value=validation.value, best_step=state.step)
