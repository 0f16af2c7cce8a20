"""Answers of a model in the standards of the field: HL7 FHIR and DICOM structured reports. Research only."""
