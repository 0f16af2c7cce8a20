"""Tokenisers: train a WordPiece vocabulary from the project's own texts, load one, turn texts into tokens."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from cxr_clip.errors import CheckpointError, TrainingError
from cxr_clip.model.backbones import named_errors, quiet
from cxr_clip.model.text_encoder import PRETRAINED_TEXT_ENCODERS
from cxr_clip.tensors import Tokens

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_tokeniser(texts: Iterable[str], *, vocabulary_size: int, lowercase: bool) -> PreTrainedTokenizerFast:
    """Return a BERT-like WordPiece tokeniser learnt from texts; the same texts give the same one, in any process.

    Raises TrainingError if the texts hold no word.
    """
    from tokenizers import models, trainers

    _stay_single_threaded()
    learner = _bert_like({token: number for number, token in enumerate(SPECIAL_TOKENS)}, lowercase=lowercase)
    words = _count_words(learner, texts)
    if not words:
        raise TrainingError("cannot train a tokeniser: the texts hold no word; check the sections of the manifest")
    # The trainer numbers the inner letters (##a) in the order of a hash table that differs between processes, and
    # breaks ties by these numbers. Handing them over as special tokens fixes the order; they do not stay special.
    inner = sorted({f"##{letter}" for word in words for letter in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size, special_tokens=[*SPECIAL_TOKENS, *inner], show_progress=False
    )
    learner.model = models.WordPiece(unk_token="[UNK]")
    learner.train_from_iterator((word for word in sorted(words) for _ in range(words[word])), trainer)
    return _wrapped(_bert_like(learner.get_vocab(), lowercase=lowercase))


def load_tokeniser(name_or_folder: str) -> PreTrainedTokenizerBase:
    """Return the tokeniser of a hub name (or short name) or local folder.

    Raises CheckpointError if there is none, or it has no padding token.
    """
    from transformers import AutoTokenizer

    _stay_single_threaded()
    location = PRETRAINED_TEXT_ENCODERS.get(name_or_folder, name_or_folder)
    with quiet(), named_errors(location):
        tokeniser: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(location, trust_remote_code=False)
    if tokeniser.pad_token is None:
        raise CheckpointError(f"the tokeniser of {location} has no padding token; set pad_token in its configuration")
    return tokeniser


def tokenise(tokeniser: PreTrainedTokenizerBase, texts: Sequence[str], *, max_length: int = 256) -> Tokens:
    """Return the tokens of texts, padded to the longest of them.

    Texts longer than `max_length` tokens are cut before their final [SEP]; an empty text is [CLS] [SEP].
    """
    _stay_single_threaded()
    encoded = tokeniser(
        list(texts),
        padding="longest",
        padding_side="right",
        truncation=True,
        max_length=max_length,
        return_attention_mask=True,
        return_tensors="pt",
    )
    return Tokens(ids=encoded["input_ids"], mask=encoded["attention_mask"])


def _count_words(tokeniser: Any, texts: Iterable[str]) -> Counter[str]:
    words: Counter[str] = Counter()
    for text in texts:
        normal = tokeniser.normalizer.normalize_str(text)
        words.update(word for word, _ in tokeniser.pre_tokenizer.pre_tokenize_str(normal))
    return words


def _bert_like(vocabulary: dict[str, int], *, lowercase: bool) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokeniser = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokeniser.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokeniser.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokeniser.decoder = decoders.WordPiece()
    tokeniser.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    return tokeniser


def _wrapped(tokeniser: Any) -> PreTrainedTokenizerFast:
    pad, unknown, first, last, masked = SPECIAL_TOKENS
    return PreTrainedTokenizerFast(
        tokenizer_object=tokeniser,
        pad_token=pad,
        unk_token=unknown,
        cls_token=first,
        sep_token=last,
        mask_token=masked,
        model_input_names=["input_ids", "attention_mask"],
    )


def _stay_single_threaded() -> None:
    """Keep tokenizers from starting threads: they do not survive the fork of loader processes, and it warns."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
