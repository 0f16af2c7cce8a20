"""Findings that a training is not to see: which studies and labels go, and what the run and the evaluation say."""

import json
from pathlib import Path

import pytest

from cxr_clip import assemble, checkpoint
from cxr_clip.data.hold_out import findings_to_hold_out, hold_out
from cxr_clip.data.manifest import Manifest, ManifestWriter, read_manifest
from cxr_clip.data.texts import training_texts
from cxr_clip.errors import PromptError, TrainingError
from cxr_clip.evaluate.trained_on import read_training
from cxr_clip.evaluate.training_counts import Exposure, count_training
from cxr_clip.evaluate.training_manifests import TrainingManifests
from cxr_clip.study import Certainty, Split, Study
from cxr_clip.train.train_run import train_run
from support_data import write_tiny_manifest
from support_models import tiny_recipe

YES, NO, MAYBE = Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN


def manifest_of(folder: Path, *said: tuple[dict[str, Certainty], str]) -> Manifest:
    with ManifestWriter(folder / "manifest.parquet") as writer:
        for number, (findings, report) in enumerate(said):
            sections = {"findings": report} if report else {}
            writer.write(Study(str(number), str(number), "made up", Split.TRAIN, (), sections, findings))
    return read_manifest(folder, check=False)


def test_who_states_a_finding_goes_and_who_denies_it_stays_without_the_label(tmp_path: Path) -> None:
    held = hold_out(
        manifest_of(
            tmp_path,
            ({"Mass": YES, "Edema": NO}, ""),
            ({"Mass": MAYBE, "Edema": NO}, ""),
            ({"Mass": NO, "Edema": YES}, ""),
            ({"Mass": NO}, ""),
            ({"Mass": NO}, "No mass. The heart is large."),
            ({"Edema": YES}, ""),
        ),
        {"Mass"},
    )
    assert [(study.id, dict(study.findings)) for study in held.manifest] == [
        ("2", {"Edema": YES}),
        ("4", {}),
        ("5", {"Edema": YES}),
    ]
    assert held.counts.left_out == 3
    assert (held.counts.stating, held.counts.labels) == ({"Mass": 2}, {"Mass": 2})


def test_a_report_without_a_label_is_read(tmp_path: Path) -> None:
    held = hold_out(
        manifest_of(
            tmp_path,
            ({}, "There is a left pneumothorax."),
            ({"Edema": NO}, "Possible small pneumothorax."),
            ({}, "No pneumothorax."),
            ({}, "The lungs are clear."),
            ({"Pneumothorax": NO}, "There is a left pneumothorax."),
        ),
        {"Pneumothorax"},
    )
    assert [study.id for study in held.manifest] == ["2", "3", "4"]
    assert held.counts.stating == {"Pneumothorax": 2}


def test_names_are_canonical_and_no_finding_cannot_be_held_out() -> None:
    assert findings_to_hold_out(["pleural effusion", "Pleural_Effusion"]) == {"Pleural Effusion"}
    with pytest.raises(PromptError, match="No Finding is the absence of findings"):
        findings_to_hold_out(["no finding"])


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"), train=12, label_only_every=1)


def test_a_training_does_not_see_what_is_held_out(manifest: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(manifest, ("data.hold_out", ["mass"]))
    before = list(read_manifest(manifest).where(split=Split.TRAIN))
    (source,) = assemble.open_sources(recipe.data)
    stating = sum(study.findings["Mass"] is YES for study in before)
    assert 0 < stating == len(before) - len(source.train)
    assert not [
        text for study in source.train for text in training_texts(study, source.wording) if "mass" in text.lower()
    ]
    train_run(recipe, tmp_path / "run", progress=False)
    kept = json.loads((tmp_path / "run" / checkpoint.HELD_OUT).read_text())
    assert kept["train"]["left_out"] == stating
    assert kept["train"]["labels"] == {"Mass": len(before) - stating}
    assert set(kept) == {"train", "validate"}


def test_an_evaluation_knows_what_was_held_out(manifest: Path) -> None:
    recipe = tiny_recipe(manifest, ("data.hold_out", ["Mass"]))
    counts = count_training(TrainingManifests(recipe))
    assert counts is not None
    assert counts.exposure("Mass") is Exposure.UNSEEN
    assert counts.exposure("Nodule") is Exposure.SEEN
    training = read_training(TrainingManifests(recipe))
    assert training.side is not None
    assert training.side.studies == counts.studies < 12


def test_a_finding_that_nobody_speaks_of_is_refused(manifest: Path) -> None:
    with pytest.raises(TrainingError, match=r"data\.hold_out=Hernia has no effect"):
        assemble.open_sources(tiny_recipe(manifest, ("data.hold_out", ["Hernia"])).data)


def test_nothing_is_counted_where_nothing_is_held_out(manifest: Path, tmp_path: Path) -> None:
    assert assemble.held_out(assemble.open_sources(tiny_recipe(manifest).data)) == {}
    train_run(tiny_recipe(manifest), tmp_path, progress=False)
    assert not (tmp_path / checkpoint.HELD_OUT).exists()
