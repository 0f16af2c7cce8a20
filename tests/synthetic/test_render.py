"""Pictures agree with the findings that they are drawn from: side, size, view and box."""

from dataclasses import replace

import numpy as np
import pytest

from cxr_clip.study import Certainty, View
from cxr_clip.synthetic.anatomy import with_findings
from cxr_clip.synthetic.boxes import Mark, box_of
from cxr_clip.synthetic.pathology import SYNTHETIC_FINDINGS, FindingInstance, describe
from cxr_clip.synthetic.render import render

SIDE = 96
LOCAL = tuple(name for name in SYNTHETIC_FINDINGS if name not in ("Edema", "Emphysema"))


@pytest.fixture
def shoot(patient, straight, quiet):
    def shot(*findings, view=View.PA, size=SIDE):
        return render(patient, findings, straight(view), quiet, short_side=size)

    return shot


def difference(shoot, *findings, view=View.PA):
    return shoot(*findings, view=view).picture.astype(float) - shoot(view=view).picture.astype(float)


def inside(box, shape):
    rows, columns = np.indices(shape)
    across, down = (columns + 0.5) / shape[1], (rows + 0.5) / shape[0]
    return (across > box.left) & (across < box.right) & (down > box.top) & (down < box.bottom)


@pytest.mark.parametrize("view", [View.PA, View.AP, View.LATERAL])
def test_a_healthy_chest_has_dark_lungs_and_a_bright_middle(shoot, view):
    picture = shoot(view=view).picture
    assert picture.shape == (SIDE, SIDE)
    assert picture.dtype == np.uint8
    middle = picture[SIDE // 2]
    if view.is_frontal:
        assert middle[SIDE // 4] < middle[SIDE // 2] - 40
        assert middle[3 * SIDE // 4] < middle[SIDE // 2] - 40
    assert picture[0, 0] < 60


def of_each_kind(name):
    """One instance of every form of a finding, for each of three seeds."""
    drawn = [describe(name, np.random.default_rng([seed, k])) for seed in range(3) for k in range(40)]
    return {(f.kind, k // 40): f for k, f in enumerate(drawn)}.values()


def named(f):
    return f"{f.name}-{f.kind}-{f.seed}"


@pytest.mark.parametrize("f", [f for name in LOCAL for f in of_each_kind(name)], ids=named)
@pytest.mark.parametrize("view", [View.PA, View.LATERAL])
def test_a_localised_finding_changes_the_picture_most_within_its_boxes(shoot, f, view):
    boxes = shoot(f, view=view).boxes
    change = np.abs(difference(shoot, f, view=view))
    if f.kind == "clavicle" and view is View.LATERAL:  # the collar bones are not drawn from the side
        assert boxes == ()
        assert change.max() == 0
        return
    assert boxes
    assert {b.finding for b in boxes} == {f.name}
    covered = np.any([inside(b, change.shape) for b in boxes], axis=0)
    assert change[covered].mean() > 2 * change[~covered].mean()


@pytest.mark.parametrize("name", SYNTHETIC_FINDINGS)
def test_every_finding_shows_in_the_frontal_view(shoot, name):
    f = describe(name, np.random.default_rng(5))
    assert np.abs(difference(shoot, f)).max() > 12


@pytest.mark.parametrize("name", ["Pleural Effusion", "Consolidation", "Nodule", "Mass"])
def test_the_left_of_the_patient_is_the_right_of_the_picture(shoot, name):
    for side, half in (("left", np.s_[:, SIDE // 2 :]), ("right", np.s_[:, : SIDE // 2])):
        f = FindingInstance(name, seed=4, side=side, location="lower lobe", severity="moderate", kind="single")
        brighter = np.maximum(difference(shoot, f), 0)
        assert brighter[half].sum() > 0.8 * brighter.sum()


@pytest.mark.parametrize(
    ("name", "order", "sign"),
    [
        ("Pleural Effusion", ("small", "moderate", "large"), 1),
        ("Pneumothorax", ("small", "moderate", "large"), 0),
        ("Edema", ("mild", "moderate", "severe"), 1),
        ("Cardiomegaly", ("mild", "moderate", "severe"), 1),
    ],
)
def test_a_graver_finding_changes_more(shoot, name, order, sign):
    amounts = []
    for severity in order:
        f = FindingInstance(name, seed=4, side="left" if name.startswith("P") else "bilateral", severity=severity)
        change = difference(shoot, f)
        amounts.append((np.maximum(change, 0) if sign else np.abs(change)).sum())
    assert amounts == sorted(amounts)


def test_a_large_heart_is_wide_on_its_box(patient, shoot):
    f = FindingInstance("Cardiomegaly", seed=1, severity="severe")
    (box,) = shoot(f, size=192).boxes
    body = with_findings(patient.body, (f,))
    assert (box.right - box.left) * 38 == pytest.approx(2 * body.chest * body.heart_ratio, rel=0.12)


def test_emphysema_darkens_and_lengthens_the_lungs(patient, shoot):
    f = FindingInstance("Emphysema", seed=1, side="bilateral", severity="severe")
    assert with_findings(patient.body, (f,)).dome_right > patient.body.dome_right + 2
    assert difference(shoot, f)[SIDE // 2 - 5 : SIDE // 2 + 5].mean() < -3


def test_a_suspicion_is_faint_and_without_a_box(shoot):
    sure = FindingInstance("Pleural Effusion", seed=2, side="left", severity="small")
    doubt = replace(sure, certainty=Certainty.UNCERTAIN)
    assert shoot(doubt).boxes == ()
    assert 0 < np.abs(difference(shoot, doubt)).sum() < 0.6 * np.abs(difference(shoot, sure)).sum()


def test_same_arguments_give_the_same_picture(shoot):
    f = describe("Edema", np.random.default_rng(0))
    np.testing.assert_array_equal(shoot(f).picture, shoot(f).picture)


def test_a_mark_outside_the_picture_has_no_box():
    straight = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    assert box_of(Mark("Fracture", points=np.array([[-9.0, -9.0], [-4.0, -4.0]])), straight, (50, 50), 0) is None
    assert box_of(Mark("Nodule", grid=np.zeros((50, 50), np.float32)), straight, (50, 50), 0) is None


def test_boxes_follow_the_turn_of_the_picture(patient, straight, quiet):
    f = FindingInstance("Mass", seed=4, side="left", location="lower lobe", severity="large")
    pose = replace(straight(View.PA), roll=4.0)
    shots = [render(patient, found, pose, quiet, short_side=SIDE) for found in ((f,), ())]
    change = np.abs(shots[0].picture.astype(float) - shots[1].picture.astype(float))
    covered = inside(shots[0].boxes[0], change.shape)
    assert change[covered].mean() > 5 * change[~covered].mean()
