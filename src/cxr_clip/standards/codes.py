"""Codes of findings where the code is certain to mean the finding; the name in words stands beside it in any case.

Those of SNOMED CT (SCT) and of DICOM (DCM) that DICOM itself uses are checked by the tests against pydicom's tables.
The others were compared with those that FHIR examples, OMOP's vocabulary and maps to MedDRA and ICD-10 publish for the
same disorder.
pydicom's keyword "Cardiomegaly" is not followed: the concept that it names is a defect of the atrial septum.
"""

from dataclasses import dataclass

# What every result says of itself, in the same words.
RESEARCH_ONLY = "Research only, not a medical device"
SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
}


@dataclass(frozen=True)
class Code:
    """A concept of a coding scheme, by DICOM's name of the scheme."""

    scheme: str
    value: str
    meaning: str

    @property
    def system(self) -> str:
        """FHIR's name of the scheme."""
        return SYSTEMS[self.scheme]


CHEST_X_RAY = Code("LN", "30745-4", "XR Chest Views")
FINDING_CODES = {
    "Atelectasis": Code("SCT", "46621007", "Atelectasis"),
    "COPD": Code("SCT", "13645005", "Chronic obstructive pulmonary disease"),
    "Cardiomegaly": Code("SCT", "8186001", "Cardiomegaly"),
    "Clavicle Fracture": Code("SCT", "58150001", "Fracture of clavicle"),
    "Consolidation": Code("SCT", "95436008", "Lung consolidation"),
    "Edema": Code("SCT", "19242006", "Pulmonary edema"),
    "Emphysema": Code("SCT", "87433001", "Pulmonary emphysema"),
    "Fibrosis": Code("SCT", "51615001", "Fibrosis of lung"),
    "Infiltration": Code("DCM", "112121", "Infiltrate"),
    "Lung Opacity": Code("DCM", "112001", "Opacity"),
    "Mass": Code("SCT", "4147007", "Mass"),
    "Nodule": Code("SCT", "27925004", "Nodule"),
    "Pleural Effusion": Code("SCT", "60046008", "Pleural effusion"),
    "Pneumonia": Code("SCT", "233604007", "Pneumonia"),
    "Pneumothorax": Code("SCT", "36118008", "Pneumothorax"),
    "Rib Fracture": Code("SCT", "33737001", "Fracture of rib"),
}
