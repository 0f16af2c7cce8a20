"""A run and a manifest in: figures for programs and a page for people out."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score

from cxr_clip.checkpoint import WEIGHTS, write_run
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.prompts import load_zero_shot_prompts
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import load
from cxr_clip.errors import CheckpointError, EvaluationError, ManifestError, PromptError
from cxr_clip.evaluate.benchmarks import EvaluationOptions
from cxr_clip.evaluate.evaluate_run import EvaluationRequest, evaluate_run
from cxr_clip.evaluate.scores import read_scores
from cxr_clip.study import Certainty, Split
from support_data import write_tiny_manifest
from support_models import tiny_recipe, tiny_run

OPTIONS = EvaluationOptions(resamples=100, min_positives=2, gallery=2)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"), train=2, validate=0, test=14)


@pytest.fixture
def run(manifest: Path, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    run = tiny_run(tiny_recipe(manifest))
    write_run(tmp_path / "run", run)
    save_file(run.model.state_dict(), tmp_path / "run" / WEIGHTS)
    return tmp_path / "run"


def test_figures_are_those_of_the_models_own_embeddings(run: Path, manifest: Path) -> None:
    told: list[tuple[int, int]] = []
    evaluation = evaluate_run(
        run, EvaluationRequest(manifest, options=OPTIONS), advance=lambda done, total: told.append((done, total))
    )
    assert [result.name for result in evaluation.results] == ["zero_shot/standard", "zero_shot/paraphrase", "retrieval"]

    studies = list(read_manifest(manifest).where(split=Split.TEST))
    frontal = [[image for image in study.images if image.view.is_frontal] for study in studies]
    assert told[-1] == (sum(map(len, frontal)),) * 2
    embedder, store = load(run), ImageStore(manifest)
    means = np.stack([np.asarray(embedder.embed_images([store.read(one) for one in each])).mean(0) for each in frontal])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    prompt = load_zero_shot_prompts("standard")["Fracture"]
    positive, negative = (
        np.asarray(embedder.embed_texts(texts)).mean(0) for texts in (prompt.positive, prompt.negative)
    )
    scores = means @ (positive / np.linalg.norm(positive) - negative / np.linalg.norm(negative))
    truth = [study.findings["Fracture"] is Certainty.POSITIVE for study in studies]
    found = evaluation.results[0].metrics["auroc/Fracture"]
    assert found.value == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)


def test_the_report_lies_in_the_run_folder_or_where_asked(run: Path, manifest: Path, tmp_path: Path) -> None:
    request = EvaluationRequest(manifest, styles=("standard",), options=OPTIONS)
    (run / "metrics.jsonl").write_text('{"step": 1, "epoch": 1.0, "kind": "train", "loss": 2.5}\n')
    for asked, folder in ((None, run), (tmp_path / "elsewhere", tmp_path / "elsewhere")):
        evaluation = evaluate_run(run, request, out=asked)
        assert evaluation.page == folder / "report.html"
        figures = json.loads((folder / "report.json").read_text())["benchmarks"]
        assert figures.keys() == {"zero_shot/standard", "retrieval"}
        assert figures["retrieval"]["image_to_text/recall_at_1"].keys() >= {"value", "low", "high", "n"}
        page = evaluation.page.read_text()
        assert "14 studies" in page
        kept = {one.finding: one for one in read_scores(folder)}
        assert kept.keys() == {
            name.removeprefix("auroc/") for name in figures["zero_shot/standard"] if "auroc" in name
        } - {"macro"}
        assert kept["Fracture"].splits == (Split.TEST,) * 14


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (('{"step": 1, "kind": "train", "loss": 2.5}', '{"step": 1, "kind": "validate", "loss": 2.0}'), "best by"),
        (('{"step": 1, "kind": "train", "loss": 2.5}',), "those of the last step, without validation"),
        ((), "those of the folder, which has no log"),
    ],
)
def test_the_report_says_which_weights_it_measured(
    run: Path, manifest: Path, lines: tuple[str, ...], words: str
) -> None:
    if lines:
        (run / "metrics.jsonl").write_text("\n".join(lines))
    evaluate_run(run, EvaluationRequest(manifest, styles=("standard",), options=OPTIONS))
    assert json.loads((run / "report.json").read_text())["details"]["Weights"].startswith(words)


def test_of_a_prompt_file_all_styles_are_measured(run: Path, manifest: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "mine.yaml"
    prompts.write_text(
        "short: {Fracture: {positive: [Broken rib], negative: [No broken rib]}}\n"
        "long: {Fracture: {positive: [A rib is broken], negative: [No rib is broken]}}\n"
    )
    evaluation = evaluate_run(run, EvaluationRequest(manifest, prompts=prompts, options=OPTIONS))
    assert [result.name for result in evaluation.results] == ["zero_shot/short", "zero_shot/long", "retrieval"]
    one = EvaluationRequest(manifest, prompts=prompts, styles=("long",), options=OPTIONS)
    assert [result.name for result in evaluate_run(run, one).results] == ["zero_shot/long", "retrieval"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("{", "is not valid YAML"),
        ("- a", "expected `name: ...` entries"),
        ("{}", "no style of prompts"),
        ("a: {}\na: {}", "'a' is given a second time"),
    ],
)
def test_a_prompt_file_without_styles_is_told(
    run: Path, manifest: Path, tmp_path: Path, text: str | None, words: str
) -> None:
    prompts = tmp_path / "mine.yaml"
    if text is not None:
        prompts.write_text(text)
    with pytest.raises(PromptError, match=words):
        evaluate_run(run, EvaluationRequest(manifest, prompts=prompts, options=OPTIONS))


def test_a_split_without_studies_is_told(run: Path, manifest: Path) -> None:
    with pytest.raises(EvaluationError, match=r"has no study in the split 'validate': choose another with --split"):
        evaluate_run(run, EvaluationRequest(manifest, split=Split.VALIDATE))


def test_what_is_missing_is_told_by_its_own_error(run: Path, manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a run folder"):
        evaluate_run(tmp_path, EvaluationRequest(manifest))
    with pytest.raises(ManifestError, match="no manifest at"):
        evaluate_run(run, EvaluationRequest(tmp_path))
    with pytest.raises(PromptError, match="no-such-style"):
        evaluate_run(run, EvaluationRequest(manifest, styles=("no-such-style",), options=OPTIONS))
