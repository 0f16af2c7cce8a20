"""A model in front of a set of studies: what benchmarks ask of it is computed when first asked for, and once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.contract import ImageRule
from cxr_clip.evaluate.results import Population
from cxr_clip.evaluate.statistics import patient_bootstrap_weights
from cxr_clip.evaluate.study_images import (
    Advance,
    Embedder,
    ReadImage,
    StudyImages,
    embed_studies,
    images_in_use,
)
from cxr_clip.evaluate.trained_on import Seen
from cxr_clip.evaluate.view_images import ViewImages, embed_views
from cxr_clip.study import Study


@dataclass(frozen=True)
class EvaluationOptions:
    """How to measure: `findings` names those to take (absent: all that have prompts); `batch` images are held at once.

    A finding with fewer than `min_positives` positive or negative studies is listed and not measured; `gallery` is
    how many retrieval queries the report shows, `retrieved` how many texts each. `findings` and `min_positives` are
    for the benchmarks of any manifest: those of the table say their own.
    """

    findings: tuple[str, ...] | None = None
    resamples: int = 1000
    seed: int = 0
    min_positives: int = 5
    batch: int = 64
    gallery: int = 8
    retrieved: int = 5


@dataclass(frozen=True, eq=False)
class Material:
    """The studies that a benchmark is measured on, how their images are read, and which of them were trained on."""

    manifest: Sequence[Study]
    read_image: ReadImage
    seen: Seen | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and the studies that have an image in use; their embeddings, and resamples of them by patient.

    `known` are the embeddings where they were computed before; `part_of` is the subject that this is a part of, and
    the places of the studies there.
    """

    embedder: Embedder
    material: Material
    options: EvaluationOptions = field(default_factory=EvaluationOptions)
    advance: Advance | None = None
    known: StudyImages | None = None
    part_of: "tuple[Subject, tuple[int, ...]] | None" = None

    @cached_property
    def studies(self) -> Sequence[Study]:
        """The studies that have an image in use. Raises EvaluationError where there is none."""
        studies = [study for study in self.material.manifest if images_in_use(study)]
        if not studies:
            raise EvaluationError(
                f"none of {len(self.material.manifest)} studies has a frontal image: evaluate another split, or "
                "prepare it with views"
            )
        return studies

    @cached_property
    def images(self) -> StudyImages:
        """The embeddings of all images in use."""
        if self.known is not None:
            return self.known
        return embed_studies(
            self.embedder,
            self.studies,
            self.material.read_image,
            batch=self.options.batch,
            advance=self.advance,
        )

    def part(self, places: Sequence[int]) -> "Subject":
        """Some of the studies, with the embeddings that these have here."""
        studies = [self.studies[place] for place in places]
        part_of = self, tuple(places)
        return replace(
            self, material=replace(self.material, manifest=studies), known=self.images.part(places), part_of=part_of
        )

    @cached_property
    def by_view(self) -> ViewImages:
        """The embeddings of all images in use and of the lateral ones, which are embedded for this alone."""
        if self.part_of is not None:
            whole, places = self.part_of
            return whole.by_view.part(places)
        return embed_views(
            self.embedder,
            self.studies,
            self.images,
            self.material.read_image,
            batch=self.options.batch,
            advance=self.advance,
        )

    @cached_property
    def weights(self) -> NDArray[np.uint16]:
        """How often each study is in each resample, (resamples, studies)."""
        patients, rng = [study.patient for study in self.studies], np.random.default_rng(self.options.seed)
        return patient_bootstrap_weights(patients, self.options.resamples, rng)

    @property
    def without_image(self) -> int:
        """How many studies are left out for want of an image."""
        return len(self.material.manifest) - len(self.studies)

    def embeddings(self, rule: ImageRule) -> Float[Tensor, "studies dim"]:
        """The embedding of each study by a rule for its images."""
        return self.images.mean if rule is ImageRule.MEAN else self.images.first

    def population(self, chosen: Sequence[int] | None = None, *, rule: ImageRule) -> Population:
        """Count the studies, all or those at the `chosen` places, their patients, and the images that are measured."""
        studies = self.studies if chosen is None else [self.studies[index] for index in chosen]
        images = len(studies) if rule is ImageRule.FIRST else sum(len(images_in_use(study)) for study in studies)
        return Population(studies=len(studies), patients=len({study.patient for study in studies}), images=images)
