"""Gradient checkpointing: less is kept, and nothing else changes."""

import copy

import pytest
import torch
from torch import nn

from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.batch_norm import WholeBatchNorm
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.freezing import freeze
from cxr_clip.model.gradient_checkpointing import compute_again
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.locking import train_last
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.tensors import Batch
from support_memory import kept_bytes

TOWERS = ("resnet", "swin", "vit", "convnext", "mobilenet")


@pytest.fixture
def batch(grey_images, padded_tokens) -> Batch:
    texts = (padded_tokens([4, 9, 2], seed=1), padded_tokens([20, 3, 5], seed=2))
    return Batch(images=(grey_images(3, seed=1), grey_images(3, seed=2)), texts=texts, study_ids=("a", "b", "c"))


@pytest.fixture(params=TOWERS)
def model(request: pytest.FixtureRequest, architectures) -> DualEncoder:
    torch.manual_seed(0)
    mobilenet = {"model_type": "mobilenet_v2", "depth_multiplier": 0.35}
    image = image_encoder_from_architecture({**architectures, "mobilenet": mobilenet}[request.param], pooling="mean")
    text = text_encoder_from_architecture(architectures["bert"], pooling="eos")
    return DualEncoder(image, text, dim=10)


def checkpointed(model: DualEncoder) -> DualEncoder:
    twin = copy.deepcopy(model)
    compute_again(twin.image)
    compute_again(twin.text)
    return twin


def gradients(model: DualEncoder, batch: Batch, *, bf16: bool = False) -> dict[str, torch.Tensor]:
    """The gradients of one step with dropout."""
    torch.manual_seed(7)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        views = model.train()(batch)
    weighted_sum(study_contrast(views, model.scale), LossWeights()).backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("bf16", [False, True])
def test_gradients_and_running_statistics_are_the_same(model, batch, bf16: bool) -> None:
    twin = checkpointed(model)
    assert same(gradients(model, batch, bf16=bf16), gradients(twin, batch, bf16=bf16))
    assert same(dict(model.named_buffers()), dict(twin.named_buffers()))


def test_less_is_kept(model, batch) -> None:
    twin = checkpointed(model)
    for tower in ("image", "text"):
        given = torch.cat(batch.images) if tower == "image" else batch.texts[1]
        plain, less = (
            kept_bytes(lambda one=one, tower=tower, given=given: getattr(one, tower)(given)) for one in (model, twin)
        )
        assert less < 0.7 * plain


def test_names_and_weights_stay(model) -> None:
    twin = checkpointed(model)
    assert list(twin.state_dict()) == list(model.state_dict())
    twin.load_state_dict(model.state_dict(), strict=True)


def test_nothing_is_computed_twice_in_evaluation(model, batch) -> None:
    twin = checkpointed(model).eval()
    given = torch.cat(batch.images)
    assert torch.equal(twin.embed_images(given), model.eval().embed_images(given))
    assert kept_bytes(lambda: twin.image(given)) == kept_bytes(lambda: model.image(given))


def test_statistics_over_all_workers_move_once_too(dual_encoder, batch) -> None:
    from cxr_clip.distributed import SINGLE

    for name, layer in list(dual_encoder.image.named_modules()):
        if isinstance(layer, nn.BatchNorm2d):
            parent, _, last = name.rpartition(".")
            setattr(dual_encoder.image.get_submodule(parent), last, WholeBatchNorm(layer, SINGLE))
    twin = checkpointed(dual_encoder)
    assert same(gradients(dual_encoder, batch), gradients(twin, batch))
    assert same(dict(dual_encoder.named_buffers()), dict(twin.named_buffers()))


def test_what_does_not_train_is_left_alone(dual_encoder, batch) -> None:
    train_last(dual_encoder.text, 1)
    freeze(dual_encoder, ["image.backbone.embedder"])
    twin = copy.deepcopy(dual_encoder)
    compute_again(twin.image)
    compute_again(twin.text)
    assert same(gradients(dual_encoder, batch), gradients(twin, batch))
    assert same(dict(dual_encoder.named_buffers()), dict(twin.named_buffers()))
