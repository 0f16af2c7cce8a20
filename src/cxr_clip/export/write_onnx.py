"""A run to a folder for ONNX runtimes.

image.onnx          pixels (uint8, batch x 1 x size x size) to embeddings; the normalisation is inside
text.onnx           input_ids and attention_mask (int64, batch x length) to embeddings
tokeniser/          vocabulary and rules
preprocessing.json  how a picture becomes its square, how long a text may be, and the scale
certificate.json    how far the embeddings are from the run's
README.md           the model card
"""

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.embed import Embedder
from cxr_clip.export.certificate import (
    BATCHES,
    TOLERANCE,
    Certificate,
    largest_difference,
    made_up_pictures,
    made_up_texts,
    refuse_difference,
    versions,
)
from cxr_clip.export.onnx_file import PACKAGES, OnnxTower, require_packages, write_tower
from cxr_clip.export.towers import ImageTower, TextTower, example_tokens, portable
from cxr_clip.model.tokeniser import tokenise
from cxr_clip.sharing.card import CARD, model_card
from cxr_clip.sharing.facts import gather
from cxr_clip.sharing.folder import refuse_occupied, without_places
from cxr_clip.sharing.hub import find_model

IMAGE, TEXT = "image.onnx", "text.onnx"
PREPROCESSING, CERTIFICATE = "preprocessing.json", "certificate.json"
_USE = """
## In ONNX runtimes
`image.onnx` takes grey 8-bit squares, made as `preprocessing.json` says, and `text.onnx` tokens of `tokeniser/`.
Both give embeddings of unit length; the scale for a softmax is in `preprocessing.json`. `certificate.json` says how far
they are from the model's own.
"""


def export_onnx(run: Path, out: Path, *, licence: str = "other", tolerance: float = TOLERANCE) -> Certificate:
    """Write the best weights of a run folder as ONNX files into a new folder, which appears when it is proved.

    Raises MissingPackageError without the extra `export`, CheckpointError where `run` is no run or `out` is not empty,
    ExportError where a backbone cannot be exported or its embeddings differ by more than `tolerance`.
    """
    require_packages()
    refuse_occupied(out)
    folder = find_model(run)
    loaded = load_run(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as place:
        unfinished = Path(place) / "export"
        unfinished.mkdir()
        _write_towers(loaded, unfinished)
        certificate = _certify(loaded, unfinished, tolerance)
        refuse_difference(certificate)
        loaded.tokeniser.save_pretrained(str(unfinished / "tokeniser"))
        _write_json(unfinished / PREPROCESSING, preprocessing(loaded))
        _write_json(unfinished / CERTIFICATE, certificate.content())
        shared = Run(model=loaded.model, tokeniser=loaded.tokeniser, recipe=without_places(loaded.recipe))
        card = model_card(shared, gather(loaded.recipe, folder), licence=licence)
        (unfinished / CARD).write_text(card + _USE, encoding="utf-8")
        if out.is_dir():
            out.rmdir()  # empty, as was made sure of above
        unfinished.rename(out)
    return certificate


def preprocessing(run: Run) -> dict[str, object]:
    """What a program in any language needs to know to make the inputs."""
    data = run.recipe.data
    return {
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


def _write_towers(run: Run, folder: Path) -> None:
    plain = portable(run.model)
    size = run.recipe.data.image_size
    pixels = torch.zeros(2, 1, size, size, dtype=torch.uint8)
    write_tower(ImageTower(plain), folder / IMAGE, examples=[pixels], inputs=["pixels"], axes=["batch"])
    write_tower(
        TextTower(plain),
        folder / TEXT,
        examples=example_tokens(plain),
        inputs=["input_ids", "attention_mask"],
        axes=["batch", "length"],
    )


def _certify(run: Run, folder: Path, tolerance: float) -> Certificate:
    embedder, data = Embedder(run), run.recipe.data
    pictures, texts = made_up_pictures(data.image_size), made_up_texts(data.max_tokens)
    squares = torch.stack([torch.from_numpy(embedder.square(picture)) for picture in pictures])[:, None]
    image, text = OnnxTower(folder / IMAGE), OnnxTower(folder / TEXT)

    def embed_texts(first: int, last: int) -> torch.Tensor:
        tokens = tokenise(run.tokeniser, texts[first:last], max_length=data.max_tokens)
        return text(tokens.ids, tokens.mask)

    expected = embedder.embed_images(pictures)
    return Certificate(
        images=largest_difference(lambda first, last: image(squares[first:last]), expected),
        texts=largest_difference(embed_texts, embedder.embed_texts(texts)),
        apart=float((expected.amax(dim=0) - expected.amin(dim=0)).max()),
        tolerance=tolerance,
        pictures=tuple(f"{picture.shape[0]}x{picture.shape[1]}" for picture in pictures),
        tokens=tuple(tokenise(run.tokeniser, texts, max_length=data.max_tokens).mask.sum(dim=1).tolist()),
        batches=BATCHES,
        model=embedder.fingerprint,
        files={name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (IMAGE, TEXT)},
        versions=versions(("cxr-clip", "torch", "transformers", *PACKAGES)),
    )


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
