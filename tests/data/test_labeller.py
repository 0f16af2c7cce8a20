"""Reports become findings: the strongest mention counts, silence is not denial, and normal reports are "No Finding"."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_clip.data.findings import FINDINGS
from cxr_clip.data.labeller import label_report, with_labels
from cxr_clip.data.labeller_phrases import KINDS, plain, read_phrases
from cxr_clip.data.reports import sections_from_labelled
from cxr_clip.study import Certainty, Split, Study
from cxr_clip.synthetic.house_styles import write_report
from cxr_clip.synthetic.pathology import draw_findings
from support_programs import benchmark

POSITIVE, NEGATIVE, UNCERTAIN = Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN
ROOT = Path(__file__).parents[2]
DRAWN = (
    *("Cardiomegaly", "Pleural Effusion", "Pneumothorax", "Consolidation", "Edema", "Atelectasis"),
    *("Nodule", "Mass", "Emphysema", "Fracture", "Hernia", "Support Devices"),
)
WORDS = ["no", "effusion", "or", "pneumothorax", ",", "may", "be", "the", "heart", "enlarged", "not", "seen", ";", "?"]


def test_the_strongest_mention_of_a_report_counts() -> None:
    sections = {"findings": "No effusion. Possible effusion.", "impression": "Small effusion."}
    assert label_report(sections)["Pleural Effusion"] is POSITIVE
    assert label_report({"findings": "No effusion. Possible effusion."})["Pleural Effusion"] is UNCERTAIN
    assert label_report({"findings": "No effusion."})["Pleural Effusion"] is NEGATIVE


def test_findings_impression_and_addendum_are_read_and_nothing_else() -> None:
    others = {"indication": "Pneumothorax?", "comparison": "Effusion in May.", "wet read": "Edema."}
    assert label_report({**others, "impression": "1. Mass. 2. Nodule.", "addendum": "Rib fracture."}) == {
        "No Finding": NEGATIVE,
        "Fracture": POSITIVE,
        "Lung Lesion": POSITIVE,
        "Mass": POSITIVE,
        "Nodule": POSITIVE,
    }


@pytest.mark.parametrize("sections", [{}, {"findings": ""}, {"indication": "Cough."}])
def test_a_report_without_text_has_no_findings(sections: dict[str, str]) -> None:
    assert label_report(sections) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Normal chest.", POSITIVE),
        ("No pneumothorax.", POSITIVE),
        ("Endotracheal tube in place.", POSITIVE),
        ("Possible pneumonia.", None),
        ("Endotracheal tube in place. Edema.", NEGATIVE),
    ],
)
def test_no_finding_is_what_nothing_but_devices_is_stated_or_doubted(text: str, expected: Certainty | None) -> None:
    assert label_report({"impression": text}).get("No Finding") is expected


def test_studies_with_labels_or_without_a_report_stay_as_they_are() -> None:
    study = Study("1", "1", "x", Split.TRAIN, (), sections={"findings": "No effusion."})
    labelled = with_labels(study)
    assert labelled.findings == {"No Finding": POSITIVE, "Pleural Effusion": NEGATIVE}
    assert (labelled.id, labelled.sections) == (study.id, study.sections)
    given_labels = Study("1", "1", "x", Split.TRAIN, (), study.sections, {"Mass": POSITIVE})
    assert with_labels(given_labels) is given_labels
    empty = Study("1", "1", "x", Split.TRAIN, ())
    assert with_labels(empty) is empty


def test_every_finding_but_no_finding_has_phrases_and_every_kind_is_known() -> None:
    findings = read_phrases().findings
    assert set(findings) < set(FINDINGS)
    assert {"No Finding", *findings} >= {"Hernia", "Fracture", "Pleural Other", "Support Devices", "Lung Lesion"}
    assert all(set(patterns) <= set(KINDS) and "positive" in patterns for patterns in findings.values())


def test_plain_text_spells_abbreviations_out() -> None:
    assert plain("Air-space  disease w/o edema, s/p CABG; r/o pneumonia vs. mass/nodule") == (
        "air space disease without edema, status post cabg; rule out pneumonia versus mass and nodule"
    )


def test_a_sentence_without_end_is_read_in_pieces() -> None:
    assert label_report({"findings": "no effusion or edema and " * 4000}) == {
        "No Finding": POSITIVE,
        "Edema": NEGATIVE,
        "Pleural Effusion": NEGATIVE,
    }


@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_any_words_give_known_findings(words: list[str]) -> None:
    found = label_report({"findings": " ".join(words)})
    assert set(found) <= set(FINDINGS)
    assert label_report({"findings": " ".join(words).upper()}) == found


def test_the_benchmark_counts_what_the_reference_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = benchmark("labeller")
    _write_openi(tmp_path, {"1": "Nodule.", "2": "No nodule.", "3": "Possible nodule.", "4": "Clear lungs."})
    (tmp_path / "labels_nih14.csv").write_text("uid,Nodule,normal\n1,1,0\n2,1,0\n3,0,0\n4,0,1\n")
    (tmp_path / "split.csv").write_text("uid,split\n1,train\n2,train\n3,validate\n4,test\n")
    results = tmp_path / "labeller.json"
    monkeypatch.setattr(sys, "argv", ["labeller.py", "--openi", str(tmp_path), "--results", str(results)])
    program.main()
    content = json.loads(results.read_text())
    assert content["reports"] == {"train and validate": 3, "test": 1, "all": 4}
    assert content["reports_a_second"]["as_they_come"] > 0
    both = content["splits"]["train and validate"]
    stated = both["uncertain_is_not_positive"]["findings"]["Nodule"]
    assert stated == {"precision": 1.0, "recall": 0.5, "f1": 0.667, "hits": 1, "false": 0, "missed": 1}
    assert both["uncertain_is_positive"]["findings"]["Nodule"]["precision"] == 0.5
    assert content["splits"]["test"]["uncertain_is_not_positive"]["findings"]["No Finding"]["f1"] == 1.0


def test_made_up_reports_are_read_as_what_they_were_written_from() -> None:
    read = [_made_up(seed) for seed in range(300)]
    judged = [(label.get(name, NEGATIVE), truth.get(name, NEGATIVE)) for truth, label in read for name in DRAWN]
    assert sum(label is truth for label, truth in judged) > 0.995 * len(judged)


def _made_up(seed: int) -> tuple[dict[str, Certainty], dict[str, Certainty]]:
    rng = np.random.default_rng(seed)
    findings = draw_findings(rng)
    report = write_report(findings, rng, age=60, sex="F")
    sections = sections_from_labelled([("FINDINGS", report.findings), ("IMPRESSION", report.impression)])
    return {finding.name: finding.certainty for finding in findings}, label_report(sections)


def _write_openi(raw: Path, impressions: dict[str, str]) -> None:
    (raw / "ecgen-radiology").mkdir()
    for uid, text in impressions.items():
        xml = f'<eCitation><uId id="CXR{uid}"/><AbstractText Label="IMPRESSION">{text}</AbstractText></eCitation>'
        (raw / "ecgen-radiology" / f"{uid}.xml").write_text(xml)
