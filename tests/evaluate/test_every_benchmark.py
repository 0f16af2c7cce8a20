"""From a made-up raw folder of each data set to a report: its benchmarks with their hashes, as JSON and as a page."""

import html
import json
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name

import pytest
import torch
from safetensors.torch import save_file

from cxr_clip.checkpoint import WEIGHTS, write_run
from cxr_clip.commands.sources import SOURCES
from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.benchmark_table import applicable
from cxr_clip.evaluate.evaluate_run import BenchmarkRequest, evaluate_benchmarks
from cxr_clip.evaluate.subject import EvaluationOptions
from cxr_clip.prepare.records import PrepareOptions
from support_models import tiny_recipe, tiny_run

OPTIONS = EvaluationOptions(resamples=100, gallery=1)
# Enough that each data set has a benchmark that can be measured on its test studies.
STUDIES = {"vindr_cxr": 90, "rsna_pneumonia": 90, "siim_pneumothorax": 120, "chestxray14": 90}
FEW = 24


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A miniature of a data set in its raw layout, prepared; made when first asked for."""
    place, made = tmp_path_factory.mktemp("sources"), {}

    def of(source: str) -> Path:
        if source not in made:
            raw, made[source] = place / "raw" / source, place / source
            resolve_name(SOURCES[source].synthesize)(
                raw, studies=STUDIES.get(source, FEW), seed=3, processes=1, image_size=64
            )
            options = PrepareOptions(short_side=64, processes=1)
            resolve_name(SOURCES[source].prepare)(raw, made[source], options)
        return made[source]

    return of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "run"
    run = tiny_run(tiny_recipe(Path("nowhere")))
    write_run(folder, run)
    save_file(run.model.state_dict(), folder / WEIGHTS)
    return folder


@pytest.mark.parametrize("source", [source for source in SOURCES if applicable([source])])
def test_every_benchmark_of_a_data_set_is_in_the_report_with_its_hash(
    source: str, prepared: Callable[[str], Path], model: Path, tmp_path: Path
) -> None:
    request = BenchmarkRequest((prepared(source),), ("all",), OPTIONS)
    evaluation = evaluate_benchmarks(model, request, out=tmp_path, device="cpu")
    wanted = applicable([source])
    assert [result.name for result in evaluation.results] == [one.name for one in wanted]
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    page = html.unescape((tmp_path / "report.html").read_text("utf-8"))
    for one in wanted:
        assert report["records"][one.name]["hash"] == one.identity
        assert report["records"][one.name]["record"]["kind"] == one.task.kind
        assert page.count(one.label) >= 1 + bool(report["benchmarks"][one.name])
    assert any(report["benchmarks"].values())
    if source == "vindr_cxr":
        assert report["published"]["zero_shot/vindr_cxr"]["values"] == {"auroc/macro": 0.789}
        assert "Published macro AUROC 0.789: Swin-Tiny M,C,C14. Source: CXR-CLIP" in page
        assert "second-hand" in page


def test_several_manifests_and_named_benchmarks_at_once(
    prepared: Callable[[str], Path], command: Callable[..., int], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("retrieval/mimic_cxr/published", "zero_shot/siim_pneumothorax")
    places = (prepared("siim_pneumothorax"), prepared("mimic_cxr"))
    common = ("--resamples", 100, "--out", "here", "--quiet", "--device", "cpu")
    assert command("evaluate", model, *places, "--benchmarks", ",".join(named), *common) == 0
    said = capsys.readouterr().out
    for one in applicable(["mimic_cxr", "siim_pneumothorax"]):
        assert (one.label in said) == (one.name in named)
    assert list(json.loads(Path("here/report.json").read_text())["benchmarks"]) == list(named)
    assert command("evaluate", model, places[1], *common) == 0
    assert "with --benchmarks: retrieval/mimic_cxr, retrieval/mimic_cxr/published" in capsys.readouterr().out


def test_benchmarks_of_any_data_set_take_one_manifest(
    prepared: Callable[[str], Path], model: Path, tmp_path: Path
) -> None:
    names, places = ("wording", "meaning"), (prepared("chestxray14"), prepared("mimic_cxr"))
    evaluation = evaluate_benchmarks(model, BenchmarkRequest(places[:1], names, OPTIONS), out=tmp_path, device="cpu")
    own = BenchmarkRequest(places[:1], ("wording/chestxray14", "meaning/chestxray14"), OPTIONS)
    of_data_set = evaluate_benchmarks(model, own, out=tmp_path, device="cpu")
    for any_set, one_set in zip(evaluation.results, of_data_set.results, strict=True):
        assert (
            any_set.metrics.items()
            >= {name: one for name, one in one_set.metrics.items() if not name.startswith("text_")}.items()
        )
        assert {one.finding for one in any_set.findings} == {one.finding for one in one_set.findings}
    assert "<h2>Dependence on wording: ChestX-ray14</h2>" in (tmp_path / "report.html").read_text("utf-8")
    with pytest.raises(EvaluationError, match="wording is for any data set: give one manifest"):
        evaluate_benchmarks(model, BenchmarkRequest(places, names, OPTIONS), out=tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--benchmarks", "all", "--split", "train"), "--split has no effect beside --benchmarks"),
        (
            ("--benchmarks", "retrieval/mimic"),
            "no benchmark 'retrieval/mimic': did you mean 'retrieval/mimic_cxr'",
        ),
        (("--benchmarks", "zero_shot/openi"), "zero_shot/openi is made for openi, and the manifests hold mimic_cxr"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(
    prepared: Callable[[str], Path],
    command: Callable[..., int],
    model: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    assert command("evaluate", model, prepared("mimic_cxr"), *arguments) == 2
    assert words in capsys.readouterr().err


def test_two_manifests_need_benchmarks_and_may_not_hold_the_same_data_set(
    prepared: Callable[[str], Path], command: Callable[..., int], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = prepared("mimic_cxr")
    assert command("evaluate", model, one, prepared("openi")) == 2
    assert "several manifests need --benchmarks" in capsys.readouterr().err
    with pytest.raises(EvaluationError, match="both hold mimic_cxr: give one of them, or join them"):
        evaluate_benchmarks(model, BenchmarkRequest((one, one)))
