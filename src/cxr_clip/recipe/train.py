"""Settings of the training: the loss, the loop and the log."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cxr_clip.recipe.section import Above0, NotNegative, Positive, Section


class LossSettings(Section):
    """Weights of the terms: MVS, ICL (lambda_I), TCL (lambda_T), and that of `data.hard_negatives`."""

    image_text: NotNegative = 1.0
    image_image: NotNegative = 1.0
    text_text: NotNegative = 0.5
    hard_negative: NotNegative = 1.0


class FactorSettings(Section):
    """Multiples of the learning rate for the two towers and the projections (with the scale)."""

    image: Above0 = 1.0
    text: Above0 = 1.0
    projection: Above0 = 1.0


class AverageSettings(Section):
    """An exponential moving average of the weights (train/averaging.py), which is validated and kept."""

    decay: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.999


class TrainSettings(Section):
    """The loop: AdamW, linear warm-up, cosine to 0 per step.

    `clip_norm` null: gradients are not clipped. `checkpoint_steps` null: a resume state is kept after every epoch.
    `average` null: the last weights are validated, and the best of them kept.
    `weight_decay_on`: `weights` (matrices, kernels, embedding tables) or `all` parameters. `best_by`: the weights kept
    are those of the best `recall` in validation, or of the lowest `loss`.
    `chunk_size`: how many studies of a batch go through the encoders at a time, for batches that no memory holds at
    once; the loss is that of the whole batch all the same. Null: the batch goes whole.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0  # torch takes no larger one
    batch_size: Annotated[int, Field(ge=2)] = 128
    chunk_size: Annotated[int, Field(ge=2)] | None = None
    epochs: Positive = 15
    warmup_epochs: NotNegative = 1.0
    learning_rate: Above0 = 5e-5
    factors: FactorSettings = FactorSettings()
    weight_decay: NotNegative = 1e-4
    weight_decay_on: Literal["weights", "all"] = "weights"
    clip_norm: Above0 | None = None
    precision: Literal["fp32", "bf16"] = "bf16"
    device: str = "auto"
    loader_processes: Annotated[int, Field(ge=0)] = 0
    validate_epochs: Positive = 1
    best_by: Literal["recall", "loss"] = "recall"
    checkpoint_steps: Positive | None = None
    average: AverageSettings | None = None

    @model_validator(mode="after")
    def _chunks_are_smaller(self) -> Self:
        if self.chunk_size is not None and self.chunk_size >= self.batch_size:
            raise ValueError(
                f"chunk_size={self.chunk_size} has no effect on a batch of {self.batch_size}: give less, or null"
            )
        return self

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs:g} leaves nothing of {self.epochs} epochs")
        return self

    @model_validator(mode="after")
    def _there_is_decay_to_apply(self) -> Self:
        if self.weight_decay == 0 and self.weight_decay_on == "all":
            raise ValueError("weight_decay_on=all has no effect with weight_decay=0: leave it out")
        return self


class LogSettings(Section):
    """What is written beside metrics.jsonl; TensorBoard needs the `tensorboard` extra.

    `zero_shot`: each validation also asks for the findings of the studies that have labels. `monitor`: figures that
    tell how a training fails are logged, and warnings in words when it does.
    """

    tensorboard: bool = False
    every_steps: Positive = 10
    zero_shot: bool = True
    monitor: bool = True
