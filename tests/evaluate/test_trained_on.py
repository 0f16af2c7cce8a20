"""Every result says whether its studies were trained on, and gives the figures of those that were not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from cxr_clip.assemble import open_sources
from cxr_clip.checkpoint import WEIGHTS, write_run
from cxr_clip.data import scan
from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import EvaluationError, ManifestError
from cxr_clip.evaluate.benchmarks import EvaluationOptions, general_benchmarks, measure
from cxr_clip.evaluate.evaluate_run import EvaluationRequest, TrainingRequest, evaluate_run
from cxr_clip.evaluate.page_overlap import overlap_rows
from cxr_clip.evaluate.subject import Material
from cxr_clip.evaluate.trained_on import NOT_ASKED, NOT_HERE, Seen, read_training
from cxr_clip.evaluate.training_manifests import TrainingManifests
from cxr_clip.recipe import Recipe
from cxr_clip.study import Split
from support_data import write_tiny_manifest
from support_models import tiny_recipe, tiny_run

OPTIONS = EvaluationOptions(resamples=100, min_positives=2, gallery=1)


def named(manifest: Path, folder: Path, patients: dict[str, str]) -> Path:
    """A copy of a manifest in which some studies have other patients."""
    table = pq.read_table(manifest / "manifest.parquet")
    rows = table.to_pylist()
    for row in rows:
        row["patient"] = patients.get(row["id"], row["patient"])
    folder.mkdir()
    shutil.copytree(manifest / "shards", folder / "shards")
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), folder / "manifest.parquet")
    return folder


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("evaluated"), train=0, validate=0, test=16)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return named(
        write_tiny_manifest(tmp_path_factory.mktemp("plain"), train=3, validate=1, test=0, label_only_every=1),
        tmp_path_factory.mktemp("trained") / "named",
        {"train-0": "patient of test-3", "train-1": "patient of test-4", "validate-0": "patient of test-5"},
    )


def write_tiny_run(folder: Path, manifest: Path, *, started_from: tuple[Recipe, ...] = ()) -> Path:
    torch.manual_seed(0)
    run = replace(tiny_run(tiny_recipe(manifest)), started_from=started_from)
    write_run(folder, run)
    save_file(run.model.state_dict(), folder / WEIGHTS)
    return folder


def test_the_clean_part_is_measured_as_if_it_were_alone(world, embedder, prompts) -> None:
    seen = Seen(frozenset(study.id for study in world.studies[10:25]), "", ("A known fact.",))
    benchmarks = general_benchmarks(prompts, OPTIONS, split=None)
    whole = Material(world.studies, world.read, seen)
    rest = Material([study for study in world.studies if study.id not in seen.studies], world.read)
    results, alone = (measure(embedder, [(one, material) for one in benchmarks], OPTIONS) for material in (whole, rest))
    assert [result.overlap.verdict for result in results] == ["overlapping: 15 of 60"] * 3
    assert [result.overlap.known for result in results] == [("A known fact.",)] * 3
    for result, clean in zip(results, alone, strict=True):
        assert result.overlap.clean == clean.metrics
        assert clean.overlap is None
        assert result.metrics != clean.metrics


def test_images_are_embedded_once_for_both(world, embedder, prompts) -> None:
    seen = Seen(frozenset([world.studies[0].id]))
    benchmarks = general_benchmarks(prompts, OPTIONS, split=None)
    measure(embedder, [(one, Material(world.studies, world.read, seen)) for one in benchmarks[:1]], OPTIONS)
    assert embedder.images == sum(1 + (number % 5 == 0) for number in range(60))


@pytest.mark.parametrize(
    ("seen", "verdict", "count"),
    [
        (Seen(frozenset()), "clean", 0),
        (Seen(frozenset(), "not audited against x: not here"), "clean; not audited against x: not here", 0),
        (Seen(None, NOT_HERE), NOT_HERE, None),
        (Seen(frozenset(f"study-{number}" for number in range(60))), "overlapping: 60 of 60", 60),
    ],
)
def test_what_needs_no_second_figures_has_none(world, embedder, prompts, seen: Seen, verdict: str, count) -> None:
    benchmarks = general_benchmarks(prompts, OPTIONS, split=None)[:1]
    (result,) = measure(embedder, [(one, Material(world.studies, world.read, seen)) for one in benchmarks], OPTIONS)
    assert (result.overlap.verdict, result.overlap.studies, result.overlap.clean) == (verdict, count, {})


def test_the_manifests_of_the_recipe_are_audited_and_the_report_says_so(
    trained: Path, evaluated: Path, tmp_path: Path
) -> None:
    run = write_tiny_run(tmp_path / "run", trained)
    evaluate_run(run, EvaluationRequest(evaluated, options=OPTIONS))
    record = json.loads((run / "report.json").read_text())
    # The pictures of equal numbers are equal: the first three studies share theirs with the training too.
    assert record["overlap"]["retrieval"]["verdict"].startswith("overlapping: 5 of 16")
    one = record["overlap"]["zero_shot/standard"]
    assert one["studies"] == 5
    assert one["clean"]["auroc/macro"]["n"] > 0
    page = (run / "report.html").read_text()
    assert "Overlap with the training" in page
    assert "overlapping: 5 of 16." in page
    assert "Clean studies" in page


def test_an_audit_from_kept_scans_says_what_one_without_them_does(
    trained: Path, evaluated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_tiny_run(tmp_path / "run", trained)
    fresh = evaluate_run(run, EvaluationRequest(evaluated, options=OPTIONS))
    request = EvaluationRequest(evaluated, options=OPTIONS, training=TrainingRequest(cache=tmp_path / "scans"))
    evaluate_run(run, request)
    monkeypatch.setattr(scan, "perceptual_hash", None)  # no image is read any more
    again = evaluate_run(run, request)
    assert [one.overlap for one in again.results] == [one.overlap for one in fresh.results]


def test_a_training_that_is_not_here_is_said_not_to_be_audited(evaluated: Path, tmp_path: Path) -> None:
    run = write_tiny_run(tmp_path / "run", tmp_path / "elsewhere")
    request = EvaluationRequest(evaluated, options=OPTIONS)
    (overlap, *_) = (result.overlap for result in evaluate_run(run, request).results)
    assert (overlap.verdict, overlap.clean) == (NOT_HERE, {})
    assert NOT_HERE in (run / "report.html").read_text()


def test_manifests_that_are_named_go_before_those_of_the_recipe(trained: Path, evaluated: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path / "elsewhere")
    assert read_training(TrainingManifests(recipe, [trained])).side is not None
    with pytest.raises(ManifestError, match="--trained-on"):
        read_training(TrainingManifests(recipe, [tmp_path / "elsewhere"]))
    assert read_training(TrainingManifests(recipe), wanted=False).seen(read_manifest(evaluated)) == Seen(
        None, NOT_ASKED
    )
    with pytest.raises(EvaluationError, match="no effect"):
        read_training(TrainingManifests(recipe, [trained]), wanted=False)
    with pytest.raises(EvaluationError, match="--cache has no effect"):
        read_training(TrainingManifests(recipe), wanted=False, cache=tmp_path)
    assert TrainingRequest().audit


def test_what_is_not_here_of_several_manifests_is_named(trained: Path, evaluated: Path, tmp_path: Path) -> None:
    sources = [{"manifest": str(trained)}, {"manifest": str(tmp_path / "lost")}]
    training = read_training(TrainingManifests(tiny_recipe(trained, ("data.sources", sources))))
    seen = training.seen(read_manifest(evaluated).where(split=Split.TEST))
    assert seen.studies == {f"test-{number}" for number in range(5)}
    assert seen.remark == f"not audited against {tmp_path / 'lost'}: not here"


def test_what_the_run_that_it_started_from_was_trained_on_counts_too(
    trained: Path, evaluated: Path, tmp_path: Path
) -> None:
    own = write_tiny_manifest(tmp_path / "own", train=1, validate=0, test=0)
    earlier = (tiny_recipe(tmp_path / "lost"), tiny_recipe(trained))
    run = write_tiny_run(tmp_path / "run", own, started_from=earlier)
    (overlap, *_) = (one.overlap for one in evaluate_run(run, EvaluationRequest(evaluated, options=OPTIONS)).results)
    assert overlap.verdict == f"overlapping: 5 of 16; not audited against {tmp_path / 'lost'}: not here"


def test_each_training_has_the_settings_of_its_own_recipe(tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "here", train=8, validate=1, test=0)
    parts = [tiny_recipe(manifest, ("data.part", {"fraction": 0.25, "seed": seed})) for seed in (3, 5)]
    trained = {study.id for one in parts for source in open_sources(one.data) for study in source.train}
    assert len(trained) == 3  # one of them twice
    (studies,) = TrainingManifests(parts[0], started_from=parts[1:]).studies
    assert {study.id for study in studies} == trained
    # Which of the trainings a manifest that is named instead belongs to is not known: it may be any.
    (studies,) = TrainingManifests(tiny_recipe(tmp_path / "lost"), [manifest], started_from=parts[1:]).studies
    assert len(studies) == 8


def test_patients_outside_of_the_part_that_was_trained_on_are_clean(tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "here", train=6, validate=1, test=0)
    recipe = tiny_recipe(manifest, ("data.part", {"fraction": 0.5, "seed": 3}))
    trained = {study.patient for source in open_sources(recipe.data) for study in source.train}
    seen = read_training(TrainingManifests(recipe)).seen(read_manifest(manifest).where(split=Split.TRAIN))
    assert len(trained) == 3
    assert seen.studies is not None
    assert {f"patient of {name}" for name in seen.studies} == trained


def test_the_page_says_on_how_many_the_clean_figures_are_and_what_chance_gives_there(world, embedder, prompts) -> None:
    seen = Seen(frozenset(study.id for study in world.studies[10:25]))
    benchmarks = general_benchmarks(prompts, OPTIONS, split=None)
    results = measure(embedder, [(one, Material(world.studies, world.read, seen)) for one in benchmarks], OPTIONS)
    rows = {row.name: {one.name: one for one in row.figures} for row in overlap_rows(results)}
    assert rows["zero_shot/standard"]["auroc/macro"].counted == "3 of 3"
    assert rows["zero_shot/standard"]["auroc/Edema"].counted == "45 of 60"
    chance = rows["retrieval"]["image to text/recall at 10 chance"]
    assert float(chance.whole) < float(chance.clean)
    assert chance.interval == ""
