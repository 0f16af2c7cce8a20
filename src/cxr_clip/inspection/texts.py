"""How long the sections of reports are, in tokens of a tokeniser or else in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cxr_clip.data.columns import entries, quantiles
from cxr_clip.errors import CheckpointError

_AT_A_TIME = 2000
_TOKENISER_FILES = ("tokenizer*.json", "*vocab*", "*.model")
TokenCounter = Callable[[pa.Array], NDArray[np.int64]]


@dataclass(frozen=True)
class TextLengths:
    """The lengths of one section's texts; `cut` is the share that is longer than a model takes."""

    section: str
    texts: int
    distinct: int
    lengths: Mapping[str, float]
    cut: float


def measure_texts(table: pa.Table, count: TokenCounter, *, max_tokens: int) -> tuple[TextLengths, ...]:
    """The lengths of each section, the most frequent section first."""
    _, names, texts = entries(table, "sections")
    found = []
    for name in pc.unique(names).to_pylist():
        own = texts.filter(pc.equal(names, name)).drop_null()
        lengths = count(own)
        cut = float((lengths > max_tokens).mean()) if len(own) else 0.0
        found.append(TextLengths(name, len(own), len(pc.unique(own)), quantiles(lengths), round(cut, 5)))
    return tuple(sorted(found, key=lambda one: (-one.texts, one.section)))


def count_words(texts: pa.Array) -> NDArray[np.int64]:
    """The number of words, by white space."""
    trimmed = pc.utf8_trim_whitespace(texts)
    words = np.asarray(pc.list_value_length(pc.utf8_split_whitespace(trimmed)), dtype=np.int64)
    return np.where(np.asarray(pc.equal(trimmed, "")), 0, words)


def token_counter(folder: Path) -> TokenCounter:
    """A counter with the tokeniser of a folder (a run's, or a Hugging Face one), its first and last token included.

    Raises CheckpointError if there is none.
    """
    from cxr_clip.model.tokeniser import load_tokeniser

    if not any(path for name in _TOKENISER_FILES for path in folder.glob(name)):
        raise CheckpointError(
            f"{folder} holds no tokeniser (tokenizer.json, vocab.txt or the like): give the folder of a run, or of a "
            "text encoder"
        )
    tokeniser = load_tokeniser(str(folder))

    def count(texts: pa.Array) -> NDArray[np.int64]:
        lengths = [
            len(ids) for part in _parts(texts) for ids in tokeniser(part, truncation=False, verbose=False).input_ids
        ]
        return np.asarray(lengths, dtype=np.int64)

    return count


def _parts(texts: pa.Array) -> Sequence[list[str]]:
    return [texts.slice(first, _AT_A_TIME).to_pylist() for first in range(0, len(texts), _AT_A_TIME)]
