"""`cxr-clip document`: the documents that go with a model or a data set."""

from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.commands.arguments import Licence, ManifestFolder, OwnRun
from cxr_clip.terminal import say

document_app = typer.Typer(
    name="document",
    no_args_is_help=True,
    help="Write a model card, a data sheet or the CLAIM checklist of what is here.",
)


@document_app.command()
def card(
    run: OwnRun,
    *,
    out: Annotated[Path | None, typer.Option(help="The file to write.", show_default="RUN/card.md")] = None,
    licence: Licence = "other",
) -> None:
    """Write the model card of a run: what it is, what it learned from, how good it is, what it is not for."""
    from cxr_clip.checkpoint import load_run
    from cxr_clip.sharing.card import Presentation, model_card, use_here
    from cxr_clip.sharing.facts import gather
    from cxr_clip.sharing.folder import without_places

    found = load_run(run)
    presentation = Presentation(use=use_here(None), licence=licence)
    _write(out or run / "card.md", model_card(without_places(found), gather(found.recipe, run), presentation))


@document_app.command()
def data_sheet(
    manifest: ManifestFolder,
    *,
    out: Annotated[Path | None, typer.Option(help="The file to write.", show_default="MANIFEST/data-sheet.md")] = None,
) -> None:
    """Write the data sheet of a prepared folder, under the headings of Gebru et al."""
    from cxr_clip.documents.data_facts import read_data_facts
    from cxr_clip.documents.data_sheet import data_sheet as sheet_of

    _write(out or manifest / "data-sheet.md", sheet_of(read_data_facts(manifest)))


@document_app.command()
def checklist(
    run: OwnRun,
    manifests: Annotated[
        list[Path] | None,
        typer.Argument(help="Manifest folders of the study.", show_default="those of the run's recipe"),
    ] = None,
    *,
    out: Annotated[Path | None, typer.Option(help="The file to write.", show_default="RUN/claim-2024.md")] = None,
) -> None:
    """Write the checklist CLAIM 2024 of a study: items that its files answer, and those that are open."""
    from cxr_clip.documents.claim import checklist as checklist_of
    from cxr_clip.documents.study_facts import read_study_facts

    _write(out or run / "claim-2024.md", checklist_of(read_study_facts(run, manifests or ())))


def _write(path: Path, text: str) -> None:
    from cxr_clip.whole_files import write_whole

    say(f"{write_whole(path, text)}: a draft from what is known here; read it before you give it away")
