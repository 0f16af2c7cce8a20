"""A server process: its socket first, then the model, then requests until it is told to stop."""

import asyncio
import errno
import json
import logging
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from cxr_clip.errors import ServeError


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at an address, which nobody reaches before the server runs. Raises ServeError where it is not free."""
    if not host:
        raise ServeError("no address to listen on: give --host 127.0.0.1, or another address of this machine")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with made:
            made.bind((host, port))
            yield made
    except OSError as error:
        raise ServeError(_why(error, host, port)) from error


def run_server(app: ASGIApp, at: socket.socket, *, requests: int, seconds: float, started: Callable[[], None]) -> None:
    """Serve until SIGTERM or an interruption; requests in work end first, within `seconds`.

    `requests` may be in work at once; as many again may be on their way in.
    """
    settings = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=True,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        backlog=4 * requests,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=max(1, round(seconds)),
    )
    # Requests end when a signal comes; it is sent again afterwards, and then there is nothing left to end.
    before = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        asyncio.run(_serve(uvicorn.Server(settings), at, started))
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


async def _serve(server: uvicorn.Server, at: socket.socket, started: Callable[[], None]) -> None:
    async def tell() -> None:
        while not server.started:
            await asyncio.sleep(0.01)
        started()

    telling = asyncio.create_task(tell())
    await server.serve(sockets=[at])
    telling.cancel()


class WithoutWords(logging.Formatter):
    """A record of a library by its place alone: its words may quote a file or a form."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        return json.dumps({"error": record.levelname.lower(), "at": f"{record.name}:{record.lineno}"})


def log_to_stderr() -> None:
    """One line of JSON on stderr for each request and what goes wrong; of libraries no words and no warnings.

    Warnings are off for the whole process: where threads read files at once, none can silence its own alone.
    """
    warnings.simplefilter("ignore")
    ours, others = logging.getLogger("cxr_clip.web"), logging.getLogger()
    for logger, level, formatter in (
        (ours, logging.INFO, logging.Formatter("%(message)s")),
        (others, logging.ERROR, WithoutWords()),
    ):
        handler = logging.StreamHandler(sys.stderr)
        handler.setLevel(level)
        handler.setFormatter(formatter)
        logger.handlers = [handler]
    ours.propagate = False
    ours.setLevel(logging.INFO)


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken: stop what listens there, or give another --port"
    return f"{host}:{port} cannot be listened on ({error.strerror or error}): give another --host or --port"
