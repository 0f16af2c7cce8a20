"""Only the server's own names and pages are answered, and browsers are told to load nothing from elsewhere."""

import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from cxr_clip.web.guard import allowed_hosts
from web.conftest import Client


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:80", "[::1]:8000", "chest.example"])
def test_the_names_of_the_server_are_answered(client: Client, host: str) -> None:
    assert client.get("/health", headers={"host": host}).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "192.0.2.1", "a@localhost", "localhost/", ""],
)
def test_other_names_are_refused(client: Client, host: str) -> None:
    answer = client.get("/health", headers={"host": host})
    assert answer.status_code == 403
    assert "--allow-host" in answer.json()["error"]


def test_a_server_for_other_machines_is_called_by_numbers_but_not_by_any_name() -> None:
    hosts = allowed_hosts("0.0.0.0")
    assert hosts.allows("192.0.2.1:8000")
    assert hosts.allows("[2001:db8::1]:8000")
    assert not hosts.allows("rebound.example:8000")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"origin": "http://[broken"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    ],
)
def test_pages_of_other_servers_are_refused(client: Client, headers: dict[str, str]) -> None:
    answer = client.post("/api/classify", headers=headers)
    assert answer.status_code == 403
    assert "page of" in answer.json()["error"]
    assert "access-control-allow-origin" not in answer.headers


def test_the_own_page_is_answered(client: Client) -> None:
    headers = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.get("/health", headers=headers).status_code == 200
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/health", headers=followed).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api", "/health", "/nothing", "/static/api.css", "/openapi.json"])
def test_every_answer_forbids_what_is_not_of_this_server(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(one.strip().split(" ", 1) for one in headers["content-security-policy"].split(";"))
    assert policy.pop("default-src") == "'self'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_the_page_of_the_interface_needs_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api").text
    assert "POST /api/classify" in page
    for forbidden in ("http://", "https://", "<script", "<style", "style=", "onclick"):
        assert forbidden not in page
    style = client.get("/static/api.css")
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert "@import" not in style.text


@pytest.mark.parametrize("name", ["app.py", "..%2Fapp.py", "%2e%2e/recipe.yaml", "page.html", "findings.yaml"])
def test_only_listed_files_are_there(client: Client, name: str) -> None:
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 404
    assert answer.json().keys() == {"error"}


def test_what_is_not_there_is_told_in_json(client: Client) -> None:
    assert "/api lists" in client.get("/nothing").json()["error"]
    answer = client.get("/api/classify")
    assert (answer.status_code, answer.headers["allow"], list(answer.json())) == (405, "POST", ["error"])


@pytest.mark.parametrize(
    "headers", [{"host": "secret.example"}, {"origin": "http://secret.example"}, {"sec-fetch-site": "cross-site"}]
)
def test_who_is_refused_stands_in_the_log_and_the_figures(
    start: Callable[..., Client], headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    client = start()
    with caplog.at_level("INFO", "cxr_clip.web"):
        answer = client.post("/api/classify", (b"picture",), headers=headers)
    assert answer.status_code == 403
    (line,) = [json.loads(record.message) for record in caplog.records if record.name == "cxr_clip.web"]
    assert (line["method"], line["status"]) == ("POST", 403)
    assert "secret" not in caplog.text
    assert 'cxr_clip_requests_total{path="unknown",status="403"} 1.0' in client.get("/metrics").text


def test_who_is_refused_does_not_hold_a_place_while_sending(client: Client) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100_000:
            sent += 1000
            yield bytes(1000)

    async def ask(asking: httpx.AsyncClient) -> httpx.Response:
        return await asking.post("/api/classify", content=body(), headers={"host": "evil.example"})

    assert client.together(ask).status_code == 403
    assert sent == 0


def test_figures_and_documents_are_there(start: Callable[..., Client]) -> None:
    client = start()
    client.get("/health")
    figures = client.get("/metrics").text
    assert 'cxr_clip_requests_total{path="/health",status="200"} 1.0' in figures
    assert "cxr_clip_request_seconds_bucket" in figures
    assert "cxr_clip_queue_length 0.0" in figures
    assert "cxr_clip_batch_size_count 0.0" in figures
    assert client.get("/openapi.json").json()["openapi"].startswith("3.1")
