"""De-identified text stays readable: the mask goes, and what says nothing without it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_clip.data.masks import clean_text


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

    @pytest.mark.parametrize("words", ["is ___ ", "The XXXX are and ", "XXXX and ___ of the ", "dr. XXXX (XXXX "])
    def test_a_text_of_nothing_but_masks_is_cleaned_in_time(self, words):
        cleaned = clean_text(words * 4000)
        assert "___" not in cleaned
        assert "XXX" not in cleaned

    @given(st.text(alphabet="ab XX_.,;()1\n", max_size=60))
    def test_no_mask_and_no_double_space_stays(self, text):
        once = clean_text(text)
        assert "___" not in once
        assert "\x00" not in once
        assert once == " ".join(once.split())
