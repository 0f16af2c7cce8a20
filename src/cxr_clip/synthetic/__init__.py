"""A made-up chest X-ray world, written in the raw layout of each data set."""

from cxr_clip.synthetic.house_styles import HouseStyle
from cxr_clip.synthetic.write_chestxray14 import synthesize_chestxray14
from cxr_clip.synthetic.write_chexpert import (
    synthesize_chexpert,
    synthesize_chexpert_5x200,
    synthesize_chexpert_plus,
)
from cxr_clip.synthetic.write_mimic_cxr import MimicEdition, synthesize_mimic_cxr
from cxr_clip.synthetic.write_openi import synthesize_openi
from cxr_clip.synthetic.write_rsna_pneumonia import synthesize_rsna_pneumonia
from cxr_clip.synthetic.write_siim_pneumothorax import synthesize_siim_pneumothorax
from cxr_clip.synthetic.write_table import TableForm, synthesize_table
from cxr_clip.synthetic.write_vindr_cxr import synthesize_vindr_cxr

__all__ = [
    "HouseStyle",
    "MimicEdition",
    "TableForm",
    "synthesize_chestxray14",
    "synthesize_chexpert",
    "synthesize_chexpert_5x200",
    "synthesize_chexpert_plus",
    "synthesize_mimic_cxr",
    "synthesize_openi",
    "synthesize_rsna_pneumonia",
    "synthesize_siim_pneumothorax",
    "synthesize_table",
    "synthesize_vindr_cxr",
]
