"""Writes the tables of README.md and docs from benchmarks/results/*.json, between their markers.

python benchmarks/tables.py           # rewrite
python benchmarks/tables.py --check   # exit code 1 if a table is not what its results say
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BLOCK = re.compile(r"(<!-- table: (?P<name>[a-z]+) -->\n)(?P<table>.*?)(<!-- end of table -->)", re.DOTALL)


def openi() -> str:
    """Open-I: each variant and seed, AUROC by finding and retrieval, with 95 % intervals."""
    results = json.loads((RESULTS / "openi.json").read_text())
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


def quickstart() -> str:
    """The quickstart on made-up studies: zero-shot with both kinds of prompts, and retrieval."""
    results = json.loads((RESULTS / "quickstart.json").read_text())["benchmarks"]
    retrieval = results["retrieval"]
    lines = [row(["figure", "value (95 % interval)", "chance"]), row(["---"] * 3)]
    for style in ("standard", "paraphrase"):
        lines.append(
            row(
                [
                    f"zero-shot macro AUROC, {style} prompts",
                    interval(results[f"zero_shot/{style}"]["auroc/macro"]),
                    "0.5",
                ]
            )
        )
    for direction in ("image_to_text", "text_to_image"):
        name = f"{direction}/recall_at_10"
        chance = f"{retrieval[name + '_chance']['value']:.3f}"
        lines.append(row([f"{direction.replace('_', ' ')} R@10", interval(retrieval[name]), chance]))
    return "\n".join(lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {"openi": openi, "quickstart": quickstart}


def interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    stale = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text()
        wanted = BLOCK.sub(lambda match: match[1] + TABLES[match["name"]]() + match[4], text)
        if wanted != text:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(wanted)
    if stale and "--check" in sys.argv:
        sys.exit(f"tables are not what benchmarks/results says: {', '.join(stale)}; run python benchmarks/tables.py")


if __name__ == "__main__":
    main()
