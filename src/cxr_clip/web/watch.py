"""Every request is let in or turned away, timed, counted and logged in one line without anything of its contents.

A line names the route, not the address: an address may hold the id of a study.
"""

import asyncio
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxr_clip.web.figures import Figures
from cxr_clip.web.form import HeldBytes
from cxr_clip.web.limits import Limits
from cxr_clip.web.refusals import FORBIDDEN, QUEUE_FULL, TOO_SLOW

log = logging.getLogger("cxr_clip.web")
RETRY_AFTER = {"Retry-After": "1"}
# The status of a request whose asker went away, as proxies log it.
GONE = 499
BROKEN = 500
# Where a request's scope keeps what is to be told of each block of its body.
TOOK = "cxr_clip.took"


@dataclass(frozen=True)
class AccessLine:
    """What is logged of a request."""

    time: str
    method: str
    path: str
    status: int
    milliseconds: float
    bytes_in: int
    bytes_out: int


@dataclass
class _Seen:
    """What went to and fro of one request."""

    status: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    whole: bool = False


class Watch:
    """Lets requests in, up to the limits, and tells of each."""

    def __init__(self, app: ASGIApp, limits: Limits, figures: Figures) -> None:
        self._app, self._limits, self._figures = app, limits, figures
        self._held = HeldBytes(limits.held_bytes)
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or have the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, seen = time.perf_counter(), _Seen()

        async def receiving() -> Message:
            message = await receive()
            seen.bytes_in += len(message.get("body", b""))
            seen.whole = seen.whole or not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._drain(receiving, seen, message["status"])
                seen.status = message["status"]
            seen.bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self._admit(scope, receiving, sending, seen)
        except ClientDisconnect:
            seen.status = GONE
        except Exception as error:  # noqa: BLE001  # told by its kind and place: its words may quote a request
            log.error(json.dumps({"error": type(error).__name__, "at": _place(error)}))
            if seen.status is None:
                await _refuse(BROKEN, "the server failed; its log says where", scope, receiving, sending)
        finally:
            self._tell(scope, seen, time.perf_counter() - began)

    async def _admit(self, scope: Scope, receive: Receive, send: Send, seen: _Seen) -> None:
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self._inside >= self._limits.requests:
            await _refuse(QUEUE_FULL, "the server has its hands full: try again in a moment", scope, receive, send)
            return
        self._inside += 1
        self._figures.queue.set(self._inside)
        held = _HeldByOne(self._held)
        scope[TOOK] = held.take
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._app(scope, receive, send)
        except TimeoutError:
            if seen.status is not None:
                return
            sentence = f"the answer took more than {self._limits.seconds:g} seconds: send less, or try again later"
            await _refuse(TOO_SLOW, sentence, scope, receive, send)
        finally:
            held.give_all()
            self._inside -= 1
            self._figures.queue.set(self._inside)

    async def _drain(self, receive: Receive, seen: _Seen, status: int) -> None:
        """Take in the rest of a body that is refused early, so that its sender comes to read why; not without end.

        Who may not ask at all does not hold a place meanwhile.
        """
        if status in (FORBIDDEN, TOO_SLOW):
            return
        try:
            async with asyncio.timeout(min(10.0, self._limits.seconds)):
                while not seen.whole and seen.bytes_in <= 2 * self._limits.body_bytes:
                    await receive()
        except TimeoutError:
            return

    def _tell(self, scope: Scope, seen: _Seen, seconds: float) -> None:
        path = getattr(scope.get("route"), "path_format", "unknown")
        status = seen.status or GONE
        self._figures.answered(path, status, seconds)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "other"
        line = AccessLine(now, method, path, status, round(1000 * seconds, 1), seen.bytes_in, seen.bytes_out)
        log.info(json.dumps(asdict(line)))


class _HeldByOne:
    """The bytes that one request holds."""

    def __init__(self, all_of_them: HeldBytes) -> None:
        self._all, self._mine = all_of_them, 0

    def take(self, count: int) -> None:
        self._all.take(count)
        self._mine += count

    def give_all(self) -> None:
        self._all.give(self._mine)
        self._mine = 0


def _place(error: BaseException) -> str:
    """File and line at which an error was raised."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return f"{Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last is not None else "unknown"


async def _refuse(status: int, sentence: str, scope: Scope, receive: Receive, send: Send) -> None:
    headers = RETRY_AFTER if status == QUEUE_FULL else None
    await JSONResponse({"error": sentence}, status, headers=headers)(scope, receive, send)
