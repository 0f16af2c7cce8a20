"""Put a study on one side of a split: by a hash, by a table, or at random exactly as a published split was drawn."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cxr_clip.errors import SourceError
from cxr_clip.prepare.files import by_key, read_columns
from cxr_clip.study import Split

_SPELLINGS = {
    **dict.fromkeys(("train", "training"), Split.TRAIN),
    **dict.fromkeys(("validate", "valid", "val", "validation", "dev"), Split.VALIDATE),
    **dict.fromkeys(("test", "testing"), Split.TEST),
}


def split_named(name: str) -> Split | None:
    """The split that a table means by a name ("val", "Training"), or None."""
    return _SPELLINGS.get(name.lower())


def fraction(key: str) -> float:
    """A number in [0, 1) that depends on the key alone (the first 8 bytes of its SHA-256)."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8")).digest()[:8], "big") / 2**64


def split_by_hash(key: str) -> Split:
    """80 % train, 10 % validate, 10 % test; equal keys come to the same side."""
    place = fraction(key)
    if place < 0.8:
        return Split.TRAIN
    return Split.VALIDATE if place < 0.9 else Split.TEST


def split_70_15_15(keys: Iterable[str]) -> dict[str, Split]:
    """The published random split of RSNA pneumonia, over the sorted keys: 30 % leave the training set, in two halves.

    The first half is the test set, the second the validation set (GLoRIA's gloria/datasets/preprocess_datasets.py,
    https://github.com/marshuang80/gloria, whose split the paper's authors name).
    """
    train, rest = _train_test_split(sorted(set(keys)), test=0.3)
    test, validate = _train_test_split(rest, test=0.5)
    sides = ((Split.TRAIN, train), (Split.VALIDATE, validate), (Split.TEST, test))
    return {key: split for split, side in sides for key in side}


def split_80_20(keys: Iterable[str]) -> dict[str, Split]:
    """The published random split of VinDr-CXR's training images, over the sorted keys: a fifth validates."""
    train, validate = _train_test_split(sorted(set(keys)), test=0.2)
    return {**dict.fromkeys(train, Split.TRAIN), **dict.fromkeys(validate, Split.VALIDATE)}


def _train_test_split(keys: Sequence[str], *, test: float) -> tuple[list[str], list[str]]:
    """What scikit-learn's function of that name gives for `test_size=test, random_state=0`, in its order."""
    # The published splits were drawn with NumPy's older generator.
    order = np.random.RandomState(0).permutation(len(keys))
    count = math.ceil(test * len(keys))
    return [keys[place] for place in order[count:]], [keys[place] for place in order[:count]]


def read_splits(file: Path) -> dict[str, Split]:
    """The split of each report, by its id without "CXR", from a CSV with the columns `uid` and `split`.

    Raises SourceError for another split, or a report that comes again in another one.
    """
    return by_key(file, _rows(file))


def _rows(file: Path) -> Iterator[tuple[str, Split]]:
    for line, (report, name) in enumerate(read_columns(file, ("uid", "split")), start=2):
        split = split_named(name)
        if split is None:
            raise SourceError(f"{file} line {line} has the split {name!r}; use train, validate or test")
        yield report.removeprefix("CXR"), split
