"""The data sets that can be prepared and made up: one table, from which the commands are made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cxr_clip.study import Split


@dataclass(frozen=True)
class SourceOption:
    """An option of one source's own: the name of the keyword argument, its help, its type, its default.

    `shown` says in the help what happens without it. `convert` is where the function is that makes the argument of what
    was typed; None: it is taken as it is.
    """

    name: str
    help: str
    kind: object = Path | None
    default: object = None
    convert: str | None = None
    shown: str | None = None


@dataclass(frozen=True)
class SourceEntry:
    """A data set: what it is, and where its functions are ("module:function"; imported when they are used).

    `help` ends the sentences "Prepare ..." and "Make up ...". `options` are those of `prepare`; `dicom` tells that
    images may be DICOM files, `reports` that there may be reports. `synthesize` writes a miniature, with the options
    `made_up`; None where there is no download to imitate.
    """

    help: str
    prepare: str
    synthesize: str | None
    options: tuple[SourceOption, ...] = ()
    dicom: bool = False
    reports: bool = False
    made_up: tuple[SourceOption, ...] = ()


_FAULTS = SourceOption("faults", "Plant mistakes that downloads have; faults.jsonl names them.", bool, default=False)
_EXCLUDE = SourceOption(
    "exclude",
    "A test set whose patients leave the training set: its CSV (chexpert_5x200.csv) or its prepared folder.",
    shown="nobody leaves",
)
_VALIDATION = SourceOption(
    "validation",
    "The share of the training patients that validates, the part called valid being the test split then.",
    float | None,
    shown="that part validates",
)
_STYLE = SourceOption(
    "style",
    "The house style of all reports. The pictures are the same in all.",
    Literal["narrative", "terse", "by_system", "hedging", "negatives_first"] | None,
    convert="cxr_clip.synthetic:HouseStyle",
    shown="each report has one drawn at random",
)

SOURCES: dict[str, SourceEntry] = {
    "openi": SourceEntry(
        help="Open-I (Indiana University): XML reports with frontal and lateral images.",
        prepare="cxr_clip.prepare.openi:prepare_openi",
        synthesize="cxr_clip.synthetic:synthesize_openi",
        options=(
            SourceOption(
                "projections",
                "A CSV of uid, image_id, projection.",
                shown="projections.csv or indiana_projections.csv in RAW if one is there, else the views are unknown",
            ),
            SourceOption(
                "splits",
                "A CSV of uid, split.",
                shown="split.csv in RAW if it is there, else 80/10/10 % by a hash of the report's "
                "text, so that equal reports stay together",
            ),
            SourceOption(
                "labels",
                "A CSV of uid and findings as 1/0/-1/empty.",
                shown="labels_nih14.csv in RAW if it is there, else the MeSH terms",
            ),
        ),
        dicom=True,
        reports=True,
        made_up=(_STYLE, _FAULTS),
    ),
    "chestxray14": SourceEntry(
        help="NIH ChestX-ray14: images with 14 labels.",
        prepare="cxr_clip.prepare.chestxray14:prepare_chestxray14",
        synthesize="cxr_clip.synthetic:synthesize_chestxray14",
        made_up=(_FAULTS,),
    ),
    "mimic_cxr": SourceEntry(
        help="MIMIC-CXR: JPG or DICOM images with their reports and 14 labels.",
        prepare="cxr_clip.prepare.mimic_cxr:prepare_mimic_cxr",
        synthesize="cxr_clip.synthetic:synthesize_mimic_cxr",
        options=(
            SourceOption("reports", "mimic-cxr-reports.zip or a folder of texts.", shown="what is in RAW, if any is"),
            SourceOption(
                "labels", "The table of labels.", shown="that of CheXpert in RAW, else that of NegBio, else no labels"
            ),
            SourceOption("metadata", "The table of images.", shown="mimic-cxr-2.0.0-metadata.csv.gz in RAW"),
            SourceOption("split", "The table of splits.", shown="mimic-cxr-2.0.0-split.csv.gz in RAW"),
        ),
        dicom=True,
        reports=True,
        made_up=(
            SourceOption(
                "edition",
                "Which distribution is imitated.",
                Literal["jpg-2.0.0", "jpg-2.1.0", "dicom-2.0.0", "dicom-2.1.0"],
                "jpg-2.0.0",
                convert="cxr_clip.synthetic.write_mimic_cxr:MimicEdition",
            ),
            _FAULTS,
        ),
    ),
    "chexpert": SourceEntry(
        help="CheXpert v1.0 or -small: images with 14 labels.",
        prepare="cxr_clip.prepare.chexpert:prepare_chexpert",
        synthesize="cxr_clip.synthetic:synthesize_chexpert",
        options=(
            SourceOption("labels", "A table in place of train.csv, such as train_cheXbert.csv.", shown="train.csv"),
            _EXCLUDE,
            _VALIDATION,
        ),
        made_up=(SourceOption("small", "The layout of CheXpert-v1.0-small.", bool, default=False), _FAULTS),
    ),
    "chexpert_5x200": SourceEntry(
        help="CheXpert 5x200, a test set: images that show one of five findings, with impressions.",
        prepare="cxr_clip.prepare.chexpert_5x200:prepare_chexpert_5x200",
        synthesize="cxr_clip.synthetic:synthesize_chexpert_5x200",
        options=(
            SourceOption("table", "The published table.", shown="chexpert_5x200.csv in RAW, else a set is rebuilt"),
            SourceOption("reports", "CheXpert Plus, for impressions.", shown="df_chexpert_plus_240401.csv in RAW"),
            SourceOption("labels", "The labels by image, to rebuild a set.", shown="train.csv in RAW"),
        ),
        made_up=(_FAULTS,),
    ),
    "chexpert_plus": SourceEntry(
        help="CheXpert Plus: the reports of CheXpert, with its images.",
        prepare="cxr_clip.prepare.chexpert_plus:prepare_chexpert_plus",
        synthesize="cxr_clip.synthetic:synthesize_chexpert_plus",
        options=(
            SourceOption("reports", "The table of reports.", shown="df_chexpert_plus_240401.csv in RAW"),
            SourceOption("labels", "The labels by image: train.csv or impression_fixed.json.", shown="no labels"),
            _EXCLUDE,
            _VALIDATION,
        ),
        dicom=True,
        reports=True,
        made_up=(_FAULTS,),
    ),
    "vindr_cxr": SourceEntry(
        help="VinDr-CXR: DICOM images with findings and boxes of three readers.",
        prepare="cxr_clip.prepare.vindr_cxr:prepare_vindr_cxr",
        synthesize="cxr_clip.synthetic:synthesize_vindr_cxr",
        options=(SourceOption("annotations", "The folder of the four tables.", shown="annotations/ in RAW"),),
        dicom=True,
        made_up=(_FAULTS,),
    ),
    "rsna_pneumonia": SourceEntry(
        help="the RSNA pneumonia challenge: DICOM images with labels and boxes.",
        prepare="cxr_clip.prepare.rsna_pneumonia:prepare_rsna_pneumonia",
        synthesize="cxr_clip.synthetic:synthesize_rsna_pneumonia",
        options=(
            SourceOption("labels", "The table of boxes.", shown="stage_2_train_labels.csv in RAW"),
            SourceOption("classes", "The table of classes.", shown="stage_2_detailed_class_info.csv in RAW, if there"),
        ),
        dicom=True,
        made_up=(
            SourceOption(
                "tables",
                "A folder with the challenge's own tables (stage_2_train_labels.csv): images for its first patients.",
                shown="none",
            ),
            _FAULTS,
        ),
    ),
    "siim_pneumothorax": SourceEntry(
        help="the SIIM-ACR pneumothorax challenge: DICOM images with masks.",
        prepare="cxr_clip.prepare.siim_pneumothorax:prepare_siim_pneumothorax",
        synthesize="cxr_clip.synthetic:synthesize_siim_pneumothorax",
        options=(
            SourceOption(
                "labels", "The table of masks.", shown="stage_2_train.csv, train-rle.csv or stage_1_train.csv in RAW"
            ),
        ),
        dicom=True,
        made_up=(_FAULTS,),
    ),
    "table": SourceEntry(
        help="a table of your own (CSV or Parquet) and its images.",
        prepare="cxr_clip.prepare.table:prepare_table",
        synthesize="cxr_clip.synthetic:synthesize_table",
        options=(
            SourceOption("table", "The table of studies.", shown="the only one in RAW"),
            SourceOption("columns", "A YAML file that says what the columns are.", shown="they have the usual names"),
            SourceOption(
                "split", "Put all rows into this split.", Split | None, shown="the column of splits, else a hash"
            ),
        ),
        dicom=True,
        reports=True,
        made_up=(
            SourceOption(
                "form",
                "A column for each thing, or lists written as text as in the CSV files of the published code.",
                Literal["columns", "lists"],
                "columns",
                convert="cxr_clip.synthetic.write_table:TableForm",
            ),
            _FAULTS,
        ),
    ),
}
