"""Studies drawn at random, with the very pictures and texts that a training sees in its first epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxr_clip.assemble import Source, make_training_set, make_validation_set, open_sources
from cxr_clip.data.dataset import Part, SampleKey, StudyDataset, first_images
from cxr_clip.data.manifest import Manifest, read_manifest
from cxr_clip.data.prompts import load_prompt_bank
from cxr_clip.data.store import ImageStore
from cxr_clip.data.texts import Wording
from cxr_clip.data.transforms import EvalTransform
from cxr_clip.errors import PromptError
from cxr_clip.recipe import DataSettings, Recipe, SourceSettings
from cxr_clip.study import Split, Study


@dataclass(frozen=True)
class Sample:
    """One study as the model sees it: grey square pictures and texts; the rest is for people."""

    study: str
    patient: str
    split: str
    views: tuple[str, ...]
    findings: Mapping[str, str]
    texts: tuple[str, ...]
    pictures: tuple[NDArray[np.uint8], ...]
    has_report: bool


@dataclass(frozen=True)
class Samples:
    """The drawn studies, and in words how they came about."""

    origin: str
    studies: tuple[Sample, ...]


def draw_samples(path: Path, recipe: Recipe | None, *, count: int, seed: int) -> Samples:
    """Draw `count` studies that a training learns from and show them as the first epoch of a training does.

    The settings are those of the recipe, of its source with this manifest where it has one; without a recipe the
    defaults. Where nothing is to be trained on, studies of the other splits come as evaluation sees them; where the
    prompts lack sentences for the labels, the pictures come alone.
    Raises a CxrClipError where training would.
    """
    settings, words = _settings(path, recipe)
    manifest = read_manifest(path, check=False)
    train = manifest.where(split=Split.TRAIN)
    if not len(train):
        origin = f"No study is in the split 'train': as evaluation sees them, {words}."
        return Samples(origin, _draw(_evaluation_set(settings, manifest), manifest, count=count, seed=seed))
    try:
        sources = open_sources(settings)
    except PromptError as error:
        origin = f"Pictures alone, as evaluation sees them; training would refuse the labels: {error}"
        return Samples(origin, _draw(_without_texts(settings, train), train, count=count, seed=seed))
    dataset = make_training_set(settings, sources, seed=recipe.train.seed if recipe else 0)
    studies = _draw(dataset, sources[0].train, count=count, seed=seed)
    return Samples(f"As the first epoch of a training sees them, {words}.", studies)


def _settings(path: Path, recipe: Recipe | None) -> tuple[DataSettings, str]:
    """The settings for this manifest alone, and where they come from.

    Hard negatives are not shown, and have draws of their own: without them nothing else changes.
    """
    plain = SourceSettings(manifest=path)
    if recipe is None:
        return DataSettings(sources=(plain,)), "with the default settings"
    named = [source for source in recipe.data.sources if _same_folder(source.manifest, path)]
    source = named[0].model_copy(update={"manifest": path}) if named else plain
    words = f"with the settings of {recipe.name}"
    if not named:
        words += ", which does not name this manifest: its texts are put into words by default"
    return recipe.data.model_copy(update={"sources": (source,), "hard_negatives": 0}), words


def _same_folder(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _evaluation_set(settings: DataSettings, studies: Manifest) -> StudyDataset:
    wording = Wording(load_prompt_bank(settings.prompts), negatives=settings.sources[0].negatives)
    source = Source(train=studies, validate=studies, store=ImageStore(studies.root), wording=wording)
    return make_validation_set(settings, (source,))


def _without_texts(settings: DataSettings, studies: Manifest) -> StudyDataset:
    part = Part(studies=studies, read_image=ImageStore(studies.root).read, texts=lambda _study, _rng: ())
    transform = EvalTransform(settings.image_size)
    return StudyDataset(
        [part], choose=first_images, transform=lambda picture, _rng: transform(picture), images=1, seed=0
    )


def _draw(dataset: StudyDataset, studies: Manifest, *, count: int, seed: int) -> tuple[Sample, ...]:
    numbers = np.random.default_rng(seed).choice(len(studies), size=min(count, len(studies)), replace=False)
    return tuple(_sample(dataset, studies[int(number)], int(number)) for number in sorted(numbers))


def _sample(dataset: StudyDataset, study: Study, number: int) -> Sample:
    drawn = dataset[SampleKey(epoch=0, study=number)]
    assert drawn.study_id == study.id
    return Sample(
        study=study.id,
        patient=study.patient,
        split=study.split.value,
        views=tuple(image.view.value for image in study.images),
        findings={name: certainty.value for name, certainty in study.findings.items()},
        texts=drawn.texts,
        pictures=drawn.images,
        has_report=bool(study.sections),
    )
