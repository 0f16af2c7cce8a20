"""SIIM-ACR pneumothorax challenge: frontal DICOM images of ChestX-ray14 with exact masks of the pneumothoraces.

A study is one image; its id is the ImageId (a SOP instance UID), its patient the PatientID of the header. The images
lie in `<study>/<series>/<ImageId>.dcm`. https://www.kaggle.com/competitions/siim-acr-pneumothorax-segmentation
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.prepare.files import RawFiles, list_files, read_columns
from cxr_clip.prepare.image_headers import ImageHeader, read_header, size_as_distributed
from cxr_clip.prepare.listed_images import image_source
from cxr_clip.prepare.pipeline import run_pipeline
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource, Rejection
from cxr_clip.prepare.splits import split_70_15_15
from cxr_clip.study import Certainty, ImageFile, Mask, Split, Study, View

NAME = "siim_pneumothorax"
# The table of the second stage lists the images of the first one too.
LABELS = ("stage_2_train.csv", "train-rle.csv", "stage_1_train.csv")
_FINDING = "Pneumothorax"
_COLUMNS = ("ImageId", "EncodedPixels")
_NONE = "-1"
# All images are distributed with this side; masks are in its pixels, whatever a PNG copy was reduced to.
_SIDE = 1024


@dataclass(frozen=True)
class _Tables:
    """What is known of images: their encoded masks ("-1" for none) and splits."""

    raw: Path
    masks: Mapping[str, tuple[str, ...]]
    splits: Mapping[str, Split]


def prepare_siim_pneumothorax(
    raw: Path, out: Path, options: PrepareOptions, *, labels: Path | None = None, progress: Progress | None = None
) -> PrepareSummary:
    """Prepare a SIIM-ACR pneumothorax folder; see `read_siim_pneumothorax`. Raises SourceError for another layout."""
    return run_pipeline(read_siim_pneumothorax(raw, labels=labels), out, options, progress=progress)


def read_siim_pneumothorax(raw: Path, *, labels: Path | None = None) -> RawSource:
    """Read the table of a SIIM-ACR folder and find the listed images that are there; none is decoded.

    `labels` is the table of masks; without it stage_2_train.csv, train-rle.csv or stage_1_train.csv is looked for in
    the raw folder. The split is drawn over all images that the table lists, so that a partial download gives the same
    one. Views, ages, sexes and patients come from the headers, read as the drafts are asked for; of a patient who would
    be in two splits, the images that come later are left out. Raises SourceError if the table is missing or no listed
    image is there.
    """
    files = list_files(raw)
    masks: defaultdict[str, list[str]] = defaultdict(list)
    for image, encoded in read_columns(labels or files.require(*LABELS, what="the masks of all images"), _COLUMNS):
        masks[image].append(encoded)
    tables = _Tables(
        raw=files.root,
        masks={image: tuple(dict.fromkeys(found)) for image, found in masks.items()},
        splits=split_70_15_15(masks),
    )
    return _source(files, tables, repeated=sum(len(found) - len(set(found)) for found in masks.values()))


def _source(files: RawFiles, tables: _Tables, *, repeated: int) -> RawSource:
    def drafts(present: Iterable[tuple[str, str]]) -> Iterator[Study | Rejection]:
        sides: dict[str, Split] = {}
        for image, path in present:
            header = read_header(tables.raw / path)
            side = sides.setdefault(header.patient or image, tables.splits[image])
            yield from _draft(image, path, header, tables, side=side)

    remarks = {"rows that come twice, used once": repeated}
    hint = "put the DICOM files of the training images there, in folders or without"
    return image_source(NAME, files, tables.masks, drafts, hint=hint, remarks=remarks)


def _draft(image: str, path: str, header: ImageHeader, tables: _Tables, *, side: Split) -> Iterator[Study | Rejection]:
    """The masks that are left out, then the study; `side` is the split of the patient's first image."""
    split = tables.splits[image]
    if split is not side:
        reason = f"this image is in the split {split}, another one of its patient in {side}"
        yield Rejection("study", path, image, reason)
        return
    try:
        encoded = _encoded(tables.masks[image])
    except ValueError as error:
        yield Rejection("study", path, image, str(error))
        return
    masks: list[Mask] = []
    for text in encoded:
        try:
            masks.append(_mask(text, path, header))
        except ValueError as error:
            yield Rejection("mask", path, image, str(error))
    yield Study(
        id=image,
        patient=header.patient or image,
        source=NAME,
        split=split,
        images=(ImageFile(path, header.view or View.FRONTAL),),
        findings={_FINDING: Certainty.POSITIVE if encoded else Certainty.NEGATIVE},
        masks=tuple(masks),
        age=header.age,
        sex=header.sex,
    )


def _encoded(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The encoded masks of an image, none where it has no pneumothorax. Raises ValueError where the rows differ."""
    if "" in texts:
        raise ValueError("a row of this image has neither a mask nor -1")
    if texts == (_NONE,):
        return ()
    if _NONE in texts:
        raise ValueError("the table gives this image a mask in one row and -1, for none, in another")
    return texts


def _mask(text: str, path: str, header: ImageHeader) -> Mask:
    """A mask from its encoding: in turn the pixels to pass over and the pixels to mark, down the columns.

    Raises ValueError for an encoding that is none, or that does not end within the image.
    """
    height, width = size_as_distributed(path, header, side=_SIDE)
    numbers = text.split()
    if not all(number.isdecimal() for number in numbers) or len(numbers) % 2:
        raise ValueError("the mask is no list of pairs of numbers")
    runs = [int(number) for number in numbers]
    rest = height * width - sum(runs)
    if rest < 0:
        raise ValueError(f"the mask ends {-rest:,} pixels after the last one of the image, which is {width} x {height}")
    return Mask(_FINDING, 0, height, width, (*runs, rest) if rest else tuple(runs))
