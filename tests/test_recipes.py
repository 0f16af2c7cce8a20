"""The recipes in recipes/ say what the paper does."""

from pathlib import Path

import pytest

from cxr_clip.recipe import AugmentSettings, LossSettings, TrainSettings, load_recipe

FOLDER = Path(__file__).parents[1] / "recipes"
SOURCES = {
    "m": [("data/mimic-cxr", 3)],
    "mc": [("data/mimic-cxr", 3), ("data/chexpert", None)],
    "mcc": [("data/mimic-cxr", 3), ("data/chexpert", None), ("data/chestxray14", 3)],
}


@pytest.mark.parametrize(("backbone", "encoder"), [("resnet50", "resnet50"), ("swin", "swin-tiny")])
@pytest.mark.parametrize("data", SOURCES)
def test_a_published_model_is_the_defaults_on_its_data(backbone: str, encoder: str, data: str) -> None:
    recipe = load_recipe(FOLDER / f"{backbone}-{data}.yaml")
    assert recipe.name == f"{backbone}-{data}"
    assert [(str(source.manifest), source.negatives) for source in recipe.data.sources] == SOURCES[data]
    assert (recipe.model.image.pretrained, recipe.model.text.pretrained) == (encoder, "bio-clinical-bert")
    assert (recipe.train, recipe.loss, recipe.data.augment) == (TrainSettings(), LossSettings(), AugmentSettings())
    assert (recipe.model.text.pooling, recipe.model.image.train, recipe.model.text.train) == ("eos", "all", "all")


def test_one_card_learns_the_paper_s_batch_with_less_memory() -> None:
    recipe, paper = load_recipe(FOLDER / "one-gpu.yaml"), load_recipe(FOLDER / "resnet50-m.yaml")
    assert (recipe.data, recipe.loss) == (paper.data, paper.loss)
    assert (recipe.train.batch_size, recipe.train.chunk_size) == (128, 64)
    assert recipe.model.image.gradient_checkpointing
    assert recipe.model.text.lora is not None
    assert recipe.train.average is not None
