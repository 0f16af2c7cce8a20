"""Texts become the recorded tokens: cut at 256, empty, padded to the longest, and in small letters."""

import numpy as np
import pytest

from cxr_clip.model.tokeniser import load_tokeniser, tokenise

pytestmark = pytest.mark.shared
READS = {
    "standins/bert_tiny/config.json": ("*",),
    "standins/bert_tiny/vocab.txt": (),
    "model_swin_trainer/io.npz": ("tokens*",),
    "model_resnet_recipe/io.npz": ("tokens*",),
    "model_swin_trainer/info.json": ("texts", "texts2", "attention_lengths"),
    "model_resnet_recipe/info.json": ("texts", "texts2", "attention_lengths"),
}
MODELS = ("model_swin_trainer", "model_resnet_recipe")


@pytest.fixture(scope="module")
def tokeniser(golden):
    return load_tokeniser(str(golden.path("standins/bert_tiny/vocab.txt").parent))


@pytest.mark.parametrize(("which", "texts"), [("tokens1", "texts"), ("tokens2", "texts2")])
@pytest.mark.parametrize("model", MODELS)
def test_tokens_are_the_recorded_ones(golden, tokeniser, model, which, texts):
    recorded, facts = golden.arrays(f"{model}/io.npz"), golden.facts(f"{model}/info.json")
    ours = tokenise(tokeniser, facts[texts], max_length=256)
    lengths = facts["attention_lengths"][int(which[-1]) - 1]
    assert ours.mask.sum(dim=1).tolist() == lengths
    assert np.array_equal(ours.ids.numpy(), recorded[f"{which}_longest_input_ids"])
    # Recorded to 256 tokens as well: what is beyond the longest text is padding alone, of the first token type.
    padded = ((0, 0), (0, 256 - max(lengths)))
    assert np.array_equal(np.pad(ours.ids.numpy(), padded), recorded[f"{which}_input_ids"])
    assert np.array_equal(np.pad(ours.mask.numpy(), padded), recorded[f"{which}_attention_mask"])
    assert not recorded[f"{which}_token_type_ids"].any()


def test_the_recorded_texts_have_an_empty_one_and_one_that_is_cut(golden, tokeniser):
    texts = golden.facts("model_swin_trainer/info.json")["texts2"]
    ours = tokenise(tokeniser, [texts[3], texts[2]], max_length=256)
    first, last = tokeniser.cls_token_id, tokeniser.sep_token_id
    assert texts[3] == ""
    assert ours.ids[0].tolist()[:3] == [first, last, tokeniser.pad_token_id]
    assert (ours.ids[1, 0], ours.ids[1, -1]) == (first, last)
    assert len(tokeniser.tokenize(texts[2])) > 254


def test_a_folder_that_does_not_say_so_makes_letters_small(tokeniser):
    assert tokeniser.tokenize("LEFT Pleural Effusion") == tokeniser.tokenize("left pleural effusion")
