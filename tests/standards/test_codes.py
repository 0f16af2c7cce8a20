"""Codes of findings are those of DICOM's own tables where these have the concept."""

from pydicom.sr import codes

from cxr_clip.data.findings import KNOWN_FINDINGS
from cxr_clip.standards.codes import FINDING_CODES

OF_DICOM = {
    "Edema": codes.SCT.PulmonaryEdema,
    "Infiltration": codes.DCM.Infiltrate,
    "Lung Opacity": codes.DCM.Opacity,
    "Mass": codes.SCT.Mass,
    "Nodule": codes.SCT.Nodule,
    "Pleural Effusion": codes.SCT.PleuralEffusion,
    "Pneumothorax": codes.SCT.Pneumothorax,
}
# Verhoeff's algorithm: the last digit of a SNOMED CT identifier is a check digit of the others.


def product(a: int, b: int) -> int:
    """The product of two elements of the dihedral group of order 10."""
    if a < 5:
        return (a + b) % 5 + (5 if b >= 5 else 0)
    return (a - b) % 5 + (0 if b >= 5 else 5)


def permuted(digit: int, times: int) -> int:
    for _ in range(times):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit


def check_sum(number: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(number)):
        total = product(total, permuted(int(digit), place % 8))
    return total


def test_codes_are_those_of_dicom_where_it_has_them() -> None:
    for finding, code in OF_DICOM.items():
        assert (FINDING_CODES[finding].value, FINDING_CODES[finding].scheme) == (code.value, code.scheme_designator)


def test_snomed_codes_have_a_valid_check_digit() -> None:
    numbers = [code.value for code in FINDING_CODES.values() if code.scheme == "SCT"]
    assert len(numbers) == 14
    assert {check_sum(number) for number in numbers} == {0}
    assert check_sum("60046009") != 0


def test_findings_with_a_code_are_findings_and_no_two_share_one() -> None:
    assert FINDING_CODES.keys() <= set(KNOWN_FINDINGS)
    assert len({code.value for code in FINDING_CODES.values()}) == len(FINDING_CODES)
