"""Packed texts: the features and gradients of padded ones, and no padding in any layer."""

import copy
import json
import pickle

import pytest
import torch
from torch import Tensor, nn

from cxr_clip.model.gradient_checkpointing import compute_again
from cxr_clip.model.packing import ATTENTION, PACKABLE, can_pack, encode_packed, pack
from cxr_clip.model.text_encoder import TextEncoder, set_dropout, text_encoder_from_architecture, write_text_config
from cxr_clip.tensors import Tokens

LENGTHS = [3, 17, 5, 30, 4, 2, 16, 9]
# Weights larger than the default, so that attention and positions have an effect.
LARGE = {"vocab_size": 50, "max_position_embeddings": 40, "initializer_range": 0.3}
BERT = LARGE | {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 24}
DISTILBERT = LARGE | {"n_layers": 2, "n_heads": 2, "dim": 16, "hidden_dim": 24}


@pytest.fixture
def tokens(padded_tokens) -> Tokens:
    made: Tokens = padded_tokens(LENGTHS)
    # No text has a token that some family takes for padding (0 or 1).
    return Tokens(ids=made.ids.clamp(min=2) * made.mask, mask=made.mask)


def text_encoder(model_type: str, **changes: object) -> TextEncoder:
    torch.manual_seed(0)
    settings = DISTILBERT if model_type == "distilbert" else BERT
    return text_encoder_from_architecture({"model_type": model_type, **settings, **changes}, pooling="eos")


def features_and_gradients(encoder: TextEncoder, tokens: Tokens, buckets: int | None) -> tuple[Tensor, ...]:
    features = encoder(tokens, buckets=buckets)
    weights = torch.sin(torch.arange(features.numel(), dtype=features.dtype)).view_as(features)
    learnt = [weight for weight in encoder.parameters() if weight.requires_grad]
    return features, *torch.autograd.grad((features * weights).sum(), learnt)


@pytest.mark.parametrize("pooling", ["eos", "cls", "mean"])
@pytest.mark.parametrize("model_type", PACKABLE)
def test_packed_texts_have_the_features_and_gradients_of_padded_ones(tokens, model_type, pooling) -> None:
    encoder = text_encoder(model_type).double()
    set_dropout(encoder, 0.0)
    encoder.pooling = pooling
    assert can_pack(encoder.backbone, tokens)
    packed = features_and_gradients(encoder, tokens, None)
    torch.testing.assert_close(packed, features_and_gradients(encoder, tokens, 1), rtol=1e-10, atol=1e-12)


def test_packed_texts_have_the_features_of_transformers_own_attention(tokens) -> None:
    encoder = text_encoder("bert").double().eval()
    packed = encoder(tokens)
    padded = encoder(tokens, buckets=1)
    encoder.backbone.set_attn_implementation("sdpa")
    assert not can_pack(encoder.backbone, tokens)
    assert torch.equal(encoder(tokens, buckets=1), padded)
    torch.testing.assert_close(encoder(tokens), packed, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_no_layer_sees_padding(tokens, training) -> None:
    encoder = text_encoder("bert").train(training)
    rows: list[int] = []
    for module in encoder.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda _layer, inputs, _output: rows.append(inputs[0][..., 0].numel()))
    encoder(tokens)
    assert set(rows) == {sum(LENGTHS)}


def test_a_text_hears_nothing_of_the_others(tokens) -> None:
    encoder = text_encoder("bert").eval()
    others = tokens.ids.roll(1, dims=0) * tokens.mask
    changed = Tokens(ids=torch.cat((tokens.ids[:1], others[1:].clamp(min=2) * tokens.mask[1:])), mask=tokens.mask)
    before, after = encoder(tokens), encoder(changed)
    torch.testing.assert_close(after[0], before[0])
    assert not torch.allclose(after[1], before[1])


def test_dropout_is_drawn_again_from_the_same_state(tokens) -> None:
    encoder = text_encoder("bert").train()

    def drawn(seed: int) -> tuple[Tensor, ...]:
        torch.manual_seed(seed)
        return features_and_gradients(encoder, tokens, None)

    first = drawn(1)
    assert all(torch.equal(one, other) for one, other in zip(first, drawn(1), strict=True))
    assert not torch.allclose(first[0], drawn(2)[0])


def test_computing_activations_again_changes_no_gradient(tokens) -> None:
    encoder = text_encoder("bert").train()
    again = copy.deepcopy(encoder)
    compute_again(again)
    torch.manual_seed(3)
    expected = features_and_gradients(encoder, tokens, None)
    torch.manual_seed(3)
    assert all(
        torch.equal(one, other)
        for one, other in zip(expected, features_and_gradients(again, tokens, None), strict=True)
    )


@pytest.mark.parametrize("model_type", ["mpnet", "roberta-prelayernorm"])
@pytest.mark.parametrize("buckets", [None, 1, 3])
def test_other_backbones_take_padded_texts(tokens, model_type, buckets) -> None:
    encoder = text_encoder(model_type).double().eval()
    assert not can_pack(encoder.backbone, tokens)
    features = encoder(tokens, buckets=buckets)
    for row, length in enumerate(LENGTHS):
        alone = encoder.backbone(input_ids=tokens.ids[row : row + 1, :length]).last_hidden_state[0, -1]
        torch.testing.assert_close(features[row], alone, rtol=1e-10, atol=1e-10)


def test_a_decoder_is_not_packed(tokens) -> None:
    assert not can_pack(text_encoder("bert", is_decoder=True).backbone, tokens)


def test_texts_on_a_gpu_are_not_packed(tokens) -> None:
    elsewhere = Tokens(ids=tokens.ids.to("meta"), mask=tokens.mask.to("meta"))
    assert not can_pack(text_encoder("bert").backbone, elsewhere)


@pytest.mark.parametrize(
    ("buckets", "of_all", "of_distinct"),
    [
        (None, 3 * LENGTHS[3] + 2 * LENGTHS[0] + LENGTHS[1], LENGTHS[3] + LENGTHS[0] + LENGTHS[1]),
        (1, 6 * LENGTHS[3], 3 * LENGTHS[3]),
    ],
)
def test_a_text_that_comes_again_is_encoded_once_where_nothing_is_drawn(tokens, buckets, of_all, of_distinct) -> None:
    encoder = text_encoder("bert").double()
    again = torch.tensor([3, 0, 3, 3, 1, 0])
    repeated = Tokens(ids=tokens.ids[again], mask=tokens.mask[again])
    seen: list[int] = []
    encoder.backbone.encoder.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][..., 0].numel()))

    encoder.train()
    encoder(repeated, buckets=buckets)
    assert seen.pop() == of_all

    set_dropout(encoder, 0.0)
    packed = features_and_gradients(encoder, repeated, buckets)
    assert seen.pop() == of_distinct
    one_by_one = torch.cat([encoder(Tokens(ids=tokens.ids[row][None], mask=tokens.mask[row][None])) for row in again])
    torch.testing.assert_close(packed[0], one_by_one, rtol=1e-10, atol=1e-12)
    weights = torch.sin(torch.arange(one_by_one.numel(), dtype=torch.float64)).view_as(one_by_one)
    learnt = [weight for weight in encoder.parameters() if weight.requires_grad]
    expected = torch.autograd.grad((one_by_one * weights).sum(), learnt)
    torch.testing.assert_close(packed[1:], expected, rtol=1e-10, atol=1e-12)


def test_two_draws_of_one_text_differ(tokens) -> None:
    encoder = text_encoder("bert").train()
    twice = torch.tensor([1, 1])
    first, second = encoder(Tokens(ids=tokens.ids[twice], mask=tokens.mask[twice]))
    assert not torch.allclose(first, second)


def test_copies_and_pickles_pack_too(tokens) -> None:
    encoder = text_encoder("bert").eval()
    for copied in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert can_pack(copied.backbone, tokens)
        assert torch.equal(copied(tokens), encoder(tokens))


def test_no_file_names_the_attention(tmp_path) -> None:
    write_text_config(text_encoder("bert"), tmp_path)
    written = (tmp_path / "config.json").read_text()
    assert ATTENTION not in written
    assert json.loads(written)["model_type"] == "bert"


def test_packed_ids_and_states_stand_text_after_text(tokens) -> None:
    encoder = text_encoder("bert").eval()
    ids = pack(tokens)
    assert ids.lengths == tuple(LENGTHS)
    assert ids.values.tolist() == [number for row, length in enumerate(LENGTHS) for number in tokens.ids[row, :length]]
    hidden = encode_packed(encoder.backbone, ids)
    assert hidden.values.shape == (sum(LENGTHS), 16)
    assert torch.equal(hidden.firsts[1], hidden.values[LENGTHS[0]])
    assert torch.equal(hidden.lasts[0], hidden.values[LENGTHS[0] - 1])
    torch.testing.assert_close(hidden.means[0], hidden.values[: LENGTHS[0]].mean(dim=0))
