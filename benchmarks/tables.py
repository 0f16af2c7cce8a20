"""Writes the tables of README.md and docs from benchmarks/results/*.json, between their markers.

python benchmarks/tables.py           # rewrite
python benchmarks/tables.py --check   # exit code 1 if a table is not what its results say

benchmarks/table_of/NAME.py makes the tables of results/NAME.json; its `TABLES` has them by their names in the pages.
A table whose results file is absent stays empty, unless the module has `RESULTS` of its own.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from table_of import Results

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BLOCK = re.compile(r"(<!-- table: (?P<name>[a-z]+) -->\n)(?P<table>.*?)(<!-- end of table -->)", re.DOTALL)


def tables(folder: Path) -> Iterator[tuple[str, str]]:
    """Every table with its name, from the results in `folder`; empty where there are none."""
    for module in sorted((ROOT / "benchmarks" / "table_of").glob("[a-z]*.py")):
        found = import_module(f"table_of.{module.stem}")
        made: dict[str, Callable[[Results], str]] = found.TABLES
        file = folder / f"{module.stem}.json"
        results = json.loads(file.read_text()) if file.is_file() else getattr(found, "RESULTS", None)
        yield from ((name, "" if results is None else make(results)) for name, make in made.items())


def with_tables(page: str, folder: Path) -> str:
    """A page with its tables as the results in `folder` say."""
    found = dict(tables(folder))
    return BLOCK.sub(lambda block: block[1] + found[block["name"]] + block[4], page)


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
