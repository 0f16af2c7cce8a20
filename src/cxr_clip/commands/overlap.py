"""`cxr-clip overlap`: what a training and an evaluation have in common."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.commands.arguments import Device, Quiet, ScanCache
from cxr_clip.study import Split
from cxr_clip.terminal import bar, show_audit

OVERLAPPING = 1


def overlap(
    manifests: Annotated[
        list[Path],
        typer.Argument(
            help="The manifests of the training, then that of the evaluation.", metavar="TRAIN... EVALUATION"
        ),
    ],
    *,
    run: Annotated[
        Path | None,
        typer.Option(help="Compare images by the embeddings of this run too.", show_default="hashes alone"),
    ] = None,
    train_split: Annotated[
        list[Split] | None,
        typer.Option(help="A split that was trained on; give the option once for each.", show_default="train"),
    ] = None,
    split: Annotated[
        list[Split] | None,
        typer.Option(help="A split that is evaluated; give the option once for each.", show_default="test"),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            help="How many of 256 bits may differ in a copy.",
            show_default="up to 10, by how alike the images are",
            min=0,
            max=64,
        ),
    ] = None,
    cache: ScanCache = None,
    out: Annotated[Path, typer.Option(help="The folder for overlap.json, overlap.parquet and overlap.html.")] = Path(),
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 if there is any overlap.")] = False,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Find patients, images and reports that a training and an evaluation share (overlap.json, .parquet, .html).

    Example: cxr-clip overlap data/mimic-cxr data/chexpert data/openi --out overlap
    """
    from cxr_clip.overlap.audit_manifests import OverlapRequest, audit_manifests
    from cxr_clip.overlap.written import write_audit

    if len(manifests) < 2:
        raise typer.BadParameter("name the manifests of the training and, last, that of the evaluation")
    request = OverlapRequest(
        training=tuple(manifests[:-1]),
        evaluation=manifests[-1],
        training_splits=tuple(train_split or (Split.TRAIN,)),
        evaluation_splits=tuple(split or (Split.TEST,)),
        bits=bits,
        threads=os.cpu_count() or 1,
        cache=cache,
    )
    found = audit_manifests(request, run=run, device=device, progress=lambda title: bar(title, quiet))
    page = write_audit(found, out)
    show_audit(found, page)
    if strict and found.overlapping:
        raise typer.Exit(OVERLAPPING)
