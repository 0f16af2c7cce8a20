"""A run to a folder for ONNX runtimes.

image.onnx          pixels (uint8, batch x 1 x size x size) to embeddings; the normalisation is inside
text.onnx           input_ids and attention_mask (int64, batch x length) to embeddings
*.onnx.data         the weights, where a file would be larger than ONNX allows
tokeniser/          vocabulary and rules
and what every export has (folder.py)
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.embed import Embedder
from cxr_clip.encoding import Encoder
from cxr_clip.export.certificate import TOLERANCE, Certificate, refuse_difference
from cxr_clip.export.folder import new_folder, write_beside_towers
from cxr_clip.export.int8 import quantise_image_tower, quantise_text_tower
from cxr_clip.export.kept import compare_real, refuse_other_model
from cxr_clip.export.onnx_file import PACKAGES, OnnxTower, data_file, require_packages, write_tower
from cxr_clip.export.proof import Exported, from_towers, hashes, prove
from cxr_clip.export.real_inputs import RealInputs, read_real_inputs
from cxr_clip.export.towers import ImageTower, TextTower, example_tokens, portable
from cxr_clip.sharing.card import Presentation
from cxr_clip.sharing.hub import find_model

IMAGE, TEXT = "image.onnx", "text.onnx"
_USE = """\
`image.onnx` takes grey 8-bit squares, made as `preprocessing.json` says, and `text.onnx` tokens of `tokeniser/`.
Both give embeddings of unit length; the scale for a softmax is in `preprocessing.json`. `certificate.json` says how far
they are from the model's own.
"""


def export_onnx(
    run: Path,
    out: Path,
    *,
    licence: str = "other",
    tolerance: float = TOLERANCE,
    calibrate_on: Path | None = None,
) -> Certificate:
    """Write the best weights of a run folder as ONNX files into a new folder, which appears when it is proved.

    With a prepared folder `calibrate_on` they are made 8-bit integers after the proof, and what that costs is measured.

    Raises MissingPackageError without the extra `export`, CheckpointError where `run` is no run or `out` is not empty,
    ExportError where a backbone cannot be exported or its embeddings differ by more than `tolerance`.
    """
    require_packages()
    real = read_real_inputs(calibrate_on) if calibrate_on is not None else None
    with new_folder(out) as folder:
        source = find_model(run)
        loaded = load_run(source)
        write_towers(loaded, folder)
        certificate = prove(loaded, opened(loaded, folder), onnx_files(folder), packages=PACKAGES, tolerance=tolerance)
        refuse_difference(certificate)
        if real is not None:
            quantise_images(loaded, folder, real)
            quantise_texts(folder)
            int8 = compare_real(Embedder(loaded), opened(loaded, folder), real)
            refuse_other_model(int8)
            certificate = replace(certificate, int8=int8, files=hashes(onnx_files(folder)))
        presentation = Presentation(licence=licence, use=_USE, library="onnx")
        write_beside_towers(folder, loaded, source, certificate, presentation)
    return certificate


def opened(run: Run, folder: Path) -> Exported:
    """The files of a folder in ONNX Runtime."""
    return from_towers(run, OnnxTower(folder / IMAGE), OnnxTower(folder / TEXT))


def onnx_files(folder: Path) -> Sequence[Path]:
    """The ONNX files of a folder, and those of their weights where they are apart."""
    towers = (folder / IMAGE, folder / TEXT)
    return [*towers, *filter(Path.is_file, map(data_file, towers))]


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


def quantise_images(run: Run, folder: Path, real: RealInputs) -> None:
    """Make image.onnx 8-bit integers."""
    encoder = Encoder(run)
    narrow = folder / "int8.onnx"
    quantise_image_tower(folder / IMAGE, narrow, [encoder.square(picture) for picture in real.calibration])
    narrow.replace(folder / IMAGE)


def quantise_texts(folder: Path) -> None:
    """Make text.onnx 8-bit integers."""
    narrow = folder / "int8.onnx"
    quantise_text_tower(folder / TEXT, narrow)
    narrow.replace(folder / TEXT)
