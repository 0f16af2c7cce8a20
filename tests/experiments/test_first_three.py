"""The paper's claims, judged by the corrected p value of the paired difference."""

from pathlib import Path

import pytest

from cxr_clip.errors import ExperimentError
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.experiments.arms import Arm
from cxr_clip.experiments.comparison import Compared, Contrast
from cxr_clip.experiments.first_three import CLAIMS, first_three, verdicts
from cxr_clip.experiments.made_up import small_recipe
from cxr_clip.experiments.page import experiment_html
from cxr_clip.experiments.seed_intervals import SeedMean
from cxr_clip.experiments.trials import plan
from cxr_clip.recipe import load_recipe


def compared(low: float, high: float, adjusted: float) -> Compared:
    """Every claim's difference has the same interval and the same p."""
    change = SeedMean(Estimate((low + high) / 2, low, high, 5), 0.02, 0.01, 0.01)
    found = tuple(Contrast(one.figure, one.arm, one.against, change, adjusted) for one in CLAIMS)
    return Compared((), found, {}, seeds=5, resamples=100)


@pytest.mark.parametrize(
    ("low", "high", "adjusted", "of_higher", "of_lower"),
    [
        (0.01, 0.05, 0.049, "holds here", "does not hold here"),
        (-0.05, -0.01, 0.049, "does not hold here", "holds here"),
        (-0.01, 0.05, 0.9, "not told apart", "not told apart"),
        (0.01, 0.05, 0.051, "not told apart", "not told apart"),
    ],
)
def test_a_claim_holds_where_the_corrected_difference_is_on_its_side(
    low: float, high: float, adjusted: float, of_higher: str, of_lower: str
) -> None:
    found = verdicts(compared(low, high, adjusted))
    assert {one.outcome for one in found if one.claim.higher} == {of_higher}
    assert {one.outcome for one in found if not one.claim.higher} == {of_lower}
    assert len(found) == 6


def test_the_page_lists_every_claim_with_its_outcome() -> None:
    found = compared(0.01, 0.05, 0.04)
    page = experiment_html("Three", found, verdicts=verdicts(found))
    assert all(claim.words in page for claim in CLAIMS)
    assert page.count("<b>holds here</b>") == 4
    assert "+0.030 (+0.010 to +0.050)" in page


def test_the_arms_are_what_the_paper_compares(tmp_path: Path) -> None:
    recipe = small_recipe()
    arms = first_three(load_recipe(recipe), tmp_path / "r", [tmp_path / "x", tmp_path / "y"])
    plain, study, labels = (trial.recipe for trial in plan(recipe, arms, tmp_path, seeds=1))
    assert (plain.data.images_per_study, plain.data.texts_per_study) == (1, 1)
    assert (plain.loss.image_image, plain.loss.text_text) == (0, 0)
    assert (study.data.images_per_study, study.loss.image_image, study.loss.text_text) == (2, 1, 0.5)
    assert [source.manifest.name for source in plain.data.sources] == ["r"]
    assert [source.manifest.name for source in labels.data.sources] == ["r", "x", "y"]
    assert study.data.sources == plain.data.sources
    assert labels.loss == study.loss


def test_without_labels_there_is_no_third_arm(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="--labels"):
        first_three(load_recipe(small_recipe()), tmp_path, [])


def test_arms_of_the_same_settings_are_refused(tmp_path: Path) -> None:
    recipe = small_recipe()
    _, study, _ = first_three(load_recipe(recipe), tmp_path, [tmp_path])
    with pytest.raises(ExperimentError, match="same settings"):
        plan(recipe, [study, Arm("twin", study.overrides)], tmp_path, seeds=1)
