"""A published checkpoint in, an ordinary run folder out, without executing or trusting anything in the file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from cxr_clip.checkpoint import Run
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.published.archive import open_archive
from cxr_clip.published.build import Architecture, StoredModel, architecture_of, build_model
from cxr_clip.published.names import Assignment
from cxr_clip.published.pickled import RefusedError, StoredTensor
from cxr_clip.published.settings import PublishedSettings, read_settings
from cxr_clip.published.tokeniser import attention_heads, published_tokeniser, refuse_other_tokeniser
from cxr_clip.recipe import Recipe
from cxr_clip.sharing.facts import Facts, Origin
from cxr_clip.sharing.folder import refuse_occupied, write_model

_WRAPPER = "module."


@dataclass(frozen=True)
class Imported:
    """The run folder that was written, and where its weights came from."""

    folder: Path
    origin: Origin


def import_weights(path: Path, out: Path, *, tokeniser: Path | None = None) -> Imported:
    """Turn the published checkpoint `path` into the run folder `out`.

    `tokeniser` is a folder with the text encoder's vocabulary; without it the one that the file names is looked for on
    the hub and in its cache.

    Raises CheckpointError where the file is damaged, hostile, or not of this format, where the tokeniser is not to be
    had or another one, or where `out` is not empty.
    """
    refuse_occupied(out)
    with open_archive(path) as archive:
        stored, settings = _contents(archive.value())
        words = published_tokeniser(settings.tokeniser, tokeniser)
        architecture = architecture_of(stored, settings, heads=attention_heads(settings.tokeniser, tokeniser))
        model, assignment = build_model(archive, stored, architecture, settings)
        _refuse_long_texts(settings, model)
        recipe = _recipe(path.stem, settings, architecture, model)
    refuse_other_tokeniser(words, rows=model.text.vocabulary_size)
    origin = _origin(path, assignment, tokeniser=str(tokeniser.name if tokeniser else settings.tokeniser))
    write_model(out, Run(model=model, tokeniser=words, recipe=recipe), Facts(origin=origin))
    return Imported(folder=out, origin=origin)


def _contents(checkpoint: object) -> tuple[StoredModel, PublishedSettings]:
    """The tensors and the settings of a checkpoint; the optimiser, the schedule and the rest are passed over."""
    if not isinstance(checkpoint, dict) or not {"model", "config"} <= checkpoint.keys():
        raise RefusedError("it holds no model with its settings, as a published checkpoint does")
    model = checkpoint["model"]
    if not isinstance(model, dict) or not model:
        raise RefusedError("its model is no list of tensors by name")
    for name, tensor in model.items():
        if not isinstance(name, str) or not isinstance(tensor, StoredTensor):
            raise RefusedError("its model is no list of tensors by name")
    return _without_wrapper(model), read_settings(checkpoint["config"])


def _without_wrapper(model: StoredModel) -> StoredModel:
    """The names without the one that torch's wrapper for several GPUs puts before all of them."""
    wrapped = all(name.startswith(_WRAPPER) for name in model)
    return {name.removeprefix(_WRAPPER): tensor for name, tensor in model.items()} if wrapped else model


def _refuse_long_texts(settings: PublishedSettings, model: DualEncoder) -> None:
    longest = model.text.longest_text
    if longest is not None and settings.max_tokens > longest:
        raise RefusedError(f"its settings say texts of {settings.max_tokens} tokens; its text encoder takes {longest}")


def _recipe(name: str, settings: PublishedSettings, architecture: Architecture, model: DualEncoder) -> Recipe:
    """The settings as a recipe of the published profile, which says what the checkpoint is silent about.

    Its manifests are the names of the data sets, as there are no manifests of them.
    """
    mean, std = (tuple(values.flatten().tolist()) for values in (model.image.mean, model.image.std))
    resnet = architecture.image["model_type"] == "resnet"
    origin = {"architecture": "resnet50"} if resnet else {"pretrained": settings.image_encoder}
    content = {
        "name": name,
        "profile": "published",
        "data": {
            "sources": [{"manifest": one} for one in settings.data_sets or ("unknown",)],
            "image_size": settings.image_size,
            "max_tokens": settings.max_tokens,
        },
        "model": {
            "image": {**origin, "pooling": architecture.image_pooling, "mean": mean, "std": std},
            "text": {"pretrained": settings.text_encoder, "pooling": settings.text_pooling},
            "embedding_size": architecture.dim,
            "temperature": settings.temperature,
        },
        "loss": _given(image_image=settings.image_image, text_text=settings.text_text),
        "train": _given(
            epochs=settings.epochs,
            warmup_epochs=settings.warmup_epochs,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
        ),
    }
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        raise RefusedError(
            f"its settings are impossible ({'.'.join(map(str, fault['loc']))}: {fault['msg']})"
        ) from error


def _given(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


def _origin(path: Path, assignment: Assignment, *, tokeniser: str) -> Origin:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    made_anew, left_out = sorted(assignment.made_anew.values()), sorted(assignment.behind_the_feature)
    return Origin(
        file=path.name,
        sha256=digest,
        size=path.stat().st_size,
        tokeniser=tokeniser,
        tensors=len(assignment.weights) + len(made_anew) + len(left_out),
        used=len(assignment.weights),
        made_anew=tuple(made_anew),
        left_out=tuple(left_out),
    )
