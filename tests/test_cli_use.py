"""A trained model in use, by the commands."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cxr_clip.checkpoint import WEIGHTS, write_run
from cxr_clip.embed_manifest import STUDIES_IN_PART
from cxr_clip.embeddings_file import read_embeddings
from support_data import write_tiny_manifest
from support_models import tiny_recipe, tiny_run
from support_programs import environment

Command = Callable[..., int]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"))


@pytest.fixture(scope="module")
def run(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(4)
    one = tiny_run(tiny_recipe(manifest))
    write_run(folder, one)
    save_file(one.model.state_dict(), folder / WEIGHTS)
    return folder


def test_a_manifest_is_embedded(
    command: Command, run: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("embed", run, manifest, "all.parquet", "--split", "test", "--device", "cpu", "--quiet") == 0
    assert (
        "all.parquet: 12 image, 4 findings, 4 impression embeddings of 12 numbers (float16)" in capsys.readouterr().out
    )
    assert command("embed", run, manifest, "all.parquet", "--float32") == 2
    assert "all.parquet has embeddings of another precision (float16 there, float32 asked), split" in (
        capsys.readouterr().err
    )


def test_two_workers_write_the_file_of_one(command: Command, run: Path, tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "manifest", train=STUDIES_IN_PART + 2)  # a part for each
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "cxr_clip"]
    ended = subprocess.run(
        [*program, "embed", run, manifest, tmp_path / "two.parquet", "--float32", "--device", "cpu"],
        env=environment() | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("embeddings of 12 numbers") == 1
    assert command("embed", run, manifest, "one.parquet", "--float32", "--device", "cpu", "--quiet") == 0
    one, two = read_embeddings(tmp_path / "one.parquet"), read_embeddings(tmp_path / "two.parquet")
    torch.testing.assert_close(one.values, two.values)
    assert one.about.equals(two.about)
