"""The settings inside a published checkpoint, read out as plain values and checked."""

from dataclasses import dataclass
from typing import Literal, TypeVar

from cxr_clip.model.normalisation import HALF, IMAGENET, Normalisation
from cxr_clip.published.pickled import Record, RefusedError

T = TypeVar("T", str, int, float)

# The names of the published code for the statistics that images are normalised with. It names none for the second.
_NORMALISATIONS = {"imagenet": IMAGENET, "huggingface": HALF}
_TEXT_POOLINGS: dict[str, Literal["eos", "cls", "mean"]] = {"eos": "eos", "bos": "cls", "mean": "mean"}


@dataclass(frozen=True)
class PublishedSettings:
    """What a checkpoint says of its model and training; None where it is silent.

    `image_encoder` and `text_encoder` are the names of the pretrained weights that the training began with.
    """

    image_encoder: str
    text_encoder: str
    tokeniser: str
    text_pooling: Literal["eos", "cls", "mean"]
    normalisation: Normalisation | None
    image_size: int
    max_tokens: int
    temperature: float
    data_sets: tuple[str, ...]
    image_image: float | None
    text_text: float | None
    epochs: int | None
    warmup_epochs: float | None
    learning_rate: float | None
    weight_decay: float | None


def read_settings(config: object) -> PublishedSettings:
    """Read the settings of the model; raises RefusedError where one that it needs is absent or no plain value."""
    pooling = _needed(config, "model.text_encoder.pooling", str)
    if pooling not in _TEXT_POOLINGS:
        raise RefusedError(f"its setting model.text_encoder.pooling is {pooling[:40]!r}, not eos, bos or mean")
    text_encoder = _needed(config, "model.text_encoder.name", str)
    image_size, max_tokens = _needed(config, "base.image_size", int), _needed(config, "base.text_max_length", int)
    if not 32 <= image_size <= 2048 or not 3 <= max_tokens <= 8192:
        raise RefusedError(f"its settings are impossible: images of {image_size} px, texts of {max_tokens} tokens")
    return PublishedSettings(
        image_encoder=_needed(config, "model.image_encoder.name", str),
        text_encoder=text_encoder,
        tokeniser=_value(config, "tokenizer.pretrained_model_name_or_path", str) or text_encoder,
        text_pooling=_TEXT_POOLINGS[pooling],
        normalisation=_normalisation(config),
        image_size=image_size,
        max_tokens=max_tokens,
        temperature=_needed(config, "model.temperature", float),
        data_sets=tuple(_children(config, "data_train")),
        image_image=_value(config, "loss.cxr_clip.i2i_weight", float),
        text_text=_value(config, "loss.cxr_clip.t2t_weight", float),
        epochs=_value(config, "scheduler.config.total_epochs", int),
        warmup_epochs=_value(config, "scheduler.config.warmup_epochs", float),
        learning_rate=_value(config, "optimizer.config.lr", float),
        weight_decay=_value(config, "optimizer.config.weight_decay", float),
    )


def _normalisation(config: object) -> Normalisation | None:
    """The statistics that all training sets name; None where none does."""
    names = {_value(config, f"data_train.{name}.normalize", str) for name in _children(config, "data_train")} - {None}
    if not names:
        return None
    if len(names) > 1 or not names <= _NORMALISATIONS.keys():
        shown = ", ".join(sorted(str(name)[:40] for name in names))
        raise RefusedError(f"its training sets normalise images by {shown}, not all by imagenet or all by huggingface")
    return _NORMALISATIONS[str(names.pop())]


def _needed(config: object, path: str, kind: type[T]) -> T:
    value = _value(config, path, kind)
    if value is None:
        raise RefusedError(f"its settings lack {path}")
    return value


def _value(config: object, path: str, kind: type[T]) -> T | None:
    """The plain value at a dotted path, None where there is none; whole numbers are numbers too."""
    value: object = config
    for name in path.split("."):
        value = _content(value)
        value = value.get(name) if isinstance(value, dict) else None
    value = _content(value)
    if kind is float and type(value) is int:
        return kind(value)
    if value is None or type(value) is kind:
        return value
    raise RefusedError(f"its setting {path} is no plain {kind.__name__}")


def _children(config: object, name: str) -> list[str]:
    parent = _content(config)
    children = _content(parent.get(name)) if isinstance(parent, dict) else None
    return [child for child in children if isinstance(child, str)] if isinstance(children, dict) else []


def _content(value: object) -> object:
    """What an OmegaConf record holds (`_content` of a container, `_val` of a leaf); anything else is itself."""
    if not isinstance(value, Record):
        return value
    state = value.state if isinstance(value.state, dict) else {}
    return state.get("_content", state.get("_val"))
