"""The paraphrase prompts ask for the meaning: none of them may stand in a text that a model is trained on."""

import re

import numpy as np
import pytest

from cxr_clip.data.prompts import load_prompt_bank, load_zero_shot_prompts
from cxr_clip.synthetic.house_styles import write_report
from cxr_clip.synthetic.pathology import draw_findings


def plain(text: str) -> str:
    """The words of a text, between single blanks."""
    return f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "


@pytest.fixture(scope="module")
def training_texts() -> str:
    """A thousand made-up reports and every sentence of the prompt bank, one a line."""
    texts = list(load_prompt_bank().all_sentences())
    for k in range(1000):
        findings = draw_findings(np.random.default_rng([11, k]))
        report = write_report(findings, np.random.default_rng([12, k]), age=50, sex="M")
        texts += [text for text in (report.findings, report.impression) if text]
    return "\n".join(plain(text) for text in texts)


def test_no_paraphrase_prompt_stands_in_a_training_text(training_texts):
    prompts = load_zero_shot_prompts("paraphrase").values()
    asked = [text for prompt in prompts for text in (*prompt.positive, *prompt.negative)]
    assert len(asked) > 100
    assert [text for text in asked if plain(text) in training_texts] == []


def test_the_search_finds_what_does_stand_there(training_texts):
    standard = load_zero_shot_prompts("standard")
    for finding in ("Cardiomegaly", "Pneumothorax", "Hernia"):
        assert all(plain(text) in training_texts for text in standard[finding].positive), finding
