"""Counts over Arrow columns are those of the studies, counted one by one."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from cxr_clip.data.manifest import SCHEMA, read_manifest
from cxr_clip.inspection.counts import count, count_labels
from cxr_clip.inspection.published import compare
from cxr_clip.inspection.texts import count_words, measure_texts
from cxr_clip.study import Certainty


def test_counts_are_those_of_the_studies(sound: Path) -> None:
    manifest = read_manifest(sound)
    studies = list(manifest)
    counts = count(manifest.table)
    images = [image for study in studies for image in study.images]
    assert (counts.studies, counts.patients, counts.images) == (10, 9, 15)
    assert counts.views == Counter(image.view.value for image in images)
    assert counts.images_per_study == {1: 5, 2: 5}
    assert counts.sections == Counter(name for study in studies for name in study.sections)
    assert counts.sections_per_study == Counter(len(study.sections) for study in studies)
    assert counts.sizes == {"72 × 64": 15}
    assert set(counts.short_sides.values()) == {64}
    assert counts.bytes == sum(image.stored.length for image in images)
    assert (counts.ages["smallest"], counts.ages["largest"]) == (30, 39)
    assert counts.sexes == {"F": 5}
    assert (counts.boxes, counts.masks, counts.grades) == (0, 0, 0)


def test_every_source_is_counted_as_a_whole_and_by_split(sound: Path) -> None:
    manifest = read_manifest(sound)
    groups = count(manifest.table).groups
    assert [(group.source, group.split) for group in groups] == [
        ("chestxray14", None), ("chestxray14", "validate"), ("chestxray14", "test"),
        ("openi", None), ("openi", "train"),
    ]  # fmt: skip
    for group in groups:
        own = [study for study in manifest if study.source == group.source and group.split in (None, study.split.value)]
        assert group.studies == len(own)
        assert group.patients == len({study.patient for study in own})
        assert group.images == sum(len(study.images) for study in own)


def test_labels_keep_negative_and_not_mentioned_apart(sound: Path) -> None:
    manifest = read_manifest(sound)
    labels = {label.finding: label for label in count_labels(manifest.table)}
    said = Counter(study.findings["Edema"] for study in manifest)
    edema, mass = labels["Edema"], labels["Mass"]
    assert (edema.positive, edema.negative, edema.uncertain, edema.not_mentioned) == (
        said[Certainty.POSITIVE], said[Certainty.NEGATIVE], said[Certainty.UNCERTAIN], 0
    )  # fmt: skip
    assert (mass.positive, mass.negative, mass.uncertain, mass.not_mentioned) == (5, 0, 0, 5)
    assert mass.prevalence == 0.5


def test_an_empty_manifest_is_counted() -> None:
    table = SCHEMA.empty_table()
    counts = count(table)
    assert (counts.studies, counts.images, counts.groups, counts.short_sides) == (0, 0, (), {})
    assert count_labels(table) == ()
    assert measure_texts(table, count_words, max_tokens=256) == ()


def test_words_are_counted_as_python_splits_them() -> None:
    texts = ["Two words", "  one ", "a\tb\n c", "", "   "]
    assert count_words(pa.array(texts)).tolist() == [len(text.split()) for text in texts]


def test_lengths_of_texts_by_section(sound: Path) -> None:
    findings, impression = measure_texts(read_manifest(sound).table, count_words, max_tokens=3)
    assert (findings.section, findings.texts, findings.distinct) == ("findings", 7, 7)
    assert (impression.section, impression.texts, impression.distinct) == ("impression", 7, 1)
    assert (findings.lengths["smallest"], findings.lengths["median"], findings.cut) == (4, 4, 1.0)
    assert (impression.lengths["largest"], impression.cut) == (1, 0.0)


def test_published_counts_stand_beside_the_own_ones(sound: Path) -> None:
    rows = compare(count(read_manifest(sound).table).groups)
    assert {(row.source, row.unit): (row.published, row.here) for row in rows} == {
        ("openi", "images"): (7470, 7),
        ("openi", "studies"): (3955, 5),
        ("chestxray14", "images"): (112120, 8),
        ("chestxray14", "patients"): (30805, 5),
    }


def test_quantiles_are_values_that_occur() -> None:
    from cxr_clip.data.columns import quantiles

    values = np.asarray([1, 1, 2, 50, 100])
    assert set(quantiles(values).values()) <= set(values.tolist())
