"""From nothing to a measured model, in miniature."""

import json
import sys
from pathlib import Path

import pytest

from cxr_clip import cli, load
from cxr_clip.evaluate.results import BenchmarkResult, Estimate, Population
from cxr_clip.quickstart import Places, headline, quickstart_recipe

SMALLER = (
    "train.batch_size=16",
    "train.epochs=1",
    "train.warmup_epochs=0",
    "data.image_size=32",
    "model.image.architecture.hidden_sizes=[8, 8, 8, 8]",
    "log.tensorboard=false",
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


def test_the_recipe_takes_the_places_and_the_overrides(tmp_path: Path) -> None:
    recipe = quickstart_recipe(Places(data=tmp_path, run=tmp_path), ("train.epochs=3",))
    assert [source.manifest for source in recipe.data.sources] == [tmp_path / "openi", tmp_path / "chestxray14"]
    assert recipe.train.epochs == 3


def test_a_headline_has_interval_and_chance() -> None:
    result = BenchmarkResult(
        name="retrieval",
        metrics={
            "image_to_text/recall_at_10": Estimate(value=0.5, low=0.4, high=0.6, n=20),
            "image_to_text/recall_at_10_chance": Estimate(value=0.1, low=None, high=None, n=20),
        },
        protocol="",
        population=Population(studies=20, patients=20, images=20),
    )
    assert headline(result) == "retrieval: image_to_text/recall_at_10 0.500 (0.400 to 0.600, chance 0.100)"
