"""The commands that make an index of embeddings and search in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxr_clip.commands.arguments import AsJson, Device, RunFolder
from cxr_clip.study import Split, View
from cxr_clip.terminal import say, say_hit, show_hits

if TYPE_CHECKING:
    from cxr_clip.search.folder_index import FolderIndex
    from cxr_clip.search.vector_index import Wanted


index_app = typer.Typer(name="index", no_args_is_help=True, help="Make an index for `cxr-clip search`, and change it.")

_Embeddings = Annotated[Path, typer.Argument(help="A file that `cxr-clip embed` wrote.")]
_Index = Annotated[Path, typer.Argument(help="The folder of an index.", metavar="INDEX")]


@index_app.command()
def build(
    embeddings: _Embeddings, folder: Annotated[Path, typer.Argument(help="The folder to make.", metavar="INDEX")]
) -> None:
    """Make an index of a file of embeddings.

    Example: cxr-clip index build openi.parquet openi.index
    """
    from cxr_clip.embeddings_file import read_embeddings
    from cxr_clip.search.folder_index import build_index

    _say_index(build_index(folder, read_embeddings(embeddings)))


@index_app.command()
def add(embeddings: _Embeddings, folder: _Index) -> None:
    """Add a file of embeddings of the same model; rows whose id is there already take its place."""
    from cxr_clip.embeddings_file import read_embeddings
    from cxr_clip.search.folder_index import FolderIndex

    rows, index = read_embeddings(embeddings), FolderIndex(folder)
    before = index.count()
    index.add(rows)
    new = index.count() - before
    say(f"{new:,} rows are new, {len(rows.ids) - new:,} took the place of rows with the same id")
    _say_index(index)


@index_app.command()
def delete(
    folder: _Index,
    *,
    study: Annotated[list[str] | None, typer.Option(help="A study to take out; give the option once for each.")] = None,
    patient: Annotated[
        list[str] | None, typer.Option(help="A patient to take out; give the option once for each.")
    ] = None,
) -> None:
    """Take all rows of studies and patients out of an index; where one of them is not in it, nothing is changed."""
    from cxr_clip.search.folder_index import FolderIndex

    index = FolderIndex(folder)
    gone = index.delete(index.ids_of_all(studies=study or (), patients=patient or ()))
    say(f"{gone:,} rows are deleted")
    _say_index(index)


@index_app.command()
def show(folder: _Index) -> None:
    """Check an index against its digests, and say what it holds."""
    from cxr_clip.search.folder_index import FolderIndex

    index = FolderIndex(folder)
    _say_index(index)
    for kind, count in index.kinds().items():
        say(f"{kind}: {count:,}")


def _say_index(index: "FolderIndex") -> None:
    probing = index.files.probing
    how = f"{probing.lists} lists a search, recall {probing.recall:.3f}" if probing else "exact"
    what = f"{index.count():,} embeddings of {index.files.dim} numbers"
    say(f"{index.folder}: {what}, {how}, model {index.model[:12]}")


def search(
    run: RunFolder,
    folder: _Index,
    *,
    text: Annotated[str | None, typer.Option(help="Look for what is nearest to these words.")] = None,
    image: Annotated[Path | None, typer.Option(help="Look for what is nearest to this image.")] = None,
    study: Annotated[str | None, typer.Option(help="Look for what is nearest to this study of the index.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Studies of this source; give the option once for each.", show_default="any"),
    ] = None,
    split: Annotated[
        list[Split] | None,
        typer.Option(help="Studies of this split; give the option once for each.", show_default="any"),
    ] = None,
    view: Annotated[
        list[View] | None,
        typer.Option(help="Images of this view; give the option once for each.", show_default="any"),
    ] = None,
    patient: Annotated[
        list[str] | None,
        typer.Option(help="Studies of this patient; give the option once for each.", show_default="any"),
    ] = None,
    finding: Annotated[
        list[str] | None,
        typer.Option(help="Studies with this finding; given twice, with both.", show_default="any"),
    ] = None,
    with_itself: Annotated[bool, typer.Option("--with-itself", help="Find the study that is asked about too.")] = False,
    top: Annotated[int, typer.Option(help="How many studies.", min=1)] = 10,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Find the studies of an index whose images are nearest to a text, an image or a study.

    Example: cxr-clip search runs/openi openi.index --text "Large left pleural effusion." --top 5
    """
    from cxr_clip.data.findings import canonical
    from cxr_clip.embed import load
    from cxr_clip.errors import SearchIndexError
    from cxr_clip.search.folder_index import FolderIndex
    from cxr_clip.search.nearest import nearest_studies, refuse_other_model
    from cxr_clip.search.rows import not_held
    from cxr_clip.search.vector_index import Wanted

    if sum(one is not None for one in (text, image, study)) != 1:
        raise SearchIndexError("a search needs one of --text, --image and --study: give one")
    if with_itself and study is None:
        raise SearchIndexError("--with-itself has no effect without --study: leave it out")
    there, model = FolderIndex(folder), load(run, device=device)
    wanted = Wanted(
        sources=tuple(source or ()),
        splits=tuple(one.value for one in split or ()),
        views=tuple(one.value for one in view or ()),
        patients=tuple(patient or ()),
        findings=tuple(canonical(one) for one in finding or ()),
        without=() if study is None or with_itself else (study,),
    )
    if study is not None:
        refuse_other_model(there, model.fingerprint)
        hits = nearest_studies(there, there.embedding_of(study), top=top, wanted=wanted)
    else:
        query = image if image is not None else str(text)
        hits = model.similar(query, there, top=top, wanted=wanted)
    if as_json:
        for hit in hits:
            say_hit(hit)
    elif hits:
        show_hits(hits)
    else:
        say("nothing in the index is as asked")
        for one in (*not_held(there.contents, wanted), *_unknown_patients(there, wanted)):
            say(one)


def _unknown_patients(index: "FolderIndex", wanted: "Wanted") -> list[str]:
    return [f"no row is of patient {one!r}" for one in wanted.patients if not index.ids_of(patients=[one])]
