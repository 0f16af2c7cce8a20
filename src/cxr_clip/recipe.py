"""Every setting of a run, typed and frozen, read from YAML with key=value overrides.

The defaults are those of the paper (224 px, batch 128, 15 epochs, AdamW 5e-5, lambda_I 1.0, lambda_T 0.5).
Settings are read by `assemble` alone; everything below it takes plain arguments.
"""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cxr_clip.errors import RecipeError

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Above0 = Annotated[float, Field(gt=0.0)]


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(Section):
    """One manifest, and how its studies are put into words (data/texts.py); `negatives` null: all of them."""

    manifest: Path
    negatives: Annotated[int, Field(ge=0)] | None = 3
    label_prompts: Fraction = 0.0
    cut_sentences: Fraction = 0.0


class AugmentSettings(Section):
    """How a training image is varied (no flips: left and right mean something)."""

    crop_scale: tuple[Above0, Above0] = (0.8, 1.1)
    clahe_probability: Fraction = 0.5
    clahe_clip: Above0 = 4.0
    brightness: Fraction = 0.1
    contrast: Fraction = 0.2

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        low, high = self.crop_scale
        if not low <= min(high, 1.0):
            raise ValueError(f"crop_scale is [smallest, largest] with a smallest of at most 1, not [{low:g}, {high:g}]")
        return self


class DataSettings(Section):
    """What is read, and what is drawn from each study."""

    sources: Annotated[tuple[SourceSettings, ...], Field(min_length=1)]
    image_size: Positive = 224
    images_per_study: Literal[1, 2] = 2
    texts_per_study: Literal[1, 2] = 2
    max_tokens: Annotated[int, Field(ge=3)] = 256
    prompts: Path | None = None
    augment: AugmentSettings = AugmentSettings()


class ImageEncoderSettings(Section):
    """The image tower: pretrained weights by name or local folder, or random weights of an architecture.

    `architecture` is `resnet50`, `swin-tiny`, or what `transformers.AutoConfig.for_model` takes, `model_type` first.
    `mean` and `std` are of images in 0..1; null = what the encoder's family was trained with.
    """

    pretrained: str | None = None
    architecture: str | dict[str, Any] | None = None
    pooling: Literal["mean", "first", "pooled"] = "mean"
    mean: tuple[float, float, float] | None = None
    std: tuple[Above0, Above0, Above0] | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.pretrained is None) == (self.architecture is None):
            raise ValueError("give either `pretrained` or `architecture`")
        if (self.mean is None) != (self.std is None):
            raise ValueError("give both `mean` and `std`, or neither")
        return self


class TokeniserSettings(Section):
    """A WordPiece vocabulary trained on the texts of the run's own manifests."""

    vocabulary_size: Annotated[int, Field(ge=100)] = 8000
    lowercase: bool = True


class TextEncoderSettings(Section):
    """The text tower; one of random weights needs a `tokeniser` to train, a pretrained one brings its own.

    `buckets`: the texts of a batch are encoded in so many groups of similar length, which saves padding. `dropout`
    null: the backbone's own rates.
    """

    pretrained: str | None = None
    architecture: dict[str, Any] | None = None
    tokeniser: TokeniserSettings | None = None
    pooling: Literal["eos", "cls", "mean"] = "eos"
    buckets: Positive = 1
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.pretrained is None) == (self.architecture is None):
            raise ValueError("give either `pretrained` or `architecture`")
        if (self.architecture is None) != (self.tokeniser is None):
            raise ValueError("`tokeniser` goes with `architecture`; a pretrained encoder brings its own")
        return self


class ModelSettings(Section):
    """The dual encoder; `freeze` lists parameter-name prefixes that do not train (`image.backbone.embedder`)."""

    image: ImageEncoderSettings
    text: TextEncoderSettings
    embedding_size: Positive = 512
    temperature: Above0 = 0.07
    freeze: tuple[str, ...] = ()


class LossSettings(Section):
    """Weights of the three terms: MVS, ICL (lambda_I) and TCL (lambda_T)."""

    image_text: NotNegative = 1.0
    image_image: NotNegative = 1.0
    text_text: NotNegative = 0.5


class FactorSettings(Section):
    """Multiples of the learning rate for the two towers and the projections (with the scale)."""

    image: Above0 = 1.0
    text: Above0 = 1.0
    projection: Above0 = 1.0


class TrainSettings(Section):
    """The loop: AdamW, linear warm-up, cosine to 0 per step.

    `clip_norm` null: gradients are not clipped. `checkpoint_steps` null: a resume state is kept after every epoch.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=2)] = 128
    epochs: Positive = 15
    warmup_epochs: NotNegative = 1.0
    learning_rate: Above0 = 5e-5
    factors: FactorSettings = FactorSettings()
    weight_decay: NotNegative = 1e-4
    clip_norm: Above0 | None = None
    precision: Literal["fp32", "bf16"] = "bf16"
    device: str = "auto"
    loader_processes: Annotated[int, Field(ge=0)] = 0
    validate_epochs: Positive = 1
    checkpoint_steps: Positive | None = None

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs:g} leaves nothing of {self.epochs} epochs")
        return self


class LogSettings(Section):
    """What is written beside metrics.jsonl; TensorBoard needs the `tensorboard` extra."""

    tensorboard: bool = False
    every_steps: Positive = 10


class Recipe(Section):
    """All that decides a run."""

    name: str
    data: DataSettings
    model: ModelSettings
    loss: LossSettings = LossSettings()
    train: TrainSettings = TrainSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _every_term_has_its_pair(self) -> Self:
        for weight, count, thing in (
            ("image_image", self.data.images_per_study, "images"),
            ("text_text", self.data.texts_per_study, "texts"),
        ):
            if getattr(self.loss, weight) > 0 and count == 1:
                raise ValueError(
                    f"loss.{weight} needs two {thing} of a study: set data.{thing}_per_study=2 or loss.{weight}=0"
                )
        if self.loss.image_text == self.loss.image_image == self.loss.text_text == 0:
            raise ValueError("every loss weight is 0: nothing would be learned")
        return self


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in `path` with `section.key=value` overrides (values are YAML).

    Raises RecipeError for a missing file, broken YAML, unknown keys (naming near ones) and impossible values.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(
            f"no recipe at {path}: give the path of a YAML file, for example recipes/openi.yaml"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(settings, dict):
        raise RecipeError(f"{path} does not hold settings: its top level must be a mapping such as `name: ...`")
    for override in overrides:
        _apply(settings, override)
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise RecipeError(f"{path}: " + "; ".join(_explain(error))) from error


def dump_recipe(recipe: Recipe) -> str:
    """The whole recipe as YAML, every default written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _apply(settings: dict[str, Any], override: str) -> None:
    """Set one `a.b.0.c=value` in nested mappings and lists."""
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise RecipeError(f"override {override!r} is not of the form section.key=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"override {override!r}: the value is not YAML: {error}") from error
    *parents, last = key.split(".")
    place: Any = settings
    for name in parents:
        place = _step_into(place, name, override)
    if isinstance(place, list):
        place[_position(place, last, override)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise RecipeError(f"override {override!r}: there is nothing below {'.'.join(parents)!r}")


def _step_into(place: Any, name: str, override: str) -> Any:
    if isinstance(place, list):
        return place[_position(place, name, override)]
    if isinstance(place, dict):
        if place.get(name) is None:
            place[name] = {}
        return place[name]
    raise RecipeError(f"override {override!r}: {name!r} lies below a plain value")


def _position(items: list[Any], name: str, override: str) -> int:
    if name.isdecimal() and int(name) < len(items):
        return int(name)
    raise RecipeError(
        f"override {override!r}: {name!r} is not a position in a list of {len(items)} (0 to {len(items) - 1})"
    )


def _explain(error: ValidationError) -> Iterable[str]:
    """One sentence for each fault, with the near names of an unknown key."""
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"]) or "recipe"
        if fault["type"] == "extra_forbidden":
            near = _near_names(fault["loc"])
            hint = f" - did you mean {near[0]!r}?" if near else ""
            yield f"unknown setting {where!r}{hint}"
        elif fault["type"] == "missing":
            yield f"{where!r} is missing"
        elif fault["type"] == "value_error":
            yield f"{where}: {fault['ctx']['error']}"
        else:
            yield f"{where} = {fault['input']!r}: {fault['msg']}"


def _near_names(location: tuple[int | str, ...]) -> list[str]:
    """Known settings that look like the last part of `location`."""
    section: type[Section] | None = Recipe
    for part in location[:-1]:
        if isinstance(part, str) and section is not None:
            section = _section_within(section.model_fields[part].annotation)
    known = list(section.model_fields) if section is not None else []
    return difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)


def _section_within(annotation: Any) -> type[Section] | None:
    """The section that an annotation holds: itself, or inside of `X | None`, `tuple[X, ...]`, `Annotated[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_within, get_args(annotation))), None)
