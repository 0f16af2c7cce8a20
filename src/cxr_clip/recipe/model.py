"""Settings of the model: two towers, where their weights come from, and what of them trains."""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from cxr_clip.recipe.section import Above0, Positive, Section


def _named_or_counted(value: object) -> object:
    if value in ("all", "locked") or (type(value) is int and value > 0):
        return value
    raise ValueError(f"give all, locked, or how many of the last stages or layers train (1 or more), not {value!r}")


# How much of a tower trains: all, nothing (locked), or its last so many stages or layers.
Trained = Annotated[Literal["all", "locked"] | int, BeforeValidator(_named_or_counted)]


class ImageEncoderSettings(Section):
    """The image tower: pretrained weights by name or local folder, or random weights of an architecture.

    `architecture` is `resnet50`, `swin-tiny`, or what `transformers.AutoConfig.for_model` takes, `model_type` first.
    `mean` and `std` are of images in 0..1; null = what the encoder's family was trained with. `train`: all of it,
    `locked` (nothing), or the number of its last stages that train. `batch_norm` takes its statistics over the batch of
    all workers (synchronised), over a worker's own rows (local), or not at all (frozen: those that the weights came
    with, and its own weights do not train either). `gradient_checkpointing`: activations are computed again in the
    backward pass and not kept.
    """

    pretrained: str | None = None
    architecture: str | dict[str, Any] | None = None
    pooling: Literal["mean", "first", "pooled"] = "mean"
    mean: tuple[float, float, float] | None = None
    std: tuple[Above0, Above0, Above0] | None = None
    train: Trained = "all"
    gradient_checkpointing: bool = False
    batch_norm: Literal["synchronised", "local", "frozen"] = "synchronised"

    @model_validator(mode="after")
    def _statistics_go_together(self) -> Self:
        if (self.mean is None) != (self.std is None):
            raise ValueError("give both `mean` and `std`, or neither")
        return self

    @model_validator(mode="after")
    def _a_locked_tower_keeps_nothing(self) -> Self:
        _refuse_checkpointing_of_locked(self.train, self.gradient_checkpointing)
        return self


class TokeniserSettings(Section):
    """A WordPiece vocabulary trained on the texts of the run's own manifests."""

    vocabulary_size: Annotated[int, Field(ge=100)] = 8000
    lowercase: bool = True


class LoraSettings(Section):
    """Adapters of rank `rank` beside the text tower's linear layers, scaled by alpha / rank; needs the `lora` extra.

    `targets`: ends of the layers' names (`attention.self.query`); null: all linear layers of the attention.
    """

    rank: Positive = 8
    alpha: Above0 = 16.0
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    targets: Annotated[tuple[str, ...], Field(min_length=1)] | None = None


class TextEncoderSettings(Section):
    """The text tower; one of random weights needs a `tokeniser` to train, a pretrained one brings its own.

    `buckets` null: texts are encoded without padding where the backbone can, else in four groups of similar length; a
    number: in so many padded groups. `dropout` null: the backbone's own rates. `train`: all of it, `locked` (nothing),
    or the number of its last layers that train. `gradient_checkpointing`: activations are computed again in the
    backward pass and not kept. `lora`: adapters train and the tower's own weights do not.
    """

    pretrained: str | None = None
    architecture: dict[str, Any] | None = None
    tokeniser: TokeniserSettings | None = None
    pooling: Literal["eos", "cls", "mean"] = "eos"
    buckets: Positive | None = None
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    train: Trained = "all"
    gradient_checkpointing: bool = False
    lora: LoraSettings | None = None

    @model_validator(mode="after")
    def _a_locked_tower_keeps_nothing(self) -> Self:
        _refuse_checkpointing_of_locked(self.train, self.gradient_checkpointing)
        return self

    @model_validator(mode="after")
    def _adapters_alone_train(self) -> Self:
        if self.lora is not None and self.train != "all":
            raise ValueError("`lora` stops the tower's own weights already: leave `train` out, or `lora`")
        return self

    @model_validator(mode="after")
    def _a_locked_tower_has_no_dropout(self) -> Self:
        if self.train == "locked" and self.dropout is not None:
            raise ValueError("`dropout` has no effect on a locked tower, which runs without any: leave it out")
        return self


def _refuse_checkpointing_of_locked(train: Trained, gradient_checkpointing: bool) -> None:
    if train == "locked" and gradient_checkpointing:
        raise ValueError("`gradient_checkpointing` has no effect on a locked tower, which keeps nothing: leave it out")


_Tower = TypeVar("_Tower", ImageEncoderSettings, TextEncoderSettings)
# What a tower is made from; the run of `start_from` brings all of it.
_ORIGINS = ("pretrained", "architecture", "tokeniser", "mean", "std")


class ModelSettings(Section):
    """The dual encoder; `freeze` lists parameter-name prefixes that do not train (`image.backbone.embedder`).

    `start_from`: a run folder or a model on the hub whose towers, tokeniser, projections and scale a new run begins
    with (train/starting.py); null: each tower names where it comes from, and the rest begins anew.
    """

    start_from: Annotated[str, Field(min_length=1)] | None = None
    image: ImageEncoderSettings = Field(default=ImageEncoderSettings(), validate_default=True)
    text: TextEncoderSettings = Field(default=TextEncoderSettings(), validate_default=True)
    embedding_size: Positive = 512
    temperature: Above0 = 0.07
    freeze: tuple[str, ...] = ()

    @field_validator("image", "text")
    @classmethod
    def _one_origin(cls, tower: _Tower, known: ValidationInfo) -> _Tower:
        if known.data.get("start_from") is not None:
            given = [name for name in _ORIGINS if getattr(tower, name, None) is not None]
            if given:
                named = ", ".join(f"`{name}`" for name in given)
                nulls = " ".join(f"model.{known.field_name}.{name}=null" for name in given)
                raise ValueError(
                    f"{named}: the run of model.start_from brings its own; leave this out, or set {nulls} over a "
                    "recipe that has it"
                )
        elif (tower.pretrained is None) == (tower.architecture is None):
            raise ValueError("give either `pretrained` or `architecture`")
        return tower

    @field_validator("text")
    @classmethod
    def _one_tokeniser(cls, text: TextEncoderSettings) -> TextEncoderSettings:
        if (text.architecture is None) != (text.tokeniser is None):
            raise ValueError("`tokeniser` goes with `architecture`; a pretrained encoder brings its own")
        return text

    @model_validator(mode="after")
    def _one_scale(self) -> Self:
        if self.start_from is not None and self.temperature != type(self).model_fields["temperature"].default:
            raise ValueError(
                "`temperature` has no effect with `start_from`, whose scale trains on: leave it out, or set "
                f"model.temperature={type(self).model_fields['temperature'].default} over a recipe that has it"
            )
        return self
