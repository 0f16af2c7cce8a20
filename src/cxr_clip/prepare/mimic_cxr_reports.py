"""The reports of MIMIC-CXR, one text a study, read one at a time: from files in the tree or straight from the zip."""

import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.errors import ReportError, SourceError
from cxr_clip.prepare.mimic_cxr_layout import REPORTS_ZIP, FoundImages, Layout, find_layout, study_folder

MAX_BYTES = 100_000
_MEMBER = re.compile(r"(?P<tree>(?:[^/]+/)*)p\d\d/p\d{1,9}/s\d{1,9}\.txt", re.ASCII)


@dataclass(frozen=True)
class Reports:
    """Where the reports are, in words, and how to read one by its path below the tree; None if it is not there."""

    place: str
    read: Callable[[str], bytes | None]

    def text(self, key: int) -> str | None:
        """The report of a study, or None where there is none. Raises ReportError if it cannot be read."""
        data = self.read(report_path(key))
        if data is None:
            return None
        if len(data) > MAX_BYTES:
            raise ReportError(f"the report is larger than {MAX_BYTES:,} bytes")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ReportError("the report is no text in UTF-8") from error
        if not text.strip(" \t\r\n\0"):
            raise ReportError("the report is empty")
        return text.replace("\0", "")


def report_path(key: int) -> str:
    """The path of a study's report below its tree."""
    return f"{study_folder(key)}.txt"


def find_reports(layout: Layout, found: FoundImages, given: Path | None) -> Reports | None:
    """The reports that were given (a zip, or a folder with texts or the zip in it), else those of the raw folder.

    Without being given, the zip counts before texts in the trees, because it is whole. None where there are none.
    Raises SourceError if the zip is damaged or if what was given holds no reports.
    """
    if given is None:
        return _in_folder(layout, [tree for tree in layout.trees if found.reports.get(tree)])
    if given.is_file():
        return _from_zip(given)
    other = find_layout(given)
    reports = _in_folder(other, other.trees)
    if reports is None:
        raise SourceError(
            f"{given} has neither {REPORTS_ZIP} nor a folder with p10, p11, ... in it or below it: "
            "give the zip, or the folder that it was unpacked into"
        )
    return reports


def _in_folder(layout: Layout, trees: Sequence[str]) -> Reports | None:
    if layout.zips:
        return _from_zip(layout.zips[0])
    return _from_trees([layout.root / tree for tree in trees]) if trees else None


def _from_trees(trees: Sequence[Path]) -> Reports:
    """Texts as files; the first tree that has one counts."""

    def read(path: str) -> bytes | None:
        for tree in trees:
            try:
                with (tree / path).open("rb") as stream:
                    return stream.read(MAX_BYTES + 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise ReportError(f"the report cannot be read ({error.strerror})") from error
        return None

    return Reports("files in the tree", read)


def _from_zip(file: Path) -> Reports:
    """Texts as members of a zip, which stays open; its directory is held, its texts are not."""
    try:
        archive = zipfile.ZipFile(file)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise SourceError(f"{file} is no whole zip ({error}): download it again") from error
    first = next(filter(None, map(_MEMBER.fullmatch, archive.namelist())), None)
    if first is None:
        archive.close()
        raise SourceError(f"{file} has no report (p10/p10000032/s50414267.txt) in it: give {REPORTS_ZIP}")

    def read(path: str) -> bytes | None:
        try:
            with archive.open(f"{first['tree']}{path}") as stream:
                return stream.read(MAX_BYTES + 1)
        except KeyError:
            return None
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
            raise ReportError("the report in the zip is damaged") from error

    return Reports(file.name, read)
