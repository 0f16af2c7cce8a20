"""Where a model trains, and how its weights lie there."""

import torch

from cxr_clip.model.dual_encoder import DualEncoder


def place(model: DualEncoder, device: str) -> DualEncoder:
    """Put a model on a device; on CUDA the kernels of its image tower lie channels last, as its pictures do."""
    if lies_channels_last(device):
        model.image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's annotations lack it
    return model.to(device)


def lies_channels_last(device: str) -> bool:
    """Whether the kernels of the image tower do on this device."""
    return device.startswith("cuda")
