"""What is unlike the known images is refused, and one in a hundred of those that are like them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cxr_clip.calibration import hash_weights
from cxr_clip.checkpoint import WEIGHTS
from cxr_clip.errors import CheckpointError
from cxr_clip.reference import REFERENCE, fit_reference, read_reference, write_reference


def cloud(count: int, seed: int) -> torch.Tensor:
    """Numbers of known covariance, far from the origin."""
    mixed = torch.tensor([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [0.0, 0.0, 0.1]])
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)) @ mixed + torch.tensor([5.0, -3.0, 1.0])


def test_the_distance_is_that_of_mahalanobis() -> None:
    known = cloud(20_000, 0)
    reference = fit_reference(known, cloud(100, 1), weights="w")
    inverse = np.linalg.inv(np.cov(known.double().numpy().T))
    others = cloud(50, 2).double().numpy() * 1.5
    offsets = others - known.double().numpy().mean(axis=0)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", offsets, inverse, offsets))
    np.testing.assert_allclose(reference.distances(torch.from_numpy(others)), expected, rtol=2e-2)


def test_one_in_a_hundred_of_the_checked_is_refused() -> None:
    checked = cloud(1000, 1)
    reference = fit_reference(cloud(2000, 0), checked, weights="w")
    doubts = reference.doubts(checked)
    assert sum(map(bool, doubts)) == 10
    assert (reference.fitted, reference.checked) == (2000, 1000)
    off = torch.tensor([[5.0, -3.0, 2.0]])
    ((doubt,),) = reference.doubts(off)
    far, limit = float(reference.distances(off)[0]), reference.limit
    assert (
        doubt
        == f"it is unlike the images that the model knows (distance {far:.1f}, 99% of them are within {limit:.1f})"
    )
    assert reference.doubts(torch.tensor([[5.0, -3.0, 1.0]])) == [()]


def test_fewer_images_than_dimensions_still_give_a_distance() -> None:
    known = torch.nn.functional.normalize(torch.randn(20, 64, generator=torch.Generator().manual_seed(3)), dim=1)
    reference = fit_reference(known[:12], known[12:], weights="w")
    assert torch.isfinite(reference.distances(known)).all()
    with pytest.raises(CheckpointError, match="12 training and 0 validation images"):
        fit_reference(known[:12], known[:0], weights="w")


def test_a_reference_belongs_to_its_weights(tmp_path: Path) -> None:
    assert read_reference(tmp_path) is None
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    reference = fit_reference(cloud(50, 0), cloud(50, 1), weights=hash_weights(tmp_path))
    write_reference(tmp_path, reference)
    found = read_reference(tmp_path)
    assert found is not None
    assert torch.equal(found.whitening, reference.whitening)
    assert (found.limit, found.weights, found.fitted) == (reference.limit, reference.weights, 50)
    (tmp_path / WEIGHTS).write_bytes(b"others")
    with pytest.raises(CheckpointError, match="belongs to other weights than the folder holds now: run `cxr-clip ref"):
        read_reference(tmp_path)
    save_file({"mean": torch.zeros(1)}, tmp_path / REFERENCE)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_reference(tmp_path)


@pytest.mark.filterwarnings("error")
def test_features_that_are_all_the_same_are_refused() -> None:
    same = torch.randn(1, 16, generator=torch.Generator().manual_seed(0)).expand(40, 16)
    noise = 1e-7 * torch.randn(40, 16, generator=torch.Generator().manual_seed(1))
    for known in (same, same + noise, torch.zeros(40, 16)):
        with pytest.raises(CheckpointError, match="the same feature"):
            fit_reference(known, same[:4], weights="w")
