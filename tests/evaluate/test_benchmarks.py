"""The whole evaluation on a made-up world whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cxr_clip.errors import EvaluationError, PromptError
from cxr_clip.evaluate.benchmarks import EvaluationOptions, evaluate_manifest
from cxr_clip.evaluate.study_images import embed_studies, images_in_use
from cxr_clip.study import ImageFile, View

OPTIONS = EvaluationOptions(resamples=50, batch=7, gallery=3, retrieved=4)


def test_images_in_use_are_frontal_else_unknown_else_none(world):
    study, lateral, unknown = world.studies[0], ImageFile("l", View.LATERAL), ImageFile("u")
    assert [image.view for image in images_in_use(study)] == [View.PA, View.AP]
    assert images_in_use(replace(study, images=(lateral, unknown))) == (unknown,)
    assert images_in_use(replace(study, images=(lateral,))) == ()


def test_each_image_is_embedded_once_and_batches_change_nothing(world, embedder):
    heard = []
    many = embed_studies(embedder, world.studies, world.read, batch=1000)
    assert embedder.images == sum(many.counts) == sum(len(images_in_use(study)) for study in world.studies)
    few = embed_studies(
        embedder, world.studies, world.read, batch=7, advance=lambda done, total: heard.append((done, total))
    )
    torch.testing.assert_close(few.mean, many.mean)
    torch.testing.assert_close(few.first, many.first)
    total = sum(many.counts)
    assert heard == [(done, total) for done in [*range(7, total, 7), total]]


def test_study_embedding_is_the_unit_mean_and_first_is_the_first_frontal(world, embedder):
    images = embed_studies(embedder, world.studies[:3], world.read, batch=64)
    both = embedder.embed_images([world.pictures["0-a.png"], world.pictures["0-c.png"]])
    torch.testing.assert_close(images.mean[0], torch.nn.functional.normalize(both.mean(dim=0), dim=0))
    torch.testing.assert_close(images.first[0], both[0])
    torch.testing.assert_close(images.mean[1], images.first[1])


def test_a_model_that_sees_the_findings_is_measured_as_good(world, embedder, prompts):
    results = evaluate_manifest(embedder, world.studies, read_image=world.read, prompts=prompts, options=OPTIONS)
    assert [result.name for result in results] == ["zero_shot/standard", "zero_shot/paraphrase", "retrieval"]
    standard, _, retrieval = results
    macro = standard.metrics["auroc/macro"]
    assert macro.n == 3
    assert 0.8 < macro.low < macro.value < macro.high <= 1
    recall, chance = (retrieval.metrics[f"image_to_text/recall_at_10{end}"].value for end in ("", "_chance"))
    assert recall > 2 * chance
    assert standard.population.studies == 60
    assert standard.population.patients == 30
    assert embedder.images == standard.population.images == 72
    assert retrieval.population.images == retrieval.population.studies == 60


def test_gallery_shows_the_query_its_text_and_where_that_came(world, embedder, prompts):
    gallery = evaluate_manifest(embedder, world.studies, read_image=world.read, prompts={}, options=OPTIONS)[0].gallery
    assert len(gallery) == 3
    for entry in gallery:
        right = [place for place, one in enumerate(entry.retrieved, start=1) if one.right]
        assert len(entry.retrieved) == 4
        assert right == ([entry.rank] if entry.rank <= 4 else [])
        study = next(one for one in world.studies if one.id == entry.study_id)
        assert entry.text == study.sections["findings"]
        assert (entry.image == world.read(study.images[0])).all()


def test_same_seed_same_figures_other_seed_other_intervals(world, embedder, prompts):
    def run(seed):
        options = replace(OPTIONS, seed=seed)
        return evaluate_manifest(embedder, world.studies, read_image=world.read, prompts=prompts, options=options)[0]

    assert run(0).metrics == run(0).metrics
    assert run(1).metrics["auroc/macro"].value == run(0).metrics["auroc/macro"].value
    assert run(1).metrics["auroc/macro"].low != run(0).metrics["auroc/macro"].low


def test_order_of_the_studies_does_not_move_the_figures(world, embedder, prompts):
    def values(studies):
        results = evaluate_manifest(embedder, studies, read_image=world.read, prompts=prompts, options=OPTIONS)
        return np.array([one.value for result in results for one in result.metrics.values()])

    assert values(world.studies) == pytest.approx(values(world.studies[::-1]))


def test_asked_for_findings_only_and_unknown_ones_are_refused(world, embedder, prompts):
    options = replace(OPTIONS, findings=("Edema",))
    results = evaluate_manifest(embedder, world.studies, read_image=world.read, prompts=prompts, options=options)
    assert set(results[0].metrics) == {
        f"{kind}/{name}" for kind in ("auroc", "average_precision") for name in ("macro", "Edema")
    }
    options = replace(OPTIONS, findings=("Scoliosis",))
    with pytest.raises(PromptError, match="'standard' for Scoliosis"):
        evaluate_manifest(embedder, world.studies, read_image=world.read, prompts=prompts, options=options)


def test_studies_without_a_frontal_image_are_left_out_and_counted(world, embedder, prompts):
    hidden = [replace(study, images=study.images[1:2]) for study in world.studies[:4]]
    results = evaluate_manifest(
        embedder, hidden + world.studies[4:], read_image=world.read, prompts=prompts, options=OPTIONS
    )
    assert all("4 studies without a frontal image are left out." in result.notes for result in results)
    assert results[0].population.studies == 56
    with pytest.raises(EvaluationError, match="none of 4 studies has a frontal image"):
        evaluate_manifest(embedder, hidden, read_image=world.read, prompts=prompts, options=OPTIONS)


def test_labels_without_reports_and_reports_without_labels_measure_what_there_is(world, embedder, prompts):
    labels = [replace(study, sections={}) for study in world.studies]
    zero_shot, _, retrieval = evaluate_manifest(
        embedder, labels, read_image=world.read, prompts=prompts, options=OPTIONS
    )
    assert zero_shot.metrics
    assert not retrieval.metrics
    assert retrieval.notes[-1] == "Retrieval is not measured: it needs two different texts."
    reports = [replace(study, findings={}) for study in world.studies]
    zero_shot, _, retrieval = evaluate_manifest(
        embedder, reports, read_image=world.read, prompts=prompts, options=OPTIONS
    )
    assert retrieval.metrics
    assert not zero_shot.metrics
    assert "Edema (0 positive, 0 negative)" in zero_shot.notes[0]


def test_a_finding_that_no_study_speaks_of_is_not_listed_unless_asked_for(world, embedder, prompts):
    prompts["standard"]["Hernia"] = replace(prompts["standard"]["Edema"], finding="Hernia")
    for asked, listed in ((None, set()), (("Edema", "Hernia"), {"Hernia"})):
        options = replace(OPTIONS, findings=asked)
        measured = evaluate_manifest(
            embedder, world.studies, read_image=world.read, prompts={"standard": prompts["standard"]}, options=options
        )[0]
        assert {one.finding for one in measured.findings if not one.measured} == listed


def test_protocol_says_the_choices_of_this_run(world, embedder, prompts):
    options = replace(OPTIONS, resamples=60, seed=7, min_positives=3)
    results = evaluate_manifest(embedder, world.studies, read_image=world.read, prompts=prompts, options=options)
    zero_shot, retrieval = " ".join(results[0].protocol), " ".join(results[2].protocol)
    assert "60 resamples of whole patients (seed 7)" in zero_shot
    assert "at least 3 positive" in zero_shot
    assert "the style 'standard'" in zero_shot
    assert "R@1, R@5, R@10" in retrieval


@pytest.mark.parametrize("of", ["embed_images", "embed_texts"])
def test_a_model_that_has_diverged_is_refused_and_not_measured(world, embedder, prompts, monkeypatch, of):
    embed, without_texts = getattr(embedder, of), [replace(study, sections={}) for study in world.studies]

    def embed_badly(items):
        embeddings = embed(items)
        embeddings[0] = torch.nan
        return embeddings

    monkeypatch.setattr(embedder, of, embed_badly)
    with pytest.raises(EvaluationError, match="not finite: the model has diverged"):
        evaluate_manifest(embedder, without_texts, read_image=world.read, prompts=prompts, options=OPTIONS)
