"""CheXpert 5x200 from its table, with impressions from elsewhere, and a set of the same kind from CheXpert Plus."""

import csv
import io
import json
from collections import Counter
from pathlib import Path

import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import SourceError
from cxr_clip.prepare.chexpert import read_chexpert
from cxr_clip.prepare.chexpert_5x200 import prepare_chexpert_5x200, read_chexpert_5x200
from cxr_clip.prepare.chexpert_5x200_choice import TASKS, single_task
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.study import Certainty, Split, Study
from cxr_clip.synthetic.write_chexpert import synthesize_chexpert_5x200, synthesize_chexpert_plus

OPTIONS = PrepareOptions(short_side=32, processes=1)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def studies(source) -> list[Study]:
    return [draft for draft in source.drafts if isinstance(draft, Study)]


def without_columns(text: str, *names: str) -> str:
    rows = list(csv.DictReader(io.StringIO(text)))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [name for name in rows[0] if name not in names], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("5x200")
    synthesize_chexpert_5x200(out, studies=20, seed=2, image_size=64, faults=True)
    return out


@pytest.fixture(scope="module")
def prepared(world: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    prepare_chexpert_5x200(world, out, OPTIONS)
    return out


@pytest.fixture(scope="module")
def plus(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("plus")
    synthesize_chexpert_plus(out, studies=50, seed=3, image_size=48)
    return out


def test_the_miniature_comes_out_as_its_truth_says(world: Path, prepared: Path) -> None:
    truths = {f"{t['study']}_{Path(t['images'][0]).stem}": t for t in lines(world / "truth.jsonl")}
    manifest = {study.id: study for study in read_manifest(prepared)}
    assert manifest.keys() == truths.keys()
    for name, study in manifest.items():
        truth = truths[name]
        assert study.split is Split.TEST
        assert (study.patient, len(study.images)) == (truth["patient"], 1)
        assert study.findings == {
            task: Certainty.POSITIVE if truth["labels"][task] == "1.0" else Certainty.NEGATIVE for task in TASKS
        }
        assert ("impression" in study.sections) == bool(truth["report"]["impression"])
    counts = Counter(single_task(study.findings) for study in manifest.values())
    remarks = json.loads((prepared / "summary.json").read_text())["remarks"]
    for task in TASKS:
        listed_but_undecodable = remarks[f"studies with {task} alone (published: 200)"] - counts[task]
        assert counts[task] >= 4
        assert listed_but_undecodable in (0, 3)


def test_every_planted_fault_is_named(world: Path, prepared: Path) -> None:
    rejected = lines(prepared / "rejected.jsonl")
    absent = (prepared / "absent.txt").read_text()
    for fault in lines(world / "faults.jsonl"):
        if fault["kind"] == "absent":
            assert fault["path"] in absent
            continue
        found = [r for r in rejected if (r["kind"], r["study"]) == (fault["kind"], fault["study"])]
        assert any(fault["reason"] in r["reason"] and r["path"].endswith(fault["path"]) for r in found), fault


def test_impressions_come_from_chexpert_plus_where_the_table_has_none(plus: Path, tmp_path: Path) -> None:
    chosen = studies(read_chexpert_5x200(plus, labels=plus / "chexbert_labels" / "impression_fixed.json"))
    rows = [[study.images[0].path, *("1" if single_task(study.findings) == t else "0" for t in TASKS)]
            for study in chosen]  # fmt: skip
    table = tmp_path / "mine.csv"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([["Path", *TASKS], *rows])
    again = studies(read_chexpert_5x200(plus, table=table))
    assert [(s.id, s.sections) for s in again] == [(s.id, s.sections) for s in chosen]
    assert {study.source for study in again} == {"chexpert_5x200"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no column Report Impression"):
        read_chexpert_5x200(tmp_path / "empty", table=table)


def test_a_set_of_the_same_kind_is_chosen_from_chexpert_plus(plus: Path) -> None:
    labels = plus / "chexbert_labels" / "impression_fixed.json"
    source = read_chexpert_5x200(plus, labels=labels)
    chosen = studies(source)
    assert source.name == "chexpert_5x200_rebuilt"
    assert len({study.patient for study in chosen}) == len(chosen)
    assert {single_task(study.findings) for study in chosen} == set(TASKS)
    for study in chosen:
        told = [name for name, certainty in study.findings.items() if certainty is not Certainty.NEGATIVE]
        assert told == [single_task(study.findings)]
        assert study.images[0].view.is_frontal
        assert study.sections.keys() == {"impression"}
    fewer = studies(read_chexpert_5x200(plus, labels=labels, per_class=1))
    assert len(fewer) == 5
    assert {study.id for study in fewer} <= {study.id for study in chosen}


def test_findings_that_no_image_shows_alone_are_named(plus: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"Path,{','.join(TASKS)}\nt/patient00001/study1/view1_frontal.jpg,1,0,0,0,0\n")
    with pytest.raises(SourceError, match=r"shows .*Cardiomegaly, Consolidation, Edema, Pleural Effusion alone"):
        read_chexpert_5x200(plus, labels=labels)


def test_its_patients_leave_the_training_set_of_chexpert(world: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "CheXpert-v1.0").mkdir(parents=True)
    (raw / "CheXpert-v1.0" / "train").symlink_to(world / "CheXpert-v1.0" / "train")
    findings = "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation"
    findings += ",Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
    images = sorted((world / "CheXpert-v1.0" / "train").rglob("*.jpg"))
    rows = [f"{image.relative_to(world)},Male,50,Frontal,AP{',1.0' * 14}" for image in images]
    for name, listed in (("train.csv", rows), ("valid.csv", [])):
        (raw / name).write_text("\n".join([f"Path,Sex,Age,Frontal/Lateral,AP/PA,{findings}", *listed]))
    left = read_chexpert(raw, exclude=world / "chexpert_5x200.csv")
    assert studies(read_chexpert(raw))
    assert not studies(left)


def test_a_table_without_one_of_the_five_or_without_images_is_refused(world: Path, tmp_path: Path) -> None:
    text = (world / "chexpert_5x200.csv").read_text()
    table = tmp_path / "chexpert_5x200.csv"
    table.write_text(without_columns(text, "Edema"))
    with pytest.raises(SourceError, match="no column Edema"):
        read_chexpert_5x200(world, table=table)
    table.write_text(text.replace("patient", "patient9"))
    with pytest.raises(SourceError, match="no usable image of the"):
        read_chexpert_5x200(world, table=table)
    table.unlink()
    with pytest.raises(SourceError, match=r"neither chexpert_5x200\.csv nor df_chexpert_plus"):
        read_chexpert_5x200(tmp_path)


def test_rows_that_are_no_image_or_have_an_unknown_label_are_recorded(world: Path, tmp_path: Path) -> None:
    text = (world / "chexpert_5x200.csv").read_text()
    table = tmp_path / "table.csv"
    table.write_text(f"{text}nowhere.jpg,1,0,0,0,0,x\na/patient1/study1/v.jpg,yes,0,0,0,0,x\n")
    reasons = [draft.reason for draft in read_chexpert_5x200(world, table=table).drafts if hasattr(draft, "reason")]
    assert any("does not end in patient, study and view" in reason for reason in reasons)
    assert any("'yes'" in reason for reason in reasons)
