"""The rule-based labeller against the Open-I reference labels: precision, recall and F1 of each finding, and its speed.

    python benchmarks/labeller.py --openi RAW

Writes results/labeller.json: figures only, no text of a report. The phrases were tried on the train and validate
splits; the test split is reported apart. "uncertain" is counted once as positive and once as not positive.
"""

import argparse
import csv
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from measured_with import machine

from cxr_clip.data.findings import NO_FINDING, canonical
from cxr_clip.data.labeller import label_report, label_sentence
from cxr_clip.errors import ReportError
from cxr_clip.prepare.openi_report import read_openi_report
from cxr_clip.study import Certainty

RESULTS = Path(__file__).parent / "results" / "labeller.json"
SPLITS = {"train and validate": ("train", "validate"), "test": ("test",), "all": ("train", "validate", "test")}
COUNTINGS: dict[str, frozenset[Certainty]] = {
    "uncertain_is_positive": frozenset([Certainty.POSITIVE, Certainty.UNCERTAIN]),
    "uncertain_is_not_positive": frozenset([Certainty.POSITIVE]),
}
Labels = Mapping[str, Certainty]


@dataclass(frozen=True)
class Case:
    """One report: its split, what the reference says is positive, and what the labeller says."""

    id: str
    split: str
    reference: frozenset[str]
    sections: Mapping[str, str]
    labels: Labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--openi", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    findings, cases = read_cases(arguments.openi)
    content = {
        "reference": "labels_nih14.csv of the Open-I development data (NegBio reference labels, positive or not)",
        "machine": f"{machine()}; one process",
        "reports": {name: sum(case.split in splits for case in cases) for name, splits in SPLITS.items()},
        "reports_a_second": speed([case.sections for case in cases]),
        "splits": {
            name: {
                counting: figures(findings, [case for case in cases if case.split in splits], counted)
                for counting, counted in COUNTINGS.items()
            }
            for name, splits in SPLITS.items()
        },
    }
    arguments.results.parent.mkdir(exist_ok=True)
    arguments.results.write_text(json.dumps(content, indent=1) + "\n")


def read_cases(raw: Path) -> tuple[list[str], list[Case]]:
    """The findings of the reference, and every report with reference labels and text."""
    splits = {row["uid"]: row["split"] for row in rows(raw / "split.csv")}
    reference = {row.pop("uid"): row for row in rows(raw / "labels_nih14.csv")}
    names = {column: canonical(column) for column in next(iter(reference.values()))}
    cases = []
    for uid, row in reference.items():
        try:
            sections = read_openi_report(raw, f"ecgen-radiology/{uid}.xml").sections
        except ReportError:
            continue
        positive = frozenset(names[column] for column, value in row.items() if value == "1")
        cases.append(Case(uid, splits[uid], positive, sections, label_report(sections)))
    return list(names.values()), cases


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def figures(findings: Iterable[str], cases: list[Case], counted: frozenset[Certainty]) -> dict[str, object]:
    """Precision, recall and F1 by finding; `macro` and `micro` leave No Finding out, and findings without a case."""
    by_finding = {name: counts(cases, name, counted) for name in findings}
    abnormal = [figure for name, figure in by_finding.items() if name != NO_FINDING]
    measured = [figure for figure in abnormal if figure["hits"] + figure["missed"]]
    pooled = scores(*(sum(int(figure[key]) for figure in measured) for key in ("hits", "false", "missed")))
    mean = {
        key: round(statistics.fmean([figure[key] for figure in measured] or [0.0]), 3)
        for key in ("precision", "recall", "f1")
    }
    return {"findings": by_finding, "micro": pooled, "macro": mean}


def counts(cases: list[Case], name: str, counted: frozenset[Certainty]) -> dict[str, float]:
    said = [(case.labels.get(name) in counted, name in case.reference) for case in cases]
    return scores(said.count((True, True)), said.count((True, False)), said.count((False, True)))


def scores(hits: int, false: int, missed: int) -> dict[str, float]:
    precision, recall = (hits / (hits + other) if hits + other else 0.0 for other in (false, missed))
    f1 = 2 * hits / (2 * hits + false + missed) if hits else 0.0
    figures = {"precision": round(precision, 3), "recall": round(recall, 3), "f1": round(f1, 3)}
    return {**figures, "hits": hits, "false": false, "missed": missed}


def speed(reports: list[Mapping[str, str]]) -> dict[str, int]:
    """Reports a second on one core: as they come, and with every sentence labelled anew."""
    label_sentence.cache_clear()
    return {
        "as_they_come": rate(reports, before_each=lambda: None),
        "without_remembered_sentences": rate(reports, before_each=label_sentence.cache_clear),
    }


def rate(reports: list[Mapping[str, str]], *, before_each: Callable[[], None]) -> int:
    start = time.process_time()
    for sections in reports:
        before_each()
        label_report(sections)
    return round(len(reports) / (time.process_time() - start))


if __name__ == "__main__":
    main()
