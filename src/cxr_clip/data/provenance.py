"""What a manifest says of how it was made: kept in the Parquet file itself, so that it goes where the rows go."""

from dataclasses import dataclass

import pyarrow as pa

from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.errors import ManifestError

_WINDOWING, _HASHED_IDS = b"cxr_clip.windowing", b"cxr_clip.hashed_ids"
_LABELLED = b"cxr_clip.labelled_by_rule"


@dataclass(frozen=True)
class Provenance:
    """What one preparation did to all images and ids.

    `windowing` is that of the images that were DICOM files; None where it is not known, as in manifests from before it
    was kept. `hashed_ids` tells which salt the ids are hashed with; None: the ids are those of the source.
    `labelled_by_rule`: studies that came without labels have those that a rule found in their reports.
    """

    windowing: Windowing | None = None
    hashed_ids: str | None = None
    labelled_by_rule: bool = False

    def __str__(self) -> str:
        return self.in_words(dicom=True)

    def in_words(self, *, dicom: bool) -> str:
        """What there is to say; nothing of a windowing where no image was a DICOM file."""
        told = {
            f"windowing {self.windowing or 'not known'}": dicom,
            f"ids hashed with the salt {self.hashed_ids}": self.hashed_ids is not None,
            "labels from reports by rule where there were none": self.labelled_by_rule,
        }
        return ", ".join(words for words, applies in told.items() if applies)

    def kept_in(self, schema: pa.Schema) -> pa.Schema:
        """The schema with this provenance as its metadata, in place of any other metadata."""
        told = {
            _WINDOWING: self.windowing,
            _HASHED_IDS: self.hashed_ids,
            _LABELLED: "yes" if self.labelled_by_rule else None,
        }
        return schema.with_metadata({key: value.encode() for key, value in told.items() if value is not None} or None)


def provenance_of(schema: pa.Schema) -> Provenance:
    """The provenance in a schema's metadata. Raises ManifestError for a windowing that there is not."""
    metadata = schema.metadata or {}
    told, ids = metadata.get(_WINDOWING), metadata.get(_HASHED_IDS)
    try:
        return Provenance(
            windowing=None if told is None else Windowing(told.decode()),
            hashed_ids=None if ids is None else ids.decode(),
            labelled_by_rule=_LABELLED in metadata,
        )
    except ValueError as error:
        known = ", ".join(Windowing)
        raise ManifestError(
            f"the manifest names the windowing {told!r}, which is none of {known}: it was made by another version; "
            "prepare the data set again"
        ) from error
