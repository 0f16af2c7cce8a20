"""The application: which address is answered by what."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from cxr_clip import __version__
from cxr_clip.errors import CxrClipError
from cxr_clip.web import answers, openapi
from cxr_clip.web.asked import count_asked, findings_asked, sentences_asked, text_asked, wanted_rows
from cxr_clip.web.figures import Figures
from cxr_clip.web.form import IMAGES, Form, read_form
from cxr_clip.web.guard import Guard, Hosts
from cxr_clip.web.limits import Limits
from cxr_clip.web.openapi import OF_FORMS, refusals
from cxr_clip.web.pages import add_pages
from cxr_clip.web.refusals import BAD_VALUES, QUEUE_FULL, RefusalError
from cxr_clip.web.safe_headers import SafeHeaders
from cxr_clip.web.service import NOTICE, Served, Service
from cxr_clip.web.watch import BROKEN, RETRY_AFTER, TOOK, Watch

NARROWING = ("source", "split", "view", "kind", "finding")


def build_app(served: Served, limits: Limits, hosts: Hosts) -> ASGIApp:
    """The whole application, as a server of ASGI runs it."""
    figures = Figures()
    service = Service(served, limits, batched=figures.batches.observe)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="CXR-CLIP", version=__version__, description=NOTICE, docs_url=None, redoc_url=None, lifespan=life
    )
    app.openapi = lambda: app.openapi_schema or openapi.document(app)  # type: ignore[method-assign]
    _add_refusals(app)
    add_pages(app)
    _add_facts(app, service, figures)
    _add_model(app, service)
    _add_search(app, service)
    return SafeHeaders(Watch(Guard(app, hosts), limits, figures))


def _add_refusals(app: FastAPI) -> None:
    """Every refusal is one sentence in JSON."""

    async def refused(_: Request, error: Exception) -> JSONResponse:
        status = error.status if isinstance(error, RefusalError) else BAD_VALUES
        headers = RETRY_AFTER if status == QUEUE_FULL else None
        return JSONResponse({"error": str(error)}, status, headers=headers)

    async def not_there(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        known = {
            404: "there is nothing at this address: /api lists what there is",
            405: "this address takes another method: /api says which",
        }
        return JSONResponse({"error": known.get(error.status_code, error.detail)}, error.status_code, error.headers)

    async def failed(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"error": "the server failed; its log says where"}, BROKEN)

    app.add_exception_handler(CxrClipError, refused)
    app.add_exception_handler(HTTPException, not_there)
    app.add_exception_handler(Exception, failed)


def _add_facts(app: FastAPI, service: Service, figures: Figures) -> None:
    """Whether the server lives, its figures, its model."""

    @app.get("/health", response_description="It does.", responses=refusals())
    async def health() -> answers.Health:
        """Whether the server answers."""
        return answers.Health()

    @app.get(
        "/metrics",
        response_class=Response,
        responses={200: openapi.bytes_of("text/plain", "Figures for Prometheus."), **refusals()},
    )
    async def metrics() -> Response:
        """Requests, their time, the queue and the sizes of batches, for Prometheus."""
        return Response(figures.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/api/model", response_description="The model.", responses=refusals())
    async def model() -> answers.ModelFacts:
        """What the model is, and what can be asked."""
        return service.facts


def _add_model(app: FastAPI, service: Service) -> None:
    """What the model makes of pictures."""
    limits = service.limits

    @app.post(
        "/api/classify",
        response_description="Scores, or why there are none.",
        responses=refusals(*OF_FORMS),
        openapi_extra={"requestBody": openapi.classify_form(limits)},
    )
    async def classify(request: Request) -> answers.Classified:
        """What the model says of findings in the images of one study, together and in each; images are not kept."""
        form = await _form(request, limits, ("findings",))
        return await service.classify(_images(form), findings_asked(form, limits))

    @app.post(
        "/api/explain",
        response_description="Maps, or why there are none.",
        responses=refusals(*OF_FORMS),
        openapi_extra={"requestBody": openapi.explain_form(limits)},
    )
    async def explain(request: Request) -> answers.Explained:
        """Where in an image the score of sentences comes from; no outline of a finding, no proof that it is there."""
        form = await _form(request, limits, ("texts",))
        return await service.explain(_image(form), sentences_asked(form, limits))

    @app.post(
        "/api/picture",
        response_class=Response,
        responses={
            200: openapi.bytes_of(
                "application/octet-stream", "Little-endian uint16 greys, row by row.", openapi.PICTURE_HEADERS
            ),
            **refusals(*OF_FORMS),
        },
        openapi_extra={"requestBody": openapi.picture_form()},
    )
    async def picture(request: Request) -> Response:
        """The grey values of an image in their own depth, for a display that sets the window."""
        values, headers = await service.picture(_image(await _form(request, limits, ())))
        return Response(values, headers=headers, media_type="application/octet-stream")


def _add_search(app: FastAPI, service: Service) -> None:
    """What an index finds."""
    limits, contents = service.limits, service.facts.index

    @app.post(
        "/api/search",
        response_description="Studies, best first.",
        responses=refusals(404, *OF_FORMS),
        openapi_extra={"requestBody": openapi.search_form(limits, contents)},
    )
    async def search(request: Request) -> answers.Found:
        """The studies of the index nearest to a text, an image, or one of its studies."""
        form = await _form(request, limits, ("text", "study", "top", *NARROWING))
        text, study, top = form.one("text"), form.one("study"), count_asked(form, limits)
        if study == "":
            raise RefusalError(BAD_VALUES, "study is empty: send the id of a study, or leave it out")
        if sum((text is not None, study is not None, bool(form.images))) != 1:
            raise RefusalError(BAD_VALUES, "a search needs one of text, images and study: send one of them")
        if study is not None:
            return await service.searching.like(study, wanted_rows(form, contents, without=[study]), top=top)
        query = text_asked(text, limits) if text is not None else _image(form)
        return await service.search(query, wanted_rows(form, contents), top=top)

    @app.get(
        "/api/indexed/{row_id:path}",
        response_class=Response,
        responses={
            200: openapi.bytes_of("image/png", "The image in 8-bit grey, at most 512 pixels a side."),
            **refusals(404, 422),
        },
    )
    async def indexed(row_id: str) -> Response:
        """An image of the index, by the address that a search gives."""
        return Response(await service.searching.picture(row_id), media_type="image/png")


async def _form(request: Request, limits: Limits, names: Collection[str]) -> Form:
    """The form of a request. Raises RefusalError."""
    took: Any = request.scope[TOOK]
    content_type = request.headers.get("content-type", "")
    return await read_form(request.stream(), content_type, names=names, limits=limits, took=took)


def _images(form: Form) -> tuple[bytes, ...]:
    if not form.images:
        raise RefusalError(BAD_VALUES, f"there is no picture: send one or more in the field {IMAGES}")
    return form.images


def _image(form: Form) -> bytes:
    if len(_images(form)) > 1:
        raise RefusalError(BAD_VALUES, f"there are {len(form.images)} pictures: send one in the field {IMAGES}")
    return form.images[0]
