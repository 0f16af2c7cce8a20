"""Every pair of equal images is found, whatever else is there, and no other."""

from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.scan import HASH_BYTES, perceptual_hash, scan_images
from cxr_clip.inspection.copies import find_copies, torn_copies
from cxr_clip.inspection.duplicates import MAX_BITS, Groups, same_bytes, same_picture
from cxr_clip.study import View
from cxr_clip.synthetic.acquisition import draw_exposure, draw_pose
from cxr_clip.synthetic.anatomy import draw_body
from cxr_clip.synthetic.render import Patient, render

Sets = set[frozenset[int]]


def sets(groups: Groups) -> Sets:
    return {frozenset(group.tolist()) for group in groups}


def slow_groups(hashes: np.ndarray, usable: np.ndarray) -> Sets:
    """Compare all pairs, join what is near."""
    bits = np.unpackbits(hashes, axis=1)
    group = {int(number): {int(number)} for number in np.flatnonzero(usable)}
    for first, second in combinations(group, 2):
        if (bits[first] != bits[second]).sum() <= MAX_BITS and group[first] is not group[second]:
            group[first] |= group[second]
            for number in group[second]:
                group[number] = group[first]
    return {frozenset(found) for found in group.values() if len(found) > 1}


@pytest.mark.parametrize("seed", range(6))
def test_near_hashes_are_found_as_by_comparing_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.random((300, 8 * HASH_BYTES)) < 0.5
    for number in range(100, 200):
        bits[number] = bits[rng.integers(number)]
        flipped = rng.choice(8 * HASH_BYTES, size=rng.integers(0, MAX_BITS + 4), replace=False)
        bits[number, flipped] ^= True
    usable = rng.random(300) < 0.9
    hashes = np.packbits(bits, axis=1)
    expected = slow_groups(hashes, usable)
    assert len(expected) > 20
    assert sets(same_picture(hashes, usable)) == expected


def test_exactly_the_limit_is_near_wherever_the_bits_lie() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        pair = np.zeros((2, 8 * HASH_BYTES), dtype=np.bool_)
        pair[1, rng.choice(8 * HASH_BYTES, size=MAX_BITS, replace=False)] = True
        assert len(same_picture(np.packbits(pair, axis=1), np.ones(2, dtype=np.bool_))) == 1
        pair[1, np.flatnonzero(~pair[1])[0]] = True
        assert len(same_picture(np.packbits(pair, axis=1), np.ones(2, dtype=np.bool_))) == 0


def test_equal_digests_make_groups_and_unusable_images_none() -> None:
    digests = np.asarray([7, 3, 7, 0, 0, 3, 7, 9], dtype=np.uint64)
    usable = np.asarray([1, 1, 1, 0, 0, 1, 1, 1], dtype=np.bool_)
    assert sets(same_bytes(digests, usable)) == {frozenset({0, 2, 6}), frozenset({1, 5})}
    assert len(same_bytes(digests[:0], usable[:0])) == 0
    assert len(same_picture(np.zeros((0, HASH_BYTES), dtype=np.uint8), usable[:0])) == 0


def radiograph(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    patient = Patient(draw_body(rng), seed)
    pose, exposure = draw_pose(rng, View.PA, patient.body.scale), draw_exposure(rng, View.PA)
    return render(patient, (), pose, exposure, short_side=192, image=0).picture


def test_a_copy_looks_the_same_and_another_patient_does_not() -> None:
    pictures = [radiograph(seed) for seed in range(5)]
    hashes = []
    for picture in pictures:
        smaller = cv2.resize(picture, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
        rough = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_GRAYSCALE)
        brighter = np.clip(picture * 1.08, 0, 255).astype(np.uint8)
        hashes += [perceptual_hash(copy) for copy in (picture, smaller, rough, brighter)]
    found = sets(same_picture(np.asarray(hashes), np.ones(len(hashes), dtype=np.bool_)))
    assert found == {frozenset(range(first, first + 4)) for first in range(0, 20, 4)}


def test_a_scan_reads_every_image_whatever_the_number_of_threads(sound: Path) -> None:
    table = read_manifest(sound).table
    steps: list[tuple[int, int]] = []
    one = scan_images(table, sound, threads=1, advance=lambda done, total: steps.append((done, total)))
    two = scan_images(table, sound, threads=2)
    assert one.readable.all()
    assert steps == [(15, 15)]
    assert len(np.unique(one.digests)) == 15
    for name in ("rows", "present", "readable", "digests", "hashes"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_it_is_said_how_far_copies_reach(changed) -> None:
    def copy_images(rows) -> None:
        rows[1]["images"] = rows[0]["images"] * 2  # of one patient
        rows[9]["images"] = [rows[3]["images"][0]]  # of another split
        rows[4]["images"] = rows[2]["images"] * 2  # of another patient, and twice in one study

    folder = changed(copy_images)
    table = read_manifest(folder, check=False).table
    scan = scan_images(table, folder, threads=1)
    copies = find_copies(same_bytes(scan.digests, scan.readable), table)
    assert (copies.groups, copies.images) == (3, 8)
    assert (copies.over_studies, copies.over_patients, copies.over_splits) == (3, 2, 1)
    assert [(copy.study, copy.split, copy.image) for copy in copies.examples[0]] == [
        ("s3", "train", 0),
        ("s9", "test", 0),
    ]
    assert [copy.image for copy in copies.examples[1]] == [0, 0, 1]
    (fault,) = torn_copies(copies, table)
    assert str(fault).startswith("the same image in two splits: row 3 (s3), row 9 (s9); keep each image in one split")
