"""Several workers learn as one with the whole batch would."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from cxr_clip.distributed import SINGLE, gather
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews
from support_workers import NAMES


def test_a_single_worker_gets_its_own_back() -> None:
    values = torch.randn(3, 2, requires_grad=True)
    assert gather(values, SINGLE) is values


def test_two_workers_have_the_loss_and_the_gradients_of_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    batch = {name: normalize(torch.randn(6, 5, dtype=torch.float64), dim=1) for name in NAMES}
    save_file(batch | {"scale": torch.tensor([9.0], dtype=torch.float64)}, tmp_path / "batch.safetensors")
    program = [sys.executable, Path(__file__).with_name("support_workers.py"), tmp_path]
    ended = subprocess.run(program, env=os.environ, capture_output=True, text=True, check=False, timeout=100)
    assert ended.returncode == 0, ended.stderr

    whole = {name: value.clone().requires_grad_() for name, value in batch.items()}
    scale = torch.tensor([9.0], dtype=torch.float64, requires_grad=True)
    image, other_image, text, other_text = (whole[name] for name in NAMES)
    views = EmbeddedViews(images=(image, other_image), texts=(text, other_text))
    loss = weighted_sum(study_contrast(views, scale), LossWeights())
    loss.backward()
    found = [load_file(tmp_path / f"worker{rank}") for rank in range(2)]
    for worker in found:
        assert torch.allclose(worker["loss"], loss.detach(), atol=1e-12)
        assert torch.allclose(worker["scale"], scale.grad, atol=1e-12)
    for name in NAMES:
        # Every worker's loss is that of the whole batch, so their sum flows back: the mean over workers undoes it.
        gathered = torch.cat([worker[name] for worker in found])
        assert torch.allclose(gathered, 2 * whole[name].grad, atol=1e-12)
