"""Published checkpoints that are spoiled: the whole file, or the pickle in a zip that is sound otherwise."""

import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from cxr_clip.published.import_weights import import_weights
from fuzz.mutations import mutated
from support_published import checkpoint, saved, vocabulary


def of_checkpoints(folder: Path) -> Callable[[random.Random], None]:
    """Import a tiny checkpoint of which something is spoiled."""
    place = folder / "checkpoints"
    if not place.is_dir():
        place.mkdir(parents=True)
        saved(place / "whole.tar", checkpoint())
        vocabulary(place / "words")
    whole = (place / "whole.tar").read_bytes()
    with zipfile.ZipFile(place / "whole.tar") as file:
        parts = {info.filename: file.read(info) for info in file.infolist()}

    def run(rng: random.Random) -> None:
        path, out = place / "spoiled.tar", place / "run"
        shutil.rmtree(out, ignore_errors=True)
        if rng.random() < 0.3:
            path.write_bytes(mutated([whole], rng))
        else:
            write_with_spoiled_pickle(path, parts, rng)
        import_weights(path, out, tokeniser=place / "words")

    return run


def write_with_spoiled_pickle(path: Path, parts: dict[str, bytes], rng: random.Random) -> None:
    """Write the zip anew with right check sums, so that faults get past them."""
    with zipfile.ZipFile(path, "w") as file:
        for name, data in parts.items():
            file.writestr(name, mutated([data], rng) if name.endswith("data.pkl") else data)
