"""Runs with the options for small machines: what they keep is an ordinary run, and they are continued exactly."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cxr_clip import checkpoint
from cxr_clip.embed import load
from cxr_clip.errors import MissingPackageError
from cxr_clip.recipe import Recipe
from cxr_clip.train.train_run import train_run
from support_data import write_tiny_manifest
from support_models import IMAGE, TEXT, tiny_recipe

pytest.importorskip("peft")


def low_resource(manifest: Path) -> Recipe:
    """The last stage of the image tower, adapters in the text tower, activations twice, averaged weights."""
    image = {"architecture": IMAGE, "train": 1, "gradient_checkpointing": True}
    adapters = {"rank": 2, "dropout": 0.1}
    tokeniser = {"vocabulary_size": 200}
    text = {"architecture": TEXT, "tokeniser": tokeniser, "lora": adapters, "gradient_checkpointing": True}
    return tiny_recipe(
        manifest,
        ("model.image", image),
        ("model.text", text),
        ("train.average", {"decay": 0.9}),
        ("train.checkpoint_steps", 1),
    )


def test_a_run_of_all_of_them_is_continued_exactly_and_loads_without_peft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = low_resource(write_tiny_manifest(tmp_path / "manifest"))
    train_run(recipe, tmp_path / "straight", progress=False)
    step, calls = torch.optim.AdamW.step, []

    def stopping(self: torch.optim.AdamW) -> None:
        step(self)
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.AdamW, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_run(recipe, tmp_path / "stopped", progress=False)
    train_run(recipe, tmp_path / "stopped", progress=False)
    for name in (checkpoint.RESUME, checkpoint.WEIGHTS):
        straight, stopped = (load_file(tmp_path / folder / name) for folder in ("straight", "stopped"))
        assert straight.keys() == stopped.keys()
        assert all(torch.equal(value, stopped[key]) for key, value in straight.items())
    monkeypatch.setitem(sys.modules, "peft", None)
    assert load(tmp_path / "stopped", device="cpu").embed_texts(["The lungs are clear."]).shape == (1, 12)


def test_what_to_install_is_told_before_anything_is_read_or_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingPackageError, match=r"cxr-clip\[lora\]"):
        train_run(low_resource(Path("nowhere")), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("chunks", [(), (("train.chunk_size", 2),)])
def test_a_run_that_computes_activations_again_ends_with_the_same_weights(
    tmp_path: Path, chunks: tuple[tuple[str, object], ...]
) -> None:
    """With dropout, batch normalisation that trains, and batches whole or in chunks."""
    manifest = write_tiny_manifest(tmp_path / "manifest")
    again = {"gradient_checkpointing": True}
    text = {"architecture": TEXT, "tokeniser": {"vocabulary_size": 200}}
    towers = (("model.image", {"architecture": IMAGE, **again}), ("model.text", {**text, **again}))
    for name, changes in (("plain", chunks), ("again", (*chunks, *towers))):
        train_run(tiny_recipe(manifest, *changes), tmp_path / name, progress=False)
    plain, other = (load_file(tmp_path / name / checkpoint.RESUME) for name in ("plain", "again"))
    assert plain.keys() == other.keys()
    assert all(torch.equal(value, other[key]) for key, value in plain.items())


def test_all_of_them_train_a_batch_in_chunks(tmp_path: Path) -> None:
    recipe = low_resource(write_tiny_manifest(tmp_path / "manifest"))
    chunked = recipe.model_copy(update={"train": recipe.train.model_copy(update={"chunk_size": 2})})
    assert train_run(chunked, tmp_path / "run", progress=False).result.state.step == 4
    assert load(tmp_path / "run", device="cpu").dim == 12
