"""What a manifest says of how it was made: kept in the Parquet file itself, so that it goes where the rows go."""

from dataclasses import dataclass

import pyarrow as pa

from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.errors import ManifestError

_WINDOWING = b"cxr_clip.windowing"


@dataclass(frozen=True)
class Provenance:
    """What one preparation did to all images: the `windowing` of those that were DICOM files.

    None where it is not known, as in manifests from before it was kept.
    """

    windowing: Windowing | None = None

    def __str__(self) -> str:
        return f"windowing {self.windowing or 'not known'}"

    def kept_in(self, schema: pa.Schema) -> pa.Schema:
        """The schema with this provenance as its metadata, in place of any other metadata."""
        told = {_WINDOWING: self.windowing}
        return schema.with_metadata({key: value.encode() for key, value in told.items() if value is not None} or None)


def provenance_of(schema: pa.Schema) -> Provenance:
    """The provenance in a schema's metadata. Raises ManifestError for a windowing that there is not."""
    metadata = schema.metadata or {}
    told = metadata.get(_WINDOWING)
    try:
        return Provenance(windowing=None if told is None else Windowing(told.decode()))
    except ValueError as error:
        known = ", ".join(Windowing)
        raise ManifestError(
            f"the manifest names the windowing {told!r}, which is none of {known}: it was made by another version; "
            "prepare the data set again"
        ) from error
