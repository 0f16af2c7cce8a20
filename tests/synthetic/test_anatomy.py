"""Bodies are shaped by their findings, whatever order these come in."""

from itertools import permutations

import numpy as np
import pytest

from cxr_clip.synthetic.anatomy import draw_body, with_findings
from cxr_clip.synthetic.pathology import FindingInstance

ENLARGED = {"mild": (0.535, 0.57), "moderate": (0.58, 0.63), "severe": (0.65, 0.73)}
SEVERITIES = tuple(ENLARGED)


def shaping(heart: str, lungs: str, base: str) -> tuple[FindingInstance, ...]:
    """One of each finding that changes organs, and one that does not."""
    return (
        FindingInstance("Cardiomegaly", seed=1, severity=heart),
        FindingInstance("Emphysema", seed=2, side="bilateral", severity=lungs),
        FindingInstance("Atelectasis", seed=3, side="bilateral", location="base", severity=base, kind="linear"),
        FindingInstance("Mass", seed=4, side="left", location="upper lobe", severity="large"),
    )


@pytest.mark.parametrize("heart", SEVERITIES)
@pytest.mark.parametrize("lungs", SEVERITIES)
def test_the_order_of_findings_does_not_matter_and_a_large_heart_is_large(heart, lungs):
    for seed in range(5):
        body = draw_body(np.random.default_rng(seed))
        bodies = {with_findings(body, order) for order in permutations(shaping(heart, lungs, "moderate"))}
        (shaped,) = bodies
        low, high = ENLARGED[heart]
        assert low <= shaped.heart_ratio <= high
        assert shaped.lung_density < body.lung_density


def test_what_shapes_no_organ_leaves_the_body_as_it_is():
    body = draw_body(np.random.default_rng(0))
    assert with_findings(body, shaping("mild", "mild", "mild")[3:]) == body
