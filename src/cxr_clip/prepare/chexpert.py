"""CheXpert v1.0 and -small: 223,414 training images of 64,540 patients with 14 labels, and 234 images to validate.

A study is one examination ("patient00001_study1") with all its views. Labels are 1, 0, -1 (uncertain) and blank (not
mentioned), and are kept apart. J. Irvin et al., AAAI 2019, https://stanfordmlgroup.github.io/competitions/chexpert/
"""

from pathlib import Path

from cxr_clip.prepare.chexpert_images import find_images
from cxr_clip.prepare.chexpert_rows import Rows
from cxr_clip.prepare.chexpert_studies import (
    Division,
    Drafts,
    Part,
    as_source,
    count_remarks,
    find_absent,
    read_excluded,
)
from cxr_clip.prepare.chexpert_table import read_rows
from cxr_clip.prepare.files import RawFiles, list_files
from cxr_clip.prepare.listed_images import DOUBLES
from cxr_clip.prepare.pipeline import run_pipeline
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource

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
        held_out=frozenset(row.key.patient for row in valid.rows),
        excluded=None if exclude is None else read_excluded(exclude),
        validation=validation,
    )
    division.require_overlap({row.key.patient for row in train.rows})
    images, parts = find_images(files), (Part(train, held_out=False), Part(valid, held_out=True))
    remarks = {
        **_counts(train.rows, valid.rows, division),
        DOUBLES: images.doubles,
        **_unused_test_set(files, division, train.rows),
    }
    absent = find_absent(raw, parts, images)
    return as_source(raw, Drafts(NAME, parts, images, division, absent), remarks)


def _counts(train: Rows, valid: Rows, division: Division) -> dict[str, int]:
    """The counts that can be held against the published ones."""
    remarks = count_remarks("in the training table", ("223,414", "64,540"), train)
    if division.excluded is not None:
        leaving = (row for row in train if division.leaves(row.key.patient))
        staying = (row for row in train if not division.leaves(row.key.patient))
        remarks |= count_remarks("that leave the training set", ("6,936 with 5x200", "966 with 5x200"), leaving)
        remarks |= count_remarks(
            "that stay in the training set", ("216,478 without 5x200", "63,574 without 5x200"), staying
        )
    remarks |= count_remarks("in valid.csv", ("234", "200"), valid)
    ages = (row.age for rows in (train, valid) for row in rows)
    remarks["images whose age is missing or 0, set to unknown"] = sum(age is None for age in ages)
    return remarks


def _unused_test_set(files: RawFiles, division: Division, train: Rows) -> dict[str, int]:
    """How many training patients a 5x200 table in the folder has that was not named for exclusion."""
    table = files.named(FIVE_BY_200)
    if table is None or division.excluded is not None:
        return {}
    there = read_excluded(table).patients
    count = len({row.key.patient for row in train} & there)
    return {f"patients of {FIVE_BY_200} that stay in the training set (exclude it if you test on it)": count}
