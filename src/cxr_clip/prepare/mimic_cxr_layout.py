"""Where the parts of MIMIC-CXR lie below a raw folder, and which of the listed images are there.

A tree is a folder that holds p10 ... p19: `<tree>/p10/p10000032/s50414267/<dicom_id>.jpg` (or .dcm), and beside the
study's folder `s50414267.txt`, its report. The patients' folders are walked once, the names in them are not kept.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt16

from cxr_clip.errors import SourceError
from cxr_clip.prepare.mimic_cxr_tables import ListedImages, patient_of, study_key, study_of

SUFFIXES = (".jpg", ".jpeg", ".png", ".dcm")
REPORTS_ZIP = "mimic-cxr-reports.zip"
_TABLE = re.compile(
    r"mimic-cxr-(?P<release>\d{1,3}\.\d{1,3}\.\d{1,3})-(?P<kind>metadata|split|chexpert|negbio|test-set-labeled)\.csv(?:\.gz)?"
)
_GROUP = re.compile(r"p\d\d", re.ASCII)
_PATIENT = re.compile(r"p\d{1,9}", re.ASCII)
_STUDY = re.compile(r"s\d{1,9}", re.ASCII)
_REPORT = re.compile(r"s\d{1,9}\.txt", re.ASCII)


@dataclass(frozen=True)
class Layout:
    """What was found below a raw folder: trees relative to it, the newest table of each kind, zips of reports."""

    root: Path
    trees: tuple[str, ...]
    tables: Mapping[str, Path]
    zips: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class FoundImages:
    """Which listed images are there: for each row 0, or one more than the number of its place.

    `places` are pairs of a tree and a suffix, the preferred ones first. `unlisted` are image files that the metadata
    does not list where they lie, `doubles` counts further files of the same image, `reports` the texts by tree.
    """

    root: Path
    places: tuple[tuple[str, str], ...]
    place_of: UInt16[np.ndarray, "images"]
    unlisted: Sequence[str]
    doubles: int
    reports: Mapping[str, int]

    def path(self, listed: ListedImages, row: int) -> str:
        """The path of a row's image relative to the raw folder; where it would lie if it is absent."""
        place = int(self.place_of[row]) or int(self.place_of.max()) or 1
        tree, suffix = self.places[place - 1]
        return _below(tree, f"{study_folder(int(listed.keys[row]))}/{listed.name(row)}{suffix}")


def study_folder(key: int) -> str:
    """The folder of a study below its tree."""
    patient = f"p{patient_of(key)}"
    return f"{patient[:3]}/{patient}/s{study_of(key)}"


def find_layout(root: Path) -> Layout:
    """Look for trees, tables and zips in a folder and below it, not into the trees. Raises SourceError."""
    if not root.is_dir():
        raise SourceError(f"there is no folder {root}: name the folder that the download was unpacked into")
    trees: list[str] = []
    zips: list[Path] = []
    tables: defaultdict[str, list[tuple[tuple[int, ...], Path]]] = defaultdict(list)
    for folder, folders, names in _walk(root):
        if any(map(_GROUP.fullmatch, folders)):
            trees.append(folder.relative_to(root).as_posix())
        zips += [folder / name for name in names if name == REPORTS_ZIP]
        for match in filter(None, map(_TABLE.fullmatch, names)):
            release = tuple(map(int, match["release"].split(".")))
            tables[match["kind"]].append((release, folder / match[0]))
    newest = {kind: max(found, key=lambda pair: pair[0])[1] for kind, found in tables.items()}
    return Layout(root, tuple(trees), newest, tuple(zips))


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder with its folders and files, sorted, through links too; not into hidden ones nor into patients'."""
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield Path(folder), sorted(folders), sorted(names)
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or _GROUP.fullmatch(name)))


def find_images(layout: Layout, listed: ListedImages) -> FoundImages:
    """Walk the trees and note which listed images are there. Raises SourceError if there is no tree."""
    if not layout.trees:
        raise SourceError(
            f"{layout.root} has no folder with p10, p11, ... (the patients) in it or below it: "
            "name the folder that holds `files/` of MIMIC-CXR-JPG or of MIMIC-CXR"
        )
    places = tuple((tree, suffix) for suffix in SUFFIXES for tree in layout.trees)
    place_of = np.zeros(len(listed), np.uint16)
    unlisted: list[str] = []
    reports: Counter[str] = Counter()
    doubles = 0
    for tree, patient, names in _patients(layout):
        reports[tree] += sum(_REPORT.fullmatch(name) is not None for name in names)
        for path, row, place in _image_files(layout.root / tree, patient, names, listed):
            if row is None:
                unlisted.append(_below(tree, path))
                continue
            number = places.index((tree, place)) + 1
            doubles += bool(place_of[row])
            place_of[row] = min(number, int(place_of[row]) or number)
    return FoundImages(layout.root, places, place_of, unlisted, doubles, reports)


def _patients(layout: Layout) -> Iterator[tuple[str, str, list[str]]]:
    """The tree and the folder of each patient, and the names in it."""
    for tree in layout.trees:
        for group in filter(_GROUP.fullmatch, _names(layout.root / tree)):
            for patient in filter(_PATIENT.fullmatch, _names(layout.root / tree / group)):
                yield tree, f"{group}/{patient}", _names(layout.root / tree / group / patient)


def _image_files(
    tree: Path, patient: str, names: Sequence[str], listed: ListedImages
) -> Iterator[tuple[str, int | None, str]]:
    """The images of a patient: path below the tree, the row that lists it there or None, suffix."""
    number = int(patient.rpartition("/p")[2])
    for study in filter(_STUDY.fullmatch, names):
        folder, key = f"{patient}/{study}", study_key(number, int(study[1:]))
        rows = {listed.name(row): row for row in reversed(listed.rows(key))} if folder == study_folder(key) else {}
        for name in _names(tree / folder):
            stem, _, ending = name.rpartition(".")
            if f".{ending}" in SUFFIXES and not name.startswith("."):
                yield f"{folder}/{name}", rows.get(stem), f".{ending}"


def _names(folder: Path) -> list[str]:
    """The sorted names in a folder; none if it is a file."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - a Path for each of 600,000 names costs minutes
    except NotADirectoryError:
        return []
    except OSError as error:
        raise SourceError(f"{folder} cannot be listed ({error.strerror}): mend its permissions") from error


def _below(tree: str, path: str) -> str:
    return path if tree == "." else f"{tree}/{path}"
