"""`cxr-clip inspect`: what a manifest holds, as a page, and whether it is sound."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.commands.arguments import ManifestFolder, Quiet
from cxr_clip.terminal import bar, show_inspection

FAULTY = 1


def inspect(
    manifest: ManifestFolder,
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder for inspect.html and inspect.json.", show_default="that of the manifest"),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(help="Show studies with the settings of this recipe (YAML).", show_default="the defaults"),
    ] = None,
    tokeniser: Annotated[
        Path | None,
        typer.Option(help="Count lengths in tokens of this folder's tokeniser.", show_default="count words"),
    ] = None,
    samples: Annotated[int, typer.Option(help="How many random studies are shown.", min=0)] = 24,
    seed: Annotated[int, typer.Option(help="Another seed shows other studies.", min=0)] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 if there is any fault.")] = False,
    quiet: Quiet = False,
) -> None:
    """Count what a manifest holds, find its faults, show random studies as training sees them (inspect.html).

    Example: cxr-clip inspect data/openi --recipe recipes/openi.yaml
    """
    from cxr_clip.inspection.inspect_manifest import DEFAULT_MAX_TOKENS, InspectionRequest, inspect_manifest
    from cxr_clip.inspection.page import write_inspection
    from cxr_clip.recipe import load_recipe

    loaded = None if recipe is None else load_recipe(recipe)
    request = InspectionRequest(
        recipe=loaded,
        tokeniser=tokeniser,
        samples=samples,
        seed=seed,
        threads=os.cpu_count() or 1,
        max_tokens=DEFAULT_MAX_TOKENS if loaded is None else loaded.data.max_tokens,
    )
    with bar("Reading images", quiet) as advance:
        inspection = inspect_manifest(manifest, request, advance=advance)
    page = write_inspection(inspection, inspection.folder if out is None else out)
    show_inspection(inspection, page)
    if strict and inspection.faults:
        raise typer.Exit(FAULTY)
