"""The file of sentences that differ in one word: what it says, and what is refused."""

import pytest

from cxr_clip.data.findings import KNOWN_FINDINGS, NO_FINDING
from cxr_clip.data.labeller import label_sentence
from cxr_clip.data.meaning_prompts import load_meaning_prompts
from cxr_clip.errors import PromptError
from cxr_clip.study import Certainty

FRAMES = "".join(f'  {name}: ["{{noun}} {name}."]\n' for name in ("present", "absent", "possible", "left", "right"))
GRADED = FRAMES + '  least: ["{least} {noun}."]\n  most: ["{most} {noun}."]\n'


def test_every_finding_has_sentences_in_forms_that_belong_together():
    found = load_meaning_prompts()
    assert set(found) == set(KNOWN_FINDINGS) - {NO_FINDING}
    for one in found.values():
        assert len(one.present) == len(one.absent) == len(one.possible) == 3
        assert {len(one.left), len(one.right)} in ({0}, {3})
        assert {len(one.least), len(one.most)} in ({0}, {3})
    effusion = found["Pleural Effusion"]
    assert (effusion.present[0], effusion.absent[1]) == ("Pleural effusion.", "No pleural effusion is present.")
    assert (effusion.left[0], effusion.most[2]) == ("Left pleural effusion.", "Positive for large pleural effusion.")
    assert (found["COPD"].left, found["COPD"].least) == ((), ())


@pytest.mark.parametrize("finding", ["Pleural Effusion", "Pneumothorax", "Edema", "Cardiomegaly", "Consolidation"])
def test_the_rules_for_reports_read_the_sentences_as_they_are_meant(finding):
    one = load_meaning_prompts()[finding]
    for certainty, sentences in {
        Certainty.POSITIVE: (*one.present, *one.left, *one.right, *one.least, *one.most),
        Certainty.NEGATIVE: one.absent,
        Certainty.UNCERTAIN: one.possible[:2],
    }.items():
        for sentence in sentences:
            assert dict(label_sentence(sentence)).get(finding) is certainty, sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("frames: {}\nfindings: {}", "present: expected a list with at least one sentence"),
        (f"frames:\n{GRADED}  more: [a]\nfindings: {{}}", "unknown key 'more': use one of present"),
        (f"frames:\n{GRADED.replace('[', '[a, ', 1)}findings: {{}}", "give as many of each"),
        (f"frames:\n{GRADED}findings:\n  Edema: {{grades: [a, b]}}", "Edema: noun: number 1 is None, not a sentence"),
        (f"frames:\n{GRADED}findings:\n  Edema: {{noun: edema, grades: [a]}}", "Edema: grades are the words"),
        (f"frames:\n{GRADED}findings:\n  Edema: {{noun: edema, sides: some}}", "Edema: sides is true or false"),
        (f"frames:\n{GRADED}findings:\n  Edma: {{noun: edema}}", "no finding called 'Edma': did you mean 'Edema'"),
        (f"frames:\n{GRADED}findings:\n  Edema: {{noun: edema, size: 1}}", "Edema: unknown key 'size'"),
        (f"frames:\n{GRADED.replace('noun', 'nuon', 1)}findings:\n  Edema: {{noun: edema}}", "Edema: "),
    ],
)
def test_a_file_that_breaks_the_shape_is_refused_with_the_place(tmp_path, text, words):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(PromptError, match=r"own\.yaml") as refused:
        load_meaning_prompts(file)
    assert words in str(refused.value)


def test_a_file_of_ones_own_is_read(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(f"frames:\n{GRADED}findings:\n  edema: {{noun: edema, sides: true, grades: [mild, severe]}}")
    (one,) = load_meaning_prompts(file).values()
    assert (one.finding, one.right, one.least) == ("Edema", ("Edema right.",), ("Mild edema.",))
