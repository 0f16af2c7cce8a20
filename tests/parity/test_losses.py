"""The losses equal the published code's in float64: values, gradients and logged parts of twelve recorded cases."""

import numpy as np
import pytest
import torch

from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews

pytestmark = pytest.mark.shared
READS = {"loss_single.npz": ("*",), "loss_single.json": ("*",)}
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
# Single precision has half the digits.
PRECISIONS = ((torch.float64, "f64", 1e-10), (torch.float32, "f32", 2e-4))


@pytest.fixture(scope="module")
def settings(golden):
    return golden.facts("loss_single.json")


@pytest.fixture(scope="module")
def recorded(golden):
    return golden.arrays("loss_single.npz")


def test_every_recorded_case_is_listed(settings):
    assert settings.keys() == set(CASES)


@pytest.mark.parametrize(("dtype", "suffix", "tolerance"), PRECISIONS, ids=("double", "single"))
@pytest.mark.parametrize("name", CASES)
def test_loss_gradients_and_parts_equal_the_recorded_ones(settings, recorded, name, dtype, suffix, tolerance):
    case = settings[name]
    leaves = [torch.from_numpy(recorded[f"{name}/{key}"]).to(dtype).requires_grad_() for key in INPUTS]
    scale = torch.tensor([case["logit_scale"]], dtype=dtype, requires_grad=True)
    views = EmbeddedViews(images=(leaves[0], leaves[1]), texts=(leaves[2], leaves[3]))
    # The published code smooths labels in training only.
    smoothing = case["label_smoothing"] if case["is_train"] else 0.0
    weights = LossWeights(image_image=case["i2i_weight"], text_text=case["t2t_weight"])
    terms = study_contrast(views, scale, label_smoothing=smoothing)
    total = weighted_sum(terms, weights)
    total.backward()

    def close(ours, key):
        theirs = recorded[f"{name}/{key}"]
        np.testing.assert_allclose(ours.detach().numpy().reshape(theirs.shape), theirs, rtol=0, atol=tolerance)

    close(total, f"loss_{suffix}")
    assert case[f"loss_{suffix}"] == pytest.approx(total.item(), abs=tolerance)
    close(scale.grad, f"grad_logit_scale_{suffix}")
    for key, leaf in zip(INPUTS, leaves, strict=True):
        close(leaf.grad, f"grad_{key}_{suffix}")
    if case["is_train"] and suffix == "f64":
        parts = {key: recorded[f"{name}/part_{key}_f64"] for key in ("i2t", "t2i", "i2i", "t2t")}
        assert terms.image_text.item() == pytest.approx((parts["i2t"] + parts["t2i"]) / 2, abs=tolerance)
        close(terms.image_image, "part_i2i_f64")
        close(terms.text_text, "part_t2t_f64")
        close(scale, "part_logit_scale_f64")
        close(1 / scale, "part_temperature_f64")
