"""The two files of an experiment: JSON for programs and a self-contained page for people."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from cxr_clip.experiments.comparison import Compared
from cxr_clip.experiments.first_three import Verdict
from cxr_clip.experiments.learning_curve import Curve
from cxr_clip.experiments.page import experiment_html
from cxr_clip.experiments.words import protocol
from cxr_clip.whole_files import write_whole


def write_experiment(
    out: Path,
    name: str,
    compared: Compared,
    *,
    title: str,
    verdicts: Sequence[Verdict] = (),
    curves: Sequence[Curve] = (),
) -> Path:
    """Write `name`.json and `name`.html into `out` and return the path of the page."""
    content = {
        **asdict(compared),
        "verdicts": [asdict(one) for one in verdicts],
        "curves": [
            {"line": one.line, "axis": one.axis, "points": {arm.name: amount for amount, arm in one.points}}
            for one in curves
        ],
        "protocol": protocol(compared),
    }
    write_whole(out / f"{name}.json", json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return write_whole(out / f"{name}.html", experiment_html(title, compared, verdicts=verdicts, curves=curves))
