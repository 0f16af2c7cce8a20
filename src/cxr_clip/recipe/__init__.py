"""Every setting of a run, typed and frozen, read from YAML with key=value overrides.

The defaults are those of the paper (224 px, batch 128, 15 epochs, AdamW 5e-5, lambda_I 1.0, lambda_T 0.5).
Settings are read by `assemble` alone; everything below it takes plain arguments.
"""

from cxr_clip.recipe.data import AugmentSettings, DataSettings, PartSettings, RareSamplingSettings, SourceSettings
from cxr_clip.recipe.loading import dump_recipe, dump_recipes, load_recipe, load_recipes
from cxr_clip.recipe.model import (
    ImageEncoderSettings,
    LoraSettings,
    ModelSettings,
    TextEncoderSettings,
    TokeniserSettings,
    Trained,
)
from cxr_clip.recipe.section import Section
from cxr_clip.recipe.train import AverageSettings, FactorSettings, LogSettings, LossSettings, TrainSettings
from cxr_clip.recipe.whole import Recipe

__all__ = [
    "AugmentSettings",
    "AverageSettings",
    "DataSettings",
    "FactorSettings",
    "ImageEncoderSettings",
    "LogSettings",
    "LoraSettings",
    "LossSettings",
    "ModelSettings",
    "PartSettings",
    "RareSamplingSettings",
    "Recipe",
    "Section",
    "SourceSettings",
    "TextEncoderSettings",
    "TokeniserSettings",
    "TrainSettings",
    "Trained",
    "dump_recipe",
    "dump_recipes",
    "load_recipe",
    "load_recipes",
]
