"""A server of a tiny model, asked without sockets."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import torch

import cxr_clip
from cxr_clip.embed_manifest import EmbedRequest, embed_manifest
from cxr_clip.embeddings_file import read_embeddings
from cxr_clip.search.folder_index import build_index
from cxr_clip.web.app import build_app
from cxr_clip.web.guard import allowed_hosts
from cxr_clip.web.limits import Limits
from cxr_clip.web.service import Served, open_served
from support_data import write_tiny_manifest
from support_models import tiny_run_folder

Value = TypeVar("Value")
Asking = Callable[[httpx.AsyncClient], Awaitable[Value]]


@dataclass(frozen=True)
class Client:
    """Asks an application in an event loop of its own."""

    app: Any

    def together(self, ask: Asking[Value]) -> Value:
        async def session() -> Value:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
                return await ask(client)

        return asyncio.run(session())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.together(lambda client: client.get(path, **options))

    def post(
        self, path: str, images: tuple[bytes, ...] = (), data: dict[str, Any] | None = None, **options: Any
    ) -> httpx.Response:
        """Send a form, also where it has no file."""
        fields = [
            (name, one)
            for name, value in (data or {}).items()
            for one in (value if isinstance(value, list) else [value])
        ]
        parts: list[tuple[str, tuple[Any, ...]]] = [(name, (None, one)) for name, one in fields]
        parts += [("images", ("secret name.png", one, "image/png")) for one in images]
        if not parts:
            options.setdefault("headers", {"content-type": "multipart/form-data; boundary=b"})
            options.setdefault("content", b"--b--\r\n")
        return self.together(lambda client: client.post(path, **({"files": parts} if parts else {}), **options))


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, prepared data, and an index of it."""
    folder = tmp_path_factory.mktemp("served")
    data = write_tiny_manifest(folder / "data")
    model = cxr_clip.load(tiny_run_folder(folder / "run", data), device="cpu")
    embed_manifest(model, EmbedRequest(data, precision="float32"), folder / "all.parquet")
    build_index(folder / "index", read_embeddings(folder / "all.parquet"))
    return folder


@pytest.fixture(scope="session")
def served(place: Path) -> Served:
    torch.set_num_threads(1)
    return open_served("runs/tiny", cxr_clip.load(place / "run", device="cpu"), place / "index", [place / "data"])


@pytest.fixture(scope="session")
def start(served: Served) -> Callable[..., Client]:
    """Starts an application with limits of one's own."""

    def made(host: str = "127.0.0.1", hosts: Sequence[str] = ("chest.example",), **limits: Any) -> Client:
        return Client(build_app(served, Limits(**{"threads": 2, **limits}), allowed_hosts(host, hosts)))

    return made


@pytest.fixture(scope="session")
def client(start: Callable[..., Client]) -> Iterator[Client]:
    return start()
