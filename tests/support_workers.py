"""Two workers, each with half of a batch, as a program: every worker is a process of its own.

    python support_workers.py FOLDER

FOLDER/batch.safetensors holds the embeddings of the whole batch and the scale; worker r writes FOLDER/worker<r>.
"""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

from cxr_clip.distributed import Workers, gather
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews

NAMES = ("image", "other_image", "text", "other_text")


def work(folder: Path, workers: Workers) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=workers.rank, world_size=workers.count)
    batch = load_file(folder / "batch.safetensors")
    scale = batch["scale"].requires_grad_()
    own = {name: batch[name].chunk(workers.count)[workers.rank].clone().requires_grad_() for name in NAMES}
    rows = [gather(own[name], workers) for name in NAMES]
    views = EmbeddedViews(images=(rows[0], rows[1]), texts=(rows[2], rows[3]))
    loss = weighted_sum(study_contrast(views, scale), LossWeights())
    loss.backward()
    results = {"loss": loss.detach(), "scale": scale.grad}
    save_file(results | {name: value.grad for name, value in own.items()}, folder / f"worker{workers.rank}")
    dist.destroy_process_group()


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    child = os.fork()
    if child == 0:
        work(folder, Workers(rank=1, count=2))
        os._exit(0)
    work(folder, Workers(rank=0, count=2))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
