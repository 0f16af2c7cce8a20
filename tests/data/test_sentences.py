"""Texts become sentences that can be reordered without losing a word."""

import itertools
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_clip.data.sentences import shuffle_sentences, split_sentences


def words(text):
    return re.findall(r"[A-Za-z]+", text)


class TestSentences:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("A 2.5 cm nodule. No effusion.", ["A 2.5 cm nodule.", "No effusion."]),
            ("Seen by Dr. Smith at 5 a.m. today. Clear.", ["Seen by Dr. Smith at 5 a.m. today.", "Clear."]),
            ("Called at 5 p.m. The lungs are clear.", ["Called at 5 p.m.", "The lungs are clear."]),
            ("Read by Dr. J. Smith.", ["Read by Dr. J. Smith."]),
            ("Atelectasis vs. pneumonia, e.g. lobar.", ["Atelectasis vs. pneumonia, e.g. lobar."]),
            ("Lead No. 3 is seen. Any edema? No. Clear.", ["Lead No. 3 is seen.", "Any edema?", "No.", "Clear."]),
            ("1. Nodule. 2. No edema. 3. Clear", ["Nodule.", "No edema.", "Clear"]),
            ("1) Nodule 2) No edema", ["Nodule", "No edema"]),
            ("1.No edema. 2.Clear.", ["No edema.", "Clear."]),
            ("1. 3 mm nodule. 2. Clear.", ["3 mm nodule.", "Clear."]),
            ("1. Nodule. 3. No edema. 4. Clear.", ["Nodule.", "No edema.", "Clear."]),
            ("2. Nodule. 4. No edema.", ["Nodule.", "No edema."]),
            ("1. Fracture of rib 2. Clear lungs.", ["Fracture of rib 2.", "Clear lungs."]),
            ("Stable since day 2. Clear.", ["Stable since day 2.", "Clear."]),
            ("No effusion.The heart is large.", ["No effusion.", "The heart is large."]),
            ("NO EFFUSION.HEART NORMAL.", ["NO EFFUSION.", "HEART NORMAL."]),
            ("Made in the U.S.A for us.", ["Made in the U.S.A for us."]),
            (
                "Unchanged ... perhaps better. Clear...  No edema.",
                ["Unchanged ... perhaps better.", "Clear...", "No edema."],
            ),
            ("Clear lungs. heart normal.", ["Clear lungs.", "heart normal."]),
            ('Reads "normal." Clear (both.) Done', ['Reads "normal."', "Clear (both.)", "Done"]),
            ("", []),
            (" . ", ["."]),
        ],
    )
    def test_sentences_end_where_a_reader_ends_them(self, text, expected):
        assert split_sentences(text) == expected

    @given(
        st.lists(st.sampled_from(["Dr.", "No", "2.", "1.", "2.5", "cm.", "Clear.", "a.m.", "x...", "The", "vs.", "1)"]))
    )
    def test_no_word_is_lost_or_moved(self, tokens):
        text = " ".join(tokens)
        assert words(" ".join(split_sentences(text))) == words(text)

    @given(st.text(alphabet="aB.!? 1)\n", max_size=60))
    def test_no_sentence_is_empty_or_padded(self, text):
        assert all(sentence and sentence == sentence.strip() for sentence in split_sentences(text))


class TestShuffle:
    def test_every_order_occurs_about_equally_often(self):
        rng = np.random.default_rng(0)
        counts = Counter(shuffle_sentences("1. One is. 2. Two is. 3. Three is", rng) for _ in range(600))
        orders = {" ".join(order) for order in itertools.permutations(["One is.", "Two is.", "Three is."])}
        assert set(counts) == orders
        assert min(counts.values()) > 60

    def test_one_sentence_stays(self):
        rng = np.random.default_rng(0)
        assert shuffle_sentences("1. Clear lungs", rng) == "Clear lungs."
        assert shuffle_sentences("", rng) == ""

    @given(st.integers(0, 1000))
    def test_the_same_generator_gives_the_same_order(self, seed):
        text = "One. Two. Three. Four. Five."
        first, second = (shuffle_sentences(text, np.random.default_rng(seed)) for _ in range(2))
        assert first == second
        assert sorted(split_sentences(first)) == sorted(split_sentences(text))
