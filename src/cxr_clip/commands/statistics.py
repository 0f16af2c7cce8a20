"""The commands that say how far scores can be trusted: calibrate."""

from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.commands.arguments import Device, ManifestFolder, Quiet
from cxr_clip.study import Split
from cxr_clip.terminal import bar, say, show_calibration


def calibrate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    manifest: ManifestFolder,
    *,
    split: Annotated[Split, typer.Option(help="The part of the manifest; not test.")] = Split.VALIDATE,
    style: Annotated[str, typer.Option(help="The style of prompts.")] = "standard",
    prompts: Annotated[Path | None, typer.Option(help="A zero-shot prompt file of your own.")] = None,
    min_positives: Annotated[
        int, typer.Option(help="Leave out findings with fewer positive, or negative, studies.", min=1)
    ] = 10,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Fit probabilities, thresholds and prediction sets of a run on a validation split; writes RUN/calibration.json."""
    from cxr_clip.calibration import CALIBRATION
    from cxr_clip.evaluate.calibrate import CalibrationRequest, calibrate_run

    request = CalibrationRequest(manifest, split=split, style=style, prompts=prompts, min_positives=min_positives)
    with bar("Embedding images", quiet) as advance:
        calibration = calibrate_run(run, request, device=device, advance=advance)
    show_calibration(calibration)
    say(f"calibration: {run / CALIBRATION}")
