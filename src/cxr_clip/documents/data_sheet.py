"""The data sheet of a prepared folder, under the headings of Gebru et al., "Datasheets for Datasets" (2021).

What the folder knows is told; the questions, in our own words, that only people can answer are listed as open.
"""

from collections.abc import Iterator, Sequence

from cxr_clip.documents.data_facts import HEADS, DataFacts, demographics
from cxr_clip.documents.open_question import OPEN
from cxr_clip.sharing.markdown import table

# What no file can answer, by heading.
_OPEN = {
    "Motivation": ("purpose of the collection", "who made it", "who paid for it"),
    "Composition": (
        "whether it is a sample, and of what",
        "patients that appear elsewhere",
        "offensive or private texts",
    ),
    "Collection process": ("how, when and by whom", "ethical review", "consent and its withdrawal"),
    "Preprocessing, cleaning, labelling": ("whether the raw data are kept", "who checked the labels, and how"),
    "Uses": ("uses so far", "uses to refrain from"),
    "Distribution": ("terms of the source, and of what is made of it", "whether it leaves the house"),
    "Maintenance": ("who keeps it, and who answers questions", "how mistakes and withdrawals reach it"),
}


def data_sheet(facts: DataFacts) -> str:
    """The sheet as Markdown."""
    parts = {
        "Motivation": "",
        "Composition": _composition(facts),
        "Collection process": _collection(facts),
        "Preprocessing, cleaning, labelling": _preprocessing(facts),
        "Uses": "Research on chest X-rays and reports. Not for decisions about a patient.",
        "Distribution": "Images, report texts and ids of the source are in it: its terms of use hold for it too.",
        "Maintenance": _maintenance(facts),
    }
    sections = [f"## {heading}\n\n{_with_open(heading, known)}" for heading, known in parts.items()]
    return "\n\n".join([f"# Data sheet: {facts.name}", *sections]) + "\n"


def _with_open(heading: str, known: str) -> str:
    questions = "\n".join(f"- {question}: {OPEN}" for question in _OPEN[heading])
    return "\n\n".join(part for part in (known, questions) if part)


def _composition(facts: DataFacts) -> str:
    counts = facts.counts
    said = (
        f"{counts.studies:,} studies of {counts.patients:,} patients with {counts.images:,} images "
        f"({counts.bytes / 1e6:,.1f} MB as stored); {sum(counts.sections.values()):,} report sections; boxes in "
        f"{counts.boxes:,} and masks in {counts.masks:,} studies. No patient is in two splits."
    )
    labels = [
        (one.finding, *(f"{number:,}" for number in (one.positive, one.negative, one.uncertain, one.not_mentioned)))
        for one in facts.labels
    ]
    heads = ("finding", "positive", "negative", "uncertain", "not mentioned")
    parts = [said, table(HEADS, demographics(facts)), table(heads, labels) if labels else "No study has labels."]
    return "\n\n".join(parts)


def _collection(facts: DataFacts) -> str:
    sources = sorted({group.source for group in facts.counts.groups})
    rows = [
        (one.source, one.split or "all", one.unit, f"{one.published:,}", f"{one.here:,}") for one in facts.published
    ]
    told = [f"Sources: {', '.join(sources)}."]
    if rows:
        told.append(table(("source", "split", "unit", "published", "here"), rows))
    return "\n\n".join(told)


def _preprocessing(facts: DataFacts) -> str:
    preparation = facts.preparation
    settings = [
        f"{name} {value}" for name, value in preparation.settings.items() if isinstance(value, int | str) and value
    ]
    told = [
        "Images are one grey channel of 8 bits, bones white, shrunk and never enlarged, and not cropped. Reports are "
        "split into sections; names that a de-identification took out go with the words that say nothing without them."
    ]
    made = facts.provenance.in_words(dicom=facts.counts.dicom_images > 0)
    told += [f"Prepared with {made}."] if made else []
    told += [f"Settings: {', '.join(settings)}."] if settings else []
    left_out = [*preparation.reasons.items()]
    if preparation.absent_images:
        left_out.append(("images that are listed and not there", preparation.absent_images))
    told.append(_counted("left out", left_out) if left_out else "Nothing was left out, as far as the folder says.")
    told += [_counted("remark of the preparation", list(preparation.remarks.items()))] if preparation.remarks else []
    return "\n\n".join(told)


def _counted(what: str, rows: Sequence[tuple[str, int]]) -> str:
    return table((what, "count"), _as_words(rows))


def _as_words(rows: Sequence[tuple[str, int]]) -> Iterator[tuple[str, str]]:
    return ((words, f"{count:,}") for words, count in rows)


def _maintenance(facts: DataFacts) -> str:
    kept = (
        f"Ids are keyed hashes (salt {facts.provenance.hashed_ids}): a patient is found again with the salt alone."
        if facts.provenance.hashed_ids
        else "Ids are those of the source, so that a patient can be found and taken out."
    )
    return f"{kept} `rejected.jsonl` names every case that was left out; the same command makes the same folder again."
