"""The fingerprint tells studies that train otherwise apart, and no others."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_clip.assemble import Source, open_sources
from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.study import Certainty, ImageFile, Split, Stored, Study, View
from cxr_clip.train.fingerprint import fingerprint
from support_data import write_tiny_manifest
from support_models import tiny_recipe

Change = Callable[[list[Study]], list[Study]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_manifest(tmp_path)


def sources_of(*folders: Path) -> tuple[Source, ...]:
    sources = [{"manifest": str(folder)} for folder in folders]
    return open_sources(tiny_recipe(folders[0], ("data.sources", sources)).data)


def rewritten(folder: Path, change: Change) -> str:
    studies = list(read_manifest(folder))
    with ManifestWriter(folder / "manifest.parquet") as writer:
        for study in change(studies):
            writer.write(study)
    return fingerprint(sources_of(folder))


def first(change: Callable[[Study], Study]) -> Change:
    return lambda studies: [change(studies[0]), *studies[1:]]


def first_image(change: Callable[[ImageFile], ImageFile]) -> Change:
    return first(lambda study: replace(study, images=(change(study.images[0]), *study.images[1:])))


def stored_elsewhere(image: ImageFile, *, length: int = 0) -> ImageFile:
    assert image.stored is not None
    return replace(image, stored=Stored(image.stored.shard, image.stored.offset + 1, image.stored.length + length))


def without_tests(studies: Sequence[Study]) -> list[Study]:
    return [study for study in studies if study.split is not Split.TEST]


@pytest.mark.parametrize(
    "change",
    [
        lambda studies: studies[1:],
        lambda studies: [studies[1], studies[0], *studies[2:]],
        first(lambda study: replace(study, split=Split.VALIDATE)),
        first(lambda study: replace(study, split=Split.TEST)),
        first(lambda study: replace(study, id="another")),
        first(lambda study: replace(study, sections={**study.sections, "impression": "Other words."})),
        first(lambda study: replace(study, findings={**study.findings, "Mass": Certainty.UNCERTAIN})),
        first_image(lambda image: replace(image, view=View.LATERAL)),
        first_image(lambda image: stored_elsewhere(image, length=1)),
    ],
    ids=["fewer", "order", "to validate", "to test", "id", "words", "labels", "view", "picture"],
)
def test_studies_that_train_otherwise_have_another_fingerprint(folder: Path, change: Change) -> None:
    assert fingerprint(sources_of(folder)) != rewritten(folder, change)


@pytest.mark.parametrize(
    "change",
    [
        lambda studies: studies,
        without_tests,
        first(lambda study: replace(study, findings=dict(reversed(list(study.findings.items()))))),
        first_image(stored_elsewhere),
        first(lambda study: replace(study, age=44.0)),
    ],
    ids=["nothing", "test studies", "order of labels", "place in the shard", "age"],
)
def test_what_changes_no_training_leaves_the_fingerprint(folder: Path, change: Change) -> None:
    assert fingerprint(sources_of(folder)) == rewritten(folder, change)


def test_the_order_of_the_sources_counts_and_their_place_does_not(folder: Path, tmp_path: Path) -> None:
    other = write_tiny_manifest(tmp_path / "other", train=5)
    both = fingerprint(sources_of(folder, other))
    assert both != fingerprint(sources_of(other, folder))
    assert both == fingerprint(sources_of(folder, other.rename(tmp_path / "moved")))
