"""The text fields of a form as values: lists of findings and sentences, a number, what a search is narrowed to."""

import json
import re
from collections.abc import Sequence
from typing import Any

from cxr_clip.classify import Question
from cxr_clip.data.findings import canonical
from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.embeddings_file import IMAGE
from cxr_clip.errors import PromptError
from cxr_clip.search.rows import IndexContents
from cxr_clip.search.vector_index import Wanted
from cxr_clip.study import Split, View
from cxr_clip.web.form import Form
from cxr_clip.web.limits import Limits
from cxr_clip.web.refusals import BAD_VALUES, TOO_LARGE, RefusalError

# A text that says nothing: spaces alone, which are those of ECMAScript and so of JSON Schema.
SAYS_NOTHING = r"^[\t\n\u000b\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
# The values of one filter.
MOST_VALUES = 32
_KEYS = {"finding", "positive", "negative"}


def findings_asked(form: Form, limits: Limits) -> tuple[Question, ...] | None:
    """The findings of a form; None where it names none. Raises RefusalError."""
    said = form.one("findings")
    if said is None:
        return None
    asked = tuple(_question(one) for one in _list(said, "findings"))
    _refuse_many([text for one in asked for text in _texts_of(one)], limits)
    return asked


def sentences_asked(form: Form, limits: Limits) -> tuple[ZeroShotPrompt, ...]:
    """The sentences of the field `texts`, each a prompt by itself. Raises RefusalError."""
    said = form.one("texts")
    if said is None:
        raise RefusalError(BAD_VALUES, "the field texts is missing: send a JSON list of sentences")
    listed = _list(said, "texts")
    if not all(isinstance(one, str) for one in listed):
        raise RefusalError(BAD_VALUES, 'texts is no list of sentences: send JSON as in ["A sentence."]')
    _refuse_many(listed, limits)
    return tuple(ZeroShotPrompt(one, positive=(one,), negative=()) for one in listed)


def text_asked(text: str, limits: Limits) -> str:
    """The text that a search looks for. Raises RefusalError."""
    _refuse_many([text], limits)
    return text


def count_asked(form: Form, limits: Limits) -> int:
    """How many studies a search is to find. Raises RefusalError."""
    said = form.one("top")
    if said is None:
        return min(10, limits.results)
    if not (said.isascii() and said.isdecimal() and len(said) < 10 and 1 <= int(said) <= limits.results):
        raise RefusalError(BAD_VALUES, f"top is {said[:20]!r}: send a whole number from 1 to {limits.results}")
    return int(said)


def wanted_rows(form: Form, contents: IndexContents | None, *, without: Sequence[str] = ()) -> Wanted:
    """What a search of an index is narrowed to. Raises RefusalError for a value that there is not."""
    try:
        findings = tuple(canonical(one) for one in _several(form, "finding"))
    except PromptError as error:
        raise RefusalError(BAD_VALUES, str(error)) from error
    return Wanted(
        kinds=_known(form, "kind", contents.kinds if contents else ()) or (IMAGE,),
        sources=_known(form, "source", contents.sources if contents else ()),
        splits=_known(form, "split", [one.value for one in Split]),
        views=_known(form, "view", [one.value for one in View]),
        findings=findings,
        without=tuple(without),
    )


def _known(form: Form, name: str, values: Sequence[str]) -> tuple[str, ...]:
    said_of_it = _several(form, name)
    for said in said_of_it:
        if said not in values:
            known = ", ".join(values) or "none, as there is no index"
            raise RefusalError(BAD_VALUES, f"there is no {name} {said[:80]!r}: use one of {known}")
    return said_of_it


def _several(form: Form, name: str) -> tuple[str, ...]:
    values = form.all(name)
    if len(values) > MOST_VALUES:
        raise RefusalError(BAD_VALUES, f"{name} has {len(values)} values: send {MOST_VALUES} at most")
    return values


def _list(said: str, name: str) -> list[Any]:
    try:
        value = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise RefusalError(BAD_VALUES, f'{name} is no JSON: send a list, as in ["Edema"]') from error
    if not isinstance(value, list) or not value:
        raise RefusalError(BAD_VALUES, f'{name} is no list with something in it: send one, as in ["Edema"]')
    return value


def _question(value: object) -> Question:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value.keys() == _KEYS and isinstance(value["finding"], str):
        sides = value["positive"], value["negative"]
        if all(isinstance(side, list) and all(isinstance(one, str) for one in side) for side in sides):
            return ZeroShotPrompt(value["finding"], positive=tuple(sides[0]), negative=tuple(sides[1]))
    raise RefusalError(
        BAD_VALUES,
        'a finding is neither a text nor {"finding": text, "positive": [texts], "negative": [texts]}: send it as one',
    )


def _texts_of(asked: Question) -> tuple[str, ...]:
    return (asked,) if isinstance(asked, str) else (asked.finding, *asked.positive, *asked.negative)


def _refuse_many(texts: Sequence[str], limits: Limits) -> None:
    """Refuse too many or too long texts, and those that say nothing or are no Unicode."""
    if len(texts) > limits.texts:
        raise RefusalError(TOO_LARGE, f"there are {len(texts)} texts: send {limits.texts} at most")
    for text in texts:
        if len(text) > limits.text_characters:
            raise RefusalError(
                TOO_LARGE, f"a text has {len(text):,} characters: send {limits.text_characters:,} at most"
            )
        if re.search(SAYS_NOTHING, text) is not None:
            raise RefusalError(BAD_VALUES, "a text is empty: write something in it, or leave it out")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise RefusalError(BAD_VALUES, "a text has half of a character: send whole Unicode characters")
