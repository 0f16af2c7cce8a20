"""A calibration record: read back as written, refused beside other weights, and its arithmetic by hand."""

import json
import math
from dataclasses import replace

import pytest

from cxr_clip.calibration import (
    CALIBRATION,
    Answer,
    Calibration,
    hash_weights,
    read_calibration,
    write_calibration,
)
from cxr_clip.checkpoint import WEIGHTS
from cxr_clip.errors import CheckpointError
from cxr_clip.study import Split
from support_calibration import EDEMA


@pytest.fixture
def folder(tmp_path):
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    return tmp_path


@pytest.fixture
def calibration(folder):
    return Calibration(weights=hash_weights(folder), manifest="openi", split=Split.VALIDATE, findings={"Edema": EDEMA})


def test_a_calibration_comes_back_as_it_was_written(folder, calibration):
    assert read_calibration(folder) is None
    assert write_calibration(folder, calibration) == folder / CALIBRATION
    assert read_calibration(folder) == calibration
    assert sorted(path.name for path in folder.iterdir()) == [CALIBRATION, WEIGHTS]


def test_the_probability_is_the_logistic_of_the_line_with_the_interval_of_the_delta_method(calibration):
    score = 0.1
    value, low, high = calibration.probability("Edema", score)
    deviation = math.sqrt(score**2 * 4.0 - 2 * score * 0.1 + 0.04)
    log_odds = [math.log(p / (1 - p)) for p in (low, value, high)]
    assert log_odds == pytest.approx([1 - 1.959964 * deviation, 1.0, 1 + 1.959964 * deviation])


def test_extreme_scores_have_probabilities(calibration):
    assert calibration.probability("Edema", 1e6).value == 1.0
    assert calibration.probability("Edema", -1e6).value == 0.0


def test_a_calibration_beside_other_weights_is_refused(folder, calibration):
    write_calibration(folder, calibration)
    (folder / WEIGHTS).write_bytes(b"other weights")
    with pytest.raises(CheckpointError, match=r"fitted for other weights .* `cxr-clip calibrate` again"):
        read_calibration(folder)


@pytest.mark.parametrize("change", [{"findings": 3}, {"weights": None}])
def test_what_is_no_calibration_is_told(folder, calibration, change):
    path = write_calibration(folder, calibration)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError, match="is no calibration"):
        read_calibration(folder)
    path.write_text("{")
    with pytest.raises(CheckpointError, match="is no calibration"):
        read_calibration(folder)


def test_a_run_without_weights_has_no_hash(tmp_path):
    with pytest.raises(CheckpointError, match="a calibration belongs to its weights"):
        hash_weights(tmp_path)


def test_a_finding_that_was_not_calibrated_is_told(calibration):
    with pytest.raises(CheckpointError, match="Hernia is not calibrated: Edema is"):
        calibration.probability("Hernia", 0.1)


@pytest.mark.parametrize(
    ("score", "answer"),
    [(-0.02, Answer.NEGATIVE), (0.0, Answer.UNDECIDED), (0.06, Answer.UNDECIDED), (0.07, "positive")],
)
def test_a_prediction_set_holds_what_its_bounds_allow(score, answer):
    assert EDEMA.prediction.answer(score) is Answer(answer)


def test_bounds_that_cross_leave_neither_and_absent_ones_exclude_nothing():
    crossed = replace(EDEMA.prediction, positive_from=0.5, negative_to=0.1)
    assert crossed.answer(0.3) is Answer.UNLIKE_EITHER
    assert replace(crossed, positive_from=None).answer(0.3) is Answer.POSITIVE
    assert replace(crossed, positive_from=None, negative_to=None).answer(0.3) is Answer.UNDECIDED
