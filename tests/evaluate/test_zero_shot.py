"""Zero-shot scores: invariant to temperature, blind to what is uncertain, and listed where there is too little."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, roc_auc_score
from torch.nn.functional import normalize

from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.directions import Direction, pair_scores, prompt_embedding
from cxr_clip.evaluate.delong import area_estimate, areas
from cxr_clip.evaluate.zero_shot import (
    describe_finding,
    measure_finding,
    zero_shot_metrics,
    zero_shot_notes,
)
from cxr_clip.metrics import weighted_auroc
from cxr_clip.study import Certainty, Split, Study

PROMPT = ZeroShotPrompt("Edema", ("Edema",), ("No edema",))


def unit(*shape, seed=0):
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def direction(seed=9):
    return Direction(positive=unit(16, seed=seed), negative=unit(16, seed=seed + 1))


def said(certainties, finding="Edema"):
    return [
        Study(f"s{i}", f"p{i}", "made-up", Split.TEST, (), {}, {} if one is None else {finding: one})
        for i, one in enumerate(certainties)
    ]


def mixed(count=40, seed=0):
    kinds = [Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN, None]
    return said([kinds[i] for i in np.random.default_rng(seed).integers(0, 4, count)])


@pytest.mark.parametrize("scale", [1.0, 14.3])
def test_scores_order_studies_as_the_softmax_of_the_pair_does(scale):
    images, pair = unit(50, 16).double(), direction()
    logits = scale * torch.stack([images @ pair.positive.double(), images @ pair.negative.double()], dim=1)
    assert (np.argsort(logits.softmax(dim=1)[:, 0].numpy()) == np.argsort(pair_scores(images, pair))).all()


def test_an_ensemble_is_the_unit_mean_and_one_prompt_is_itself():
    prompts = unit(5, 16)
    mean = prompts.mean(dim=0)
    torch.testing.assert_close(prompt_embedding(prompts), mean / mean.norm())
    torch.testing.assert_close(prompt_embedding(prompts[:1]), prompts[0])


def test_only_explicit_studies_count_and_all_are_counted():
    studies = mixed()
    details = describe_finding(PROMPT, studies, min_positives=5)
    assert details.positive + details.negative + details.uncertain + details.not_mentioned == 40
    assert (details.positive_prompts, details.negative_prompts) == (("Edema",), ("No edema",))
    images, weights = unit(40, 16), np.ones((3, 40), dtype=np.uint16)
    figures = measure_finding(details, studies, images, direction(), weights, benchmark="zero_shot/standard")
    kept = [i for i, study in enumerate(studies) if study.findings.get("Edema") in ("positive", "negative")]
    labels = [studies[i].findings["Edema"] is Certainty.POSITIVE for i in kept]
    scores = pair_scores(images[kept], direction())
    assert figures.auroc.value == pytest.approx(roc_auc_score(labels, scores))
    assert figures.average_precision.value == pytest.approx(average_precision_score(labels, scores))
    assert figures.auroc.n == figures.average_precision.n == len(kept)
    assert figures.details.curve is not None


@pytest.mark.parametrize(("positives", "negatives", "measured"), [(5, 5, True), (4, 9, False), (9, 4, False)])
def test_a_finding_needs_enough_studies_of_both_classes(positives, negatives, measured):
    studies = said([Certainty.POSITIVE] * positives + [Certainty.NEGATIVE] * negatives)
    assert describe_finding(PROMPT, studies, min_positives=5).measured is measured


def test_a_finding_with_one_class_is_never_measured():
    assert not describe_finding(PROMPT, said([Certainty.POSITIVE] * 9), min_positives=0).measured


def test_macro_is_the_plain_mean_of_the_findings():
    names, figures = ("Edema", "Fracture", "Nodule"), []
    weights = np.random.default_rng(0).integers(0, 3, (50, 60)).astype(np.uint16)
    for index, name in enumerate(names):
        rng = np.random.default_rng(index)
        studies = said([Certainty.POSITIVE if has else Certainty.NEGATIVE for has in rng.random(60) < 0.4], name)
        details = describe_finding(ZeroShotPrompt(name, (name,), (f"No {name}",)), studies, min_positives=5)
        figures.append(
            measure_finding(
                details, studies, unit(60, 16, seed=index), direction(), weights, benchmark="zero_shot/standard"
            )
        )
    metrics = zero_shot_metrics(figures)
    for kind in ("auroc", "average_precision"):
        assert metrics[f"{kind}/macro"].value == pytest.approx(np.mean([metrics[f"{kind}/{n}"].value for n in names]))
        assert metrics[f"{kind}/macro"].low < metrics[f"{kind}/macro"].value < metrics[f"{kind}/macro"].high
    assert metrics["auroc/macro"].n == 3


def test_the_macro_average_of_one_finding_is_its_own_figure():
    rng = np.random.default_rng(0)
    labels, patients = np.arange(60) < 20, [f"p{i // 2}" for i in range(60)]
    scores = (rng.normal(size=60) + labels).astype(np.float32)
    figures, _ = measured_on(labels, scores, patients, rng.integers(0, 3, (50, 60)).astype(np.uint16))
    metrics = zero_shot_metrics([figures])
    for kind in ("auroc", "average_precision"):
        assert metrics[f"{kind}/macro"] == replace(metrics[f"{kind}/Edema"], n=1)


def test_no_finding_gives_no_figure():
    assert zero_shot_metrics([]) == {}


def test_notes_name_what_was_too_few_and_how_many_resamples_lost_a_class():
    studies = said([Certainty.POSITIVE] * 2 + [Certainty.NEGATIVE] * 4)
    few = describe_finding(PROMPT, studies, min_positives=3)
    enough = describe_finding(PROMPT, studies, min_positives=2)
    weights = np.array([[0, 0, 1, 1, 2, 2], [1, 1, 1, 1, 1, 1]], dtype=np.uint16)
    figures = measure_finding(enough, studies, unit(6, 16), direction(), weights, benchmark="zero_shot/standard")
    assert zero_shot_notes([], [few], min_positives=3) == (
        "Fewer than 3 studies of a class, not measured: Edema (2 positive, 4 negative).",
    )
    assert zero_shot_notes([figures], [enough], min_positives=2) == (
        "Resamples in which a class was not drawn, left out of the intervals: Edema 1.",
    )


def measured_on(labels, scores, patients, weights):
    """The figures of one finding whose scores are these: an embedding is its score beside a fixed axis."""
    studies = [
        replace(study, patient=patient)
        for study, patient in zip(
            said([Certainty.POSITIVE if label else Certainty.NEGATIVE for label in labels]), patients, strict=True
        )
    ]
    images = torch.tensor([[score, 0.0] for score in scores])
    axis = Direction(positive=torch.tensor([1.0, 0.0]), negative=torch.tensor([0.0, 1.0]))
    details = describe_finding(PROMPT, studies, min_positives=1)
    return measure_finding(details, studies, images, axis, weights, benchmark="zero_shot/standard"), details


def test_the_interval_of_an_auroc_is_delongs_by_patient():
    rng = np.random.default_rng(0)
    labels = np.arange(60) < 20
    scores, patients = (rng.normal(size=60) + labels).astype(np.float32), [f"p{i // 2}" for i in range(60)]
    figures, details = measured_on(labels, scores, patients, rng.integers(0, 3, (50, 60)).astype(np.uint16))
    wanted = area_estimate(areas(scores[None].astype(float), labels, patients))
    assert (figures.auroc.low, figures.auroc.high) == pytest.approx((wanted.low, wanted.high))
    assert not figures.bootstrapped
    assert zero_shot_notes([figures], [details], min_positives=1) == ()


@pytest.mark.parametrize(
    ("scores", "patients"),
    [
        ((3.0, 1.0, 5.0, 2.0, 4.0, 0.0), "aaadef"),
        ((1.0, 1.0, 1.0, 1.0, 1.0, 1.0), "abcdef"),
    ],
    ids=["one positive patient", "equal scores"],
)
def test_without_a_variance_the_interval_is_the_bootstraps_and_a_note_says_so(scores, patients):
    labels = np.arange(6) < 3
    weights = np.array([[1, 1, 2, 1, 1, 0], [1, 1, 1, 1, 1, 1], [2, 1, 0, 1, 0, 2]], dtype=np.uint16)
    figures, details = measured_on(labels, scores, list(patients), weights)
    low, high = np.quantile(weighted_auroc(np.array(scores), labels, weights), [0.025, 0.975])
    assert (figures.auroc.low, figures.auroc.high) == pytest.approx((low, high))
    (note,) = zero_shot_notes([figures], [details], min_positives=1)
    assert note.endswith("where one patient stands for a class, for Edema.")


@pytest.mark.parametrize(("turned", "value"), [(1, 1.0), (-1, 0.0)])
@pytest.mark.parametrize(("patients", "fewest"), [("abcdefghi", 3), ("aabdefghi", 2), ("aaadefghi", 1)])
def test_an_auroc_of_nought_or_one_is_a_share_of_the_patients_of_the_smaller_class(turned, value, patients, fewest):
    labels, weights = np.arange(9) < 3, np.ones((3, 9), dtype=np.uint16)
    figures, details = measured_on(labels, turned * np.arange(9.0)[::-1], list(patients), weights)
    wanted = binomtest(round(value * fewest), fewest).proportion_ci(0.95, method="wilson")
    assert figures.auroc.value == value
    assert (figures.auroc.low, figures.auroc.high) == pytest.approx((wanted.low, wanted.high))
    assert zero_shot_notes([figures], [details], min_positives=1) == ()
