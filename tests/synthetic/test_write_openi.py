"""The Open-I layout: files, determinism, agreement of truth, codes and table."""

import csv
import json
import re
from xml.etree import ElementTree

import cv2
import pytest

from cxr_clip.errors import SourceError
from cxr_clip.synthetic import HouseStyle, synthesize_openi
from cxr_clip.synthetic.write_openi import openi_report

SIZE = 48


def contents(folder):
    """All files but the one that says how many studies there are."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "world.json"]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    out = tmp_path_factory.mktemp("openi")
    synthesize_openi(out, studies=40, seed=3, image_size=SIZE)
    return out


@pytest.fixture(scope="module")
def truths(world):
    return [json.loads(line) for line in (world / "truth.jsonl").read_text().splitlines()]


def test_every_image_of_a_report_exists_and_stands_in_the_table(world, truths):
    with (world / "projections.csv").open(newline="") as file:
        rows = {row["image_id"]: row for row in csv.DictReader(file)}
    named = set()
    for truth in truths:
        tree = ElementTree.parse(world / "ecgen-radiology" / f"{truth['study'].removeprefix('CXR')}.xml")
        assert tree.find("uId").get("id") == truth["study"]
        named |= {image.get("id") for image in tree.iter("parentImage")}
        for image, view in zip(truth["images"], truth["views"], strict=True):
            assert rows[image]["projection"] == ("Lateral" if view == "lateral" else "Frontal")
            assert f"CXR{rows[image]['uid']}" == truth["study"]
    assert named == set(rows) == {p.stem for p in (world / "images").iterdir()}
    assert all(re.fullmatch(r"CXR\d+_IM-\d{4}-\d{4}(-\d{4})?", name) for name in named)


def sections(folder, number):
    tree = ElementTree.parse(folder / "ecgen-radiology" / f"{number}.xml")
    return {a.get("Label"): a.text for a in tree.iter("AbstractText")}


def test_a_house_style_changes_the_words_and_nothing_else(world, tmp_path):
    folders = [tmp_path / style for style in ("terse", "by_system")]
    for folder in folders:
        synthesize_openi(folder, studies=6, seed=3, image_size=SIZE, style=HouseStyle(folder.name))
    drawn = contents(world)
    terse, by_system = (contents(folder) for folder in folders)
    for name, data in terse.items():
        if name.startswith("images/"):
            assert data == by_system[name] == drawn[name]
    assert terse["truth.jsonl"] == by_system["truth.jsonl"]
    for number in range(1, 7):
        trees = [ElementTree.parse(folder / "ecgen-radiology" / f"{number}.xml") for folder in folders]
        assert len({tuple(major.text for major in tree.iter("major")) for tree in trees}) == 1
        report = openi_report(3, number - 1, HouseStyle.TERSE)
        assert sections(folders[0], number)["FINDINGS"] == report.findings
        assert openi_report(3, number - 1).findings == sections(world, number)["FINDINGS"]
    assert any("Lungs: " in (sections(folders[1], number)["FINDINGS"] or "") for number in range(1, 7))
    assert not any("Lungs: " in (sections(folders[0], number)["FINDINGS"] or "") for number in range(1, 7))
    with pytest.raises(SourceError, match="layout 'openi in the style terse', not 'openi in the style hedging'"):
        synthesize_openi(folders[0], studies=6, seed=3, image_size=SIZE, style=HouseStyle.HEDGING)


def test_codes_and_sections_agree_with_what_was_drawn(world, truths):
    for truth in truths:
        tree = ElementTree.parse(world / "ecgen-radiology" / f"{truth['study'].removeprefix('CXR')}.xml")
        majors = [m.text for m in tree.iter("major")]
        sure = [f for f in truth["findings"] if f["certainty"] == "positive"]
        assert len(majors) == max(len(sure), 1)
        assert (majors == ["normal"]) == (not sure)
        sections = {a.get("Label"): a.text for a in tree.iter("AbstractText")}
        assert list(sections) == ["COMPARISON", "INDICATION", "FINDINGS", "IMPRESSION"]
        assert sections["FINDINGS"] or sections["IMPRESSION"]


def test_images_have_the_short_side_asked_for(world):
    for path in (world / "images").iterdir():
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert min(picture.shape[:2]) == SIZE
        assert picture.std() > 20


def test_boxes_lie_in_the_picture_and_belong_to_findings(truths):
    boxes = [(b, t) for t in truths for b in t["boxes"]]
    assert boxes
    for box, truth in boxes:
        assert 0 <= box["left"] < box["right"] <= 1
        assert 0 <= box["top"] < box["bottom"] <= 1
        assert box["image"] < len(truth["images"])
        assert box["finding"] in {f["name"] for f in truth["findings"] if f["certainty"] == "positive"}


def test_a_study_does_not_depend_on_how_many_are_written_or_by_how_many(world, tmp_path):
    heard = []
    synthesize_openi(tmp_path, studies=9, seed=3, image_size=SIZE, processes=2, progress=heard.append)
    whole = contents(world)
    few = contents(tmp_path)
    for name, data in few.items():
        assert whole[name].startswith(data), name
    assert heard == list(range(1, 10))
    assert not [name for name in few if name.endswith(".partial")]


def test_another_seed_is_another_world(world, tmp_path):
    synthesize_openi(tmp_path, studies=2, seed=4, image_size=SIZE)
    assert (tmp_path / "truth.jsonl").read_text() not in (world / "truth.jsonl").read_text()
