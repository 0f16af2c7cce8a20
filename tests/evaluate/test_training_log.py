"""Training curves from a log as runs leave it: continued, cut, with figures that are not finite."""

import json

import numpy as np
import pytest

from cxr_clip.evaluate.training_log import POINTS, read_training_log
from cxr_clip.runlog import RunLog
from cxr_clip.train.validation import Validation


def write(path, *lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_curves_come_by_kind_in_order_of_step_and_absent_terms_are_absent(tmp_path):
    log = write(
        tmp_path / "metrics.jsonl",
        {"step": 2, "kind": "train", "loss": 3.0, "image_text": 2.0, "image_image": None, "scale": 14.0},
        {"step": 1, "kind": "train", "loss": 4.0, "image_text": 2.5, "scale": 14.3},
        {"step": 0, "kind": "start", "loss": 99.0},
    )
    curves = read_training_log(log)
    assert [line.label for line in curves.losses] == ["total", "image–text"]
    assert (curves.losses[0].x, curves.losses[0].y) == ([1, 2], [4, 3])
    assert curves.scale is not None
    assert not curves.empty
    assert not curves.validated


def test_of_a_validation_all_is_drawn_but_what_is_no_figure(tmp_path):
    found = Validation(
        loss=4.5, recall_at_1=0.1, recall_at_5=0.2, recall_at_10=0.3, median_rank=17, studies=302, texts=299, auroc=0.7
    )
    with RunLog(tmp_path, total_steps=10) as log:
        log.open_at(0)
        log.validation(10, 1.0, found.figures)
    curves = read_training_log(tmp_path / "metrics.jsonl")
    assert [(line.label, line.y) for line in curves.recalls] == [("R@1", [0.1]), ("R@5", [0.2]), ("R@10", [0.3])]
    assert [(line.label, line.y) for line in curves.validation] == [
        ("loss", [4.5]),
        ("median rank", [17]),
        ("zero-shot AUROC", [0.7]),
    ]
    assert curves.validated


def test_a_line_cut_by_a_stop_is_counted_and_a_repeated_step_is_replaced(tmp_path):
    log = write(
        tmp_path / "metrics.jsonl",
        {"step": 1, "kind": "train", "loss": 9.0},
        '{"step": 2, "kind": "tr',
        "[1]",
        {"step": 1, "kind": "train", "loss": 5.0},
    )
    curves = read_training_log(log)
    assert (curves.unreadable, curves.losses[0].y) == (2, [5.0])


def test_figures_that_are_not_finite_leave_a_gap(tmp_path):
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"step": 1, "kind": "train", "loss": NaN}\n{"step": 2, "kind": "train", "loss": 1.0}\n')
    assert read_training_log(log).losses[0].x == [2]


def test_long_curves_are_means_of_neighbours(tmp_path):
    lines = [{"step": step, "kind": "train", "loss": float(step % 2)} for step in range(10 * POINTS)]
    loss = read_training_log(write(tmp_path / "metrics.jsonl", *lines)).losses[0]
    assert len(loss.x) == POINTS
    assert loss.y == pytest.approx(np.full(POINTS, 0.5))


def test_an_empty_log_has_nothing_to_draw(tmp_path):
    assert read_training_log(write(tmp_path / "metrics.jsonl", "")).empty
    assert read_training_log(tmp_path / "absent.jsonl").empty


def test_warnings_of_the_monitor_are_kept_in_order(tmp_path):
    with RunLog(tmp_path, total_steps=10) as log:
        log.open_at(0)
        log.warning(3, 1.5, signature="collapse of the texts", says="one point", advice="look at the texts")
        log.warning(9, 4.5, signature="temperature falling", says="flat", advice="look at pairs")
    told = read_training_log(tmp_path / "metrics.jsonl").warnings
    assert [(one.epoch, one.says, one.advice) for one in told] == [
        (1.5, "one point", "look at the texts"),
        (4.5, "flat", "look at pairs"),
    ]
