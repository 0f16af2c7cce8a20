"""A run to a folder for ONNX runtimes.

image.onnx          pixels (uint8, batch x 1 x size x size) to embeddings; the normalisation is inside
text.onnx           input_ids and attention_mask (int64, batch x length) to embeddings
tokeniser/          vocabulary and rules
and what every export has (folder.py)
"""

from pathlib import Path

import torch

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.export.certificate import TOLERANCE, Certificate, refuse_difference
from cxr_clip.export.folder import new_folder, write_card, write_certificate, write_preprocessing
from cxr_clip.export.onnx_file import PACKAGES, OnnxTower, require_packages, write_tower
from cxr_clip.export.proof import from_towers, prove
from cxr_clip.export.towers import ImageTower, TextTower, example_tokens, portable
from cxr_clip.sharing.card import Presentation
from cxr_clip.sharing.hub import find_model

IMAGE, TEXT = "image.onnx", "text.onnx"
USE = """\
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
    with new_folder(out) as folder:
        source = find_model(run)
        loaded = load_run(source)
        write_towers(loaded, folder)
        towers = from_towers(loaded, OnnxTower(folder / IMAGE), OnnxTower(folder / TEXT))
        files = [folder / IMAGE, folder / TEXT]
        certificate = prove(loaded, towers, files, packages=PACKAGES, tolerance=tolerance)
        refuse_difference(certificate)
        loaded.tokeniser.save_pretrained(str(folder / "tokeniser"))
        write_preprocessing(folder, loaded)
        write_certificate(folder, certificate)
        write_card(folder, loaded, source, Presentation(licence=licence, use=USE, library="onnx"))
    return certificate


def write_towers(run: Run, folder: Path) -> None:
    """Write image.onnx and text.onnx."""
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
