"""CheXpert folders of both sizes become studies by patient and examination, with four kinds of labels kept apart."""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import SourceError
from cxr_clip.prepare.chexpert import prepare_chexpert, read_chexpert
from cxr_clip.prepare.chexpert_images import image_key
from cxr_clip.prepare.records import PrepareOptions, Rejection
from cxr_clip.study import Certainty, Split, Study, View
from cxr_clip.synthetic.write_chexpert import synthesize_chexpert

OPTIONS = PrepareOptions(short_side=32, processes=1)
CELLS = {"1.0": Certainty.POSITIVE, "0.0": Certainty.NEGATIVE, "-1.0": Certainty.UNCERTAIN}
MADE_UP = {"sex": "Female", "age": "57", "plane": "Frontal", "direction": "AP"}
FINDINGS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
    "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture",
    "Support Devices",
)  # fmt: skip


def truths(world: Path) -> dict[str, dict]:
    return {(t := json.loads(line))["study"]: t for line in (world / "truth.jsonl").read_text().splitlines()}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def row(path: str, **told: str) -> str:
    """A row of a table; findings by keyword with "_" for a blank."""
    values = {**MADE_UP, **{name: value for name, value in told.items() if name in MADE_UP}}
    labels = (told.get(name.replace(" ", "_"), "") for name in FINDINGS)
    return ",".join([path, *values.values(), *labels])


def write_tables(raw: Path, train: list[str], valid: list[str] = ()) -> None:  # type: ignore[assignment]
    header = ",".join(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FINDINGS])
    (raw / "train.csv").write_text("\n".join([header, *train]) + "\n")
    (raw / "valid.csv").write_text("\n".join([header, *valid]) + "\n")


@pytest.fixture(scope="module", params=["full", "small"])
def world(request, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp(f"chexpert-{request.param}")
    synthesize_chexpert(out, studies=24, seed=5, image_size=64, small=request.param == "small", faults=True)
    return out


@pytest.fixture(scope="module")
def prepared(world: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    prepare_chexpert(world, out, OPTIONS)
    return out


@pytest.fixture
def raw(tmp_path: Path, write_picture: Callable[..., Path]) -> Path:
    """Three patients in a folder of two batches, one of them to validate."""
    folder = tmp_path / "raw"
    one = "CheXpert-v1.0 batch 2 (train 1)/patient00001/study1"
    write_picture(folder / one / "view1_frontal.jpg", seed=1)
    write_picture(folder / one / "view2_lateral.jpg", seed=2)
    write_picture(folder / "CheXpert-v1.0 batch 3 (train 2)/patient00002/study3/view1_frontal.jpg", seed=3)
    write_picture(folder / "valid/patient64541/study1/view1_frontal.jpg", seed=4)
    write_tables(
        folder,
        [
            row("CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg", Edema="1.0", Fracture="-1.0"),
            row("CheXpert-v1.0/train/patient00001/study1/view2_lateral.jpg", plane="Lateral", direction="",
                Edema="1.0", Fracture="-1.0"),
            row("CheXpert-v1.0/train/patient00002/study3/view1_frontal.jpg", direction="LL", age="0", sex="Unknown",
                Edema="0.0"),
        ],
        [row("CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg", direction="PA", No_Finding="1.0")],
    )  # fmt: skip
    return folder


def test_the_miniature_comes_out_as_its_truth_says(world: Path, prepared: Path) -> None:
    there = truths(world)
    manifest = {study.id: study for study in read_manifest(prepared)}
    assert manifest.keys() == there.keys()
    for name, study in manifest.items():
        truth = there[name]
        expected = sorted((Path(image).name, view) for image, view in zip(truth["images"], truth["views"], strict=True))
        assert [(Path(image.path).name, image.view.value) for image in study.images] == expected
        assert study.findings == {f: CELLS[cell] for f, cell in truth["labels"].items() if cell}
        assert (study.patient, study.age, study.sex) == (truth["patient"], truth["age"], truth["sex"])
        assert study.split is (Split.VALIDATE if truth["part"] == "valid" else Split.TRAIN)
        assert study.sections == {}
    summary = json.loads((prepared / "summary.json").read_text())
    assert summary["images"] == sum(len(truth["images"]) for truth in there.values())


def test_every_planted_fault_is_named(world: Path, prepared: Path) -> None:
    rejected = lines(prepared / "rejected.jsonl")
    absent = (prepared / "absent.txt").read_text()
    faults = lines(world / "faults.jsonl")
    assert len(faults) == 9
    for fault in faults:
        if fault["kind"] == "absent":
            assert fault["path"] in absent
            continue
        found = [r for r in rejected if (r["kind"], r["study"]) == (fault["kind"], fault["study"])]
        assert any(fault["reason"] in r["reason"] and r["path"].endswith(fault["path"]) for r in found), fault
    kinds = Counter(r["kind"] for r in rejected)
    undecodable = 3  # each takes its study along
    assert kinds == {"image": 7, "study": 2 + undecodable}


def test_views_of_a_study_stay_together_in_whatever_batch_they_lie(raw: Path, tmp_path: Path) -> None:
    summary = prepare_chexpert(raw, tmp_path / "out", OPTIONS)
    first, second, third = read_manifest(tmp_path / "out")
    assert (first.id, first.patient) == ("patient00001_study1", "patient00001")
    assert [image.view for image in first.images] == [View.AP, View.LATERAL]
    assert first.findings == {"Edema": Certainty.POSITIVE, "Fracture": Certainty.UNCERTAIN}
    assert (second.images[0].view, second.age, second.sex) == (View.FRONTAL, None, None)
    assert (third.split, third.images[0].view) == (Split.VALIDATE, View.PA)
    assert summary.remarks == {
        "images in the training table (published: 223,414)": 3,
        "patients in the training table (published: 64,540)": 2,
        "images in valid.csv (published: 234)": 1,
        "patients in valid.csv (published: 200)": 1,
        "images whose age is missing or 0, set to unknown": 1,
    }


def test_the_patients_of_a_test_set_leave_the_training_set_only_if_it_is_named(world: Path, tmp_path: Path) -> None:
    table = world / "chexpert_5x200.csv"
    with table.open() as stream:
        named = {path.split("/")[-3] for path in (line["Path"] for line in csv.DictReader(stream))}
    assert named
    everything = read_chexpert(world)
    told = [text for text in everything.remarks if "chexpert_5x200.csv that stay" in text]
    assert everything.remarks[told[0]] == len(named)
    source = read_chexpert(world, exclude=table)
    kept = {draft.patient for draft in source.drafts if isinstance(draft, Study)}
    left = [draft for draft in source.drafts if isinstance(draft, Rejection) and "leave the training" in draft.reason]
    assert not kept & named
    assert {(draft.study or "").split("_")[0] for draft in left} == named
    before = sum(isinstance(draft, Study) for draft in everything.drafts)
    assert before == len(left) + sum(isinstance(draft, Study) for draft in source.drafts)
    counts = list(source.remarks.values())
    assert counts[0] == counts[2] + counts[4]  # images: all, that leave, that stay
    assert counts[1] == counts[3] + counts[5]  # patients
    assert counts[3] == len(named)


def test_a_prepared_test_set_can_be_named_too(raw: Path, tmp_path: Path) -> None:
    write_tables(raw, (raw / "train.csv").read_text().splitlines()[1:3], [])
    prepare_chexpert(raw, tmp_path / "test set", OPTIONS)
    write_tables(raw, [
        row("CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg", Edema="1.0"),
        row("CheXpert-v1.0/train/patient00002/study3/view1_frontal.jpg", Edema="1.0"),
    ])  # fmt: skip
    source = read_chexpert(raw, exclude=tmp_path / "test set")
    assert [draft.id for draft in source.drafts if isinstance(draft, Study)] == ["patient00002_study3"]


def test_a_share_of_the_training_patients_can_validate_and_then_valid_csv_is_the_test_split(
    raw: Path, write_picture: Callable[..., Path]
) -> None:
    names = [f"train/patient{n:05d}/study{k}/view1_frontal.jpg" for n in range(1, 101) for k in (1, 2)]
    for name in names:
        write_picture(raw / name, size=(8, 8))
    valid = (raw / "valid.csv").read_text().splitlines()[1:]
    write_tables(raw, [row(f"CheXpert-v1.0/{name}", Edema="1.0") for name in names], valid)
    studies = [draft for draft in read_chexpert(raw, validation=0.2).drafts if isinstance(draft, Study)]
    splits: dict[str, set[Split]] = {}
    for study in studies:
        splits.setdefault(study.patient, set()).add(study.split)
    assert all(len(found) == 1 for found in splits.values())
    assert splits["patient64541"] == {Split.TEST}
    assert 10 <= sum(found == {Split.VALIDATE} for found in splits.values()) <= 30
    assert studies == [draft for draft in read_chexpert(raw, validation=0.2).drafts if isinstance(draft, Study)]


def test_labels_that_contradict_each_other_within_a_study_are_recorded(raw: Path) -> None:
    table = raw / "train.csv"
    text = table.read_text().splitlines()
    table.write_text("\n".join([text[0], text[1].replace(",1.0", ",0.0", 1), *text[2:]]))
    reasons = [draft.reason for draft in read_chexpert(raw).drafts if isinstance(draft, Rejection)]
    assert reasons == ["the labels of its images contradict each other (Edema)"]


def test_another_table_of_labels_replaces_train_csv(raw: Path) -> None:
    other = raw / "train_cheXbert.csv"
    shutil.copy(raw / "train.csv", other)
    other.write_text(other.read_text().replace("1.0", "0.0"))
    source = read_chexpert(raw, labels=other)
    first = next(iter(draft for draft in source.drafts if isinstance(draft, Study)))
    assert first.findings["Edema"] is Certainty.NEGATIVE


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda raw: (raw / "train.csv").unlink(), "has no train.csv"),
        (lambda raw: (raw / "valid.csv").unlink(), "has no valid.csv"),
        (lambda raw: (raw / "train.csv").write_text("Path,Sex\na,b\n"), "no column"),
        (lambda raw: [path.unlink() for path in raw.rglob("*.jpg")], "unpack the images"),
        (lambda raw: [path.rename(path.with_stem("view9")) for path in raw.rglob("*.jpg")], "none of the 4 images"),
        (lambda raw: (raw / "valid.csv").write_bytes(b"\xff\xfe\x00"), "cannot be read as CSV in UTF-8"),
    ],
)
def test_another_layout_is_refused_with_the_mend(raw: Path, break_it: Callable[[Path], object], message: str) -> None:
    break_it(raw)
    with pytest.raises(SourceError, match=message):
        read_chexpert(raw)


def test_a_table_that_is_cut_off_is_refused(raw: Path) -> None:
    text = (raw / "train.csv").read_text()
    (raw / "train.csv").write_text(text[: len(text) - 20])
    with pytest.raises(SourceError, match=r"row 4 has \d+ values instead of 19"):
        read_chexpert(raw)


def test_a_test_set_of_other_patients_and_an_impossible_share_are_refused(raw: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("Path\nCheXpert-v1.0/train/patient09999/study1/view1_frontal.jpg\n")
    with pytest.raises(SourceError, match=r"other\.csv has none of the 2 training patients"):
        read_chexpert(raw, exclude=other)
    other.write_text("image\nx\n")
    with pytest.raises(SourceError, match="none of the columns Path"):
        read_chexpert(raw, exclude=other)
    other.write_text("Path\nx.jpg\n")
    with pytest.raises(SourceError, match="names no patient"):
        read_chexpert(raw, exclude=other)
    with pytest.raises(SourceError, match="share between 0 and 1"):
        read_chexpert(raw, validation=20)


def test_rows_without_patient_study_and_view_are_recorded(raw: Path) -> None:
    with (raw / "train.csv").open("a") as stream:
        stream.write(row("CheXpert-v1.0/train/patient00001.jpg") + "\n")
    (rejection,) = [draft for draft in read_chexpert(raw).drafts if isinstance(draft, Rejection)]
    assert (rejection.kind, rejection.path) == ("image", "CheXpert-v1.0/train/patient00001.jpg")
    assert "patient, study and view" in rejection.reason


@pytest.mark.parametrize("prefix", ["CheXpert-v1.0/train/", "CheXpert-v1.0-small/valid/", "/a/b c/", "PNG\\", ""])
@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".png", ".dcm"])
def test_an_image_has_one_key_in_every_release(prefix: str, suffix: str) -> None:
    key = image_key(f"{prefix}patient00001/study12/view2_lateral{suffix}")
    assert key is not None
    assert (key.patient, key.study_id, key.image_id) == (
        "patient00001", "patient00001_study12", "patient00001_study12_view2_lateral",
    )  # fmt: skip
    assert image_key(f"{prefix}xpatient00001/study12{suffix}") is None
