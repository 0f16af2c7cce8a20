"""Arguments and options that several commands have."""

import os
from pathlib import Path
from typing import Annotated

import typer

Processes = Annotated[int | None, typer.Option(help="Processes to use.", min=1, show_default="one for each core")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Settings as section.key=value.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")]
Device = Annotated[str, typer.Option(help="Where the model runs: auto (a GPU if there is one), cpu, cuda, cuda:1, ...")]
RunFolder = Annotated[str, typer.Argument(help="A run folder, a saved model, or a model on the hub (owner/name).")]
OwnRun = Annotated[Path, typer.Argument(help="A run folder.")]
RecipeFile = Annotated[Path, typer.Argument(help="A recipe (YAML).")]
ManifestFolder = Annotated[Path, typer.Argument(help="A manifest folder.")]
Style = Annotated[
    str | None, typer.Option(help="The style of prompts.", show_default="standard, or the first of --prompts")
]
PromptFile = Annotated[
    Path | None, typer.Option(help="A zero-shot prompt file of your own (YAML).", show_default="the project's prompts")
]
Resamples = Annotated[int, typer.Option(help="Bootstrap resamples of patients.", min=100)]
ScanCache = Annotated[
    Path | None,
    typer.Option(help="A folder that keeps what the audit read of images for the next one.", show_default="none"),
]
Always = Annotated[bool, typer.Option("--always", help="Score pictures that look like no chest X-ray too.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, one object a line, for programs.")]
Licence = Annotated[
    str,
    typer.Option(
        help="The licence in the model card, by its identifier on the hub, such as apache-2.0 or cc-by-nc-4.0."
    ),
]


def processes_or_cores(asked: int | None) -> int:
    """The number of processes that was asked for, or that of the cores."""
    return asked or os.cpu_count() or 1
