"""A run's log: every step once, for programs, TensorBoard and people."""

import io
import json
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from cxr_clip.errors import MissingPackageError, TrainingError
from cxr_clip.runlog import RunLog

FIGURES = {"loss": 1.5, "image_text": 1.25, "scale": 14.0, "images_per_second": 321.0}


def lines_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def logged(folder: Path, *, start: int, stop: int, console: Console | None = None, tensorboard: bool = False) -> None:
    """Log steps `start` + 1 to `stop` of ten, and a validation at every fifth."""
    with RunLog(folder, total_steps=10, tensorboard=tensorboard, console=console) as log:
        log.open_at(start)
        for step in range(start + 1, stop + 1):
            log.training(step, step / 3, FIGURES | {"loss": float(step)})
            if step % 5 == 0:
                log.validation(step, step / 3, {"recall_at_10": 0.5, "median_rank": 3.0})


def test_an_entry_is_a_line_in_the_order_of_logging(tmp_path: Path) -> None:
    with RunLog(tmp_path, total_steps=10) as log:
        log.open_at(0)
        log.training(1, 1 / 3, FIGURES)
        log.wait()
        assert lines_of(tmp_path) == [{"step": 1, "epoch": 0.3333, "kind": "train", **FIGURES}]
        log.validation(1, 1 / 3, {"recall_at_10": 0.5})
        log.end(1, 1 / 3, {"data": 2.0})
    assert [line["kind"] for line in lines_of(tmp_path)] == ["train", "validate", "time"]


@pytest.mark.parametrize("again", range(8))
def test_a_continued_log_has_every_step_once(tmp_path: Path, again: int) -> None:
    logged(tmp_path, start=0, stop=7)
    logged(tmp_path, start=again, stop=10)
    learning = [line["step"] for line in lines_of(tmp_path) if line["kind"] == "train"]
    assert learning == list(range(1, 11))
    assert [line["step"] for line in lines_of(tmp_path) if line["kind"] == "validate"] == [5, 10]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize("rest", ['{"step": 3, "ki', "[1, 2]", '"step"', '{"kind": "train"}', "\x00\x00"])
def test_what_a_stop_left_of_a_line_goes(tmp_path: Path, rest: str) -> None:
    logged(tmp_path, start=0, stop=4)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(rest)
    logged(tmp_path, start=4, stop=5)
    assert [line["step"] for line in lines_of(tmp_path)] == [1, 2, 3, 4, 5, 5]


def test_a_terminal_shows_the_figures_live(tmp_path: Path) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=160)
    logged(tmp_path, start=2, stop=10, console=screen)
    shown = screen.file.getvalue()
    for words in ("loss 10.000", "image-text 1.250", "scale 14.0", "321 images/s", "10/10", "R@10 0.500"):
        assert words in shown


def test_a_file_gets_plain_lines_now_and_then(tmp_path: Path) -> None:
    output = Console(file=io.StringIO(), width=160)
    logged(tmp_path, start=0, stop=10, console=output)
    lines = output.file.getvalue().splitlines()
    assert lines[0].startswith("step 1/10  epoch 0.3  loss 1.000")
    assert "epoch 1.7  validation R@10 0.500  median rank 3" in lines
    assert len(lines) < 10
    assert "\x1b" not in output.file.getvalue()


def test_tensorboard_shows_a_continued_run_once(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logged(tmp_path, start=0, stop=7, tensorboard=True)
    logged(tmp_path, start=4, stop=10, tensorboard=True)
    board = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("train/loss")] == list(range(1, 11))
    assert [event.value for event in board.Scalars("train/loss")] == list(range(1, 11))
    assert [event.step for event in board.Scalars("validate/recall_at_10")] == [5, 10]


def test_without_tensorboard_the_mend_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingPackageError, match=r'pip install "cxr-clip\[tensorboard\]"'):
        RunLog(tmp_path, total_steps=10, tensorboard=True)


def test_a_log_that_cannot_be_written_is_told_with_its_mend(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "gone", total_steps=10)
    log.training(1, 0.1, FIGURES)
    with pytest.raises(TrainingError, match=r"metrics\.jsonl cannot be written .* make room there"):
        log.wait()


def test_who_logs_does_not_wait_for_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, ready = RunLog._append, threading.Event()
    monkeypatch.setattr(RunLog, "_append", lambda *entry: (ready.wait(), written(*entry)))
    with RunLog(tmp_path, total_steps=10) as log:
        log.open_at(0)
        log.training(1, 0.1, FIGURES)
        assert not (tmp_path / "metrics.jsonl").exists()
        ready.set()
    assert [line["step"] for line in lines_of(tmp_path)] == [1]


def test_a_warning_is_an_entry_and_a_line_on_the_terminal(tmp_path: Path) -> None:
    output = Console(file=io.StringIO(), width=300)
    with RunLog(tmp_path, total_steps=10, console=output) as log:
        assert log.open_at(0) == ()
        log.warning(3, 1.5, signature="collapse of the texts", says="one point", advice="look at the texts")
    assert lines_of(tmp_path)[0]["signature"] == "collapse of the texts"
    assert "epoch 1.5  warning: one point. Try: look at the texts.\n" in output.file.getvalue()
    assert [entry["kind"] for entry in RunLog(tmp_path, total_steps=10).open_at(3)] == ["warning"]


def test_a_log_that_cannot_be_written_anew_is_told(tmp_path: Path) -> None:
    with RunLog(tmp_path, total_steps=2) as log:
        log.open_at(0)
        log.training(1, 0.5, {"loss": 1.0})
    (tmp_path / "metrics.jsonl.partial").mkdir()
    with (
        RunLog(tmp_path, total_steps=2) as log,
        pytest.raises(TrainingError, match=r"metrics\.jsonl cannot be written"),
    ):
        log.open_at(1)
