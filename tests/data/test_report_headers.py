"""Headers are found in every convention: mid-line, without colon, typed wrongly, in Spanish, and not in sentences."""

import unicodedata

import pytest

from cxr_clip.data.reports import split_sections, split_sentences


class TestHeaders:
    @pytest.mark.parametrize(
        ("text", "section"),
        [
            ("Seen today. Findings: Clear lungs.", "findings"),
            ("FINDINGS\nClear lungs.", "findings"),
            ("HISTORY: Cough.\n\nFindings\n\nClear lungs.", "findings"),
            ("FINDINGS - Clear lungs.", "findings"),
            ("**FINDINGS:** Clear lungs.", "findings"),
            ("## Findings\nClear lungs.", "findings"),
            ("CHEST X-RAY FINDINGS: Clear lungs.", "findings"),
            ("FINIDNGS: Clear lungs.", "findings"),
            ("IMPRESSON: Clear lungs.", "impression"),
            ("FINAL IMPRESSION: Clear lungs.", "impression"),
            ("IMPRESSION\n\nClear lungs.", "impression"),
            ("IMPRESSION:\r\n\r\nClear lungs.\r\n", "impression"),
        ],
    )
    def test_headers_in_other_conventions(self, text, section):
        assert split_sections(text)[section] == "Clear lungs."

    @pytest.mark.parametrize(
        "text",
        [
            "FINDINGS: Those impressions are known. There is clinical\nhistory - cough, and the\nimpression\nof edema.",
            "FINDINGS: LUNGS: clear.\nBONES AND SOFT TISSUES: intact.\nHEART: large.",
            "FINDINGS: No significant findings: the lungs are clear.",
        ],
    )
    def test_the_words_of_a_header_inside_a_sentence_start_nothing(self, text):
        assert split_sections(text) == {"findings": " ".join(text.removeprefix("FINDINGS:").split())}

    def test_a_header_with_a_date_and_a_time_names_the_views(self):
        text = "PORTABLE CHEST, ___ AT 10:30 A.M.:  The lungs are clear.\n\nIMPRESSION: Normal."
        assert split_sections(text) == {"findings": "The lungs are clear.", "impression": "Normal."}

    def test_further_findings_below_a_header_of_their_own_are_findings(self):
        text = "FINDINGS: Clear lungs.\nOTHER FINDINGS: Old rib fracture.\nIMPRESSION: Normal."
        assert split_sections(text) == {"findings": "Clear lungs. Old rib fracture.", "impression": "Normal."}

    def test_who_signed_is_not_kept(self):
        text = (
            "IMPRESSION: Edema.\n\nI have personally reviewed the images and agree.\n"
            "ACCESSION NUMBER: A1\nDICTATED BY: A. Person, MD"
        )
        assert split_sections(text) == {"impression": "Edema."}

    def test_a_narrative_with_numbered_impression(self):
        text = (
            "NARRATIVE:\nRADIOGRAPHIC EXAMINATION OF THE CHEST: 1/1/2000\n\nCLINICAL HISTORY: 60 years of age.\n\n"
            "COMPARISON: None.\n\nPROCEDURE COMMENTS: One view.\n\nFINDINGS:\n\nTubes in place.\n\n"
            "IMPRESSION:\n\n1.  EDEMA.\n\n2.  NO EFFUSION.\n\nSUMMARY:2-ABNORMAL\n\nEND OF IMPRESSION:"
        )
        sections = split_sections(text)
        assert sections == {
            "history": "60 years of age.",
            "comparison": "None.",
            "technique": "One view.",
            "findings": "Tubes in place.",
            "impression": "1. EDEMA. 2. NO EFFUSION.",
            "summary": "2-ABNORMAL",
        }
        assert split_sentences(sections["impression"]) == ["EDEMA.", "NO EFFUSION."]

    def test_a_narrative_without_further_headers_is_findings(self):
        text = "NARRATIVE: One view of the chest. The lungs are clear.\n\nIMPRESSION: Normal."
        assert split_sections(text)["findings"] == "One view of the chest. The lungs are clear."

    @pytest.mark.parametrize("accents", [True, False])
    def test_spanish_headers(self, accents):
        text = (
            "RADIOGRAFÍA DE TÓRAX\n\nMOTIVO DE CONSULTA: Tos.\nTécnica: Dos proyecciones.\n"
            "COMPARACIÓN: Ninguna.\nHALLAZGOS: Pulmones sin opacidades. IMPRESIÓN DIAGNÓSTICA: Tórax normal."
        )
        plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
        sections = split_sections(unicodedata.normalize("NFD", text) if accents else plain)
        assert sections == {
            "indication": "Tos.",
            "technique": "Dos proyecciones.",
            "comparison": "Ninguna.",
            "findings": "Pulmones sin opacidades.",
            "impression": "Tórax normal." if accents else "Torax normal.",
        }

    @pytest.mark.parametrize(
        ("header", "section"),
        [
            ("Hallazgos", "findings"),
            ("INFORME", "findings"),
            ("Impresión", "impression"),
            ("CONCLUSIÓN", "impression"),
            ("Conclusiones", "impression"),
            ("Juicio diagnóstico", "impression"),
            ("Antecedentes", "history"),
            ("Información clínica", "indication"),
            ("Adenda", "addendum"),
        ],
    )
    def test_spanish_names_of_sections(self, header, section):
        assert split_sections(f"{header}: Pulmones claros.") == {section: "Pulmones claros."}

    def test_a_spanish_header_that_names_the_views_holds_findings(self):
        text = "RX DE TÓRAX PA: Pulmones claros.\n\nCONCLUSIÓN: Normal."
        assert split_sections(text) == {"findings": "Pulmones claros.", "impression": "Normal."}

    def test_a_plural_in_brackets_belongs_to_the_header(self):
        text = "IMPRESSION: Edema.\n\nRECOMMENDATION(S): Follow-up.\nNOTIFICATION(S): By phone."
        expected = {"impression": "Edema.", "recommendation": "Follow-up.", "notification": "By phone."}
        assert split_sections(text) == expected

    @pytest.mark.parametrize(
        ("text", "findings"),
        [
            (
                "SINGLE FRONTAL VIEW OF THE CHEST\n\nREASON FOR EXAM:  Assess line.\n\n"
                "Comparison is made with prior study ___.\n\nCardiomegaly is\nstable.",
                "Comparison is made with prior study. Cardiomegaly is stable.",
            ),
            (
                "PORTABLE CHEST, ___\n\nREASON FOR EXAMINATION:  After surgery.\n\n"
                "Portable AP radiograph was reviewed.\n\nSmall effusion.\n\nIMPRESSION:  Effusion.",
                "Portable AP radiograph was reviewed. Small effusion.",
            ),
            ("CHEST, TWO VIEWS:  ___\n\nHISTORY:  Fever.\n\nFINDINGS:  Lungs are clear.", "Lungs are clear."),
            ("FINDINGS:  PA and lateral views of the chest:  Clear.", "PA and lateral views of the chest: Clear."),
        ],
    )
    def test_findings_of_reports_as_they_are_dictated(self, text, findings):
        assert split_sections(f"                    FINAL REPORT\n {text}")["findings"] == findings
