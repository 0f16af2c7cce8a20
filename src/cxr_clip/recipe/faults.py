"""What is wrong with settings, one sentence each: where, the value seen, what is allowed or near to it."""

import difflib
import re
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import ValidationError

from cxr_clip.recipe.section import Section
from cxr_clip.recipe.whole import Recipe


def explain(error: ValidationError) -> Iterable[str]:
    """One sentence for each fault, with the near names of an unknown key and the near ones of the values allowed."""
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"]) or "recipe"
        if fault["type"] == "extra_forbidden":
            yield f"unknown setting {where!r} - {_instead(fault['loc'])}"
        elif fault["type"] == "missing":
            yield f"{where!r} is missing"
        elif fault["type"] in ("model_type", "model_attributes_type"):
            within = f"{where}.{_known(fault['loc'])[0]}"
            yield f"{where} = {fault['input']!r}: it is a section; give settings of it, such as {within}"
        elif fault["type"] == "literal_error":
            yield f"{where} = {fault['input']!r}: give {_among(fault['input'], fault['ctx']['expected'])}"
        elif fault["type"] == "tuple_type":
            such = f", such as [{fault['input']}]" if isinstance(fault["input"], str) else ""
            yield f"{where} = {fault['input']!r}: give a list{such}"
        elif fault["type"] == "value_error":
            yield f"{where}: {fault['ctx']['error']}"
        else:
            yield f"{where} = {fault['input']!r}: {fault['msg']}"


def _instead(location: tuple[int | str, ...]) -> str:
    """The known setting that looks like an unknown one, or all that there are in its place."""
    known = _known(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"


def _among(value: object, expected: str) -> str:
    """The values that are allowed, as pydantic lists them ("'fp32' or 'bf16'"), and the one that looks like `value`."""
    near = difflib.get_close_matches(str(value).lower(), re.findall("'(.*?)'", expected), n=1, cutoff=0.5)
    return expected.replace("'", "") + (f"; did you mean {near[0]}?" if near else "")


def _known(location: tuple[int | str, ...]) -> list[str]:
    """The settings of the section at `location`."""
    section: type[Section] | None = Recipe
    for part in location:
        if isinstance(part, str) and section is not None:
            section = _section_within(section.model_fields[part].annotation)
    return list(section.model_fields) if section is not None else []


def _section_within(annotation: Any) -> type[Section] | None:
    """The section that an annotation holds: itself, or inside of `X | None`, `tuple[X, ...]`, `Annotated[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_within, get_args(annotation))), None)
