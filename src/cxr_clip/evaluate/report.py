"""The report of an evaluation: report.json for programs and a self-contained report.html for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from cxr_clip.evaluate import calibrated_page, page, page_rare, page_sections
from cxr_clip.evaluate.calibrated import CalibratedResult
from cxr_clip.evaluate.contract import content
from cxr_clip.evaluate.page_overlap import overlap_rows
from cxr_clip.evaluate.published_figures import published_of
from cxr_clip.evaluate.rare import RareResult
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.training_log import NO_CURVES, TrainingCurves
from cxr_clip.html_pages import data_address, render_page, with_contents
from cxr_clip.whole_files import write_whole

TEMPLATE = "report.html.j2"


def write_report(
    folder: Path,
    results: Sequence[BenchmarkResult],
    *,
    run_title: str,
    curves: TrainingCurves = NO_CURVES,
    calibrated: CalibratedResult | None = None,
    rare: Sequence[RareResult] = (),
    details: Mapping[str, str] | None = None,
) -> Path:
    """Write report.json and report.html into `folder` and return the path of the page.

    `details` are facts of the run in words (checkpoint, manifest, split); `curves` are those of its training;
    `calibrated` is what thresholds and probabilities from validation do here, `rare` the findings by
    prevalence. Both files are written under another name first, so a reader never sees half of one.
    """
    facts = dict(details or {})
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(
        folder / "report.json",
        report_json(results, run_title=run_title, details=facts, calibrated=calibrated, rare=rare),
    )
    return write_whole(
        folder / "report.html",
        report_html(results, run_title=run_title, details=facts, curves=curves, calibrated=calibrated, rare=rare),
    )


def report_json(
    results: Sequence[BenchmarkResult],
    *,
    run_title: str,
    details: Mapping[str, str],
    calibrated: CalibratedResult | None = None,
    rare: Sequence[RareResult] = (),
) -> str:
    """Return every figure with its interval, the protocol and the counts, as JSON."""
    document = {
        "run": run_title,
        "details": dict(details),
        "benchmarks": {
            result.name: {name: asdict(estimate) for name, estimate in result.metrics.items()} for result in results
        },
        "records": {
            one.name: {"version": one.version, "hash": one.identity, "record": content(one)}
            for one in (result.benchmark for result in results)
            if one is not None
        },
        "published": {result.name: asdict(found) for result in results if (found := published_of(result.name))},
        "overlap": {result.name: asdict(result.overlap) for result in results if result.overlap is not None},
        "differences": {one.name: [asdict(each) for each in one.differences] for one in results if one.differences},
        "grades": {one.name: [asdict(each) for each in one.grades] for one in results if one.grades},
        "subgroups": {one.name: asdict(one.subgroups) for one in results if one.subgroups is not None},
        "protocol": {result.name: list(result.protocol) for result in results},
        "notes": [f"{result.name}: {note}" for result in results for note in result.notes],
        "data": {result.name: asdict(result.population) for result in results},
        "findings": {
            result.name: {
                one.finding: {
                    "positive": one.positive,
                    "negative": one.negative,
                    "uncertain": one.uncertain,
                    "not_mentioned": one.not_mentioned,
                    "positive_prompts": list(one.positive_prompts),
                    "negative_prompts": list(one.negative_prompts),
                }
                for one in result.findings
            }
            for result in results
            if result.findings
        },
        "calibrated": None if calibrated is None else asdict(calibrated),
        "rare": {one.benchmark: asdict(one) for one in rare},
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def report_html(
    results: Sequence[BenchmarkResult],
    *,
    run_title: str,
    details: Mapping[str, str],
    curves: TrainingCurves,
    calibrated: CalibratedResult | None = None,
    rare: Sequence[RareResult] = (),
) -> str:
    """Return the page: one file without scripts, styles, fonts or pictures from elsewhere."""
    headings = {result.name: page_sections.heading(result) for result in results}
    values = {
        "run_title": run_title,
        "details": details,
        "results": results,
        "several": len({page.data_set_of(result) for result in results}) > 1,
        "headings": headings,
        "tiles": page.tiles(results),
        "zero_shot": page_sections.zero_shot_sections(results),
        "overlaps": overlap_rows(results),
        "figures": page_sections.figure_sections(results),
        "leads": page_sections.LEADS,
        "not_measured": page_sections.NOT_MEASURED,
        "thumbnail": data_address,
        "rares": page_rare.rare_sections(rare, headings),
        "calibrated": None if calibrated is None else calibrated_page.section(calibrated),
        "training_panels": page.training_panels(curves),
        "unreadable": curves.unreadable,
        "warnings": curves.warnings,
    }
    return with_contents(render_page(TEMPLATE, values))
