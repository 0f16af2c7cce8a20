"""Text encoders: pooling, padding, length groups, and loading."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForPreTraining

from cxr_clip.errors import CheckpointError, RecipeError
from cxr_clip.model.packing import ATTENTION
from cxr_clip.model.text_encoder import (
    TextEncoder,
    length_groups,
    set_dropout,
    text_encoder_from_architecture,
    text_encoder_from_config_folder,
    text_encoder_from_folder,
    trimmed,
    write_text_config,
)
from cxr_clip.tensors import Tokens, joined

LENGTHS = [3, 17, 5, 30, 4, 2, 16, 9]


SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
SMALL_BERT = SMALL | {"intermediate_size": 24, "max_position_embeddings": 20}
MODERN_BERT = SMALL | {
    "model_type": "modernbert",
    "intermediate_size": 24,
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0),
}


@pytest.fixture
def encoder(architectures):
    torch.manual_seed(0)
    return text_encoder_from_architecture(architectures["bert"], pooling="eos").eval()


@pytest.mark.parametrize("pooling", ["eos", "cls", "mean"])
def test_each_text_has_the_feature_that_it_has_alone(encoder, padded_tokens, pooling) -> None:
    encoder.pooling = pooling
    tokens = padded_tokens(LENGTHS)
    features = encoder(tokens)
    for row, length in enumerate(LENGTHS):
        ids = tokens.ids[row : row + 1, :length]
        hidden = encoder.backbone(input_ids=ids).last_hidden_state[0]
        expected = {"eos": hidden[-1], "cls": hidden[0], "mean": hidden.mean(dim=0)}[pooling]
        torch.testing.assert_close(features[row], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pooling", ["eos", "cls", "mean"])
@pytest.mark.parametrize("buckets", [2, 3, 8, 20])
def test_length_buckets_change_no_feature(encoder, padded_tokens, pooling, buckets) -> None:
    encoder.pooling = pooling
    tokens = padded_tokens(LENGTHS)
    torch.testing.assert_close(encoder(tokens, buckets=buckets), encoder(tokens), rtol=1e-5, atol=1e-5)


def test_texts_of_like_length_share_a_group() -> None:
    groups = length_groups(torch.tensor([30, 2, 29, 3]), 2)
    assert [sorted(group.tolist()) for group in groups] == [[1, 3], [0, 2]]


def test_texts_are_not_split_where_it_saves_little() -> None:
    assert len(length_groups(torch.tensor([20, 19, 20, 20]), 4)) == 1


def test_joined_texts_keep_their_tokens(padded_tokens) -> None:
    short, long = padded_tokens([2, 3]), padded_tokens([6], seed=1)
    both = joined((short, long))
    assert both.ids.shape == both.mask.shape == (3, 6)
    assert both.mask.sum(dim=1).tolist() == [2, 3, 6]
    assert torch.equal(both.ids[:2, :3], short.ids)
    assert torch.equal(both.ids[2:], long.ids)


def test_every_trained_parameter_gets_a_gradient(architectures, padded_tokens) -> None:
    encoder = text_encoder_from_architecture(architectures["bert"], pooling="eos")
    encoder(padded_tokens([4, 6])).sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None] == []
    assert not [name for name, _ in encoder.named_parameters() if "pooler" in name]


def test_a_language_model_in_a_folder_leaves_its_heads_aside(architectures, padded_tokens, tmp_path) -> None:
    settings = {name: value for name, value in architectures["bert"].items() if name != "model_type"}
    language_model = BertForPreTraining(BertConfig(**settings)).eval()
    language_model.save_pretrained(tmp_path)
    # Published BERT files of that age also hold the position numbers.
    weights = {**load_file(tmp_path / "model.safetensors"), "bert.embeddings.position_ids": torch.arange(40)[None]}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    tokens = padded_tokens([5, 5])
    encoder = text_encoder_from_folder(str(tmp_path), pooling="cls").eval()
    expected = language_model.bert(input_ids=tokens.ids).last_hidden_state[:, 0]
    torch.testing.assert_close(encoder(tokens), expected, rtol=1e-5, atol=1e-5)


def test_the_written_configuration_rebuilds_the_same_encoder(encoder, padded_tokens, tmp_path) -> None:
    write_text_config(encoder, tmp_path)
    rebuilt = text_encoder_from_config_folder(tmp_path, pooling="eos").eval()
    rebuilt.load_state_dict(encoder.state_dict())
    tokens = padded_tokens(LENGTHS)
    torch.testing.assert_close(rebuilt(tokens), encoder(tokens), rtol=0, atol=0)


def test_what_cannot_be_fetched_says_how_to_mend_it() -> None:
    with pytest.raises(CheckpointError, match=r"emilyalsentzer/Bio_ClinicalBERT.*give a local folder"):
        text_encoder_from_folder("bio-clinical-bert", pooling="eos")


def test_an_unknown_setting_is_a_mistake_of_the_recipe() -> None:
    with pytest.raises(RecipeError, match="did you mean: hidden_size"):
        text_encoder_from_architecture({"model_type": "bert", "hiden_size": 8}, pooling="eos")


def test_an_image_backbone_is_no_text_encoder(architectures) -> None:
    with pytest.raises(RecipeError, match="cannot take texts"):
        text_encoder_from_architecture(architectures["resnet"], pooling="eos")


def test_attention_is_the_fused_one(encoder) -> None:
    assert encoder.backbone.config._attn_implementation == ATTENTION
    other = text_encoder_from_architecture(MODERN_BERT, pooling="mean")
    assert other.backbone.config._attn_implementation == "sdpa"


def test_one_text_of_one_token_is_enough(encoder) -> None:
    one = torch.ones(1, 1, dtype=torch.int64)
    assert encoder(Tokens(ids=one, mask=one), buckets=4).shape == (1, 16)


def test_dropout_of_zero_makes_training_and_evaluation_one(encoder, padded_tokens) -> None:
    tokens = padded_tokens(LENGTHS)
    quiet = encoder(tokens)
    encoder.train()
    assert not torch.equal(encoder(tokens), quiet)
    set_dropout(encoder, 0.0)
    torch.testing.assert_close(encoder(tokens), quiet)


@pytest.mark.parametrize("rate", [0.1, 0])
def test_dropout_reaches_an_attention_that_keeps_its_rate_as_a_number(padded_tokens, rate) -> None:
    encoder = text_encoder_from_architecture({**MODERN_BERT, "attention_dropout": rate}, pooling="mean")
    tokens = padded_tokens(LENGTHS)
    quiet = encoder.eval()(tokens)
    encoder.train()
    set_dropout(encoder, 0.5)
    assert not torch.allclose(encoder(tokens), encoder(tokens))
    set_dropout(encoder, 0.0)
    torch.testing.assert_close(encoder(tokens), quiet)


def test_a_dropout_that_has_no_effect_is_refused() -> None:
    with pytest.raises(RecipeError, match="no dropout:"):
        set_dropout(TextEncoder(torch.nn.Linear(2, 2), feature_size=2, pooling="eos"), 0.1)


@pytest.mark.parametrize(
    ("model_type", "longest"), [("bert", 20), ("electra", 20), ("roberta", 18), ("xlm-roberta", 18), ("mpnet", 18)]
)
def test_the_longest_text_is_the_longest_that_can_be_encoded(padded_tokens, model_type, longest) -> None:
    encoder = text_encoder_from_architecture(SMALL_BERT | {"model_type": model_type}, pooling="eos").eval()
    assert encoder.longest_text == longest
    tokens = padded_tokens([longest + 1])
    tokens.ids.clamp_(min=2)  # 1 is the padding of some
    encoder(
        trimmed(Tokens(ids=tokens.ids, mask=tokens.mask * (torch.arange(longest + 1) < longest)), torch.tensor([0]))
    )
    with pytest.raises((IndexError, RuntimeError)):
        encoder(tokens)


def test_relative_positions_have_no_longest_text() -> None:
    encoder = text_encoder_from_architecture(
        {"model_type": "xlnet", "vocab_size": 50, "d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 24},
        pooling="eos",
    )
    assert encoder.longest_text is None
    assert encoder.vocabulary_size == 50
