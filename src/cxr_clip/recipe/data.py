"""Settings of the data: manifests, what is drawn from a study, how an image is varied."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cxr_clip.recipe.section import Above0, Fraction, Positive, Section


class SourceSettings(Section):
    """One manifest, and how its studies are put into words (data/texts.py); `negatives` null: all of them."""

    manifest: Path
    negatives: Annotated[int, Field(ge=0)] | None = 3
    label_prompts: Fraction = 0.0
    cut_sentences: Fraction = 0.0


class PartSettings(Section):
    """A part of the training patients of every source: the first `fraction` of an order that `seed` decides.

    Larger fractions of the same order hold the smaller ones (data/patients.py). Validation keeps all its studies.
    """

    fraction: Annotated[float, Field(gt=0.0, lt=1.0)]
    seed: Annotated[int, Field(ge=0)] = 0


class AugmentSettings(Section):
    """How a training image is varied (no flips: left and right mean something)."""

    crop_scale: tuple[Above0, Above0] = (0.8, 1.1)
    clahe_probability: Fraction = 0.5
    clahe_clip: Above0 = 4.0
    brightness: Fraction = 0.1
    contrast: Fraction = 0.2

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        low, high = self.crop_scale
        if not low <= min(high, 1.0):
            raise ValueError(f"crop_scale is [smallest, largest] with a smallest of at most 1, not [{low:g}, {high:g}]")
        return self


class RareSamplingSettings(Section):
    """Studies with rare findings are drawn more often (data/rare_draws.py), none more than `most_draws` times an epoch.

    `exponent` 0.5 weighs by the square root of the inverse frequency of a study's rarest positive finding, 1 by the
    inverse itself.
    """

    exponent: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    most_draws: Annotated[int, Field(ge=2)] = 8


class DataSettings(Section):
    """What is read, and what is drawn from each study.

    `training_pixels` fast: images of training are decoded at a reduced scale where that suffices and resized quickly;
    exact: as for evaluation, which is how the published code resizes. `sentence_order`: of reports; prompt reports are
    always shuffled. `hard_negatives`: how many sentences of a text, at most, an image tells from their contrary
    (data/hard_negatives.py). `rare_sampling` null: every study once an epoch. `hold_out`: findings that the training is
    not to see (data/hold_out.py). `part` null: all patients of the training split are trained on.
    """

    sources: Annotated[tuple[SourceSettings, ...], Field(min_length=1)]
    image_size: Positive = 224
    images_per_study: Literal[1, 2] = 2
    texts_per_study: Literal[1, 2] = 2
    max_tokens: Annotated[int, Field(ge=3)] = 256
    prompts: Path | None = None
    part: PartSettings | None = None
    training_pixels: Literal["fast", "exact"] = "fast"
    sentence_order: Literal["shuffled", "written"] = "shuffled"
    hard_negatives: Annotated[int, Field(ge=0)] = 0
    augment: AugmentSettings = AugmentSettings()
    rare_sampling: RareSamplingSettings | None = None
    hold_out: tuple[str, ...] = ()
