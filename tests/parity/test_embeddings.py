"""A small model trained by the published code gives its recorded features, embeddings, loss and gradients."""

import pickle
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_folder
from cxr_clip.model.text_encoder import text_encoder_from_folder
from cxr_clip.tensors import Batch, Tokens

pytestmark = pytest.mark.shared


class Settings:
    """Stands for the pickled settings, whose package is not installed."""

    def __init__(self, *values: Any) -> None: ...
    def __setstate__(self, state: Any) -> None: ...


class WeightsOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return Settings if module.startswith("omegaconf") else super().find_class(module, name)


def published_weights(path: Path) -> dict[str, torch.Tensor]:
    reader = ModuleType("reader")
    reader.Unpickler = WeightsOnly  # type: ignore[attr-defined]
    weights: dict[str, torch.Tensor] = torch.load(path, weights_only=False, pickle_module=reader)["model"]
    return weights


def below(weights: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


@pytest.fixture
def recorded(shared_folder: Path) -> dict[str, np.ndarray]:
    with np.load(shared_folder / "golden" / "model_swin_trainer" / "io.npz") as stored:
        return dict(stored)


@pytest.fixture
def model(shared_folder: Path, tmp_path: Path) -> DualEncoder:
    golden = shared_folder / "golden"
    weights = published_weights(golden / "model_swin_trainer" / "model-best.tar")
    for name, prefix in (("swin_small", "image_encoder.image_encoder."), ("bert_tiny", "text_encoder.text_encoder.")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text((golden / "standins" / name / "config.json").read_text())
        save_file(below(weights, prefix), tmp_path / name / "model.safetensors", metadata={"format": "pt"})
    image = image_encoder_from_folder(str(tmp_path / "swin_small"), pooling="first")
    text = text_encoder_from_folder(str(tmp_path / "bert_tiny"), pooling="eos")
    model = DualEncoder(image, text)
    model.image_projection.load_state_dict(below(weights, "image_projection.projection."))
    model.text_projection.load_state_dict(below(weights, "text_projection.projection."))
    with torch.no_grad():
        model.log_scale.fill_(weights["logit_scale"])
    return model.eval()


@pytest.fixture
def batch(recorded: dict[str, np.ndarray]) -> Batch:
    images = tuple(torch.from_numpy(recorded[key][:, None, :, :, 0]) for key in ("images_u8", "views_u8"))
    texts = tuple(
        Tokens(*(torch.from_numpy(recorded[f"{key}_{part}"]) for part in ("input_ids", "attention_mask")))
        for key in ("tokens1", "tokens2")
    )
    return Batch(images=images, texts=texts, study_ids=("0", "1", "2", "3"))


def assert_close(ours: torch.Tensor, theirs: np.ndarray, tolerance: float) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=0, atol=tolerance)


def test_features_are_the_recorded_ones(model, batch, recorded) -> None:
    assert_close(model.image(batch.images[0]), recorded["image_features"], 1e-5)
    for pooling, key in (("eos", "text_features"), ("cls", "text_features_bos"), ("mean", "text_features_mean")):
        model.text.pooling = pooling
        assert_close(model.text(batch.texts[0]), recorded[key], 1e-5)


@pytest.mark.parametrize("buckets", [1, 4])
def test_embeddings_are_the_recorded_ones(model, batch, recorded, buckets) -> None:
    model.buckets = buckets
    views = model(batch)
    assert_close(views.images[0], recorded["out_image_embeddings"], 1e-6)
    assert_close(views.images[1], recorded["out_image_view_embeddings"], 1e-6)
    assert_close(views.texts[0], recorded["out_text_embeddings"], 1e-6)
    assert_close(views.texts[1], recorded["out_text_embeddings2"], 1e-6)
    assert_close(model.scale, recorded["out_logit_scale"][None], 1e-5)


def test_loss_and_gradients_are_the_recorded_ones(model, batch, recorded) -> None:
    total = weighted_sum(study_contrast(model(batch), model.scale), LossWeights())
    total.backward()
    assert_close(total, recorded["loss_total"], 1e-5)
    assert_close(model.log_scale.grad, recorded["grad_logit_scale_param"][None], 1e-4)
    assert_close(model.text_projection.weight.grad, recorded["grad_text_projection_weight_f32"], 1e-6)
