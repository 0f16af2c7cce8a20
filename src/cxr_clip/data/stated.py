"""Which studies say that a finding is there or is not: the others, uncertain or silent, answer no question about it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from cxr_clip.study import Certainty, Study


def stated(studies: Sequence[Study], finding: str) -> tuple[Int[ndarray, "stated"], Bool[ndarray, "stated"]]:
    """The places of the studies that are positive or negative of a finding, and which of these are positive."""
    said = [study.findings.get(finding) for study in studies]
    places = [place for place, one in enumerate(said) if one in (Certainty.POSITIVE, Certainty.NEGATIVE)]
    positive = [said[place] is Certainty.POSITIVE for place in places]
    return np.asarray(places, dtype=np.int64), np.asarray(positive, dtype=bool)
