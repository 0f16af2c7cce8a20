"""Tokenisers: trained ones repeat themselves, reload as they were, and cut and pad as the encoder expects."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from transformers import PreTrainedTokenizerFast

from cxr_clip.errors import CheckpointError, TrainingError
from cxr_clip.model.tokeniser import SPECIAL_TOKENS, load_tokeniser, tokenise, train_tokeniser

TEXTS = [
    "The heart is normal in size. The mediastinum is unremarkable.",
    "The lungs are clear. No pleural effusion or pneumothorax.",
    "Small left pleural effusion; bibasilar atelectasis is unchanged.",
    "Cardiomegaly with mild interstitial oedema (increased since 2019).",
    "No acute cardiopulmonary abnormality.",
] * 3

PROGRAM = """
import sys
from cxr_clip.model.tokeniser import train_tokeniser
vocabulary = train_tokeniser(sys.argv[1:], vocabulary_size=120, lowercase=True).get_vocab()
sys.stdout.write(" ".join(sorted(vocabulary, key=vocabulary.get)))
"""


@pytest.fixture(scope="module")
def tokeniser() -> PreTrainedTokenizerFast:
    return train_tokeniser(TEXTS, vocabulary_size=120, lowercase=True)


def words(tokeniser, text: str) -> list[str]:
    return tokeniser.convert_ids_to_tokens(tokenise(tokeniser, [text]).ids[0].tolist())


def test_the_same_texts_give_the_same_vocabulary_in_another_process(tokeniser) -> None:
    command = [sys.executable, "-c", PROGRAM, *TEXTS]
    other = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ).stdout.split(" ")
    assert other == sorted(tokeniser.get_vocab(), key=tokeniser.get_vocab().get)


def test_the_vocabulary_has_its_size_and_starts_with_the_special_tokens(tokeniser) -> None:
    vocabulary = tokeniser.get_vocab()
    assert len(vocabulary) == 120
    assert [vocabulary[token] for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]
    assert set(tokeniser.all_special_tokens) == set(SPECIAL_TOKENS)


def test_frequent_words_are_whole_and_a_text_stands_between_cls_and_sep(tokeniser) -> None:
    assert words(tokeniser, "The heart is NORMAL.")[:2] == ["[CLS]", "the"]
    assert words(tokeniser, "effusion")[-1] == "[SEP]"


def test_inner_letters_are_no_special_tokens(tokeniser) -> None:
    """A literal '##a' in a text is punctuation and a letter, not the inner piece."""
    assert "##a" not in words(tokeniser, "##a")


def test_case_is_kept_where_asked() -> None:
    cased = train_tokeniser(["No Edema", "no edema"] * 4, vocabulary_size=60, lowercase=False)
    assert words(cased, "No") != words(cased, "no")


def test_unknown_letters_become_the_unknown_token(tokeniser) -> None:
    assert words(tokeniser, "ж") == ["[CLS]", "[UNK]", "[SEP]"]


def test_an_empty_text_is_cls_and_sep(tokeniser) -> None:
    assert words(tokeniser, "") == ["[CLS]", "[SEP]"]


def test_texts_are_padded_to_the_longest_of_their_batch(tokeniser) -> None:
    tokens = tokenise(tokeniser, ["the", "the heart is normal", ""])
    lengths = tokens.mask.sum(dim=1).tolist()
    assert tokens.ids.shape == (3, max(lengths))
    for row, length in zip(range(3), lengths, strict=True):
        assert tokens.mask[row].tolist() == [1] * length + [0] * (max(lengths) - length)
        assert tokens.ids[row, length - 1] == tokeniser.sep_token_id
        assert (tokens.ids[row, length:] == tokeniser.pad_token_id).all()


def test_long_texts_are_cut_and_keep_their_final_token(tokeniser) -> None:
    tokens = tokenise(tokeniser, [" ".join(TEXTS)], max_length=16)
    assert tokens.ids.shape == (1, 16)
    assert tokens.ids[0, -1] == tokeniser.sep_token_id


def test_a_saved_tokeniser_reloads_as_it_was(tokeniser, tmp_path) -> None:
    tokeniser.save_pretrained(tmp_path)
    reloaded = load_tokeniser(str(tmp_path))
    assert reloaded.get_vocab() == tokeniser.get_vocab()
    first, second = tokenise(tokeniser, [*TEXTS, ""]), tokenise(reloaded, [*TEXTS, ""])
    assert first.ids.tolist() == second.ids.tolist()
    assert first.mask.tolist() == second.mask.tolist()


def test_texts_without_words_cannot_train_a_tokeniser() -> None:
    with pytest.raises(TrainingError, match="hold no word"):
        train_tokeniser(["", "  "], vocabulary_size=50, lowercase=True)


def test_what_cannot_be_found_says_how_to_mend_it() -> None:
    with pytest.raises(CheckpointError, match=r"emilyalsentzer/Bio_ClinicalBERT.*give a local folder"):
        load_tokeniser("bio-clinical-bert")


def test_a_tokeniser_without_padding_is_refused(tmp_path) -> None:
    bare = Tokenizer(WordPiece({"[UNK]": 0, "heart": 1}, unk_token="[UNK]"))
    PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="[UNK]").save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="no padding token"):
        load_tokeniser(str(tmp_path))


# Python 3.12 warns of any fork; loader processes fork all the same.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_tokenises_without_a_warning(tokeniser, capfd) -> None:
    tokenise(tokeniser, TEXTS)
    child = os.fork()
    if child == 0:
        tokenise(tokeniser, TEXTS)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert capfd.readouterr().err == ""


@pytest.mark.shared
def test_a_bare_vocabulary_gives_the_recorded_tokens(shared_folder: Path) -> None:
    import json

    import numpy as np

    golden = shared_folder / "golden"
    texts = json.loads((golden / "model_swin_trainer" / "info.json").read_text())
    tokeniser = load_tokeniser(str(golden / "standins" / "bert_tiny"))
    with np.load(golden / "model_swin_trainer" / "io.npz") as recorded:
        for name, key in (("texts", "tokens1"), ("texts2", "tokens2")):
            tokens = tokenise(tokeniser, texts[name], max_length=256)
            np.testing.assert_array_equal(tokens.ids.numpy(), recorded[f"{key}_longest_input_ids"])
