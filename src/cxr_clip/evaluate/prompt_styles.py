"""Which styles of prompts to measure with: those asked for, else all of the user's own file, else two of ours."""

from pathlib import Path

from cxr_clip.data.prompt_files import styles_of

OURS = ("standard", "paraphrase")


def choose_styles(asked: tuple[str, ...] | None, prompts: Path | None) -> tuple[str, ...]:
    """Return the styles to measure with. Raises PromptError where `prompts` is no file of styles."""
    if asked:
        return asked
    return OURS if prompts is None else styles_of(prompts)


def choose_style(asked: str | None, prompts: Path | None) -> str | None:
    """Return the one style to ask in: that asked for, else the first of the user's file; None leaves it to the model.

    Raises PromptError where `prompts` is no file of styles.
    """
    return asked if asked is not None or prompts is None else styles_of(prompts)[0]
