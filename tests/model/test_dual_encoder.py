"""The dual encoder: unit length, one space, one call for all views, a scale that stays in bounds."""

import math

import pytest
import torch

from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.tensors import Batch


@pytest.fixture
def batch(grey_images, padded_tokens) -> Batch:
    images = (grey_images(3, seed=1), grey_images(3, seed=2))
    texts = (padded_tokens([4, 9, 2], seed=1), padded_tokens([20, 3, 5], seed=2))
    return Batch(images=images, texts=texts, study_ids=("a", "b", "c"))


def test_embeddings_have_unit_length(dual_encoder, batch) -> None:
    views = dual_encoder(batch)
    for embedding in (*views.images, *views.texts):
        assert embedding.shape == (3, 10)
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))


def test_a_batch_is_embedded_as_its_parts_are(dual_encoder, batch) -> None:
    dual_encoder.eval()
    views = dual_encoder(batch)
    for embedding, images in zip(views.images, batch.images, strict=True):
        torch.testing.assert_close(embedding, dual_encoder.embed_images(images))
    for embedding, tokens in zip(views.texts, batch.texts, strict=True):
        torch.testing.assert_close(embedding, dual_encoder.embed_texts(tokens))


def test_one_image_and_one_text_give_one_embedding_each(dual_encoder, batch) -> None:
    single = Batch(images=batch.images[:1], texts=batch.texts[:1], study_ids=batch.study_ids)
    views = dual_encoder(single)
    assert (len(views.images), len(views.texts)) == (1, 1)


def test_normalisation_sees_both_pictures_of_every_study(dual_encoder, batch) -> None:
    """While training the batch statistics are those of all six pictures, not of three and three."""
    together = dual_encoder.embed_images(torch.cat(batch.images))
    views = dual_encoder(batch)
    torch.testing.assert_close(torch.cat(views.images), together)


def test_length_buckets_change_no_embedding(dual_encoder, batch) -> None:
    dual_encoder.eval()
    before = dual_encoder(batch)
    dual_encoder.buckets = 3
    after = dual_encoder(batch)
    for first, second in zip(before.texts, after.texts, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)


def test_all_parameters_are_trained_by_the_loss(dual_encoder, batch) -> None:
    weighted_sum(study_contrast(dual_encoder(batch), dual_encoder.scale), LossWeights()).backward()
    assert [name for name, p in dual_encoder.named_parameters() if p.requires_grad and p.grad is None] == []


def test_under_bfloat16_autocast_embeddings_are_normalised_in_float32(dual_encoder, batch) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        views = dual_encoder(batch)
    for embedding in (*views.images, *views.texts):
        assert embedding.dtype == torch.float32
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))


def test_the_scale_starts_at_one_over_the_temperature(dual_encoder) -> None:
    assert dual_encoder.log_scale.shape == (1,)
    assert dual_encoder.scale.item() == pytest.approx(1 / 0.07)


def test_the_scale_stops_at_its_limit_and_can_come_back(dual_encoder) -> None:
    with torch.no_grad():
        dual_encoder.log_scale.fill_(math.log(250.0))
    scale = dual_encoder.scale
    assert scale.item() == pytest.approx(100.0)
    scale.sum().backward()
    assert dual_encoder.log_scale.grad.item() == pytest.approx(100.0)


def test_below_the_limit_the_gradient_is_that_of_the_exponential(dual_encoder) -> None:
    dual_encoder.scale.sum().backward()
    assert dual_encoder.log_scale.grad.item() == pytest.approx(1 / 0.07)


def test_statistics_of_the_input_are_no_weights(dual_encoder) -> None:
    assert not [name for name in dual_encoder.state_dict() if name in ("image.mean", "image.std")]


def test_a_saved_state_loads_strictly_into_the_same_architecture(dual_encoder, batch) -> None:
    twin = DualEncoder(dual_encoder.image, dual_encoder.text, dim=10)
    twin.load_state_dict(dual_encoder.state_dict(), strict=True)
    torch.testing.assert_close(twin.eval()(batch).images[0], dual_encoder.eval()(batch).images[0], rtol=0, atol=0)
