"""What is wrong with settings, one sentence each: where, the value seen, and the near names of an unknown key."""

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import ValidationError

from cxr_clip.recipe.section import Section
from cxr_clip.recipe.whole import Recipe


def explain(error: ValidationError) -> Iterable[str]:
    """One sentence for each fault, with the near names of an unknown key."""
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"]) or "recipe"
        if fault["type"] == "extra_forbidden":
            near = _near_names(fault["loc"])
            hint = f" - did you mean {near[0]!r}?" if near else ""
            yield f"unknown setting {where!r}{hint}"
        elif fault["type"] == "missing":
            yield f"{where!r} is missing"
        elif fault["type"] == "value_error":
            yield f"{where}: {fault['ctx']['error']}"
        else:
            yield f"{where} = {fault['input']!r}: {fault['msg']}"


def _near_names(location: tuple[int | str, ...]) -> list[str]:
    """Known settings that look like the last part of `location`."""
    section: type[Section] | None = Recipe
    for part in location[:-1]:
        if isinstance(part, str) and section is not None:
            section = _section_within(section.model_fields[part].annotation)
    known = list(section.model_fields) if section is not None else []
    return difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)


def _section_within(annotation: Any) -> type[Section] | None:
    """The section that an annotation holds: itself, or inside of `X | None`, `tuple[X, ...]`, `Annotated[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_within, get_args(annotation))), None)
