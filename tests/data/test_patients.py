"""Parts of a manifest's patients: whole patients, nested, in an order that only the seed decides."""

from pathlib import Path

import pytest

from cxr_clip.assemble import open_sources
from cxr_clip.data.manifest import Manifest, read_manifest
from cxr_clip.data.patients import first_patients
from cxr_clip.study import Split
from support_data import write_tiny_manifest
from support_models import tiny_recipe


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"), train=20)


def of_pairs(manifest: Manifest) -> Manifest:
    """The same studies, two of each patient."""
    patients = [f"patient {number // 2}" for number in range(len(manifest))]
    place = manifest.table.column_names.index("patient")
    field = manifest.table.schema.field("patient")
    return Manifest(manifest.root, manifest.table.set_column(place, field, [patients]))


def test_parts_are_nested_and_hold_whole_patients(manifest: Path) -> None:
    studies = of_pairs(read_manifest(manifest).where(split=Split.TRAIN))
    parts = [{study.id for study in first_patients(studies, fraction, seed=3)} for fraction in (0.1, 0.3, 0.5)]
    assert [len(part) for part in parts] == [2, 6, 10]
    assert parts[0] < parts[1] < parts[2]
    for part in parts:
        numbers = {int(name.rpartition("-")[2]) for name in part}
        assert {number ^ 1 for number in numbers} == numbers


def test_the_order_depends_on_the_seed_and_not_on_the_other_patients(manifest: Path) -> None:
    studies = read_manifest(manifest).where(split=Split.TRAIN)
    backwards = Manifest(studies.root, studies.table.take(list(range(len(studies)))[::-1]))
    names = {study.id for study in first_patients(studies, 0.5, seed=0)}
    assert {study.id for study in first_patients(backwards, 0.5, seed=0)} == names
    assert {study.id for study in first_patients(studies, 0.5, seed=1)} != names


def test_one_patient_is_the_least_and_nothing_stays_nothing(manifest: Path) -> None:
    studies = read_manifest(manifest)
    assert len(first_patients(studies.where(split=Split.TRAIN), 0.001, seed=0)) == 1
    assert len(first_patients(studies.where(sources=["none"]), 0.5, seed=0)) == 0


def test_a_recipe_trains_on_its_part_and_validates_on_all(manifest: Path) -> None:
    recipe = tiny_recipe(manifest, ("data.part", {"fraction": 0.25, "seed": 2}))
    (source,) = open_sources(recipe.data)
    assert (len(source.train), len(source.validate)) == (5, 4)
    assert len(open_sources(tiny_recipe(manifest).data)[0].train) == 20
