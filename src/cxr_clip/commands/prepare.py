"""`cxr-clip prepare SOURCE`, a command for each data set of the table, and `cxr-clip merge`."""

from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import typer

from cxr_clip.commands.arguments import Processes, Quiet, processes_or_cores
from cxr_clip.commands.sources import SOURCES, SourceEntry, SourceOption
from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.terminal import bar, say, show_prepared

prepare_app = typer.Typer(
    name="prepare", no_args_is_help=True, help="Turn a data set as downloaded into a manifest and image shards."
)

_RAW = Annotated[Path, typer.Argument(help="The data set as downloaded (unpacked).")]
_OUT = Annotated[Path, typer.Argument(help="Where the manifest and the image shards go.")]
_SHORT_SIDE = Annotated[int, typer.Option(help="Stored images have at most this short side, in pixels.", min=32)]
_LIMIT = Annotated[
    int | None,
    typer.Option(help="Take so many studies only, the first, to try things out.", min=1, show_default="all"),
]
_SHARD = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Prepare the I-th of N parts only, on this machine; then: cxr-clip merge.",
        show_default="all",
    ),
]
_WINDOWING = Annotated[
    Windowing,
    typer.Option(
        help="Black and white of DICOM images: as the file says, from its least to its largest value, or without the "
        "0.5 % at both ends."
    ),
]
_LABEL_REPORTS = Annotated[
    bool,
    typer.Option(
        "--label-reports",
        help="Where a study has a report and no labels, take those that its words state, deny or doubt, by rule.",
    ),
]
_HASH_IDS = Annotated[
    Path | None,
    typer.Option(
        metavar="SALTFILE",
        help="Write hashes of patients, studies and file names, made with the secret in this file (16 bytes or more).",
        show_default="ids as they are",
    ),
]
_SHAPE = {"short_side": (_SHORT_SIDE, 512)}
_WORK = {
    "limit": (_LIMIT, None),
    "hash_ids": (_HASH_IDS, None),
    "shard": (_SHARD, None),
    "processes": (Processes, None),
    "quiet": (Quiet, False),
}


def prepare_command(entry: SourceEntry) -> Callable[..., None]:
    """The command of one source: the arguments of all sources, and the options of its own."""

    def command(
        raw: Path,
        out: Path,
        *,
        short_side: int,
        limit: int | None,
        hash_ids: Path | None,
        shard: str | None,
        processes: int | None,
        quiet: bool,
        windowing: Windowing = Windowing.FILE,
        label_reports: bool = False,
        **own: object,
    ) -> None:
        from cxr_clip.prepare.hashed_ids import Ids, read_salt
        from cxr_clip.prepare.records import PrepareOptions
        from cxr_clip.prepare.shares import parse_share

        share = None if shard is None else parse_share(shard)
        options = PrepareOptions(
            short_side=short_side,
            processes=processes_or_cores(processes),
            limit=limit,
            share=share,
            windowing=windowing,
            label_reports=label_reports,
            ids=Ids() if hash_ids is None else read_salt(hash_ids, out=out),
        )
        with bar("Preparing studies", quiet) as advance:
            summary = resolve_name(entry.prepare)(raw, out, options, **converted(entry.options, own), progress=advance)
        show_prepared(summary, out)
        if entry.reports and share is None and not label_reports:
            _tell_of_labels(out, has_table=any(option.name == "labels" for option in entry.options))
        if share is not None:
            say(f"This is share {share}. When all are made: cxr-clip merge MANIFEST_FOLDER SHARE_FOLDER...")

    return with_signature(command, _parameters(entry), doc=f"Prepare {entry.help}")


def _tell_of_labels(out: Path, *, has_table: bool) -> None:
    """Say that labels can be had where there are none at all."""
    from cxr_clip.data.columns import lengths
    from cxr_clip.data.manifest import read_manifest

    if not lengths(read_manifest(out, check=False).table, "findings").any():
        table = "--labels names a table of them, " if has_table else ""
        say(
            f"No study has labels. {table}--label-reports takes those that reports state, by rule; training needs none."
        )


def _parameters(entry: SourceEntry) -> Iterator[Parameter]:
    yield Parameter("raw", Parameter.POSITIONAL_OR_KEYWORD, annotation=_RAW)
    yield Parameter("out", Parameter.POSITIONAL_OR_KEYWORD, annotation=_OUT)
    yield from own_parameters(entry.options)
    yield from common_parameters(_SHAPE)
    if entry.dicom:
        yield from common_parameters({"windowing": (_WINDOWING, Windowing.FILE)})
    if entry.reports:
        yield from common_parameters({"label_reports": (_LABEL_REPORTS, False)})
    yield from common_parameters(_WORK)


def own_parameters(options: tuple[SourceOption, ...]) -> Iterator[Parameter]:
    """The parameters of a source's own options."""
    for option in options:
        names = [f"--{option.name}"] if option.kind is bool else []
        default = typer.Option(option.default, *names, help=option.help, show_default=option.shown or True)
        yield Parameter(option.name, Parameter.KEYWORD_ONLY, default=default, annotation=option.kind)


def converted(options: tuple[SourceOption, ...], typed: Mapping[str, object]) -> dict[str, object]:
    """The arguments of a source's own options, made of what was typed."""
    convert = {option.name: option.convert for option in options if option.convert is not None}
    return {
        name: value if value is None or name not in convert else resolve_name(convert[name])(value)
        for name, value in typed.items()
    }


def common_parameters(common: Mapping[str, tuple[object, object]]) -> Iterator[Parameter]:
    """The parameters of options that several commands have: annotation and default by name."""
    for name, (kind, default) in common.items():
        yield Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def with_signature(command: Callable[..., None], parameters: Iterator[Parameter], *, doc: str) -> Callable[..., None]:
    """Give a function the parameters and the help that Typer reads off it."""
    signature = Signature(list(parameters))
    shown: Any = command
    shown.__signature__ = signature
    shown.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    command.__doc__ = doc
    return command


for _name, _entry in SOURCES.items():
    prepare_app.command(_name)(prepare_command(_entry))


def merge(
    out: Annotated[Path, typer.Argument(help="Where the whole manifest and its image shards go.")],
    shares: Annotated[list[Path], typer.Argument(help="The folders of all shares, in any order.")],
    *,
    quiet: Quiet = False,
) -> None:
    """Merge the shares of one data set that `prepare --shard` made; the result is that of a single run."""
    from cxr_clip.prepare.merge import merge_shares

    with bar("Merging shards", quiet) as advance:
        summary = merge_shares(out, shares, progress=advance)
    show_prepared(summary, out)
