"""A study shows its report where it has one and prompt reports where it has labels only."""

import pickle
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from cxr_clip.data.prompts import load_prompt_bank
from cxr_clip.data.reports import split_sentences
from cxr_clip.data.texts import Wording, choose_texts, fixed_texts, training_texts
from cxr_clip.errors import ReportError
from cxr_clip.study import Certainty, Split, Study

BANK = load_prompt_bank()
PLAIN = Wording(BANK)
FINDINGS = "Clear lungs. Normal heart. No effusion."
IMPRESSION = "No acute disease. Unchanged."
LABELS = {"Edema": Certainty.POSITIVE, "Mass": Certainty.NEGATIVE, "Hernia": Certainty.NEGATIVE}


def study(*, labels=None, name="s1", **sections):
    return Study(name, "p1", "test", Split.TRAIN, (), sections=sections, findings=labels or {})


def choose(of, seed=0, **options):
    return choose_texts(of, np.random.default_rng(seed), PLAIN, **options)


def fixed(of, **options):
    return fixed_texts(of, PLAIN, **options)


def same_sentences(text, other):
    return sorted(split_sentences(text)) == sorted(split_sentences(other))


class TestTwoSections:
    both = study(findings=FINDINGS, impression=IMPRESSION, labels=LABELS)

    def test_the_two_texts_are_findings_and_impression(self):
        for seed in range(20):
            first, second = choose(self.both, seed)
            assert same_sentences(first, FINDINGS)
            assert same_sentences(second, IMPRESSION)

    def test_sentences_come_in_every_order(self):
        assert len({choose(self.both, seed)[0] for seed in range(80)}) == 6

    def test_sentences_stay_as_written_where_the_wording_says_so(self):
        written = Wording(BANK, shuffle=False)
        for seed in range(10):
            assert choose_texts(self.both, np.random.default_rng(seed), written) == (FINDINGS, IMPRESSION)
        one = study(findings=FINDINGS)
        assert choose_texts(one, np.random.default_rng(0), written) == (FINDINGS, FINDINGS)
        assert fixed_texts(one, written) == (FINDINGS, FINDINGS)

    def test_one_text_is_either_section(self):
        chosen = [text for seed in range(100) for text in choose(self.both, seed, count=1)]
        assert all(same_sentences(text, FINDINGS) or same_sentences(text, IMPRESSION) for text in chosen)
        counts = Counter(same_sentences(text, FINDINGS) for text in chosen)
        assert min(counts[True], counts[False]) > 25

    def test_one_text_comes_in_every_order_of_its_sentences(self):
        assert len({choose(self.both, seed, count=1) for seed in range(100)}) == 6 + 2

    def test_fixed_texts_are_the_sections_as_written(self):
        assert fixed(self.both) == (FINDINGS, IMPRESSION)

    def test_one_fixed_text_is_the_longer_section(self):
        assert fixed(self.both, count=1) == (FINDINGS,)
        assert fixed(study(findings="Clear.", impression=IMPRESSION), count=1) == (IMPRESSION,)


class TestOneSection:
    @pytest.mark.parametrize("section", ["findings", "impression"])
    def test_it_is_used_as_written_and_reordered(self, section):
        single = study(**{section: FINDINGS, "comparison": "None."})
        texts = [choose(single, seed) for seed in range(80)]
        assert {first for first, _ in texts} == {FINDINGS}
        assert len({second for _, second in texts}) == 6
        assert all(same_sentences(second, FINDINGS) for _, second in texts)

    def test_a_back_translation_is_preferred_as_the_second_text(self):
        single = study(findings=FINDINGS, findings_back_translation="The lungs are free.")
        assert choose(single) == fixed(single) == (FINDINGS, "The lungs are free.")

    def test_fixed_texts_use_it_twice(self):
        first, second = fixed(study(findings=FINDINGS))
        assert first == FINDINGS
        assert same_sentences(second, FINDINGS)


class TestWhatTrainingVaries:
    both = study(findings=FINDINGS, impression=IMPRESSION, labels=LABELS)

    def draw(self, of, **shares):
        wording = Wording(BANK, **shares)
        return [choose_texts(of, np.random.default_rng(seed), wording) for seed in range(300)]

    def test_a_section_is_cut_to_some_of_its_sentences_as_often_as_asked(self):
        texts = [set(split_sentences(first)) for first, _ in self.draw(self.both, cut_sentences=0.5)]
        assert all(text and text <= set(split_sentences(FINDINGS)) for text in texts)
        counts = Counter(len(text) for text in texts)
        # Half are left whole, of the other half a third each have one, two or three sentences.
        assert counts[1] == pytest.approx(50, abs=25)
        assert counts[2] == pytest.approx(50, abs=25)
        assert counts[3] == pytest.approx(200, abs=30)

    def test_labels_speak_instead_of_the_report_as_often_as_asked(self):
        own = set(split_sentences(FINDINGS))
        shares = [not set(split_sentences(first)) <= own for first, _ in self.draw(self.both, label_prompts=0.25)]
        assert sum(shares) == pytest.approx(75, abs=25)

    def test_a_report_without_labels_is_left_to_itself(self):
        unlabelled = study(findings=FINDINGS, impression=IMPRESSION)
        assert all(same_sentences(first, FINDINGS) for first, _ in self.draw(unlabelled, label_prompts=1.0))

    def test_what_is_fixed_does_not_vary(self):
        assert fixed_texts(self.both, Wording(BANK, label_prompts=1.0, cut_sentences=1.0)) == (FINDINGS, IMPRESSION)

    def test_a_tokeniser_learns_the_prompts_too(self):
        texts = list(training_texts(self.both, Wording(BANK, label_prompts=0.1)))
        assert texts[:2] == [FINDINGS, IMPRESSION]
        assert len(texts) > 2


class TestLabelsOnly:
    labelled = study(labels=LABELS)

    def test_the_two_texts_are_drawn_independently(self):
        texts = [choose(self.labelled, seed) for seed in range(50)]
        assert sum(first != second for first, second in texts) > 45
        assert all(len(split_sentences(text)) == 3 for pair in texts for text in pair)

    def test_negatives_are_limited(self):
        (text,) = choose_texts(self.labelled, np.random.default_rng(0), Wording(BANK, negatives=1), count=1)
        assert len(split_sentences(text)) == 2

    def test_a_study_with_nothing_to_say_is_refused(self):
        for texts in (choose, fixed):
            with pytest.raises(ReportError, match="'s1' of test has neither findings or impression text nor labels"):
                texts(study(comparison="None."))

    def test_fixed_texts_depend_on_the_study_only(self):
        assert fixed(self.labelled) == fixed(study(labels=LABELS))
        assert fixed(self.labelled) != fixed(study(labels=LABELS, name="s2"))

    def test_fixed_texts_are_the_same_in_another_process(self):
        program = (
            "import sys, pickle\nfrom cxr_clip.data.prompts import load_prompt_bank\n"
            "from cxr_clip.data.texts import Wording, fixed_texts\n"
            "study = pickle.loads(sys.stdin.buffer.read())\n"
            "sys.stdout.write('|'.join(fixed_texts(study, Wording(load_prompt_bank()), count=2)))\n"
            "assert not {'torch', 'transformers'} & set(sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], input=pickle.dumps(self.labelled), capture_output=True, check=True
        )
        assert tuple(done.stdout.decode().split("|")) == fixed(self.labelled)


def test_training_texts_are_what_the_model_will_read():
    both = study(findings=FINDINGS, impression=IMPRESSION, findings_back_translation="Free lungs.", comparison="None.")
    assert list(training_texts(both, PLAIN)) == [FINDINGS, "Free lungs.", IMPRESSION]
    reports = list(training_texts(study(labels=LABELS), PLAIN))
    assert reports == list(training_texts(study(labels=LABELS), PLAIN))
    assert len(set(reports)) > 1
    assert list(training_texts(study(), PLAIN)) == []


def test_a_study_has_one_or_two_texts():
    with pytest.raises(ValueError, match="1 or 2 texts, not 3"):
        choose(study(findings=FINDINGS), count=3)
    with pytest.raises(ValueError, match="1 or 2 texts, not 0"):
        fixed(study(findings=FINDINGS), count=0)


def test_a_bank_travels_to_other_processes():
    assert pickle.loads(pickle.dumps(BANK)) == BANK
