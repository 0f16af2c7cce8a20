"""Findings of Open-I studies agree with the indexers' terms and with tables of labels."""

from pathlib import Path

import pytest

from cxr_clip.data.findings import FINDINGS
from cxr_clip.errors import SourceError
from cxr_clip.prepare.openi_labels import MESH_FINDINGS, findings_from_mesh, read_labels
from cxr_clip.study import Certainty

POSITIVE, NEGATIVE, UNCERTAIN = Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN


def mentioned(*terms: str) -> dict[str, Certainty]:
    """The findings that terms do not make negative."""
    return {name: certainty for name, certainty in findings_from_mesh(terms).items() if certainty is not NEGATIVE}


def test_all_findings_of_the_table_are_canonical() -> None:
    assert set(MESH_FINDINGS) < set(FINDINGS)


def test_normal_denies_every_finding_of_the_table() -> None:
    findings = findings_from_mesh(["normal"])
    assert set(findings) == {"No Finding", *MESH_FINDINGS}
    assert mentioned("normal") == {"No Finding": POSITIVE}


@pytest.mark.parametrize("terms", [[], ["No Indexing"], ["Technical Quality of Image Unsatisfactory"]])
def test_a_study_that_was_not_coded_has_no_findings(terms: list[str]) -> None:
    assert findings_from_mesh(terms) == {}


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("Cardiomegaly/mild", {"Cardiomegaly": POSITIVE}),
        ("Cardiomegaly/borderline", {"Cardiomegaly": UNCERTAIN}),
        ("Cardiac Shadow/enlarged", {"Cardiomegaly": POSITIVE}),
        ("Hernia, Hiatal/large", {"Hernia": POSITIVE}),
        ("Hydropneumothorax/right", {"Pneumothorax": POSITIVE, "Pleural Effusion": POSITIVE}),
        ("Opacity/lung/base/left", {"Lung Opacity": POSITIVE}),
        ("Thickening/pleura/apex", {"Pleural Thickening": POSITIVE}),
        ("Thickening/bronchi", {}),
        ("Subcutaneous Emphysema", {}),
        ("Thoracic Vertebrae/degenerative", {}),
        ("Calcified Granuloma/lung", {"Nodule": UNCERTAIN}),
    ],
)
def test_terms_name_findings(term: str, expected: dict[str, Certainty]) -> None:
    assert mentioned(term) == expected
    assert findings_from_mesh([term])["No Finding"] is NEGATIVE


def test_a_kind_of_opacity_leaves_lung_opacity_unmentioned() -> None:
    assert "Lung Opacity" not in findings_from_mesh(["Consolidation/lung"])
    assert findings_from_mesh(["Cardiomegaly"])["Lung Opacity"] is NEGATIVE
    assert mentioned("Pneumonia", "Opacity/lung") == {"Pneumonia": POSITIVE, "Lung Opacity": POSITIVE}


def test_a_positive_term_outweighs_an_uncertain_one_in_any_order() -> None:
    for terms in (("Nodule", "Granuloma"), ("Granuloma", "Nodule")):
        assert mentioned(*terms)["Nodule"] is POSITIVE


def test_labels_are_read_with_every_certainty(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("Effusion,uid,Pleural_Thickening,normal\n1,7,0,0\n-1.0,CXR8,,1\n-1,8,,1\n")
    assert read_labels(tmp_path / "l.csv") == {
        "7": {"Pleural Effusion": POSITIVE, "Pleural Thickening": NEGATIVE, "No Finding": NEGATIVE},
        "8": {"Pleural Effusion": UNCERTAIN, "No Finding": POSITIVE},
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id,Effusion\n1,1\n", "no column uid"),
        ("uid,Efusion\n1,1\n", "Pleural Effusion"),
        ("uid,Effusion\n1,yes\n", "line 2: the label 'yes' is none of 1, 0, -1 and blank"),
        ("uid,Effusion\n1,1\nCXR1,0\n", "line 3 says of 1 something else than line 2"),
        ("uid,Effusion,pleural effusion\n1,1,0\n", "several columns of Pleural Effusion: keep one"),
        ("uid,Effusion\n1\n", "line 2 has 1 values instead of 2"),
    ],
)
def test_bad_tables_of_labels_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(SourceError, match=reason):
        read_labels(tmp_path / "l.csv")
