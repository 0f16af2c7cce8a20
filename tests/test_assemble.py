"""Settings become the objects that they describe; impossible ones are refused in words."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cxr_clip import assemble
from cxr_clip.data.dataset import SampleKey
from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.data.prompts import load_prompt_bank
from cxr_clip.data.resize import resize_smoothly
from cxr_clip.data.texts import Wording, fixed_texts
from cxr_clip.data.transforms import EvalTransform
from cxr_clip.distributed import Workers
from cxr_clip.errors import ManifestError, RecipeError, TrainingError
from cxr_clip.model.batch_norm import WholeBatchNorm, batch_norm_names
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.recipe import DataSettings, Recipe, SourceSettings
from cxr_clip.tensors import Batch
from support_data import made_up_picture, write_tiny_manifest
from support_models import IMAGE, TEXT, tiny_recipe

FROZEN = {"batch_norm": "frozen"}
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return tiny_recipe(write_tiny_manifest(tmp_path_factory.mktemp("manifest")))


@pytest.fixture(scope="module")
def sources(recipe: Recipe) -> tuple[assemble.Source, ...]:
    return assemble.open_sources(recipe.data)


def test_a_source_has_its_splits_and_its_wording(recipe: Recipe, sources: tuple[assemble.Source, ...]) -> None:
    assert [(len(source.train), len(source.validate), source.wording.negatives) for source in sources] == [(8, 4, 3)]


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    empty = tiny_recipe(write_tiny_manifest(tmp_path, train=0))
    with pytest.raises(TrainingError, match=r"no manifest of data\.sources has a study in the split 'train'"):
        assemble.open_sources(empty.data)


def test_a_manifest_that_is_absent_is_told() -> None:
    with pytest.raises(ManifestError, match="no manifest at"):
        assemble.open_sources(tiny_recipe(Path("nowhere")).data)


def test_the_seed_decides_the_weights(recipe: Recipe, sources: tuple[assemble.Source, ...]) -> None:
    one, again = (assemble.make_model(recipe, sources) for _ in range(2))
    other, _ = assemble.make_model(
        recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": 1})}), sources
    )
    assert all(torch.equal(value, again[0].state_dict()[name]) for name, value in one[0].state_dict().items())
    assert one[1].get_vocab() == again[1].get_vocab()
    assert not torch.equal(one[0].image_projection.weight, other.image_projection.weight)


def test_the_tokeniser_knows_the_words_of_reports_and_prompts(
    recipe: Recipe, sources: tuple[assemble.Source, ...]
) -> None:
    _, tokeniser = assemble.make_model(recipe, sources)
    assert "[UNK]" not in tokeniser.tokenize("There is a mass in the left upper zone. No pneumothorax.")


def test_towers_come_from_local_folders_with_their_statistics(
    recipe: Recipe, sources: tuple[assemble.Source, ...], tmp_path: Path
) -> None:
    model, tokeniser = assemble.make_model(recipe, sources)
    for part in ("image", "text"):
        getattr(model, part).backbone.save_pretrained(tmp_path / part)
    tokeniser.save_pretrained(tmp_path / "text")
    pretrained = tiny_recipe(
        recipe.data.sources[0].manifest,
        ("model.image", {"pretrained": str(tmp_path / "image"), "mean": [0.3] * 3, "std": [0.2] * 3}),
        ("model.text", {"pretrained": str(tmp_path / "text")}),
        ("train.seed", 5),
    )
    read, same_tokeniser = assemble.make_model(pretrained, sources)
    for name in ("image", "text"):
        weights, expected = (dict(getattr(one, name).backbone.named_parameters()) for one in (read, model))
        assert weights.keys() == expected.keys()
        assert all(torch.equal(value, expected[key]) for key, value in weights.items())
    assert same_tokeniser.get_vocab() == tokeniser.get_vocab()


def test_a_vocabulary_size_that_would_have_no_effect_is_refused(
    recipe: Recipe, sources: tuple[assemble.Source, ...]
) -> None:
    text = {"architecture": {**TEXT, "vocab_size": 7}, "tokeniser": {"vocabulary_size": 200}}
    with pytest.raises(RecipeError, match=r"model\.text\.architecture\.vocab_size has no effect"):
        assemble.make_model(tiny_recipe(recipe.data.sources[0].manifest, ("model.text", text)), sources)


def test_texts_longer_than_the_encoder_takes_are_refused(recipe: Recipe, sources: tuple[assemble.Source, ...]) -> None:
    manifest = recipe.data.sources[0].manifest
    assemble.make_model(tiny_recipe(manifest, ("data.max_tokens", 64)), sources)
    with pytest.raises(RecipeError, match=r"data\.max_tokens=65 .*: set data\.max_tokens=64 or less"):
        assemble.make_model(tiny_recipe(manifest, ("data.max_tokens", 65)), sources)


def test_a_tokeniser_of_another_encoder_is_refused(
    recipe: Recipe, sources: tuple[assemble.Source, ...], tmp_path: Path
) -> None:
    _, tokeniser = assemble.make_model(recipe, sources)
    other = text_encoder_from_architecture({**TEXT, "vocab_size": 150}, pooling="eos")
    other.backbone.save_pretrained(tmp_path)
    tokeniser.save_pretrained(tmp_path)
    pretrained = tiny_recipe(recipe.data.sources[0].manifest, ("model.text", {"pretrained": str(tmp_path)}))
    with pytest.raises(RecipeError, match=r"the tokeniser of this text encoder .* up to 149: give a folder"):
        assemble.make_model(pretrained, sources)


def test_the_image_tower_can_be_named_without_its_weights(recipe: Recipe, sources: tuple[assemble.Source, ...]) -> None:
    named = tiny_recipe(recipe.data.sources[0].manifest, ("model.image", {"architecture": "resnet50"}))
    model, _ = assemble.make_model(named, sources)
    assert model.image_projection.in_features == 2048


def test_training_sets_the_dropout_and_the_frozen_parts_of_a_model(
    recipe: Recipe, sources: tuple[assemble.Source, ...]
) -> None:
    text = {"architecture": TEXT, "tokeniser": {"vocabulary_size": 200}, "dropout": 0.25}
    changed = tiny_recipe(
        recipe.data.sources[0].manifest, ("model.text", text), ("model.freeze", ["text.backbone.embeddings"])
    )
    model, _ = assemble.make_model(changed, sources)
    assemble.set_up_training(model, changed.model)
    assert {layer.p for layer in model.text.modules() if isinstance(layer, torch.nn.Dropout)} == {0.25}
    assert not any(value.requires_grad for value in model.text.backbone.embeddings.parameters())
    assert model.text_projection.weight.requires_grad


def test_frozen_batch_norm_keeps_its_statistics_and_weights(
    recipe: Recipe, sources: tuple[assemble.Source, ...]
) -> None:
    frozen = tiny_recipe(recipe.data.sources[0].manifest, ("model.image", {"architecture": IMAGE} | FROZEN))
    model, _ = assemble.make_model(frozen, sources)
    assemble.set_up_training(model, frozen.model)
    names = batch_norm_names(model.image)
    before = {name: value.clone() for name, value in model.image.state_dict().items()}
    model.train()(next(iter_batches(frozen, sources))).images[0].sum().backward()
    assert names
    for name in names:
        assert model.image.get_submodule(name).weight.grad is None
        assert torch.equal(model.image.get_submodule(name).running_mean, before[f"{name}.running_mean"])
    assert any(value.grad is not None for value in model.image.parameters())


@pytest.mark.parametrize("kind", ["local", "frozen"])
def test_a_choice_of_batch_norm_without_any_is_refused(
    kind: str, recipe: Recipe, sources: tuple[assemble.Source, ...]
) -> None:
    image = {"architecture": {"model_type": "vit", **SMALL}, "batch_norm": kind}
    without = tiny_recipe(recipe.data.sources[0].manifest, ("model.image", image))
    model, _ = assemble.make_model(without, sources)
    with pytest.raises(RecipeError, match=f"model.image.batch_norm={kind} has no effect"):
        assemble.set_up_training(model, without.model)


def test_several_workers_share_batch_norm_unless_it_is_local(
    recipe: Recipe, sources: tuple[assemble.Source, ...]
) -> None:
    local = {"architecture": IMAGE, "batch_norm": "local"}
    for settings, shared in ((recipe, True), (tiny_recipe(Path("nowhere"), ("model.image", local)), False)):
        model, _ = assemble.make_model(recipe, sources)
        assemble.set_up_training(model, settings.model, Workers(1, 2))
        found = {type(model.image.get_submodule(name)) for name in batch_norm_names(model.image)}
        assert found == ({WholeBatchNorm} if shared else {torch.nn.BatchNorm2d})


def iter_batches(recipe: Recipe, sources: tuple[assemble.Source, ...]) -> Iterator[Batch]:
    run = assemble.make_model(recipe, sources)
    data = assemble.make_training_set(recipe.data, sources, seed=0)
    yield assemble.make_collate(recipe, run[1])([data[SampleKey(0, number)] for number in range(4)])


def test_towers_train_as_far_as_the_recipe_says(recipe: Recipe, sources: tuple[assemble.Source, ...]) -> None:
    model, _ = assemble.make_model(recipe, sources)
    image = recipe.model.image.model_copy(update={"train": 1})
    text = recipe.model.text.model_copy(update={"train": "locked"})
    assemble.set_up_training(model, recipe.model.model_copy(update={"image": image, "text": text}))
    training = {name for name, weight in model.named_parameters() if weight.requires_grad}
    last_stage = {name for name, _ in model.named_parameters() if name.startswith("image.backbone.encoder.stages.1.")}
    projections = {f"{tower}_projection.{part}" for tower in ("image", "text") for part in ("weight", "bias")}
    assert training == last_stage | projections | {"log_scale"}


def test_training_draws_anew_and_validation_does_not(recipe: Recipe, sources: tuple[assemble.Source, ...]) -> None:
    learning = assemble.make_training_set(recipe.data, sources, seed=3)
    checking = assemble.make_validation_set(recipe.data, sources)
    assert (len(learning), len(checking)) == (8, 4)
    first, later = learning[SampleKey(0, 2)], learning[SampleKey(1, 2)]
    assert first.texts != later.texts
    assert not np.array_equal(first.images[0], later.images[0])
    fixed, again = checking[SampleKey(0, 1)], checking[SampleKey(9, 1)]
    assert fixed.texts == again.texts
    study = sources[0].validate[1]
    assert fixed.texts == fixed_texts(study, Wording(load_prompt_bank(), negatives=3), count=2)
    assert [picture.shape for picture in fixed.images] == [(32, 32)] * 2
    assert np.array_equal(fixed.images[0], EvalTransform(32)(made_up_picture(1)))


def test_exact_pixels_are_decoded_whole_and_resized_as_for_evaluation(
    recipe: Recipe, sources: tuple[assemble.Source, ...]
) -> None:
    whole = {"crop_scale": (1.0, 1.0), "clahe_probability": 0, "brightness": 0, "contrast": 0}
    seen = {}
    for pixels in ("exact", "fast"):
        changed = tiny_recipe(
            recipe.data.sources[0].manifest,
            ("data.image_size", 16),
            ("data.augment", whole),
            ("data.training_pixels", pixels),
        )
        sample = assemble.make_training_set(changed.data, sources, seed=0)[SampleKey(0, 2)]
        stored = [sources[0].store.read(image) for image in sources[0].train[2].images]
        seen[pixels] = [
            any(np.array_equal(drawn, resize_smoothly(image, height=16, width=16)) for image in stored)
            for drawn in sample.images
        ]
    assert seen == {"exact": [True, True], "fast": [False, False]}


def test_a_batch_is_cut_at_the_recipes_tokens(recipe: Recipe, sources: tuple[assemble.Source, ...]) -> None:
    _, tokeniser = assemble.make_model(recipe, sources)
    short = tiny_recipe(recipe.data.sources[0].manifest, ("data.max_tokens", 5))
    learning = assemble.make_training_set(recipe.data, sources, seed=3)
    batch = assemble.make_collate(short, tokeniser)([learning[SampleKey(0, number)] for number in range(3)])
    assert all(tokens.ids.shape == (3, 5) for tokens in batch.texts)


def test_the_device_is_there_or_refused() -> None:
    assert assemble.choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert assemble.choose_device("cpu") == "cpu"
    for absent in ("cuda:77", "no such device"):
        with pytest.raises(RecipeError, match=f"^device {absent!r} is not to be had here: use auto or cpu"):
            assemble.choose_device(absent)


def test_hard_negatives_are_drawn_for_training_alone(recipe: Recipe, sources: tuple[assemble.Source, ...]) -> None:
    asked = recipe.data.model_copy(update={"hard_negatives": 2})
    plain, turned = (assemble.make_training_set(data, sources, seed=0) for data in (recipe.data, asked))
    samples = [turned[SampleKey(0, number)] for number in range(8)]
    assert {len(sample.turned) for sample in samples} == {8}
    assert all(sample.texts == plain[SampleKey(0, number)].texts for number, sample in enumerate(samples))
    assert any(sample.turned[0] and sample.turned[4] for sample in samples)
    for sample in samples:
        for place, (stated, false) in enumerate(zip(sample.turned[::2], sample.turned[1::2], strict=True)):
            assert stated in sample.texts[place // 2]
            assert bool(false) == bool(stated)
            assert not false or false not in sample.texts[place // 2]
    assert assemble.make_validation_set(asked, sources)[SampleKey(0, 0)].turned == ()


def write_reports(folder: Path, texts: list[str]) -> Path:
    """A prepared folder of training studies with these findings sections."""
    write_tiny_manifest(folder, train=len(texts), validate=0, test=0, label_only_every=None)
    studies = list(read_manifest(folder))
    with ManifestWriter(folder / "manifest.parquet") as manifest:
        for study, text in zip(studies, texts, strict=True):
            manifest.write(replace(study, sections={"findings": text}))
    return folder


def test_hard_negatives_of_a_training_are_rehearsed_on_texts_as_it_draws_them(tmp_path: Path) -> None:
    texts = ["There is a pneumothorax. XXXX."] * 4 + ["No pneumothorax. XXXX."] * 36
    manifest = write_reports(tmp_path / "reports", texts)
    data = DataSettings(sources=(SourceSettings(manifest=manifest),), hard_negatives=1, image_size=32)
    sources = assemble.open_sources(data)
    once, again = (assemble.make_training_set(data, sources, seed=0) for _ in range(2))
    keys = [SampleKey(epoch, number) for epoch in range(20) for number in range(len(texts))]
    turned = [one.turned for one in map(once.__getitem__, keys)]
    assert turned == [one.turned for one in map(again.__getitem__, keys)]
    stated = sum(views[::2].count("There is a pneumothorax.") for views in turned)
    denied = sum(views[::2].count("No pneumothorax.") for views in turned)
    assert stated == 4 * 20 * 2
    assert denied == pytest.approx(stated, rel=0.25)
