"""A run folder: what a trained model needs to be used again, by people and programs.

recipe.yaml            every setting of the run; written last, so its presence means that the folder is a run
started_from.yaml      recipes of the runs that it started from, the nearest first (model.start_from)
image_encoder/         architecture and input statistics
text_encoder/          architecture
tokeniser/             vocabulary and rules
weights.safetensors    the best weights so far
resume.safetensors     the last state of the training, for its continuation
studies.sha256         a fingerprint of the studies that it learns from
held_out.json          how many studies and labels were kept from it, where findings are held out
metrics.jsonl          the log
reference.safetensors  which images the model knows (reference.py)
calibration.json       what its scores mean (calibration.py)
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cxr_clip.errors import CheckpointError
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_config_folder, write_image_config
from cxr_clip.model.text_encoder import text_encoder_from_config_folder, write_text_config
from cxr_clip.model.tokeniser import load_tokeniser
from cxr_clip.recipe import Recipe, dump_recipe, dump_recipes, load_recipe, load_recipes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RECIPE = "recipe.yaml"
STARTED_FROM = "started_from.yaml"
WEIGHTS = "weights.safetensors"
RESUME = "resume.safetensors"
STUDIES = "studies.sha256"
HELD_OUT = "held_out.json"
METRICS = "metrics.jsonl"
# A text that shows how a tokeniser treats case, accents, numbers and punctuation.
_ANY_TEXT = "Small LEFT pleural effusion; naïve 3.5 cm, no pneumothorax."


@dataclass(frozen=True)
class Run:
    """A model with what belongs to it, as it comes out of a run folder.

    `started_from` has the recipe of the run whose weights it started from, that of the run which this one started from,
    and so on: their studies were learned from too.
    """

    model: DualEncoder
    tokeniser: "PreTrainedTokenizerBase"
    recipe: Recipe
    started_from: tuple[Recipe, ...] = ()


def is_run(folder: Path) -> bool:
    """Whether a run was started in `folder`."""
    return (folder / RECIPE).is_file()


def write_run(folder: Path, run: Run) -> None:
    """Write everything but the weights into a new run folder, or over a run that has not learned anything yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (RECIPE, STARTED_FROM):
        (folder / name).unlink(missing_ok=True)
    for name in ("image_encoder", "text_encoder"):
        (folder / name).mkdir(exist_ok=True)
    write_image_config(run.model.image, folder / "image_encoder")
    write_text_config(run.model.text, folder / "text_encoder")
    run.tokeniser.save_pretrained(str(folder / "tokeniser"))
    if run.started_from:
        (folder / STARTED_FROM).write_text(dump_recipes(run.started_from), encoding="utf-8")
    unfinished = folder / f"{RECIPE}.part"
    unfinished.write_text(dump_recipe(run.recipe), encoding="utf-8")
    unfinished.rename(folder / RECIPE)


def read_run(folder: Path) -> Run:
    """Read a run folder without its weights: the towers have random ones.

    Raises CheckpointError where the folder is not a run or lacks a part.
    """
    if not is_run(folder):
        raise CheckpointError(
            f"{folder} is not a run folder (no {RECIPE} in it): give the folder that `cxr-clip train` wrote"
        )
    recipe = load_recipe(folder / RECIPE)
    settings = recipe.model
    model = DualEncoder(
        image_encoder_from_config_folder(folder / "image_encoder", pooling=settings.image.pooling),
        text_encoder_from_config_folder(folder / "text_encoder", pooling=settings.text.pooling),
        dim=settings.embedding_size,
        temperature=settings.temperature,
        buckets=settings.text.buckets,
    )
    earlier = folder / STARTED_FROM
    return Run(
        model=model,
        tokeniser=load_tokeniser(str(folder / "tokeniser")),
        recipe=recipe,
        started_from=load_recipes(earlier) if earlier.is_file() else (),
    )


def load_run(folder: Path) -> Run:
    """Read a run folder with its best weights, loaded strictly, in evaluation mode.

    Raises CheckpointError where a part is missing or a weight does not fit; what does not is named.
    """
    run = read_run(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise CheckpointError(f"{path} is not there yet: the training has not reached its first validation")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}): copy it again, or train on to write it anew"
        ) from error
    _refuse_misfits(weights, run.model.state_dict(), path)
    run.model.load_state_dict(weights, strict=True)
    run.model.eval()
    return run


def fingerprint(run: Run) -> str:
    """The SHA-256 of all that decides an embedding, as hexadecimal digits.

    That is: weights, input statistics, pooling, vocabulary, how texts are cut, and the sizes of images and texts. The
    same model has the same number wherever it lies and whatever its folder and its recipe are called.
    """
    model, data, asked = run.model, run.recipe.data, run.recipe.model
    sizes = [data.image_size, data.max_tokens, asked.image.pooling, asked.text.pooling]
    digest = hashlib.sha256(json.dumps([sizes, *_words(run.tokeniser)]).encode())
    weights = model.state_dict() | {"image.mean": model.image.mean, "image.std": model.image.std}
    for name, weight in sorted(weights.items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def words_fingerprint(tokeniser: "PreTrainedTokenizerBase") -> str:
    """The SHA-256 of a tokeniser's vocabulary and of how it cuts texts, as hexadecimal digits."""
    return hashlib.sha256(json.dumps(_words(tokeniser)).encode()).hexdigest()


def _words(tokeniser: "PreTrainedTokenizerBase") -> list[object]:
    return [sorted(tokeniser.get_vocab().items()), tokeniser(_ANY_TEXT)["input_ids"]]


def _refuse_misfits(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    missing, unexpected = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    reshaped = [
        f"{name} has shape {tuple(weights[name].shape)} and not {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & weights.keys())
        if weights[name].shape != expected[name].shape
    ]
    faults = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
    if any(faults.values()):
        shown = "; ".join(f"{len(names)} {kind} ({', '.join(names[:5])})" for kind, names in faults.items() if names)
        raise CheckpointError(f"{path} does not fit the model of {RECIPE}: {shown}; keep the files of one run together")
