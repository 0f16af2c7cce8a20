"""Which run is continued, which is begun anew, and which is refused."""

import json
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from cxr_clip import checkpoint
from cxr_clip.errors import CheckpointError, MissingPackageError, RecipeError, TrainingError
from cxr_clip.recipe import LogSettings
from cxr_clip.train.train_run import train_run
from support_data import write_tiny_manifest
from support_models import tiny_recipe
from support_training import stopped_after


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_tiny_manifest(tmp_path / "manifest")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_a_manifest_that_moved_is_followed(
    manifest: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_run(tiny_recipe(manifest), tmp_path / "straight", progress=False)
    with monkeypatch.context() as patched:
        stopped_after(3, patched)
        with pytest.raises(KeyboardInterrupt):
            train_run(tiny_recipe(manifest), run, progress=False)
    moved = manifest.rename(tmp_path / "moved")
    assert train_run(tiny_recipe(moved), run, progress=False).result.state.step == 4
    straight, continued = (load_file(folder / checkpoint.RESUME) for folder in (tmp_path / "straight", run))
    assert all(torch.equal(value, continued[name]) for name, value in straight.items())


def test_a_manifest_with_other_studies_is_refused(manifest: Path, run: Path) -> None:
    train_run(tiny_recipe(manifest), run, progress=False)
    write_tiny_manifest(manifest, train=9)
    with pytest.raises(TrainingError, match=r"learned from other studies than data\.sources .* name another folder"):
        train_run(tiny_recipe(manifest), run, progress=False)
    write_tiny_manifest(manifest)
    assert train_run(tiny_recipe(manifest), run, progress=False).result.state.step == 4


def test_prompts_with_other_words_are_refused(manifest: Path, run: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.yaml"
    ours = Path(str(files("cxr_clip").joinpath("resources", "prompts_train.yaml"))).read_text(encoding="utf-8")
    prompts.write_text(ours, encoding="utf-8")
    recipe = tiny_recipe(manifest, ("data.prompts", str(prompts)))
    train_run(recipe, run, progress=False)
    prompts.write_text(ours.replace("effusion", "liquid"), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"or from other words than data\.prompts has now: give it .* its prompts"):
        train_run(recipe, run, progress=False)
    prompts.write_text(ours + "\n# A remark changes no word.\n", encoding="utf-8")
    assert train_run(recipe, run, progress=False).result.state.step == 4


def test_a_run_that_does_not_say_what_it_learned_from_can_be_mended(manifest: Path, run: Path) -> None:
    train_run(tiny_recipe(manifest), run, progress=False)
    kept = run / checkpoint.STUDIES
    known = kept.read_text().strip()
    kept.unlink()
    with pytest.raises(TrainingError, match=f"studies.sha256 is missing.* write {known} into that file"):
        train_run(tiny_recipe(manifest), run, progress=False)
    kept.write_text(known)
    assert train_run(tiny_recipe(manifest), run, progress=False).result.state.step == 4


def test_a_run_without_a_checkpoint_begins_anew_on_what_is_there(
    manifest: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        stopped_after(1, patched)
        with pytest.raises(KeyboardInterrupt):
            train_run(tiny_recipe(manifest), run, progress=False)
    (run / "tokeniser" / "tokenizer.json").write_text("{")
    write_tiny_manifest(manifest, train=12)
    assert train_run(tiny_recipe(manifest), run, progress=False).result.state.step == 6


def test_a_checkpoint_without_its_recipe_is_refused(manifest: Path, run: Path) -> None:
    train_run(tiny_recipe(manifest), run, progress=False)
    (run / checkpoint.RECIPE).unlink()
    with pytest.raises(CheckpointError, match=r"holds resume\.safetensors without the recipe\.yaml of its run"):
        train_run(tiny_recipe(manifest), run, progress=False)


@pytest.mark.parametrize(
    ("wrong", "mended"),
    [
        (("train.batch_size", 9), ("train.batch_size", 8)),
        (("model.freeze", ["text.backbone.embedings"]), ("model.freeze", ["text.backbone.embeddings"])),
        (("data.max_tokens", 65), ("data.max_tokens", 64)),
    ],
)
def test_a_recipe_that_was_refused_can_be_mended_for_the_same_folder(
    manifest: Path, run: Path, wrong: tuple[str, object], mended: tuple[str, object]
) -> None:
    with pytest.raises((RecipeError, TrainingError)):
        train_run(tiny_recipe(manifest, wrong), run, progress=False)
    assert train_run(tiny_recipe(manifest, mended), run, progress=False).result.state.step > 0


def test_a_missing_package_is_told_before_anything_is_read_or_made(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    recipe = tiny_recipe(Path("nowhere")).model_copy(update={"log": LogSettings(tensorboard=True)})
    with pytest.raises(MissingPackageError, match=r"cxr-clip\[tensorboard\]"):
        train_run(recipe, run, progress=False)
    assert not run.exists()


def test_a_device_that_is_absent_is_told_before_anything_is_read_or_made(run: Path) -> None:
    with pytest.raises(RecipeError, match="device 'cuda:77' is not to be had here"):
        train_run(tiny_recipe(Path("nowhere"), ("train.device", "cuda:77")), run, progress=False)
    assert not run.exists()


def test_the_time_of_all_sessions_is_kept(manifest: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_recipe(manifest, ("train.checkpoint_steps", 1))
    with monkeypatch.context() as patched:
        stopped_after(3, patched)
        with pytest.raises(KeyboardInterrupt):
            train_run(recipe, run, progress=False)
    earlier = json.loads(_metadata(run)["state"])["seconds"]
    assert earlier > 0
    trained = train_run(recipe, run, progress=False)
    spent = trained.result.spent
    assert trained.result.state.seconds == pytest.approx(earlier + spent.learning + spent.validation)
    assert "4 steps in" in trained.summary
    again = train_run(recipe, run, progress=False)
    assert again.result.state.seconds == trained.result.state.seconds
    assert "nothing was left to do" in again.summary
    assert "images a second" not in again.summary


def _metadata(run: Path) -> dict[str, str]:
    with safe_open(run / checkpoint.RESUME, framework="pt") as file:
        return file.metadata()
