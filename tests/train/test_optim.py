"""The learning rate rises and falls as asked, in every group by its factor."""

import math

import pytest
import torch
from torch import nn

from cxr_clip.model.freezing import ParameterGroup
from cxr_clip.train.optim import adamw, set_learning_rate, warmup_cosine


def test_the_rate_rises_from_nothing_and_falls_to_nothing() -> None:
    rates = [warmup_cosine(step, warmup_steps=10, total_steps=50) for step in range(51)]
    assert rates[0] == 0
    assert rates[10] == 1
    assert rates[:11] == pytest.approx([step / 10 for step in range(11)])
    assert rates[30] == pytest.approx(0.5)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[50] == pytest.approx(0, abs=1e-12)


def test_without_warmup_the_first_step_has_the_whole_rate() -> None:
    assert warmup_cosine(0, warmup_steps=0, total_steps=4) == 1
    assert warmup_cosine(2, warmup_steps=0, total_steps=4) == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))


def test_the_rate_is_defined_at_the_end_of_a_run_that_only_warms_up() -> None:
    assert warmup_cosine(5, warmup_steps=5, total_steps=5) == 1


def test_every_group_has_its_factor_and_decay() -> None:
    slow, fast = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    groups = [
        ParameterGroup(name="slow", params=[slow], weight_decay=0.5, factor=0.1),
        ParameterGroup(name="fast", params=[fast], weight_decay=0.0, factor=1.0),
    ]
    optimizer = adamw(groups, learning_rate=1.0)
    set_learning_rate(optimizer, 0.02)
    (slow.sum() + fast.sum()).backward()
    optimizer.step()
    # The first step of Adam moves by the rate; decay multiplies with 1 - rate * decay before.
    assert torch.allclose(fast.detach(), torch.full((3,), 1 - 0.02))
    assert torch.allclose(slow.detach(), torch.full((3,), (1 - 0.002 * 0.5) - 0.002))
    assert "lr" not in groups[0]
