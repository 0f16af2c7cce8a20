"""CheXpert Plus: a report for every examination, views together, labels from another table where one is named."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import SourceError
from cxr_clip.prepare.chexpert_plus import prepare_chexpert_plus, read_chexpert_plus
from cxr_clip.prepare.chexpert_reports import read_labels
from cxr_clip.prepare.records import PrepareOptions, Rejection
from cxr_clip.study import Certainty, Split, Study
from cxr_clip.synthetic.write_chexpert import synthesize_chexpert_plus

OPTIONS = PrepareOptions(short_side=32, processes=1)
CELLS = {"1.0": Certainty.POSITIVE, "0.0": Certainty.NEGATIVE, "-1.0": Certainty.UNCERTAIN}
HEADER = "path_to_image,frontal_lateral,ap_pa,age,sex,split,section_findings,section_impression"


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("chexpert-plus")
    synthesize_chexpert_plus(out, studies=20, seed=8, image_size=64, faults=True)
    return out


@pytest.fixture(scope="module")
def prepared(world: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    labels = world / "chexbert_labels" / "impression_fixed.json"
    prepare_chexpert_plus(world, out, OPTIONS, labels=labels)
    return out


@pytest.fixture
def raw(tmp_path: Path, write_picture: Callable[..., Path]) -> Path:
    folder = tmp_path / "raw"
    for n in (1, 2):
        write_picture(folder / f"PNG/train/patient{n:05d}/study1/view1_frontal.png", seed=n)
    rows = [
        'train/patient00001/study1/view1_frontal.jpg,Frontal,AP,57.0,Male,train,,"1. No change, as before.\n2. Edema."',
        "train/patient00002/study1/view1_frontal.jpg,Frontal,PA,61.0,Female,train,nan,",
    ]
    (folder / "df_chexpert_plus_240401.csv").write_text("\n".join([HEADER, *rows]))
    return folder


def test_the_miniature_comes_out_as_its_truth_says(world: Path, prepared: Path) -> None:
    there = {truth["study"]: truth for truth in lines(world / "truth.jsonl")}
    manifest = {study.id: study for study in read_manifest(prepared)}
    assert manifest.keys() == there.keys()
    for name, study in manifest.items():
        truth = there[name]
        assert [Path(image.path).name for image in study.images] == sorted(Path(i).name for i in truth["images"])
        assert study.findings == {f: CELLS[cell] for f, cell in truth["labels"].items() if cell}
        assert study.sections.keys() == {section for section, text in truth["report"].items() if text}
        assert study.split is (Split.VALIDATE if truth["part"] == "valid" else Split.TRAIN)
        assert (study.age, study.sex) == (truth["age"], truth["sex"])
    summary = json.loads((prepared / "summary.json").read_text())
    reported = [truth for truth in there.values() if any(truth["report"].values())]
    assert summary["remarks"]["studies with findings or impression"] >= len(reported)
    assert summary["images"] == sum(len(truth["images"]) for truth in there.values())


def test_every_planted_fault_is_named(world: Path, prepared: Path) -> None:
    rejected = lines(prepared / "rejected.jsonl")
    faults = lines(world / "faults.jsonl")
    assert Counter(fault["kind"] for fault in faults) == {"image": 6, "absent": 1, "study": 2}
    absent = (prepared / "absent.txt").read_text()
    for fault in faults:
        stem = fault["path"].removesuffix(".png")
        if fault["kind"] == "absent":
            assert stem in absent
            continue
        found = [r for r in rejected if (r["kind"], r["study"]) == (fault["kind"], fault["study"])]
        assert any(fault["reason"] in r["reason"] and stem in r["path"] for r in found), fault


def test_reports_without_labels_and_labels_without_reports(raw: Path) -> None:
    source = read_chexpert_plus(raw)
    first, second = source.drafts
    assert isinstance(first, Study)
    assert first.sections == {"impression": "1. No change, as before. 2. Edema."}
    assert first.findings == {}
    assert isinstance(second, Rejection)
    assert second.reason == "neither findings nor impression, and no label"
    labels = raw / "labels.csv"
    labels.write_text("Path,Edema,Mass\nCheXpert-v1.0/train/patient00002/study1/view1_frontal.jpg,-1.0,1\nother,0,\n")
    _, second, third = read_chexpert_plus(raw, labels=labels).drafts
    assert isinstance(second, Study)
    assert (second.findings, second.sections) == ({"Edema": Certainty.UNCERTAIN}, {})
    assert isinstance(third, Rejection)
    assert (third.kind, third.reason) == ("report", "neither findings nor impression; kept for its labels")


def test_what_tells_of_a_person_beyond_age_and_sex_is_not_kept(world: Path, prepared: Path) -> None:
    assert ",Unknown," in (world / "df_chexpert_plus_240401.csv").read_text()  # the race of every made-up patient
    for file in prepared.iterdir():
        if file.is_file():
            assert b"Unknown" not in file.read_bytes()


def test_the_patients_of_a_test_set_leave(world: Path, tmp_path: Path) -> None:
    table = tmp_path / "tests.csv"
    table.write_text("path_to_image\ntrain/patient00001/study1/view1_frontal.jpg\n")
    source = read_chexpert_plus(world, exclude=table)
    assert "patient00001" not in {draft.patient for draft in source.drafts if isinstance(draft, Study)}
    assert source.remarks["patients that leave the training set (966 with 5x200)"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1 is no record of labels"),
        ("[1, 2]", "line 1 is no record of labels"),
        ('{"Edema": 1.0}', "line 1 is no record of labels"),
        ('{"path_to_image": "p", "Gout": 1.0}', "Gout"),
        ('{"path_to_image": "patient1/study1/v.jpg", "Edema": 2.0}', r"the label '2\.0'"),
        ("\n", "labels no image"),
        ("[" * 100_000, "line 1 is no record of labels"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "impression_fixed.json"
    file.write_text(text)
    with pytest.raises(SourceError, match=message):
        read_labels(file)


def test_labels_that_are_no_text_or_not_there_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "impression_fixed.json"
    with pytest.raises(SourceError, match="cannot be read"):
        read_labels(file)
    file.write_bytes(b'{"path_to_image": "patient1/study1/v.jpg"}\n\xff\n')
    with pytest.raises(SourceError, match="line 2 is no record of labels"):
        read_labels(file)


def test_a_folder_without_reports_or_images_is_refused(raw: Path) -> None:
    for image in raw.rglob("*.png"):
        image.rename(image.with_stem("view7"))
    with pytest.raises(SourceError, match="none of the 2 images"):
        read_chexpert_plus(raw)
    (raw / "df_chexpert_plus_240401.csv").unlink()
    with pytest.raises(SourceError, match=r"has no df_chexpert_plus_240401\.csv"):
        read_chexpert_plus(raw)
