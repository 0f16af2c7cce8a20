"""Running statistics of batch normalisation."""

import torch
from torch import nn

from cxr_clip.model.batch_norm import remember_batches
from cxr_clip.model.image_encoder import image_encoder_from_architecture


def test_mobilenet_statistics_are_not_those_of_the_last_batch_alone() -> None:
    torch.manual_seed(0)
    encoder = image_encoder_from_architecture({"model_type": "mobilenet_v2", "depth_multiplier": 0.35}, pooling="mean")
    norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert {norm.momentum for norm in norms} == {0.1}


def test_a_sane_momentum_is_left_alone() -> None:
    model = nn.Sequential(nn.BatchNorm2d(2, momentum=0.03), nn.BatchNorm2d(2, momentum=None))
    remember_batches(model)
    assert [norm.momentum for norm in model] == [0.03, None]
