"""The learning rate is that of the published code at every step."""

import pytest

from cxr_clip.train.optim import warmup_cosine

pytestmark = pytest.mark.shared
READS = {"lr_schedule.json": ("*",)}
CASES = ("e15w1_b10", "float_warm0.1", "nowarm", "short")


def test_every_recorded_schedule_is_listed(golden):
    assert golden.facts("lr_schedule.json").keys() == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_every_step_has_the_recorded_rate(golden, name):
    recorded = golden.facts("lr_schedule.json")[name]
    rates, asked = recorded["lr_used_at_step_k"], recorded["config"]
    total = len(rates)
    warmup = (
        asked["warmup_steps"] if "total_epochs" not in asked else asked["warmup_epochs"] * total / asked["total_epochs"]
    )
    for step, rate in enumerate(rates):
        ours = recorded["base_lr"] * warmup_cosine(step, warmup_steps=round(warmup), total_steps=total)
        assert ours == pytest.approx(rate, rel=1e-9, abs=1e-20)
