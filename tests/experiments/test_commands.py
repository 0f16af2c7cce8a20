"""The three commands from nothing to a page, on tiny real trainings; what is finished is not trained again."""

import json
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path

import pyarrow.compute as pc
import pytest

from cxr_clip.data import scan
from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import RecipeError
from cxr_clip.experiments.arms import Arm
from cxr_clip.experiments.experiment import Experiment, run_experiment
from cxr_clip.experiments.run_trials import run_trials
from cxr_clip.experiments.trials import TRIAL, Examination, finished, plan
from cxr_clip.recipe import dump_recipe
from cxr_clip.study import Split
from support_data import write_tiny_manifest
from support_models import tiny_recipe

Command = Callable[..., int]
QUICK = ("--seeds", 2, "--resamples", 100, "--processes", 1, "--no-audit", "--quiet")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"), train=8, test=24)


@pytest.fixture
def recipe_file(manifest: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_recipe(tiny_recipe(manifest, ("train.epochs", 1), ("train.warmup_epochs", 0))))
    return path


def test_an_ablation_is_trained_once(
    command: Command, recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("ablate", recipe_file, "out", "--vary", "hot: icl=off model.temperature=0.5", *QUICK)
    assert command(*asked) == 0
    shown = capsys.readouterr().out
    assert "ablation: out/ablation.html" in shown
    content = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert [arm["name"] for arm in content["arms"]] == ["baseline", "hot"]
    assert {one["against"] for one in content["contrasts"]} == {"baseline"}
    assert len(content["arms"][0]["of_seeds"]["auroc/macro"]) == 2
    page = (tmp_path / "out" / "ablation.html").read_text()
    assert page.count("<svg") == 3
    assert "loss.image_image=0" in page
    runs = sorted((tmp_path / "out" / "runs").glob("*/seed-*"))
    assert [str(run.relative_to(tmp_path / "out" / "runs")) for run in runs] == [
        f"{arm}/seed-{seed}" for arm in ("baseline", "hot") for seed in (0, 1)
    ]
    before = {run: (run / "metrics.jsonl").stat().st_mtime_ns for run in runs}
    (runs[0] / TRIAL).unlink()  # as if it had been killed in its evaluation
    assert command(*asked) == 0
    assert all((run / TRIAL).is_file() for run in runs)
    assert {run for run in runs if (run / "metrics.jsonl").stat().st_mtime_ns != before[run]} <= {runs[0]}
    assert json.loads((tmp_path / "out" / "ablation.json").read_text())["contrasts"] == content["contrasts"]


def test_a_trial_is_done_again_where_it_is_asked_for_otherwise(
    manifest: Path, recipe_file: Path, tmp_path: Path
) -> None:
    (trial,) = plan(recipe_file, [Arm("one")], tmp_path, seeds=1)
    whole = Examination(manifest, audit=False, resamples=100)
    told: list[tuple[int, int]] = []
    run_trials([trial], whole, ended=lambda done, total, _: told.append((done, total)))
    assert told == [(1, 1)]
    assert finished(trial, whole)
    assert not finished(trial, Examination(manifest, audit=False, resamples=200))
    (other,) = plan(recipe_file, [Arm("one", ("train.learning_rate=0.1",))], tmp_path, seeds=1)
    assert not finished(other, whole)


def test_several_processes_give_what_one_gives(manifest: Path, recipe_file: Path, tmp_path: Path) -> None:
    examination = Examination(manifest, audit=False, resamples=100)
    for out, processes in (("one", 1), ("two", 2)):
        trials = plan(recipe_file, [Arm("a")], tmp_path / out, seeds=2)
        run_trials(trials, examination, processes=processes)
    scores = [(tmp_path / out / "runs" / "a" / "seed-1" / "report.json").read_text() for out in ("one", "two")]
    figures = [json.loads(text)["benchmarks"] for text in scores]
    assert figures[0] == figures[1]


def test_an_interruption_ends_the_trainings_of_all_processes_and_begins_no_other(
    manifest: Path, recipe_file: Path, tmp_path: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    long = (Arm(f"long {number}", (f"train.epochs={100000 + number}",)) for number in range(4))
    trials = plan(recipe_file, [Arm("short"), *long], tmp_path, seeds=1)
    before = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt):
        run_trials(trials, Examination(manifest, audit=False, resamples=100), processes=2, ended=interrupt)
    children = set(multiprocessing.active_children()) - before
    try:
        # Not by `is_alive`: the pool has a thread that may be the one to hear of an end.
        assert all(wait([child.sentinel], timeout=60) for child in children)
        assert not any(trial.folder.exists() for trial in trials[-2:])
    finally:
        for child in children:
            child.kill()


def test_the_audits_of_all_trials_read_each_image_once(
    manifest: Path, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other settings, and other parts of the patients: every image of training and test is decoded for a hash once."""
    arms = [Arm("all"), Arm("hot", ("model.temperature=0.5",)), Arm("half", ("data.part.fraction=0.5",))]
    examination = Examination(manifest, resamples=100)
    (alone,) = plan(recipe_file, arms[2:], tmp_path / "alone", seeds=1)
    run_trials([alone], examination)
    read: list[int] = []
    hash_of = scan.perceptual_hash
    monkeypatch.setattr(scan, "perceptual_hash", lambda picture: read.append(1) or hash_of(picture))
    asked = Experiment(recipe_file, tuple(arms), tmp_path / "out", examination, seeds=2, resamples=100)
    run_experiment(asked)
    table = read_manifest(manifest).table
    images = {split: sum(map(len, table.filter(pc.equal(table["split"], split))["images"])) for split in Split}
    assert len(read) == images[Split.TRAIN] + images[Split.TEST]
    shared = tmp_path / "out" / "runs" / "half" / "seed-0"
    reports = [json.loads((folder / "report.json").read_text()) for folder in (alone.folder, shared)]
    assert reports[0]["overlap"] == reports[1]["overlap"]
    assert reports[0]["overlap"]["retrieval"]["studies"] is not None


def test_a_trial_of_other_settings_leaves_the_finished_one_as_it_was(
    manifest: Path, recipe_file: Path, tmp_path: Path
) -> None:
    examination = Examination(manifest, audit=False, resamples=100)
    (trial,) = plan(recipe_file, [Arm("one")], tmp_path, seeds=1)
    run_trials([trial], examination)
    before = (trial.folder / TRIAL).read_text()
    (other,) = plan(recipe_file, [Arm("one", ("train.learning_rate=0.1",))], tmp_path, seeds=1)
    with pytest.raises(RecipeError, match="another recipe"):
        run_trials([other], examination)
    assert finished(trial, examination)
    assert (trial.folder / TRIAL).read_text() == before


def test_a_learning_curve_is_drawn(command: Command, recipe_file: Path, tmp_path: Path) -> None:
    asked = ("--fractions", "1/2,1", "--epochs", "2", *QUICK, "--seeds", 1)
    assert command("learning-curve", recipe_file, "out", *asked) == 0
    content = json.loads((tmp_path / "out" / "learning-curve.json").read_text())
    assert [one["points"] for one in content["curves"]] == [
        {"baseline, 1/2 of the patients": 4, "baseline, all patients": 8},
        {"baseline, all patients": 2, "baseline, all patients, 2 epochs": 4},
    ]
    page = (tmp_path / "out" / "learning-curve.html").read_text()
    assert "With more training" in page
    assert "baseline, 1/2 of the patients is not told apart from baseline, all patients (" in page


def test_the_first_three_need_no_download(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smaller = ("train.batch_size=8", "train.epochs=1", "train.warmup_epochs=0", "train.validate_epochs=1")
    sizes = ("--studies", 60, *QUICK, "--seeds", 1)
    assert command("reproduce", "first-three", "out", *smaller, *sizes) == 0
    shown = capsys.readouterr().out
    assert "It slightly lowers retrieval of images by reports." in shown
    content = json.loads((tmp_path / "out" / "first-three.json").read_text())
    assert len(content["arms"]) == 3
    assert content["verdicts"]


def test_mistakes_are_one_sentence(command: Command, recipe_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("ablate", recipe_file, "out", "--vary", "icl=of") == 2
    assert "did you mean 'icl=off'" in capsys.readouterr().err
    assert command("reproduce", "first-three", "out", "--reports", "x") == 2
    assert "--labels and --recipe" in capsys.readouterr().err
    assert command("learning-curve", recipe_file, "out", "--epochs", "x") == 2
    assert "whole numbers" in capsys.readouterr().err
