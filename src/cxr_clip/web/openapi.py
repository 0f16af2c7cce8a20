"""What the OpenAPI document says of forms and refusals; the rest of it is made from the answers' records."""

from typing import Any

from fastapi import FastAPI

from cxr_clip.data.findings import KNOWN_FINDINGS
from cxr_clip.search.rows import IndexContents
from cxr_clip.study import Split, View
from cxr_clip.web.answers import Refused
from cxr_clip.web.asked import MOST_VALUES, SAYS_NOTHING
from cxr_clip.web.form import IMAGES
from cxr_clip.web.limits import Limits

# JSON Schema is nested names and values; nothing but the document is made of it.
Schema = dict[str, Any]
PICTURES = "image/png, image/jpeg, application/dicom"
WHY = {
    403: "The host or the page that asks is not this server's.",
    404: "It is not there.",
    413: "A file, a picture, a text or their number is larger than the limits of /api/model.",
    415: "A file is no picture that can be read, or the body is no multipart form.",
    422: "A field is missing, unknown, or has a value that it cannot have.",
    429: "As many requests as may be are in work: try again after `Retry-After` seconds.",
    504: "The answer took too long.",
}
_RETRY: Schema = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}, "required": True}}


def refusals(*statuses: int) -> dict[int | str, Schema]:
    """The refusals of an operation."""
    return {
        status: {"model": Refused, "description": WHY[status], **({"headers": _RETRY} if status == 429 else {})}
        for status in (403, *statuses)
    }


OF_FORMS = (413, 415, 422, 429, 504)


def classify_form(limits: Limits) -> Schema:
    """The form of /api/classify."""
    text = _text(limits)
    texts: Schema = {"type": "array", "items": text, "maxItems": limits.texts}
    own: Schema = {
        "type": "object",
        "properties": {"finding": text, "positive": {**texts, "minItems": 1}, "negative": texts},
        "required": ["finding", "positive", "negative"],
        "additionalProperties": False,
    }
    sentence = {**text, "pattern": r"^\s*\S.*[.?!]\s*$"}
    findings: Schema = {
        "type": "array",
        "items": {"anyOf": [{"enum": list(KNOWN_FINDINGS)}, sentence, own]},
        "minItems": 1,
        "maxItems": limits.texts,
    }
    words = "A JSON list of findings by name, sentences, and findings with prompts of their own; absent: all."
    return _form({IMAGES: _images(limits.files), "findings": _json(findings, words)}, [IMAGES])


def explain_form(limits: Limits) -> Schema:
    """The form of /api/explain."""
    texts: Schema = {
        "type": "array",
        "items": _text(limits),
        "minItems": 1,
        "maxItems": limits.texts,
        "uniqueItems": True,
    }
    words = "A JSON list of sentences."
    return _form({IMAGES: _images(1), "texts": _json(texts, words)}, [IMAGES, "texts"])


def picture_form() -> Schema:
    """The form of /api/picture."""
    return _form({IMAGES: _images(1)}, [IMAGES])


def search_form(limits: Limits, contents: IndexContents | None) -> Schema:
    """The form of /api/search in an index."""
    names: Schema = {"type": "array", "maxItems": MOST_VALUES}
    fields: dict[str, Schema] = {
        "text": _text(limits),
        IMAGES: _images(1),
        "study": {"type": "string", "description": "The id of a study of the index.", "minLength": 1},
        "top": {"type": "integer", "minimum": 1, "maximum": limits.results, "default": min(10, limits.results)},
        "source": {**names, "items": {"enum": list(contents.sources) if contents else []}},
        "split": {**names, "items": {"enum": [one.value for one in Split]}},
        "view": {**names, "items": {"enum": [one.value for one in View]}},
        "kind": {**names, "items": {"enum": list(contents.kinds) if contents else []}},
        "finding": {**names, "items": {"enum": list(KNOWN_FINDINGS)}},
    }
    form = _form(fields, [])
    form["content"]["multipart/form-data"]["schema"]["oneOf"] = [
        {"required": [name]} for name in ("text", IMAGES, "study")
    ]
    return form


PICTURE_HEADERS: Schema = {
    name: {"description": words, "required": True, "schema": {"type": "string"}}
    for name, words in {
        "X-Rows": "Rows of the picture.",
        "X-Columns": "Columns of the picture.",
        "X-Window-Center": "The value in the middle between black and white.",
        "X-Window-Width": "How far white lies from black, in values.",
        "X-Bits": "The bits that values may use.",
    }.items()
}


def bytes_of(media_type: str, words: str, headers: Schema | None = None) -> Schema:
    """An answer that is no JSON."""
    answer: Schema = {"description": words, "content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}
    return {**answer, "headers": headers} if headers else answer


def document(app: FastAPI) -> Schema:
    """The OpenAPI document of an application, without the validation errors that FastAPI would answer by itself."""
    made = FastAPI.openapi(app)
    for name in ("HTTPValidationError", "ValidationError"):
        made.get("components", {}).get("schemas", {}).pop(name, None)
    return made


def _text(limits: Limits) -> Schema:
    return {"type": "string", "maxLength": limits.text_characters, "not": {"pattern": SAYS_NOTHING}}


def _images(most: int) -> Schema:
    item = {"type": "string", "format": "binary"}
    return {"type": "array", "items": item, "minItems": 1, "maxItems": most, "description": "PNG, JPEG or DICOM files."}


def _json(content: Schema, words: str) -> Schema:
    """A text field that holds JSON."""
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": content, "description": words}


def _form(fields: dict[str, Schema], required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": fields, "additionalProperties": False}
    if required:
        schema["required"] = required
    kinds = {name: field.get("contentMediaType") for name, field in fields.items()} | {IMAGES: PICTURES}
    encoding = {name: {"contentType": kind} for name, kind in kinds.items() if kind is not None}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema, "encoding": encoding}}}
