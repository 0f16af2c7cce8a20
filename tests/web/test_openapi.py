"""The OpenAPI document is exact: what it allows is accepted, what it forbids is refused, and answers are as it says."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.media_types import MEDIA_TYPE_STRATEGIES
from schemathesis.specs.openapi.checks import negative_data_rejection

from cxr_clip.classify import prompts_for
from support_dicom import dicom
from web.conftest import Client
from web.test_answers import png

OPERATIONS = (
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/api/model"),
    ("GET", "/api/indexed/{row_id}"),
    ("POST", "/api/classify"),
    ("POST", "/api/explain"),
    ("POST", "/api/picture"),
    ("POST", "/api/search"),
)
SENTENCES = st.lists(
    st.sampled_from(["A mass.", "Is it clear?", "Kein Erguss.", "\U0001fac1."]), min_size=1, unique=True
)


@pytest.fixture(scope="module", autouse=True)
def _pictures() -> Iterator[None]:
    """Parts of forms of a media type are of that type."""
    files = {"image/png": png(0), "application/dicom": dicom()}
    for kind, data in files.items():
        schemathesis.openapi.media_type(kind, st.just(data))
    schemathesis.openapi.media_type("application/json", SENTENCES.map(json.dumps))
    yield
    MEDIA_TYPE_STRATEGIES.clear()


@pytest.fixture(scope="module")
def document(start: Callable[..., Client]) -> Any:
    app = start(hosts=["testserver"]).app

    async def living_on(scope: Any, receive: Any, send: Any) -> None:
        """The application, which is started and stopped for each request, without its end."""
        if scope["type"] == "http":
            await app(scope, receive, send)
            return
        for _ in range(2):
            message = await receive()
            await send({"type": f"{message['type']}.complete"})

    refused = {"expected-statuses": [403, 404, 413, 415, 422]}
    settings = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": refused}})
    return schemathesis.openapi.from_asgi("/openapi.json", living_on, config=settings)


def test_every_operation_is_tested(document: Any) -> None:
    found = [(one.ok().method.upper(), one.ok().path) for one in document.get_all_operations()]
    assert sorted(found) == sorted(OPERATIONS)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_requests_are_answered_as_the_document_says(
    document: Any, method: str, path: str, mode: GenerationMode
) -> None:
    operation = document[path][method]
    if mode is GenerationMode.NEGATIVE and method == "GET":
        pytest.skip("there is nothing to be wrong about")

    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        # In a form a number in a field for text is text, which the fuzzer does not always see: test_limits.py has
        # what a search refuses.
        unsure = path == "/api/search" and mode is GenerationMode.NEGATIVE
        case.call_and_validate(excluded_checks=[negative_data_rejection] if unsure else [])

    ask()


def test_the_findings_of_the_document_are_those_that_the_model_is_asked(client: Client) -> None:
    form = client.get("/openapi.json").json()["paths"]["/api/classify"]["post"]["requestBody"]
    field = form["content"]["multipart/form-data"]["schema"]["properties"]["findings"]
    named, sentence, own = field["contentSchema"]["items"]["anyOf"]
    assert {one.finding for one in prompts_for()} <= set(named["enum"])
    assert sentence["maxLength"] == 2000
    assert own["required"] == ["finding", "positive", "negative"]
