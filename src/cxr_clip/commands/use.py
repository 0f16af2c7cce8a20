"""The commands that use a model: classify, embed, reference."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.commands.arguments import (
    Always,
    AsJson,
    Device,
    ManifestFolder,
    OwnRun,
    PromptFile,
    Quiet,
    RunFolder,
    Style,
)
from cxr_clip.study import Split, View
from cxr_clip.terminal import bar, say, say_json, show_classification

ABSTAINED = 3
PREDICTION_SET = (
    "prediction set: positive = few studies without the finding score so high, which is no probability; where the "
    "finding is rare, it may be unlikely all the same"
)
# Who is done first waits for the others; one that is killed is noticed at once.
SLOWEST_WORKER = timedelta(days=1)


def classify(
    run: RunFolder,
    images: Annotated[list[Path], typer.Argument(help="PNG, JPEG, DICOM or other image files.")],
    *,
    finding: Annotated[
        list[str] | None,
        typer.Option(
            "--finding",
            "--findings",
            help="A finding, or a sentence of your own that ends with a full stop; give the option once for each.",
            show_default="all of the style",
        ),
    ] = None,
    style: Style = None,
    prompts: PromptFile = None,
    study: Annotated[bool, typer.Option("--study", help="The images are views of one study.")] = False,
    view: Annotated[
        list[View] | None,
        typer.Option(
            help="With --study: the view of an image; give the option once for each, in their order.",
            show_default="of DICOM headers",
        ),
    ] = None,
    always: Always = False,
    as_json: AsJson = False,
    fhir: Annotated[
        Path | None, typer.Option(help="Write a FHIR R4 bundle (JSON) to this file too.", show_default=False)
    ] = None,
    dicom_sr: Annotated[
        Path | None,
        typer.Option(
            "--dicom-sr",
            help="Write a DICOM structured report to this file too; for DICOM images of one study (extra standards).",
            show_default=False,
        ),
    ] = None,
    with_identifiers: Annotated[
        bool,
        typer.Option("--with-identifiers", help="Take patient and study data of DICOM headers into these files."),
    ] = False,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Say what the model makes of findings in images, or in the study that they are views of.

    Research only, not for any decision about a patient.

    Exit code 0: all images have scores; 2: a mistake, which is named;
    3: the model abstained on some image or on the study.

    Example: cxr-clip classify runs/openi chest.dcm --finding Edema --finding "A chest tube is seen."
    """
    from cxr_clip.embed import load
    from cxr_clip.errors import EmbeddingInputError
    from cxr_clip.evaluate.prompt_styles import choose_style
    from cxr_clip.standards.result_files import ResultFiles
    from cxr_clip.study_views import study_images

    if view and not study:
        raise EmbeddingInputError("--view has no effect without --study: add that, or leave the views out")
    style = choose_style(style, prompts)
    files = ResultFiles(fhir, dicom_sr, with_identifiers)
    used = [study_images(images, view)] if study else [[image] for image in images]
    files.check([image for group in used for image in group])
    model = load(run, device=device)
    if study:
        answers = [
            model.classify_study(images, finding, views=view, style=style, prompts=prompts, abstain=not always)
        ]  # fmt: skip
    else:
        with bar("Looking at images", quiet) as advance:
            answers = list(
                model.classify(images, finding, style=style, prompts=prompts, abstain=not always, advance=advance)
            )
    files.write(model, answers, used, moment=datetime.now(UTC))
    for answer in answers:
        if as_json:
            say_json(answer)
        else:
            show_classification(answer)
    if not (as_json or quiet) and any(one.answer for answer in answers for one in answer.findings):
        say(PREDICTION_SET)
    if not as_json and not quiet and not always and model.reference is None:
        say(f"Only colour, contrast and shape of the pictures were checked; for more: cxr-clip reference {run}")
    if any(answer.abstained for answer in answers):
        if not (as_json or quiet or always):
            say("--always scores pictures that look like no chest X-ray too")
        raise typer.Exit(ABSTAINED)


def reference(
    run: OwnRun,
    manifests: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Manifest folders with training and validation studies.", show_default="those of the run's recipe"
        ),
    ] = None,
    *,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Write into RUN which images the model knows, so that `classify` refuses others."""
    from cxr_clip.embed import load
    from cxr_clip.make_reference import make_reference

    model = load(run, device=device)
    folders = manifests or [source.manifest for source in model.recipe.data.sources]
    with bar("Embedding images", quiet) as advance:
        found = make_reference(model, run, folders, advance=advance)
    say(
        f"{run / 'reference.safetensors'}: {found.fitted:,} training images say what is usual; {found.refused:.0%} of "
        f"{found.checked:,} validation images lie beyond the limit ({found.limit:.1f}) and would be refused"
    )


def embed(
    run: RunFolder,
    manifest: ManifestFolder,
    out: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    *,
    split: Annotated[Split | None, typer.Option(help="The split to embed.", show_default="all")] = None,
    single: Annotated[bool, typer.Option("--float32", help="Keep single precision, in twice the space.")] = False,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Write the embeddings of every image and report section of a manifest into one Parquet file, and a certificate.

    Stopped, the same command continues.

    For several GPUs: torchrun --nproc-per-node=GPUS -m cxr_clip embed ...

    Example: cxr-clip embed runs/openi data/openi openi.parquet
    """
    from cxr_clip.distributed import joined_workers
    from cxr_clip.embed import load
    from cxr_clip.embed_manifest import EmbedRequest, embed_manifest
    from cxr_clip.embeddings_certificate import certificate_path, certify_embeddings
    from cxr_clip.embeddings_file import read_about
    from cxr_clip.whole_files import refuse_places

    refuse_places([out], kept=[])
    with (
        joined_workers(patience=SLOWEST_WORKER) as workers,
        bar("Embedding images", quiet or not workers.leads) as advance,
    ):
        model = load(run, device=device)
        origin = embed_manifest(
            model,
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
        certificate = certify_embeddings(model, manifest, out)
        say(
            f"{certificate_path(out)}: of {len(certificate.rows)} rows embedded again, one at a time, no number "
            f"differs by more than {certificate.largest:.1e}"
        )
