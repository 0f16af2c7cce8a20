"""Rows, labels and texts that are held in a compact form come back as they were."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_clip.prepare.chexpert_images import FoundImages, ImageKey, image_key
from cxr_clip.prepare.chexpert_rows import Row, Rows
from cxr_clip.prepare.packed_labels import PackedLabels
from cxr_clip.prepare.packed_texts import PackedTexts
from cxr_clip.study import Certainty, View

NAMES = ("Edema", "Mass", "No Finding")
KEYS = st.builds(
    lambda patient, study, view: f"CheXpert/patient{patient}/study{study}/view{view}.jpg",
    *(st.integers(1, 3) for _ in range(3)),
)
ROWS = st.builds(
    lambda path, view, findings, age, sex: Row(path, image_key(path), view, findings, age, sex),  # type: ignore[arg-type]
    KEYS,
    st.sampled_from(View),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(Certainty)),
    st.none() | st.floats(0, 120),
    st.sampled_from([None, "F", "M"]),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(ROWS, max_size=12))
def test_rows_come_back_in_order_and_by_study(written: Sequence[Row]) -> None:
    rows = Rows(NAMES)
    for row in written:
        rows.append(row)
    assert (len(rows), list(rows)) == (len(written), list(written))
    studies: dict[str, list[Row]] = {}
    for row in written:
        studies.setdefault(row.key.study_id, []).append(row)
    assert [list(found) for found in rows.by_study()] == list(studies.values())


def test_texts_come_back_by_number_whatever_the_order() -> None:
    texts, packed = [{"findings": f"Größe {number}."} for number in range(300)], PackedTexts()
    assert [packed.append(text) for text in texts] == list(range(300))
    assert len(packed) == 300
    assert [packed[number] for number in (299, 0, 255, 256, 1, 130)] == [texts[n] for n in (299, 0, 255, 256, 1, 130)]


def test_labels_come_back_by_number() -> None:
    packed = PackedLabels(NAMES)
    told = [{}, {"Mass": Certainty.UNCERTAIN}, dict.fromkeys(NAMES, Certainty.NEGATIVE)]
    assert [packed.append(findings) for findings in told] == [0, 1, 2]
    assert [packed[number] for number in (2, 0, 1)] == [told[2], told[0], told[1]]


def test_images_are_found_by_key_and_the_first_of_several_counts() -> None:
    paths = ["b/patient2/study1/v.jpg", "a/patient1/study1/view1.jpg", "c/patient2/study1/V.png"]
    images = FoundImages(paths)
    assert images.doubles == 1
    assert dict(images) == {
        ImageKey("patient2", "study1", "v"): paths[0],
        ImageKey("patient1", "study1", "view1"): paths[1],
    }
    assert [path for _, path in images.items_but([ImageKey("patient2", "study1", "v")])] == [paths[1]]
    for odd in ("v\0", "view12", "view" * 50, "u"):
        assert ImageKey("patient2", "study1", odd) not in images
    with pytest.raises(KeyError):
        images[ImageKey("patient9", "study1", "v")]
