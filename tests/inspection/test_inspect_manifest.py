"""An inspection finds what is wrong, shows what training sees, and makes a page that stands alone."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxr_clip.assemble import make_training_set, make_validation_set, open_sources
from cxr_clip.data.dataset import SampleKey
from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import CheckpointError, ManifestError
from cxr_clip.inspection.inspect_manifest import Inspection, InspectionRequest, inspect_manifest
from cxr_clip.inspection.page import bars, write_inspection
from cxr_clip.model.tokeniser import train_tokeniser
from cxr_clip.recipe import DataSettings, SourceSettings
from cxr_clip.study import Split
from support_inspection import write_sound
from support_models import SENTENCES, tiny_recipe


@pytest.fixture(scope="module")
def inspection(sound: Path) -> Inspection:
    return inspect_manifest(sound, InspectionRequest())


def test_a_sound_manifest_has_no_faults(inspection: Inspection) -> None:
    assert inspection.faults == ()
    assert (inspection.same_bytes.groups, inspection.same_picture.groups) == (0, 0)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda rows: rows[1].update(id="s0"), "duplicate ids"),
        (lambda rows: rows[9].update(patient="p5", source="chestxray14"), "patients in two splits"),
        (lambda rows: rows[3].update(sections=[], findings=[]), "studies with neither text nor findings"),
        (lambda rows: rows[3].update(split="exam"), "unknown splits"),
        (lambda rows: rows[3]["images"][0].update(view="oblique"), "unknown views"),
        (
            lambda rows: rows[3]["images"][1].update(shard="shards/lost.tar"),
            "missing files (shards/lost.tar, 1 in all)",
        ),
        (lambda rows: rows[3]["images"][1].update(shard=None), "images that are in no shard"),
        (lambda rows: rows[3]["images"][1].update(offset=100), "images that cannot be read"),
        (lambda rows: rows[9].update(images=rows[0]["images"]), "the same image in two splits"),
    ],
)
def test_every_kind_of_fault_is_found_and_shown(changed, tmp_path: Path, change: Callable, rule: str) -> None:
    inspection = inspect_manifest(changed(change), InspectionRequest(samples=2))
    assert rule in [fault.rule for fault in inspection.faults]
    page = write_inspection(inspection, tmp_path / "out").read_text()
    assert rule in page
    assert "No faults." not in page


@pytest.mark.parametrize("lost", [{"shard": "shards/lost.tar"}, {"shard": None}, {"offset": 10**6}])
def test_an_image_that_is_missing_is_one_fault(changed, lost: dict) -> None:
    inspection = inspect_manifest(changed(lambda rows: rows[3]["images"][1].update(lost)), InspectionRequest(samples=0))
    assert [fault.rows for fault in inspection.faults] == [(3,)]


def test_copies_within_a_split_are_shown_and_no_fault(changed, tmp_path: Path) -> None:
    inspection = inspect_manifest(changed(lambda rows: rows[1].update(images=rows[0]["images"])), InspectionRequest())
    assert inspection.faults == ()
    assert (inspection.same_bytes.groups, inspection.same_picture.over_patients) == (1, 0)
    assert "s1, image 1, train" in write_inspection(inspection, tmp_path / "out").read_text()


def test_the_samples_are_what_the_first_epoch_of_a_training_sees(sound: Path, inspection: Inspection) -> None:
    settings = DataSettings(sources=(SourceSettings(manifest=sound),))
    dataset = make_training_set(settings, open_sources(settings), seed=0)
    train = read_manifest(sound).where(split=Split.TRAIN)
    assert [sample.study for sample in inspection.samples.studies] == [study.id for study in train]
    for number, sample in enumerate(inspection.samples.studies):
        expected = dataset[SampleKey(epoch=0, study=number)]
        assert sample.texts == expected.texts
        assert all(np.array_equal(*pair) for pair in zip(sample.pictures, expected.images, strict=True))


def test_a_recipe_decides_how_the_samples_look(sound: Path) -> None:
    source = {"manifest": str(sound), "negatives": 0}
    recipe = tiny_recipe(sound, ("data.sources", [source]), ("data.texts_per_study", 1), ("loss.text_text", 0.0))
    samples = inspect_manifest(sound, InspectionRequest(recipe=recipe)).samples
    assert "with the settings of tiny." in samples.origin
    assert {sample.pictures[0].shape for sample in samples.studies} == {(32, 32)}
    assert {len(sample.texts) for sample in samples.studies} == {1}
    elsewhere = inspect_manifest(sound, InspectionRequest(recipe=tiny_recipe(sound.parent))).samples
    assert "tiny, which does not name this manifest" in elsewhere.origin
    assert len(elsewhere.studies) == 5


@pytest.mark.parametrize(
    ("change", "left"),
    [(("data.part", {"fraction": 0.5}), 2), (("data.hold_out", ["Mass"]), 3)],
    ids=["part", "hold out"],
)
def test_only_what_is_trained_on_is_drawn(sound: Path, change: tuple[str, object], left: int) -> None:
    recipe = tiny_recipe(sound, change)
    samples = inspect_manifest(sound, InspectionRequest(recipe=recipe)).samples
    assert [one.study for one in samples.studies] == [study.id for study in open_sources(recipe.data)[0].train]
    assert len(samples.studies) == left


def test_hard_negatives_which_are_not_shown_are_not_made(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def collect(*_arguments: object, **_more: object) -> None:
        raise AssertionError("thousands of reports were read for sentences that nobody sees")

    plain, asked = tiny_recipe(sound), tiny_recipe(sound, ("data.hard_negatives", 2))
    before = inspect_manifest(sound, InspectionRequest(recipe=plain)).samples.studies
    monkeypatch.setattr("cxr_clip.assemble.collect_sayings", collect)
    after = inspect_manifest(sound, InspectionRequest(recipe=asked)).samples.studies
    assert [one.texts for one in after] == [one.texts for one in before]


def test_the_seed_decides_which_studies_are_shown(sound: Path) -> None:
    def shown(seed: int) -> list[str]:
        request = InspectionRequest(samples=2, seed=seed)
        return [sample.study for sample in inspect_manifest(sound, request).samples.studies]

    assert shown(1) == shown(1)
    assert len({tuple(shown(seed)) for seed in range(6)}) > 1


def test_a_manifest_for_evaluation_alone_is_shown_as_evaluation_sees_it(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "four", splits=(Split.TEST,) * 4)
    samples = inspect_manifest(folder, InspectionRequest()).samples
    assert "No study is in the split 'train'" in samples.origin
    assert [sample.study for sample in samples.studies] == ["s0", "s1", "s2", "s3"]
    with_train = write_sound(tmp_path / "validate", splits=(*(Split.TRAIN,) * 3, *(Split.VALIDATE,) * 2))
    settings = DataSettings(sources=(SourceSettings(manifest=with_train),))
    expected = make_validation_set(settings, open_sources(settings))[SampleKey(epoch=0, study=0)]
    only = write_sound(tmp_path / "test", splits=(Split.TEST,) * 5)
    drawn = inspect_manifest(only, InspectionRequest()).samples.studies[3]
    assert drawn.texts == expected.texts
    assert np.array_equal(drawn.pictures[1], expected.images[1])


def test_what_training_refuses_is_said_in_place_of_samples(changed) -> None:
    faulty = inspect_manifest(changed(lambda rows: rows[1].update(id="s0")), InspectionRequest()).samples
    assert (faulty.studies, "a training refuses a manifest with faults" in faulty.origin) == ((), True)
    broken = inspect_manifest(
        changed(lambda rows: rows[1]["images"][0].update(offset=100)), InspectionRequest()
    ).samples
    assert (broken.studies, "a training refuses this: study" in broken.origin) == ((), True)


def test_the_page_stands_alone_and_escapes_what_it_shows(changed, tmp_path: Path) -> None:
    def mark_up(rows) -> None:
        rows[0]["sections"] = [("findings", "Nodule <b>3 mm</b> & more.")]
        rows[1]["patient"] = "<script>"

    folder = changed(mark_up)
    (folder / "summary.json").write_text(
        json.dumps(
            {
                "rejected": {"image: <damaged>": 3},
                "absent_images": 7,
                "remarks": {"a remark": 2},
                "run": {"short_side": 512},
            }
        )
    )
    page = write_inspection(inspect_manifest(folder, InspectionRequest()), tmp_path / "out").read_text()
    assert "Nodule &lt;b&gt;3 mm&lt;/b&gt; &amp; more." in page
    assert "image: &lt;damaged&gt;" in page
    assert "7 images absent" in page
    assert "short side 512" in page
    assert "<b>" not in page
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!data:image/jpeg;base64,)', page) == []
    assert page.count('alt="Picture ') == 10
    assert list((tmp_path / "out").iterdir()) == [*(tmp_path / "out").glob("inspect.*")]


def test_programs_get_every_figure_but_no_picture(sound: Path, inspection: Inspection, tmp_path: Path) -> None:
    write_inspection(inspection, tmp_path)
    figures = json.loads((tmp_path / "inspect.json").read_text())
    assert figures["counts"]["images"] == 15
    assert figures["counts"]["groups"][0]["source"] == "chestxray14"
    assert figures["labels"][0].keys() == {
        "finding", "positive", "negative", "uncertain", "not_mentioned", "prevalence"
    }  # fmt: skip
    assert figures["faults"] == []
    assert figures["published"][0]["published"] == 7470
    assert "pictures" not in figures["samples"]["studies"][0]
    assert figures["samples"]["studies"][0]["texts"] == list(inspection.samples.studies[0].texts)


def test_a_tokeniser_counts_tokens(sound: Path, tmp_path: Path) -> None:
    tokeniser = train_tokeniser((*SENTENCES, "Case 0 is clear. Normal."), vocabulary_size=200, lowercase=True)
    tokeniser.save_pretrained(tmp_path)
    inspection = inspect_manifest(sound, InspectionRequest(tokeniser=tmp_path, max_tokens=6, samples=0))
    texts = {row.section: row for row in inspection.texts}
    assert inspection.text_unit == "tokens"
    assert texts["impression"].lengths["largest"] == len(tokeniser("Normal.").input_ids)
    assert texts["findings"].lengths["largest"] == len(tokeniser("Case 0 is  clear. ").input_ids)
    assert texts["findings"].cut == 1.0
    for folder in (tmp_path / "absent", sound):
        with pytest.raises(CheckpointError, match=f"{folder} holds no tokeniser .*give the folder of a run"):
            inspect_manifest(sound, InspectionRequest(tokeniser=folder))


def test_without_a_manifest_there_is_nothing_to_inspect(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no manifest"):
        inspect_manifest(tmp_path, InspectionRequest())


def test_long_tables_are_cut() -> None:
    rows = bars(dict.fromkeys(range(20), 2), 40)
    assert [row.name for row in rows] == [*map(str, range(8)), "12 others"]
    assert [row.name for row in bars(dict.fromkeys(range(9), 1), 9)] == [*map(str, range(9))]
    assert (rows[-1].count, rows[-1].share, rows[-1].width) == (24, 60, 100)
    assert bars({}, 0) == []


def test_an_empty_report_and_a_label_free_manifest_are_shown(inspection: Inspection, tmp_path: Path) -> None:
    bare = replace(inspection, labels=(), texts=())
    page = write_inspection(bare, tmp_path).read_text()
    assert "The manifest has no labels." in page
    assert "The manifest has no reports." in page
