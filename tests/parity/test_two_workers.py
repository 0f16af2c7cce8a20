"""Two workers: their mean loss and their gradients are those that two processes of the published code recorded.

There each worker's loss is that of its own rows against the rows of all; here each has the loss of all rows. Both have
the same mean, and the same gradients once the workers' are averaged.
"""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews
from support_gather import NAMES
from support_programs import run_program

pytestmark = pytest.mark.shared
READS = {"loss_ddp2.npz": ("*",), "loss_ddp2.json": ("cases", "report")}
INPUTS = ("image_embeddings", "image_view_embeddings", "text_embeddings", "text_embeddings2")
PRECISIONS = ((torch.float64, "f64", 1e-12), (torch.float32, "f32", 1e-5))
CASES = ("d16", "d8_ls")


@pytest.fixture(scope="module")
def recorded(golden):
    return golden.arrays("loss_ddp2.npz")


@pytest.fixture(scope="module")
def cases(golden):
    return {case["name"]: case for case in golden.facts("loss_ddp2.json")["cases"]}


def test_every_recorded_case_is_listed(cases, recorded):
    assert cases.keys() == set(CASES)
    assert recorded["world"] == 2


@pytest.mark.parametrize(("dtype", "suffix", "tolerance"), PRECISIONS, ids=("double", "single"))
@pytest.mark.parametrize("name", CASES)
def test_two_workers_have_the_recorded_loss_and_gradients(cases, recorded, tmp_path, name, dtype, suffix, tolerance):
    case, golden = cases[name], {key.removeprefix(f"{name}/"): value for key, value in recorded.items()}
    settings = {
        "weights": [1.0, case["i2i_weight"], case["t2t_weight"]],
        "label_smoothing": case["label_smoothing"],
        "scale": [case["logit_scale"]],
    }
    batch = {ours: torch.from_numpy(golden[theirs]).to(dtype) for ours, theirs in zip(NAMES, INPUTS, strict=True)}
    save_file(
        batch | {key: torch.tensor(value, dtype=dtype) for key, value in settings.items()},
        tmp_path / "batch.safetensors",
    )
    run_program("support_gather.py", tmp_path, 2)
    found = [load_file(tmp_path / f"worker{rank}") for rank in range(2)]

    def recorded_of_ranks(key):
        return [golden[f"rank{rank}_{key}_{suffix}"] for rank in range(2)]

    for worker in found:
        for ours, key in (("loss", "loss"), ("scale", "grad_logit_scale")):
            assert float(worker[ours]) == pytest.approx(float(golden[f"single_{key}_{suffix}"]), abs=tolerance)
            assert float(worker[ours]) == pytest.approx(np.mean(recorded_of_ranks(key)), abs=tolerance)
    for ours, theirs in zip(NAMES, INPUTS, strict=True):
        key = f"grad_{theirs}"
        for worker, gradient in zip(found, recorded_of_ranks(key), strict=True):
            np.testing.assert_allclose(worker[ours].numpy(), gradient, rtol=0, atol=tolerance)
        whole = golden[f"single_{key}_{suffix}"]
        np.testing.assert_allclose(torch.cat([one[ours] for one in found]), 2 * whole, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_the_recorded_loss_of_a_rank_is_that_of_its_rows(golden, cases, recorded, name):
    # What the mean over the ranks is made of, from the definition: the cross-entropies of one rank's rows.
    case = cases[name]
    views = [torch.from_numpy(recorded[f"{name}/{key}"]).double() for key in INPUTS]
    smoothing, half = case["label_smoothing"], case["N"] // 2

    def loss_of_rows(x, y, rank, smoothing):
        rows = slice(rank * half, (rank + 1) * half)
        right = torch.arange(case["N"])[rows]
        scale = case["logit_scale"]
        return (
            sum(
                torch.nn.functional.cross_entropy(scale * one[rows] @ other.T, right, label_smoothing=smoothing)
                for one, other in ((x, y), (y, x))
            )
            / 2
        )

    for rank in range(2):
        pairs = [loss_of_rows(image, text, rank, smoothing) for image in views[:2] for text in views[2:]]
        total = sum(pairs) / 4
        total = total + case["i2i_weight"] * loss_of_rows(*views[:2], rank, 0.0)
        total = total + case["t2t_weight"] * loss_of_rows(*views[2:], rank, 0.0)
        assert float(total) == pytest.approx(float(recorded[f"{name}/rank{rank}_loss_f64"]), abs=1e-12)
        reported = golden.facts("loss_ddp2.json")["report"][f"{name}/f64"]["rank_losses"][rank]
        assert reported == pytest.approx(float(total), abs=1e-12)
    single = weighted_sum(
        study_contrast(
            EmbeddedViews(images=tuple(views[:2]), texts=tuple(views[2:])),
            torch.tensor([case["logit_scale"]], dtype=torch.float64),
            label_smoothing=smoothing,
        ),
        LossWeights(image_image=case["i2i_weight"], text_text=case["t2t_weight"]),
    )
    assert float(single) == pytest.approx(float(recorded[f"{name}/single_loss_f64"]), abs=1e-12)
