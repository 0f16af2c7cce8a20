"""Every signature of failure is provoked by a training or by embeddings that truly fail so; a healthy run has none."""

import functools
import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cxr_clip.directions import Direction, pair_scores
from cxr_clip.losses import LossWeights
from cxr_clip.metrics import auroc
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.freezing import trainable_groups
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.model.tokeniser import tokenise, train_tokeniser
from cxr_clip.ranking import recall_at, target_ranks
from cxr_clip.tensors import Batch
from cxr_clip.train.monitor import Monitor
from cxr_clip.train.optim import adamw
from cxr_clip.train.signatures import IN_A_ROW, PLATEAU_VALIDATIONS, flatness
from cxr_clip.train.training import Training
from support_models import IMAGE, TEXT
from support_training import run, tiny_training

STUDIES, STEPS, EPOCH = 16, 45, 20
PLACES = [(x, y, size) for x in (8, 24) for y in (6, 16, 26) for size in (3, 5, 7)][:STUDIES]
TEXTS = [
    f"a {size} shadow in the {side} {zone}"
    for side in ("right", "left")
    for zone in ("apex", "middle", "base")
    for size in ("small", "medium", "large")
][:STUDIES]
TOKENISER = train_tokeniser(TEXTS, vocabulary_size=200, lowercase=True)
STILL = {"hidden_size": 32, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
Warning_ = dict[str, object]


def picture(number: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng((number, seed)).integers(0, 60, (32, 32)).astype(np.uint8)
    x, y, size = PLACES[number]
    return cv2.circle(noise, (x, y), size, 255, -1)


def batch_of(texts: list[str], *, seed: int = 0) -> Batch:
    """Sixteen studies: two noisy pictures of a shadow each, and the text twice."""
    views = [np.stack([picture(number, seed + view) for number in range(STUDIES)])[:, None] for view in (0, 1)]
    tokens = tokenise(TOKENISER, texts, max_length=48)
    names = tuple(map(str, range(STUDIES)))
    return Batch(images=tuple(map(torch.from_numpy, views)), texts=(tokens, tokens), study_ids=names)


def training(batches: Callable[[], Iterator[Batch]], *, rate: float = 0.01, temperature: float = 0.07) -> Training:
    torch.manual_seed(0)
    model = DualEncoder(
        image_encoder_from_architecture(IMAGE | {"hidden_sizes": [16, 32]}, pooling="mean"),
        text_encoder_from_architecture({**TEXT, **STILL, "vocab_size": len(TOKENISER)}, pooling="mean"),
        dim=12,
        temperature=temperature,
    )
    start = tiny_training()
    pace = replace(start.pace, total_steps=STEPS, steps_per_epoch=EPOCH, checkpoint_steps=STEPS)
    return replace(
        start,
        model=model,
        optimizer=adamw(trainable_groups(model, weight_decay=0.0), learning_rate=rate),
        learning_rate=lambda _step: rate,
        batches_from=lambda step: itertools.islice(batches(), STEPS - step),
        validation_batches=None,
        pace=pace,
    )


@functools.cache
def healthy_batch(step: int) -> Batch:
    return batch_of(TEXTS, seed=2 * step)


def healthy_batches() -> Iterator[Batch]:
    return map(healthy_batch, range(STEPS))


def unrelated_batches() -> Iterator[Batch]:
    for step, batch in enumerate(healthy_batches()):
        other = torch.randperm(STUDIES, generator=torch.Generator().manual_seed(step))
        yield replace(batch, images=(batch.images[0], batch.images[1][other]))


def log_of(folder: Path, kind: str) -> list[Warning_]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def warned(one: Training, folder: Path) -> list[str]:
    run(one, folder)
    return [str(line["signature"]) for line in log_of(folder, "warning")]


def test_a_healthy_run_has_the_figures_and_no_warning(tmp_path: Path) -> None:
    assert warned(training(healthy_batches), tmp_path) == []
    lines = log_of(tmp_path, "train")
    assert lines[-1]["image_text"] < 0.7 * lines[0]["image_text"]
    names = ("mean_cosine", "effective_rank", "uniformity", "alignment", "own_share")
    for name in ("alignment", "centroid_gap", *(f"{side}_{one}" for side in ("image", "text") for one in names)):
        assert all(name in line for line in lines)
    assert lines[-1]["alignment"] < lines[0]["alignment"]


def test_one_text_for_all_studies_collapses_the_texts_and_leaves_them_behind(tmp_path: Path) -> None:
    same = [TEXTS[0]] * STUDIES
    found = warned(training(lambda: (batch_of(same, seed=2 * step) for step in itertools.count())), tmp_path)
    assert "collapse of the texts" in found
    assert "texts stay together" in found
    line = next(line for line in log_of(tmp_path, "warning") if line["signature"] == "collapse of the texts")
    assert "mean cosine of 1.000" in line["says"]
    assert "look at the texts" in line["advice"]
    assert line["epoch"] > 1


def test_a_temperature_that_pairs_of_other_studies_keep_low_is_told(tmp_path: Path) -> None:
    def shuffled() -> Iterator[Batch]:
        for step in itertools.count():
            yield batch_of(list(np.random.default_rng(step).permutation(TEXTS)))

    plain = LossWeights(image_text=1.0, image_image=0.0, text_text=0.0)
    one = replace(training(shuffled, temperature=0.65), weights=plain)
    assert "temperature falling" in warned(one, tmp_path)


def test_a_scale_that_wants_to_rise_further_stands_at_its_limit(tmp_path: Path) -> None:
    one = training(lambda: itertools.repeat(healthy_batch(0)))
    (tmp_path / "learning").mkdir()
    run(one, tmp_path / "learning")
    with torch.no_grad():
        one.model.log_scale.fill_(math.log(101))
    assert warned(replace(one, learning_rate=lambda _step: 1e-4), tmp_path) == ["temperature at its limit"]


def test_towers_that_never_learn_from_each_other_keep_their_gap(tmp_path: Path) -> None:
    one = training(healthy_batches, rate=0.001)
    with torch.no_grad():
        for side, sign in ((one.model.image_projection, 1.0), (one.model.text_projection, -1.0)):
            side.bias.copy_(torch.full_like(side.bias, 3.0 * sign))
    apart = replace(one, weights=LossWeights(image_text=0.0))
    assert "gap between modalities" in warned(apart, tmp_path)


def test_a_dominating_term_is_named_when_auroc_stands_still(tmp_path: Path) -> None:
    # Two images of a "study" that are not of one patient: ICL is never done with them.
    strangers = replace(training(unrelated_batches), weights=LossWeights(image_image=50.0))
    found = {}
    for name, one in (("plain", training(healthy_batches)), ("icl", strangers)):
        (tmp_path / name).mkdir()
        run(one, tmp_path / name)
        monitor = Monitor(max_scale=100.0)
        monitor.replay(log_of(tmp_path / name, "train"))
        areas = [0.5, 0.61, *[0.612] * PLATEAU_VALIDATIONS]
        told = [monitor.validation(0.2 + 0.4 * number, {"auroc": area}) for number, area in enumerate(areas)]
        found[name] = [[failure.signature for failure in several] for several in told]
    assert found["plain"] == [[]] * len(areas)
    assert found["icl"] == [*[[]] * (len(areas) - 1), ["AUROC plateau, ICL dominates"]]


@pytest.mark.parametrize(("reports_match", "wanted"), [(False, ["low retrieval"]), (True, [])])
def test_findings_without_reports_are_told(reports_match: bool, wanted: list[str]) -> None:
    draw = torch.Generator().manual_seed(0)
    has = torch.arange(200) % 2 == 0
    finding = normalize(torch.randn(32, generator=draw), dim=0)
    own = torch.randn(200, 32, generator=draw) / 6
    images = normalize(own + torch.where(has[:, None], finding, -finding), dim=1)
    reports = images if reports_match else normalize(torch.randn(200, 32, generator=draw), dim=1)
    ranks = target_ranks(images, reports, np.arange(200))
    area = auroc(pair_scores(images, Direction(finding, -finding)), has.numpy())
    assert area > 0.95
    figures = {"auroc": area, "recall_at_10": recall_at(ranks, 10), "texts": 200.0}
    assert [one.signature for one in Monitor(max_scale=100.0).validation(3.0, figures)] == wanted


def moment(cosine: float) -> dict[str, float]:
    sides = {"mean_cosine": cosine, "effective_rank": 12.0, "uniformity": -2.0}
    figures = {f"{side}_{name}": value for side in ("image", "text") for name, value in sides.items()}
    return figures | {"studies": 64.0, "directions": 64.0, "scale": 14.0, "centroid_gap": 0.5}


def test_a_warning_is_told_once_and_again_only_when_it_comes_back() -> None:
    monitor = Monitor(max_scale=100.0)
    bad, good = moment(0.99), moment(0.1)
    cosines = [bad] * 8 + [good] + [bad] * 5 + [good] * 5 + [bad] * IN_A_ROW
    told = [bool(monitor.learning(2 + number / 10, one)) for number, one in enumerate(cosines)]
    assert [number for number, one in enumerate(told) if one] == [IN_A_ROW - 1, len(cosines) - 1]


@pytest.mark.parametrize("stop", [1, 4, 9, 20])
def test_a_continued_run_warns_as_one_never_stopped(stop: int) -> None:
    moments = [moment(0.99 if 3 < number % 14 < 10 else 0.1) for number in range(40)]
    straight, before, after = (Monitor(max_scale=100.0) for _ in range(3))
    epochs = [1 + number / 7 for number in range(40)]
    wanted = [straight.learning(epoch, one) for epoch, one in zip(epochs, moments, strict=True)]
    entries = []
    for epoch, one in list(zip(epochs, moments, strict=True))[:stop]:
        before.learning(epoch, one)
        entries.append({"kind": "train", "step": 1, "epoch": round(epoch, 4), **one})
    after.replay(entries)
    rest = [after.learning(epoch, one) for epoch, one in list(zip(epochs, moments, strict=True))[stop:]]
    assert rest == wanted[stop:]
    assert any(wanted)


def test_the_first_epoch_and_small_batches_are_left_alone(tmp_path: Path) -> None:
    monitor = Monitor(max_scale=100.0)
    assert not any(monitor.learning(number / 10, moment(0.99)) for number in range(10))
    run(tiny_training(), tmp_path)  # batches of four
    assert not any("mean_cosine" in str(line) for line in log_of(tmp_path, "train"))


def test_flatness_is_one_without_contrast_and_falls_with_the_scale() -> None:
    assert flatness(0.0, 128) == pytest.approx(1.0)
    assert flatness(2.5, 128) == pytest.approx(0.5, abs=0.01)
    assert flatness(14.3, 128) < 1e-4


def test_switched_off_it_says_nothing(tmp_path: Path) -> None:
    same = batch_of([TEXTS[0]] * STUDIES)
    assert warned(replace(training(lambda: itertools.repeat(same)), monitored=False), tmp_path) == []
    assert "text_mean_cosine" not in log_of(tmp_path, "train")[-1]
