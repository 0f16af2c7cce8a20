"""Running statistics that remember more than the last batch.

Transformers' MobileNet V1 and V2 hand TensorFlow's decay (0.9997, 0.997) to torch, where momentum is the share of the
newest batch: after a step, evaluation would normalise with the statistics of that one batch.
"""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

MOMENTUM = 0.1  # torch's own default; ResNet trains with it


def remember_batches(backbone: nn.Module) -> None:
    """Give batch normalisation that forgets more than half at each step torch's default momentum."""
    for module in backbone.modules():
        if isinstance(module, _BatchNorm) and module.momentum is not None and module.momentum > 0.5:
            module.momentum = MOMENTUM
