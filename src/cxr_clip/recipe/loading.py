"""A recipe from a YAML file, with key=value overrides and errors that name the setting; and back to YAML."""

from collections.abc import Sequence
from pathlib import Path

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
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(
            f"no recipe at {path}: give the path of a YAML file, for example recipes/openi.yaml"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(settings, dict):
        raise RecipeError(f"{path} does not hold settings: its top level must be a mapping such as `name: ...`")
    for override in overrides:
        apply(settings, override)
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise RecipeError(f"{path}: " + "; ".join(explain(error))) from error


def dump_recipe(recipe: Recipe) -> str:
    """The whole recipe as YAML, every default written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
