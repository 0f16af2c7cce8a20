"""Findings have one canonical name, whatever a data set calls them."""

import pytest

from cxr_clip.data.findings import CHESTXRAY14, FINDINGS, KNOWN_FINDINGS, NO_FINDING, TABLE, VINDR_CXR, canonical
from cxr_clip.errors import PromptError

# Column order of CheXpert's train.csv and the label list of the ChestX-ray14 paper, as the data sets write them.
CHEXPERT_COLUMNS = """
    No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,
    Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices
"""
NIH_LABELS = """
    Atelectasis,Cardiomegaly,Effusion,Infiltration,Mass,Nodule,Pneumonia,Pneumothorax,Consolidation,Edema,Emphysema,
    Fibrosis,Pleural_Thickening,Hernia
"""
# The columns of image_labels_train.csv after image_id and rad_id, less the two that name no one thing (other lesion,
# other diseases).
VINDR_COLUMNS = """
    Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,Emphysema,
    Enlarged PA,ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,Nodule/Mass,Pleural effusion,
    Pleural thickening,Pneumothorax,Pulmonary fibrosis,Rib fracture,COPD,Lung tumor,Pneumonia,Tuberculosis,No finding
"""


def test_label_sets_are_those_of_the_data_sets():
    chexpert = tuple(finding.name for finding in TABLE if "chexpert" in finding.sets)
    assert tuple(name.strip() for name in CHEXPERT_COLUMNS.split(",")) == chexpert
    assert set(CHESTXRAY14) == {canonical(label) for label in NIH_LABELS.split(",")}
    assert len(CHESTXRAY14) == 14
    assert set(FINDINGS) == set(chexpert) | set(CHESTXRAY14)
    assert len(FINDINGS) == len(set(FINDINGS)) == 21
    assert set(VINDR_CXR) == {canonical(label) for label in VINDR_COLUMNS.split(",")}
    assert len(VINDR_CXR) == 26
    assert set(KNOWN_FINDINGS) == set(FINDINGS) | set(VINDR_CXR)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Effusion", "Pleural Effusion"),
        ("Pleural_Thickening", "Pleural Thickening"),
        ("pleural-effusion", "Pleural Effusion"),
        ("  NODULE ", "Nodule"),
        ("hiatal hernia", "Hernia"),
        ("Normal", NO_FINDING),
        ("Pulmonary_Edema", "Edema"),
        ("Airspace Opacity", "Lung Opacity"),
        ("ILD", "Interstitial Lung Disease"),
        ("Nodule/Mass", "Nodule/Mass"),
    ],
)
def test_other_names_mean_the_canonical_one(name, expected):
    assert canonical(name) == expected


def test_canonical_names_are_their_own():
    assert [canonical(name) for name in KNOWN_FINDINGS] == list(KNOWN_FINDINGS)


def test_no_name_stands_for_two_findings():
    names = [name.lower() for finding in TABLE for name in (finding.name, *finding.aliases)]
    assert len(names) == len(set(names))


def test_a_misspelled_finding_is_answered_with_the_nearest():
    with pytest.raises(PromptError, match="'Cardiomegally': did you mean 'Cardiomegaly'"):
        canonical("Cardiomegally")


def test_a_finding_like_no_other_is_answered_with_the_list():
    with pytest.raises(PromptError, match=r"'qqqq': known are No Finding, .*Hernia"):
        canonical("qqqq")
