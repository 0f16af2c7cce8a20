"""The zero-shot figure of a training is scikit-learn's on the same cosines, for findings that have both classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from cxr_clip import assemble, checkpoint
from cxr_clip.data.prompts import ZeroShotPrompt, load_zero_shot_prompts
from cxr_clip.embed import load
from cxr_clip.recipe import LogSettings
from cxr_clip.study import Certainty, Split, Study
from cxr_clip.train.train_run import make_training, train_run
from cxr_clip.train.validation import validate
from cxr_clip.train.zero_shot import macro_auroc, questions
from support_data import write_tiny_manifest
from support_models import tiny_recipe, tiny_run

PROMPTS = {
    "Mass": ZeroShotPrompt("Mass", ("a mass", "mass seen"), ("no mass",)),
    "Edema": ZeroShotPrompt("Edema", ("edema",), ("no edema",)),
    "Nodule": ZeroShotPrompt("Nodule", ("nodule",), ("no nodule",)),
}
SAID = {"Mass": "ppppp nnnnnu", "Edema": "pppp nnnnnnn", "Nodule": "            "}
WORDS = {"p": Certainty.POSITIVE, "n": Certainty.NEGATIVE, "u": Certainty.UNCERTAIN}


def study(number: int) -> Study:
    findings = {name: WORDS[said[number]] for name, said in SAID.items() if said[number] != " "}
    return Study(f"s{number}", f"p{number}", "made up", Split.VALIDATE, (), findings=findings)


def test_a_question_needs_five_of_both_classes_and_leaves_the_uncertain_out(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    collate = assemble.make_collate(recipe, tiny_run(recipe).tokeniser)
    asked = questions([study(number) for number in range(12)], PROMPTS, collate.tokenise)
    assert [one.finding for one in asked] == ["Mass"]
    assert asked[0].rows.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert asked[0].has.tolist() == [True] * 5 + [False] * 5
    assert (len(asked[0].positive.ids), len(asked[0].negative.ids)) == (2, 1)


def test_the_figure_is_that_of_scikit_learn(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    run = tiny_run(recipe)
    run.model.eval()
    studies = [study(number) for number in range(12)]
    collate = assemble.make_collate(recipe, run.tokeniser)
    asked = questions(studies, PROMPTS, collate.tokenise)
    images = torch.nn.functional.normalize(torch.randn(12, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    with torch.no_grad():
        found = macro_auroc(run.model, images, asked, device="cpu")
        mass, seen, no_mass = run.model.embed_texts(collate.tokenise(["a mass", "mass seen", "no mass"]))
    side = (mass + seen) / (mass + seen).norm()
    rows = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    scores = [float(images[row] @ side - images[row] @ no_mass) for row in rows]
    assert found == pytest.approx(roc_auc_score([1] * 5 + [0] * 5, scores))


def test_a_run_measures_what_its_validation_studies_are_labelled_with(tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "data", validate=40)
    recipe = tiny_recipe(manifest)
    trained = train_run(recipe, tmp_path / "run", progress=False)
    assert trained.result.validation is not None
    assert 0 < trained.result.validation.auroc < 1
    # By hand, from the best weights of the run folder.
    run, sources = checkpoint.load_run(tmp_path / "run"), assemble.open_sources(recipe.data)
    training = make_training(run, sources)
    found = validate(
        run.model,
        training.validation_batches(),
        weights=training.weights,
        autocast=training.autocast,
        device="cpu",
        asked=training.questions,
    )
    assert {one.finding for one in training.questions} == {"Pleural Effusion", "Mass", "Fracture", "Nodule"}
    embedder, areas = load(tmp_path / "run"), []
    images = embedder.embed_images([sources[0].store.read(one.images[0]) for one in sources[0].validate])
    for name in (one.finding for one in training.questions):
        prompt = load_zero_shot_prompts()[name]
        sides = [embedder.embed_texts(texts).mean(dim=0) for texts in (prompt.positive, prompt.negative)]
        positive, negative = (side / side.norm() for side in sides)
        has = [one.findings[name] is Certainty.POSITIVE for one in sources[0].validate]
        areas.append(roc_auc_score(has, (images @ (positive - negative)).double()))
    assert found.auroc == pytest.approx(np.mean(areas), abs=0.02)


@pytest.mark.parametrize(("validate_studies", "wanted"), [(4, True), (40, False)])
def test_too_few_labels_or_a_setting_turn_it_off(tmp_path: Path, validate_studies: int, wanted: bool) -> None:
    manifest = write_tiny_manifest(tmp_path / "data", validate=validate_studies)
    recipe = tiny_recipe(manifest).model_copy(update={"log": LogSettings(every_steps=1, zero_shot=wanted)})
    trained = train_run(recipe, tmp_path / "run", progress=False)
    assert trained.result.validation.auroc is None
    assert "auroc" not in (tmp_path / "run" / "metrics.jsonl").read_text()
