"""A run folder gives back the model that was put in, or says what is wrong with it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cxr_clip.checkpoint import RECIPE, WEIGHTS, Run, is_run, load_run, read_run, write_run
from cxr_clip.errors import CheckpointError
from cxr_clip.model.tokeniser import tokenise
from support_models import SENTENCES, tiny_recipe, tiny_run


@pytest.fixture
def run() -> Run:
    torch.manual_seed(3)
    return tiny_run(tiny_recipe(Path("nowhere")))


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    write_run(tmp_path / "run", run)
    save_file(run.model.state_dict(), tmp_path / "run" / WEIGHTS)
    return tmp_path / "run"


def test_a_loaded_run_embeds_as_the_one_that_was_written(run: Run, folder: Path) -> None:
    loaded = load_run(folder)
    images = torch.randint(0, 255, (3, 1, 32, 32), dtype=torch.uint8)
    tokens = tokenise(run.tokeniser, SENTENCES, max_length=48)
    run.model.eval()
    with torch.no_grad():
        assert torch.equal(loaded.model.embed_images(images), run.model.embed_images(images))
        assert torch.equal(loaded.model.embed_texts(tokens), run.model.embed_texts(tokens))
    assert torch.equal(tokenise(loaded.tokeniser, SENTENCES).ids, tokens.ids)
    assert loaded.recipe == run.recipe
    assert not loaded.model.training


def test_a_folder_without_a_recipe_is_not_a_run(tmp_path: Path) -> None:
    assert not is_run(tmp_path)
    with pytest.raises(CheckpointError, match="is not a run folder"):
        read_run(tmp_path)


def test_a_run_that_never_validated_has_no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match="has not reached its first validation"):
        load_run(folder)


def test_cut_off_weights_are_named(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:100])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_run(folder)


def test_missing_and_unexpected_weights_are_named(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["extra"] = weights.pop("log_scale")
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(CheckpointError, match=r"1 missing \(log_scale\); 1 unexpected \(extra\); keep the files"):
        load_run(folder)


def test_a_weight_of_another_shape_is_named_with_both_shapes(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["text_projection.weight"] = torch.zeros(9, 16)
    save_file(weights, folder / WEIGHTS)
    words = r"1 of another shape \(text_projection\.weight has shape \(9, 16\) and not \(12, 16\)\); keep the files"
    with pytest.raises(CheckpointError, match=words):
        load_run(folder)


def test_the_recipe_is_written_last(folder: Path) -> None:
    assert is_run(folder)
    assert not list(folder.glob("*.part"))
    assert (folder / RECIPE).stat().st_mtime_ns >= (folder / "tokeniser" / "tokenizer.json").stat().st_mtime_ns
