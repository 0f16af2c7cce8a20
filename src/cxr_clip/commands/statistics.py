"""The commands that say how far scores can be trusted: calibrate, compare."""

from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.commands.arguments import Device, ManifestFolder, OwnRun, PromptFile, Quiet, Resamples
from cxr_clip.study import Split
from cxr_clip.terminal import bar, say, show_calibration, show_comparison


def calibrate(
    run: OwnRun,
    manifest: ManifestFolder,
    *,
    split: Annotated[Split, typer.Option(help="The split to fit on; not test.")] = Split.VALIDATE,
    style: Annotated[str, typer.Option(help="The style of prompts.")] = "standard",
    prompts: PromptFile = None,
    min_positives: Annotated[
        int, typer.Option(help="Leave out findings with fewer positive, or negative, studies.", min=1)
    ] = 10,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Fit probabilities, thresholds and prediction sets of a run on a validation split; writes RUN/calibration.json.

    Example: cxr-clip calibrate runs/openi data/openi
    """
    from cxr_clip.calibration import CALIBRATION
    from cxr_clip.evaluate.calibrate import CalibrationRequest, calibrate_run

    request = CalibrationRequest(manifest, split=split, style=style, prompts=prompts, min_positives=min_positives)
    with bar("Embedding images", quiet) as advance:
        calibration = calibrate_run(run, request, device=device, advance=advance)
    show_calibration(calibration)
    say(f"calibration: {run / CALIBRATION}")


def compare(
    first: Annotated[Path, typer.Argument(help="A run or evaluation folder that holds scores.parquet.")],
    second: Annotated[Path, typer.Argument(help="Another, evaluated on the same studies.")],
    *,
    correction: Annotated[
        str, typer.Option(help="How p values of several findings are corrected: holm or benjamini-hochberg.")
    ] = "holm",
    resamples: Resamples = 2000,
    out: Annotated[Path | None, typer.Option(help="The folder for both files.", show_default="SECOND")] = None,
) -> None:
    """Tell whether the second of two evaluations is better than the first; writes compare.json and compare.html.

    Example: cxr-clip compare runs/plain runs/method
    """
    from cxr_clip.evaluate.compare import ComparisonOptions, compare_scores
    from cxr_clip.evaluate.compare_page import write_comparison
    from cxr_clip.evaluate.query_ranks import read_ranks
    from cxr_clip.evaluate.scores import read_scores

    options = ComparisonOptions(resamples=resamples, correction=correction)
    ranks = (read_ranks(first), read_ranks(second))
    comparison = compare_scores(read_scores(first), read_scores(second), options, ranks=ranks)
    names = (str(first), str(second))
    show_comparison(comparison, names)
    say(f"comparison: {write_comparison(out or second, comparison, names)}")
