"""A run starts from another one's weights exactly, trains on, and never needs the other one again."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from cxr_clip import assemble, checkpoint
from cxr_clip.checkpoint import load_run, read_run
from cxr_clip.embed import Embedder, load
from cxr_clip.errors import CheckpointError, CxrClipError, HubError, RecipeError
from cxr_clip.model.normalisation import Normalisation
from cxr_clip.model.tokeniser import train_tokeniser
from cxr_clip.recipe import dump_recipes
from cxr_clip.tensor_files import write_tensors
from cxr_clip.train.starting import start_from
from cxr_clip.train.train_run import make_training, train_run
from support_data import made_up_picture, write_tiny_manifest
from support_models import SENTENCES, onward, tiny_recipe, tiny_run_folder
from support_programs import run_program
from support_training import same_files, stopped_after


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_tiny_manifest(tmp_path / "own")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A run with a scale and input statistics of its own, whose studies are not here."""
    folder = tiny_run_folder(tmp_path / "old", tmp_path / "elsewhere")
    Normalisation(mean=(0.25, 0.5, 0.75), std=(0.125, 0.25, 0.5)).write(folder / "image_encoder")
    weights = load_file(folder / checkpoint.WEIGHTS) | {"log_scale": torch.tensor([3.0])}
    write_tensors(folder / checkpoint.WEIGHTS, weights, {"format": "pt"})
    return folder


def embedded(embedder: Embedder) -> Tensor:
    pictures = [made_up_picture(number) for number in range(3)]
    return torch.cat([embedder.embed_images(pictures), embedder.embed_texts(SENTENCES)])


def test_before_the_first_step_it_is_the_other_model_and_a_step_changes_it(manifest: Path, old: Path) -> None:
    recipe = onward(manifest, old, ("model.text", {"buckets": 2, "dropout": 0.5}))
    run = start_from(str(old), recipe)
    training = make_training(run, assemble.open_sources(recipe.data))
    before = load(old, device="cpu")
    assert torch.equal(embedded(Embedder(run)), embedded(before))
    assert Embedder(run).scale == before.scale
    assert run.model.buckets == 2
    next_batch = next(iter(training.batches_from(0)))
    training.model.train()(next_batch).images[0].sum().backward()
    for group in training.optimizer.param_groups:
        group["lr"] = 0.01
    training.optimizer.step()
    run.model.eval()
    assert not torch.allclose(embedded(Embedder(run)), embedded(before), atol=1e-3)


def test_a_training_goes_on_from_there(
    manifest: Path, old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    locked = {"train": "locked"}
    recipe = onward(manifest, old, ("model.image", locked), ("model.text", locked))
    train_run(recipe, tmp_path / "new")
    assert f"towers, tokeniser, projections and scale are those of {old}\n" in capsys.readouterr().err
    new, before = load_run(tmp_path / "new"), load_run(old)
    kept = [
        name for name, value in new.model.state_dict().items() if torch.equal(value, before.model.state_dict()[name])
    ]
    assert set(kept) == {name for name in new.model.state_dict() if name.startswith(("image.", "text."))}
    assert torch.equal(new.model.image.mean, before.model.image.mean)
    assert new.tokeniser.get_vocab() == before.tokeniser.get_vocab()
    assert float(new.model.log_scale.detach()) == pytest.approx(3.0, abs=0.1)  # our own start would be 2.66
    assert (new.recipe, new.started_from) == (recipe, (before.recipe,))


def test_it_continues_exactly_when_the_other_run_is_gone(
    manifest: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = onward(manifest, old, ("train.checkpoint_steps", 1)), tmp_path / "run"
    train_run(recipe, tmp_path / "straight", progress=False)
    with monkeypatch.context() as patched:
        stopped_after(3, patched)
        with pytest.raises(KeyboardInterrupt):
            train_run(recipe, run, progress=False)
    shutil.rmtree(old)
    train_run(recipe, run, progress=False)
    for name in (checkpoint.WEIGHTS, checkpoint.RESUME):
        assert same_files(tmp_path / "straight" / name, run / name)
    assert load(run, device="cpu").started_from == read_run(tmp_path / "straight").started_from


def test_adapters_begin_as_the_seed_has_it(manifest: Path, old: Path) -> None:
    recipe = onward(manifest, old, ("model.text", {"lora": {"rank": 2}}))
    sources = assemble.open_sources(recipe.data)
    one, other = (make_training(start_from(str(old), recipe), sources).model.state_dict() for _ in range(2))
    assert any("lora_A" in name for name in one)
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_start_is_made_again_before_the_first_checkpoint(
    manifest: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = onward(manifest, old), tmp_path / "run"
    with monkeypatch.context() as patched:
        stopped_after(1, patched)
        with pytest.raises(KeyboardInterrupt):
            train_run(recipe, run, progress=False)
    assert not (run / checkpoint.RESUME).exists()
    away = old.rename(tmp_path / "away")
    with pytest.raises(
        CheckpointError,
        match=r"run has no checkpoint yet, so it starts again from .*old, which cannot be read \(.*old is not a run "
        r"folder .*\): put that model back, or name another folder for another start",
    ):
        train_run(recipe, run, progress=False)
    away.rename(old)
    train_run(recipe, run, progress=False)
    assert load(run, device="cpu").started_from == (read_run(old).recipe,)


def test_several_workers_start_from_one_model_or_not_at_all(manifest: Path, old: Path, tmp_path: Path) -> None:
    for rank in range(2):
        for name in ("alike", "unlike", "past"):
            shutil.copytree(old, tmp_path / str(rank) / name)
        earlier = tiny_recipe(tmp_path / f"manifest {rank}")
        (tmp_path / str(rank) / "past" / checkpoint.STARTED_FROM).write_text(dump_recipes([earlier]))
        text = tmp_path / str(rank) / "text"
        load_run(old).model.text.backbone.save_pretrained(str(text))
        train_tokeniser(SENTENCES[: 3 + rank], vocabulary_size=120, lowercase=True).save_pretrained(str(text))
    words = train_tokeniser(SENTENCES[:3], vocabulary_size=200, lowercase=True)
    words.save_pretrained(str(tmp_path / "1" / "unlike" / "tokeniser"))
    run_program("support_starting_workers.py", tmp_path, manifest)


def test_a_third_run_knows_of_the_first(manifest: Path, old: Path, tmp_path: Path) -> None:
    train_run(onward(manifest, old), tmp_path / "second", progress=False)
    third = start_from(str(tmp_path / "second"), onward(manifest, tmp_path / "second"))
    checkpoint.write_run(tmp_path / "third", third)
    first, second = (read_run(folder).recipe for folder in (old, tmp_path / "second"))
    assert read_run(tmp_path / "third").started_from == (second, first)


def test_pictures_may_have_another_size_and_texts_another_length(manifest: Path, old: Path, tmp_path: Path) -> None:
    recipe = onward(manifest, old, ("data.image_size", 48), ("data.max_tokens", 64))
    train_run(recipe, tmp_path / "new", progress=False)
    assert load(tmp_path / "new", device="cpu").recipe.data.image_size == 48


@pytest.mark.parametrize(
    ("change", "mend"),
    [
        (
            ("model.text", {"pooling": "cls"}),
            r"model\.text\.pooling is cls, but .*old was trained with eos: set .*=eos",
        ),
        (("model.image", {"pooling": "pooled"}), r"model\.image\.pooling is pooled, .* with mean: set .*=mean"),
        (("model.embedding_size", 16), r"is 16, but .* trained with 12: set model\.embedding_size=12"),
        (("data.max_tokens", 65), r"data\.max_tokens=65 is more than .* takes: set data\.max_tokens=64 or less"),
    ],
)
def test_a_recipe_that_does_not_fit_is_told_what_to_give(
    change: tuple[str, object], mend: str, manifest: Path, old: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=mend):
        train_run(onward(manifest, old, change), tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()


def test_all_that_does_not_fit_is_told_at_once(manifest: Path, old: Path) -> None:
    recipe = onward(manifest, old, ("model.text", {"pooling": "mean"}), ("model.embedding_size", 16))
    with pytest.raises(RecipeError, match=r"set model\.text\.pooling=eos; model\.embedding_size is 16"):
        start_from(str(old), recipe)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("no/where", HubError, "'no/where' is neither a folder here nor a model on the hub"),
        ("own", CheckpointError, "own is not a run folder"),
        ("begun", CheckpointError, "has not reached its first validation"),
    ],
)
def test_what_is_no_trained_run_is_told(
    name: str, error: type[CxrClipError], words: str, manifest: Path, old: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    shutil.copytree(old, "begun", ignore=shutil.ignore_patterns(checkpoint.WEIGHTS))
    with pytest.raises(error, match=words):
        train_run(onward(manifest, Path(name)), tmp_path / "new", progress=False)


def test_a_run_does_not_start_from_its_own_folder(manifest: Path, old: Path) -> None:
    with pytest.raises(RecipeError, match=r"old holds a run of another recipe .*: name another folder"):
        train_run(onward(manifest, old, ("data.max_tokens", 48)), old, progress=False)
