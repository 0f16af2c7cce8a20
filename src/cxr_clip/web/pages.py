"""The files of the page, read once: what is not in the list does not exist. And a page of the OpenAPI document."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from cxr_clip.html_pages import render_page
from cxr_clip.web.refusals import ABSENT, RefusalError

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
PAGE = "page.html"


def add_pages(app: FastAPI) -> None:
    """The page, its files, and the page of the interface."""
    listed = {**page_files(), "api.css": files("cxr_clip").joinpath("resources", "api.css").read_bytes()}

    @cache
    def shown() -> str:
        return api_page(app.openapi())

    def file(name: str) -> Response:
        if name not in listed:
            raise RefusalError(ABSENT, "there is no such file here: /api lists what there is")
        return Response(listed[name], media_type=type_of(name))

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return file(PAGE)

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        if name == PAGE:
            raise RefusalError(ABSENT, "the page is at /")
        return file(name)

    @app.get("/api", include_in_schema=False)
    async def interface() -> Response:
        return HTMLResponse(shown())


def page_files() -> Mapping[str, bytes]:
    """The files of resources/web by their names, of the types that browsers are given."""
    folder = files("cxr_clip").joinpath("resources", "web")
    listed = folder.iterdir() if folder.is_dir() else ()
    return {one.name: one.read_bytes() for one in listed if one.is_file() and _suffix(one.name) in TYPES}


def type_of(name: str) -> str:
    """The content type of a file of the page."""
    return TYPES[_suffix(name)]


def api_page(document: Mapping[str, Any]) -> str:
    """The OpenAPI document as a page that needs nothing from elsewhere."""
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = document["components"]["schemas"]
    shown = {name: json.dumps(schema, indent=1, ensure_ascii=False) for name, schema in schemas.items()}
    return render_page(
        "api.html.j2", {"title": f"{document['info']['title']} over HTTP", "operations": operations, "schemas": shown}
    )


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]
