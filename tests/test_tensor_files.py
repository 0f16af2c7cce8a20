"""A file of tensors is whole or is the one from before."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cxr_clip import tensor_files
from cxr_clip.tensor_files import save_weights, write_tensors


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights"
    write_tensors(path, {"x": torch.zeros(2)}, {})

    def full_disk(_tensors: object, partial: Path, _metadata: object) -> None:
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensor_files, "save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_tensors(path, {"x": torch.ones(2)}, {})
    assert torch.equal(load_file(path)["x"], torch.zeros(2))


def test_a_file_of_tensors_is_readable_to_whom_other_files_are(tmp_path: Path) -> None:
    plain, tensors = tmp_path / "plain", tmp_path / "weights"
    before = os.umask(0o027)
    try:
        plain.touch()
        write_tensors(tensors, {"x": torch.zeros(2)}, {})
    finally:
        os.umask(before)
    assert tensors.stat().st_mode == plain.stat().st_mode


def test_weights_alone_have_every_name_of_the_model(tmp_path: Path) -> None:
    model = torch.nn.ModuleDict({"first": torch.nn.Linear(3, 2), "tied": torch.nn.Linear(3, 2)})
    model["tied"].weight = model["first"].weight
    save_weights(tmp_path / "weights", model)
    kept = load_file(tmp_path / "weights")
    assert kept.keys() == model.state_dict().keys()
    assert torch.equal(kept["tied.weight"], kept["first.weight"])
