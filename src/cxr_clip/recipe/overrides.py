"""One `section.key=value` of the command line, put into settings as YAML holds them."""

from typing import Any

import yaml

from cxr_clip.errors import RecipeError


def apply(settings: dict[str, Any], override: str) -> None:
    """Set one `a.b.0.c=value` within `settings`; raises RecipeError where there is no such place."""
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise RecipeError(f"override {override!r} is not of the form section.key=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"override {override!r}: the value is not YAML: {error}") from error
    *parents, last = key.split(".")
    place: Any = settings
    for name in parents:
        place = _step_into(place, name, override)
    if isinstance(place, list):
        place[_position(place, last, override)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise RecipeError(f"override {override!r}: there is nothing below {'.'.join(parents)!r}")


def _step_into(place: Any, name: str, override: str) -> Any:
    if isinstance(place, list):
        return place[_position(place, name, override)]
    if isinstance(place, dict):
        if place.get(name) is None:
            place[name] = {}
        return place[name]
    raise RecipeError(f"override {override!r}: {name!r} lies below a plain value")


def _position(items: list[Any], name: str, override: str) -> int:
    if name.isdecimal() and int(name) < len(items):
        return int(name)
    raise RecipeError(
        f"override {override!r}: {name!r} is not a position in a list of {len(items)} (0 to {len(items) - 1})"
    )
