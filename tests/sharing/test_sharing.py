"""A model that is given away works elsewhere, says what is known of it, and tells nothing of the machine it leaves."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import ModelCard

from cxr_clip.assemble import open_sources
from cxr_clip.checkpoint import WEIGHTS, Run, write_run
from cxr_clip.data.manifest import read_manifest
from cxr_clip.embed import Embedder, load
from cxr_clip.errors import CheckpointError
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.results import BenchmarkResult, Population
from cxr_clip.evaluate.statistics import Estimate, exact
from cxr_clip.sharing.card import Presentation, model_card, use_here
from cxr_clip.sharing.facts import Facts, Figure, Origin, SourceCount, gather
from cxr_clip.tensor_files import save_weights
from support_data import write_tiny_manifest
from support_models import SENTENCES, onward, tiny_recipe, tiny_run


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_tiny_manifest(tmp_path / "secret-place" / "studies")


@pytest.fixture
def run(manifest: Path) -> Run:
    torch.manual_seed(6)
    return tiny_run(tiny_recipe(manifest))


@pytest.fixture
def trained(run: Run, manifest: Path, tmp_path: Path) -> Path:
    """A run folder with weights and a report, as `train` and `evaluate` leave it."""
    folder = tmp_path / "run"
    write_run(folder, run)
    save_weights(folder / WEIGHTS, run.model)
    figures = {
        "auroc/macro": Estimate(value=0.8, low=0.71, high=0.89, n=60),
        "average_precision/macro": Estimate(value=0.4, low=0.3, high=0.5, n=60),
        "image_to_text/recall_at_10": Estimate(value=0.25, low=0.2, high=0.3, n=60),
        "image_to_text/recall_at_10_chance": exact(0.1, n=60),
    }
    result = BenchmarkResult(
        name="zero_shot", metrics=figures, protocol=(), population=Population(studies=60, patients=50, images=70)
    )
    details = {"Run": str(folder), "Manifest": str(manifest), "Split": "test, 60 studies"}
    write_report(folder, [result], run_title="tiny", details=details)
    return folder


def test_a_saved_model_embeds_as_before(trained: Path, tmp_path: Path) -> None:
    embedder = load(trained, device="cpu")
    embedder.save(tmp_path / "shared")
    again = load(tmp_path / "shared", device="cpu")
    assert torch.equal(again.embed_texts(SENTENCES), embedder.embed_texts(SENTENCES))
    kept = {path.name for path in (tmp_path / "shared").iterdir()}
    assert kept == {
        *("README.md", "facts.json", "recipe.yaml", "weights.safetensors"),
        *("image_encoder", "text_encoder", "tokeniser"),
    }
    assert (tmp_path / "shared" / "image_encoder" / "preprocessor_config.json").is_file()


def test_no_file_of_it_names_a_place_of_this_machine(trained: Path, tmp_path: Path) -> None:
    load(trained, device="cpu").save(tmp_path / "shared")
    for path in (tmp_path / "shared").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path
            assert b"secret-place" not in path.read_bytes(), path
    assert load(tmp_path / "shared", device="cpu").recipe.data.sources[0].manifest == Path("studies")


def test_a_model_says_what_it_started_from_without_the_places(run: Run, manifest: Path, tmp_path: Path) -> None:
    first = tiny_recipe(tmp_path / "secret-place" / "mimic")
    second = onward(manifest, tmp_path / "secret-place" / "first")
    recipe = onward(manifest, tmp_path / "secret-place" / "second")
    third = replace(run, recipe=recipe, started_from=(second, first))
    Embedder(third).save(tmp_path / "shared")
    again = load(tmp_path / "shared", device="cpu")
    assert [one.model.start_from for one in (again.recipe, *again.started_from)] == ["second", "first", None]
    told = "Trained with cxr-clip, from the weights of second, which had learned from studies, mimic; every setting"
    assert told in (tmp_path / "shared" / "README.md").read_text()
    for path in (tmp_path / "shared").glob("*.*"):
        assert str(tmp_path).encode() not in path.read_bytes(), path


def test_the_card_has_counts_and_figures_with_their_intervals(trained: Path, tmp_path: Path) -> None:
    load(trained, device="cpu").save(tmp_path / "shared", licence="cc-by-nc-4.0")
    card = (tmp_path / "shared" / "README.md").read_text()
    assert "| studies | 8 | 4 |" in card
    assert "| zero_shot | auroc/macro | 0.800 (0.710 to 0.890) | 60 | studies (test, 60 studies) |" in card
    assert "| zero_shot | image_to_text/recall_at_10 | 0.250 (0.200 to 0.300) | 60 |" in card
    assert "chance" not in card
    assert "average_precision" not in card
    assert "Research only. Not a medical device" in card


def test_the_header_is_one_that_the_hub_reads(run: Run) -> None:
    card = ModelCard(model_card(run, Facts(), Presentation(use=use_here("owner/name"), licence="apache-2.0")))
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "cxr-clip"
    assert card.data.pipeline_tag == "zero-shot-image-classification"
    assert "radiology" in card.data.tags
    assert "cxr_clip.load('owner/name')" in card.text
    assert yaml.safe_load(str(card.data)) is not None


def test_what_is_unknown_is_said(run: Run) -> None:
    card = model_card(replace(run, recipe=tiny_recipe(Path("somewhere/mimic"))), Facts(), Presentation(use=""))
    assert "mimic; how many studies is not known here." in card
    assert "Nothing yet: `cxr-clip evaluate` writes" in card
    assert "Trained with cxr-clip" in card


def test_facts_outlive_another_copy(trained: Path, tmp_path: Path, manifest: Path) -> None:
    """The second copy has neither the report nor the manifests, and its card says the same."""
    load(trained, device="cpu").save(tmp_path / "first")
    manifest.rename(tmp_path / "gone")
    load(tmp_path / "first", device="cpu").save(tmp_path / "second")
    first, second = ((tmp_path / name / "README.md").read_text() for name in ("first", "second"))
    assert first == second
    assert (tmp_path / "first" / "facts.json").read_text() == (tmp_path / "second" / "facts.json").read_text()


def test_a_new_report_replaces_older_figures(trained: Path, run: Run) -> None:
    old = Figure(benchmark="old", name="auroc/macro", value=0.1, low=0, high=0.2, count=3, measured_on="old")
    origin = Origin(file="a.tar", sha256="0", size=1, tokeniser="b", tensors=2, used=2, made_anew=(), left_out=())
    facts = Facts(origin=origin, figures=(old,), sources=(SourceCount(manifest="old", studies={"train": 1}),))
    (trained / "facts.json").write_text(facts.model_dump_json())
    found = gather(run.recipe, trained)
    assert found.origin == origin
    assert [one.value for one in found.figures] == [0.8, 0.25]
    assert [one.manifest for one in found.sources] == ["studies"]


def test_studies_that_were_kept_from_the_training_are_not_counted(manifest: Path) -> None:
    recipe = tiny_recipe(
        manifest, ("data.part", {"fraction": 0.5}), ("data.hold_out", [next(iter(read_manifest(manifest)[0].findings))])
    )
    (source,) = open_sources(recipe.data)
    (counted,) = gather(recipe, None).sources
    assert counted.studies == {"train": len(source.train), "validate": len(source.validate)}
    assert len(source.train) < 4


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("facts.json", "{", "facts.json cannot be read"),
        ("facts.json", '{"origin": {"file": 1}}', r"facts.json of the run: origin\.file"),
        ("report.json", "[]", "report.json of the run is not one that `cxr-clip evaluate` writes"),
        ("report.json", json.dumps({"details": {}, "benchmarks": {"a": {"auroc/x": {"n": 1}}}}), "report.json of the"),
    ],
)
def test_facts_that_cannot_be_read_are_told(name: str, content: str, words: str, trained: Path, tmp_path: Path) -> None:
    (trained / name).write_text(content)
    with pytest.raises(CheckpointError, match=words):
        load(trained, device="cpu").save(tmp_path / "shared")


def test_nothing_is_written_over(trained: Path) -> None:
    with pytest.raises(CheckpointError, match="is there and not empty"):
        load(trained, device="cpu").save(trained)


def test_a_model_without_a_folder_can_be_saved(run: Run, tmp_path: Path) -> None:
    Embedder(run).save(tmp_path / "shared")
    assert torch.equal(
        load(tmp_path / "shared", device="cpu").embed_texts(SENTENCES), Embedder(run).embed_texts(SENTENCES)
    )
