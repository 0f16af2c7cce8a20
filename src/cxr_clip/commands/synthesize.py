"""`cxr-clip synthesize SOURCE`: a command for each data set of which made-up miniatures can be written."""

from collections.abc import Callable, Iterator
from inspect import Parameter
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated

import typer

from cxr_clip.commands.arguments import Processes, Quiet, processes_or_cores
from cxr_clip.commands.prepare import common_parameters, converted, own_parameters, with_signature
from cxr_clip.commands.sources import SOURCES, SourceEntry
from cxr_clip.terminal import bar, say

synthesize_app = typer.Typer(
    name="synthesize",
    no_args_is_help=True,
    help="Write made-up chest X-ray studies in the raw layout of a public data set.",
)

_OUT = Annotated[Path, typer.Argument(help="The folder to write it into.")]
_STUDIES = Annotated[int, typer.Option(help="How many studies.", min=1)]
_SEED = Annotated[int, typer.Option(help="The same seed writes the same bytes.", min=0)]
_IMAGE_SIZE = Annotated[int, typer.Option(help="Side of the images in pixels.", min=64)]
_SHAPE = {"studies": (_STUDIES, 1000), "seed": (_SEED, 0), "image_size": (_IMAGE_SIZE, 256)}
_WORK = {"processes": (Processes, None), "quiet": (Quiet, False)}


def synthesize_command(name: str, entry: SourceEntry, synthesize: str) -> Callable[..., None]:
    """The command of one source."""

    def command(
        out: Path, *, studies: int, seed: int, image_size: int, processes: int | None, quiet: bool, **own: object
    ) -> None:
        with bar("Making studies", quiet) as advance:
            resolve_name(synthesize)(
                out,
                studies=studies,
                seed=seed,
                processes=processes_or_cores(processes),
                image_size=image_size,
                progress=lambda done: advance(done, studies),
                **converted(entry.made_up, own),
            )
        say(f"{studies} made-up studies in {out}\nnext: cxr-clip prepare {name} {out} MANIFEST_FOLDER")

    return with_signature(command, _parameters(entry), doc=f"Make up {entry.help}")


def _parameters(entry: SourceEntry) -> Iterator[Parameter]:
    yield Parameter("out", Parameter.POSITIONAL_OR_KEYWORD, annotation=_OUT)
    yield from common_parameters(_SHAPE)
    yield from own_parameters(entry.made_up)
    yield from common_parameters(_WORK)


for _name, _entry in SOURCES.items():
    if _entry.synthesize is not None:
        synthesize_app.command(_name)(synthesize_command(_name, _entry, _entry.synthesize))
