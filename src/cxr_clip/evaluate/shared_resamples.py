"""One draw of patients for several findings, so that figures over all of them keep the findings' dependence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.statistics import patient_bootstrap_weights


@dataclass(frozen=True, eq=False)
class SharedResamples:
    """`row` is the column of each study in `weights`, which is (resamples, studies)."""

    row: Mapping[str, int]
    weights: NDArray[np.uint16]

    def rows_of(self, one: FindingScores) -> list[int]:
        """The columns of the studies of one finding, in their order."""
        return [self.row[study] for study in one.studies]

    def weights_of(self, one: FindingScores) -> NDArray[np.uint16]:
        """How often each study of one finding is drawn."""
        return self.weights[:, self.rows_of(one)]


def share_resamples(scores: Sequence[FindingScores], *, resamples: int, seed: int) -> SharedResamples:
    """Draw the patients of all studies that count for any of the findings."""
    patient_of = {study: patient for one in scores for study, patient in zip(one.studies, one.patients, strict=True)}
    weights = patient_bootstrap_weights(list(patient_of.values()), resamples, np.random.default_rng(seed))
    return SharedResamples({study: index for index, study in enumerate(patient_of)}, weights)
