"""The commands by which models come from elsewhere and go there: import-weights, export, push."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxr_clip.commands.arguments import Licence, OwnRun
from cxr_clip.errors import ExportError
from cxr_clip.terminal import say

if TYPE_CHECKING:
    from cxr_clip.export.certificate import Certificate


def import_weights(
    checkpoint: Annotated[Path, typer.Argument(help="A published checkpoint, such as swint_mcc.tar.")],
    out: Annotated[Path, typer.Argument(help="The run folder to write; new or empty.")],
    *,
    tokeniser: Annotated[
        Path | None,
        typer.Option(
            help="A folder with the text encoder's vocab.txt.", show_default="the one that the file names, from the hub"
        ),
    ] = None,
) -> None:
    """Turn a checkpoint that the method's authors published into a run folder; nothing in the file is executed.

    Example: cxr-clip import-weights swint_mcc.tar runs/swint_mcc
    """
    from cxr_clip.published.import_weights import import_weights

    origin = import_weights(checkpoint, out, tokeniser=tokeniser).origin
    say(f"{origin.file}, SHA-256 {origin.sha256}")
    say(
        f"{origin.tensors} tensors: {origin.used} used, {len(origin.made_anew)} tables that the model makes itself "
        f"compared and equal, {len(origin.left_out)} left out, as they lie behind the features that are used"
    )
    say(f"run folder: {out}; next: cxr-clip evaluate {out} MANIFEST_FOLDER")


class Form(StrEnum):
    """What a run can be exported to."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    HUGGINGFACE = "huggingface"


def export(
    run: OwnRun,
    out: Annotated[Path, typer.Argument(help="The folder to write; new or empty.")],
    *,
    to: Annotated[
        Form,
        typer.Option(
            help="onnx: two files for ONNX runtimes (extra export). openvino: the same for OpenVINO (extras export and "
            "openvino). huggingface: for transformers alone."
        ),
    ],
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="Write 8-bit integers (openvino: images alone), and what that costs into the certificate."
        ),
    ] = False,
    calibrate_on: Annotated[
        Path | None,
        typer.Option(metavar="PREPARED", help="The prepared folder whose pictures set the scales of --int8."),
    ] = None,
    licence: Licence = "other",
) -> None:
    """Write the best weights of a run for other programs, and prove that the embeddings are the same there.

    Example: cxr-clip export runs/openi openi-onnx --to onnx
    """
    certificate = _exported(run, out, to, licence, _calibration(to, calibrate_on, int8=int8))
    say(
        f"{out}: embeddings differ from the run's by at most {certificate.images:.1e} (images) and "
        f"{certificate.texts:.1e} (texts); see certificate.json"
    )
    if certificate.int8 is not None:
        found = certificate.int8.images
        say(
            f"in 8 bits: mean cosine {found.mean_cosine:.4f} of {found.count} validation pictures with the run's, "
            f"{found.nearest_to_own:.0%} nearest to their own"
        )


def _exported(run: Path, out: Path, to: Form, licence: str, calibrate_on: Path | None) -> "Certificate":
    from cxr_clip.export.write_huggingface import export_huggingface
    from cxr_clip.export.write_onnx import export_onnx
    from cxr_clip.export.write_openvino import export_openvino

    if to is Form.HUGGINGFACE:
        return export_huggingface(run, out, licence=licence)
    write = export_onnx if to is Form.ONNX else export_openvino
    return write(run, out, licence=licence, calibrate_on=calibrate_on)


def _calibration(to: Form, calibrate_on: Path | None, *, int8: bool) -> Path | None:
    """The folder to calibrate on. Raises ExportError where options have no effect, or one is missing."""
    if int8 and to is Form.HUGGINGFACE:
        raise ExportError("--int8 is for --to onnx and --to openvino: leave it out")
    if int8 != (calibrate_on is not None):
        raise ExportError("--int8 and --calibrate-on PREPARED go together: give both or neither")
    return calibrate_on


def push(
    run: OwnRun,
    repository: Annotated[str, typer.Argument(help="The repository on the hub: owner/name.")],
    *,
    public: Annotated[bool, typer.Option("--public", help="Let everybody see a new repository.")] = False,
    licence: Licence = "other",
) -> None:
    """Put the best weights of a run on the Hugging Face hub, with recipe, tokeniser and a model card."""
    from cxr_clip.embed import load

    say(f"pushed: {load(run, device='cpu').push(repository, private=not public, licence=licence)}")
