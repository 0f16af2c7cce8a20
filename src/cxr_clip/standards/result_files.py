"""Which files of results are wanted beside what is shown, checked before a model is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cxr_clip.classify import Classification
from cxr_clip.embed import Embedder
from cxr_clip.errors import StandardsError
from cxr_clip.standards.dicom_sr import highdicom, of_one_study, structured_report
from cxr_clip.standards.fhir import fhir_bundle
from cxr_clip.standards.results import results_of
from cxr_clip.standards.sources import numbered, read_source
from cxr_clip.whole_files import refuse_places, whole_file, write_whole


@dataclass(frozen=True)
class ResultFiles:
    """Where answers are written as a FHIR bundle and as a DICOM structured report; absent: they are not."""

    fhir: Path | None = None
    dicom_sr: Path | None = None
    with_identifiers: bool = False

    def check(self, images: Sequence[Path]) -> None:
        """Raise StandardsError, OutputError or MissingPackageError where the files cannot be made of these images."""
        if self.with_identifiers and self.fhir is None and self.dicom_sr is None:
            raise StandardsError("--with-identifiers has no effect without --fhir or --dicom-sr: leave it out")
        refuse_places([path for path in (self.fhir, self.dicom_sr) if path is not None], kept=images)
        if self.with_identifiers or self.dicom_sr is not None:
            instances = numbered(map(read_source, images))
            if self.dicom_sr is not None:
                highdicom()
                of_one_study(instances)

    def write(
        self,
        model: Embedder,
        answers: Sequence[Classification],
        images: Sequence[Sequence[Path]],
        *,
        moment: datetime,
    ) -> None:
        """Write the files that are wanted, each whole; `images` are those of each answer."""
        if self.fhir is None and self.dicom_sr is None:
            return
        results = results_of(model, answers, images, moment=moment)
        if self.fhir is not None:
            write_whole(self.fhir, fhir_bundle(results, with_identifiers=self.with_identifiers))
        if self.dicom_sr is not None:
            report = structured_report(results, with_identifiers=self.with_identifiers)
            with whole_file(self.dicom_sr) as partial:
                partial.write_bytes(report)
