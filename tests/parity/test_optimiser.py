"""What the published checkpoints say of their optimiser."""

import pytest

from support_golden_models import checkpoint

pytestmark = pytest.mark.shared
READS = {
    "model_swin_trainer/model-best.tar": (),
    "model_resnet_recipe/model-best.skeleton.tar": (),
    "model_swin_trainer/eval_mode_grads.json": ("*",),
    "model_resnet_recipe/eval_mode_grads.json": ("*",),
}
FILES = (
    ("model_swin_trainer", "model-best.tar"),
    ("model_resnet_recipe", "model-best.skeleton.tar"),
)


@pytest.mark.parametrize(("folder", "file"), FILES)
def test_all_parameters_are_in_one_group_with_weight_decay(golden, folder, file):
    (group,) = checkpoint(golden.path(f"{folder}/{file}"))["optimizer"]["param_groups"]
    assert len(group["params"]) == len(golden.facts(f"{folder}/eval_mode_grads.json"))
    assert (group["initial_lr"], group["weight_decay"]) == (5e-5, 1e-4)
    assert (group["betas"], group["eps"]) == ((0.9, 0.999), 1e-8)
