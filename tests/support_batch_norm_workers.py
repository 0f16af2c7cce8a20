"""A layer of batch normalisation whose rows several workers share, as a program.

    python support_batch_norm_workers.py FOLDER COUNT...

FOLDER/<kind>, of KINDS, holds a batch and the layer's weight and bias; worker r of <count> writes what `learned` has
of its own rows to FOLDER/<kind>-<count>-<r>.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cxr_clip.distributed import Workers
from cxr_clip.model.batch_norm import synchronise
from support_workers import start_workers

KINDS = {"flat": nn.BatchNorm1d, "pictures": nn.BatchNorm2d}


def plain_layer(kind: str, given: dict[str, Tensor]) -> nn.Module:
    layer = KINDS[kind](len(given["weight"])).double()
    layer.load_state_dict({name: given[name] for name in ("weight", "bias")}, strict=False)
    return layer


def learned(layer: nn.Module, rows: Tensor, pull: Tensor) -> dict[str, Tensor]:
    """Outputs and gradients of two calls, the rows of the second shifted, and all that the layer then remembers."""
    found = {}
    for call in range(2):
        own = (rows + call).requires_grad_()
        out = layer(own)
        (out * pull).sum().backward()
        found |= {f"out {call}": out.detach(), f"rows {call}": own.grad}
    gradients = {f"gradient of {name}": value.grad for name, value in layer.named_parameters()}
    return found | gradients | {name: value.clone() for name, value in layer.named_buffers()}


def share_out(folder: Path, workers: Workers) -> None:
    for kind in KINDS:
        given = load_file(folder / kind)
        model, own = nn.Sequential(plain_layer(kind, given)), workers.share(len(given["rows"]))
        synchronise(model, workers, device="cpu")
        save_file(
            learned(model[0], given["rows"][own], given["pull"][own]),
            folder / f"{kind}-{workers.count}-{workers.rank}",
        )


def main(folder: Path, counts: list[int]) -> None:
    torch.set_num_threads(1)
    for count in counts:
        assert start_workers(count, lambda workers: share_out(folder, workers)) == [0] * count


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(count) for count in sys.argv[2:]])
