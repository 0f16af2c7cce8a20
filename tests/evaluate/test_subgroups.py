"""Subgroups: a planted gap is found, groups that are alike show none, and what is too small is named."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from cxr_clip.evaluate.benchmarks import measure
from cxr_clip.evaluate.contract import Benchmark, SubgroupsTask
from cxr_clip.evaluate.page_subgroups import subgroup_table
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.statistics import exact
from cxr_clip.evaluate.subgroup_attributes import age_band, group_of, in_order
from cxr_clip.evaluate.subgroup_figures import comparable, gaps_of, normal_p, range_by_chance
from cxr_clip.evaluate.subgroup_recall import recall_of
from cxr_clip.evaluate.subject import EvaluationOptions, Material, Subject
from cxr_clip.evaluate.trained_on import Seen
from cxr_clip.study import View

BOUNDS = (18, 40, 60, 80)
OPTIONS = EvaluationOptions(resamples=200)


def wilson_interval(found, queries):
    interval = binomtest(found, queries).proportion_ci(method="wilson")
    return interval.low, interval.high


def told(study, number):
    """Ages 10, 30, 50 and 70 and both sexes in turn, by patient."""
    patient = number // 2
    return replace(study, age=10.0 + 20 * (patient % 4), sex="FM"[patient % 2])


@pytest.fixture
def known(world_of):
    world = world_of(240, noise=60.0)
    return replace(world, studies=[told(study, number) for number, study in enumerate(world.studies)])


def benchmark_of(prompts, **changes):
    task = SubgroupsTask("standard", tuple(prompts["standard"].values()), **changes)
    return Benchmark("subgroups/made-up", 1, (), None, task)


def measured(embedder, world, prompts, **changes):
    material = Material(world.studies, world.read)
    return measure(embedder, [(benchmark_of(prompts, **changes), material)], OPTIONS)[0]


def test_bands_of_age_have_no_holes():
    ages = [0, 17.9, 18, 39.5, 40, 79, 80, 101]
    wanted = ["under 18", "under 18", "18 to 39", "18 to 39", "40 to 59", "60 to 79", "80 and over", "80 and over"]
    assert [age_band(age, BOUNDS) for age in ages] == wanted
    assert in_order(set(wanted)) == ["under 18", "18 to 39", "40 to 59", "60 to 79", "80 and over"]
    of_children = [age_band(age, (2, 6, 18)) for age in (20, 7, 3, 1)]
    assert in_order(of_children) == ["under 2", "2 to 5", "6 to 17", "18 and over"]
    assert in_order(["male", "female"]) == ["female", "male"]


def test_a_study_tells_its_groups_or_none(world):
    study = replace(world.studies[1], age=None, sex="O")
    asked = {name: group_of(study, name, age_bounds=BOUNDS) for name in ("age", "sex", "source", "images", "sections")}
    assert asked == {
        "age": None,
        "sex": "O",
        "source": "made-up",
        "images": "2",
        "sections": "findings and impression",
    }
    several = replace(study, images=study.images * 2, sections={"impression": "Normal.", "findings": " "})
    assert group_of(several, "images", age_bounds=BOUNDS) == "3 or more"
    assert group_of(several, "sections", age_bounds=BOUNDS) == "impression alone"
    assert group_of(replace(study, sections={}), "sections", age_bounds=BOUNDS) == "neither"


def test_the_smallest_group_leaves_where_no_finding_is_left():
    counts = {
        "large": {"Edema": (9, 50), "Mass": (1, 60)},
        "middle": {"Edema": (5, 30), "Mass": (9, 9)},
        "small": {"Edema": (4, 30), "Mass": (6, 20)},
        "tiny": {"Edema": (5, 5)},
    }
    sizes = {"large": 61, "middle": 40, "small": 34, "tiny": 10}
    found = comparable(sizes, counts, studies=20, positives=5)
    assert (found.groups, found.findings) == (("large", "middle"), ("Edema",))
    assert comparable({"large": 61}, counts, studies=20, positives=5).groups == ()
    assert comparable(sizes, counts, studies=20, positives=40).groups == ()


def test_best_and_worst_are_told_apart_with_all_pairs_in_mind():
    rng = np.random.default_rng(0)
    true = {"a": 0.9, "b": 0.7, "c": 0.71}
    drawn = {"age": {name: np.r_[value, value + rng.normal(0, 0.02, 999)] for name, value in true.items()}}
    (gap,) = gaps_of("auroc", drawn, {("age", name): 100 for name in true})
    assert (gap.best, gap.worst, gap.difference.n) == ("a", "b", 200)
    assert gap.difference.value == pytest.approx(0.2)
    assert gap.difference.low == pytest.approx(0.2 - 1.96 * 0.02 * 2**0.5, abs=0.006)
    assert 0 < gap.p < 1e-9
    assert gap.adjusted == pytest.approx(3 * gap.p)
    assert gaps_of("auroc", {"sex": {"F": drawn["age"]["a"]}}, {}) == []


def test_p_is_that_of_a_normal_difference_and_uniform_where_there_is_none():
    rng = np.random.default_rng(1)
    values = [normal_p(np.r_[rng.normal(), rng.normal(0, 1, 300)]) for _ in range(2000)]
    assert np.quantile(values, [0.05, 0.5, 0.9]) == pytest.approx([0.05, 0.5, 0.9], abs=0.04)
    assert normal_p(np.r_[1.96, rng.normal(0, 1, 20000)]) == pytest.approx(0.05, abs=0.003)
    assert normal_p(np.zeros(100)) == 1
    assert normal_p(np.ones(100)) == pytest.approx(2 / 100)


def test_where_resamples_cannot_tell_how_a_difference_strays_p_counts_them():
    assert normal_p(np.array([0.2, np.nan, 0.3, np.nan])) == 1.0
    assert normal_p(np.array([0.2, *[0.2] * 99])) == pytest.approx(2 / 100)


def test_the_range_of_alike_groups_is_that_of_normal_figures():
    drawn = [np.r_[0.5, np.random.default_rng(seed).normal(0.5, 0.1, 20000)] for seed in range(3)]
    assert range_by_chance(drawn) == pytest.approx(0.1 * 1.6926, rel=0.02)  # the mean range of three standard normals


def test_a_group_in_which_nothing_was_found_is_not_too_sure():
    """0 of 58 against 24 of 342: Fisher's exact test and Newcombe's interval stand between 0.03 and 0.06."""
    counts = {"all found": (24, 342), "none found": (0, 58)}
    draws = {}
    for number, (name, (found, queries)) in enumerate(counts.items()):
        hits, patients = np.arange(queries) < found, [str(query) for query in range(queries)]
        rng = np.random.default_rng(number)
        weights = np.vstack([np.ones((1, queries)), rng.multinomial(queries, np.full(queries, 1 / queries), 4000)])
        one = recall_of(hits, patients, weights.astype(np.uint16), rng)
        assert (one.estimate.low, one.estimate.high) == pytest.approx(wilson_interval(found, queries), abs=1e-9)
        draws[name] = one.draws
    assert normal_p(draws["all found"] - draws["none found"]) == pytest.approx(0.045, abs=0.015)
    assert draws["all found"][1:].std() == pytest.approx(np.sqrt(0.0702 * 0.9298 / 342), rel=0.25)


def test_figures_of_a_group_are_those_of_its_studies_alone(embedder, known, prompts):
    result = measured(embedder, known, prompts)
    women = [study for study in known.studies if study.sex == "F"]
    subject = Subject(embedder, Material(women, known.read), OPTIONS)
    areas = []
    for prompt in prompts["standard"].values():
        positive, negative = (embedder.embed_texts(side)[0].double() for side in (prompt.positive, prompt.negative))
        scores = subject.images.mean.double() @ (positive - negative)
        areas.append(roc_auc_score([study.findings[prompt.finding] == "positive" for study in women], scores))
    one = result.metrics["auroc/sex/female"]
    assert one.value == pytest.approx(np.mean(areas), abs=1e-6)
    assert one.low < one.value < one.high
    row = next(row for row in result.subgroups.groups if row.name == "female")
    assert (row.studies, row.patients, row.queries) == (120, 60, 120)
    positive, negative = row.findings["Edema"]
    assert positive == sum(study.findings["Edema"] == "positive" for study in women)
    assert positive + negative == 120


def test_groups_that_are_alike_are_not_told_apart(embedder, known, prompts):
    result = measured(embedder, known, prompts)
    assert {gap.attribute for gap in result.subgroups.gaps} == {"age", "sex", "view", "images"}
    assert min(gap.adjusted for gap in result.subgroups.gaps if gap.attribute in ("age", "sex")) > 0.05
    assert result.subgroups.findings["sex"] == tuple(prompts["standard"])
    assert "Not compared by source: all are made-up." in result.notes
    assert "Not compared by sections: all are findings and impression." in result.notes


def test_a_planted_gap_is_found(embedder, known, prompts):
    """The pictures of men are exchanged: the model does not see them."""
    men = [study for study in known.studies if study.sex == "M"]
    moved = dict(zip((one.id for one in men), [*men[7:], *men[:7]], strict=True))
    studies = [replace(study, images=moved[study.id].images) if study.sex == "M" else study for study in known.studies]
    result = measured(embedder, replace(known, studies=studies), prompts)
    gap = next(gap for gap in result.subgroups.gaps if (gap.attribute, gap.figure) == ("sex", "auroc"))
    assert (gap.best, gap.worst) == ("female", "male")
    assert gap.difference.low > 0
    assert gap.adjusted < 0.001
    assert gap.difference.value > 3 * gap.by_chance


def test_a_view_is_measured_with_its_own_images(embedder, known, prompts):
    """Lateral images are black: their studies are not told apart by them, and those with PA images still are."""
    pictures = {
        name: np.zeros_like(one) + 128 if name.endswith("-b.png") else one for name, one in known.pictures.items()
    }
    embedder.images = 0
    result = measured(embedder, replace(known, pictures=pictures), prompts)
    assert embedder.images == sum(len(study.images) for study in known.studies)
    figures = {name: result.metrics[f"auroc/view/{name}"].value for name in ("PA", "AP", "lateral")}
    assert figures["lateral"] == pytest.approx(0.5)
    assert min(figures["PA"], figures["AP"]) > 0.7
    counts = {one.name: one.studies for one in result.subgroups.groups if one.attribute == "view"}
    assert counts == {"PA": 240, "AP": 48, "lateral": 240}


def test_lateral_images_are_embedded_only_where_views_are_compared(embedder, known, prompts):
    embedder.images = 0
    measured(embedder, known, prompts, attributes=("age", "sex"))
    lateral = sum(image.view is View.LATERAL for study in known.studies for image in study.images)
    assert embedder.images == sum(len(study.images) for study in known.studies) - lateral


def test_the_clean_part_has_figures_of_its_own_without_another_embedding(embedder, known, prompts):
    seen = Seen(frozenset(study.id for study in known.studies[:40]))
    embedder.images = 0
    (result,) = measure(embedder, [(benchmark_of(prompts), Material(known.studies, known.read, seen))], OPTIONS)
    assert embedder.images == sum(len(study.images) for study in known.studies)
    clean = measured(embedder, replace(known, studies=known.studies[40:]), prompts)
    for name in ("auroc/view/lateral", "recall_at_10/view/lateral", "auroc/sex/male"):
        assert result.overlap.clean[name].value == pytest.approx(clean.metrics[name].value), name


def test_small_groups_are_named_and_unknown_ones_counted(embedder, known, prompts):
    studies = [replace(study, age=90.0) if number < 6 else study for number, study in enumerate(known.studies)]
    studies[100:110] = [replace(study, age=None, sections={}) for study in studies[100:110]]
    result = measured(embedder, replace(known, studies=studies), prompts)
    assert "Too small to compare by age: 80 and over (6 studies)." in result.notes
    assert "10 studies do not tell age." in result.notes
    one_of_each = [replace(study, age=[90.0, None][number]) for number, study in enumerate(known.studies[:2])]
    notes = measured(embedder, replace(known, studies=one_of_each + known.studies[2:]), prompts).notes
    assert "Too small to compare by age: 80 and over (1 study)." in notes
    assert "1 study does not tell age." in notes
    assert "auroc/age/80 and over" not in result.metrics
    rows = {one.name: one for one in result.subgroups.groups if one.attribute == "age"}
    assert (rows["80 and over"].studies, rows["80 and over"].auroc) == (6, None)
    assert sum(row.queries for row in rows.values()) == 230


def test_the_page_shows_every_group_and_gap(embedder, known, prompts, tmp_path):
    result = measured(embedder, known, prompts)
    table = subgroup_table(result)
    assert [one.title for one in table.scales] == ["AUROC", "R@10, image → text"]
    assert [one.title for one in table.attributes] == ["Age in years", "Sex", "View", "Images of the study"]
    for mark in (mark for one in table.attributes for row in one.rows for mark in row.marks):
        assert 0 <= mark.low <= mark.point <= mark.high <= 100
    page = write_report(tmp_path, [result], run_title="A run").read_text("utf-8")
    assert page.count('class="bar s1"') == page.count('class="bar s2"') == 4 + 2 + 3 + 2
    assert "From best to worst" in page
    assert subgroup_table(replace(result, subgroups=None)) is None


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_groups_that_all_have_one_figure_have_places(embedder, known, prompts, value):
    result = measured(embedder, known, prompts)
    groups = tuple(replace(one, auroc=exact(value, 30), recall=None) for one in result.subgroups.groups)
    gaps = tuple(replace(one, adjusted=1e-9) for one in result.subgroups.gaps if one.figure == "auroc")
    table = subgroup_table(replace(result, subgroups=replace(result.subgroups, groups=groups, gaps=gaps)))
    places = {mark.point for one in table.attributes for row in one.rows for mark in row.marks}
    assert places == {0.0 if value == 0 else 100.0}
    assert {gap.adjusted for one in table.attributes for gap in one.gaps} == {"< 0.001"}


def test_nothing_to_compare_is_told_and_no_fault(embedder, world_of, prompts, tmp_path):
    result = measured(embedder, world_of(12), prompts)
    assert result.metrics == {}
    assert "Not compared by age: no study tells." in result.notes
    assert "no two groups have enough studies" in write_report(tmp_path, [result], run_title="A run").read_text("utf-8")
