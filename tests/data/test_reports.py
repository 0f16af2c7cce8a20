"""Reports become clean sections, and sections sentences that can be reordered without losing a word."""

import itertools
import re
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_clip.data.masks import clean_text
from cxr_clip.data.reports import sections_from_labelled, shuffle_sentences, split_sections, split_sentences

REPORT = """\
                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___F with cough  // pneumonia?

 COMPARISON:  Chest radiograph ___

 FINDINGS:

 The heart is normal in size.
 There is a 2.5 cm nodule in the
 right upper lobe.

 LUNGS: otherwise clear.

 IMPRESSION:

 1. Nodule, CT is recommended.
 2. No pneumonia.
"""


def words(text):
    return re.findall(r"[A-Za-z]+", text)


class TestSections:
    def test_headers_become_sections(self):
        assert split_sections(REPORT) == {
            "examination": "CHEST (PA AND LAT)",
            "indication": "F with cough // pneumonia?",
            "comparison": "Chest radiograph",
            "findings": "The heart is normal in size. There is a 2.5 cm nodule in the right upper lobe. "
            "LUNGS: otherwise clear.",
            "impression": "1. Nodule, CT is recommended. 2. No pneumonia.",
        }

    def test_headers_in_the_middle_of_a_line_count(self):
        text = "FINDINGS: The heart is large. IMPRESSION: Cardiomegaly. RECOMMENDATION: Follow-up."
        assert split_sections(text) == {
            "findings": "The heart is large.",
            "impression": "Cardiomegaly.",
            "recommendation": "Follow-up.",
        }

    @pytest.mark.parametrize("header", ["FINDINGS AND IMPRESSION", "FINDINGS/IMPRESSION", "Findings", "FINDINGS "])
    def test_findings_by_other_headers(self, header):
        assert split_sections(f"{header}: Clear lungs.") == {"findings": "Clear lungs."}

    @pytest.mark.parametrize("header", ["CONCLUSION", "IMPRESSIONS", "Impression"])
    def test_impression_by_other_headers(self, header):
        assert split_sections(f"{header}: Clear lungs.") == {"impression": "Clear lungs."}

    def test_a_text_without_headers_is_findings(self):
        assert split_sections("FINAL REPORT\n\nThe lungs are\nclear.") == {"findings": "The lungs are clear."}

    def test_a_header_that_names_the_views_holds_findings(self):
        text = "HISTORY: Cough.\n\nPA AND LATERAL VIEWS OF THE CHEST:  The lungs are clear.\n\nIMPRESSION: Normal."
        expected = {"history": "Cough.", "findings": "The lungs are clear.", "impression": "Normal."}
        assert split_sections(text) == expected

    def test_a_header_that_names_the_views_is_no_findings_beside_findings(self):
        text = "PORTABLE CHEST:  Supine.\n\nFINDINGS: The lungs are clear."
        assert split_sections(text)["findings"] == "The lungs are clear."

    def test_the_body_below_a_preamble_is_findings(self):
        text = "HISTORY: Cough.\n\nCOMPARISON: None.\n\nPA and lateral views. The lungs are clear.\n\nNo effusion."
        expected = {
            "history": "Cough.",
            "comparison": "None.",
            "findings": "PA and lateral views. The lungs are clear.",
        }
        assert split_sections(text) == expected | {"findings": expected["findings"] + " No effusion."}

    def test_sentences_above_the_impression_are_findings_and_a_title_is_not(self):
        text = "CHEST RADIOGRAPH\n\nThe lungs are clear.\n\nIMPRESSION: Normal chest."
        assert split_sections(text) == {"findings": "The lungs are clear.", "impression": "Normal chest."}

    def test_a_wet_read_above_the_final_report_goes(self):
        text = "WET READ: ___ 9:12 PM\n Maybe edema.\n______________\n FINAL REPORT\n IMPRESSION: No edema."
        assert split_sections(text) == {"impression": "No edema."}

    @pytest.mark.parametrize("text", ["", "  \n ", "FINDINGS:\n\nIMPRESSION: ___.", "IMPRESSION: As above."])
    def test_a_report_that_says_nothing_has_no_sections(self, text):
        assert split_sections(text) == {}

    def test_unknown_headers_are_sections_of_their_own_name(self):
        assert split_sections("DOSE REPORT: two mSv.\nFINDINGS: Clear.")["dose report"] == "two mSv."

    def test_a_section_that_comes_twice_is_joined_without_repeats(self):
        text = "IMPRESSION: No edema.\nADDENDUM: Seen again.\nIMPRESSION: No edema.\nIMPRESSION: No effusion."
        assert split_sections(text)["impression"] == "No edema. No effusion."

    def test_the_closing_code_of_an_impression_is_no_part_of_it(self):
        text = "IMPRESSION:\n\n1. NO EDEMA.\n\nEND OF IMPRESSION:\n\nSUMMARY: 1-NO ABNORMALITY"
        assert split_sections(text) == {"impression": "1. NO EDEMA.", "summary": "1-NO ABNORMALITY"}

    def test_a_time_is_no_header(self):
        assert split_sections("FINDINGS: Compared with CHEST AT 10:30 the lungs are clear.") == {
            "findings": "Compared with CHEST AT 10:30 the lungs are clear."
        }


class TestLabelledSections:
    def test_labels_are_lowered_and_empty_parts_absent(self):
        pairs = [
            ("COMPARISON", None),
            ("INDICATION", " "),
            ("FINDINGS", "Clear. "),
            ("IMPRESSION", "Normal chest x-XXXX."),
        ]
        assert sections_from_labelled(pairs) == {"findings": "Clear.", "impression": "Normal chest x-ray."}

    def test_a_header_inside_a_part_starts_its_section(self):
        pairs = [("INDICATION", "Shortness of breath FINDINGS: Clear lungs."), ("IMPRESSION", "Normal.")]
        expected = {"indication": "Shortness of breath", "findings": "Clear lungs.", "impression": "Normal."}
        assert sections_from_labelled(pairs) == expected

    def test_a_part_without_label_is_findings(self):
        assert sections_from_labelled([(None, "Clear lungs.")]) == {"findings": "Clear lungs."}


class TestMasks:
    @pytest.mark.parametrize(
        ("masked", "expected"),
        [
            ("XXXX XXXX and lateral views of the chest.", "Lateral views of the chest."),
            (
                "In comparison with the study of ___, the heart is large.",
                "In comparison with the study, the heart is large.",
            ),
            ("Compared to the XXXX. The lungs are clear.", "Compared. The lungs are clear."),
            ("Clear lungs. XXXX XXXX. No effusion.", "Clear lungs. No effusion."),
            ("Clear lungs. The XXXX are intact. No effusion.", "Clear lungs. No effusion."),
            ("1. XXXX. 2. No effusion.", "2. No effusion."),
            ("No acute disease. .", "No acute disease."),
            ("There are no XXXX of a pleural effusion.", "There are no pleural effusion."),
            ("There is a XXXX opacity.", "There is an opacity."),
            ("A XXXX opacity.", "An opacity."),
            ("Heart and XXXX are normal.", "Heart are normal."),
            ("Discussed with Dr. XXXX at XXXX p.m.", "Discussed."),
            ("Discussed with ___ at ___ by phone.", "Discussed by phone."),
            ("Unchanged (XXXX).", "Unchanged."),
            ("[**Name**] was seen.", ""),
            ("- Clear lungs\n- No effusion", "Clear lungs. No effusion"),
            ("Aspect... no  change .", "Aspect... no change."),
            ("Lungs are XXXX.", ""),
            ("Costophrenic XXXX are XXXX. No effusion.", "No effusion."),
            ("Clear lungs. The patient is XXXX.", "Clear lungs."),
            ("Lung volumes remain XXXX. The airway appears XXXX. The heart may be XXXX.", ""),
            ("The XXXX are intact. The XXXX are normal. Heart large.", "Heart large."),
            ("1. Lungs are XXXX. 2. No effusion.", "2. No effusion."),
            ("No pleural effusion is XXXX.", "No pleural effusion."),
            ("No pleural effusions are XXXX.", "No pleural effusions."),
            ("No XXXX or effusion.", "No effusion."),
            ("The XXXX and soft tissue appear normal.", "The soft tissue appear normal."),
            ("The heart has XXXX XXXX in the interval. Clear lungs.", "Clear lungs."),
            ("Negative for XXXX or pneumothorax.", "Negative for pneumothorax."),
            ("No XXXX is seen.", ""),
            ("There is no XXXX or XXXX. There is a XXXX.", ""),
            ("Effusions are present, which are XXXX.", "Effusions are present."),
            ("Opacity is in the left and right lung, which is XXXX.", "Opacity is in the left and right lung."),
            ("Heart size is normal and XXXX are clear.", "Heart size is normal."),
            ("The heart is XXXX and the lungs are clear.", "The lungs are clear."),
            ("There is XXXX and no effusion.", "There is no effusion."),
            ("If these persist, a XXXX is recommended.", ""),
            ("Degenerative changes of the XXXX are noted.", "Degenerative changes are noted."),
            ("These lesions are XXXX and could be followed.", "These lesions could be followed."),
            ("Deformity of a vertebral body, XXXX.", "Deformity of a vertebral body."),
        ],
    )
    def test_masks_leave_readable_sentences(self, masked, expected):
        assert clean_text(masked) == expected

    @given(st.text(alphabet="ab XX_.,;()1\n", max_size=60))
    def test_no_mask_and_no_double_space_stays(self, text):
        once = clean_text(text)
        assert "___" not in once
        assert "\x00" not in once
        assert once == " ".join(once.split())


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


@pytest.fixture(scope="module")
def reports(shared_folder):
    folder = shared_folder / "data" / "openi" / "ecgen-radiology"
    if not folder.is_dir():
        pytest.skip("the Open-I reports are absent")
    trees = [ElementTree.parse(path) for path in sorted(folder.glob("*.xml"))[::8]]
    return [[(part.get("Label"), part.text) for part in tree.iter("AbstractText")] for tree in trees]


@pytest.mark.shared
class TestOpenI:
    def test_every_labelled_text_becomes_its_section_without_masks(self, reports):
        for pairs in reports:
            sections = sections_from_labelled(pairs)
            for label, text in pairs:
                if label in ("FINDINGS", "IMPRESSION") and text and words(text.replace("X", "")):
                    assert sections[label.lower()]
            assert not any("XXX" in text or "  " in text for text in sections.values())

    def test_sentences_keep_every_word(self, reports):
        for pairs in reports:
            for text in sections_from_labelled(pairs).values():
                sentences = split_sentences(text)
                assert words(" ".join(sentences)) == words(text)
                assert len(sentences) <= 60
