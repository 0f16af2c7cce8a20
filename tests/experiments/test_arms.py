"""Arms as they are told on the command line: short-hands, the general form, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.errors import ExperimentError
from cxr_clip.experiments.arms import SHORTHANDS, Arm, folder_name, read_arm, require_different
from cxr_clip.experiments.trials import plan
from cxr_clip.recipe import SourceSettings, dump_recipe, load_recipe
from support_data import write_tiny_manifest
from support_models import tiny_recipe


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arms")
    manifest = write_tiny_manifest(folder / "both", train=3, validate=1, test=1)
    labels = write_tiny_manifest(folder / "labels", train=1, validate=1, test=1, label_only_every=1)
    sources = [{"manifest": str(manifest), "label_prompts": 0.5}, {"manifest": str(labels)}]
    path = folder / "tiny.yaml"
    path.write_text(dump_recipe(tiny_recipe(manifest, ("data.sources", sources))))
    return path


@pytest.mark.parametrize("name", SHORTHANDS)
def test_every_short_hand_changes_a_recipe_into_another(recipe_file: Path, name: str) -> None:
    plain = load_recipe(recipe_file)
    changed = load_recipe(recipe_file, read_arm(name, plain).overrides)
    if name not in ("pooling=eos", "label-prompts=half"):  # as the recipe has it: label prompts of its first source
        assert changed != plain


def test_icl_and_tcl_are_the_weights_of_the_loss(recipe_file: Path) -> None:
    plain = load_recipe(recipe_file)
    assert load_recipe(recipe_file, read_arm("icl=off", plain).overrides).loss.image_image == 0
    assert load_recipe(recipe_file, read_arm("tcl=off", plain).overrides).loss.text_text == 0


def test_one_pair_has_no_second_image_or_text(recipe_file: Path) -> None:
    one = load_recipe(recipe_file, read_arm("mvs=off", load_recipe(recipe_file)).overrides)
    assert (one.data.images_per_study, one.data.texts_per_study) == (1, 1)
    assert (one.loss.image_text, one.loss.image_image, one.loss.text_text) == (1, 0, 0)


def test_without_prompts_reports_speak_for_themselves(recipe_file: Path) -> None:
    changed = load_recipe(recipe_file, read_arm("prompts=off", load_recipe(recipe_file)).overrides)
    assert [source.manifest.name for source in changed.data.sources] == ["both"]
    assert changed.data.sources[0].label_prompts == 0


def test_a_source_with_other_sections_than_a_report_leaves_too(recipe_file: Path, tmp_path: Path) -> None:
    plain = load_recipe(recipe_file)
    whole = read_manifest(plain.data.sources[1].manifest, check=False)
    with ManifestWriter(tmp_path / "manifest.parquet") as writer:
        for study in whole:
            writer.write(replace(study, sections={"indication": "Cough."}))
    sources = [plain.data.sources[0], SourceSettings(manifest=tmp_path)]
    recipe = plain.model_copy(update={"data": plain.data.model_copy(update={"sources": tuple(sources)})})
    changed = load_recipe(recipe_file, read_arm("prompts=off", recipe).overrides)
    assert [source.manifest.name for source in changed.data.sources] == ["both"]


def test_a_seed_that_the_seeds_replace_is_refused(recipe_file: Path, tmp_path: Path) -> None:
    arms = [Arm("plain"), Arm("other", ("train.seed=5", "train.learning_rate=0.1"))]
    with pytest.raises(ExperimentError, match=r"train\.seed=5 has no effect on the arm 'other'.*--seeds"):
        plan(recipe_file, arms, tmp_path, seeds=2)
    with pytest.raises(ExperimentError, match=r"train\.seed=7 has no effect on the arm 'plain'"):
        plan(recipe_file, arms[:1], tmp_path, seeds=2, overrides=["train.seed=7"])


def test_sources_are_chosen_by_their_positions(recipe_file: Path) -> None:
    plain = load_recipe(recipe_file)
    changed = load_recipe(recipe_file, read_arm("labels alone: sources=1", plain).overrides)
    assert changed.data.sources == plain.data.sources[1:]
    with pytest.raises(ExperimentError, match="0 to 1"):
        read_arm("sources=2", plain)


def test_any_key_is_varied_by_name_or_without(recipe_file: Path) -> None:
    plain = load_recipe(recipe_file)
    arm = read_arm("hot: model.temperature=0.2 train.epochs=3", plain)
    assert arm == Arm("hot", ("model.temperature=0.2", "train.epochs=3"))
    assert read_arm("model.temperature=0.2", plain) == Arm("model.temperature=0.2", ("model.temperature=0.2",))
    assert read_arm("both: icl=off tcl=off", plain).overrides == ("loss.image_image=0", "loss.text_text=0")


def test_a_star_stands_for_every_source(recipe_file: Path) -> None:
    arm = read_arm("few: data.sources.*.negatives=1", load_recipe(recipe_file))
    assert arm.overrides == ("data.sources.0.negatives=1", "data.sources.1.negatives=1")


@pytest.mark.parametrize(("text", "words"), [("icl=of", "did you mean 'icl=off'"), ("", "names no"), ("a: ", "names")])
def test_what_is_no_arm_is_refused(recipe_file: Path, text: str, words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        read_arm(text, load_recipe(recipe_file))


def test_arms_with_one_folder_are_refused() -> None:
    require_different([Arm("icl=off"), Arm("tcl=off")])
    assert folder_name("b: two views, ICL") == "b-two-views-icl"
    with pytest.raises(ExperimentError, match="share a folder"):
        require_different([Arm("icl off"), Arm("ICL=off")])


def test_a_name_is_any_words(recipe_file: Path, tmp_path: Path) -> None:
    (trial,) = plan(recipe_file, [Arm('🫁: "lungs", 2')], tmp_path, seeds=1)
    assert trial.recipe.name == 'tiny: 🫁: "lungs", 2, seed 0'
    assert trial.folder == tmp_path / "runs" / "lungs-2" / "seed-0"
    assert dump_recipe(trial.recipe).encode()


@pytest.mark.parametrize("name", ["→ 🫁", "data.augment.contrast=0.1 " * 20])
def test_an_arm_that_cannot_name_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ExperimentError, match="cannot name its folder: write NAME: before"):
        require_different([Arm("baseline"), Arm(name)])
