"""A run that starts from the weights of another one, with the towers, the tokeniser, the projections and the scale."""

import hashlib

import torch

from cxr_clip.assemble import refuse_tokens_beyond
from cxr_clip.checkpoint import Run, fingerprint, load_run
from cxr_clip.distributed import SINGLE, Workers, refuse_disagreement
from cxr_clip.errors import RecipeError
from cxr_clip.recipe import Recipe, dump_recipes
from cxr_clip.sharing.hub import find_model


def start_from(name: str, recipe: Recipe, workers: Workers = SINGLE) -> Run:
    """Return a run of `recipe` at its start, with the best weights of the run folder, or model on the hub, `name`.

    Raises CheckpointError or HubError where there is no such model, RecipeError where the recipe does not fit it,
    TrainingError where `workers`, who all call this, find different models by that name, or one with another past.
    """
    earlier = load_run(find_model(name))
    model, tokeniser = earlier.model, earlier.tokeniser
    _refuse_other_shape(recipe, earlier.recipe, name)
    refuse_tokens_beyond(model.text, tokeniser, max_tokens=recipe.data.max_tokens)
    model.buckets = recipe.model.text.buckets
    torch.manual_seed(recipe.train.seed)  # of adapters, the only weights that are new
    run = Run(model, tokeniser, recipe, started_from=(earlier.recipe, *earlier.started_from))
    if workers.count > 1:
        mend = f"give all machines the same files at {name}"
        refuse_disagreement("the model of model.start_from", fingerprint(run), workers, mend=mend)
        earlier_recipes = hashlib.sha256(dump_recipes(run.started_from).encode()).hexdigest()
        refuse_disagreement("what the model of model.start_from learned from", earlier_recipes, workers, mend=mend)
    return run


def _refuse_other_shape(recipe: Recipe, earlier: Recipe, name: str) -> None:
    """What a run folder is read back with must be in the new recipe, as the other run may be gone by then."""
    asked, there = recipe.model, earlier.model
    settings = {
        "model.image.pooling": (asked.image.pooling, there.image.pooling),
        "model.text.pooling": (asked.text.pooling, there.text.pooling),
        "model.embedding_size": (asked.embedding_size, there.embedding_size),
    }
    faults = [
        f"{key} is {value}, but {name} was trained with {its}: set {key}={its}"
        for key, (value, its) in settings.items()
        if value != its
    ]
    if faults:
        raise RecipeError("; ".join(faults))
