"""A manifest gives back the studies that were written, and names the rows that break a rule."""

import pickle
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.data.manifest import SCHEMA, ManifestWriter, find_faults, read_manifest
from cxr_clip.data.provenance import Provenance
from cxr_clip.errors import ManifestError
from cxr_clip.study import Box, Certainty, ImageFile, Mask, Split, Stored, Study, View

SHARD = "shards/images-00000.tar"


def study(number: int, **changes: object) -> Study:
    images = (ImageFile(f"images/{number}.png", View.PA, Stored(SHARD, 512 * number, 100), 512, 600),)
    known = Study(f"CXR{number}", f"p{number}", "openi", Split.TRAIN, images, {"findings": "Clear lungs."})
    return replace(known, **changes)  # type: ignore[arg-type]


def write(folder: Path, studies: Iterable[Study], *, shard_bytes: int = 100_000) -> Path:
    with ManifestWriter(folder / "manifest.parquet") as writer:
        for one in studies:
            writer.write(one)
    (folder / "shards").mkdir(exist_ok=True)
    (folder / SHARD).write_bytes(bytes(shard_bytes))
    return folder


FULL = Study(
    id="CXR1",
    patient="p1",
    source="openi",
    split=Split.VALIDATE,
    images=(
        ImageFile("a/1.png", View.FRONTAL, Stored(SHARD, 512, 1000), 512, 640),
        ImageFile("a/2.png", View.LATERAL, None, None, None),
    ),
    sections={"findings": "Clear lungs. Größe normal.", "impression": "Normal."},
    findings={"Edema": Certainty.NEGATIVE, "Mass": Certainty.UNCERTAIN, "Nodule": Certainty.POSITIVE},
    boxes=(Box("Mass", 1, 0.1, 0.2, 0.3, 0.4),),
    masks=(Mask("Nodule", 0, 512, 640, (512 * 640 - 7, 3, 4)), Mask("Mass", 1, 2, 2, (4,))),
    age=57.5,
    sex="F",
    grades={"Edema": 0, "Nodule": 3},
)


def test_a_study_comes_back_as_it_was_written(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, [FULL, study(2)]), check=False)
    assert len(manifest) == 2
    assert manifest[0] == FULL
    assert manifest[-1] == study(2)
    assert list(manifest) == [FULL, study(2)]
    assert manifest.root == tmp_path
    assert read_manifest(tmp_path / "manifest.parquet", check=False)[0] == FULL
    with pytest.raises(IndexError):
        manifest[2]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
studies_strategy = st.builds(
    Study,
    id=texts,
    patient=texts,
    source=texts,
    split=st.sampled_from(Split),
    images=st.lists(
        st.builds(
            ImageFile,
            path=texts,
            view=st.sampled_from(View),
            stored=st.none()
            | st.builds(Stored, shard=texts, offset=st.integers(0, 2**62), length=st.integers(0, 2**40)),
            height=st.none() | st.integers(1, 2**20),
            width=st.none() | st.integers(1, 2**20),
        ),
        max_size=3,
    ).map(tuple),
    sections=st.dictionaries(texts, texts, max_size=3),
    findings=st.dictionaries(texts, st.sampled_from(Certainty), max_size=3),
    masks=st.lists(
        st.builds(
            Mask,
            finding=texts,
            image=st.integers(0, 3),
            height=st.integers(1, 2**14),
            width=st.integers(1, 2**14),
            runs=st.lists(st.integers(0, 2**28), max_size=5).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    age=st.none() | st.floats(0, 120),
    sex=st.none() | st.sampled_from("FM"),
    grades=st.dictionaries(texts, st.integers(0, 2**31 - 1), max_size=3),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(studies_strategy, max_size=4))
def test_any_studies_come_back_as_they_were_written(tmp_path: Path, studies: list[Study]) -> None:
    assert list(read_manifest(write(tmp_path, studies), check=False)) == studies


def test_the_file_has_the_documented_columns_with_lists_as_lists(tmp_path: Path) -> None:
    schema = pq.read_schema(write(tmp_path, [FULL]) / "manifest.parquet")
    assert schema.names == SCHEMA.names
    assert pa.types.is_list(schema.field("images").type)
    assert [field.name for field in schema.field("images").type.value_type] == [
        "path", "view", "shard", "offset", "length", "height", "width",
    ]  # fmt: skip
    assert pa.types.is_map(schema.field("findings").type)


def test_rows_are_written_in_groups(tmp_path: Path) -> None:
    write(tmp_path, (study(number) for number in range(5000)))
    assert pq.ParquetFile(tmp_path / "manifest.parquet").num_row_groups == 3


def interrupted() -> Iterator[Study]:
    yield study(3)
    raise KeyboardInterrupt


def test_an_error_while_writing_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, interrupted())
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_writing_keeps_the_earlier_file(tmp_path: Path) -> None:
    write(tmp_path, [FULL])
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, interrupted())
    assert list(read_manifest(tmp_path, check=False)) == [FULL]


def test_tables_join_studies_in_order(tmp_path: Path) -> None:
    table = read_manifest(write(tmp_path, [study(2), study(3)])).table
    with ManifestWriter(tmp_path / "manifest.parquet") as writer:
        writer.write(study(1))
        writer.write_table(table)
        writer.write(study(4))
    assert [one.id for one in read_manifest(tmp_path)] == ["CXR1", "CXR2", "CXR3", "CXR4"]


def test_a_manifest_says_how_its_images_were_windowed(tmp_path: Path) -> None:
    told = Provenance(windowing=Windowing.PERCENTILE)
    with ManifestWriter(tmp_path / "manifest.parquet", told) as writer:
        writer.write(study(1))
        writer.write(study(2, split=Split.TEST))
    manifest = read_manifest(tmp_path, check=False)
    assert pq.read_schema(tmp_path / "manifest.parquet").metadata[b"cxr_clip.windowing"] == b"percentile"
    for part in (manifest, manifest[1:], manifest.where(split=Split.TEST), pickle.loads(pickle.dumps(manifest))):
        assert part.provenance == told
    assert read_manifest(write(tmp_path, [FULL]), check=False).provenance == Provenance(windowing=None)


def test_a_windowing_of_another_version_is_named(tmp_path: Path) -> None:
    table = read_manifest(write(tmp_path, [FULL]), check=False).table
    pq.write_table(table.replace_schema_metadata({"cxr_clip.windowing": "lung"}), tmp_path / "manifest.parquet")
    with pytest.raises(ManifestError, match=r"windowing b'lung', which is none of file, min-max, percentile"):
        _ = read_manifest(tmp_path, check=False).provenance


def test_studies_of_another_windowing_do_not_join(tmp_path: Path) -> None:
    with ManifestWriter(tmp_path / "other.parquet", Provenance(windowing=Windowing.MIN_MAX)) as writer:
        writer.write(study(2))
    other = read_manifest(tmp_path / "other.parquet", check=False).table
    with (
        pytest.raises(ManifestError, match=r"windowing file, others were prepared with windowing min-max"),
        ManifestWriter(tmp_path / "manifest.parquet", Provenance(windowing=Windowing.FILE)) as writer,
    ):
        writer.write_table(other)
    assert not (tmp_path / "manifest.parquet").exists()


def test_studies_are_chosen_by_split(tmp_path: Path) -> None:
    studies = [study(1), study(2, split=Split.TEST), study(3), study(4, split=Split.TEST)]
    manifest = read_manifest(write(tmp_path, studies))
    assert list(manifest.where(split=Split.TEST)) == [studies[1], studies[3]]
    assert manifest.where(split=Split.TRAIN)[1] == studies[2]
    assert list(manifest.where(split=Split.VALIDATE)) == []
    assert list(manifest[1:3]) == studies[1:3]
    assert list(pickle.loads(pickle.dumps(manifest.where(split=Split.TRAIN)))) == [studies[0], studies[2]]


def test_a_sound_manifest_has_no_faults(tmp_path: Path) -> None:
    studies = [
        study(1, boxes=(Box("Mass", 0, 0.1, 0.2, 0.3, 0.4),), findings={"No Finding": Certainty.UNCERTAIN}),
        study(2, patient="p1"),
        study(3, patient="p1", source="other", split=Split.TEST),
    ]
    assert find_faults(read_manifest(write(tmp_path, studies))) == []
    assert find_faults(read_manifest(write(tmp_path, []))) == []


def refused(folder: Path) -> str:
    with pytest.raises(ManifestError) as caught:
        read_manifest(folder)
    return str(caught.value)


def test_duplicate_ids_are_named_with_a_count_and_a_mend(tmp_path: Path) -> None:
    studies = [study(number % 5) for number in range(8)]
    message = refused(write(tmp_path, studies))
    assert "duplicate ids: row 0 (CXR0), row 1 (CXR1), row 2 (CXR2) and 3 more; keep one row of each id" in message
    faults = find_faults(read_manifest(tmp_path, check=False))
    assert [fault.rows for fault in faults] == [(0, 1, 2, 5, 6, 7)]


def test_a_patient_in_two_splits_is_named(tmp_path: Path) -> None:
    studies = [study(1), study(2, patient="p1", split=Split.TEST), study(3), study(4, patient="p3")]
    assert "patients in two splits: row 0 (CXR1), row 1 (CXR2); put all studies of a patient" in refused(
        write(tmp_path, studies)
    )


def test_an_unknown_split_is_named_with_the_known_ones(tmp_path: Path) -> None:
    message = refused(write(tmp_path, [study(1), study(2, split="dev")]))
    assert "unknown splits: row 1 (CXR2); use one of train, validate, test" in message


def test_unknown_views_and_certainties_are_named(tmp_path: Path) -> None:
    image = replace(study(1).images[0], view="oblique")
    odd = [study(1, images=(study(1).images[0], image)), study(2), study(3, findings={"Mass": "perhaps", "Edema": "x"})]
    message = refused(write(tmp_path, odd))
    assert "unknown views: row 0 (CXR1); use one of pa, ap, frontal, lateral, unknown" in message
    assert "unknown certainties of findings: row 2 (CXR3); use one of positive, negative, uncertain" in message


def test_findings_that_are_not_canonical_are_named_with_their_right_names(tmp_path: Path) -> None:
    odd = [
        study(1, findings={"Edema": Certainty.POSITIVE}),
        study(2, findings={"Edema": Certainty.POSITIVE, "Effusion": Certainty.NEGATIVE}),
        study(3, boxes=(Box("Infiltrate", 0, 0.1, 0.1, 0.2, 0.2), Box("Gout", 0, 0.1, 0.1, 0.2, 0.2))),
    ]
    message = refused(write(tmp_path, odd))
    assert "findings without a canonical name: row 1 (CXR2); write 'Pleural Effusion' for 'Effusion'." in message
    assert (
        "boxes of findings without a canonical name: row 2 (CXR3); "
        "write 'Infiltration' for 'Infiltrate', leave out 'Gout', which is no known finding." in message
    )


def test_boxes_beyond_the_images_of_their_study_are_named(tmp_path: Path) -> None:
    def boxed(number: int, image: int) -> Study:
        return study(number, boxes=(Box("Mass", image, 0.1, 0.2, 0.3, 0.4),))

    two = replace(boxed(4, 1), images=study(4).images * 2)
    message = refused(write(tmp_path, [boxed(1, 0), boxed(2, 1), boxed(3, -1), two]))
    assert "boxes beyond the images of their study: row 1 (CXR2), row 2 (CXR3); number the images" in message


def test_a_manifest_from_before_masks_were_kept_is_read_and_joined(tmp_path: Path) -> None:
    old = pq.read_table(write(tmp_path, [FULL, study(2)]) / "manifest.parquet").drop_columns("masks")
    pq.write_table(old, tmp_path / "manifest.parquet")
    assert list(read_manifest(tmp_path, check=False)) == [replace(FULL, masks=()), study(2)]
    with ManifestWriter(tmp_path / "manifest.parquet") as writer:
        writer.write_table(old)
        writer.write(FULL)
    assert list(read_manifest(tmp_path, check=False)) == [replace(FULL, masks=()), study(2), FULL]


def test_a_manifest_from_before_grades_were_kept_is_read_and_joined(tmp_path: Path) -> None:
    old = pq.read_table(write(tmp_path, [FULL]) / "manifest.parquet").drop_columns("grades")
    pq.write_table(old, tmp_path / "manifest.parquet")
    assert list(read_manifest(tmp_path, check=False)) == [replace(FULL, grades={})]
    with ManifestWriter(tmp_path / "manifest.parquet") as writer:
        writer.write(FULL)
        writer.write_table(old)
    assert [one.grades for one in read_manifest(tmp_path, check=False)] == [FULL.grades, {}]


def test_grades_below_none_and_of_unknown_findings_are_named(tmp_path: Path) -> None:
    graded = [study(1, grades={"Edema": 2}), study(2, grades={"Gout": 1}), study(3, grades={"Edema": -1, "Mass": 0})]
    message = refused(write(tmp_path, graded))
    assert "grades of findings without a canonical name: row 1 (CXR2); leave out 'Gout'" in message
    assert "grades below 0: row 2 (CXR3); write whole numbers from 0" in message


def test_masks_beyond_the_images_of_unknown_findings_or_of_another_size_are_named(tmp_path: Path) -> None:
    masks = [Mask("Mass", 0, 4, 5, (3, 2, 15)), Mask("Mass", 1, 4, 5, (20,)), Mask("Gout", 0, 4, 5, (20,))]
    short = (masks[0], Mask("Mass", 0, 4, 5, (3, 2, 14)))
    studies = [study(number, masks=(mask,)) for number, mask in enumerate(masks)]
    message = refused(write(tmp_path, [*studies, study(3), study(4, masks=short)]))
    assert "masks beyond the images of their study: row 1 (CXR1); number the images" in message
    assert "masks of findings without a canonical name: row 2 (CXR2); leave out 'Gout'" in message
    assert "masks that do not fit their size: row 4 (CXR4); write the runs of all pixels" in message


def test_studies_that_say_nothing_are_named(tmp_path: Path) -> None:
    silent = [
        study(1, sections={}),
        study(2, sections={"comparison": "None.", "findings": ""}),
        study(3, sections={"impression": "Normal."}),
        study(4, sections={}, findings={"Mass": Certainty.NEGATIVE}),
    ]
    message = refused(write(tmp_path, silent))
    assert "studies with neither text nor findings: row 0 (CXR1), row 1 (CXR2); leave these rows out, or add" in message


def test_a_study_without_images_is_named(tmp_path: Path) -> None:
    assert "studies without images: row 1 (CXR2); leave these rows out" in refused(
        write(tmp_path, [study(1), study(2, images=())])
    )


def test_absent_shards_are_named_with_their_rows(tmp_path: Path) -> None:
    elsewhere = ImageFile("x.png", View.PA, Stored("shards/images-00001.tar", 512, 10), 5, 5)
    folder = write(tmp_path, [study(1), study(2, images=(*study(2).images, elsewhere))])
    assert "missing files (shards/images-00001.tar, 1 in all): row 1 (CXR2); bring the shards back" in refused(folder)
    (folder / SHARD).rename(folder / "shards" / "images-00001.tar")
    assert "row 0 (CXR1), row 1 (CXR2)" in refused(folder)


def test_shards_that_end_too_early_are_named_with_their_rows(tmp_path: Path) -> None:
    folder = write(tmp_path, [study(1), study(2), study(3)], shard_bytes=512 * 2 + 99)
    assert "shards that end too early): row 1 (CXR2), row 2 (CXR3); bring" in refused(folder)


def test_images_in_no_shard_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path, [study(1), study(2, images=(ImageFile("x.png"),))])
    assert "images that are in no shard: row 1 (CXR2); prepare the data set again" in refused(folder)


def test_no_manifest_no_parquet_and_other_columns_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "manifest.parquet"):
        with pytest.raises(ManifestError, match=rf"prepare SOURCE RAW {tmp_path}`"):
            read_manifest(path)
    with pytest.raises(ManifestError, match=r"no manifest at .*nowhere: .*prepare SOURCE RAW .*nowhere`"):
        read_manifest(tmp_path / "nowhere")
    (tmp_path / "manifest.parquet").write_text("id,split")
    with pytest.raises(ManifestError, match="no readable Parquet file"):
        read_manifest(tmp_path)
    pq.write_table(pa.table({"id": ["a"], "text": ["b"]}), tmp_path / "manifest.parquet")
    with pytest.raises(ManifestError, match="has the columns id, text, which do not fit"):
        read_manifest(tmp_path)
    pq.write_table(pa.table({name: ["a"] for name in SCHEMA.names}), tmp_path / "manifest.parquet")
    with pytest.raises(ManifestError, match="do not fit a manifest's"):
        read_manifest(tmp_path)
