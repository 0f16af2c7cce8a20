"""A recipe from a YAML file, with key=value overrides and errors that name the setting; and back to YAML."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cxr_clip.errors import RecipeError
from cxr_clip.recipe.faults import explain
from cxr_clip.recipe.overrides import apply
from cxr_clip.recipe.whole import Recipe


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in `path` with `section.key=value` overrides (values are YAML).

    Raises RecipeError for a missing file, broken YAML, unknown keys (naming near ones) and impossible values.
    """
    settings = _read_yaml(path)
    if not isinstance(settings, dict):
        raise RecipeError(f"{path} does not hold settings: its top level must be a mapping such as `name: ...`")
    for override in overrides:
        apply(settings, override)
    return _checked(settings, path)


def load_recipes(path: Path) -> tuple[Recipe, ...]:
    """The recipes that `dump_recipes` wrote. Raises RecipeError for a file that is broken or holds something else."""
    listed = _read_yaml(path)
    if not isinstance(listed, list):
        raise RecipeError(f"{path} does not hold a list of recipes: copy it again from where it was written")
    return tuple(_checked(settings, path) for settings in listed)


def dump_recipe(recipe: Recipe) -> str:
    """The whole recipe as YAML, every default written out."""
    return _dump(recipe.model_dump(mode="json"))


def dump_recipes(recipes: Iterable[Recipe]) -> str:
    """Several recipes as one YAML list."""
    return _dump([recipe.model_dump(mode="json") for recipe in recipes])


def _dump(content: object) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(
            f"no recipe at {path}: give the path of a YAML file, for example recipes/openi.yaml"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path} cannot be read as YAML: {error}") from error


def _checked(settings: object, path: Path) -> Recipe:
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise RecipeError(f"{path}: " + "; ".join(explain(error))) from error
