"""A user's prompt file is read as written, or refused with the place and the mend."""

import json

import pytest

from cxr_clip.data.prompts import load_prompt_bank, load_zero_shot_prompts
from cxr_clip.errors import PromptError
from cxr_clip.study import Certainty


class TestOwnFiles:
    def write(self, tmp_path, content):
        path = tmp_path / "own.yaml"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    def test_a_grammar_file_replaces_the_bank(self, tmp_path):
        own = """
        slots: {side: [left, right]}
        findings:
          Normal: {positive: [Fine.]}
          Effusion: {slots: {side: [both]}, positive: ["Fluid on {side} sides."], negative: ["Dry."]}
        """
        bank = load_prompt_bank(self.write(tmp_path, own))
        assert bank.all_sentences() == {"Fine.", "Fluid on both sides.", "Dry."}
        assert bank.sentences("Pleural Effusion", Certainty.POSITIVE) == ("Fluid on both sides.",)

    def test_plain_lists_in_json_are_read(self, tmp_path):
        own = {"No Finding": {"pos": ["Fine."], "neg": [], "unc": []}, "Edema": {"pos": ["Wet."], "unc": ["Wet?"]}}
        bank = load_prompt_bank(self.write(tmp_path, own))
        assert bank.sentences("Edema", Certainty.UNCERTAIN) == ("Wet?",)

    def test_a_list_that_is_missing_is_named_when_it_is_needed(self, tmp_path):
        path = self.write(tmp_path, {"No Finding": {"pos": ["Fine."]}})
        with pytest.raises(PromptError, match=rf"{path} has no negative sentences for 'Edema': add `negative`"):
            load_prompt_bank(path).sentences("Edema", Certainty.NEGATIVE)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"Edema": {"pos": ["Wet."]}}, "positive sentences for 'No Finding' are missing"),
            ({"Edemma": {"pos": ["Wet."]}}, "own.yaml: There is no finding called 'Edemma': did you mean 'Edema'"),
            ({"Edema": {"post": ["Wet."]}}, "own.yaml: Edema: unknown key 'post': did you mean 'pos'"),
            ({"Edema": {"maybe": ["Wet."]}}, "unknown key 'maybe': use one of slots, positive, negative"),
            ({"Edema": {"neg": ["Dry."]}}, "Edema: positive sentences are missing: add a list"),
            ({"Edema": {"pos": "Wet."}}, "Edema: pos: expected a list with at least one sentence, found 'Wet.'"),
            ({"Edema": {"pos": ["Wet.", False]}}, "Edema: pos: number 2 is False, not a sentence"),
            ({"Edema": {"pos": ["Wet.", " "]}}, "number 2 is ' ', not a sentence: write it in quotes"),
            ({"Edema": {"pos": ["{x} wet."]}}, r"Edema: pos: template '\{x\} wet.' uses slot"),
            ({"Edema": {"pos": ["Wet."], "positive": ["Wet."]}}, "positive sentences are given twice"),
            ({"Edema": ["Wet." * 20]}, r"Edema: expected `name: ...` entries, found \['Wet\..*\.\.\."),
            ({"Edema": {"pos": ["W."]}, "Oedema": {"pos": ["W."]}}, "'Edema' and 'Oedema' are the same finding"),
            ({"findings": {}, "slotz": {}}, "unknown key 'slotz': did you mean 'slots'"),
            ({"findings": {"Edema": {"pos": ["W."], "slots": {"a b": ["c"]}}}}, "slot name 'a b' is not one word"),
            ("[1, 2", "own.yaml is not valid YAML"),
            ("- a", r"own.yaml: expected `name: ...` entries, found \['a'\]"),
        ],
    )
    def test_a_malformed_file_is_refused_with_the_place_and_the_mend(self, tmp_path, content, message):
        with pytest.raises(PromptError, match=message):
            load_prompt_bank(self.write(tmp_path, content))

    def test_a_file_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(PromptError, match=r"absent\.yaml cannot be read"):
            load_prompt_bank(tmp_path / "absent.yaml")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("No Finding: {pos: [Fine.]}\nEdema: {pos: [A.]}\nEdema: {pos: [B.]}", r"line 3: 'Edema' .*in line 2\)"),
            ("No Finding: {pos: [Fine.]}\nEdema:\n  pos: [A.]\n  neg: [B.]\n  pos: [C.]", "line 5: 'pos' .*line 3"),
            ("slots: {x: [a]}\nfindings: {}\nslots: {y: [b]}", "line 3: 'slots' .*line 1"),
            (
                '{"No Finding": {"pos": ["Fine."]},\n "Edema": {"pos": ["A."],\n "pos": ["B."]}}',
                "line 3: 'pos' .*line 2",
            ),
        ],
    )
    def test_a_key_given_twice_is_refused_in_yaml_and_json(self, tmp_path, content, message):
        with pytest.raises(PromptError, match=rf"own\.yaml: {message}.*: join them"):
            load_prompt_bank(self.write(tmp_path, content))

    def test_a_key_given_twice_in_a_zero_shot_file_is_refused(self, tmp_path):
        path = self.write(
            tmp_path, "mine:\n  Mass: {positive: [a], negative: [b]}\n  Mass: {positive: [c], negative: [d]}"
        )
        with pytest.raises(PromptError, match="line 3: 'Mass' is given a second time"):
            load_zero_shot_prompts("mine", path)

    def test_a_merged_mapping_may_replace_what_it_merges(self, tmp_path):
        own = """
        findings:
          No Finding: &plain {positive: [Fine.], negative: &list [Not fine.], uncertain: *list}
          Edema: &edema {<<: *plain, positive: [Wet.]}
          Mass: {<<: *edema, negative: [None.]}
        """
        bank = load_prompt_bank(self.write(tmp_path, own))
        assert bank.sentences("Mass", Certainty.POSITIVE) == ("Wet.",)
        assert bank.sentences("Mass", Certainty.NEGATIVE) == ("None.",)

    def test_all_that_the_data_needs_and_the_file_lacks_is_named_at_once(self, tmp_path):
        path = self.write(tmp_path, {"No Finding": {"pos": ["Fine."]}, "Edema": {"pos": ["Wet."], "neg": ["Dry."]}})
        bank = load_prompt_bank(path)
        has = [("No Finding", Certainty.POSITIVE), ("Edema", Certainty.POSITIVE), ("Edema", Certainty.NEGATIVE)]
        bank.require(has)
        lacks = [("Mass", Certainty.NEGATIVE), ("Edema", Certainty.UNCERTAIN), ("No Finding", Certainty.NEGATIVE)]
        named = "negative for 'Mass', 'No Finding'; uncertain for 'Edema'"
        with pytest.raises(PromptError, match=f"{path} lacks sentences that the data needs: {named}"):
            bank.require(iter([*lacks, *has, *lacks]))
