"""A trained run knows the images of its manifests, and learns them anew only for new weights."""

from pathlib import Path

import pytest
import torch

from cxr_clip import make_reference as module
from cxr_clip.checkpoint import WEIGHTS, load_run
from cxr_clip.embed import load
from cxr_clip.errors import CheckpointError
from cxr_clip.make_reference import make_reference, reference_of_run
from cxr_clip.reference import REFERENCE
from cxr_clip.tensor_files import save_weights
from support_data import write_tiny_manifest
from support_models import tiny_run_folder


def test_a_run_is_looked_at_once_for_its_weights(tmp_path: Path) -> None:
    run = tiny_run_folder(tmp_path / "run", write_tiny_manifest(tmp_path / "data"))
    first = reference_of_run(run)
    assert first is not None
    written = (run / REFERENCE).stat().st_mtime_ns
    again = reference_of_run(run)
    assert again is not None
    assert again.weights == first.weights
    assert (run / REFERENCE).stat().st_mtime_ns == written
    model = load_run(run).model
    torch.nn.init.ones_(model.image_projection.bias)
    save_weights(run / WEIGHTS, model)
    renewed = reference_of_run(run)
    assert renewed is not None
    assert renewed.weights != first.weights
    (run / WEIGHTS).unlink()
    assert reference_of_run(run) is None


def test_without_validation_studies_there_is_none(tmp_path: Path) -> None:
    data = write_tiny_manifest(tmp_path / "data", validate=0)
    run = tiny_run_folder(tmp_path / "run", data)
    assert reference_of_run(run) is None
    with pytest.raises(CheckpointError, match="training and 0 validation images do not say what is usual"):
        make_reference(load(run, device="cpu"), run, [data])
    assert not (run / REFERENCE).exists()


def test_studies_are_drawn_evenly_over_manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_tiny_manifest(tmp_path / "first", train=9, validate=3)
    second = write_tiny_manifest(tmp_path / "second", train=3, validate=3)
    run = tiny_run_folder(tmp_path / "run", first)
    told: list[tuple[int, int]] = []
    drawn: list[str] = []
    read = module.ImageStore.read

    def noting(store: module.ImageStore, image: object) -> object:
        drawn.append(f"{store.root.name}/{image.path.split('/')[0]}")  # type: ignore[attr-defined]
        return read(store, image)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "MAX_STUDIES", 4)
    monkeypatch.setattr(module.ImageStore, "read", noting)
    found = make_reference(load(run, device="cpu"), run, [first, second], advance=lambda *done: told.append(done))
    expected = {f"first/train-{number}" for number in (0, 3, 7)} | {"second/train-2"}
    expected |= {f"first/validate-{number}" for number in (0, 1)} | {"second/validate-0", "second/validate-2"}
    assert set(drawn) == expected
    assert told[-1] == (len(drawn), len(drawn)) == (found.fitted + found.checked,) * 2
