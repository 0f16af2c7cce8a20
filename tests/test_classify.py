"""Findings are scored by their prompts, a score says what it means, and order and names are kept."""

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import cxr_clip
from cxr_clip.calibration import (
    Answer,
    Calibration,
    PredictionBounds,
    Probability,
    hash_weights,
    write_calibration,
)
from cxr_clip.classify import SIMILARITY, FindingScore, prompts_for
from cxr_clip.data.findings import FINDINGS
from cxr_clip.data.prompts import ZeroShotPrompt, load_zero_shot_prompts
from cxr_clip.embed import Embedder
from cxr_clip.errors import EmbeddingInputError, PromptError
from cxr_clip.reference import REFERENCE, fit_reference, write_reference
from cxr_clip.study import Split
from support_calibration import EDEMA
from support_data import made_up_picture
from support_models import tiny_run_folder

PICTURES = [made_up_picture(number) for number in range(3)]
TUBE = ZeroShotPrompt("tube", positive=("A tube is seen.", "There is a tube."), negative=("No tube is seen.",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_run_folder(tmp_path_factory.mktemp("run"), Path("nowhere"))
    edema = replace(EDEMA, prediction=PredictionBounds(level=0.9, positive_from=-9.0, negative_to=-8.0))
    calibration = Calibration(
        weights=hash_weights(folder), manifest="m", split=Split.VALIDATE, findings={"Edema": edema}
    )
    write_calibration(folder, calibration)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Embedder:
    return cxr_clip.load(folder, device="cpu")


def unit(values: torch.Tensor) -> torch.Tensor:
    return values / values.norm()


def test_the_score_is_the_difference_of_two_cosines(model: Embedder) -> None:
    answers = model.classify(PICTURES, ["edema", TUBE, "The heart is large."])
    assert [one.name for one in answers] == ["picture 0", "picture 1", "picture 2"]
    assert [[score.finding for score in one.findings] for one in answers] == [
        ["Edema", "tube", "The heart is large."]
    ] * 3
    for answer, image in zip(answers, model.embed_images(PICTURES), strict=True):
        edema, no_edema = model.embed_texts(["Edema", "No edema"])
        tubes, (no_tube,) = model.embed_texts(TUBE.positive), model.embed_texts(TUBE.negative)
        (sentence,) = model.embed_texts(["The heart is large."])
        expected = [
            image @ edema - image @ no_edema,
            image @ unit(tubes.mean(dim=0)) - image @ no_tube,
            image @ sentence,
        ]
        assert [score.score for score in answer.findings] == pytest.approx([float(one) for one in expected], abs=1e-6)


def test_only_what_was_calibrated_with_these_prompts_has_a_probability(model: Embedder) -> None:
    own = ZeroShotPrompt("Edema", positive=("Edema",), negative=("Clear lungs",))
    (calibrated, other), (reworded,) = (
        model.classify(PICTURES[:1], ["Edema", "Fracture"])[0].findings,
        model.classify(PICTURES[:1], [own])[0].findings,
    )
    assert calibrated.probability is not None
    assert calibrated.probability.value == pytest.approx(1 / (1 + np.exp(1 - 20 * calibrated.score)))
    low = calibrated.probability.low
    assert calibrated.meaning == f">0.99 ({low:.2f} to >0.99)"
    assert calibrated.answer is Answer.POSITIVE
    for one in (other, reworded):
        assert (one.probability, one.answer, one.meaning) == (None, None, SIMILARITY)


@pytest.mark.parametrize(
    ("probability", "meaning"),
    [
        (Probability(0.0012, 0.0, 0.0051), "<0.01 (<0.01 to 0.01)"),
        (Probability(0.98, 0.9949, 0.9999), "0.98 (0.99 to >0.99)"),
    ],
)
def test_no_probability_reads_as_never_or_as_always(probability: Probability, meaning: str) -> None:
    assert FindingScore("Edema", 0.1, probability).meaning == meaning


def test_what_belongs_to_the_weights_goes_where_they_go(model: Embedder, folder: Path, tmp_path: Path) -> None:
    reference = fit_reference(torch.randn(20, 16), torch.randn(20, 16), weights=hash_weights(folder))
    write_reference(folder, reference)
    model.save(tmp_path / "saved")
    saved = cxr_clip.load(tmp_path / "saved", device="cpu")
    assert saved.calibration == model.calibration
    assert saved.reference is not None
    assert saved.reference.limit == reference.limit
    (folder / REFERENCE).unlink()


def test_a_study_is_scored_by_the_mean_of_its_frontal_images(model: Embedder) -> None:
    answer = model.classify_study(PICTURES, ["Fracture"], views=["pa", "lateral", "ap"], name="s17")
    assert (answer.name, answer.images) == ("s17", 2)
    fracture, none = model.embed_texts(["Fracture", "No fracture"])
    mean = model.embed_study(PICTURES, ["pa", "lateral", "ap"])
    assert answer.score_of("Fracture").score == pytest.approx(float(mean @ fracture - mean @ none), abs=1e-6)


def test_pictures_that_are_no_chest_are_refused_and_the_others_are_not(model: Embedder) -> None:
    answers = model.classify([PICTURES[0], np.full((50, 50), 7, np.uint8), PICTURES[2]], ["Edema"])
    assert [len(one.findings) for one in answers] == [1, 0, 1]
    assert answers[1].abstained == ("it has hardly any contrast (deviation 0.0 of 255)",)
    assert answers[2] == model.classify(PICTURES, ["Edema"])[2]
    with pytest.raises(
        EmbeddingInputError, match=r"picture 1 has no score of 'Edema': the model abstained: it has hardly"
    ):
        answers[1].score_of("Edema")
    with pytest.raises(EmbeddingInputError, match="no score of 'Fracture': it was not asked"):
        answers[0].score_of("Fracture")
    study = model.classify_study([PICTURES[0], np.full((50, 50), 7, np.uint8)], ["Edema"])
    assert (study.findings, study.abstained) == ((), ("picture 1: it has hardly any contrast (deviation 0.0 of 255)",))
    forced = model.classify([np.full((50, 50), 7, np.uint8)], ["Edema"], abstain=False)[0]
    assert forced.abstained == ()
    assert forced.findings[0].finding == "Edema"


def test_without_findings_all_of_a_style_are_asked(model: Embedder, tmp_path: Path) -> None:
    assert [one.finding for one in model.classify(PICTURES[:1])[0].findings] == list(load_zero_shot_prompts())
    file = tmp_path / "own.yaml"
    file.write_text("mine: {Fracture: {positive: [Broken rib], negative: [Ribs intact]}}")
    (answer,) = model.classify(PICTURES[:1], style="mine", prompts=file)
    assert [one.finding for one in answer.findings] == ["Fracture"]


def test_nothing_in_nothing_out(model: Embedder) -> None:
    assert model.classify([]) == ()


def test_answers_do_not_change(model: Embedder) -> None:
    (answer,) = model.classify(PICTURES[:1], ["Edema"])
    with pytest.raises(FrozenInstanceError):
        answer.name = "other"  # type: ignore[misc]


def test_the_image_that_cannot_be_read_is_named(model: Embedder) -> None:
    with pytest.raises(EmbeddingInputError, match=r"^picture 1 \(absent.png\): the file cannot be read"):
        model.classify([PICTURES[0], "absent.png"])
    with pytest.raises(EmbeddingInputError, match="takes a list of images, not one"):
        model.classify("chest.png")


def test_names_are_taken_in_any_spelling_and_mistakes_are_told() -> None:
    assert [one.finding for one in prompts_for(["pleural_effusion", "No Tube."])] == ["Pleural Effusion", "No Tube."]
    assert len(prompts_for()) >= len(FINDINGS)
    with pytest.raises(PromptError, match=r"did you mean 'Pleural Effusion'\? - or write a sentence of your own, with"):
        prompts_for(["plueral effusion"])
    with pytest.raises(PromptError, match="the style 'biovil' has no prompt for Edema: it has Pneumonia"):
        prompts_for(["Edema"], style="biovil")
    with pytest.raises(PromptError, match="'Edema' is asked twice: ask it once"):
        prompts_for(["Edema", "edema"])
    with pytest.raises(PromptError, match="no finding is asked"):
        prompts_for([])
    with pytest.raises(PromptError, match="'x' has no positive prompt"):
        prompts_for([ZeroShotPrompt("x", (), ("No x",))])
    with pytest.raises(EmbeddingInputError, match="findings is a list of names"):
        prompts_for("Edema")
