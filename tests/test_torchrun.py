"""The real command under torchrun: one run folder, one summary, one message where something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from cxr_clip import checkpoint
from cxr_clip.data.manifest import read_manifest
from cxr_clip.recipe import Recipe
from cxr_clip.study import Split
from cxr_clip.train.train_run import train_run
from support_data import write_tiny_manifest
from support_models import IMAGE, TEXT, tiny_recipe
from support_programs import environment


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"))


def still(manifest: Path) -> Recipe:
    """A recipe without dropout, whose numbers do not depend on the number of workers."""
    text = {"architecture": TEXT, "tokeniser": {"vocabulary_size": 200}, "dropout": 0.0}
    return tiny_recipe(manifest, ("model.text", text), ("model.image", {"architecture": IMAGE}))


def torchrun(recipe: Recipe, folder: Path) -> "subprocess.CompletedProcess[str]":
    path = folder.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "cxr_clip"]
    return subprocess.run(
        [*program, "train", path, folder],
        env=environment() | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / checkpoint.METRICS).read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] in ("train", "validate")]


def test_two_workers_write_the_run_of_one(manifest: Path, tmp_path: Path) -> None:
    ended = torchrun(still(manifest), tmp_path / "two")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("4 steps in") == ended.stdout.count("next: cxr-clip evaluate") == 1
    train_run(still(manifest), tmp_path / "one", progress=False)
    # In single precision AdamW makes whole steps out of the rounding of gradients that are nearly nothing.
    assert losses(tmp_path / "two")[0] == pytest.approx(losses(tmp_path / "one")[0], abs=1e-5)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=2e-2)
    one, two = (load_file(tmp_path / name / checkpoint.WEIGHTS) for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(torch.allclose(value, two[name], atol=5e-3) for name, value in one.items())


def test_a_mistake_that_one_worker_meets_is_told_once(tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "manifest")
    spoiled = list(read_manifest(manifest).where(split=Split.TRAIN))[2].images[0]
    assert spoiled.stored is not None
    with (manifest / spoiled.stored.shard).open("r+b") as shard:
        shard.seek(spoiled.stored.offset)
        shard.write(b"\0" * spoiled.stored.length)
    ended = torchrun(still(manifest), tmp_path / "run")
    told = [line for line in ended.stderr.splitlines() if line.startswith("cxr-clip: ")]
    assert len(told) == 1
    assert "study 'train-2' of made-up" in told[0]
    assert "exitcode: 2" in ended.stderr
    assert "[rank" not in ended.stderr  # no trace of a worker


def test_a_mistake_that_all_workers_meet_is_told_once(tmp_path: Path) -> None:
    ended = torchrun(tiny_recipe(tmp_path / "nowhere"), tmp_path / "run")
    told = [line for line in ended.stderr.splitlines() if line.startswith("cxr-clip: ")]
    assert len(told) == 1
    assert "nowhere" in told[0]
    assert not (tmp_path / "run").exists()
