"""Views: all images together against single views, on the same studies and in the same resamples."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import normalize

from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.evaluate.benchmarks import measure
from cxr_clip.evaluate.contract import Benchmark, ViewsTask
from cxr_clip.evaluate.page import of_percent
from cxr_clip.evaluate.page_views import views_rows
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.retrieval import retrieval_text
from cxr_clip.evaluate.subject import EvaluationOptions, Material, Subject
from cxr_clip.evaluate.view_images import ViewImages
from cxr_clip.study import View

OPTIONS = EvaluationOptions(resamples=200)


def measured(embedder, world, prompts, **changes):
    task = ViewsTask("standard", tuple(prompts["standard"].values()), **changes)
    benchmark = Benchmark("views/made-up", 1, (), None, task)
    return measure(embedder, [(benchmark, Material(world.studies, world.read))], OPTIONS)[0]


@pytest.fixture
def noisy(world_of):
    return world_of(300, noise=90.0)


def test_the_mean_of_a_view_is_of_its_images_alone():
    embeddings = normalize(torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    views = (View.PA, View.AP, View.PA, View.LATERAL, View.LATERAL)
    images = ViewImages(np.array([0, 0, 2, 2, 1]), views, embeddings)
    frontal = images.means((View.PA, View.AP))
    assert frontal.places.tolist() == [0, 2]
    assert torch.allclose(frontal.mean[0], normalize(embeddings[0] + embeddings[1], dim=0))
    assert torch.allclose(images.means((View.LATERAL,)).mean, embeddings[[4, 3]])
    part = images.part([2, 0])
    assert part.study.tolist() == [1, 1, 0, 0]
    assert part.means((View.PA,)).places.tolist() == [0, 1]
    assert torch.allclose(part.means((View.PA,)).mean[0], embeddings[2])


def test_every_choice_is_asked_for_the_same_studies(embedder, noisy, prompts):
    one_view = [replace(study, images=study.images[:1]) for study in noisy.studies[:60]]
    world = replace(noisy, studies=[*one_view, *noisy.studies[60:]])
    result = measured(embedder, world, prompts)
    both = world.studies[60:]
    assert (result.population.studies, result.population.images) == (240, sum(len(one.images) for one in both))
    assert "240 of 300 studies have a frontal and a lateral image." in result.notes
    lateral = [replace(one, images=(replace(one.images[1], view=View.PA),)) for one in both]
    subject = Subject(embedder, Material(lateral, world.read), OPTIONS)
    areas = []
    for prompt in prompts["standard"].values():
        positive, negative = (embedder.embed_texts(side)[0].double() for side in (prompt.positive, prompt.negative))
        scores = subject.images.mean.double() @ (positive - negative)
        areas.append(roc_auc_score([one.findings[prompt.finding] == "positive" for one in both], scores))
    assert result.metrics["auroc/macro/lateral"].value == pytest.approx(np.mean(areas), abs=1e-6)


def test_a_second_image_with_noise_of_its_own_helps(embedder, noisy, prompts):
    result = measured(embedder, noisy, prompts)
    for other in ("frontal", "lateral"):
        gain = result.metrics[f"gain/auroc/macro/{other}"]
        all_of_it, alone = (result.metrics[f"auroc/macro/{name}"] for name in ("all", other))
        assert gain.value == pytest.approx(all_of_it.value - alone.value)
        assert gain.low > 0, other
        assert gain.high - gain.low < (all_of_it.high - all_of_it.low) + (alone.high - alone.low)
    gains = [one for one in result.differences if one.figure.startswith("auroc/macro/")]
    assert all(one.p <= one.adjusted < 0.1 for one in gains)
    assert len(result.differences) == 6


def test_a_lateral_image_that_repeats_the_frontal_one_gains_nothing(embedder, noisy, prompts):
    studies = [replace(one, images=(one.images[0], replace(one.images[0], view=View.LATERAL))) for one in noisy.studies]
    result = measured(embedder, replace(noisy, studies=studies), prompts)
    for one in result.differences:
        assert (one.difference.value, one.difference.low, one.difference.high) == pytest.approx((0, 0, 0), abs=1e-9)
        assert one.adjusted == 1


def test_the_page_has_every_choice_and_gain(embedder, noisy, prompts, tmp_path):
    result = measured(embedder, noisy, prompts)
    rows = views_rows(result)
    macro = [row.figure for row in rows if row.group == "AUROC, macro average"]
    assert macro[:3] == ["All images", "Frontal images alone", "Lateral images alone"]
    assert macro[3].startswith("All minus frontal images alone, p 0.0")
    assert {row.group for row in rows} >= {"Image → text, R@10", "Text → image, R@10", "AUROC, Edema"}
    page = write_report(tmp_path, [result], run_title="A run").read_text("utf-8")
    assert "All images against single views" in page


def test_chance_stands_beside_every_figure_and_no_gain(embedder, noisy, prompts):
    result = measured(embedder, noisy, prompts)
    texts = Counter(retrieval_text(one) for one in noisy.studies)
    one_of, best_of = 10 / len(texts), [1 - math.comb(300 - count, 10) / math.comb(300, 10) for count in texts.values()]
    assert result.metrics["image_to_text/recall_at_10_chance"].value == pytest.approx(one_of)
    assert result.metrics["text_to_image/recall_at_10_chance"].value == pytest.approx(np.mean(best_of))
    by_chance = {row.group: row.chance for row in views_rows(result) if row.chance}
    assert by_chance["AUROC, macro average"] == by_chance["AUROC, Edema"] == "0.500"
    assert by_chance["Image → text, R@10"] == of_percent(result.metrics["image_to_text/recall_at_10_chance"])[0]
    assert not any(row.chance for row in views_rows(result) if row.figure.startswith("All minus"))


def test_studies_of_one_view_are_told_and_not_measured(embedder, world, prompts, tmp_path):
    studies = [replace(one, images=one.images[:1]) for one in world.studies]
    result = measured(embedder, replace(world, studies=studies), prompts)
    assert result.metrics == {}
    assert "0 of 60 studies have a frontal and a lateral image." in result.notes
    assert "too few studies have a frontal" in write_report(tmp_path, [result], run_title="A run").read_text("utf-8")


def test_a_finding_with_a_slash_in_its_name_has_its_rows(embedder, noisy):
    studies = [replace(one, findings={"Nodule/Mass": one.findings["Edema"]}) for one in noisy.studies]
    asked = {"standard": {"Nodule/Mass": ZeroShotPrompt("Nodule/Mass", ("Edema",), ("No edema",))}}
    rows = views_rows(measured(embedder, replace(noisy, studies=studies), asked))
    of_finding = [row.figure for row in rows if row.group == "AUROC, Nodule/Mass"]
    assert of_finding == ["All images", "Frontal images alone", "Lateral images alone"]


def test_a_recall_of_all_queries_is_not_held_for_certain(embedder, world, prompts):
    figures = measured(embedder, world, prompts, recall=60).metrics
    for choice in ("all", "frontal", "lateral"):
        one = figures[f"image_to_text/recall_at_60/{choice}"]
        assert (one.value, one.high) == (1, 1)
        assert 0.88 < one.low < 0.9  # 30 patients with two studies each
