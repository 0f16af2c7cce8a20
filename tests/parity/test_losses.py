"""The losses equal the published code's in float64: values and gradients of twelve recorded cases."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews

INPUTS = ("image_embeddings", "image_view_embeddings", "text_embeddings", "text_embeddings2")
CASES = (
    "n1",
    "n2",
    "n8_default",
    "n8_clip",
    "n8_i2i_only",
    "n8_t2t_only",
    "n16_smooth",
    "n16_smooth_eval",
    "n32_hot",
    "n32_cold",
    "n64_weights",
    "n7_odd",
)


@pytest.mark.shared
def test_every_recorded_case_is_listed(shared_folder: Path) -> None:
    settings = json.loads((shared_folder / "golden" / "loss_single.json").read_text())
    assert {case["name"] for case in settings} == set(CASES)


@pytest.mark.shared
@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradients_equal_the_recorded_ones(shared_folder: Path, name: str) -> None:
    settings = json.loads((shared_folder / "golden" / "loss_single.json").read_text())
    case = next(case for case in settings if case["name"] == name)
    with np.load(shared_folder / "golden" / "loss_single.npz") as stored:
        recorded = {key.removeprefix(f"{name}/"): stored[key] for key in stored if key.startswith(f"{name}/")}

    leaves = [torch.from_numpy(recorded[key]).double().requires_grad_() for key in INPUTS]
    scale = torch.tensor([case["logit_scale"]], dtype=torch.float64, requires_grad=True)
    views = EmbeddedViews(images=(leaves[0], leaves[1]), texts=(leaves[2], leaves[3]))
    # The published code smooths labels in training only.
    smoothing = case["label_smoothing"] if case["is_train"] else 0.0
    weights = LossWeights(image_image=case["i2i_weight"], text_text=case["t2t_weight"])
    total = weighted_sum(study_contrast(views, scale, label_smoothing=smoothing), weights)
    total.backward()

    assert abs(total.item() - float(recorded["loss_f64"])) < 1e-10
    assert scale.grad is not None
    assert abs(scale.grad.item() - float(recorded["grad_logit_scale_f64"])) < 1e-10
    for key, leaf in zip(INPUTS, leaves, strict=True):
        assert leaf.grad is not None
        np.testing.assert_allclose(leaf.grad.numpy(), recorded[f"grad_{key}_f64"], rtol=0, atol=1e-10)
