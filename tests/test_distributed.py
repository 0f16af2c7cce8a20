"""Several workers learn as one with the whole batch would."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from cxr_clip.distributed import SINGLE, Workers, gather, joined_workers, refuse_crowded_gpu
from cxr_clip.errors import TrainingError
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews
from support_gather import NAMES
from support_programs import run_program


def test_a_single_worker_gets_its_own_back() -> None:
    values = torch.randn(3, 2, requires_grad=True)
    assert gather(values, SINGLE) is values


@given(st.integers(0, 50), st.integers(1, 9))
def test_shares_follow_each_other_and_differ_by_a_row_at_most(rows: int, count: int) -> None:
    shares = [list(range(rows))[Workers(rank, count).share(rows)] for rank in range(count)]
    assert [row for share in shares for row in share] == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("count", "rows"), [(2, 6), (3, 7)])
def test_workers_have_the_loss_and_the_gradients_of_one(count: int, rows: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    batch = {name: normalize(torch.randn(rows, 5, dtype=torch.float64), dim=1) for name in NAMES}
    settings = {"weights": [1.0, 1.0, 0.5], "label_smoothing": 0.0, "scale": [9.0]}
    save_file(
        batch | {name: torch.tensor(value, dtype=torch.float64) for name, value in settings.items()},
        tmp_path / "batch.safetensors",
    )
    run_program("support_gather.py", tmp_path, count)

    whole = {name: value.clone().requires_grad_() for name, value in batch.items()}
    scale = torch.tensor([9.0], dtype=torch.float64, requires_grad=True)
    image, other_image, text, other_text = (whole[name] for name in NAMES)
    views = EmbeddedViews(images=(image, other_image), texts=(text, other_text))
    loss = weighted_sum(study_contrast(views, scale), LossWeights())
    loss.backward()
    found = [load_file(tmp_path / f"worker{rank}") for rank in range(count)]
    for worker in found:
        assert torch.allclose(worker["loss"], loss.detach(), atol=1e-12)
        assert torch.allclose(worker["scale"], scale.grad, atol=1e-12)
    for name in NAMES:
        # Every worker's loss is that of the whole batch, so their sum flows back: the mean over workers undoes it.
        gathered = torch.cat([worker[name] for worker in found])
        assert torch.allclose(gathered, count * whole[name].grad, atol=1e-12)


@pytest.mark.parametrize("name", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"])
def test_processes_that_know_nothing_of_each_other_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ("RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.setenv(known, "0")
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.delenv("MASTER_PORT", raising=False)
    monkeypatch.setenv(name, "8")
    with pytest.raises(TrainingError, match=f"{name}=8 says .* started several times .* torchrun"), joined_workers():
        pass
    monkeypatch.setenv(name, "1")
    with joined_workers() as workers:
        assert workers == SINGLE


def test_no_thread_outlives_workers_that_leave() -> None:
    run_program("support_leaving.py")


def test_a_step_in_pieces_has_the_gradients_of_the_whole() -> None:
    run_program("support_pieces.py")


@pytest.mark.parametrize(
    ("device", "count", "rank", "told"),
    [
        ("cuda:0", 2, 0, "puts every worker on one GPU: with several workers set train.device=auto"),
        ("cuda", 4, 2, r"number 3 of a machine with 2 GPUs: start at most 2 there \(torchrun --nproc-per-node=2\)"),
        ("cuda", 2, 1, None),
        ("cuda:0", 1, 0, None),
        ("cpu", 4, 3, None),
    ],
)
def test_workers_do_not_share_a_gpu(
    device: str, count: int, rank: int, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    with pytest.raises(TrainingError, match=told) if told else nullcontext():
        refuse_crowded_gpu(device, Workers(rank, count))


def test_without_a_launcher_there_is_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    with joined_workers() as workers:
        assert workers is SINGLE
