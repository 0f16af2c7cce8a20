"""The benchmark of a step: both forms agree, one that does not ends it, and texts are as long as real ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support_programs import benchmark

ROOT = Path(__file__).parents[1]


def test_both_forms_of_a_step_agree_and_their_parts_are_timed(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "benchmarks" / "step.py", "--tiny", "--out", tmp_path / "step.json"]
    subprocess.run(command, check=True, capture_output=True)
    told = json.loads((tmp_path / "step.json").read_text())
    for case in told["cases"]:
        plain, ours = (case["loss_and_gradient_norm"][form] for form in ("plain", "ours"))
        assert plain == pytest.approx(ours, rel=0.05 if case["precision"] == "bf16" else 1e-4)
        for form in ("plain", "ours"):
            assert all(seconds > 0 for seconds in case[form]["processor_seconds"].values())
    lines = benchmark("tables").with_tables("<!-- table: step -->\n<!-- end of table -->\n", tmp_path).splitlines()
    assert lines[1].startswith("| images, precision | form | images | texts | loss | optimizer | step |")
    assert [line.split(" | ")[:2] for line in lines[3:7]] == [
        ["| tiny, fp32", "plain"],
        ["| tiny, fp32", "ours"],
        ["| tiny, bf16", "plain"],
        ["| tiny, bf16", "ours"],
    ]
    assert lines[8].startswith("Seconds; ")


def test_a_step_that_computes_something_else_ends_the_benchmark() -> None:
    refuse = benchmark("step").refuse_unequal
    refuse((5.0, 2.0), (5.0001, 2.0), tolerance=1e-4)
    with pytest.raises(SystemExit, match=r"norm of the gradient of the plain form is 2 and ours 2\.1"):
        refuse((5.0, 2.0), (5.0, 2.1), tolerance=1e-4)


@pytest.mark.shared
def test_the_texts_of_a_step_are_as_long_as_real_ones(shared_folder: Path) -> None:
    step = benchmark("step")
    reports, words = (
        shared_folder / "data/openi/ecgen-radiology",
        shared_folder / "data/vocab/bert-base-cased-vocab.txt",
    )
    assert step.lengths_of_reports(reports, words, studies=8) == step.LENGTHS
