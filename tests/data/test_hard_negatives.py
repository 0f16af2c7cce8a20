"""A turned sentence says the contrary of one of the text, in words that reports or prompts use themselves."""

from dataclasses import replace

import numpy as np
import pytest

from cxr_clip.data.dataset import Part, SampleKey, StudyDataset, choose_images
from cxr_clip.data.hard_negatives import Exchange, Turner
from cxr_clip.data.labeller import label_report
from cxr_clip.data.prompts import load_prompt_bank
from cxr_clip.data.sayings import Sayings, collect_sayings, statements_of
from cxr_clip.data.sides_and_grades import other_side
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


def all_turned(text: str, sayings: Sayings, draws: int = 60) -> set[tuple[str, str]]:
    turner = Turner(sayings, count=1)
    return {pair for seed in range(draws) for pair in turner.pairs(text, np.random.default_rng(seed))}


def test_what_is_stated_is_denied_on_the_other_side_or_of_another_size(sayings: Sayings) -> None:
    text = "Tiny left pleural effusion."
    assert all_turned(text, sayings) == {
        (text, "Tiny right pleural effusion."),
        (text, "Massive left pleural effusion."),
        (text, "No pleural effusion."),
        (text, "No pleural effusion or pneumothorax."),
    }


def test_what_is_denied_is_stated_as_reports_state_it(sayings: Sayings) -> None:
    assert all_turned("XXXX. No pneumothorax.", sayings) == {("No pneumothorax.", "Tiny right pneumothorax.")}


def test_one_sentence_is_turned_without_its_number_and_heading(sayings: Sayings) -> None:
    text = "1. Comparison is made to XXXX. 2. Pleura: No  pneumothorax. 3. Possible pneumonia."
    assert all_turned(text, sayings) == {("No pneumothorax.", "Tiny right pneumothorax.")}


@pytest.mark.parametrize("text", REPORTS)
def test_the_labeller_reads_another_certainty_side_or_size(text: str, sayings: Sayings) -> None:
    for stated, turned in all_turned(text, sayings):
        assert stated in text
        swapped = any(
            word in turned.lower() and word not in text.lower()
            for word in ("left", "right", "large", "small", "severe", "massive")
        )
        assert label_report({"findings": stated}) != label_report({"findings": turned}) or swapped


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
    assert Turner(sayings, count=3).pairs(text, np.random.default_rng(0)) == []


def test_pairs_are_of_different_statements_and_no_more_than_are_asked_for(sayings: Sayings) -> None:
    drawn = [Turner(sayings, count=99).pairs(REPORTS[0], np.random.default_rng(seed)) for seed in range(20)]
    stated = {"Small left pleural effusion.", "No pneumothorax.", "The heart is normal in size."}
    assert all({one for one, _ in pairs} == stated and len(pairs) == 3 for pairs in drawn)
    assert len(Turner(sayings, count=2).pairs(REPORTS[0], np.random.default_rng(0))) == 2


def test_what_is_stated_is_turned_as_often_as_what_is_denied(sayings: Sayings) -> None:
    turner = Turner(sayings, count=1)
    text = "Mild cardiomegaly. No pneumothorax. No pleural effusion. No focal consolidation."
    stated = [turner.pairs(text, np.random.default_rng(seed))[0][0] for seed in range(400)]
    assert stated.count("Mild cardiomegaly.") == pytest.approx(200, abs=40)


def test_a_finding_is_turned_as_often_where_it_is_denied_as_where_it_is_stated() -> None:
    texts = ["Small pneumothorax. XXXX."] * 3 + ["No pneumothorax. XXXX."] * 297
    said = collect_sayings([study(number, text) for number, text in enumerate(texts)], load_prompt_bank())
    turner = Turner(said, count=1).rehearsed(texts)
    # Half of the stated ones are drawn for their size, of which there is no other.
    assert turner.kept == {
        Exchange("Pneumothorax", "positive", "negative"): 1,
        Exchange("Pneumothorax", "negative", "positive"): pytest.approx(1.5 / 297),
        Exchange("Pneumothorax", "little", "much"): 0,
    }
    rng = np.random.default_rng(1)
    pairs = [pair for text in texts * 100 for pair in turner.pairs(text, rng)]
    assert sum(turned.startswith("No") for _, turned in pairs) == pytest.approx(len(pairs) / 2, rel=0.2)


def test_reports_and_prompts_are_balanced_each_by_themselves(sayings: Sayings) -> None:
    stated, denied = (
        next(one for one in load_prompt_bank().sentences("Pneumothorax", certainty) if not other_side(one))
        for certainty in (POSITIVE, NEGATIVE)
    )
    reports = ["No pneumothorax. XXXX."] * 30 + ["There is a pneumothorax. XXXX."] * 10
    kept = Turner(sayings, count=1).rehearsed(reports + [stated] * 30 + [denied] * 10).kept
    assert kept == {
        Exchange("Pneumothorax", "negative", "positive", prompts=False): pytest.approx(1 / 3),
        Exchange("Pneumothorax", "positive", "negative", prompts=False): 1,
        Exchange("Pneumothorax", "positive", "negative", prompts=True): pytest.approx(1 / 3),
        Exchange("Pneumothorax", "negative", "positive", prompts=True): 1,
    }


def test_what_no_text_says_the_other_way_round_is_not_turned(sayings: Sayings) -> None:
    turner = Turner(sayings, count=1)
    assert turner.pairs("No pneumothorax.", np.random.default_rng(0))
    assert turner.rehearsed(["No pneumothorax."] * 5).pairs("No pneumothorax.", np.random.default_rng(0)) == []
    assert turner.rehearsed([]).pairs("No pneumothorax.", np.random.default_rng(0)) == []


def test_sides_and_sizes_are_exchanged_as_often_in_either_direction(sayings: Sayings) -> None:
    texts = ["Trace left pleural effusion. XXXX."] * 30 + ["Large right pleural effusion. XXXX."] * 10
    kept = Turner(sayings, count=1).rehearsed(texts).kept
    assert kept is not None
    for often, seldom in (("left", "right"), ("little", "much")):
        assert kept[Exchange("Pleural Effusion", seldom, often)] == 1
        assert kept[Exchange("Pleural Effusion", often, seldom)] == pytest.approx(1 / 3)


def test_places_without_a_pair_are_empty(sayings: Sayings) -> None:
    turner = Turner(sayings, count=2)
    views = turner(("Normal chest.", "Normal chest. No pneumothorax."), np.random.default_rng(0))
    assert views == ("", "", "", "", "No pneumothorax.", "Tiny right pneumothorax.", "", "")


def test_a_denial_of_one_kind_is_no_denial_of_what_includes_it() -> None:
    assert statements_of("No consolidation.") == (("Consolidation", NEGATIVE),)
    assert statements_of("No nodule.") == (("Nodule", NEGATIVE),)
    assert statements_of("Hazy opacity.") == (("Lung Opacity", POSITIVE),)


def test_prompts_are_turned_into_prompts(sayings: Sayings) -> None:
    bank = load_prompt_bank()
    prompt = bank.sentences("Pneumothorax", NEGATIVE)[0]
    pairs = all_turned(prompt, sayings)
    assert {stated for stated, _ in pairs} == {prompt}
    assert {turned for _, turned in pairs} <= set(bank.sentences("Pneumothorax", POSITIVE))


def test_what_no_other_report_states_is_not_turned(sayings: Sayings) -> None:
    assert all_turned("There is no hiatal hernia.", sayings, draws=5) == set()


def test_a_silent_finding_is_not_stated(sayings: Sayings) -> None:
    silent = replace(sayings, silent=frozenset(["Pneumothorax"]))
    assert all_turned("There is no pneumothorax. XXXX.", silent) == set()
    assert all_turned("Tiny pleural effusion. No pneumothorax. XXXX.", silent) != set()


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
