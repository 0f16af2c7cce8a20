import numpy as np
import pytest

from cxr_clip.study import View
from cxr_clip.synthetic.acquisition import Exposure, Pose
from cxr_clip.synthetic.anatomy import draw_body
from cxr_clip.synthetic.render import Patient


@pytest.fixture
def patient() -> Patient:
    """A patient without breast shadows, so that brightness compares plainly."""
    for seed in range(20):
        body = draw_body(np.random.default_rng(seed))
        if body.sex == "M":
            return Patient(body, seed)
    raise AssertionError("every second body is male")


@pytest.fixture
def straight():
    """A pose without any turn, by view."""

    def pose(view: View) -> Pose:
        return Pose(view, yaw=0, pitch=0, roll=0, field=38, aspect=1.0, shift_u=0, shift_y=0)

    return pose


@pytest.fixture
def quiet() -> Exposure:
    """An exposure without noise, borders or marker."""
    return Exposure(
        contrast=1, brightness=0, noise=0, local=0.2, sharpen=0.2, border=(0, 0, 0, 0),
        marker="", marker_place=(0.05, 0.05), marker_style=0, seed=0,
    )  # fmt: skip
