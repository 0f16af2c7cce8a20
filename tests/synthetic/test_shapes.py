"""Path lengths through piles of superellipses against closed forms and a ray marched step by step."""

from dataclasses import replace

import numpy as np
import pytest

from cxr_clip.study import View
from cxr_clip.synthetic.shapes import Frame, across, ellipsoid, overlap, pile, smooth, span


def frame(view: View, *, pixels: int = 80, size: float = 20.0) -> Frame:
    at = (np.arange(pixels, dtype=np.float32) - (pixels - 1) / 2) * np.float32(size / pixels)
    return Frame(view=view, u=at[None, :], y=at[:, None], pixels_per_cm=pixels / size)


@pytest.mark.parametrize("view", [View.PA, View.LATERAL])
def test_path_through_a_ball_is_its_chord(view):
    rays = frame(view)
    length = span(ellipsoid((0, 0, 0), (5, 5, 5)), rays).length
    chord = 2 * np.sqrt(np.maximum(25 - rays.u**2 - rays.y**2, 0))
    inside = rays.u**2 + rays.y**2 < 22
    np.testing.assert_allclose(length[inside], chord[inside], rtol=0.03)
    assert length[~(rays.u**2 + rays.y**2 < 27)].max() == 0


def test_front_and_side_cast_shadows_of_one_volume():
    solid = pile([(-6, -3, 1, -2, 4), (0, -5, 2, -1, 6), (6, -2, 3, -3, 2)], top_cap=2, bottom_cap=1)
    volumes = [span(solid, frame(view, pixels=200)).length.sum() * (20 / 200) ** 2 for view in (View.PA, View.LATERAL)]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.01)


def test_overlap_of_two_balls_equals_marching_along_the_ray():
    rays = frame(View.PA)
    first, second = ellipsoid((0, 0, 0), (5, 5, 5)), ellipsoid((1, 1, 3), (3, 4, 5))
    depth = np.arange(-10, 10, 0.02)
    x, y = rays.u[..., None], rays.y[..., None]
    in_first = x**2 + y**2 + depth**2 < 25
    in_second = ((x - 1) / 3) ** 2 + ((y - 1) / 4) ** 2 + ((depth - 3) / 5) ** 2 < 1
    marched = (in_first & in_second).sum(axis=-1) * 0.02
    shared = overlap(span(first, rays), span(second, rays))
    assert np.abs(shared - marched).max() < 0.35
    assert shared.sum() == pytest.approx(marched.sum(), rel=0.02)


def test_a_solid_outside_the_frame_casts_no_shadow():
    assert span(ellipsoid((50, 0, 0), (3, 3, 3)), frame(View.PA)).length.max() == 0
    assert span(ellipsoid((0, 50, 0), (3, 3, 3)), frame(View.PA)).length.max() == 0


def test_boxy_sections_are_flat_inside():
    table = [(-8, -4, 4, -4, 4), (8, -4, 4, -4, 4)]
    round_, boxy = (span(pile(table, boxy=b), frame(View.PA)).length[40] for b in (False, True))
    assert (boxy >= round_ - 1e-5).all()
    assert boxy[48] == pytest.approx(8 * np.sqrt(1 - (frame(View.PA).u[0, 48] / 4) ** 4), rel=1e-4)


def test_a_turned_body_moves_what_lies_behind():
    turned = replace(frame(View.PA), yaw=0.2)
    behind = span(ellipsoid((0, 0, 5), (1, 1, 1)), turned).length
    assert turned.u[0, behind.sum(axis=0).argmax()] == pytest.approx(1.0, abs=0.3)
    assert turned.project(np.array([0.0, 0.0, 5.0]))[0] == pytest.approx((1.0 - turned.u[0, 0]) * 4)


def test_across_is_one_at_the_outline():
    rays = frame(View.PA)
    ball = ellipsoid((2, 0, 0), (4, 6, 3))
    edge = np.abs(across(ball, rays)[40] - 1).argmin()
    assert rays.u[0, edge] == pytest.approx(6.0, abs=0.3)


def test_smooth_curves_pass_through_their_knots():
    knots, values = [0.0, 1.0, 4.0], np.array([[1.0, 2.0, -3.0], [0.0, 5.0, 5.0]])
    np.testing.assert_allclose(smooth(knots, values, knots), values)
    np.testing.assert_allclose(smooth(knots, values[0], [-5, 9]), [1.0, -3.0])
