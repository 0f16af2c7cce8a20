"""What training studies state: counted by hand, with what labels cannot know."""

from dataclasses import replace
from pathlib import Path

import pytest

from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.evaluate.training_counts import Exposure, count_manifests, count_training
from cxr_clip.evaluate.training_manifests import TrainingManifests
from cxr_clip.study import Certainty, Split, Study
from support_data import write_tiny_manifest
from support_models import tiny_recipe

YES, NO, MAYBE = Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN


def study(number: int, findings: dict[str, Certainty], source: str = "one", report: str = "") -> Study:
    return Study(
        id=f"{source}-{number}",
        patient=f"{source}-{number}",
        source=source,
        split=Split.TRAIN,
        images=(),
        sections={"findings": report} if report else {},
        findings=findings,
    )


@pytest.fixture
def counted(tmp_path: Path):
    def count(*studies: Study, **changes):
        path = tmp_path / "manifest.parquet"
        with ManifestWriter(path) as writer:
            for one in studies:
                writer.write(one)
        return count_manifests([read_manifest(path, check=False)], **changes)

    return count


def test_positives_are_counted_over_all_data_sets(counted) -> None:
    counts = counted(
        study(0, {"Edema": YES, "Mass": NO}), study(1, {"Edema": YES, "Mass": MAYBE}), study(2, {"Edema": YES}, "two")
    )
    assert (counts.studies, counts.positive) == (3, {"Edema": 3})
    assert counts.exposure("Edema") is Exposure.SEEN
    assert counts.exposure("Hernia") is Exposure.UNSEEN


def test_what_is_stated_in_doubt_is_seen_and_what_is_only_denied_is_not(counted) -> None:
    counts = counted(study(0, {"Edema": YES, "Mass": NO}), study(1, {"Mass": MAYBE, "Hernia": NO}))
    assert counts.positive == {"Edema": 1}
    assert counts.exposure("Mass") is Exposure.SEEN
    assert counts.exposure("Hernia") is Exposure.UNSEEN


def test_a_finding_is_unseen_only_where_every_report_was_labelled_for_it(counted) -> None:
    labels_only, labelled = study(0, {"Edema": NO}), study(1, {"Mass": NO}, "two", "No mass.")
    counts = counted(labels_only, labelled)
    assert counts.exposure("Mass") is Exposure.UNSEEN
    assert counts.exposure("Edema") is Exposure.UNKNOWN
    assert counts.exposure("Hernia") is Exposure.UNKNOWN
    assert counted(labels_only).exposure("Hernia") is Exposure.UNSEEN
    assert counted(labelled, absent=[Path("elsewhere")]).exposure("Mass") is Exposure.UNKNOWN


def test_the_training_part_of_the_recipes_manifests_is_counted(tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "here", train=8)
    recipe = tiny_recipe(manifest)
    counts = count_training(TrainingManifests(recipe))
    assert counts is not None
    assert counts.studies == sum(counts.positive.values()) == 8
    assert count_training(TrainingManifests(recipe, [tmp_path / "none"])) is None
    gone = replace(counts, absent=(tmp_path / "none",))
    assert count_training(TrainingManifests(recipe, [manifest, tmp_path / "none"])) == gone


def test_studies_of_the_run_that_it_started_from_are_counted_once(tmp_path: Path) -> None:
    manifest, earlier = write_tiny_manifest(tmp_path / "one"), write_tiny_manifest(tmp_path / "two", train=3)
    recipe, both = tiny_recipe(manifest), [{"manifest": str(one)} for one in (manifest, earlier)]
    counts = count_training(TrainingManifests(recipe, started_from=[tiny_recipe(manifest, ("data.sources", both))]))
    assert counts is not None
    assert counts.studies == sum(counts.positive.values()) == 8 + 3


@pytest.mark.parametrize("other", ["here", "elsewhere/../here", "here/manifest.parquet"])
def test_a_manifest_that_is_spelled_in_two_ways_is_counted_once(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_tiny_manifest(tmp_path / "here", train=8)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    recipe, earlier = tiny_recipe(manifest), tiny_recipe(Path(other))
    for one in (TrainingManifests(recipe, started_from=[earlier]), TrainingManifests(recipe, [manifest, Path(other)])):
        counts = count_training(one)
        assert counts is not None
        assert counts.studies == 8
        assert one.here == (manifest,)  # as it is spelled first


def test_a_manifest_that_is_not_here_is_named_as_it_is_spelled_first(tmp_path: Path) -> None:
    lost, again = Path("lost"), tmp_path / ".." / tmp_path.name / "lost"
    recipe, earlier = tiny_recipe(tmp_path / "lost"), [tiny_recipe(again), tiny_recipe(lost)]
    assert TrainingManifests(recipe, started_from=earlier).absent == (tmp_path / "lost", lost)


def test_a_finding_is_kept_from_a_model_only_where_every_training_kept_it(tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "here", label_only_every=None)
    without_mass, without_both = (
        tiny_recipe(manifest, ("data.hold_out", names)) for names in (["Mass"], ["Mass", "Hernia"])
    )
    for recipe, earlier, expected in (
        (without_both, [], (Exposure.UNSEEN, Exposure.UNSEEN)),
        (without_both, [without_mass], (Exposure.UNSEEN, Exposure.UNKNOWN)),
        (without_both, [tiny_recipe(manifest)], (Exposure.SEEN, Exposure.UNKNOWN)),
    ):
        counts = count_training(TrainingManifests(recipe, started_from=earlier))
        assert counts is not None
        assert (counts.exposure("Mass"), counts.exposure("Hernia")) == expected


def test_of_a_part_of_the_patients_their_studies_alone_are_counted(tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "here", train=8)
    counts = count_training(TrainingManifests(tiny_recipe(manifest, ("data.part", {"fraction": 0.25}))))
    assert counts is not None
    assert counts.studies == sum(counts.positive.values()) == 2
