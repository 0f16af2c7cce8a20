"""CheXpert v1.0 and -small: 223,414 training images of 64,540 patients with 14 labels, and 234 images to validate.

A study is one examination ("patient00001_study1") with all its views. Labels are 1, 0, -1 (uncertain) and blank (not
mentioned), and are kept apart. J. Irvin et al., AAAI 2019, https://stanfordmlgroup.github.io/competitions/chexpert/
"""

from collections.abc import Sequence
from pathlib import Path

from cxr_clip.prepare.chexpert_images import find_images
from cxr_clip.prepare.chexpert_studies import (
    Division,
    Gathered,
    as_source,
    count_remarks,
    gather,
    not_listed,
    read_excluded,
)
from cxr_clip.prepare.chexpert_table import Row, read_rows, usable
from cxr_clip.prepare.files import RawFiles, list_files
from cxr_clip.prepare.pipeline import run_pipeline
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource, Rejection

NAME = "chexpert"
FIVE_BY_200 = "chexpert_5x200.csv"


def prepare_chexpert(
    raw: Path,
    out: Path,
    options: PrepareOptions,
    *,
    labels: Path | None = None,
    exclude: Path | None = None,
    validation: float | None = None,
    progress: Progress | None = None,
) -> PrepareSummary:
    """Prepare a CheXpert folder; see `read_chexpert`. Raises SourceError if the layout is another."""
    source = read_chexpert(raw, labels=labels, exclude=exclude, validation=validation)
    return run_pipeline(source, out, options, progress=progress)


def read_chexpert(
    raw: Path, *, labels: Path | None = None, exclude: Path | None = None, validation: float | None = None
) -> RawSource:
    """Read the tables of a CheXpert folder and find the images that are there; none is decoded.

    `labels` is a table to use instead of train.csv (train_cheXbert.csv has the same columns). `exclude` names a test
    set, as its CSV or its prepared folder, whose patients leave the training set; for CheXpert 5x200 they are 966.
    All of train.csv trains and valid.csv validates, unless `validation` gives the share of the training patients that
    validates instead: valid.csv is the test split then.

    Raises SourceError if a table is missing or belongs to other images.
    """
    files = list_files(raw)
    train = read_rows(labels or files.require("train.csv", what="the labels of the training images"))
    valid = read_rows(files.require("valid.csv", what="the labels of the validation images"))
    division = Division(
        held_out=frozenset(row.key.patient for row in usable(valid)),
        excluded=None if exclude is None else read_excluded(exclude),
        validation=validation,
    )
    division.require_overlap({row.key.patient for row in usable(train)})
    images, doubles = find_images(files)
    gathered = Gathered(NAME)
    for rows, held_out in ((train, False), (valid, True)):
        gathered.drafts.extend(row for row in rows if isinstance(row, Rejection))
        gather(gathered, list(usable(rows)), images, division, held_out=held_out)
    gathered.require_images(raw, sum(1 for _ in usable([*train, *valid])))
    gathered.drafts.extend(not_listed(images, [*train, *valid]))
    remarks = {
        **_counts(train, valid, division),
        "files of the same image, unused": doubles,
        **_unused_test_set(files, division, train),
    }
    return as_source(files, gathered, remarks, listed=len(train) + len(valid))


def _counts(train: Sequence[Row | Rejection], valid: Sequence[Row | Rejection], division: Division) -> dict[str, int]:
    """The counts that can be held against the published ones."""
    rows = list(usable(train))
    remarks = count_remarks("in the training table", "223,414; 64,540", rows)
    if division.excluded is not None:
        leaving = (row for row in rows if division.leaves(row.key.patient))
        staying = (row for row in rows if not division.leaves(row.key.patient))
        remarks |= count_remarks("that leave the training set", "6,936 with 5x200; 966 with 5x200", leaving)
        remarks |= count_remarks(
            "that stay in the training set", "216,478 without 5x200; 63,574 without 5x200", staying
        )
    remarks |= count_remarks("in valid.csv", "234; 200", usable(valid))
    remarks["images whose age is missing or 0, set to unknown"] = sum(
        row.age is None for row in usable([*train, *valid])
    )
    return remarks


def _unused_test_set(files: RawFiles, division: Division, train: Sequence[Row | Rejection]) -> dict[str, int]:
    """How many training patients a 5x200 table in the folder has that was not named for exclusion."""
    table = files.named(FIVE_BY_200)
    if table is None or division.excluded is not None:
        return {}
    there = read_excluded(table).patients
    count = len({row.key.patient for row in usable(train)} & there)
    return {f"patients of {FIVE_BY_200} that stay in the training set (exclude it if you test on it)": count}
