"""What people see at a terminal: sentences, tables, a progress bar. Programs read the JSON files instead."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from cxr_clip.study import Split

if TYPE_CHECKING:
    from cxr_clip.calibration import Calibration
    from cxr_clip.classify import Classification
    from cxr_clip.evaluate.compare import Comparison
    from cxr_clip.evaluate.evaluate_run import Evaluation
    from cxr_clip.evaluate.results import BenchmarkResult
    from cxr_clip.explain import Explanation
    from cxr_clip.inspection.inspect_manifest import Inspection
    from cxr_clip.overlap.audit import Audit
    from cxr_clip.prepare.records import PrepareSummary
    from cxr_clip.quickstart import Advance
    from cxr_clip.search.vector_index import Hit

console = Console()
progress_console = Console(stderr=True)
# What would drive a terminal (all controls but tab and line feed), and the stray bytes of a file name.
_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def shown(words: str) -> str:
    """Words with controls and stray bytes spelt out, in the form that JSON has too."""
    return _UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", words)


def say(words: str) -> None:
    """Print a sentence as it is: no markup, as paths may hold brackets, and no line breaks inside."""
    console.print(shown(words), highlight=False, markup=False, soft_wrap=True)


def say_on_stderr(words: str) -> None:
    """Print a sentence as it is on the error stream, headed by the name of the command."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"cxr-clip: {shown(words)}", markup=False)


@contextmanager
def bar(title: str, quiet: bool) -> "Iterator[Advance]":
    """A progress bar on stderr with the time left; none where stderr is no terminal or `quiet` is asked."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = quiet or not progress_console.is_terminal
    with Progress(*columns, console=progress_console, disable=hidden, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def advance(done: int, total: int | None = None) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def show_prepared(summary: "PrepareSummary", out: Path) -> None:
    """Show what a preparation took and what it left out."""
    from rich.table import Table

    say(f"{summary.source} in {out}")
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("studies", f"{summary.studies:,}")
    for split in Split:
        if split in summary.splits:
            table.add_row(f"  {split}", f"{summary.splits[split]:,}")
    table.add_row("images", f"{summary.images:,}")
    if summary.absent_images:
        table.add_row("listed images that are absent (absent.txt)", f"{summary.absent_images:,}")
    for remark, count in summary.remarks.items():
        table.add_row(_cell(remark), f"{count:,}")
    for reason, count in summary.rejected.items():
        table.add_row(_cell(f"left out: {reason}"), f"{count:,}")
    console.print(table)
    if summary.nothing_to_do:
        say("It was all there already: nothing to do.")
    if summary.rejected:
        say(f"Every case that was left out, with its reason: {out / 'rejected.jsonl'}")
    say(f"Next, a page of what is there: cxr-clip inspect {shlex.quote(str(out))}")


def show_inspection(inspection: "Inspection", page: Path) -> None:
    """Show the counts of a manifest by source and split, its duplicates and its faults."""
    from rich.table import Table

    table = Table("source", "split", "studies", "patients", "images")
    for group in inspection.counts.groups:
        numbers = (f"{count:,}" for count in (group.studies, group.patients, group.images))
        table.add_row(_cell(group.source), group.split or "all", *numbers)
    console.print(table)
    prepared = inspection.provenance.in_words(dicom=inspection.counts.dicom_images > 0)
    if prepared:
        say(f"prepared with {prepared}")
    for row in inspection.published:
        where = f" in {row.split}" if row.split else ""
        say(f"{row.source}{where}: {row.here:,} of {row.published:,} published {row.unit}")
    for words, copies in (("equal files", inspection.same_bytes), ("equal pictures", inspection.same_picture)):
        if copies.groups:
            reach = f"{copies.over_patients:,} over patients, {copies.over_splits:,} over splits"
            say(f"{words}: {copies.images:,} images in {copies.groups:,} group{plural_s(copies.groups)} ({reach})")
    for fault in inspection.faults:
        say(f"fault: {fault}")
    say(f"{len(inspection.faults) or 'no'} fault{plural_s(len(inspection.faults))}; page: {page}")


def show_hits(hits: "Sequence[Hit]") -> None:
    """Show the studies that a search found, best first."""
    from rich.table import Table

    table = Table("study", "score", "source", "findings", "report")
    for hit in hits:
        cells = (hit.source, ", ".join(hit.findings), hit.report or "")
        table.add_row(_cell(hit.study_id), f"{hit.score:.3f}", *map(_cell, cells))
    console.print(table)


def show_audit(found: "Audit", page: Path) -> None:
    """Show what a training and an evaluation have in common, kind by kind."""
    from rich.table import Table

    from cxr_clip.overlap.written import kind_rows

    table = Table("in both", "studies of the evaluation", "images", "counts as overlap")
    for row in kind_rows(found):
        images = "" if row.images is None else f"{row.images:,}"
        table.add_row(row.kind, f"{row.studies:,}", images, "yes" if row.leak else "no")
    console.print(table)
    for derivation in found.derivations:
        say(f"known: {derivation.words} ({derivation.told_by})")
    for words in (*found.thresholds, *found.notes):
        say(f"note: {words}")
    say(f"{found.verdict}; page: {page}")


def plural_s(count: int) -> str:
    """The ending of a noun that so many are counted of."""
    return "" if count == 1 else "s"


def show_rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show a table of words, whose last column alone is broken into lines."""
    from rich.table import Table

    table = Table()
    for number, title in enumerate(head, start=1):
        table.add_column(title, no_wrap=number < len(head))
    for row in rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def show_evaluation(evaluation: "Evaluation") -> None:
    """Show every figure of an evaluation with its benchmark's hash, and what is published of it."""
    from cxr_clip.evaluate.page_words import at_a_terminal

    for result in evaluation.results:
        _show_figures(result)
        if result.overlap is not None:
            say(f"trained on: {result.overlap.verdict}")
            for name, one in at_a_terminal(result, result.overlap.clean).items():
                if not name.endswith("_chance"):
                    say(f"on the clean part: {name} {one.value:.3f} ({one.low:.3f} to {one.high:.3f}), n = {one.n}")
        for note in result.notes:
            say(f"note: {note}")
    if evaluation.others:
        say(f"benchmarks made for this data set, with --benchmarks: {', '.join(evaluation.others)}")
    say(f"report: {evaluation.page}")


def _show_figures(result: "BenchmarkResult") -> None:
    """Show the figures of a benchmark as a table, or that it has none; exact ones, such as chance, have no interval."""
    from rich.table import Table

    from cxr_clip.evaluate.page_words import at_a_terminal
    from cxr_clip.evaluate.published_figures import published_of

    title = result.benchmark.label if result.benchmark is not None else result.name
    if not result.metrics:
        say(f"{title}: nothing measured")
        return
    published = published_of(result.name)
    columns = ["figure", "value", "95 % interval", "n", *(["published"] if published else [])]
    table = Table(*columns, title=_cell(title), title_justify="left")
    for name, estimate in at_a_terminal(result, result.metrics).items():
        interval = "" if estimate.low == estimate.high else f"{estimate.low:.3f} to {estimate.high:.3f}"
        theirs = published.values.get(name) if published else None
        beside = [f"{theirs:.3f}" if theirs is not None else ""] if published else []
        table.add_row(_cell(name), f"{estimate.value:.3f}", interval, str(estimate.n), *beside)
    console.print(table)
    if published:
        say(published.note)


def show_calibration(calibration: "Calibration") -> None:
    """Show what each finding was fitted on, and Youden's threshold where it was chosen."""
    from rich.table import Column, Table

    say(f"fitted on the split {calibration.split.value} of {calibration.manifest}; at Youden's threshold there:")
    table = Table(Column("finding", no_wrap=True), "positive of n", "threshold", "sensitivity", "specificity")
    for name, one in calibration.findings.items():
        numbers = (f"{value:.3f}" for value in vars(one.thresholds["youden"]).values())
        table.add_row(_cell(name), f"{one.positives:,} of {one.n:,}", *numbers)
    console.print(table)
    few = (f"{name} ({one.positives:,}, {one.negatives:,})" for name, one in calibration.left_out.items())
    if calibration.left_out:
        say(f"left out, too few studies (positive, negative): {', '.join(few)}")


def show_comparison(comparison: "Comparison", names: tuple[str, str]) -> None:
    """Show both figures, their difference and its p values, a table for each benchmark and kind of figure."""
    from rich.table import Column, Table

    say(f"first: {names[0]}\nsecond: {names[1]}\n{comparison.studies:,} studies of {comparison.patients:,} patients")
    say(f"the last column is p corrected for the findings of a table, or all recalls ({comparison.options.correction})")
    tables: dict[str, Table] = {}
    for one in comparison.differences:
        kind, name = one.figure.split("/", maxsplit=1)
        title, change = f"{one.benchmark}, {kind}", one.difference
        if title not in tables:
            columns = ("first", "second", "difference (95 %)", "p", "corrected")
            tables[title] = Table(Column("figure", no_wrap=True), *columns, title=_cell(title), title_justify="left")
        values = (f"{one.first.value:.3f}", f"{one.second.value:.3f}")
        interval = f"{change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f})"
        adjusted = "" if one.adjusted is None else f"{one.adjusted:.3f}"
        tables[title].add_row(_cell(name), *values, interval, f"{one.p:.3f}", adjusted)
    console.print(*tables.values(), sep="\n")
    for note in comparison.notes:
        say(f"note: {note}")


def show_classification(answer: "Classification") -> None:
    """Show the scores of one image or study with their meaning, or why there are none."""
    from rich.table import Table

    if answer.abstained:
        say(f"{answer.name}: the model abstains: {'; '.join(answer.abstained)}")
        return
    of = f", {answer.images} images" if answer.images > 1 else ""
    said = any(one.answer is not None for one in answer.findings)
    columns = ("finding", "score", "probability (95 % interval)", *(["prediction set"] if said else []))
    table = Table(*columns, title=_cell(answer.name + of), title_justify="left")
    for one in answer.findings:
        table.add_row(_cell(one.finding), f"{one.score:+.3f}", one.meaning, *([one.answer or ""] if said else []))
    console.print(table)


def say_hit(hit: "Hit") -> None:
    """Print what `show_hits` shows of a study, and the rest that is known, as one line of JSON."""
    _say_line(asdict(hit))


def say_json(answer: "Classification") -> None:
    """Print what `show_classification` shows as one line of JSON."""
    findings = [
        {
            "finding": one.finding,
            "score": one.score,
            "probability": one.probability._asdict() if one.probability else None,
            "answer": one.answer,
            "meaning": one.meaning,
        }
        for one in answer.findings
    ]
    line = {"name": answer.name, "images": answer.images, "abstained": answer.abstained, "findings": findings}
    _say_line(line)


def show_explanation(explanation: "Explanation", drawn: Path) -> None:
    """Show the scores of texts and where each is supported most; `drawn` is the file with the maps."""
    from rich.table import Table

    table = Table("text", "score", "most at (column, row)", title=_cell(explanation.name), title_justify="left")
    for one in explanation.maps:
        row, column = one.peak
        table.add_row(_cell(one.text), f"{one.score:+.3f}", f"{column:.0f}, {row:.0f}")
    console.print(table)
    say(f"{drawn}: what each place adds to the score; no outline of a finding, and no proof that it is there")


def say_explanation(explanation: "Explanation", drawn: Path | None) -> None:
    """Print scores, peaks and the parts of each score by place as one line of JSON; where nothing is drawn, doubts."""
    height, width = explanation.picture.shape
    maps = [
        {
            "text": one.text,
            "score": one.score,
            "method": one.method,
            "peak": {"row": one.peak[0], "column": one.peak[1]},
            "cells": one.cells.tolist(),
            "elsewhere": one.elsewhere,
        }
        for one in (explanation.maps if drawn is not None else ())
    ]
    line = {"name": explanation.name, "height": height, "width": width, "doubts": explanation.doubts}
    _say_line({**line, "drawn": None if drawn is None else str(drawn), "maps": maps})


def _say_line(record: Mapping[str, object]) -> None:
    console.file.write(shown(json.dumps(record, ensure_ascii=False)) + "\n")


def _cell(words: str) -> str:
    """Words for a table, whose brackets are no markup."""
    from rich.markup import escape

    return escape(shown(words))
