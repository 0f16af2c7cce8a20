"""Data sets whose table lists image files by name, a study each: which files are there, and a draft for each."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from cxr_clip.errors import SourceError
from cxr_clip.prepare.files import RawFiles
from cxr_clip.prepare.image_headers import DICOM_SUFFIXES
from cxr_clip.prepare.records import RawSource, Rejection, absent_line, nonzero
from cxr_clip.study import Study

SUFFIXES = (*DICOM_SUFFIXES, ".png", ".jpg", ".jpeg")
DOUBLES = "files of the same image, unused"

# Makes the drafts of images from their names and paths, in that order.
Drafts = Callable[[Iterable[tuple[str, str]]], Iterator[Study | Rejection]]


@dataclass(frozen=True)
class ImageStudies:
    """The drafts of all listed images in the order of their names, made anew each time, so that memory stays flat.

    `absent` is the line about absent images, `present` the paths by name, `orphans` the paths that no table lists.
    """

    absent: tuple[Rejection, ...]
    present: Mapping[str, str]
    orphans: tuple[str, ...]
    drafts: Drafts

    def __iter__(self) -> Iterator[Study | Rejection]:
        yield from self.absent
        yield from self.drafts(self.present.items())
        for path in self.orphans:
            yield Rejection("image", path, None, "the table of labels does not list this image")


def image_source(
    source: str, files: RawFiles, listed: Iterable[str], drafts: Drafts, *, hint: str, remarks: Mapping[str, int]
) -> RawSource:
    """A source of one study for each listed image that is there, as DICOM or else as PNG or JPEG, named by its stem.

    Raises SourceError with the hint if none of them is there.
    """
    images, doubles = images_by_key(files, SUFFIXES, stem_of)
    names = sorted(set(listed))
    present = {name: images[name] for name in names if name in images}
    absent = tuple(name for name in names if name not in images)
    if not present:
        raise SourceError(
            f"{files.root} has none of the {len(names):,} listed images in it or below it (looked for "
            f"<name>{', <name>'.join(SUFFIXES)}): {hint}"
        )
    orphans = tuple(path for name, path in images.items() if name not in present)
    return RawSource(
        name=source,
        raw=files.root,
        drafts=ImageStudies(
            absent=absent_line(len(absent), len(names)),
            present=present,
            orphans=orphans,
            drafts=drafts,
        ),
        total=len(present) + len(orphans) + bool(absent),
        absent=absent,
        remarks=nonzero({**remarks, DOUBLES: doubles}),
    )


def images_by_key(files: RawFiles, suffixes: Sequence[str], key: Callable[[str], str]) -> tuple[dict[str, str], int]:
    """The image files by a key made of their names, and how many further files of the same images there are.

    Of several files of an image that with the first of the suffixes counts.
    """
    images: dict[str, str] = {}
    doubles = 0
    for path in files.with_suffix(*suffixes):
        doubles += key(path.name) in images
        images.setdefault(key(path.name), path.as_posix())
    return images, doubles


def stem_of(name: str) -> str:
    """A file's name without folders and suffix."""
    return PurePosixPath(name).stem
