"""On CUDA the kernels of the image tower lie channels last, with the same values; elsewhere nothing changes."""

import pytest
import torch

from cxr_clip.model import placement
from cxr_clip.tensor_files import save_weights
from support_data import write_tiny_manifest
from support_models import tiny_recipe, tiny_run


@pytest.mark.parametrize(("device", "wanted"), [("cpu", False), ("cuda", True), ("cuda:1", True)])
def test_which_devices_have_kernels_channels_last(device, wanted):
    assert placement.lies_channels_last(device) is wanted


def test_kernels_lie_channels_last_and_checkpoints_are_as_before(tmp_path, monkeypatch):
    model = tiny_run(tiny_recipe(write_tiny_manifest(tmp_path))).model
    save_weights(tmp_path / "before", model)
    monkeypatch.setattr(placement, "lies_channels_last", lambda device: True)
    placed = placement.place(model, "cpu")
    kernels = [one for one in placed.image.parameters() if one.ndim == 4]
    assert kernels
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in kernels)
    save_weights(tmp_path / "after", placed)
    assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()
