"""VinDr-CXR 1.0.0: 15,000 training images, each labelled by three readers, and 3,000 test images by their consensus.

A study is one image, named by its image_id; the data set tells no patients, so that each image is one of its own.
A finding is there if any reader says so. H. Q. Nguyen et al., Scientific Data 2022,
https://physionet.org/content/vindr-cxr/1.0.0/
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.data.findings import NO_FINDING, VINDR_CXR
from cxr_clip.errors import SourceError
from cxr_clip.prepare.files import RawFiles, list_files
from cxr_clip.prepare.image_headers import ImageHeader, read_header
from cxr_clip.prepare.listed_images import image_source
from cxr_clip.prepare.pipeline import run_pipeline
from cxr_clip.prepare.pixel_boxes import box_of_pixels
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource, Rejection
from cxr_clip.prepare.splits import split_80_20
from cxr_clip.prepare.vindr_cxr_tables import PartTables, PixelBox, Reading, read_part
from cxr_clip.study import Box, Certainty, ImageFile, Split, Study, View

NAME = "vindr_cxr"
_READERS = 3


@dataclass(frozen=True)
class _Tables:
    """What is known of images, and the split of those of the training part."""

    raw: Path
    train: PartTables
    test: PartTables
    splits: Mapping[str, Split]


def prepare_vindr_cxr(
    raw: Path,
    out: Path,
    options: PrepareOptions,
    *,
    annotations: Path | None = None,
    progress: Progress | None = None,
) -> PrepareSummary:
    """Prepare a VinDr-CXR folder; see `read_vindr_cxr`. Raises SourceError if the layout is another."""
    return run_pipeline(read_vindr_cxr(raw, annotations=annotations), out, options, progress=progress)


def read_vindr_cxr(raw: Path, *, annotations: Path | None = None) -> RawSource:
    """Read the tables of a VinDr-CXR folder and find the listed images that are there; none is decoded.

    `annotations` is the folder of image_labels_{train,test}.csv and annotations_{train,test}.csv; without it they are
    looked for in the raw folder. One of the two parts is enough. The split of the training part is drawn over all
    images that its table lists, so that a partial download gives the same one. Views, ages and sexes come from the
    headers, read as the drafts are asked for. Raises SourceError if the tables are missing or no listed image is
    there.
    """
    files = list_files(raw)
    train, test = (read_part(files, part, annotations) for part in ("train", "test"))
    if train is None and test is None:
        raise SourceError(
            f"{annotations or raw} has no image_labels_train.csv and no image_labels_test.csv in it: download the "
            "folder annotations/ of VinDr-CXR too"
        )
    none = PartTables(readings={}, boxes={}, others=0)
    train, test = train or none, test or none
    return _source(files, _Tables(raw=files.root, train=train, test=test, splits=split_80_20(train.readings)))


def _source(files: RawFiles, tables: _Tables) -> RawSource:
    def drafts(present: Iterable[tuple[str, str]]) -> Iterator[Study | Rejection]:
        for image, path in present:
            yield from _draft(image, path, tables)

    remarks = {"boxes of other lesions, which have no name, left out": tables.train.others + tables.test.others}
    listed = {*tables.train.readings, *tables.test.readings}
    return image_source(NAME, files, listed, drafts, hint="put the folders train/ and test/ there", remarks=remarks)


def _draft(image: str, path: str, tables: _Tables) -> Iterator[Study | Rejection]:
    """The boxes that are left out, then the study."""
    is_test = image in tables.test.readings
    if is_test and image in tables.train.readings:
        reason = "the tables list this image as a training image too; it stays in the test set alone"
        yield Rejection("image", path, image, reason)
    part = tables.test if is_test else tables.train
    try:
        findings = _findings(part.readings[image], readers=1 if is_test else _READERS)
    except ValueError as error:
        yield Rejection("study", path, image, str(error))
        return
    header = read_header(tables.raw / path)
    boxes: list[Box] = []
    for row in part.boxes.get(image, ()):
        try:
            boxes.append(_box(row, header))
        except ValueError as error:
            yield Rejection("box", path, image, str(error))
    yield Study(
        id=image,
        patient=image,
        source=NAME,
        split=Split.TEST if is_test else tables.splits[image],
        images=(ImageFile(path, header.view or View.FRONTAL),),
        findings=findings,
        boxes=tuple(boxes),
        age=header.age,
        sex=header.sex,
    )


def _findings(readings: tuple[Reading | str, ...], *, readers: int) -> dict[str, Certainty]:
    """The findings that any reader sees are positive, all others negative.

    "No Finding" is positive only where no reader sees anything. Raises ValueError where the rows are not those of so
    many readers, cannot be read, or say nothing at all.
    """
    for reading in readings:
        if isinstance(reading, str):
            raise ValueError(reading)
    sound = [reading for reading in readings if isinstance(reading, Reading)]
    if len({reading.reader for reading in sound}) != readers or len(sound) != readers:
        raise ValueError(
            f"the table has {len(sound)} different rows for this image, not one of each of {readers} readers"
        )
    seen = frozenset[str]().union(*(reading.findings for reading in sound))
    other = any(reading.other for reading in sound)
    if not seen and not other:
        raise ValueError("the table has no label for this image, not even No finding")
    there = seen - {NO_FINDING} or (frozenset() if other else {NO_FINDING})
    return {name: Certainty.POSITIVE if name in there else Certainty.NEGATIVE for name in VINDR_CXR}


def _box(row: PixelBox, header: ImageHeader) -> Box:
    """A box in fractions. Raises ValueError for one that is none in this image."""
    if header.height is None or header.width is None:
        raise ValueError("the header does not say how large the image is")
    return box_of_pixels(row.finding, row.corners, height=header.height, width=header.width)
