"""Masks keep every pixel: run lengths run down the columns, as COCO's do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cxr_clip.data.run_lengths import picture_of, runs_of
from cxr_clip.errors import ManifestError
from cxr_clip.study import Mask


def test_runs_go_down_the_columns_and_begin_outside() -> None:
    picture = np.array([[0, 1, 1], [0, 1, 0]], dtype=bool)
    assert runs_of(picture) == (2, 3, 1)
    assert runs_of(~picture) == (0, 2, 3, 1)
    assert runs_of(np.zeros((3, 2), dtype=bool)) == (6,)
    assert picture_of(Mask("Pneumothorax", 0, 2, 3, (2, 3, 1))).tolist() == picture.tolist()


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.booleans()))
def test_any_picture_comes_back(picture) -> None:
    mask = Mask("Pneumothorax", 0, *picture.shape, runs_of(picture))
    assert np.array_equal(picture_of(mask), picture)
    assert sum(mask.runs) == picture.size
    assert all(run > 0 for run in mask.runs[1:])


@pytest.mark.parametrize("runs", [(5,), (3, 4), (), (8, -2)])
def test_runs_of_another_size_are_refused(runs) -> None:
    with pytest.raises(ManifestError, match=r"Pneumothorax .*2 x 3: prepare the data set again"):
        picture_of(Mask("Pneumothorax", 0, 2, 3, runs))
