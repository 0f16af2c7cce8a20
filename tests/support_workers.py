"""Several workers on this machine, each a forked process that is told what torchrun would tell it.

To be used by programs alone (`support_programs.run_program`): tests themselves open no sockets.
"""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from cxr_clip.distributed import Workers, joined_workers


def start_workers(count: int, act: Callable[[Workers], None]) -> list[int]:
    """Let `count` joined workers act; how each ended, by rank: 0, 1 after an exception, or minus the signal."""
    port = _free_port()
    children = [_start(Workers(rank, count), port, act) for rank in range(count)]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _start(worker: Workers, port: int, act: Callable[[Workers], None]) -> int:
    child = os.fork()
    if child:
        return child
    ended = 1
    try:
        os.environ |= {
            "RANK": str(worker.rank),
            "LOCAL_RANK": str(worker.rank),
            "WORLD_SIZE": str(worker.count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "GLOO_SOCKET_IFNAME": "lo",
        }
        with joined_workers() as workers:
            act(workers)
        assert not threads_of_gloo(), "a thread that outlives the interpreter may abort the process"
        ended = 0
    finally:
        if ended:
            sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(ended)


def threads_of_gloo() -> list[str]:
    """The names of this process's threads that carry messages between workers (Linux)."""
    names = [name.read_text().strip() for name in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
