"""Studies with rare findings come more often: how often, in which order, and never twice in a batch."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_clip.data.batching import TrainingOrder
from cxr_clip.data.manifest import SCHEMA
from cxr_clip.data.rare_draws import drawn_epoch, draws_of_an_epoch, draws_of_studies, rarest_shares
from cxr_clip.distributed import Workers
from cxr_clip.errors import TrainingError
from cxr_clip.train.train_run import train_run
from support_data import write_tiny_manifest
from support_models import tiny_recipe
from support_training import same_files

COMMON, RARE, NONE = {"Edema": "positive", "Mass": "negative"}, {"Edema": "positive", "Mass": "positive"}, {}
# Three manifests: 6 studies with edema, one of them with a mass too, and 4 without anything.
FOUND = [[COMMON] * 3, [RARE, NONE, {"Mass": "uncertain"}], [COMMON, COMMON, NONE, NONE]]


def tables(found=FOUND):
    kind = SCHEMA.field("findings").type
    return [pa.table({"findings": pa.array([list(one.items()) for one in part], kind)}) for part in found]


def test_the_share_of_a_study_is_that_of_its_rarest_positive_finding() -> None:
    assert rarest_shares(tables()).tolist() == [0.6, 0.6, 0.6, 0.1, 0.4, 0.4, 0.6, 0.6, 0.4, 0.4]


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_draws_are_in_proportion_to_the_power_of_the_share(exponent: float) -> None:
    shares = rarest_shares(tables())
    draws = draws_of_an_epoch(shares, exponent=exponent, most=8)
    assert draws.sum() == pytest.approx(10)
    assert draws[3] / draws[0] == pytest.approx(6**exponent)
    assert draws[4] / draws[0] == pytest.approx(1.5**exponent)


@given(st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=60), st.floats(0.1, 1.0), st.integers(2, 6))
def test_an_epoch_is_as_long_as_ever_and_no_study_comes_too_often(
    found: list[float], exponent: float, most: int
) -> None:
    draws = draws_of_an_epoch(np.array(found), exponent=exponent, most=most)
    assert draws.sum() == pytest.approx(len(found))
    assert draws.max() <= most + 1e-9
    studies, copies = drawn_epoch(draws, np.random.default_rng(0))
    assert len(studies) == len(copies) == len(found)
    times = np.bincount(studies, minlength=len(found))
    assert (times >= np.floor(draws - 1e-9)).all()
    assert (times <= np.ceil(draws + 1e-9)).all()
    for study in np.unique(studies):
        assert copies[studies == study].tolist() == list(range(times[study]))


def test_over_many_epochs_a_study_comes_as_often_as_it_should() -> None:
    draws = draws_of_an_epoch(rarest_shares(tables()), exponent=1.0, most=8)
    epochs = [np.bincount(drawn_epoch(draws, np.random.default_rng(seed))[0], minlength=10) for seed in range(2000)]
    assert np.mean(epochs, axis=0) == pytest.approx(draws, abs=0.05)


def order(**changes: object) -> TrainingOrder:
    draws = draws_of_an_epoch(np.geomspace(0.001, 0.5, 200), exponent=0.5, most=5)
    settings = {"batch_size": 16, "seed": 3, "total_steps": 30, "draws": draws}
    return TrainingOrder(200, **{**settings, **changes})  # type: ignore[arg-type]


def test_no_study_meets_itself_in_a_batch() -> None:
    batches = [[key.study for key in batch] for batch in order(total_steps=240)]
    assert all(len(set(batch)) == len(batch) for batch in batches)
    assert len(batches[0]) == 16


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    whole = list(order())
    assert order().steps_per_epoch == 12
    assert list(order(start_step=17)) == whole[17:]
    assert list(order(seed=4)) != whole
    assert [key.study for key in whole[0]] != [key.study for key in whole[12]]
    shares = [list(order(workers=Workers(rank, 3))) for rank in range(3)]
    assert [[key for share in batch for key in share] for batch in zip(*shares, strict=True)] == whole


def test_what_would_change_nothing_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"no training study of data\.sources has a positive finding that others"):
        draws_of_studies(tables([[NONE] * 40]), exponent=0.5, most=8, batch_size=4)
    with pytest.raises(TrainingError, match="10 training studies fill fewer than four batches of 3"):
        draws_of_studies(tables(), exponent=0.5, most=8, batch_size=3)


@pytest.mark.filterwarnings("ignore:Module cxr_clip was previously imported")  # what coverage says in a fork
def test_a_run_draws_the_same_in_any_number_of_processes(tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "manifest", train=9)
    changes = ("train.batch_size", 2), ("data.rare_sampling", {"exponent": 1.0, "most_draws": 2})
    recipe = tiny_recipe(manifest, *changes)
    train_run(recipe, tmp_path / "straight", progress=False)
    in_processes = tiny_recipe(manifest, *changes, ("train.loader_processes", 2))
    train_run(in_processes, tmp_path / "other", progress=False)
    assert same_files(tmp_path / "straight" / "weights.safetensors", tmp_path / "other" / "weights.safetensors")
    train_run(tiny_recipe(manifest, changes[0]), tmp_path / "uniform", progress=False)
    assert not same_files(tmp_path / "straight" / "weights.safetensors", tmp_path / "uniform" / "weights.safetensors")
