"""Two workers that share a replica and leave, as a program: no thread between them outlives the group.

    python support_leaving.py

Nothing of torch is imported before the workers meet but what they meet with, as in the real command.
"""

import torch
from torch import nn

from cxr_clip.distributed import Workers, replicate
from support_workers import start_workers, threads_of_gloo


def learn_together(workers: Workers) -> None:
    replica = replicate(nn.Linear(3, 1), workers)
    replica(torch.ones(2, 3)).sum().backward()
    assert threads_of_gloo(), "the threads have other names now"


def main() -> None:
    assert start_workers(2, learn_together) == [0, 0]


if __name__ == "__main__":
    main()
