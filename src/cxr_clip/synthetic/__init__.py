"""A made-up chest X-ray world, written in the raw layout of each data set."""

from cxr_clip.synthetic.write_chestxray14 import synthesize_chestxray14
from cxr_clip.synthetic.write_chexpert import (
    synthesize_chexpert,
    synthesize_chexpert_5x200,
    synthesize_chexpert_plus,
)
from cxr_clip.synthetic.write_openi import synthesize_openi

__all__ = [
    "synthesize_chestxray14",
    "synthesize_chexpert",
    "synthesize_chexpert_5x200",
    "synthesize_chexpert_plus",
    "synthesize_openi",
]
