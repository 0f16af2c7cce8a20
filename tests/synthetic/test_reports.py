"""Reports agree with the findings that they describe."""

import re

import numpy as np
import pytest

from cxr_clip.data.articles import indefinite_article
from cxr_clip.study import Certainty
from cxr_clip.synthetic.denials import NEGATIVES, negatives
from cxr_clip.synthetic.house_styles import write_report
from cxr_clip.synthetic.mesh import mesh_term, mesh_terms
from cxr_clip.synthetic.pathology import SYNTHETIC_FINDINGS, FindingInstance, describe, draw_findings
from cxr_clip.synthetic.phrases import noun_phrase
from cxr_clip.synthetic.remarks import remark

PLAIN = {
    "Cardiomegaly": "cardiomegaly|heart|cardiac",
    "Pleural Effusion": "effusion|pleural fluid",
    "Pneumothorax": "pneumothorax",
    "Consolidation": "consolidat",
    "Edema": "edema",
    "Atelectasis": "atelecta|collapse",
    "Nodule": "nodul",
    "Mass": "mass",
    "Emphysema": "emphysema",
    "Fracture": "fracture",
    "Hernia": "hernia|hiatus",
    "Support Devices": "pacemaker|catheter|line|picc|port|wires|tube|sternotomy",
}
# What a report may not say beside a finding, however it is worded.
UNCLEAR = r"lungs are clear|clear lungs"
FALSE = {
    "Cardiomegaly": r"not enlarged|size is normal|normal cardiac|silhouette is within",
    "Pleural Effusion": rf"angles are sharp|without pleural|{UNCLEAR}",
    "Pneumothorax": rf"well expanded|vascularity is normal|{UNCLEAR}",
    "Consolidation": UNCLEAR,
    "Edema": rf"without edema|vascularity is normal|{UNCLEAR}",
    "Atelectasis": rf"well expanded|without atelectasis|{UNCLEAR}",
    "Nodule": UNCLEAR,
    "Mass": UNCLEAR,
    "Emphysema": r"not hyperinflated|vascularity is normal",
    "Fracture": r"structures are intact|bony thorax is intact",
    "Hernia": r"normal chest",
    "Support Devices": r"normal chest|unremarkable examination",
}


def whole(report):
    return " ".join(part for part in (report.findings, report.impression) if part)


def rng(k):
    return np.random.default_rng([9, k])


@pytest.mark.parametrize("name", SYNTHETIC_FINDINGS)
def test_each_finding_is_named_with_its_side(name):
    for k in range(40):
        f = describe(name, rng(k))
        report = write_report((f,), rng(k), age=50, sex="M")
        text = whole(report).lower()
        assert re.search(PLAIN[name], text), text
        if f.side in ("left", "right") and f.location != "lingula" and report.findings and report.impression:
            assert f.side in text, text
            assert {"left": "right lung", "right": "left lung"}[f.side] not in text


def contradictions(name, text):
    """Sentences that deny a finding: by its name after a negation, or in words that it gives the lie."""
    named = PLAIN[name] if name != "Cardiomegaly" else "cardiomegaly"
    denied = rf"\b(?:no|negative for)\b[^.:]*\b(?:{named})|{FALSE[name]}"
    return [found.group() for found in re.finditer(denied, text.lower())]


@pytest.mark.parametrize("name", SYNTHETIC_FINDINGS)
def test_what_is_there_is_never_denied(name):
    for k in range(200):
        text = whole(write_report((describe(name, rng(k)),), rng(k), age=50, sex="F"))
        assert contradictions(name, text) == [], text


def test_what_is_there_or_suspected_is_never_denied_in_company():
    for k in range(2000):
        findings = draw_findings(rng(k))
        text = whole(write_report(findings, rng(k), age=50, sex="F"))
        for f in findings:
            assert contradictions(f.name, text) == [], text


def test_the_healthy_are_told_every_denial():
    """So the search for contradictions would find them."""
    text = " ".join(whole(write_report((), rng(k), age=50, sex="F")) for k in range(600))
    for name in SYNTHETIC_FINDINGS:
        said = " ".join(contradictions(name, text))
        assert said
        assert all(re.search(words, said) for words in FALSE[name].split("|")), name


def test_negatives_never_deny_the_same_finding_twice():
    for k in range(30):
        chosen = negatives(frozenset(SYNTHETIC_FINDINGS), rng(k), 6)
        assert len(chosen) == len(set(chosen)) <= 6
    assert negatives(frozenset(), rng(0), 5) == []


def test_every_finding_can_be_denied_alone():
    assert {name for n in NEGATIVES if len(n.denies) == 1 for name in n.denies} == set(SYNTHETIC_FINDINGS)


def test_a_suspicion_is_worded_as_one():
    f = FindingInstance("Nodule", 1, "left", "upper lobe", "small", "single", Certainty.UNCERTAIN)
    doubt = "possible|questionable|cannot|may|raise"
    for k in range(30):
        assert re.search(doubt, whole(write_report((f,), rng(k), age=40, sex="M")).lower())
    assert mesh_terms((f,), rng(0)) == ["normal"]


def test_reports_of_the_ill_differ_and_use_many_styles():
    ill = [f for k in range(300) if (f := draw_findings(rng(k)))]
    reports = [write_report(f, rng(1000 + k), age=60, sex="M") for k, f in enumerate(ill)]
    texts = [whole(r) for r in reports]
    assert len(set(texts)) > 0.97 * len(texts)
    assert any("Lungs:" in t for t in texts)
    assert any("1. " in t for t in texts)
    assert any("XXXX" in t for t in texts)
    assert any(r.findings is None for r in reports)
    assert any(r.impression is None for r in reports)
    assert all(r.findings or r.impression for r in reports)


def test_sentences_are_well_formed():
    for k in range(1000):
        report = write_report(draw_findings(rng(k)), rng(k), age=60, sex="F")
        for text in (report.findings, report.impression):
            if text:
                assert "None" not in text
                assert "  " not in text
                assert ".." not in text
                assert text.endswith(".")
                for article, word in re.findall(r"(?i)\b(an?) ([\w.]+)", text):
                    assert article.lower() == indefinite_article(word.rstrip(".")), text
                assert not re.search(
                    r"bilateral costophrenic angle\b|patchy[^.]*focal|(small|moderate|large)( \w+)? pleural fluid", text
                )


def test_noun_phrases_take_the_right_article_and_verb():
    assert noun_phrase(FindingInstance("Pleural Effusion", 1, "bilateral", None, "small"), rng(0)).verb == "are"
    hernia = noun_phrase(FindingInstance("Hernia", 1, severity="large"), rng(0))
    assert hernia.with_article.startswith("a large")
    tube = FindingInstance("Support Devices", 1, kind="endotracheal tube")
    assert {noun_phrase(tube, rng(k)).with_article for k in range(20)} == {"an ET tube", "an endotracheal tube"}


def test_fluid_on_both_sides_blunts_both_angles():
    for side, angles in (("left", "the left costophrenic angle"), ("bilateral", "both costophrenic angles")):
        f = FindingInstance("Pleural Effusion", 1, side, None, "small")
        remarks = {remark(f, rng(k)) for k in range(40)}
        assert len(remarks) == 3
        assert sum(angles in text for text in remarks) == 1
        assert not any("small pleural fluid" in text.lower() for text in remarks)


@pytest.mark.parametrize(
    ("finding", "term"),
    [
        (FindingInstance("Cardiomegaly", 1, severity="mild"), "Cardiomegaly/mild"),
        (FindingInstance("Pleural Effusion", 1, "right", None, "small"), "Pleural Effusion/right/small"),
        (FindingInstance("Pneumothorax", 1, "left", "apex", "small"), "Pneumothorax/apex/left/small"),
        (FindingInstance("Consolidation", 1, "right", "middle lobe", "mild"), "Consolidation/lung/middle lobe/right"),
        (FindingInstance("Atelectasis", 1, "bilateral", "base", "mild"), "Pulmonary Atelectasis/base/bilateral"),
        (FindingInstance("Nodule", 1, "left", "lingula", "small", "single"), "Nodule/lung/lingula/small"),
        (FindingInstance("Nodule", 1, "bilateral", None, "small", "multiple"), "Nodule/lung/bilateral/multiple"),
        (FindingInstance("Fracture", 1, "left", "ribs", "mild", "ribs"), "Fractures, Bone/ribs/left/multiple"),
        (FindingInstance("Edema", 1, "bilateral", None, "mild", "interstitial"), "Pulmonary Edema/interstitial/mild"),
        (FindingInstance("Support Devices", 1, "left", kind="pacemaker"), "Implanted Medical Device/left"),
    ],
)
def test_terms_are_written_as_the_collection_writes_them(finding, term):
    assert mesh_term(finding, rng(0)) == term


@pytest.mark.shared
def test_the_heads_of_all_terms_occur_in_the_real_collection(shared_folder):
    files = sorted((shared_folder / "data" / "openi" / "ecgen-radiology").glob("*.xml"))
    heads = {m.split("/")[0] for file in files for m in re.findall(r"<major>([^<]*)", file.read_text())}
    ours = {mesh_term(describe(name, rng(k)), rng(k)).split("/")[0] for name in SYNTHETIC_FINDINGS for k in range(40)}
    assert ours <= heads
