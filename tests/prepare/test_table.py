"""A user's own table and images become studies, in whichever of the usual shapes the table comes."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import SourceError
from cxr_clip.prepare.records import PrepareOptions, RawSource, Rejection
from cxr_clip.prepare.table import prepare_table, read_table
from cxr_clip.study import Certainty, Split, Study, View

OPTIONS = PrepareOptions(short_side=24, processes=1)
POSITIVE, NEGATIVE, UNCERTAIN = Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN


@pytest.fixture
def raw(tmp_path: Path, write_picture: Callable[..., Path]) -> Path:
    """Six images in a folder, without a table."""
    folder = tmp_path / "raw"
    for name in ("a1", "a2", "b1", "b2", "c1", "d1"):
        write_picture(folder / "images" / f"{name}.png", seed=ord(name[0]) + int(name[1]))
    return folder


def write(raw: Path, text: str, columns: str | None = None) -> dict[str, Path]:
    """Write the table, and the column map if there is one; the arguments for the reader."""
    table = raw.parent / "table.csv"
    table.write_text(text)
    if columns is None:
        return {"table": table}
    (raw.parent / "columns.yaml").write_text(columns)
    return {"table": table, "columns": raw.parent / "columns.yaml"}


def studies(source: RawSource) -> list[Study]:
    return [draft for draft in source.drafts if isinstance(draft, Study)]


def reasons(source: RawSource) -> list[str]:
    return [draft.reason for draft in source.drafts if isinstance(draft, Rejection)]


def test_a_row_a_study_with_a_column_map(raw: Path, tmp_path: Path) -> None:
    given = write(
        raw,
        "acc,mrn,fold,front,side,IMP,FIND,edema,eff,years,gender\n"
        "s1,p1,train,images/a1.png,images/a2.png,Edema.,Heart enlarged.,1,0,57,F\n"
        "s2,p2,val,images/b1.png,,No change.,,-1,,61Y,male\n"
        "s3,p3,TEST,images/c1.png,,nan,,,1.0,,\n",
        """
        name: my_hospital
        id: acc
        patient: mrn
        split: fold
        images: {pa: front, lateral: side}
        sections: {findings: FIND, impression: IMP}
        findings: {edema: edema, Pleural_Effusion: eff}
        age: years
        sex: gender
        """,
    )
    summary = prepare_table(raw, tmp_path / "out", OPTIONS, **given)
    first, second, third = read_manifest(tmp_path / "out")
    assert (first.id, first.patient, first.source, first.age, first.sex) == ("s1", "p1", "my_hospital", 57.0, "F")
    assert [(image.path, image.view) for image in first.images] == [
        ("images/a1.png", View.PA), ("images/a2.png", View.LATERAL),
    ]  # fmt: skip
    assert first.sections == {"findings": "Heart enlarged.", "impression": "Edema."}
    assert first.findings == {"Edema": POSITIVE, "Pleural Effusion": NEGATIVE}
    assert (second.findings, second.age, second.sex) == ({"Edema": UNCERTAIN}, 61.0, "M")
    assert [study.split for study in (first, second, third)] == [Split.TRAIN, Split.VALIDATE, Split.TEST]
    assert third.sections == {}
    assert summary.remarks == {"studies with findings or impression text": 2, "studies with labels": 3}


def test_grades_of_readers_come_as_whole_numbers_and_tell_what_is_there(raw: Path, tmp_path: Path) -> None:
    """A table of severity scores alone, such as those of COVID-19 pneumonia: means of readers, no report, no label."""
    given = write(
        raw,
        "filename,geographic_mean,opacity_mean,edema\nimages/a1.png,2.67,0,1\nimages/b1.png,,1.5,\n"
        "images/c1.png,0,,0\nimages/d1.png,high,1,\n",
        "images: filename\ngrades: {Pneumonia: geographic_mean, Lung Opacity: opacity_mean}\nfindings: {Edema: edema}",
    )
    prepare_table(raw, tmp_path / "out", OPTIONS, **given, split=Split.TEST)
    first, second, third = read_manifest(tmp_path / "out")
    assert first.grades == {"Pneumonia": 3, "Lung Opacity": 0}
    assert first.findings == {"Pneumonia": POSITIVE, "Lung Opacity": NEGATIVE, "Edema": POSITIVE}
    assert (second.grades, second.findings) == ({"Lung Opacity": 2}, {"Lung Opacity": POSITIVE})
    assert third.grades == {"Pneumonia": 0}
    assert reasons(read_table(raw, **given)) == ["column geographic_mean: the grade 'high' is no number from 0"]


def test_a_label_goes_before_what_a_grade_says(raw: Path) -> None:
    given = write(raw, "image,Edema,Edema grade\nimages/a1.png,-1,2\nimages/b1.png,0,\nimages/c1.png,,0\n")
    first, second, third = studies(read_table(raw, **given))
    assert (first.grades, first.findings) == ({"Edema": 2}, {"Edema": UNCERTAIN})
    assert (second.grades, second.findings) == ({}, {"Edema": NEGATIVE})
    assert (third.grades, third.findings) == ({"Edema": 0}, {"Edema": NEGATIVE})


def test_a_row_an_image_where_rows_share_an_id(raw: Path) -> None:
    given = write(
        raw,
        "id,patient,image,view,report\n"
        's1,p1,images/a1.png,PA,"FINDINGS: Clear lungs. IMPRESSION: Normal chest."\n'
        's1,p1,images/a2.png,LATERAL,"FINDINGS: Clear lungs. IMPRESSION: Normal chest."\n'
        "s2,p2,images/b1.png,AP,Small left effusion.\n"
        "s2,p2,images/b1.png,AP,Small left effusion.\n",
    )
    source = read_table(raw, **given)
    first, second = studies(source)
    assert [image.view for image in first.images] == [View.PA, View.LATERAL]
    assert first.sections == {"findings": "Clear lungs.", "impression": "Normal chest."}
    assert second.sections == {"findings": "Small left effusion."}
    assert reasons(source) == ["several rows of the study list this image"]
    assert source.remarks["studies split by a hash of the patient"] == 2


def test_parquet_with_list_columns(raw: Path) -> None:
    table = raw / "studies.parquet"
    pq.write_table(
        pa.table({
            "id": [7, 8],
            "images": [["images/a1.png", "images/a2.png"], ["images/b1.png"]],
            "view": [["AP", "lateral"], ["??"]],
            "Cardiomegaly": [1.0, None],
            "Edema": [None, -1.0],
            "split": ["train", "test"],
        }),
        table,
    )  # fmt: skip
    first, second = studies(read_table(raw))
    assert (first.id, [image.view for image in first.images]) == ("7", [View.AP, View.LATERAL])
    assert (first.findings, second.findings) == ({"Cardiomegaly": POSITIVE}, {"Edema": UNCERTAIN})
    assert second.images[0].view is View.UNKNOWN


def test_the_format_of_the_published_code(raw: Path, tmp_path: Path) -> None:
    base = "/path/of/somebody/"
    pictures = {name: f"{base}images/{name}.png" for name in ("a1", "a2", "b1", "c1")}
    text = (
        ",image,view,AP,PA,Lateral,text,text_augment\n"
        f"0,\"['{pictures['a1']}', '{pictures['a2']}']\",\"['PA', 'Lateral']\",,\"['{pictures['a1']}']\","
        f'"[\'{pictures["a2"]}\']","[\'The heart is big.\', ""It\'s edema.""]","[\'A big heart.\', \'Edema it is.\']"\n'
        f"1,\"['{pictures['b1']}']\",['AP'],\"['{pictures['b1']}']\",,,['Only one text.'],['One text alone.']\n"
        f"2,{pictures['c1']},,,,,No list at all.,\n"
    )
    given = write(
        raw, text,
        f"images: {{ap: AP, pa: PA, lateral: Lateral, unknown: image}}\ntexts: text\n"
        f"back_translations: text_augment\nprefix: {base}\n",
    )  # fmt: skip
    prepare_table(raw, tmp_path / "out", OPTIONS, **given, split=Split.VALIDATE)
    first, second, third = read_manifest(tmp_path / "out")
    assert [(image.path, image.view) for image in first.images] == [
        ("images/a1.png", View.PA), ("images/a2.png", View.LATERAL),
    ]  # fmt: skip
    assert first.sections == {
        "findings": "The heart is big.",
        "impression": "It's edema.",
        "findings_back_translation": "A big heart.",
        "impression_back_translation": "Edema it is.",
    }
    assert second.sections == {"findings": "Only one text.", "findings_back_translation": "One text alone."}
    assert (second.images[0].view, third.images[0].view) == (View.AP, View.UNKNOWN)
    assert third.sections == {"findings": "No list at all."}
    assert {study.split for study in (first, second, third)} == {Split.VALIDATE}
    assert [study.id for study in (first, second, third)] == ["images_a1", "images_b1", "images_c1"]


def test_labels_of_the_published_code_without_a_column_map(raw: Path) -> None:
    given = write(
        raw,
        "image,text_label\n"
        "\"['images/a1.png', 'images/a2.png']\",\"[['Edema', 'Effusion'], ['Mass'], []]\"\n"
        "images/b1.png,['Cardiomegaly']\n"
        "images/c1.png,\"[['Edema'], ['Edema'], []]\"\n"
        "images/d1.png,[]\n"
        "images/b2.png,\"[[], [], ['Edema'], []]\"\n",
    )
    source = read_table(raw, **given)
    first, second = studies(source)
    assert first.findings == {"Edema": POSITIVE, "Pleural Effusion": POSITIVE, "Mass": NEGATIVE}
    assert second.findings == {"Cardiomegaly": POSITIVE}
    assert sorted(reasons(source)) == [
        "4 lists in column text_label; positive, negative, uncertain are three",
        "Edema is both positive and negative",
        "neither findings or impression text nor labels",
    ]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("['a.png', __import__('os').system('id')]", "column image holds text that is no list of texts"),
        ("[[['a.png']]]", "a list within a list in column image"),
        ("['images/a1.png'", "column image holds text that is no list, or is cut off"),
        ("/etc/passwd", "an image path outside of the raw folder"),
        ("['../../etc/passwd']", "an image path that leaves the raw folder"),
        ("images/../../secret.png", "an image path that leaves the raw folder"),
        ("..\\secret.png", "an image path that leaves the raw folder"),
        ("", "no image"),
        ("[]", "no image"),
        ("['', None]", "no image"),
    ],
)
def test_hostile_and_broken_image_cells_are_recorded(raw: Path, cell: str, reason: str) -> None:
    quoted = cell.replace('"', '""')
    given = write(raw, f'id,image,findings\ns0,"{quoted}",Text.\ns1,images/a1.png,Text.\n')
    source = read_table(raw, **given)
    assert [study.id for study in studies(source)] == ["s1"]
    (rejection,) = [draft for draft in source.drafts if isinstance(draft, Rejection)]
    assert (rejection.kind, rejection.path, rejection.study) == ("study", "table.csv row 2", "s0")
    assert reason in rejection.reason


def test_a_list_in_a_text_column_is_text(raw: Path) -> None:
    given = write(raw, 'id,image,findings\ns1,images/a1.png,"[Reviewed] The lungs are clear."\n')
    assert studies(read_table(raw, **given))[0].sections == {"findings": "[Reviewed] The lungs are clear."}


def test_absolute_and_windows_paths_below_the_folder_are_found(raw: Path) -> None:
    given = write(raw, f"id,image,findings\ns1,{raw.absolute()}/images/a1.png,T one.\ns2,.\\images\\b1.png,T two.\n")
    assert [study.images[0].path for study in studies(read_table(raw, **given))] == ["images/a1.png", "images/b1.png"]


def test_rows_that_contradict_and_patients_in_two_splits_are_left_out(raw: Path) -> None:
    given = write(
        raw,
        "id,patient,split,image,Edema\n"
        "s1,p1,train,images/a1.png,1\ns1,p1,train,images/a2.png,0\n"
        "s2,p2,train,images/b1.png,1\ns3,p2,test,images/b2.png,1\n"
        "s4,p4,tset,images/c1.png,1\n"
        ",p5,train,images/d1.png,1\n"
        "s6,,train,images/d1.png,1\n"
        "s7,p7,train,images/d1.png,maybe\n"
        "s8,p8,train,images/d1.png,1\n",
    )
    source = read_table(raw, **given)
    assert [study.id for study in studies(source)] == ["s8"]
    told = {draft.study: draft.reason for draft in source.drafts if isinstance(draft, Rejection)}
    assert "contradict each other" in told["s1"]
    assert told["s2"] == told["s3"] == "its patient is in several splits (test, train)"
    assert told["s4"] == "the split 'tset' is none of train, validate and test"
    assert told[""] == "no id in column id"
    assert told["s6"] == "no patient in column patient"
    assert told["s7"] == "column Edema: the label 'maybe' is none of 1, 0, -1 and blank"
    assert {study.id for study in studies(read_table(raw, **given, split=Split.TEST))} == {"s2", "s3", "s4", "s8"}


def test_absent_images_are_counted_and_named(raw: Path, tmp_path: Path) -> None:
    given = write(
        raw, "id,image,findings\ns1,\"['images/a1.png', 'images/x.png']\",One.\ns2,images/y.png,Two.\n"
    )  # fmt: skip
    summary = prepare_table(raw, tmp_path / "out", OPTIONS, **given)
    assert (summary.studies, summary.absent_images) == (1, 2)
    assert (tmp_path / "out" / "absent.txt").read_text() == "images/x.png\nimages/y.png\n"
    (line,) = (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "2 of 3 listed images are not in the raw folder; absent.txt names them"
    with pytest.raises(SourceError, match=r"none of the 1 images that .* lists \(the first is z\.png\).*`prefix`"):
        read_table(raw, **write(raw, "id,image,findings\ns1,z.png,One.\n"))


def test_splits_by_hash_keep_a_patient_together(raw: Path, write_picture: Callable[..., Path]) -> None:
    rows = [f"s{n},p{n // 2},i/{n}.png,Text." for n in range(200)]
    for n in range(200):
        write_picture(raw / "i" / f"{n}.png", size=(8, 8))
    found = studies(read_table(raw, **write(raw, "\n".join(["id,patient,image,findings", *rows]))))
    sides = {patient: {study.split for study in found if study.patient == patient} for patient in ("p1", "p2", "p99")}
    assert all(len(side) == 1 for side in sides.values())
    counts = [sum(study.split is split for study in found) for split in Split]
    assert counts[0] > 130
    assert min(counts) >= 6


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("images: picture", "no column 'picture': its columns are id, image"),
        ("images: imagee", "did you mean 'image'"),
        ("image: image", "image: there is no such name; did you mean 'images'"),
        ("images: {front: image}", "images.*'pa', 'ap'"),
        ("images: []", "images: "),
        ("images: image\nfindings: [Gout]", "no finding called 'Gout'"),
        ("images: image\nfindings: {Effusion: id, Pleural Effusion: image}", "are both Pleural Effusion"),
        ("images: image\npatiant: id", "patiant: .*did you mean 'patient'"),
        ("- images", "is no column map"),
        ("images: [", "cannot be read as YAML"),
        ("!!python/object/apply:os.system ['id']", "cannot be read as YAML"),
    ],
)
def test_a_column_map_that_does_not_fit_is_refused_with_the_mend(raw: Path, columns: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_table(raw, **write(raw, "id,image\ns1,images/a1.png\n", columns))


def test_a_table_must_be_found_and_tell_where_images_are(raw: Path) -> None:
    with pytest.raises(SourceError, match=r"give the table of studies .* has none"):
        read_table(raw)
    (raw / "one.csv").write_text("id,picture\n1,2\n")
    with pytest.raises(SourceError, match="no column image or images"):
        read_table(raw)
    (raw / "two.csv").write_text("id\n")
    with pytest.raises(SourceError, match=r"has 2 \(one\.csv, two\.csv"):
        read_table(raw)
    with pytest.raises(SourceError, match="cannot be read as YAML"):
        read_table(raw, table=raw / "one.csv", columns=raw / "absent.yaml")
