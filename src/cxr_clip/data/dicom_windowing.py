"""The named ways in which the grey values of a DICOM image become 8 bits."""

from enum import StrEnum


class Windowing(StrEnum):
    """Where black and white lie.

    `file`: as the file's own VOI LUT or first window says, as a viewer opens it; without either, from the least to the
    largest value in use. `min-max`: from the least to the largest value in use, whatever the file says. `percentile`:
    from the 0.5th to the 99.5th percentile of the values in use, so that markers and metal do not set the contrast.
    """

    FILE = "file"
    MIN_MAX = "min-max"
    PERCENTILE = "percentile"
