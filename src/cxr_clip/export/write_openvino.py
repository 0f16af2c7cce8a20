"""A run to a folder for OpenVINO: the ONNX towers, converted.

image.xml, image.bin   pixels (uint8, batch x 1 x size x size) to embeddings; the normalisation is inside
text.xml, text.bin     input_ids and attention_mask (int64, batch x length) to embeddings
tokeniser/             vocabulary and rules
and what every export has (folder.py)
"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.embed import Embedder
from cxr_clip.export.certificate import TOLERANCE, Certificate, Differences, refuse_difference
from cxr_clip.export.folder import new_folder, write_beside_towers
from cxr_clip.export.kept import compare_real, refuse_other_model
from cxr_clip.export.onnx_file import PACKAGES as ONNX_PACKAGES
from cxr_clip.export.openvino_file import (
    PACKAGES,
    Hint,
    OpenVinoTower,
    computes_bf16,
    convert,
    new_core,
    require_packages,
)
from cxr_clip.export.proof import Exported, differences, from_towers, hashes, prove
from cxr_clip.export.real_inputs import RealInputs, read_real_inputs
from cxr_clip.export.write_onnx import IMAGE as ONNX_IMAGE
from cxr_clip.export.write_onnx import TEXT as ONNX_TEXT
from cxr_clip.export.write_onnx import quantise_images, write_towers
from cxr_clip.sharing.card import Presentation
from cxr_clip.sharing.hub import find_model

IMAGE, TEXT = "image.xml", "text.xml"
_FILES = ("image.xml", "image.bin", "text.xml", "text.bin")
_USE = """\
`image.xml` takes grey 8-bit squares, made as `preprocessing.json` says, and `text.xml` tokens of `tokeniser/`, in
OpenVINO. Both give embeddings of unit length; the scale for a softmax is in `preprocessing.json`. `certificate.json`
says how far they are from the model's own with `INFERENCE_PRECISION_HINT` f32, and with bf16, which OpenVINO takes by
itself where a CPU has it. Where it speaks of int8, `image.xml` is in 8-bit integers and `text.xml` is whole.
"""


def export_openvino(
    run: Path,
    out: Path,
    *,
    licence: str = "other",
    tolerance: float = TOLERANCE,
    calibrate_on: Path | None = None,
) -> Certificate:
    """Write the best weights of a run folder as OpenVINO files into a new folder, which appears when it is proved.

    With a prepared folder `calibrate_on` the image tower is made 8-bit integers after the proof, and what that costs is
    measured. The text tower stays whole: OpenVINO takes longer for one whose scales are chosen for each text
    (benchmarks/inference.py).

    Raises as `export_onnx` does, and MissingPackageError without the extra `openvino`.
    """
    require_packages()
    real = read_real_inputs(calibrate_on) if calibrate_on is not None else None
    with new_folder(out) as folder:
        source = find_model(run)
        loaded = load_run(source)
        certificate = _write_proved(loaded, folder, tolerance, real)
        presentation = Presentation(licence=licence, use=_USE, library="openvino")
        write_beside_towers(folder, loaded, source, certificate, presentation)
    return certificate


def _write_proved(run: Run, folder: Path, tolerance: float, real: RealInputs | None) -> Certificate:
    files = [folder / name for name in _FILES]
    with TemporaryDirectory() as place:
        write_towers(run, Path(place))
        _convert(Path(place), folder)
        packages = (*ONNX_PACKAGES, *PACKAGES)
        certificate = prove(run, _opened(run, folder), files, packages=packages, tolerance=tolerance)
        refuse_difference(certificate)
        certificate = replace(certificate, bf16=_in_bf16(run, folder))
        if real is None:
            return certificate
        quantise_images(run, Path(place), real)
        convert(Path(place) / ONNX_IMAGE, folder / IMAGE)
    int8 = compare_real(Embedder(run), _opened(run, folder), real)
    refuse_other_model(int8)
    return replace(certificate, int8=int8, files=hashes(files))


def _convert(onnx: Path, folder: Path) -> None:
    convert(onnx / ONNX_IMAGE, folder / IMAGE)
    convert(onnx / ONNX_TEXT, folder / TEXT)


def _opened(run: Run, folder: Path, hint: Hint = "f32") -> Exported:
    core = new_core()
    return from_towers(
        run, OpenVinoTower(core, folder / IMAGE, hint=hint), OpenVinoTower(core, folder / TEXT, hint=hint)
    )


def _in_bf16(run: Run, folder: Path) -> Differences | None:
    return differences(run, _opened(run, folder, "bf16")) if computes_bf16() else None
