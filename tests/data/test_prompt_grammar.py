"""A template with slots stands for exactly its sentences, and one that cannot says why."""

import pytest

from cxr_clip.data.articles import indefinite_article
from cxr_clip.data.prompt_grammar import expand
from cxr_clip.errors import PromptError


class TestGrammar:
    def test_slots_choices_and_optional_slots_multiply(self):
        slots = {"side": ["left", "right"], "size": ["small"]}
        assert expand("{size?} {side} {effusion|fluid}.", slots) == (
            "Small left effusion.",
            "Small left fluid.",
            "Small right effusion.",
            "Small right fluid.",
            "Left effusion.",
            "Left fluid.",
            "Right effusion.",
            "Right fluid.",
        )

    def test_phrases_may_hold_slots(self):
        slots = {"side": ["left", "right"], "place": ["at the {side} base"]}
        assert expand("Nodule {place}.", slots) == ("Nodule at the left base.", "Nodule at the right base.")

    def test_an_empty_choice_leaves_no_trace(self):
        assert expand("Mass {.|, large .}", {}) == ("Mass.", "Mass, large.")

    def test_repeats_are_said_once(self):
        assert expand("{a|a|A} mass", {}) == ("A mass",)

    @pytest.mark.parametrize(
        ("word", "article"),
        [
            *[(word, "a") for word in ("mass", "5", "1", "PICC", "CT", "unilateral", "European", "one")],
            *[
                (word, "an")
                for word in ("effusion", "8", "11", "18", "NG", "ET", "ulcer", "A", "unusual", "uninflated")
            ],
        ],
    )
    def test_articles_follow_the_sound(self, word, article):
        assert indefinite_article(word) == article
        assert expand("there is a(n) " + word, {}) == (f"There is {article} {word}",)

    @pytest.mark.parametrize(
        ("template", "message"),
        [
            ("A {colour} mass", r"uses slot \{colour\}, which is not defined: .*loop, many"),
            ("A {loop} mass", r"slot \{loop\} contains itself"),
            ("A {many mass", "brace without its partner"),
            ("A many} mass", "brace without its partner"),
            ("{many}{many}{many}{many}", "more than 5,000 sentences"),
        ],
    )
    def test_a_template_that_cannot_be_expanded_says_why(self, template, message):
        with pytest.raises(PromptError, match=message):
            expand(template, {"loop": ["x {loop}"], "many": [str(number) for number in range(10)]})

    @pytest.mark.parametrize("count", [4, 9, 12, 5000])
    def test_a_template_with_too_many_sentences_is_refused_before_it_is_expanded(self, count):
        with pytest.raises(PromptError, match="more than 5,000 sentences: split it or shorten its slots"):
            expand("{many}" * count, {"many": [str(number) for number in range(10)]})

    def test_too_many_sentences_are_refused_even_if_most_are_repeats(self):
        with pytest.raises(PromptError, match="more than 5,000 sentences"):
            expand("{same}{many}{many}", {"same": ["x"] * 100, "many": [str(number) for number in range(10)]})

    def test_slots_that_contain_each_other_are_refused(self):
        with pytest.raises(PromptError, match=r"slot \{(this|that)\} contains itself"):
            expand("A {this} mass", {"this": ["x {that?}"], "that": ["y", "{this?}"]})

    def test_slots_may_lie_deep_in_each_other(self):
        slots = {f"s{depth}": [f"{{s{depth + 1}}}"] for depth in range(20)} | {"s20": ["mass"]}
        assert expand("A {s0}.", slots) == ("A mass.",)
