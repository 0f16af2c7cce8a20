"""Who a worker is, which rows of a batch are its own, and which GPU."""

import os
from dataclasses import dataclass

import torch

from cxr_clip.errors import TrainingError

# How many processes were started, as torchrun, Slurm's srun (in its steps alone, not in a batch script) and Open MPI
# tell them.
_COUNTS = ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")


@dataclass(frozen=True)
class Workers:
    """Which worker we are, from 0, among `count`."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the worker that writes files, keeps the log and speaks."""
        return self.rank == 0

    def share(self, rows: int) -> slice:
        """Which of so many rows are this worker's: parts follow each other by rank, the first ones a row longer."""
        each, more = divmod(rows, self.count)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))


SINGLE = Workers()


def started_workers() -> Workers:
    """What the launcher's environment says (RANK and WORLD_SIZE); a single worker where there is no launcher.

    Raises TrainingError where one started several processes and told them nothing of each other.
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        _refuse_strangers()
        return SINGLE
    return Workers(rank=int(os.environ["RANK"]), count=int(os.environ["WORLD_SIZE"]))


def _refuse_strangers() -> None:
    """Each would take itself for the only one, and all would write the same files."""
    for name in _COUNTS:
        if int(os.environ.get(name) or 1) > 1:
            raise TrainingError(
                f"{name}={os.environ[name]} says that this command was started several times at once, but not how its "
                "processes find each other: start it by torchrun (docs/train.md, with srun once on each machine), or "
                "set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT"
            )


def local_rank() -> int:
    """Which worker of its machine this one is."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def refuse_crowded_gpu(device: str, workers: Workers) -> None:
    """Raise TrainingError where several workers of a machine would share a GPU, which NCCL does not allow."""
    if workers.count == 1 or not device.startswith("cuda"):
        return
    if device != "cuda":
        raise TrainingError(
            f"train.device={device} puts every worker on one GPU: with several workers set train.device=auto, which "
            "gives each its own"
        )
    here = torch.cuda.device_count()
    if local_rank() >= here:
        raise TrainingError(
            f"worker {workers.rank} is number {local_rank() + 1} of a machine with {here} GPUs: start at most {here} "
            f"there (torchrun --nproc-per-node={here}), or train without GPUs (train.device=cpu)"
        )
