"""Arguments and options that several commands have."""

import os
from pathlib import Path
from typing import Annotated

import typer

Processes = Annotated[int | None, typer.Option(help="Processes to use; default: one for each core.", min=1)]
Overrides = Annotated[list[str] | None, typer.Argument(help="Settings as section.key=value.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...")]
RunFolder = Annotated[str, typer.Argument(help="A run folder, or a model on the hub (owner/name).")]
ManifestFolder = Annotated[Path, typer.Argument(help="A manifest folder.")]


def processes_or_cores(asked: int | None) -> int:
    """The number of processes that was asked for, or that of the cores."""
    return asked or os.cpu_count() or 1
