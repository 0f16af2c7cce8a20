"""Reports become clean sections, whatever convention their headers follow."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_clip.data.reports import sections_from_labelled, split_sections, split_sentences

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

    def test_a_page_of_blank_lines_is_one_paragraph_break(self):
        assert split_sections("FINDINGS: Clear." + "\n \n" * 20_000 + "IMPRESSION: Normal.") == {
            "findings": "Clear.",
            "impression": "Normal.",
        }

    def test_line_breaks_of_a_web_page_are_spaces(self):
        assert split_sections("FINDINGS: Clear<BR>lungs.<br/>IMPRESSION: Normal.") == {
            "findings": "Clear lungs.",
            "impression": "Normal.",
        }

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

    @pytest.mark.parametrize("opening", ["WET READ:", "WET READ VERSION #1", "PROVISIONAL FINDINGS IMPRESSION (PFI):"])
    def test_a_wet_read_above_the_final_report_is_kept_apart(self, opening):
        text = f"{opening} ___ ___ 9:12 PM\n Maybe edema.\n______________\n FINAL REPORT\n IMPRESSION: No edema."
        assert split_sections(text) == {"impression": "No edema.", "wet read": "Maybe edema."}

    def test_a_preliminary_report_is_a_wet_read_beside_a_final_one_and_the_report_without(self):
        preliminary = "PRELIMINARY REPORT\nFINDINGS: Maybe edema.\n"
        both = split_sections(preliminary + "FINAL REPORT\nFINDINGS: No edema.\n")
        assert both["findings"] == "No edema."
        assert split_sections(preliminary) == {"findings": "Maybe edema."}

    def test_a_wet_read_that_is_all_there_is_counts_as_findings(self):
        assert split_sections("WET READ: Maybe edema.") == {"findings": "Maybe edema."}

    @pytest.mark.parametrize(
        "text",
        [
            "FINAL ADDENDUM\n ADDENDUM: No edema.\n__________\n FINAL REPORT\n IMPRESSION: Edema.",
            "ADDENDUM:\n No edema.\n_____________\n FINAL REPORT\n IMPRESSION: Edema.",
            "FINAL REPORT\n IMPRESSION: Edema.\n\n ADDENDUM: No edema.",
            "FINAL REPORT\n IMPRESSION: Edema.\n\n ADDENDUM  No edema.",
            "FINAL REPORT\n IMPRESSION:\n\n Edema.\n\n FINAL ADDENDUM\n No edema.",
        ],
    )
    def test_an_addendum_is_a_section_of_its_own_wherever_it_stands(self, text):
        assert split_sections(text) == {"impression": "Edema.", "addendum": "No edema."}

    def test_a_letterhead_above_the_title_goes(self):
        assert split_sections("Department of Radiology.\nFINAL REPORT\nClear lungs.") == {"findings": "Clear lungs."}

    def test_a_ruled_line_between_sections_separates_nothing_else(self):
        text = "FINDINGS: Clear lungs.\n____________________\nIMPRESSION: Normal."
        assert split_sections(text) == {"findings": "Clear lungs.", "impression": "Normal."}

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

    def test_labels_in_other_spellings_are_the_same_sections(self):
        pairs = [("Hallazgos:", "Pulmones claros."), ("Conclusions", "Normal."), ("Clinical  History", "Cough.")]
        expected = {"findings": "Pulmones claros.", "impression": "Normal.", "history": "Cough."}
        assert sections_from_labelled(pairs) == expected

    @given(st.text(alphabet="FINDGS:\n_. aí-*#", max_size=80))
    def test_any_text_gives_sections_without_masks_or_none(self, text):
        for sections in (split_sections(text), sections_from_labelled([(text, text)])):
            assert all(value and "__" not in value for value in sections.values())


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
