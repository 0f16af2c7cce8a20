"""Prompts say what a radiologist could say of one image with one label: no history, no hedged denial, no loud doubt."""

import re

import pytest

from cxr_clip.data.findings import KNOWN_FINDINGS, NO_FINDING
from cxr_clip.data.prompts import load_prompt_bank, load_zero_shot_prompts
from cxr_clip.study import Certainty

POSITIVE, NEGATIVE, UNCERTAIN = Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN
BANK = load_prompt_bank()

COMPARED_WITH_EARLIER = re.compile(
    r"""\b(?: new(?:ly)? | stable | unchanged | again | interval | since | prior | still | remain\w* | no\ longer
    | residual | previous\w* | persist\w* | worsen\w* | improv\w* | increasing\w* | decreas\w* | enlarging
    | developing | progress\w* | evolv\w* | resolv\w* | compar\w* | recurr\w* | redemonstrat\w* | remov\w*
    | becom\w* )\b""",
    re.IGNORECASE | re.VERBOSE,
)
INCREASED_AGAINST_NORMAL = re.compile(
    r"increased (?:interstitial |)markings|markings are increased|increased cardiothoracic ratio|ratio is increased",
    re.IGNORECASE,
)
LOUD = re.compile(
    r"\b(?:large|severe|marked|tension|moderate|massive|extensive|dense|cavitary|displaced|alveolar|bullous)(?:ly)?\b",
    re.IGNORECASE,
)
BOTH_KINDS = re.compile(r"lobar or subsegmental|interstitial or alveolar|hiatal or diaphragmatic")
NARROWER_THAN_THE_FINDING = re.compile(
    r"""\b(?: large | significant | sizable | tension | moderate | severe | small | lobar | basilar | apical | layering
    | residual | definite | overt | frank | acute | displaced | suspicious | discrete | dominant | calcified | bullous
    | hilar | diffuse | multifocal | interstitial\ edema | alveolar | left | right | upper | middle | lower )\b""",
    re.IGNORECASE | re.VERBOSE,
)
NAMES = {
    "Cardiomegaly": "cardiomegaly",
    "Lung Lesion": "lesion",
    "Edema": "edema",
    "Consolidation": "consolidation",
    "Pneumonia": "pneumonia|infection",
    "Atelectasis": "atelecta|collapse",
    "Pneumothorax": "pneumothorax|pleural air",
    "Pleural Effusion": "effusion|(?<!air-)fluid",
    "Pleural Other": "plaque|calcification",
    "Fracture": "fracture",
    "Support Devices": "device|catheter|pacemaker",
    "Infiltration": "infiltrat",
    "Mass": r"\bmass",
    "Nodule": "nodule",
    "Emphysema": "emphysem",
    "Fibrosis": "fibro",
    "Pleural Thickening": "pleural thickening",
    "Hernia": "hernia",
    "Aortic Enlargement": "aort",
    "Calcification": "calcif",
    "Clavicle Fracture": "clavic",
    "Enlarged Pulmonary Artery": "pulmonary arter",
    "Interstitial Lung Disease": r"interstitial (lung )?disease|\bILD\b",
    "Lung Cavity": "cavit",
    "Lung Cyst": r"\bcyst",
    "Mediastinal Shift": "shift",
    "Rib Fracture": r"\bribs? fracture|fracture of (a|the [\w ]*) rib",
    "COPD": r"\bCOPD\b|obstructive",
    "Lung Tumor": "tumor|cancer",
    "Tuberculosis": r"tubercul|\bTB\b",
}
# Findings that are a part of another one cannot be named without it.
PARTS = {
    "Fracture": {"Clavicle Fracture", "Rib Fracture"},
    "Nodule": {"Nodule/Mass"},
    "Mass": {"Nodule/Mass"},
    "Pleural Other": {"Calcification"},
}


def sentences(*, certainty):
    """The finding and text of every sentence of one certainty."""
    return [(finding, sentence) for finding in KNOWN_FINDINGS for sentence in BANK.sentences(finding, certainty)]


def zero_shot_texts():
    prompts = [
        prompt for style in ("standard", "paraphrase", "biovil") for prompt in load_zero_shot_prompts(style).values()
    ]
    return {text for prompt in prompts for text in prompt.positive + prompt.negative}


def test_nothing_is_compared_with_an_earlier_image():
    texts = BANK.all_sentences() | zero_shot_texts()
    assert sorted(text for text in texts if COMPARED_WITH_EARLIER.search(text)) == []
    left = (INCREASED_AGAINST_NORMAL.sub("", text) for text in texts)
    assert sorted(text for text in left if "increased" in text.lower()) == []


def test_only_what_may_escape_the_eye_is_doubted():
    assert [text for _, text in sentences(certainty=UNCERTAIN) if LOUD.search(text)] == []


def test_a_denial_denies_the_whole_finding():
    denials = [text for finding, text in sentences(certainty=NEGATIVE) if finding != NO_FINDING]
    assert [text for text in denials if NARROWER_THAN_THE_FINDING.search(BOTH_KINDS.sub("", text))] == []


def test_a_denial_of_devices_denies_every_device():
    every = re.compile(r"(?:support|medical|other|implanted) devices?\b")
    assert [text for text in BANK.sentences("Support Devices", NEGATIVE) if not every.search(text)] == []


@pytest.mark.parametrize("certainty", [NEGATIVE, UNCERTAIN])
def test_a_denial_or_doubt_names_no_other_finding(certainty):
    for finding, sentence in sentences(certainty=certainty):
        of_it = {whole for whole, parts in PARTS.items() if finding in parts}
        for other in set(NAMES) - {finding} - of_it - PARTS.get(finding, set()):
            assert not re.search(NAMES[other], sentence, re.IGNORECASE), sentence


def test_the_mediastinum_is_not_said_to_lie_in_the_midline():
    assert [text for _, text in sentences(certainty=NEGATIVE) if "midline" in text.lower()] == []


def test_anatomy_holds():
    for sentence in BANK.all_sentences():
        if "nipple" in sentence:
            assert re.search("lung base|lower lung zone", sentence), sentence
        if re.search(r"(obscures|silhouettes) the hemidiaphragm", sentence):
            assert "lower lobe" in sentence
        if sentence.startswith("Single-lead"):
            assert "leads" not in sentence
        assert not sentence.endswith("with traction.")
