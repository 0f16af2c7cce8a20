"""The whole recipe, and what its sections ask of each other."""

from typing import Any, Literal, Self

from pydantic import model_validator

from cxr_clip.recipe.data import DataSettings
from cxr_clip.recipe.model import ModelSettings
from cxr_clip.recipe.profile import as_published
from cxr_clip.recipe.section import Section
from cxr_clip.recipe.train import LogSettings, LossSettings, TrainSettings


class Recipe(Section):
    """All that decides a run.

    `profile` published: settings that are left out take the published code's values, as far as they differ from ours.
    """

    name: str
    profile: Literal["ours", "published"] = "ours"
    data: DataSettings
    model: ModelSettings
    loss: LossSettings = LossSettings()
    train: TrainSettings = TrainSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="before")
    @classmethod
    def _with_profile(cls, settings: Any) -> Any:
        published = isinstance(settings, dict) and settings.get("profile") == "published"
        return as_published(settings) if published else settings

    @model_validator(mode="after")
    def _every_term_has_its_pair(self) -> Self:
        for weight, count, thing in (
            ("image_image", self.data.images_per_study, "images"),
            ("text_text", self.data.texts_per_study, "texts"),
        ):
            if getattr(self.loss, weight) > 0 and count == 1:
                raise ValueError(
                    f"loss.{weight} needs two {thing} of a study: set data.{thing}_per_study=2 or loss.{weight}=0"
                )
        if self.loss.image_text == self.loss.image_image == self.loss.text_text == 0:
            raise ValueError("every loss weight is 0: nothing would be learned")
        if self.loss.hard_negative == 0 and self.data.hard_negatives:
            raise ValueError("data.hard_negatives has no effect with loss.hard_negative=0: leave it out")
        if self.loss.hard_negative != LossSettings().hard_negative and not self.data.hard_negatives:
            raise ValueError("loss.hard_negative has no effect without data.hard_negatives: leave it out")
        return self

    @model_validator(mode="after")
    def _a_locked_tower_has_no_learning_rate(self) -> Self:
        for name, tower in (("image", self.model.image), ("text", self.model.text)):
            if tower.train == "locked" and getattr(self.train.factors, name) != 1:
                raise ValueError(
                    f"train.factors.{name} has no effect with model.{name}.train=locked: leave it out; "
                    "train.factors.projection is that of the projections"
                )
        return self
