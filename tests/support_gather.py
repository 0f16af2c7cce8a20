"""The loss of a batch that several workers share, as a program.

    python support_gather.py FOLDER WORKERS

FOLDER/batch.safetensors holds the embeddings of the whole batch, the scale and the weights of the terms; worker r
writes FOLDER/worker<r>: the loss and its gradients by the scale and by its own rows.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from cxr_clip.distributed import Workers, gather
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews
from support_workers import start_workers

NAMES = ("image", "other_image", "text", "other_text")


def share_out(folder: Path, workers: Workers) -> None:
    batch = load_file(folder / "batch.safetensors")
    scale = batch["scale"].requires_grad_()
    own = {name: batch[name][workers.share(len(batch[name]))].clone().requires_grad_() for name in NAMES}
    rows = [gather(own[name], workers) for name in NAMES]
    terms = study_contrast(
        EmbeddedViews(images=(rows[0], rows[1]), texts=(rows[2], rows[3])),
        scale,
        label_smoothing=float(batch["label_smoothing"]),
    )
    loss = weighted_sum(terms, LossWeights(*batch["weights"].tolist()))
    loss.backward()
    results = {"loss": loss.detach(), "scale": scale.grad}
    save_file(results | {name: value.grad for name, value in own.items()}, folder / f"worker{workers.rank}")


def main(folder: Path, count: int) -> None:
    torch.set_num_threads(1)
    assert start_workers(count, lambda workers: share_out(folder, workers)) == [0] * count


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
