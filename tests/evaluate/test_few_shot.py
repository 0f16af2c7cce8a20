"""Few-shot learning on pictures where a finding is a bright block: what learns, what chooses, what is reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from cxr_clip.embed import Embedder
from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.benchmark_table import FINE_TUNE, PROBE
from cxr_clip.evaluate.benchmarks import measure
from cxr_clip.evaluate.contract import Benchmark, FewShotTask, Learner
from cxr_clip.evaluate.few_shot_parts import divide, macro_auroc
from cxr_clip.evaluate.fine_tune import masked_loss
from cxr_clip.evaluate.probe import fit_and_choose
from cxr_clip.evaluate.subject import EvaluationOptions, Material
from cxr_clip.evaluate.trained_on import Seen
from cxr_clip.study import Certainty, ImageFile, Split, Study, View
from support_models import tiny_recipe, tiny_run

FINDINGS = ("Edema", "Fracture")
OPTIONS = EvaluationOptions(resamples=60)
QUICK = (("least_log10_c", -2.0), ("most_log10_c", 0.0), ("steps", 3.0), ("iterations", 200.0))
SPLITS = (Split.TRAIN,) * 3 + (Split.VALIDATE, Split.TEST)


def task(learner=Learner.PROBE, **changes):
    settings = {Learner.PROBE: QUICK, Learner.FINE_TUNE: FINE_TUNE}[learner]
    return FewShotTask(learner, FINDINGS, settings, **{"shares": (0.1, 1.0), "seeds": (0, 1), **changes})


def studies_and_pictures(count=100):
    """Edema brightens the left half and Fracture the upper one, over noise; each fifth label is unknown."""
    rng, studies, pictures = np.random.default_rng(0), [], {}
    for number in range(count):
        has = rng.random(2) < 0.5
        picture = rng.integers(60, 100, (32, 32))
        picture[:, :16] += 60 * has[0]
        picture[:16] += 60 * has[1]
        said = {
            name: Certainty.POSITIVE if one else Certainty.NEGATIVE for name, one in zip(FINDINGS, has, strict=True)
        }
        if number % 5 == 0:
            said["Fracture"] = Certainty.UNCERTAIN
        image = ImageFile(str(number), View.PA)
        split = SPLITS[number % len(SPLITS)] if number % 10 else Split.TEST
        studies.append(
            Study(
                str(number),
                f"p{number // 2}" if split is Split.TRAIN else f"q{number}",
                "made-up",
                split,
                (image,),
                findings=said,
            )
        )
        pictures[image.path] = picture.astype(np.uint8)
    return studies, pictures


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Embedder(tiny_run(tiny_recipe(Path("nowhere"))))


def measured(model, asked, studies=None, pictures=None):
    made, painted = studies_and_pictures()
    material = Material(studies or made, lambda image: (pictures or painted)[image.path])
    return measure(model, [(Benchmark("probe/made-up", 1, (), None, asked), material)], OPTIONS)[0]


def test_a_probe_learns_and_reports_the_mean_over_seeds_with_an_interval(model):
    result = measured(model, task())
    figures = result.metrics
    assert list(figures) == [f"auroc_at_{share}/{name}" for share in (10, 100) for name in ("macro", *FINDINGS)]
    assert figures["auroc_at_100/macro"].value > 0.95
    for share in (10, 100):
        mean = np.mean([figures[f"auroc_at_{share}/{name}"].value for name in FINDINGS])
        assert figures[f"auroc_at_{share}/macro"].value == pytest.approx(mean)
        macro = figures[f"auroc_at_{share}/macro"]
        assert macro.low <= macro.value <= macro.high
    test = [study for study in studies_and_pictures()[0] if study.split is Split.TEST]
    assert figures["auroc_at_10/Edema"].n == len(test) == result.population.studies
    assert figures["auroc_at_10/Fracture"].n == sum(study.findings["Fracture"] != "uncertain" for study in test)
    of_edema = next(one for one in result.scores if one.finding == "Edema")
    assert roc_auc_score(of_edema.labels, of_edema.scores) == pytest.approx(figures["auroc_at_100/Edema"].value)
    assert "100 % of the training studies: 50, 50 studies, by seed." in result.notes


def test_the_same_again_gives_the_same(model):
    assert measured(model, task()).metrics == measured(model, task()).metrics


def test_the_figure_is_the_mean_over_the_seeds(model):
    found = measured(model, task(seeds=(0, 1, 2), shares=(0.05,))).metrics
    areas = [
        measured(model, task(seeds=(seed,), shares=(0.05,))).metrics["auroc_at_5/macro"].value for seed in range(3)
    ]
    assert len(set(areas)) > 1
    assert found["auroc_at_5/macro"].value == pytest.approx(np.mean(areas))


def test_a_probe_is_scikit_learns_with_the_strength_that_validation_picks():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(6, 1))

    def part(count):
        features = rng.normal(size=(count, 6)) * np.arange(1, 7)
        return features, ((features @ directions + rng.normal(size=(count, 1)) * 6) > 0).astype(np.int8)

    train, validate, test = part(40), part(60), part(50)
    settings = dict(PROBE)
    found = fit_and_choose(train, validate, test[0], settings)
    scaler = StandardScaler().fit(train[0])
    best, scores = -1.0, None
    for strength in 10.0 ** np.arange(-4, 3):
        slow = LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(scaler.transform(train[0]), train[1][:, 0])
        area = roc_auc_score(validate[1][:, 0], slow.decision_function(scaler.transform(validate[0])))
        if area > best + 1e-9:
            best, scores = area, slow.decision_function(scaler.transform(test[0]))
    assert np.corrcoef(found[:, 0], scores)[0, 1] > 0.999


def test_the_macro_figure_passes_over_findings_without_both_classes():
    scores = np.array([[0.1, 0.3, 0.2], [0.9, 0.1, 0.7], [0.5, 0.2, 0.4]])
    labels = np.array([[0, 1, -1], [1, 1, -1], [0, 1, -1]], dtype=np.int8)
    assert macro_auroc(scores, labels) == 1.0
    assert np.isnan(macro_auroc(scores[:, 1:], labels[:, 1:]))


def test_a_fine_tune_learns_and_leaves_the_model_as_it_was(model):
    before = {name: value.clone() for name, value in model.encoder.image_encoder().state_dict().items()}
    settings = (
        ("epochs", 6.0),
        ("batch_size", 8.0),
        ("encoder_rate", 3e-3),
        ("head_rate", 3e-2),
        ("weight_decay", 0.0),
    )
    asked = replace(task(Learner.FINE_TUNE), settings=settings, shares=(1.0,))
    found, again = (measured(model, asked).metrics for _ in range(2))
    assert found == again
    assert found["auroc_at_100/macro"].value > 0.9
    after = model.encoder.image_encoder().state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_what_is_unknown_has_no_part_in_the_loss():
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    labels = np.array([[1, -1], [0, -1]], dtype=np.int8)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], torch.tensor([1.0, 0.0]))
    assert masked_loss(logits, labels).item() == pytest.approx(wanted.item())
    assert masked_loss(logits, np.full((2, 2), -1, dtype=np.int8)).item() == 0.0


def test_findings_and_parts_that_are_not_there_are_told(model):
    studies, _ = studies_and_pictures()
    without = [replace(one, findings={"Edema": one.findings["Edema"]}) for one in studies]
    result = measured(model, task(), without)
    assert list(result.metrics) == [f"auroc_at_{share}/{name}" for share in (10, 100) for name in ("macro", "Edema")]
    assert result.notes[0] == ("Not measured, fewer than 5 test studies of a class, or none to learn from: Fracture.")
    result = measured(model, task(), [one for one in studies if one.split is not Split.VALIDATE])
    assert result.metrics == {}
    assert result.notes[-1].startswith("Not measured: training, validation and test studies need both classes")


def test_a_model_that_is_no_image_model_is_refused(embedder):
    with pytest.raises(EvaluationError, match="probe/made-up needs a model whose image encoder can be used by itself"):
        measured(embedder, task())


def test_a_study_says_positive_negative_or_nothing():
    studies, _ = studies_and_pictures(10)
    parts = divide(studies, ("Edema", "Fracture", "Nodule"))
    assert [len(one.studies) for one in (parts.train, parts.validate, parts.test)] == [
        sum(study.split is split for study in studies) for split in Split
    ]
    for study, row in zip(parts.train.studies, parts.train.labels, strict=True):
        assert [
            {"positive": 1, "negative": 0}.get(study.findings.get(name), -1) for name in ("Edema", "Fracture")
        ] == row[:2].tolist()
        assert row[2] == -1


def test_the_clean_part_is_of_the_test_studies_with_what_was_learned_from_all(model):
    studies, pictures = studies_and_pictures()
    test = [one for one in studies if one.split is Split.TEST]
    seen = Seen(frozenset(one.id for one in studies if one.split is Split.TRAIN) | {one.id for one in test[:9]})
    material = Material(studies, lambda image: pictures[image.path], seen)
    benchmark = Benchmark("probe/made-up", 1, (), None, task(shares=(1.0,), seeds=(0,)))
    result = measure(model, [(benchmark, material)], OPTIONS)[0]
    assert result.overlap.verdict == f"overlapping: 9 of {len(test)}"
    kept = next(one for one in result.scores if one.finding == "Edema")
    clean = [place for place, study in enumerate(kept.studies) if study not in seen.studies]
    wanted = roc_auc_score(kept.labels[clean], kept.scores[clean])
    assert result.overlap.clean["auroc_at_100/Edema"].value == pytest.approx(wanted)
    assert result.metrics["auroc_at_100/Edema"].n == len(test)


def test_a_finding_that_the_clean_part_cannot_measure_leaves_the_others_their_figures(model):
    studies, pictures = studies_and_pictures()
    fractured = [
        one.id for one in studies if one.split is Split.TEST and one.findings["Fracture"] is Certainty.POSITIVE
    ]
    material = Material(studies, lambda image: pictures[image.path], Seen(frozenset(fractured[1:])))
    benchmark = Benchmark("probe/made-up", 1, (), None, task(shares=(1.0,), seeds=(0,)))
    result = measure(model, [(benchmark, material)], OPTIONS)[0]
    assert set(result.metrics) == {"auroc_at_100/macro", "auroc_at_100/Edema", "auroc_at_100/Fracture"}
    clean = result.overlap.clean
    assert set(clean) == {"auroc_at_100/macro", "auroc_at_100/Edema"}
    assert clean["auroc_at_100/macro"].value == pytest.approx(clean["auroc_at_100/Edema"].value)
    assert (clean["auroc_at_100/macro"].n, result.metrics["auroc_at_100/macro"].n) == (1, 2)
