"""The folder of an export: there when its embeddings are proved, with what a program needs beside the model.

preprocessing.json  how a picture becomes its square, how long a text may be, and the scale
certificate.json    how far the embeddings are from the run's
README.md           the model card
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cxr_clip.checkpoint import Run
from cxr_clip.export.certificate import Certificate
from cxr_clip.sharing.card import CARD, Presentation, model_card
from cxr_clip.sharing.facts import gather
from cxr_clip.sharing.folder import refuse_occupied, without_places

PREPROCESSING, CERTIFICATE = "preprocessing.json", "certificate.json"


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `out` at the good end; after an error nothing of it stays.

    Raises CheckpointError where `out` is not empty, OutputError where it cannot be written.
    """
    wanted = out.resolve()  # a link to an empty folder cannot be replaced, nor can ".": what they stand for can
    refuse_occupied(wanted)
    wanted.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=wanted.parent, prefix=f".{wanted.name}.") as place:
        unfinished = Path(place) / "export"
        unfinished.mkdir()
        yield unfinished
        if wanted.is_dir():
            wanted.rmdir()  # empty, as was made sure of above
        unfinished.rename(wanted)


def write_beside_towers(
    folder: Path, run: Run, source: Path, certificate: Certificate, presentation: Presentation
) -> None:
    """Write what goes along with files of two towers: tokeniser, preprocessing.json, certificate and card."""
    run.tokeniser.save_pretrained(str(folder / "tokeniser"))
    _write_preprocessing(folder, run)
    write_certificate(folder, certificate)
    write_card(folder, run, source, presentation)


def write_certificate(folder: Path, certificate: Certificate) -> None:
    """Write certificate.json."""
    _write_json(folder / CERTIFICATE, certificate.content())


def write_card(folder: Path, run: Run, source: Path, presentation: Presentation) -> None:
    """Write the model card of a run that lies in `source`."""
    card = model_card(without_places(run), gather(run.recipe, source), presentation)
    (folder / CARD).write_text(card, encoding="utf-8")


def _write_preprocessing(folder: Path, run: Run) -> None:
    """Write preprocessing.json: what a program in any language needs to know to make the inputs."""
    data = run.recipe.data
    content: dict[str, object] = {
        "image": {
            "size": data.image_size,
            "channels": 1,
            "values": "uint8, 0 black to 255 white",
            "resize": {
                "short_side": data.image_size,
                "long_side": "floor(size * long / short)",
                "filter": "triangle, widened where the picture shrinks (Pillow BILINEAR, torchvision antialias)",
            },
            "crop": {"where": "centre", "offset": "(side - size) / 2, rounded half to even"},
            "normalisation": "inside the model",
        },
        "text": {"max_tokens": data.max_tokens, "padding": "right", "truncation": "before the last token"},
        "scale": float(run.model.scale.detach()),
    }
    _write_json(folder / PREPROCESSING, content)


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
