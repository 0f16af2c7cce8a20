"""Adapters of the text tower: they alone train, and what is kept is a plain tower that gives the same."""

import copy
import sys

import pytest
import torch

from cxr_clip.errors import MissingPackageError, RecipeError
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.freezing import trainable_groups
from cxr_clip.model.gradient_checkpointing import compute_again
from cxr_clip.model.lora import adapt, plain_weights
from cxr_clip.tensors import Batch

pytest.importorskip("peft")


@pytest.fixture
def batch(grey_images, padded_tokens) -> Batch:
    texts = (padded_tokens([4, 9, 2], seed=1), padded_tokens([20, 3, 5], seed=2))
    return Batch(images=(grey_images(3, seed=1), grey_images(3, seed=2)), texts=texts, study_ids=("a", "b", "c"))


def adapted(model, *, dropout: float = 0.0, targets: tuple[str, ...] | None = None):
    twin = copy.deepcopy(model)
    adapt(twin.text, rank=2, alpha=8.0, dropout=dropout, targets=targets)
    return twin


def take_steps(model, batch: Batch, count: int = 3) -> None:
    optimiser = torch.optim.AdamW(trainable_groups(model, 0.1), lr=0.05)
    for _ in range(count):
        optimiser.zero_grad()
        weighted_sum(study_contrast(model.train()(batch), model.scale), LossWeights()).backward()
        optimiser.step()


def test_at_the_start_nothing_is_changed(dual_encoder, padded_tokens) -> None:
    tokens = padded_tokens([4, 9, 2])
    assert torch.equal(adapted(dual_encoder).eval().text(tokens), dual_encoder.eval().text(tokens))


def test_of_the_text_tower_the_adapters_alone_train(dual_encoder, batch) -> None:
    model = adapted(dual_encoder)
    before = copy.deepcopy(model.state_dict())
    take_steps(model, batch)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    adapters = {name for name in before if ".lora_" in name}
    assert len(adapters) == 2 * 2 * 4  # A and B, two layers, four projections of the attention
    assert {name for name in changed if name.startswith("text.")} == adapters
    assert {"image_projection.weight", "text_projection.weight"} <= changed


def test_merged_weights_are_those_of_a_plain_tower_and_give_the_same(dual_encoder, batch, padded_tokens) -> None:
    model = adapted(dual_encoder, dropout=0.1)
    take_steps(model, batch)
    merged = plain_weights(model)
    assert list(merged) == list(dual_encoder.state_dict())
    dual_encoder.load_state_dict(merged, strict=True)
    tokens = padded_tokens([4, 9, 2, 30])
    with torch.no_grad():
        ours, plain = model.eval().text(tokens), dual_encoder.eval().text(tokens)
    torch.testing.assert_close(plain, ours, rtol=0, atol=1e-6)
    assert not torch.allclose(plain, adapted(dual_encoder).text.eval()(padded_tokens([4, 9, 2, 30], seed=5)), atol=1e-3)


def test_a_merged_layer_is_the_equation_of_the_paper(dual_encoder, batch) -> None:
    """W + alpha / rank * B A."""
    model = adapted(dual_encoder, targets=("query",))
    take_steps(model, batch)
    state, name = model.state_dict(), "text.backbone.encoder.layer.1.attention.self.query"
    product = state[f"{name}.lora_B.default.weight"] @ state[f"{name}.lora_A.default.weight"]
    expected = dual_encoder.state_dict()[f"{name}.weight"] + 8 / 2 * product
    torch.testing.assert_close(plain_weights(model)[f"{name}.weight"], expected)


def test_targets_choose_the_layers(dual_encoder) -> None:
    names = adapted(dual_encoder, targets=("intermediate.dense",)).state_dict()
    assert {name.split(".lora_")[0].split("layer.")[1] for name in names if ".lora_" in name} == {
        "0.intermediate.dense",
        "1.intermediate.dense",
    }


def test_a_target_that_is_no_layer_is_refused(dual_encoder) -> None:
    with pytest.raises(RecipeError, match=r"no linear layer of the text tower ends with 'querry'; did you mean query"):
        adapt(dual_encoder.text, rank=2, alpha=8.0, dropout=0.0, targets=("key", "querry"))


def test_without_adapters_the_weights_are_the_models_own(dual_encoder) -> None:
    assert all(
        torch.equal(value, dual_encoder.state_dict()[name]) for name, value in plain_weights(dual_encoder).items()
    )


def test_gradient_checkpointing_changes_no_gradient_of_an_adapter(dual_encoder, batch) -> None:
    model = adapted(dual_encoder, dropout=0.2)
    take_steps(model, batch)
    twin = copy.deepcopy(model)
    compute_again(twin.text)
    found = []
    for one in (model, twin):
        one.zero_grad()
        torch.manual_seed(3)
        weighted_sum(study_contrast(one.train()(batch), one.scale), LossWeights()).backward()
        found.append({name: weight.grad for name, weight in one.named_parameters() if ".lora_" in name})
    assert found[0]
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def test_what_to_install_is_told(dual_encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'cxr-clip\[lora\]'"):
        adapt(dual_encoder.text, rank=2, alpha=8.0, dropout=0.0, targets=None)
