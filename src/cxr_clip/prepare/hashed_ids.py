"""What a prepared folder says for the ids and file names of a source: themselves, or keyed hashes of them.

The hash is HMAC-SHA256 (RFC 2104) with a secret salt, cut to 128 bits: equal ids give equal hashes under one salt, and
nobody finds an id by trying all of them without the salt, however few there are.
"""

import hmac
import re
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from cxr_clip.errors import SourceError
from cxr_clip.study import Study

MIN_SALT_BYTES = 16
_HEX_DIGITS = 32
_SUFFIXES = (".jpg", ".jpeg", ".png", ".dcm", ".dicom", ".xml", ".txt")
# The names of tables and of absent.txt tell of no patient: "train.csv", "own.csv row 7".
_OF_ALL = re.compile(r"absent\.txt|[^/]+\.(?:csv|csv\.gz|tsv|parquet|json|jsonl)(?: row \d+)?")


@dataclass(frozen=True)
class Ids:
    """How ids are written: as they are without a `salt`, else hashed with it; the salt itself is never written."""

    salt: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.salt is not None and len(self.salt) < MIN_SALT_BYTES:
            raise SourceError(
                f"the salt has {len(self.salt)} bytes; it must have at least {MIN_SALT_BYTES}, or trying all of them "
                "gives the ids away: make one with `openssl rand -hex 32`"
            )

    @property
    def check(self) -> str | None:
        """A few digits that tell one salt from another and give neither away; None without a salt."""
        return None if self.salt is None else self._hashed("which salt")[:8]

    def code(self, text: str) -> str:
        """What is written for a patient, a study or a file name."""
        return text if self.salt is None else self._hashed(f"id {text}")

    def path(self, path: str) -> str:
        """What is written for the path of a file; its suffix stays, and so does the name of a table."""
        if self.salt is None or _OF_ALL.fullmatch(path):
            return path
        suffix = PurePosixPath(path).suffix.lower()
        return self.code(path) + (suffix if suffix in _SUFFIXES else "")

    def study(self, study: Study) -> Study:
        """The study as it is written; its texts stay as they are."""
        images = tuple(replace(image, path=self.path(image.path)) for image in study.images)
        return replace(study, id=self.code(study.id), patient=self.code(study.patient), images=images)

    def seal(self, digest: str) -> str:
        """A fingerprint of drafts with ids in them, from which nobody finds these by trying."""
        return digest if self.salt is None else self._hashed(f"digest {digest}")

    def _hashed(self, text: str) -> str:
        assert self.salt is not None
        return hmac.digest(self.salt, text.encode("utf-8", "surrogateescape"), "sha256").hex()[:_HEX_DIGITS]


def read_salt(file: Path, *, out: Path) -> Ids:
    """Hash ids with the content of a file, white space at its ends taken away.

    Raises SourceError if it cannot be read, is too short, or lies in `out`, where it would be given away.
    """
    if file.resolve().is_relative_to(out.resolve()):
        raise SourceError(f"the salt {file} lies in {out}, which is to hold no id: keep it elsewhere, in secret")
    try:
        return Ids(file.read_bytes().strip())
    except OSError as error:
        raise SourceError(
            f"the salt {file} cannot be read ({error.strerror}): make one with `openssl rand -hex 32 > {file}`"
        ) from error
