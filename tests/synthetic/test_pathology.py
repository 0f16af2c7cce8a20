"""Findings come in sensible numbers, places and company."""

from collections import Counter

import numpy as np
import pytest

from cxr_clip.data.findings import FINDINGS
from cxr_clip.synthetic.pathology import SYNTHETIC_FINDINGS, FindingInstance, describe, draw_findings, followed_up


@pytest.fixture(scope="module")
def patients():
    return [draw_findings(np.random.default_rng([0, k])) for k in range(3000)]


def test_names_are_canonical():
    assert set(SYNTHETIC_FINDINGS) <= set(FINDINGS)
    assert len(SYNTHETIC_FINDINGS) >= 10


def test_two_in_five_are_normal_and_each_finding_is_common_enough_to_learn(patients):
    normal = np.mean([not any(f.is_sure for f in findings) for findings in patients])
    assert 0.33 < normal < 0.46
    counts = Counter(f.name for findings in patients for f in findings if f.is_sure)
    for name in SYNTHETIC_FINDINGS:
        assert 0.05 < counts[name] / len(patients) < 0.2, name


def test_edema_brings_large_hearts_and_effusions(patients):
    names = [{f.name for f in findings} for findings in patients]
    edema = [n for n in names if "Edema" in n]
    rest = [n for n in names if "Edema" not in n]
    for other in ("Cardiomegaly", "Pleural Effusion"):
        assert np.mean([other in n for n in edema]) > 3 * np.mean([other in n for n in rest])


def test_no_finding_is_there_twice(patients):
    for findings in patients:
        names = [f.name for f in findings]
        assert len(names) == len(set(names))


def test_some_findings_are_only_suspected(patients):
    doubts = [f for findings in patients for f in findings if not f.is_sure]
    assert 0.03 < len(doubts) / len(patients) < 0.12
    assert all(f.side in ("left", "right") for f in doubts)
    assert {f.kind for f in doubts if f.name == "Nodule"} == {"single"}
    for f in doubts:
        assert (f.location is None) == (f.name == "Pleural Effusion")
        assert f.side == {"lingula": "left", "middle lobe": "right"}.get(f.location, f.side)


def test_the_lingula_is_on_the_left_and_the_middle_lobe_on_the_right():
    for k in range(300):
        f = describe("Mass", np.random.default_rng(k))
        assert f.side == {"lingula": "left", "middle lobe": "right"}.get(f.location, f.side)


def test_lasting_findings_persist_between_visits():
    heart = FindingInstance("Cardiomegaly", seed=1, severity="mild")
    kept = [heart in followed_up((heart,), np.random.default_rng(k)) for k in range(200)]
    assert np.mean(kept) > 0.85
