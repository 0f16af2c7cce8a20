"""What is known of a model beside its weights: where they came from, what they learned from, how good they are.

facts.json keeps it for programs and for the next copy; the model card says it in words.
"""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cxr_clip.data.columns import lengths
from cxr_clip.data.manifest import Manifest, read_manifest
from cxr_clip.errors import CheckpointError, ManifestError
from cxr_clip.learned_from import learned_from, validated_on
from cxr_clip.prepare.summary_file import read_preparation
from cxr_clip.recipe import DataSettings, Recipe
from cxr_clip.study import Split

FACTS = "facts.json"
REPORT = "report.json"
# Figures that a card shows; the report has more.
_SHOWN = ("auroc/", "auroc_gap/", "recall_at_10/", "accuracy/", "image_to_text/recall_at_", "text_to_image/recall_at_")


class Fact(BaseModel):
    """A part of the facts: it never changes, and keys that a later version adds are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Origin(Fact):
    """The file that weights were imported from, and what became of its tensors."""

    file: str
    sha256: str
    size: int
    tokeniser: str
    tensors: int
    used: int
    made_anew: tuple[str, ...]
    left_out: tuple[str, ...]


class SourceCount(Fact):
    """How many studies of a manifest a model learned from, by split, and what was left out of it, by reason."""

    manifest: str
    studies: dict[str, int]
    patients: int | None = None
    images: int | None = None
    left_out: dict[str, int] = {}
    made: str = ""


class Figure(Fact):
    """A measured figure with its interval, the number of cases and the part of the manifest."""

    benchmark: str
    name: str
    value: float
    low: float
    high: float
    count: int
    measured_on: str


class Facts(Fact):
    """All that is known; empty parts are unknown."""

    origin: Origin | None = None
    sources: tuple[SourceCount, ...] = ()
    figures: tuple[Figure, ...] = ()


Checked = TypeVar("Checked", bound=Fact)


def gather(recipe: Recipe, folder: Path | None) -> Facts:
    """Collect the facts of a run: its facts.json, its reports, and the manifests of its recipe where they are here.

    Reports are that of the run folder, and those of the folders in it, as `evaluate --out RUN/NAME` leaves them.

    Raises CheckpointError where facts.json or report.json is there and cannot be read.
    """
    kept = _read(folder / FACTS) if folder is not None else None
    known = _checked(Facts, kept, FACTS) if kept is not None else Facts()
    reports = [_read(path) for path in _reports(folder)] if folder is not None else []
    return Facts(
        origin=known.origin,
        sources=_counted(recipe) or known.sources,
        figures=tuple(dict.fromkeys(one for report in reports for one in _figures(report))) or known.figures,
    )


def write_facts(folder: Path, facts: Facts) -> None:
    """Write facts.json."""
    (folder / FACTS).write_text(facts.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _counted(recipe: Recipe) -> tuple[SourceCount, ...]:
    """The studies of the manifests; none where one of them is not on this machine."""
    try:
        manifests = [(one.manifest.name, read_manifest(one.manifest)) for one in recipe.data.sources]
    except ManifestError:
        return ()
    return tuple(_source(name, manifest, recipe.data) for name, manifest in manifests)


def _source(name: str, manifest: Manifest, settings: DataSettings) -> SourceCount:
    """What a model learned from in a manifest: its training and validation studies."""
    parts = {Split.TRAIN: learned_from(manifest, settings), Split.VALIDATE: validated_on(manifest, settings)}
    preparation = read_preparation(manifest.root)
    absent = {"image: listed, not there": preparation.absent_images} if preparation.absent_images else {}
    return SourceCount(
        manifest=name,
        studies={split.value: len(part) for split, part in parts.items()},
        patients=sum(len(part.table["patient"].unique()) for part in parts.values()),
        images=sum(int(lengths(part.table, "images").sum()) for part in parts.values()),
        left_out={**preparation.reasons, **absent},
        made=manifest.provenance.in_words(dicom=False),
    )


def _reports(folder: Path) -> list[Path]:
    """The reports of evaluations in a run folder."""
    return [path for path in (folder / REPORT, *sorted(folder.glob(f"*/{REPORT}"))) if path.is_file()]


def _figures(report: Any) -> tuple[Figure, ...]:
    try:
        details = report["details"]
        measured_on = f"{Path(details.get('Manifest', '')).name} ({details.get('Split', '')})"
        return tuple(
            _checked(
                Figure,
                {**estimate, "count": estimate["n"], "benchmark": benchmark, "name": name, "measured_on": measured_on},
                REPORT,
            )
            for benchmark, figures in report["benchmarks"].items()
            for name, estimate in figures.items()
            if name.startswith(_SHOWN) and not name.endswith("_chance")
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{REPORT} of the run is not one that `cxr-clip evaluate` writes ({error}): mend or delete it"
        ) from error


def _read(path: Path) -> Any:
    """The content of a JSON file, None where there is none."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): mend or delete it") from error


def _checked(kind: type[Checked], content: Any, file: str) -> Checked:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise CheckpointError(f"{file} of the run: {where}: {fault['msg']}; mend or delete it") from error
