"""Which weights train, and how fast: freezing by name, and the parameter groups of the optimiser."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Literal, TypedDict

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cxr_clip.errors import RecipeError


@dataclass(frozen=True)
class LearningRateFactors:
    """What the learning rate is multiplied with in each part; the scale of the loss goes with the projections.

    Raises RecipeError for a factor that is not more than 0.
    """

    image: float = 1.0
    text: float = 1.0
    projection: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                value = getattr(self, field.name)
                raise RecipeError(f"learning-rate factor {field.name} is {value}; give more than 0, or freeze the part")


class ParameterGroup(TypedDict):
    """One group as torch's optimisers take it; a schedule sets `lr` to its own value times `factor`."""

    name: str
    params: list[nn.Parameter]
    weight_decay: float
    factor: float


def freeze(model: nn.Module, prefixes: Sequence[str]) -> None:
    """Stop the training of all parameters at or below each dotted name, such as "image.backbone.embeddings".

    Batch normalisation down there keeps its running statistics and uses them also while the rest trains. Dropout
    stays active. The same prefix may be given twice.

    Raises RecipeError if a name is no part of the model (near ones are named), or if nothing of it trains anyway.
    """
    names = [name for name, _ in model.named_parameters()]
    training = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    for prefix in prefixes:
        if not any(_below(name, prefix) for name in names):
            near = get_close_matches(prefix, sorted(_parts(names)), n=5, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"its parts are {', '.join(_tops(names))}"
            raise RecipeError(f"cannot freeze {prefix!r}: the model has no such part; {hint}")
        if not any(_below(name, prefix) for name in training):
            raise RecipeError(f"model.freeze: {prefix!r} does not train anyway; leave it out")
    for name, parameter in model.named_parameters():
        if any(_below(name, prefix) for prefix in prefixes):
            parameter.requires_grad_(False)
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and any(_below(name, prefix) for prefix in prefixes):
            stay_in_eval(module)


def stay_in_eval(module: nn.Module) -> None:
    """Put a module and all below it into evaluation mode, where it stays while the model around it trains."""
    module.eval()
    module.register_forward_pre_hook(_stay_in_eval)


def trainable_groups(
    model: nn.Module,
    weight_decay: float,
    *,
    factors: LearningRateFactors | None = None,
    decay_on: Literal["weights", "all"] = "weights",
) -> list[ParameterGroup]:
    """Return the trainable parameters by part (image tower, text tower, projections), for an optimiser.

    Weight decay acts on "weights" (matrices, kernels and embedding tables); biases, normalisation weights and the scale
    have none, as decay there only biases their value. "all" decays them too, as the paper's published code does.
    Groups without parameters are left out.
    """
    factors = factors or LearningRateFactors()
    parts = {"image": factors.image, "text": factors.text, "projection": factors.projection}
    groups = [
        ParameterGroup(name=f"{part} {kind}", params=[], weight_decay=decay, factor=factor)
        for part, factor in parts.items()
        for kind, decay in (("weights", weight_decay), ("biases", weight_decay if decay_on == "all" else 0.0))
    ]
    by_name = {group["name"]: group for group in groups}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            top = name.split(".")[0]
            part = top if top in ("image", "text") else "projection"
            by_name[f"{part} {'weights' if parameter.ndim >= 2 else 'biases'}"]["params"].append(parameter)
    return [group for group in groups if group["params"]]


def _stay_in_eval(module: nn.Module, _inputs: tuple[object, ...]) -> None:
    """Undo `.train()` just before it would have an effect."""
    module.eval()


def _below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _parts(names: Sequence[str]) -> set[str]:
    """Every dotted prefix of every name."""
    return {".".join(name.split(".")[:count]) for name in names for count in range(1, name.count(".") + 2)}


def _tops(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name.split(".")[0] for name in names))
