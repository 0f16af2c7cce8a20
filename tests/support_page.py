"""The page of `cxr-clip serve` in a real browser, with answers that a test gives in place of the server's."""

import base64
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from support_data import made_up_picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

HOST = "http://page.test"
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
FINDINGS = ("Cardiomegaly", "Edema", "Pleural Effusion", "Pneumothorax")
LIMITS = {"file_bytes": 2**20, "files": 8, "pixels": 10**7, "texts": 64, "text_characters": 2000, "results": 100}


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A headless browser; skips where Playwright or a Chromium is absent."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("no Chromium on the search path")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Asked:
    """What the page did: its requests by path, requests to other hosts, and what it wrote to the console."""

    requests: list[tuple[str, dict[str, list[Any]]]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def of(self, path: str) -> list[dict[str, list[Any]]]:
        """The forms that were sent to a path."""
        return [form for asked, form in self.requests if asked == path]


Answer = Callable[["Route", dict[str, list[Any]]], None]


def watch(page: "Page", host: str) -> Asked:
    """Write down what the page says and which other hosts it asks."""
    asked = Asked()
    page.on("console", lambda message: asked.console.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: asked.console.append(str(error)))
    page.on(
        "request",
        lambda request: (
            asked.elsewhere.append(request.url) if not request.url.startswith((host, "data:", "blob:")) else None
        ),
    )
    return asked


def open_page(page: "Page", answers: Mapping[str, Answer] | None = None) -> Asked:
    """Open the page where `answers` (by path) and the usual ones stand for the server's."""
    asked = watch(page, HOST)
    given = {**USUAL, **(answers or {})}

    def respond(route: "Route") -> None:
        path = route.request.url.removeprefix(HOST).partition("?")[0]
        form = form_of(route)
        if path.startswith(("/api/", "/health")):
            asked.requests.append((path, form))
            given[path](route, form)
        elif path == "/" or path.startswith("/static/"):
            file = (
                resources.files("cxr_clip")
                / "resources/web"
                / (path.removeprefix("/static/") if path != "/" else "page.html")
            )
            kind = TYPES[file.name.rpartition(".")[2]]
            route.fulfill(body=file.read_bytes(), headers={"content-type": kind, "content-security-policy": POLICY})
        else:
            route.abort()

    page.route("**/*", respond)
    page.goto(HOST)
    return asked


def form_of(route: "Route") -> dict[str, list[Any]]:
    """The fields of a form that was sent: files as (name, bytes), other fields as text."""
    kind, body = route.request.headers.get("content-type", ""), route.request.post_data_buffer
    found: dict[str, list[Any]] = {}
    if body is None or not kind.startswith("multipart"):
        return found
    for part in message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body).get_payload():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        file = part.get_filename()
        found.setdefault(name, []).append((file, data) if file else data.decode())
    return found


def png(number: int = 0, side: int = 128) -> bytes:
    """A made-up picture as a file."""
    written = io.BytesIO()
    Image.fromarray(made_up_picture(number)).resize((side, side)).save(written, "png")
    return written.getvalue()


def upload(name: str = "chest.png", number: int = 0) -> dict[str, Any]:
    """A file as Playwright gives it to a page."""
    return {"name": name, "mimeType": "image/png", "buffer": png(number)}


def says(status: int = 200, **values: Any) -> Answer:
    """An answer of JSON."""
    return lambda route, _: route.fulfill(status=status, json=values)


def refuses(status: int, sentence: str) -> Answer:
    """A refusal, as the server words it."""
    return says(status, error=sentence)


def picture(route: "Route", form: dict[str, list[Any]]) -> None:
    """The values of a picture, eight bits made sixteen."""
    ((_, data),) = form["images"]
    grey = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    shape = {"X-Rows": grey.shape[0], "X-Columns": grey.shape[1]}
    window = {"X-Window-Center": 32768, "X-Window-Width": 65535, "X-Bits": 16}
    headers = {name: str(value) for name, value in (shape | window).items()}
    body = (grey.astype("<u2") * 257).tobytes()
    route.fulfill(body=body, headers={"content-type": "application/octet-stream", **headers})


def classification(name: str, findings: Mapping[str, float], images: int = 1) -> dict[str, Any]:
    """What a model says, with these scores."""
    return {
        "name": name,
        "images": images,
        "abstained": [],
        "findings": [
            {
                "finding": finding,
                "score": score,
                "probability": None,
                "answer": None,
                "meaning": "similarity, not a probability",
            }
            for finding, score in findings.items()
        ],
    }


def classify(route: "Route", form: dict[str, list[Any]]) -> None:
    """Scores that depend on the finding's place in the list."""
    asked = json.loads(form["findings"][0]) if "findings" in form else FINDINGS
    names = [one if isinstance(one, str) else one["finding"] for one in asked]
    scores = {name: round(0.04 * (number + 1) * (-1) ** number, 3) for number, name in enumerate(names)}
    files = [name for name, _ in form["images"]]
    route.fulfill(
        json={
            "study": classification("study", scores, len(files)),
            "images": [classification(name, scores) for name in files],
        }
    )


def explain(route: "Route", form: dict[str, list[Any]]) -> None:
    """For each text a ramp whose peak lies low on the right."""
    values = np.linspace(-0.1, 0.4, 14 * 14, dtype="<f4")
    one = {
        "score": 0.12,
        "peak": {"x": 0.9, "y": 0.8},
        "low": -0.1,
        "high": 0.4,
        "map": base64.b64encode(values.tobytes()).decode(),
    }
    route.fulfill(
        json={
            "height": 14,
            "width": 14,
            "abstained": [],
            "texts": [{"text": text, **one} for text in json.loads(form["texts"][0])],
        }
    )


def hit(rank: int = 1, **values: Any) -> dict[str, Any]:
    """One study that was found."""
    usual = {
        "rank": rank,
        "id": f"CXR{rank}/image/0",
        "study": f"CXR{rank}",
        "source": "openi",
        "split": "test",
        "kind": "image",
        "view": "pa",
        "score": 0.9 - rank / 100,
        "findings": ["Edema"],
        "report": "The heart is large.",
        "picture": None,
    }
    return usual | values


MODEL = {
    "name": "runs/tiny",
    "title": "A tiny model",
    "findings": [{"finding": name, "positive": [name], "negative": [f"No {name.lower()}"]} for name in FINDINGS],
    "calibrated": False,
    "abstains": True,
    "index": {
        "entries": 1200,
        "sources": ["openi"],
        "splits": ["test", "train"],
        "views": ["pa", "lateral"],
        "kinds": ["image", "findings"],
        "findings": list(FINDINGS),
    },
    "limits": LIMITS,
    "notice": "Research only, not a medical device.",
}
USUAL: dict[str, Answer] = {
    "/health": says(status="ok"),
    "/api/model": says(**MODEL),
    "/api/picture": picture,
    "/api/classify": classify,
    "/api/explain": explain,
    "/api/search": says(hits=[hit(1), hit(2)]),
}
