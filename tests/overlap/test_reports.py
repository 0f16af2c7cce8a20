"""Equal reports: long and rare ones are told from those that everybody writes."""

import numpy as np

from cxr_clip.overlap.derivations import all_derivations, known_derivations, patients_of
from cxr_clip.overlap.hits import keys_of
from cxr_clip.overlap.reports import COMMON_WORDS, Reports, equal_reports, normalised, report_of
from support_overlap import LONG


def read(*texts: str) -> Reports:
    words = [normalised(text) for text in texts]
    return Reports(keys_of(words), np.asarray([len(text.split()) for text in words]))


def patients(*names: str) -> np.ndarray:
    return keys_of(names)


def test_case_punctuation_line_breaks_and_masks_do_not_matter() -> None:
    assert normalised("The XXXX lungs,\n are CLEAR. ___ No 3 mm nodule.") == "the lungs are clear no 3 mm nodule"


def test_a_report_is_findings_and_impression_or_else_all_there_is() -> None:
    assert report_of({"indication": "Cough.", "impression": "Normal.", "findings": "Clear."}) == "clear normal"
    assert report_of({"indication": "Cough."}) == "cough"
    assert report_of({}) == ""


def test_a_long_report_of_two_patients_is_rare_and_a_short_or_frequent_one_common() -> None:
    assert len(normalised(LONG).split()) > COMMON_WORDS
    training = read(LONG.format(1), LONG.format(2), LONG.format(2), "No acute disease.", "")
    evaluation = read("No acute disease", LONG.format(1), LONG.format(2), LONG.format(3), "")
    found = equal_reports(training, evaluation, patients=patients(*"abcde"), others=patients(*"vwxyz"))
    assert found.rare.evaluation.tolist() == [1]
    assert found.common.evaluation.tolist() == [0, 2]
    assert [(one.words, one.patients, one.evaluation_studies) for one in found.examples] == [(3, 2, 1), (30, 3, 1)]


def test_the_same_text_many_times_of_one_patient_stays_rare() -> None:
    training, evaluation = read(LONG, LONG, LONG), read(LONG)
    found = equal_reports(training, evaluation, patients=patients(*"aaa"), others=patients("a"))
    assert len(found.rare) == 1
    assert found.rare.matches.tolist() == [3]


def test_known_derivations_join_a_source_with_its_origin_and_with_its_siblings() -> None:
    assert [row.source for row in known_derivations(["chestxray14"], ["rsna_pneumonia"])] == ["rsna_pneumonia"]
    siblings = known_derivations(["siim_pneumothorax", "mimic_cxr"], ["rsna_pneumonia"])
    assert {row.source for row in siblings} == {"rsna_pneumonia", "siim_pneumothorax"}
    assert known_derivations(["mimic_cxr"], ["rsna_pneumonia", "vindr_cxr"]) == ()
    assert known_derivations(["chexpert"], ["chexpert"]) == ()


def test_patients_are_compared_within_a_family_that_names_them_alike() -> None:
    assert patients_of("chexpert_5x200") == patients_of("chexpert_plus") == patients_of("chexpert") == "chexpert"
    assert patients_of("rsna_pneumonia") != patients_of("chestxray14")


def test_derivations_name_data_sets_that_can_be_prepared() -> None:
    from cxr_clip.commands.sources import SOURCES

    for row in all_derivations():
        assert {row.source, row.origin} <= SOURCES.keys()
        assert row.words.endswith(".")
        assert row.told_by
