"""The commands that use a model: embed."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.commands.arguments import Device, ManifestFolder, Quiet
from cxr_clip.study import Split
from cxr_clip.terminal import bar, say

RunFolder = Annotated[str, typer.Argument(help="A run folder, or a model on the hub (owner/name).")]


def embed(
    run: RunFolder,
    manifest: ManifestFolder,
    out: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    *,
    split: Annotated[Split | None, typer.Option(help="The part of the manifest.", show_default="all")] = None,
    single: Annotated[bool, typer.Option("--float32", help="Keep single precision, in twice the space.")] = False,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Write the embeddings of every image and report section of a manifest into one Parquet file.

    Stopped, the same command continues. For several GPUs: torchrun --nproc-per-node=GPUS -m cxr_clip embed ...
    """
    from cxr_clip.distributed import joined_workers
    from cxr_clip.embed import load
    from cxr_clip.embed_manifest import EmbedRequest, embed_manifest
    from cxr_clip.embeddings_file import read_about

    with joined_workers() as workers, bar("Embedding images", quiet or not workers.leads) as advance:
        origin = embed_manifest(
            load(run, device=device),
            EmbedRequest(manifest, split=split, precision="float32" if single else "float16"),
            out,
            workers=workers,
            threads=max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))),
            advance=advance,
        )
    if workers.leads:
        counts = read_about(out).column("kind").value_counts().to_pylist()
        listed = ", ".join(f"{one['counts']:,} {one['values']}" for one in counts)
        say(f"{out}: {listed} embeddings of {origin.dim} numbers ({origin.precision}), model {origin.model[:12]}")
