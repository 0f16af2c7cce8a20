"""Prompts are many distinct, well-formed sentences, and prompt reports say exactly what the labels say."""

import re
from collections import Counter
from functools import lru_cache
from importlib.resources import files

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cxr_clip.data.findings import KNOWN_FINDINGS, NO_FINDING
from cxr_clip.data.prompt_files import read_class_prompts
from cxr_clip.data.prompts import load_class_prompts, load_prompt_bank, load_zero_shot_prompts, write_prompt_report
from cxr_clip.data.reports import split_sentences
from cxr_clip.errors import PromptError
from cxr_clip.study import Certainty

POSITIVE, NEGATIVE, UNCERTAIN = Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN
BANK = load_prompt_bank()
EVERY_LIST = [(finding, certainty) for finding in KNOWN_FINDINGS for certainty in Certainty]
LABELS = st.dictionaries(st.sampled_from(KNOWN_FINDINGS), st.sampled_from(list(Certainty)))


def plain(text):
    """A text without case, punctuation and articles: what two trivially equal texts share."""
    return " ".join(word for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in ("a", "an", "the"))


@lru_cache(maxsize=1)
def meanings():
    """The findings and certainties that each sentence of the bank may stand for."""
    found = {}
    for key in BANK.groups:
        for sentence in BANK.sentences(*key):
            found.setdefault(sentence, set()).add(key)
    return found


def said(report):
    """What a report says, sentence by sentence, read back from the bank."""
    return [meanings()[sentence] for sentence in split_sentences(report)]


class TestBank:
    @pytest.mark.parametrize(("finding", "certainty"), EVERY_LIST)
    def test_each_finding_has_dozens_of_distinct_sentences_of_each_kind(self, finding, certainty):
        sentences = BANK.sentences(finding, certainty)
        assert len(set(sentences)) == len(sentences) >= 36
        assert len(BANK.groups[finding, certainty]) >= 6

    def test_short_forms_are_there(self):
        others = {NO_FINDING, "Support Devices", "Pleural Other", "Enlarged Cardiomediastinum"}
        for finding in set(KNOWN_FINDINGS) - others:
            name = {"COPD": "COPD", "Nodule/Mass": "nodule or mass"}.get(finding, finding.lower())
            assert f"{name[0].upper()}{name[1:]}." in BANK.sentences(finding, POSITIVE)
            assert f"No {name}." in BANK.sentences(finding, NEGATIVE)
            assert f"Possible {name}." in BANK.sentences(finding, UNCERTAIN)

    def test_each_sentence_is_one_well_formed_sentence(self):
        for sentence in BANK.all_sentences():
            assert re.fullmatch(r"[A-Z][^{}|?()]*\.", sentence), sentence
            assert not re.search(r"\s\s|\s[.,;]|[.,;]{2}|\b(\w+) \1\b|\ba [aeio]\w|\ban [^aeio8]", sentence), sentence
            assert split_sentences(sentence) == [sentence]

    def test_no_sentence_means_two_things(self):
        """A sentence of one kind is not of another kind, whatever the finding, nor of another finding's kind."""
        assert all(len({certainty for _, certainty in keys}) == 1 for keys in meanings().values())

    def test_a_side_belongs_to_something_that_has_sides(self):
        whole = ("Cardiomegaly", "Edema", "Enlarged Cardiomediastinum", "Emphysema", "Hernia", "COPD", NO_FINDING)
        for finding in (*whole, "Aortic Enlargement", "Mediastinal Shift", "Interstitial Lung Disease"):
            for certainty in Certainty:
                for sentence in BANK.sentences(finding, certainty):
                    assert not re.search(r"(left|right) (lower|upper|middle) lobe|lingula|(left|right) base", sentence)

    def test_only_no_finding_says_that_all_is_well(self):
        """A negative finding may stand beside any positive one, so it must not clear the lungs, heart or pleura."""
        for finding in KNOWN_FINDINGS[1:]:
            for sentence in BANK.sentences(finding, NEGATIVE):
                assert not re.search(
                    r"(lungs|apices|bases|spaces) are (clear\b(?! of)|normal)|fully expanded", sentence
                )

    def test_a_short_form_is_as_likely_as_a_long_template(self):
        rng = np.random.default_rng(0)
        drawn = Counter(BANK.draw("Cardiomegaly", POSITIVE, rng) for _ in range(2000))
        assert drawn["Cardiomegaly."] > 2000 / len(BANK.groups["Cardiomegaly", POSITIVE]) / 2

    def test_all_sentences_are_those_of_all_lists(self):
        assert BANK.all_sentences() == {sentence for key in EVERY_LIST for sentence in BANK.sentences(*key)}

    def test_every_shared_phrase_is_used(self):
        text = files("cxr_clip").joinpath("resources", "prompts_train.yaml").read_text("utf-8")
        slots = yaml.safe_load(text)["slots"]
        assert all(f"{{{name}}}" in text or f"{{{name}?}}" in text for name in slots)


class TestReport:
    @given(LABELS, st.none() | st.integers(0, 5), st.integers(0, 2**32))
    def test_a_report_says_what_the_labels_say(self, labels, negatives, seed):
        before = dict(labels)
        report = write_prompt_report(labels, BANK, np.random.default_rng(seed), negatives=negatives)
        assert labels == before
        spoken = said(report)
        others = {finding: certainty for finding, certainty in labels.items() if finding != NO_FINDING}
        stated = {(finding, certainty) for finding, certainty in others.items() if certainty is not NEGATIVE}
        absent = {(finding, certainty) for finding, certainty in others.items() if certainty is NEGATIVE}
        if not stated or labels.get(NO_FINDING) is POSITIVE:
            stated.add((NO_FINDING, labels.get(NO_FINDING, POSITIVE)))
        for key in stated:
            assert any(key in meaning for meaning in spoken)
        for meaning in spoken:
            assert meaning & (stated | absent)
        assert len(spoken) == len(stated) + (len(absent) if negatives is None else min(negatives, len(absent)))

    def test_nothing_said_is_no_finding(self):
        report = write_prompt_report({}, BANK, np.random.default_rng(0), negatives=None)
        assert report in BANK.sentences(NO_FINDING, POSITIVE)

    def test_an_abnormal_study_without_a_finding_is_called_abnormal(self):
        report = write_prompt_report({NO_FINDING: NEGATIVE}, BANK, np.random.default_rng(0), negatives=None)
        assert report in BANK.sentences(NO_FINDING, NEGATIVE)

    def test_two_draws_differ_usually_and_the_order_of_the_sentences_varies(self):
        labels = {"Edema": POSITIVE, "Pneumothorax": NEGATIVE}
        rng = np.random.default_rng(0)
        reports = [write_prompt_report(labels, BANK, rng, negatives=3) for _ in range(200)]
        assert len(set(reports)) > 190
        first = [("Edema", POSITIVE) in said(report)[0] for report in reports[:40]]
        assert 8 < sum(first) < 32

    def test_each_negative_is_drawn_sometimes(self):
        labels = dict.fromkeys(KNOWN_FINDINGS[1:], NEGATIVE)
        rng = np.random.default_rng(0)
        drawn = [
            finding
            for _ in range(120)
            for m in said(write_prompt_report(labels, BANK, rng, negatives=3))
            for finding, _ in m
        ]
        assert set(drawn) >= set(KNOWN_FINDINGS)

    def test_the_order_of_the_labels_does_not_matter(self):
        labels = {"Mass": POSITIVE, "Edema": UNCERTAIN, "Hernia": NEGATIVE, "Nodule": NEGATIVE}
        reports = {
            write_prompt_report(dict(items), BANK, np.random.default_rng(3), negatives=1)
            for items in (labels.items(), reversed(labels.items()))
        }
        assert len(reports) == 1


class TestZeroShot:
    def test_standard_prompts_name_each_finding(self):
        prompts = load_zero_shot_prompts()
        assert set(prompts) == set(KNOWN_FINDINGS)
        assert prompts["Cardiomegaly"].positive == ("Cardiomegaly",)
        assert prompts["Cardiomegaly"].negative == ("No cardiomegaly",)
        assert prompts["Cardiomegaly"].finding == "Cardiomegaly"

    def test_paraphrases_are_not_in_the_training_bank(self):
        prompts = load_zero_shot_prompts("paraphrase")
        assert set(prompts) == set(KNOWN_FINDINGS)
        known = {plain(sentence) for sentence in BANK.all_sentences()}
        standard = load_zero_shot_prompts()
        known |= {plain(text) for prompt in standard.values() for text in prompt.positive + prompt.negative}
        texts = [text for prompt in prompts.values() for text in prompt.positive + prompt.negative]
        assert [text for text in texts if plain(text) in known] == []
        assert len({plain(text) for text in texts}) == len(texts)
        assert all(len(prompt.positive) == len(prompt.negative) >= 3 for prompt in prompts.values())

    def test_biovil_asks_for_pneumonia_in_its_published_words(self):
        prompts = load_zero_shot_prompts("biovil")
        assert prompts["Pneumonia"].positive == ("Findings suggesting pneumonia.",)
        assert prompts["Pneumonia"].negative == ("No evidence of pneumonia",)

    def test_an_unknown_style_is_answered_with_the_nearest(self):
        with pytest.raises(PromptError, match="no prompt style 'standart': did you mean 'standard'"):
            load_zero_shot_prompts("standart")

    def test_an_own_file_is_read(self, tmp_path):
        path = tmp_path / "own.yaml"
        path.write_text("mine: {Effusion: {positive: [wet], negative: [dry]}}", "utf-8")
        assert load_zero_shot_prompts("mine", path)["Pleural Effusion"].positive == ("wet",)

    def test_a_prompt_without_its_opposite_is_refused(self, tmp_path):
        path = tmp_path / "own.yaml"
        path.write_text("mine: {Effusion: {positive: [wet]}}", "utf-8")
        with pytest.raises(PromptError, match="mine: Effusion: negative: expected a list with at least one sentence"):
            load_zero_shot_prompts("mine", path)


class TestClassPrompts:
    def test_the_five_classes_have_sets_of_distinct_phrases_that_name_them(self):
        sets = load_class_prompts()
        assert list(sets) == ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]
        texts = [text for prompts in sets.values() for text in prompts]
        assert len({plain(text) for text in texts}) == len(texts)
        for finding, prompts in sets.items():
            words = {"Cardiomegaly": "cardiomegaly|enlargement of the (heart|cardiac)"}.get(finding, finding.lower())
            assert all(re.search(words, text.lower()) for text in prompts)
            others = set(sets) - {finding}
            assert not any(other.lower() in text.lower() for other in others for text in prompts)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("Edema: {templates: [Wet]}", "Edema: unknown key 'templates'"),
            ("Edema: {slots: {a: [b]}}", "Edema: prompts: expected a list with at least one sentence"),
            ("Edema: {prompts: ['{x} edema']}", "Edema: template '.x. edema' uses slot"),
            ("Oedemma: {prompts: [Wet]}", "There is no finding called 'Oedemma'"),
        ],
    )
    def test_a_malformed_set_is_refused(self, tmp_path, text, words):
        path = tmp_path / "sets.yaml"
        path.write_text(text, "utf-8")
        with pytest.raises(PromptError, match=words):
            read_class_prompts(path)
