"""Hugging Face backbones: from a name, a folder or a bare architecture, with every weight accounted for.

Transformers loads leniently and reports what did not fit as a log table. Here missing weights are an error, surplus
ones too unless they belong to a head that we never use, and the log stays quiet.
"""

import inspect
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from logging import ERROR
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn

from cxr_clip.errors import CheckpointError, RecipeError

# Heads of published checkpoints that sit behind the features we use: classifiers, poolers, language-model heads.
UNUSED_HEADS = ("classifier.", "head.", "heads.", "fc.", "pooler.", "cls.", "lm_head.", "vocab_", "decoder.")

_LOADING_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    SafetensorError,
    StrictDataclassError,
    pickle.UnpicklingError,
)


def read_architecture(name_or_folder: str) -> Any:
    """Return the Hugging Face configuration of a hub name or local folder.

    Raises CheckpointError if nothing readable is there.
    """
    from transformers import AutoConfig

    with quiet(), named_errors(name_or_folder):
        # A folder from somebody else may ask to run its own code: never.
        return AutoConfig.from_pretrained(name_or_folder, trust_remote_code=False)


def make_architecture(architecture: Mapping[str, object]) -> Any:
    """Return a Hugging Face configuration from its `model_type` and the settings that differ from the defaults.

    Raises RecipeError if the type is missing or unknown, or a setting does not exist or has an impossible value.
    """
    from transformers import CONFIG_MAPPING, AutoConfig

    settings = dict(architecture)
    model_type = settings.pop("model_type", None)
    if model_type not in CONFIG_MAPPING:
        message = f"unknown model_type {model_type!r} in an architecture; name one that transformers has, such as"
        raise RecipeError(f"{message} 'resnet', 'swin', 'vit', 'mobilenet_v2', 'convnext' or 'bert'")
    known = sorted(AutoConfig.for_model(model_type).to_dict())
    for name in settings:
        if name not in known:
            near = ", ".join(get_close_matches(name, known)) or ", ".join(known)
            raise RecipeError(f"the architecture {model_type!r} has no setting {name!r}; did you mean: {near}?")
    try:
        return AutoConfig.for_model(model_type, **settings)
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise RecipeError(
            f"the architecture {model_type!r} refuses its settings: {' '.join(str(error).split())}"
        ) from error


def random_backbone(architecture: Any, *, takes: str, pooler: bool) -> nn.Module:
    """Return a model of this configuration with random weights (drawn from torch's global generator).

    `takes` is the input that it is for: "pixel_values" or "input_ids". Raises RecipeError if it takes another one.
    """
    from transformers import AutoModel

    options = _model_options(architecture, takes=takes, pooler=pooler)
    with quiet():
        model: nn.Module = AutoModel.from_config(architecture, dtype=torch.float32, trust_remote_code=False, **options)
    return model


def pretrained_backbone(name_or_folder: str, *, takes: str, pooler: bool) -> nn.Module:
    """Return the model of a hub name or local folder in float32, its weights loaded strictly.

    Raises CheckpointError if nothing readable is there, or weights are missing, surplus (other than `UNUSED_HEADS`) or
    of another shape; they are named.
    """
    from transformers import AutoModel

    options = _model_options(read_architecture(name_or_folder), takes=takes, pooler=pooler)
    with quiet(), named_errors(name_or_folder):
        model, found = AutoModel.from_pretrained(
            name_or_folder, dtype=torch.float32, output_loading_info=True, trust_remote_code=False, **options
        )
    own = f"{model.base_model_prefix}."
    surplus = [key for key in found["unexpected_keys"] if not key.removeprefix(own).startswith(UNUSED_HEADS)]
    faults = {"missing": found["missing_keys"], "unexpected": surplus, "of another shape": found["mismatched_keys"]}
    complaints = [f"{kind}: {', '.join(map(str, sorted(keys)))}" for kind, keys in faults.items() if keys]
    if complaints:
        message = f"the weights of {name_or_folder} do not fit their architecture ({'; '.join(complaints)})"
        raise CheckpointError(f"{message}; check that config.json and the weight file belong together")
    loaded: nn.Module = model
    return loaded


def stop_unreached(backbone: nn.Module, output: torch.Tensor) -> None:
    """Stop the training of parameters that `output` does not depend on (mask tokens, an unused last norm).

    Several workers would wait for their gradients for ever, and an optimiser would carry them for nothing.
    """
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    gradients: Sequence[torch.Tensor | None] = torch.autograd.grad(output.sum(), trained, allow_unused=True)
    for parameter, gradient in zip(trained, gradients, strict=True):
        if gradient is None:
            parameter.requires_grad_(False)


def local_file(name_or_folder: str, file: str) -> Path | None:
    """Return the path of a file that lies beside the weights, from the hub if need be; None where there is none."""
    from transformers.utils import cached_file

    if Path(name_or_folder).is_dir():
        path = Path(name_or_folder) / file
        return path if path.is_file() else None
    with quiet(), named_errors(name_or_folder):
        found = cached_file(name_or_folder, file, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)


@contextmanager
def named_errors(name_or_folder: str) -> Iterator[None]:
    """Turn what loaders raise into a CheckpointError that names the model and what to try."""
    try:
        yield
    except _LOADING_ERRORS as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        message = f"cannot load the model {name_or_folder!r}: {reason}"
        mend = "give a local folder with config.json and weights, or check the hub name, the network and your login"
        raise CheckpointError(f"{message}; {mend}") from error


def _model_options(architecture: Any, *, takes: str, pooler: bool) -> dict[str, Any]:
    """Options of the model's own constructor: a pooler only where it is used, as unused weights get no gradient."""
    from transformers import AutoModel

    if type(architecture) not in AutoModel._model_mapping:
        raise RecipeError(f"transformers has no feature model for the architecture {architecture.model_type!r}")
    model_class = AutoModel._model_mapping[type(architecture)]
    if takes not in inspect.signature(model_class.forward).parameters:
        kind = {"pixel_values": "pictures", "input_ids": "texts"}[takes]
        raise RecipeError(f"the architecture {architecture.model_type!r} cannot take {kind}; choose another one")
    has_choice = "add_pooling_layer" in inspect.signature(model_class.__init__).parameters
    return {"add_pooling_layer": pooler} if has_choice else {}


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the logs of transformers and of the hub, which tells every retry, and progress bars; put them back."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    level, bars, hub_level = logging.get_verbosity(), logging.is_progress_bar_enabled(), hub_logging.get_verbosity()
    logging.set_verbosity_error()
    hub_logging.set_verbosity(ERROR)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        hub_logging.set_verbosity(hub_level)
        if bars:
            logging.enable_progress_bar()
