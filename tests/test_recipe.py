"""Recipes: the paper's defaults, overrides, and errors that name the mend."""

import json
import re
from pathlib import Path

import pytest

from cxr_clip.errors import RecipeError
from cxr_clip.recipe import Recipe, dump_recipe, dump_recipes, load_recipe, load_recipes

MINIMAL = """
name: small
data: {sources: [{manifest: somewhere}]}
model:
  image: {pretrained: microsoft/resnet-50}
  text: {pretrained: emilyalsentzer/Bio_ClinicalBERT}
"""


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(MINIMAL)
    return path


def test_the_defaults_are_those_of_the_paper(minimal: Path) -> None:
    recipe = load_recipe(minimal)
    assert (recipe.data.image_size, recipe.data.max_tokens) == (224, 256)
    assert (recipe.train.batch_size, recipe.train.epochs, recipe.train.warmup_epochs) == (128, 15, 1)
    assert (recipe.train.learning_rate, recipe.train.weight_decay) == (5e-5, 1e-4)
    assert (recipe.loss.image_text, recipe.loss.image_image, recipe.loss.text_text) == (1.0, 1.0, 0.5)
    assert (recipe.model.embedding_size, recipe.model.temperature) == (512, 0.07)


def test_a_dumped_recipe_reads_back_the_same(minimal: Path, tmp_path: Path) -> None:
    recipe = load_recipe(minimal, ["train.epochs=3", "data.sources.0.negatives=null"])
    copy = tmp_path / "copy.yaml"
    copy.write_text(dump_recipe(recipe))
    assert load_recipe(copy) == recipe


def test_overrides_reach_lists_and_sections_that_the_file_leaves_out(minimal: Path) -> None:
    recipe = load_recipe(minimal, ["data.sources.0.manifest=other", "data.augment.clahe_clip=2", "log.every_steps=5"])
    assert recipe.data.sources[0].manifest == Path("other")
    assert recipe.data.augment.clahe_clip == 2
    assert recipe.log.every_steps == 5


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train.epoch=3"], ["'train.epoch'", "did you mean 'epochs'"]),
        (["data.sources.0.manifst=x"], ["manifst", "did you mean 'manifest'"]),
        (["data.augment.clahe_clp=3"], ["did you mean 'clahe_clip'"]),
        (["model.text.tokeniser.lowercas=true"], ["'model.text.tokeniser.lowercas'", "did you mean 'lowercase'"]),
        (["data.augment.crop_scale=[1.1, 0.8]"], ["data.augment", "smallest", "not [1.1, 0.8]"]),
        (["data.augment.crop_scale=[5, 9]"], ["data.augment", "at most 1, not [5, 9]"]),
        (["trian.epochs=3"], ["did you mean 'train'"]),
        (["model.text.tokeniser.size=3"], ["there are vocabulary_size, lowercase"]),
        (["model.text.lora=3"], ["model.text.lora = 3: it is a section", "such as model.text.lora.rank"]),
        (["train.epochs=0"], ["train.epochs = 0", "greater than 0"]),
        (["train.precision=bf61"], ["train.precision = 'bf61': give fp32 or bf16; did you mean bf16?"]),
        (["train.precision=FP32"], ["give fp32 or bf16; did you mean fp32?"]),
        (["model.image.batch_norm=sync"], ["give synchronised, local or frozen; did you mean synchronised?"]),
        (["train.best_by=auroc"], ["train.best_by = 'auroc': give recall or loss"]),
        (["data.images_per_study=3"], ["data.images_per_study = 3: give 1 or 2"]),
        (["data.hold_out=Pneumonia"], ["data.hold_out = 'Pneumonia': give a list, such as [Pneumonia]"]),
        (["train.learning_rate=.inf"], ["train.learning_rate = inf", "finite"]),
        (["train.seed=9223372036854775808"], ["train.seed = 9223372036854775808", "less than"]),
        (["data.hard_negatives=-1"], ["data.hard_negatives = -1"]),
        (["data.hard_negatives=1", "loss.hard_negative=0"], ["data.hard_negatives has no effect with loss.hard_nega"]),
        (["loss.hard_negative=2"], ["loss.hard_negative has no effect without data.hard_negatives"]),
        (["train.chunk_size=128"], ["chunk_size=128 has no effect on a batch of 128: give less, or null"]),
        (["train.warmup_epochs=20"], ["leaves nothing of 15 epochs"]),
        (["data.images_per_study=1"], ["loss.image_image needs two images", "data.images_per_study=2"]),
        (["data.texts_per_study=1"], ["loss.text_text needs two texts"]),
        (["loss={image_text: 0, image_image: 0, text_text: 0}"], ["nothing would be learned"]),
        (["model.image.architecture={model_type: resnet}"], ["either `pretrained` or `architecture`"]),
        (["model.text.tokeniser={}"], ["a pretrained encoder brings its own"]),
        (["model.text.pretrained=null"], ["model.text: give either `pretrained` or `architecture`"]),
        (["model={image: {pretrained: x}}"], ["model.text: give either `pretrained` or `architecture`"]),
        (["model.start_from=''"], ["model.start_from = ''"]),
        (
            ["model.start_from=runs/old"],
            [
                "model.image: `pretrained`: the run of model.start_from brings its own; leave this out, or set "
                "model.image.pretrained=null over a recipe that has it",
                "model.text: `pretrained`: the run of model.start_from brings its own; leave this out, or set "
                "model.text.pretrained=null over",
            ],
        ),
        (
            ["model={start_from: x, image: {architecture: resnet50, mean: [0, 0, 0], std: [1, 1, 1]}}"],
            [
                "model.image: `architecture`, `mean`, `std`: the run",
                "set model.image.architecture=null model.image.mean=null model.image.std=null over",
            ],
        ),
        (["model={start_from: x, text: {tokeniser: {}}}"], ["model.text: `tokeniser`: the run of model.start_from"]),
        (
            ["model={start_from: x, temperature: 0.1}"],
            [
                "model: `temperature` has no effect with `start_from`, whose scale trains on: leave it out",
                "set model.temperature=0.07 over",
            ],
        ),
        (["model.text.train=locked", "model.text.dropout=0"], ["model.text", "no effect on a locked tower"]),
        (
            ["model.image={pretrained: x, train: locked, gradient_checkpointing: true}"],
            ["model.image", "no effect on a"],
        ),
        (["model.text={pretrained: x, train: locked, gradient_checkpointing: true}"], ["model.text", "keeps nothing"]),
        (["model.text.lora={rank: 4}", "model.text.train=locked"], ["`lora` stops the tower's own weights already"]),
        (["model.text.lora={rang: 4}"], ["'model.text.lora.rang'", "did you mean 'rank'"]),
        (["train.average.decay=1"], ["train.average.decay = 1", "less than 1"]),
        (["model.image.train=locked", "train.factors.image=3"], ["train.factors.image has no effect", "locked"]),
        (["model.image.train=0"], ["model.image.train: give all, locked, or how many", "not 0"]),
        (["model.text.train=none"], ["model.text.train: give all, locked", "not 'none'"]),
        (["model.image.mean=[0.5, 0.5, 0.5]"], ["both `mean` and `std`"]),
        (["train.epochs"], ["section.key=value"]),
        (["train.epochs=[1"], ["not YAML"]),
        (["data.sources.7.manifest=x"], ["'7' is not a position", "0 to 0"]),
        (["data.sources.7=x"], ["'7' is not a position"]),
        (["name.first=x"], ["nothing below 'name'"]),
        (["name.first.second=x"], ["plain value"]),
    ],
)
def test_a_wrong_setting_is_refused_with_its_mend(minimal: Path, overrides: list[str], words: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(minimal, overrides)
    for word in words:
        assert word in str(caught.value)


def test_a_crop_of_one_size_is_allowed(minimal: Path) -> None:
    assert load_recipe(minimal, ["data.augment.crop_scale=[1, 1]"]).data.augment.crop_scale == (1, 1)


def test_an_image_architecture_is_a_name_or_a_mapping(minimal: Path) -> None:
    for architecture in ("resnet50", {"model_type": "resnet"}):
        image = load_recipe(minimal, [f"model.image={{architecture: {json.dumps(architecture)}}}"]).model.image
        assert image.architecture == architecture


def test_a_run_to_start_from_stands_for_both_towers(minimal: Path, tmp_path: Path) -> None:
    recipe = load_recipe(minimal, ["model={start_from: owner/model}", "model.text.lora.rank=4", "profile=published"])
    assert recipe.model.start_from == "owner/model"
    assert (recipe.model.image.pretrained, recipe.model.text.pretrained) == (None, None)
    copy = tmp_path / "copy.yaml"
    copy.write_text(dump_recipe(recipe))
    assert load_recipe(copy) == recipe


def test_what_the_refusal_of_named_towers_says_mends_it(tmp_path: Path) -> None:
    named = tmp_path / "named.yaml"
    named.write_text("""
name: named
data: {sources: [{manifest: somewhere}]}
model:
  image: {architecture: resnet50, mean: [0, 0, 0], std: [1, 1, 1], train: locked}
  text: {architecture: {model_type: bert}, tokeniser: {}, pooling: cls}
  temperature: 0.1
""")
    overrides = ["model.start_from=runs/old"]
    for _ in ("the towers", "the scale"):
        with pytest.raises(RecipeError) as refused:
            load_recipe(named, overrides)
        overrides += re.findall(r"model\.[a-z_.]+=\S+", str(refused.value))
    model = load_recipe(named, overrides).model
    assert (model.start_from, model.image.train, model.text.pooling) == ("runs/old", "locked", "cls")


def test_several_recipes_read_back_the_same(minimal: Path, tmp_path: Path) -> None:
    recipes = tuple(load_recipe(minimal, [f"train.seed={seed}"]) for seed in range(2))
    listed = tmp_path / "listed.yaml"
    listed.write_text(dump_recipes(recipes))
    assert load_recipes(listed) == recipes
    with pytest.raises(RecipeError, match=r"small\.yaml does not hold a list of recipes"):
        load_recipes(minimal)


def test_plain_clip_is_a_setting(minimal: Path) -> None:
    plain = ["data.images_per_study=1", "data.texts_per_study=1", "loss.image_image=0", "loss.text_text=0"]
    assert load_recipe(minimal, plain).data.images_per_study == 1


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe at"):
        load_recipe(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(RecipeError, match="cannot be read as YAML"):
        load_recipe(broken)
    broken.write_text("- just\n- a list")
    with pytest.raises(RecipeError, match="must be a mapping"):
        load_recipe(broken)
    broken.write_text("name: x\n")
    with pytest.raises(RecipeError, match="'data' is missing"):
        load_recipe(broken)


PUBLISHED = {
    "data.training_pixels": "exact",
    "data.sentence_order": "written",
    "train.weight_decay_on": "all",
    "train.best_by": "loss",
}


def setting(recipe: Recipe, key: str) -> object:
    section, name = key.split(".")
    return getattr(getattr(recipe, section), name)


def test_the_published_profile_fills_in_what_is_left_out(minimal: Path) -> None:
    ours, published = load_recipe(minimal), load_recipe(minimal, ["profile=published"])
    assert {key: setting(published, key) for key in PUBLISHED} == PUBLISHED
    assert all(setting(ours, key) != value for key, value in PUBLISHED.items())
    changed = published.model_copy(update={"profile": "ours", "data": ours.data, "train": ours.train})
    assert changed == ours  # and nothing else


@pytest.mark.parametrize(("key", "value"), [
    ("data.training_pixels", "fast"), ("data.sentence_order", "shuffled"), ("train.weight_decay_on", "weights"),
    ("train.best_by", "recall"),
])  # fmt: skip
def test_what_is_given_comes_before_the_profile(minimal: Path, key: str, value: str) -> None:
    recipe = load_recipe(minimal, ["profile=published", f"{key}={value}"])
    assert setting(recipe, key) == value
    assert all(setting(recipe, other) == PUBLISHED[other] for other in PUBLISHED.keys() - {key})


@pytest.mark.parametrize(("image", "pooling"), [
    ("{pretrained: swin-tiny}", "first"),
    ("{pretrained: microsoft/swin-tiny-patch4-window7-224}", "first"),
    ("{architecture: swin-tiny}", "first"),
    ("{architecture: {model_type: swin}}", "first"),
    ("{architecture: swin-tiny, pooling: mean}", "mean"),
    ("{pretrained: resnet50}", "mean"),
    ("{architecture: {model_type: resnet}}", "mean"),
])  # fmt: skip
def test_the_published_profile_pools_a_swin_by_its_first_token(minimal: Path, image: str, pooling: str) -> None:
    assert load_recipe(minimal, [f"model.image={image}", "profile=published"]).model.image.pooling == pooling
    assert load_recipe(minimal, [f"model.image={image}"]).model.image.pooling == "mean"


def test_the_published_profile_reads_back_the_same_and_takes_sections_too(minimal: Path, tmp_path: Path) -> None:
    recipe = load_recipe(minimal, ["profile=published", "model.image={architecture: swin-tiny}", "train.epochs=3"])
    copy = tmp_path / "copy.yaml"
    copy.write_text(dump_recipe(recipe))
    assert load_recipe(copy) == recipe
    plain = load_recipe(minimal, ["model.image={architecture: swin-tiny}", "train.epochs=3"])
    sections = {"data": plain.data, "model": plain.model, "train": plain.train}
    assert Recipe.model_validate({"name": "small", "profile": "published", **sections}) == recipe


def test_decay_on_all_of_nothing_is_refused_and_the_profile_does_not_ask_for_it(minimal: Path) -> None:
    assert load_recipe(minimal, ["profile=published", "train.weight_decay=0"]).train.weight_decay_on == "weights"
    with pytest.raises(RecipeError, match="weight_decay_on=all has no effect with weight_decay=0"):
        load_recipe(minimal, ["train.weight_decay=0", "train.weight_decay_on=all"])


def test_the_published_profile_leaves_faults_to_be_told(minimal: Path) -> None:
    for fault in ("train=3", "model=swin-tiny", "model.image=swin-tiny", "data=null"):
        with pytest.raises(RecipeError):
            load_recipe(minimal, ["profile=published", fault])
