"""A turned text says one thing wrongly and all else as before, in words that reports or prompts use themselves."""

from dataclasses import replace

import numpy as np
import pytest

from cxr_clip.data.dataset import Part, SampleKey, StudyDataset, choose_images
from cxr_clip.data.hard_negatives import turned_texts, turned_views
from cxr_clip.data.labeller import label_report
from cxr_clip.data.prompts import load_prompt_bank
from cxr_clip.data.sayings import Sayings, collect_sayings, statements_of
from cxr_clip.study import Certainty, ImageFile, Split, Study

POSITIVE, NEGATIVE = Certainty.POSITIVE, Certainty.NEGATIVE
REPORTS = (
    "Comparison: XXXX. Small left pleural effusion. No pneumothorax. The heart is normal in size.",
    "Large right pleural effusion. Pleura: There is no pneumothorax.",
    "Tiny right pneumothorax. No pleural effusion. Mild cardiomegaly.",
    "Lungs: No focal consolidation. No pleural effusion or pneumothorax.",
    "Left lower lobe consolidation. There is no pneumothorax.",
)


def study(number: int, text: str | None, **findings: Certainty) -> Study:
    return Study(
        id=f"s{number}",
        patient=f"p{number}",
        source="made up",
        split=Split.TRAIN,
        images=(ImageFile(path=f"{number}.png"),),
        sections={"findings": text} if text else {},
        findings=findings,
    )


@pytest.fixture(scope="module")
def sayings() -> Sayings:
    return collect_sayings([study(number, text) for number, text in enumerate(REPORTS)], load_prompt_bank())


def all_turned(text: str, sayings: Sayings, draws: int = 60) -> set[str]:
    return {one for seed in range(draws) for one in turned_texts(text, np.random.default_rng(seed), sayings, count=1)}


def test_what_is_stated_is_denied_on_the_other_side_or_of_another_size(sayings: Sayings) -> None:
    assert all_turned("Tiny left pleural effusion.", sayings) == {
        "Tiny right pleural effusion.",
        "Massive left pleural effusion.",
        "No pleural effusion.",
        "No pleural effusion or pneumothorax.",
    }


def test_what_is_denied_is_stated_as_reports_state_it(sayings: Sayings) -> None:
    assert all_turned("XXXX. No pneumothorax.", sayings) == {"XXXX. Tiny right pneumothorax."}


def test_one_sentence_is_turned_and_its_heading_and_the_others_stay(sayings: Sayings) -> None:
    text = "1. Comparison is made to XXXX. 2. Pleura: No pneumothorax. 3. Possible pneumonia."
    assert all_turned(text, sayings) == {text.replace("No pneumothorax.", "Tiny right pneumothorax.")}


@pytest.mark.parametrize("text", REPORTS)
def test_the_labeller_reads_another_certainty_side_or_size(text: str, sayings: Sayings) -> None:
    before = label_report({"findings": text})
    for turned in all_turned(text, sayings):
        after = label_report({"findings": turned})
        same_findings = {name: after.get(name) for name in before} == before
        swapped = any(
            word in turned.lower() and word not in text.lower() for word in ("left", "right", "large", "small")
        )
        assert not same_findings or swapped or "severe" in turned.lower() or "massive" in turned.lower()


@pytest.mark.parametrize(
    "text",
    [
        "Normal chest.",
        "",
        "Possible pneumothorax.",
        "No pneumothorax. Small pneumothorax.",
        "Small effusion without pneumothorax.",
    ],
)
def test_a_text_that_states_nothing_once_and_for_all_is_not_turned(text: str, sayings: Sayings) -> None:
    assert turned_texts(text, np.random.default_rng(0), sayings, count=3) == ()


def test_turned_texts_differ_and_come_to_no_more_than_are_asked_for(sayings: Sayings) -> None:
    drawn = [turned_texts(REPORTS[0], np.random.default_rng(seed), sayings, count=99) for seed in range(20)]
    assert max(map(len, drawn)) == 5
    assert all(len(many) == len(set(many)) and REPORTS[0] not in many for many in drawn)
    assert len(turned_texts(REPORTS[0], np.random.default_rng(0), sayings, count=2)) == 2


def test_a_finding_is_turned_as_often_where_it_is_denied_as_where_it_is_stated() -> None:
    texts = ["Small pneumothorax."] * 10 + ["No pneumothorax."] * 90
    said = collect_sayings([study(number, text) for number, text in enumerate(texts)], load_prompt_bank())
    generators = [np.random.default_rng(seed) for seed in range(100 * len(texts))]
    turned = [bool(turned_texts(text, rng, said, count=1)) for text, rng in zip(texts * 100, generators, strict=True)]
    stated = sum(one for one, text in zip(turned, texts * 100, strict=True) if text.startswith("Small"))
    denied = sum(turned) - stated
    assert stated == 1000
    assert denied == pytest.approx(9000 * 11 / 91, rel=0.1)  # one more of each than were counted


def test_places_without_a_turned_text_are_empty(sayings: Sayings) -> None:
    views = turned_views(
        ("Normal chest.", "Normal chest. No pneumothorax."), np.random.default_rng(0), sayings, count=2
    )
    assert views == ("", "", "Normal chest. Tiny right pneumothorax.", "")


def test_a_denial_of_one_kind_is_no_denial_of_what_includes_it() -> None:
    assert statements_of("No consolidation.") == (("Consolidation", NEGATIVE),)
    assert statements_of("No nodule.") == (("Nodule", NEGATIVE),)
    assert statements_of("Hazy opacity.") == (("Lung Opacity", POSITIVE),)


def test_prompts_are_turned_into_prompts(sayings: Sayings) -> None:
    bank = load_prompt_bank()
    prompt = bank.sentences("Pneumothorax", NEGATIVE)[0]
    turned = all_turned(f"{prompt} Normal chest.", sayings)
    assert turned
    assert {one.removesuffix(" Normal chest.") for one in turned} <= set(bank.sentences("Pneumothorax", POSITIVE))


def test_a_report_finding_that_no_report_states_is_stated_by_a_prompt(sayings: Sayings) -> None:
    turned = all_turned("There is no hiatal hernia.", sayings, draws=5)
    assert turned
    assert turned <= set(load_prompt_bank().sentences("Hernia", POSITIVE))


def test_a_rare_statement_is_turned_rather_than_a_frequent_one(sayings: Sayings) -> None:
    often = replace(sayings, studies={("Pneumothorax", NEGATIVE): 999, ("Pleural Effusion", NEGATIVE): 0})
    text = "No pneumothorax. No pleural effusion."
    turned = [turned_texts(text, np.random.default_rng(seed), often, count=1)[0] for seed in range(40)]
    assert sum("No pneumothorax." in one for one in turned) > 36


def test_a_silent_finding_is_not_stated(sayings: Sayings) -> None:
    silent = replace(sayings, silent=frozenset(["Pneumothorax"]))
    assert all_turned("There is no pneumothorax. XXXX.", silent) == set()
    assert all_turned("Tiny pleural effusion. No pneumothorax. XXXX.", silent) != set()


def test_labels_count_where_there_is_no_report() -> None:
    studies = [study(0, None, Edema=POSITIVE), study(1, None, Edema=POSITIVE), study(2, "No edema.", Edema=POSITIVE)]
    counted = collect_sayings(studies, load_prompt_bank()).studies
    assert dict(counted) == {("Edema", POSITIVE): 2, ("Edema", NEGATIVE): 1}


def test_images_and_texts_are_those_of_a_training_without() -> None:
    studies = [study(number, text) for number, text in enumerate(REPORTS)]

    def texts(of: Study, rng: np.random.Generator) -> tuple[str, ...]:
        return of.sections["findings"], f"{rng.integers(10**6)}"

    def turned(texts: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
        return (f"{texts[0]} {rng.integers(10**6)}",)

    def dataset(**given: object) -> StudyDataset:
        part = Part(studies, lambda _: np.zeros((9, 9), np.uint8), texts, **given)
        return StudyDataset([part], choose=choose_images, transform=speckled, images=2, seed=4)

    without, with_turned = dataset()[SampleKey(1, 2)], dataset(turned=turned)[SampleKey(1, 2)]
    assert without.turned == ()
    assert with_turned.texts == without.texts
    assert all(np.array_equal(*pair) for pair in zip(with_turned.images, without.images, strict=True))
    assert with_turned.turned == dataset(turned=turned)[SampleKey(1, 2)].turned
    assert with_turned.turned != dataset(turned=turned)[SampleKey(2, 2)].turned


def speckled(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image + rng.integers(0, 100, image.shape, dtype=np.uint8)
