"""The data sets that can be prepared and made up: one table, from which the commands are made."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceOption:
    """An option of one source's `prepare`: the name of the keyword argument, its help, its type, its default."""

    name: str
    help: str
    kind: object = Path | None
    default: object = None


@dataclass(frozen=True)
class SourceEntry:
    """A data set: a line of help, and where its functions are ("module:function"; imported when they are used).

    `synthesize` is absent where there is no miniature of the data set; `faults` tells that mistakes can be planted
    in it.
    """

    help: str
    prepare: str
    synthesize: str | None = None
    options: tuple[SourceOption, ...] = ()
    faults: bool = False


SOURCES: dict[str, SourceEntry] = {
    "openi": SourceEntry(
        help="Open-I (Indiana University) collection: XML reports with frontal and lateral images.",
        prepare="cxr_clip.prepare.openi:prepare_openi",
        synthesize="cxr_clip.synthetic:synthesize_openi",
        options=(
            SourceOption(
                "projections",
                "CSV of uid, image_id, projection; default: projections.csv or indiana_projections.csv in RAW if one "
                "is there, else the views are unknown.",
            ),
            SourceOption(
                "splits",
                "CSV of uid, split; default: split.csv in RAW if it is there, else 80/10/10 % by a hash of the "
                "report's text, so that equal reports stay together.",
            ),
            SourceOption(
                "labels",
                "CSV of uid and findings as 0/1; default: labels_nih14.csv in RAW if it is there, else the MeSH terms.",
            ),
        ),
    ),
    "chestxray14": SourceEntry(
        help="NIH ChestX-ray14: images with 14 labels; a partial download is fine.",
        prepare="cxr_clip.prepare.chestxray14:prepare_chestxray14",
        synthesize="cxr_clip.synthetic:synthesize_chestxray14",
    ),
}
