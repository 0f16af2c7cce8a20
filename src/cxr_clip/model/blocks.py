"""The blocks of a backbone in the order of its forward pass: the stages of a ResNet or Swin, the layers of a BERT."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from cxr_clip.errors import RecipeError


@dataclass(frozen=True)
class Blocks:
    """A backbone's blocks, and the modules that run before the first of them (stem, embeddings)."""

    before: tuple[nn.Module, ...]
    blocks: tuple[nn.Module, ...]


def blocks_of(backbone: nn.Module) -> Blocks:
    """Find the list of blocks: the one list of modules that lies nearest to the top.

    Modules are registered in the order in which they run, which holds for the backbones of transformers.

    Raises RecipeError for a backbone with several such lists, or none.
    """
    level: list[tuple[nn.Module, tuple[nn.Module, ...]]] = [(backbone, ())]
    while level:
        lists = [
            (child, (*before, *earlier))
            for module, before in level
            for child, earlier in _children(module)
            if isinstance(child, nn.ModuleList)
        ]
        if len(lists) == 1:
            (blocks, before) = lists[0]
            return Blocks(before=before, blocks=tuple(blocks.children()))
        if lists:
            break
        level = [(child, (*before, *earlier)) for module, before in level for child, earlier in _children(module)]
    raise RecipeError(
        f"{type(backbone).__name__} has no single row of blocks: for this tower give `train` no number and leave "
        "`gradient_checkpointing` out; model.freeze can name what does not train"
    )


def _children(module: nn.Module) -> Iterator[tuple[nn.Module, tuple[nn.Module, ...]]]:
    """Each child with those before it."""
    children = tuple(module.children())
    return ((child, children[:number]) for number, child in enumerate(children))
