"""From nothing to a measured model, in miniature."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from cxr_clip import cli, load
from cxr_clip.evaluate.results import BenchmarkResult, Population
from cxr_clip.evaluate.statistics import Estimate, exact
from cxr_clip.quickstart import Places, Sizes, activation, farewell, headline, quickstart_recipe, quickstart_steps

SMALLER = (
    "train.batch_size=16",
    "train.epochs=1",
    "train.warmup_epochs=0",
    "data.image_size=32",
    "model.image.architecture.hidden_sizes=[8, 8, 8, 8]",
)


def test_a_model_and_its_report_come_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["cxr-clip", "quickstart", "--studies", "40", *SMALLER])
    for _ in range(2):  # the second time, all is there but the evaluation
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        shown = capsys.readouterr().out
        for title in ("1/5 Make up studies", "4/5 Pre-train", "5/5 Evaluate on unseen patients", "next:"):
            assert title in shown
    run = tmp_path / "runs" / "quickstart"
    figures = json.loads((run / "report.json").read_text())["benchmarks"]
    assert figures.keys() == {"zero_shot/standard", "zero_shot/paraphrase", "retrieval"}
    assert (run / "report.html").stat().st_size > 10_000
    assert load(run).embed_texts(["No pneumothorax."]).shape == (1, 128)


def test_quiet_leaves_the_error_stream_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cxr-clip", "quickstart", "--studies", "40", "--quiet", *SMALLER])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert capsys.readouterr().err == ""


def test_one_bar_is_drawn_at_a_time(tmp_path: Path) -> None:
    steps = quickstart_steps(Places(data=tmp_path, run=tmp_path), Sizes())
    assert [step.title for step in steps if step.draws_itself] == ["Pre-train on reports and prompts"]


def test_the_recipe_needs_no_extra_package(tmp_path: Path) -> None:
    assert not quickstart_recipe(Places(data=tmp_path, run=tmp_path)).log.tensorboard


def test_the_recipe_takes_the_places_and_the_overrides(tmp_path: Path) -> None:
    recipe = quickstart_recipe(Places(data=tmp_path, run=tmp_path), ("train.epochs=3",))
    assert [source.manifest for source in recipe.data.sources] == [tmp_path / "openi", tmp_path / "chestxray14"]
    assert recipe.train.epochs == 3


def test_a_headline_has_interval_and_chance() -> None:
    result = BenchmarkResult(
        name="retrieval",
        metrics={
            "image_to_text/recall_at_10": Estimate(value=0.5, low=0.4, high=0.6, n=20),
            "image_to_text/recall_at_10_chance": exact(0.1, 20),
        },
        protocol=(),
        population=Population(studies=20, patients=20, images=20),
    )
    assert headline(result) == "retrieval: image_to_text/recall_at_10 0.500 (0.400 to 0.600, chance 0.100)"


def test_what_was_not_measured_is_said() -> None:
    population = Population(studies=2, patients=2, images=2)
    result = BenchmarkResult(name="zero_shot/standard", metrics={}, protocol=(), population=population)
    assert headline(result) == "zero_shot/standard: not measured, too few studies"


def test_the_environment_is_named_where_the_shell_does_not_know_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "my env" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").touch()
    monkeypatch.chdir(tmp_path)
    assert activation(programs / "python", "/usr/bin:/bin") == ". 'my env/bin/activate'"
    assert activation(programs / "python", f"/usr/bin:{programs}") is None
    assert activation(tmp_path / "python", "/usr/bin") is None


def test_the_commands_at_the_end_are_whole(tmp_path: Path) -> None:
    places = Places(data=tmp_path / "my data", run=tmp_path / "my run")
    lines = [line.strip() for line in farewell(places, activate=". .venv/bin/activate").splitlines()]
    assert lines.index(". .venv/bin/activate") < lines.index(f"cxr-clip recipe '{places.run}'")
    commands = [shlex.split(line) for line in lines if line.startswith("cxr-clip")]
    assert ["cxr-clip", "recipe", str(places.run)] in commands
    assert not any("..." in command for command in commands)
    assert "classify" not in [command[1] for command in commands]
    (places.raw("openi") / "images").mkdir(parents=True)
    (places.raw("openi") / "images" / "a.png").touch()
    assert f"cxr-clip classify '{places.run}' '{places.raw('openi')}/images/a.png' --finding Cardio" in farewell(places)
    assert "activate" not in farewell(places)
