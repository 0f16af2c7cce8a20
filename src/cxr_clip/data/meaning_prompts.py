"""Sentences of a finding that differ in one word of weight: denied, doubted, on the other side, of another size."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from cxr_clip.data.prompt_files import read_meaning_prompts


@dataclass(frozen=True)
class MeaningPrompts:
    """Entry i of each says its meaning in form i; sides and grades are empty where the finding has none."""

    finding: str
    present: tuple[str, ...]
    absent: tuple[str, ...]
    possible: tuple[str, ...]
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    least: tuple[str, ...] = ()
    most: tuple[str, ...] = ()


def load_meaning_prompts(path: Path | None = None) -> Mapping[str, MeaningPrompts]:
    """The project's own sentences by finding, or those of a file in the shape of `resources/prompts_meaning.yaml`.

    Raises PromptError for a file that breaks that shape.
    """
    read = read_meaning_prompts(path or Path(str(files("cxr_clip").joinpath("resources", "prompts_meaning.yaml"))))
    return {finding: MeaningPrompts(finding, **sentences) for finding, sentences in read.items()}
