"""Writes the tables of README.md and docs from benchmarks/results/*.json, between their markers.

python benchmarks/tables.py           # rewrite
python benchmarks/tables.py --check   # exit code 1 if a table is not what its results say

A table whose results file is absent stays empty.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
Results = dict[str, Any]
BLOCK = re.compile(r"(<!-- table: (?P<name>[a-z]+) -->\n)(?P<table>.*?)(<!-- end of table -->)", re.DOTALL)


def openi(results: Results) -> str:
    """Open-I: each variant and seed, AUROC by finding and retrieval, with 95 % intervals."""
    findings = [
        name.removeprefix("auroc/")
        for name in results["runs"][0]["benchmarks"]["zero_shot/standard"]
        if name.startswith("auroc/") and name != "auroc/macro"
    ]
    columns = ["macro", *findings]
    lines = [row(["variant", "seed", *columns, "R@10 image→text", "times chance"])]
    lines.append(row(["---"] * (len(columns) + 4)))
    for run in results["runs"]:
        zero_shot, retrieval = run["benchmarks"]["zero_shot/standard"], run["benchmarks"]["retrieval"]
        recall = retrieval["image_to_text/recall_at_10"]
        chance = retrieval["image_to_text/recall_at_10_chance"]["value"]
        cells = [interval(zero_shot[f"auroc/{name}"]) for name in columns]
        lines.append(
            row([run["variant"], str(run["seed"]), *cells, interval(recall), f"{recall['value'] / chance:.1f}"])
        )
    return "\n".join(lines) + "\n"


def quickstart(results: Results) -> str:
    """The quickstart on made-up studies: zero-shot with both kinds of prompts, retrieval, time and memory."""
    benchmarks = results["benchmarks"]
    retrieval = benchmarks["retrieval"]
    lines = [row(["figure", "value (95 % interval)", "chance"]), row(["---"] * 3)]
    for style in ("standard", "paraphrase"):
        lines.append(
            row(
                [
                    f"zero-shot macro AUROC, {style} prompts",
                    interval(benchmarks[f"zero_shot/{style}"]["auroc/macro"]),
                    "0.5",
                ]
            )
        )
    for direction in ("image_to_text", "text_to_image"):
        name = f"{direction}/recall_at_10"
        chance = f"{retrieval[name + '_chance']['value']:.3f}"
        lines.append(row([f"{direction.replace('_', ' ')} R@10", interval(retrieval[name]), chance]))
    lines.append(row([f"minutes ({results['machine']})", f"{results['seconds'] / 60:.1f}", ""]))
    lines.append(row(["peak memory, GB", f"{results['peak_memory_gb']:.1f}", ""]))
    return "\n".join(lines) + "\n"


TABLES: dict[str, Callable[[Results], str]] = {"openi": openi, "quickstart": quickstart}


def interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def table(name: str, folder: Path) -> str:
    """A table from its results in `folder`; empty where there are none."""
    file = folder / f"{name}.json"
    return TABLES[name](json.loads(file.read_text())) if file.is_file() else ""


def with_tables(page: str, folder: Path) -> str:
    """A page with its tables as the results in `folder` say."""
    return BLOCK.sub(lambda block: block[1] + table(block["name"], folder) + block[4], page)


def main() -> None:
    stale = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text()
        wanted = with_tables(text, RESULTS)
        if wanted != text:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(wanted)
    if stale and "--check" in sys.argv:
        sys.exit(f"tables are not what benchmarks/results says: {', '.join(stale)}; run python benchmarks/tables.py")


if __name__ == "__main__":
    main()
