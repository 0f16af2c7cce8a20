"""Which styles of prompts to measure with: those asked for, else all of the user's own file, else two of ours."""

from pathlib import Path

import yaml

from cxr_clip.errors import PromptError

OURS = ("standard", "paraphrase")


def choose_styles(asked: tuple[str, ...] | None, prompts: Path | None) -> tuple[str, ...]:
    """Return the styles to measure with. Raises PromptError where `prompts` is no file of styles."""
    if asked:
        return asked
    return OURS if prompts is None else _styles_of(prompts)


def _styles_of(prompts: Path) -> tuple[str, ...]:
    """Return the styles of a prompt file, in the order in which they stand there."""
    try:
        styles = yaml.load(prompts.read_text("utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise PromptError(
            f"The prompt file {prompts} cannot be read ({reason}): give the path of a YAML file"
        ) from error
    if not isinstance(styles, dict) or not styles or not all(isinstance(style, str) for style in styles):
        raise PromptError(
            f"{prompts} has no style of prompts: write {{style: {{finding: {{positive: [...], negative: [...]}}}}}}"
        )
    return tuple(styles)
