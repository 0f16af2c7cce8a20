"""The command as people use it: every step of the way on tiny data, and mistakes told in one sentence."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from rich.console import Console

from cxr_clip import cli, terminal
from cxr_clip.calibration import Calibration
from cxr_clip.data.manifest import read_manifest
from cxr_clip.evaluate.evaluate_run import Evaluation
from cxr_clip.evaluate.results import BenchmarkResult, Population
from cxr_clip.evaluate.statistics import Estimate, exact
from cxr_clip.recipe import dump_recipe
from cxr_clip.study import Split
from support_calibration import EDEMA
from support_data import write_tiny_manifest
from support_models import tiny_recipe

Command = Callable[..., int]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"), test=24)


@pytest.fixture
def recipe_file(manifest: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_recipe(tiny_recipe(manifest)))
    return path


@pytest.mark.parametrize("world", ["openi", "chestxray14"])
def test_made_up_studies_are_prepared(
    command: Command, tmp_path: Path, world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("synthesize", world, "raw", "--studies", 6, "--image-size", 64, "--processes", 1) == 0
    assert "next: cxr-clip prepare" in capsys.readouterr().out
    assert command("prepare", world, "raw", "out", "--short-side", 64, "--processes", 1) == 0
    shown = capsys.readouterr().out
    counted = [line.strip("│ ").split()[0] for line in shown.splitlines() if "│" in line]
    assert counted[:2] == ["studies", "train"]
    assert counted.index("images") == 1 + len(read_manifest(tmp_path / "out").table["split"].unique())
    assert (tmp_path / "out" / "manifest.parquet").is_file()
    assert command("prepare", world, "raw", "out", "--short-side", 64, "--processes", 1, "--quiet") == 0
    assert "It was all there already: nothing to do." in capsys.readouterr().out


def test_the_first_studies_can_be_tried_alone(command: Command, tmp_path: Path) -> None:
    command("synthesize", "chestxray14", "raw", "--studies", 6, "--image-size", 64, "--processes", 1)
    arguments = ("prepare", "chestxray14", "raw", "out", "--short-side", 64, "--processes", 1)
    assert command(*arguments, "--limit", 0) == 2
    assert command(*arguments, "--limit", 4) == 0
    assert len(read_manifest(tmp_path / "out")) == 4
    assert command(*arguments) == 2  # the folder of a try is not taken for the whole


def test_what_was_left_out_is_shown(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command("synthesize", "openi", "raw", "--studies", 4, "--image-size", 64, "--processes", 1)
    report = next((tmp_path / "raw").rglob("*.xml"))
    report.write_bytes(report.read_bytes()[:100])
    capsys.readouterr()
    assert command("prepare", "openi", "raw", "out", "--processes", 1) == 0
    shown = capsys.readouterr().out
    assert "left out: report: the XML is broken" in shown
    assert "rejected.jsonl" in shown
    cases = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert report.name in str(cases[0])


def test_shares_of_a_preparation_are_merged(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("synthesize", "chestxray14", "raw", "--studies", 6, "--image-size", 64, "--processes", 1)
    for number in (1, 2):
        arguments = ("--short-side", 64, "--processes", 1, "--shard", f"{number}/2")
        assert command("prepare", "chestxray14", "raw", f"share-{number}", *arguments) == 0
    shown = capsys.readouterr().out
    assert "This is share 2/2. When all are made: cxr-clip merge MANIFEST_FOLDER SHARE_FOLDER..." in shown
    assert command("inspect", "share-1") == 2
    assert "is not whole yet" in capsys.readouterr().err
    assert command("merge", "out", "share-1") == 2
    assert "the share 2/2 is absent" in capsys.readouterr().err
    assert command("merge", "out", "share-1", "share-2") == 0
    assert "chestxray14 in out" in capsys.readouterr().out
    assert command("prepare", "chestxray14", "raw", "out", "--short-side", 64, "--processes", 1) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_manifest_is_inspected_and_strict_refuses_faults(
    command: Command, tmp_path: Path, recipe_file: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("synthesize", "chestxray14", "raw", "--studies", 6, "--image-size", 64, "--processes", 1)
    command("prepare", "chestxray14", "raw", "out", "--short-side", 64, "--processes", 1)
    capsys.readouterr()
    assert command("inspect", "out", "--strict") == 0
    shown = capsys.readouterr().out
    assert "chestxray14: 6 of 112,120 published images" in shown
    assert "no faults; page: out/inspect.html" in shown
    assert (tmp_path / "out" / "inspect.json").is_file()
    options = ("--out", "page [1]", "--recipe", recipe_file, "--samples", 2)
    assert command("inspect", manifest, *options) == 0
    assert command("inspect", manifest, *options, "--strict") == 1
    shown = capsys.readouterr().out
    assert "fault: the same image in two splits: row 0 (train-0)" in shown
    assert "1 fault; page: page [1]/inspect.html" in shown
    assert command("inspect", "absent") == 2


def test_train_continue_and_evaluate(
    command: Command, recipe_file: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("train", recipe_file, "run [1]", "train.epochs=2", "--quiet") == 0
    shown = capsys.readouterr()
    assert "4 steps in" in shown.out
    assert "next: cxr-clip evaluate run [1] MANIFEST_FOLDER" in shown.out
    assert "validation" not in shown.err
    assert command("train", recipe_file, "run [1]", "train.epochs=3") == 2
    assert "train.epochs: 2 there, 3 asked" in capsys.readouterr().err
    options = ("--finding", "fracture", "--style", "standard", "--resamples", 100, "--out", "page [1]")
    assert command("evaluate", "run [1]", manifest, *options) == 0
    shown = capsys.readouterr()
    assert "auroc/Fracture" in shown.out
    assert "report: page [1]/report.html" in shown.out
    figures = json.loads((tmp_path / "page [1]" / "report.json").read_text())["benchmarks"]
    assert figures.keys() == {"zero_shot/standard", "retrieval"}


def test_a_recipe_is_printed_whole(command: Command, recipe_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("recipe", recipe_file, "train.epochs=7", "name=seven") == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["name"], printed["train"]["epochs"], printed["data"]["augment"]["clahe_clip"]) == ("seven", 7, 4.0)
    folder = recipe_file.parent / "run"
    folder.mkdir()
    recipe_file.rename(folder / "recipe.yaml")
    assert command("recipe", folder) == 0
    assert yaml.safe_load(capsys.readouterr().out)["name"] == "tiny"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "absent.yaml", "run"), "cxr-clip: no recipe at absent.yaml"),
        (("recipe", "absent.yaml"), "cxr-clip: no recipe at absent.yaml"),
        (("evaluate", "absent", "absent"), "cxr-clip: absent is not a run folder"),
        (("evaluate", "absent", "absent", "--finding", "fractur"), "Fracture"),
        (("prepare", "openi", "absent", "out"), "cxr-clip: "),
        (("prepare", "chestxray14", "absent", "out"), "cxr-clip: "),
        (("prepare", "openi", "absent", "out", "--shard", "3/2"), "the share is 3/2"),
        (("merge", "out", "absent"), "absent holds no share"),
        (("quickstart", "train.epochz=1"), "did you mean 'epochs'"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    command: Command, arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.startswith("cxr-clip: ")
    assert len(told.splitlines()) == 1
    assert "Traceback" not in told


def test_an_unknown_option_is_exit_code_2(command: Command) -> None:
    assert command("train", "--no-such-option") == 2


def test_an_interruption_says_how_to_go_on(
    command: Command, recipe_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("torch.optim.AdamW.step", interrupted)
        assert command("train", recipe_file, "run") == 130
    told = capsys.readouterr().err
    assert "the same command continues where this one stopped" in told
    assert "Traceback" not in told
    assert command("train", recipe_file, "run") == 0


def test_on_a_terminal_a_bar_is_drawn(command: Command, manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = io.StringIO()
    monkeypatch.setattr(terminal, "progress_console", Console(file=drawn, force_terminal=True, width=120))
    command("synthesize", "openi", "raw", "--studies", 2, "--image-size", 64, "--processes", 1)
    assert "Making studies" in drawn.getvalue()
    assert "2/2" in drawn.getvalue()


def test_the_bar_of_an_evaluation_has_a_total(
    command: Command, recipe_file: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("train", recipe_file, "run", "train.epochs=1", "train.warmup_epochs=0", "--quiet")
    drawn = io.StringIO()
    monkeypatch.setattr(terminal, "progress_console", Console(file=drawn, force_terminal=True, width=120))
    assert command("evaluate", "run", manifest, "--resamples", 100) == 0
    done, total = re.findall(r"(\d+)/(\d+)", drawn.getvalue())[-1]
    assert done == total


def test_exact_figures_are_shown_without_interval(capsys: pytest.CaptureFixture[str]) -> None:
    result = BenchmarkResult(
        name="retrieval",
        metrics={
            "image_to_text/recall_at_1": Estimate(value=0.5, low=0.4, high=0.6, n=20),
            "image_to_text/recall_at_1_chance": exact(0.05, 20),
        },
        protocol=(),
        population=Population(studies=20, patients=20, images=20),
    )
    terminal.show_evaluation(Evaluation(results=(result,), page=Path("report.html")))
    shown = capsys.readouterr().out
    assert "0.400 to 0.600" in shown
    assert shown.count(" to ") == 1


def test_brackets_in_a_name_are_shown_and_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    result = BenchmarkResult(
        name="zero_shot/own",
        metrics={"auroc/Mass [left]": Estimate(value=0.5, low=0.4, high=0.6, n=20)},
        protocol=(),
        population=Population(studies=20, patients=20, images=20),
    )
    terminal.show_evaluation(Evaluation(results=(result,), page=Path("report.html")))
    terminal.show_calibration(Calibration("w", "m", Split.VALIDATE, {"Mass [left]": EDEMA}))
    assert capsys.readouterr().out.count("Mass [left]") == 2


def test_a_benchmark_without_a_figure_says_so_and_draws_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = Population(studies=3, patients=3, images=3)
    result = BenchmarkResult(name="views", metrics={}, protocol=(), population=nobody, notes=("It needs 20.",))
    terminal.show_evaluation(Evaluation(results=(result,), page=Path("report.html")))
    shown = capsys.readouterr().out
    assert "views: nothing measured\nnote: It needs 20.\n" in shown
    assert "figure" not in shown


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("prepare", "the same command continues where this one stopped"),
        ("merge", "the same command continues where this one stopped"),
        ("train", "the same command continues where this one stopped"),
        ("embed", "the same command continues where this one stopped"),
        ("quickstart", "the same command continues where this one stopped"),
        ("synthesize", "the same command starts again"),
        ("evaluate", "the same command starts again"),
    ],
)
def test_only_what_continues_promises_to_continue(
    command: Command, name: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    assert command(name) == 130
    assert capsys.readouterr().err == f"cxr-clip: stopped; {words}\n"


def test_help_lists_every_command_without_torch() -> None:
    program = (
        "import runpy, sys\n"
        "sys.argv = ['cxr-clip', '--help']\n"
        "try:\n"
        "    runpy.run_module('cxr_clip', run_name='__main__')\n"
        "except SystemExit as ended:\n"
        "    assert not ended.code\n"
        "assert not {'torch', 'transformers'} & sys.modules.keys()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    names = ("quickstart", "prepare", "merge", "inspect", "synthesize", "train", "evaluate", "recipe", "import-weights")
    listed = [re.search(rf"^\W*{name} ", ended.stdout, re.MULTILINE) for name in (*names, "push")]
    assert all(listed)
    places = [found.start() for found in listed]
    assert places == sorted(places)


def test_every_option_says_what_it_is_and_shows_its_default_where_the_others_do() -> None:
    helped = {
        f"{command} {one.name}": getattr(one, "help", None)
        for command, one in all_parameters("", typer.main.get_command(cli.app))
    }
    assert len(helped) > 300
    assert [name for name, words in helped.items() if not words or "default:" in words] == []


def all_parameters(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every parameter of a command and of those below it."""
    yield from ((name, one) for one in command.params)
    for below, one in getattr(command, "commands", {}).items():
        yield from all_parameters(f"{name} {below}", one)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("prepare", "openi"), ("indiana_projections.csv in RAW", "split.csv in RAW", "by a hash", "labels_nih14.csv")),
        (("import-weights",), ("the one that the file names, from the hub",)),
        (("evaluate",), ("standard and paraphrase, or all of --prompts", "all with labels", "default: auto")),
    ],
)
def test_help_says_what_happens_without_an_option(
    command: Command,
    arguments: tuple[str, ...],
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert command(*arguments, "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    for expected in words:
        assert expected in shown
