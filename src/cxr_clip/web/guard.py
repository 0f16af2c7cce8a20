"""Who may ask: hosts that were named, and pages of this server alone.

A page elsewhere can have its name point to this machine (DNS rebinding); its requests then carry that name in the Host
header. Addresses in numbers cannot be rebound.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from cxr_clip.web.refusals import FORBIDDEN

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether an address or name to listen on is of this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Hosts:
    """The names by which the server may be called, in small letters; with `any_number` every address in numbers."""

    names: frozenset[str]
    any_number: bool

    def allows(self, header: str) -> bool:
        """Whether a Host header, with or without a port, is one of them."""
        name = _name(header)
        return name is not None and (name in self.names or (self.any_number and _is_number(name)))


def allowed_hosts(listening: str, more: Iterable[str] = ()) -> Hosts:
    """The names of a server that listens on an address: this machine, that address, and more."""
    names = (*LOOPBACK, listening, *more)
    return Hosts(frozenset(name.lower().strip("[]") for name in names), any_number=not is_loopback(listening))


class Guard:
    """Refuses other hosts and other origins."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or have the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope))
        answer = JSONResponse({"error": refusal}, FORBIDDEN) if refusal is not None else self._app
        await answer(scope, receive, send)

    def _refusal(self, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._hosts.allows(host):
            return (
                "the server does not go by this host name: start it with --allow-host NAME, or use the address it says"
            )
        if origin is not None and urlsplit_host(origin) != host.lower():
            return "the request comes from a page of another server: open the page of this one"
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return "the request comes from a page of another site: open the page of this server"
        return None


def urlsplit_host(origin: str) -> str | None:
    """Host and port of an origin; None where it is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _name(header: str) -> str | None:
    """The name or address of a Host header, without its port; None where it is malformed."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname if parts.username is None and not parts.path else None


def _is_number(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
