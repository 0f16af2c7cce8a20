"""The tokeniser of published weights: the file names it, and does not hold it."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_clip.errors import CheckpointError
from cxr_clip.model.backbones import local_file, named_errors, quiet
from cxr_clip.model.tokeniser import load_tokeniser

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A file of somebody else may name a model on the hub, not a place on this machine.
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_DESCRIPTIONS = ("config.json", "tokenizer_config.json", "tokenizer.json")


def published_tokeniser(named: str, folder: Path | None) -> "PreTrainedTokenizerBase":
    """Load the tokeniser from `folder`, or by the name that the file gives, from the hub or its cache.

    A folder with BERT's vocab.txt alone will do. Raises CheckpointError where there is none, with what to give.
    """
    mend = "give a folder with its vocab.txt: --tokeniser FOLDER"
    if folder is None and not _HUB_NAME.fullmatch(named):
        raise CheckpointError(f"the tokeniser {named[:100]!r} that the file names is no name on the hub; {mend}")
    if folder is not None and not folder.is_dir():
        raise CheckpointError(f"no folder at {folder}; {mend}")
    try:
        return _bare_vocabulary(folder) if folder and _is_bare(folder) else load_tokeniser(str(folder or named))
    except CheckpointError as error:
        what = f"the tokeniser in {folder}" if folder else f"the tokeniser {named!r} that the file names"
        reason = str(error).split(";", 1)[0]
        raise CheckpointError(f"{what} cannot be loaded ({reason}); {mend}") from error


def attention_heads(named: str, folder: Path | None) -> int | None:
    """The number of heads in the config.json beside the tokeniser, None where there is none.

    Raises CheckpointError where the file cannot be read.
    """
    path = local_file(str(folder or named), "config.json")
    if path is None:
        return None
    try:
        heads = json.loads(path.read_text(encoding="utf-8")).get("num_attention_heads")
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): mend it, or leave vocab.txt alone there") from error
    return heads if isinstance(heads, int) and heads > 0 else None


def refuse_other_tokeniser(tokeniser: "PreTrainedTokenizerBase", *, rows: int) -> None:
    """Raise CheckpointError where a tokeniser numbers its tokens otherwise than the text encoder embeds them."""
    numbers = max(tokeniser.get_vocab().values()) + 1
    if numbers != rows:
        raise CheckpointError(
            f"the tokeniser numbers {numbers:,} tokens and the text encoder embeds {rows:,}: it belongs to another "
            "model; give the folder of the right one with --tokeniser FOLDER"
        )


def _is_bare(folder: Path) -> bool:
    return (folder / "vocab.txt").is_file() and not any((folder / name).is_file() for name in _DESCRIPTIONS)


def _bare_vocabulary(folder: Path) -> "PreTrainedTokenizerBase":
    """BERT's tokeniser with its defaults, as the published code gets it too where nothing else is said."""
    from transformers import BertTokenizer

    with quiet(), named_errors(str(folder)):
        tokeniser: PreTrainedTokenizerBase = BertTokenizer.from_pretrained(str(folder))
    return tokeniser
