"""Files of tensors: safetensors, each either whole or not there."""

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn


def save_weights(path: Path, model: nn.Module) -> None:
    """Write the weights alone, under another name first."""
    write_tensors(path, model.state_dict(), {"format": "pt"})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file in one step: flushed to the disk under another name, then renamed.

    Where that fails, nothing of it stays: half a file would fill what is left of a full disk. It may be read by whom
    other new files may be read; safetensors alone would keep it to its owner.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.touch()
        mode = partial.stat().st_mode
        save_file(_separate(tensors), partial, metadata)
        partial.chmod(mode)
        _flush(partial)
        partial.replace(path)
    except (OSError, SafetensorError):
        partial.unlink(missing_ok=True)
        raise
    _flush(path.parent)


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as safetensors takes them: contiguous, and none in the memory of another (tied weights are)."""
    separate: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        place = value.untyped_storage().data_ptr()
        separate[name] = value.clone() if place in taken else value
        taken.add(place)
    return separate


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
