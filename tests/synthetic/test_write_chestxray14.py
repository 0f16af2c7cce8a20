"""The ChestX-ray14 layout: files, headers, follow-ups, boxes, determinism."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_clip.synthetic import synthesize_chestxray14, write_chestxray14

SIZE = 48


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    out = tmp_path_factory.mktemp("chestxray14")
    synthesize_chestxray14(out, studies=60, seed=3, image_size=SIZE)
    return out


@pytest.fixture(scope="module")
def rows(world):
    with (world / "Data_Entry_2017_v2020.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def truths(world):
    return {(t := json.loads(line))["study"]: t for line in (world / "truth.jsonl").read_text().splitlines()}


@pytest.mark.shared
def test_headers_are_those_of_the_real_files(world, shared_folder):
    for name in ("Data_Entry_2017_v2020.csv", "BBox_List_2017.csv"):
        real = (shared_folder / "data" / "chestxray14" / name).read_text().splitlines()[0]
        assert (world / name).read_text().splitlines()[0] == real


def test_every_listed_image_exists_and_is_square(world, rows):
    assert len(rows) == 60
    for row in rows:
        picture = cv2.imread(str(world / "images_001" / "images" / row["Image Index"]))
        assert picture.shape == (SIZE, SIZE, 3)


def test_patients_come_back_and_stay_on_one_side_of_the_split(world, rows):
    train = (world / "train_val_list.txt").read_text().split()
    test = (world / "test_list.txt").read_text().split()
    assert sorted(train + test) == sorted(row["Image Index"] for row in rows)
    assert test
    assert not {name[:8] for name in train} & {name[:8] for name in test}
    assert max(int(row["Follow-up #"]) for row in rows) >= 2


def test_labels_are_the_sure_findings_that_the_data_set_codes(rows, truths):
    for row in rows:
        labels = set(row["Finding Labels"].split("|")) - {"No Finding"}
        drawn = {f["name"] for f in truths[Path(row["Image Index"]).stem]["findings"] if f["certainty"] == "positive"}
        assert {label.replace("Effusion", "Pleural Effusion") for label in labels} == drawn - {
            "Fracture",
            "Support Devices",
        }


def test_boxes_are_in_pixels_of_the_originals(world, truths):
    with (world / "BBox_List_2017.csv").open(newline="") as file:
        boxes = list(csv.reader(file))[1:]
    assert boxes
    for name, label, *sides in boxes:
        x, y, w, h = map(float, sides)
        assert 0 <= x < x + w <= 1024.01
        assert 0 <= y < y + h <= 1024.01
        matching = [b for b in truths[Path(name).stem]["boxes"] if b["finding"].endswith(label)]
        assert any(abs(b["left"] * 1024 - x) < 0.01 and abs(b["bottom"] * 1024 - y - h) < 0.01 for b in matching)


def test_an_image_does_not_depend_on_how_many_are_written(world, tmp_path):
    synthesize_chestxray14(tmp_path, studies=7, seed=3, image_size=SIZE)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "world.json":
            assert (world / path.relative_to(tmp_path)).read_bytes().startswith(path.read_bytes())


def test_some_images_have_four_channels():
    picture = np.zeros((4, 4), np.uint8)
    shapes = {write_chestxray14._maybe_rgba(picture, np.random.default_rng(k)).shape for k in range(300)}
    assert shapes == {(4, 4), (4, 4, 4)}
