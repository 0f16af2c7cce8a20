"""A recipe and a folder in, a run out: continued exactly, never with another recipe, with the best weights kept."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cxr_clip import checkpoint
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import load
from cxr_clip.errors import CheckpointError, RecipeError, TrainingError
from cxr_clip.recipe import LogSettings, Recipe
from cxr_clip.study import Split
from cxr_clip.train import train_run as module
from cxr_clip.train.continuation import MAY_CHANGE
from cxr_clip.train.train_run import train_run
from support_data import write_tiny_manifest
from support_models import IMAGE, TEXT, tiny_recipe
from support_programs import run_program
from support_training import after_steps, same_files

Line = dict[str, object]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"))


def log_of(folder: Path, kind: str) -> list[Line]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def test_a_run_killed_in_every_step_gives_the_weights_of_one_never_stopped(manifest: Path, tmp_path: Path) -> None:
    run_program("support_killed_run.py", manifest, tmp_path)
    straight = tmp_path / "straight"
    for other in (tmp_path / "killed", tmp_path / "two-processes"):
        for name in (checkpoint.WEIGHTS, checkpoint.RESUME):
            assert same_files(straight / name, other / name)
        assert [line["step"] for line in log_of(other, "train")] == list(range(1, 9))
        assert [line["step"] for line in log_of(other, "validate")] == [2, 4, 6, 8]
        for kind, figure in (("train", "loss"), ("train", "gradient_norm"), ("validate", "loss")):
            assert [line[figure] for line in log_of(other, kind)] == [line[figure] for line in log_of(straight, kind)]


@pytest.mark.parametrize("hard_negatives", [0, 1])
def test_chunks_change_no_figure_of_a_run(manifest: Path, tmp_path: Path, hard_negatives: int) -> None:
    exact = [
        ("data.hard_negatives", hard_negatives),
        ("model.image", {"architecture": IMAGE, "batch_norm": "frozen"}),
        ("model.text", {"architecture": TEXT, "tokeniser": {"vocabulary_size": 200}, "dropout": 0.0}),
    ]
    train_run(tiny_recipe(manifest, *exact), tmp_path / "whole", progress=False)
    train_run(tiny_recipe(manifest, *exact, ("train.chunk_size", 3)), tmp_path / "chunks", progress=False)
    for kind in ("train", "validate"):
        whole, chunks = log_of(tmp_path / "whole", kind), log_of(tmp_path / "chunks", kind)
        assert len(whole) == len(chunks) >= 2
        for one, other in zip(whole, chunks, strict=True):
            assert other["loss"] == pytest.approx(one["loss"], rel=1e-4)


def test_a_finished_run_is_left_as_it_is(manifest: Path, tmp_path: Path) -> None:
    train_run(tiny_recipe(manifest), tmp_path, progress=False)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    trained = train_run(tiny_recipe(manifest), tmp_path, progress=False)
    assert trained.result.state.step == 4
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_best_weights_are_those_of_the_best_validation(manifest: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(manifest, ("train.epochs", 4), ("train.learning_rate", 0.03))
    trained = train_run(recipe, tmp_path, progress=False)

    def value(line: Line) -> float:
        return sum(float(str(line[f"recall_at_{k}"])) for k in (1, 5, 10)) / 3 - 1e-6 * float(str(line["loss"]))

    best = max(log_of(tmp_path, "validate"), key=value)
    assert trained.result.state.best_step == best["step"]
    assert f"best validation at step {best['step']}" in trained.summary
    # Measured again by hand: the loaded weights give the figure of the best step.
    embedder = load(tmp_path)
    studies = list(read_manifest(manifest).where(split=Split.VALIDATE))
    store = ImageStore(manifest)
    run = checkpoint.load_run(tmp_path)
    batch = next(iter(module.make_training(run, module.assemble.open_sources(recipe.data)).validation_batches()))
    with torch.no_grad():
        texts = run.model.eval().embed_texts(batch.texts[0])
    images = embedder.embed_images([store.read(study.images[0]) for study in studies])
    ranks = [int((scores > scores[row]).sum()) + 1 for row, scores in enumerate(images @ texts.T)]
    assert sum(rank == 1 for rank in ranks) / 4 == best["recall_at_1"]


def test_the_best_weights_can_be_those_of_the_lowest_loss(manifest: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(manifest, ("train.epochs", 4), ("train.learning_rate", 0.03), ("train.best_by", "loss"))
    trained = train_run(recipe, tmp_path, progress=False)
    best = min(log_of(tmp_path, "validate"), key=lambda line: float(str(line["loss"])))
    assert trained.result.state.best_step == best["step"]


def test_without_validation_studies_the_last_weights_are_kept(tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "data", validate=0, train=4)
    trained = train_run(tiny_recipe(manifest), tmp_path / "run", progress=False)
    assert "no validation" in trained.summary
    state = load_file(tmp_path / "run" / checkpoint.RESUME)
    weights = checkpoint.load_run(tmp_path / "run").model.state_dict()
    assert all(torch.equal(value, state[f"model.{name}"]) for name, value in weights.items())


def test_plain_clip_trains_with_one_image_and_one_text(manifest: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        manifest,
        ("data.images_per_study", 1),
        ("data.texts_per_study", 1),
        ("loss.image_image", 0),
        ("loss.text_text", 0),
    )
    train_run(recipe, tmp_path, progress=False)
    lines = log_of(tmp_path, "train")
    assert all(line["loss"] == line["image_text"] for line in lines)
    assert all("image_image" not in line and "text_text" not in line for line in lines)
    assert load(tmp_path).embed_texts(["effusion"]).shape == (1, 12)


def test_reports_and_labels_of_two_manifests_train_together(manifest: Path, tmp_path: Path) -> None:
    labels = write_tiny_manifest(tmp_path / "labels", train=5, validate=2, label_only_every=1)
    sources = [{"manifest": str(manifest)}, {"manifest": str(labels), "negatives": 2}]
    trained = train_run(
        tiny_recipe(manifest, ("data.sources", sources), ("train.epochs", 2)), tmp_path / "run", progress=False
    )
    assert trained.result.state.step == 2 * (13 // 4)
    assert trained.result.validation is not None
    assert trained.result.validation.studies == 6


def test_bf16_and_a_frozen_tower_train(manifest: Path, tmp_path: Path) -> None:
    changes = (("train.precision", "bf16"), ("train.clip_norm", 1.0), ("model.freeze", ["image.backbone"]))
    frozen = tiny_recipe(manifest, *changes)
    train_run(frozen, tmp_path, progress=False)
    start, _ = module.assemble.make_model(frozen, module.assemble.open_sources(frozen.data))
    end = checkpoint.load_run(tmp_path).model
    kept = dict(start.image.backbone.named_parameters())
    assert kept
    assert all(torch.equal(value, kept[name]) for name, value in end.image.backbone.named_parameters())
    assert not torch.equal(start.image_projection.weight, end.image_projection.weight)


def test_sixteen_studies_are_learned_by_heart(tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "data", train=16, validate=0, label_only_every=None)
    calm = {"crop_scale": [1.0, 1.0], "clahe_probability": 0.0, "brightness": 0.0, "contrast": 0.0}
    still = {"hidden_size": 32, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    recipe = tiny_recipe(
        manifest,
        ("data.augment", calm),
        ("model.image", {"architecture": IMAGE | {"hidden_sizes": [16, 32]}}),
        ("model.text", {"architecture": TEXT | still, "tokeniser": {"vocabulary_size": 200}, "pooling": "mean"}),
        ("train.batch_size", 16),
        ("train.epochs", 40),
        ("train.learning_rate", 0.01),
    )
    train_run(recipe, tmp_path / "run", progress=False)
    losses = [line["image_text"] for line in log_of(tmp_path / "run", "train")]
    assert losses[0] > 2.5
    assert losses[-1] < 1.0
    embedder, store = load(tmp_path / "run"), ImageStore(manifest)
    studies = list(read_manifest(manifest).where(split=Split.TRAIN))
    images = embedder.embed_images([store.read(study.images[0]) for study in studies])
    texts = embedder.embed_texts([study.sections["findings"] for study in studies])
    right = ((images @ texts.T).argmax(dim=1) == torch.arange(16)).float().mean()
    assert right > 0.5  # chance is 1/16


def test_another_recipe_is_refused_and_its_settings_named(manifest: Path, tmp_path: Path) -> None:
    train_run(tiny_recipe(manifest), tmp_path, progress=False)
    other = tiny_recipe(manifest, ("train.learning_rate", 0.5), ("data.max_tokens", 40))
    with pytest.raises(RecipeError) as caught:
        train_run(other, tmp_path, progress=False)
    assert "data.max_tokens: 48 there, 40 asked; train.learning_rate: 0.001 there, 0.5 asked" in str(caught.value)
    assert "name another folder" in str(caught.value)


def test_what_changes_no_weights_may_change_when_a_run_continues(manifest: Path, tmp_path: Path) -> None:
    assert set(MAY_CHANGE) == {"train.device", "train.loader_processes", "train.checkpoint_steps", "log"}
    train_run(tiny_recipe(manifest), tmp_path, progress=False)
    changed = tiny_recipe(
        manifest, ("train.loader_processes", 1), ("train.checkpoint_steps", 7), ("train.device", "auto")
    )
    changed = changed.model_copy(update={"log": LogSettings(every_steps=5)})
    assert train_run(changed, tmp_path, progress=False).result.state.step == 4


def broken_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spoil the weights in the optimiser's step, as a learning rate that is far too high does."""

    def spoil(optimiser: torch.optim.AdamW) -> None:
        with torch.no_grad():
            optimiser.param_groups[0]["params"][0].fill_(float("nan"))

    after_steps(step, spoil, monkeypatch)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe: Recipe = tiny_recipe(manifest, ("train.epochs", 4))
    with monkeypatch.context() as patched:
        broken_at(3, patched)
        with pytest.raises(TrainingError) as caught:
            train_run(recipe, tmp_path, progress=False)
    message = str(caught.value)
    assert "the loss of step 3 is not finite (image_text nan" in message
    assert "train-" in message  # the studies of the batch
    assert "A checkpoint kept before stays" in message
    assert all(bool(torch.isfinite(value).all()) for value in load_file(tmp_path / checkpoint.RESUME).values())
    assert load(tmp_path).embed_texts(["effusion"]).isfinite().all()
    assert train_run(recipe, tmp_path, progress=False).result.state.step == 8


def test_a_run_folder_that_cannot_be_written_is_told(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(TrainingError, match=r"run folder .*file/run cannot be written \(.*Not a directory.* another"):
        train_run(tiny_recipe(manifest), tmp_path / "file" / "run", progress=False)


def test_too_few_studies_for_a_batch_are_told(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"8 training studies do not fill one batch of 9: set train\.batch_size=8"):
        train_run(tiny_recipe(manifest, ("train.batch_size", 9)), tmp_path, progress=False)


def test_a_broken_checkpoint_is_told_with_its_mend(manifest: Path, tmp_path: Path) -> None:
    train_run(tiny_recipe(manifest), tmp_path, progress=False)
    (tmp_path / checkpoint.RESUME).write_bytes(b"half of a file")
    with pytest.raises(CheckpointError, match=r"resume\.safetensors cannot be continued from .* delete it to start"):
        train_run(tiny_recipe(manifest), tmp_path, progress=False)


def test_progress_is_drawn_on_the_error_stream(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_run(tiny_recipe(manifest), tmp_path)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "validation" in shown.err
