"""How much of a tower trains: all of it, its last blocks, or nothing (a locked tower).

What does not train runs in evaluation mode also while the rest trains: no dropout, no dropped paths, running statistics
of batch normalisation used and not changed. It starts at the input, so no graph is built for it: its activations are
not kept, it has no backward pass, no gradients and no moments in the optimiser, and it gives an input the same feature
in every step.

Locked-image tuning: Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image text Tuning".
"""

from torch import nn

from cxr_clip.errors import RecipeError
from cxr_clip.model.blocks import blocks_of
from cxr_clip.model.freezing import stay_in_eval
from cxr_clip.model.image_encoder import ImageEncoder
from cxr_clip.model.text_encoder import TextEncoder


def lock(tower: ImageEncoder | TextEncoder) -> None:
    """Train nothing of a tower; its projection is no part of it."""
    _hold(tower)


def train_last(tower: ImageEncoder | TextEncoder, count: int) -> None:
    """Train the last `count` stages or layers of a tower and what follows them.

    Raises RecipeError if there are fewer.
    """
    parts = blocks_of(tower.backbone)
    if count > len(parts.blocks):
        name = "image" if isinstance(tower, ImageEncoder) else "text"
        raise RecipeError(
            f"model.{name}.train={count}: {type(tower.backbone).__name__} has {len(parts.blocks)} "
            f"{'stages' if name == 'image' else 'layers'}; give 1 to {len(parts.blocks)}, all or locked"
        )
    for part in (*parts.before, *parts.blocks[: len(parts.blocks) - count]):
        _hold(part)


def _hold(module: nn.Module) -> None:
    module.requires_grad_(False)
    stay_in_eval(module)
