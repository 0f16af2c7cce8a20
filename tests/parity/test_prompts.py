"""Prompt reports state what the published code states: which findings, with which certainty, how many, in any order."""

import ast
from collections import Counter

import numpy as np
import pytest

from cxr_clip.data.findings import NO_FINDING
from cxr_clip.data.prompts import PromptBank, load_prompt_bank, write_prompt_report
from cxr_clip.data.texts import Wording, fixed_texts
from cxr_clip.study import Certainty, Split, Study

pytestmark = pytest.mark.shared
READS = {"prompts.json": ("*",)}
CERTAINTIES = {"pos": Certainty.POSITIVE, "neg": Certainty.NEGATIVE, "unc": Certainty.UNCERTAIN}
# ChestX-ray14's own names of two findings.
OURS = {"Effusion": "Pleural Effusion", "Pleural_Thickening": "Pleural Thickening"}


class Transparent(PromptBank):
    """A bank whose sentences say what they state."""

    def draw(self, finding, certainty, rng):
        return f"{finding}/{certainty.value}."


BANK = Transparent(groups={}, origin="the test")


def stated(findings, seed, *, negatives=None):
    report = write_prompt_report(findings, BANK, np.random.default_rng(seed), negatives=negatives)
    return tuple(part.strip() for part in report.split(".") if part.strip())


def findings_of(labels):
    """Our findings of the recorded (positive, negative, uncertain) names."""
    return {name: certainty for names, certainty in zip(labels, CERTAINTIES.values(), strict=True) for name in names}


def test_the_recorded_findings_are_stated_with_their_certainty(golden):
    for draw in golden.facts("prompts.json")["chexpert_draws_seed2024"]:
        expected = {f"{name}/{CERTAINTIES[kind].value}" for name, kind, _ in draw["sentences"]}
        assert len(draw["sentences"]) == len(expected)
        # Nothing to say was an empty report there; ours says that there is nothing.
        expected = expected or {f"{NO_FINDING}/positive"}
        assert set(stated(findings_of(draw["labels"]), seed=0)) == expected
    assert golden.facts("prompts.json")["chexpert_undecodable"] == 0


def test_sentences_come_in_any_order(golden):
    draw = golden.facts("prompts.json")["chexpert_draws_seed2024"][0]
    findings = findings_of(draw["labels"])
    orders = Counter(tuple(one.split("/")[1][:3] for one in stated(findings, seed)) for seed in range(100))
    recorded = {tuple(ast.literal_eval(key)) for key in golden.facts("prompts.json")["polarity_order_counts_for_LAB0"]}
    assert orders.keys() == recorded
    assert max(orders.values()) < 25


def test_validation_says_the_same_each_time(golden):
    # There it joins the first sentence of each finding; here the study decides which, so that validation sees variety.
    for labels, found in golden.facts("prompts.json")["deterministic_is_first_positive_sentence_joined"].items():
        assert all(found)
        findings = findings_of(ast.literal_eval(labels)) or {"Edema": Certainty.NEGATIVE}
        study = Study(id="a", patient="p", source="s", split=Split.VALIDATE, images=(), sections={}, findings=findings)
        first, again = (fixed_texts(study, Wording(load_prompt_bank())) for _ in range(2))
        assert first == again


def test_labels_without_uncertainty_give_their_positives_and_three_negatives(golden):
    for key, times in golden.facts("prompts.json")["chest14_counts"].items():
        said, sentences, positive, negative = ast.literal_eval(key)
        names = [OURS.get(name, name) for name in ast.literal_eval(said)]
        everything = {f"Finding {number}": Certainty.NEGATIVE for number in range(12)}
        everything |= dict.fromkeys(names, Certainty.POSITIVE)
        for seed in range(times // 10):
            kinds = Counter(one.split("/")[1] for one in stated(everything, seed, negatives=3))
            assert kinds == {"positive": positive, "negative": negative}
            assert kinds.total() == sentences


def test_our_bank_has_sentences_wherever_the_published_one_has(golden):
    pools = golden.facts("prompts.json")["prompt_pools"]
    load_prompt_bank().require(
        (OURS.get(finding, finding), CERTAINTIES[kind])
        for finding, kinds in pools.items()
        for kind, pool in kinds.items()
        if pool["n"] > pool["empty"]
    )
