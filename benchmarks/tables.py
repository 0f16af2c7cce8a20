"""Writes the tables of README.md and docs from benchmarks/results/*.json, between their markers.

python benchmarks/tables.py           # rewrite
python benchmarks/tables.py --check   # exit code 1 if a table is not what its results say

benchmarks/table_of/NAME.py makes the tables of results/NAME.json; its `TABLES` has them by their names in the pages.
In the place of a table whose results file is absent stands a sentence, unless the module has `RESULTS` of its own.
"""

import json
import re
import sys
import textwrap
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from table_of import Results

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Of a line of prose in the pages.
LONGEST = 140
BLOCK = re.compile(r"(<!-- table: (?P<name>[a-z]+) -->\n)(?P<table>.*?)(<!-- end of table -->)", re.DOTALL)


def makers() -> dict[str, tuple[ModuleType, Callable[[Results], str]]]:
    """What makes each table, by its name in the pages, and the module that it is in."""
    names = sorted(file.stem for file in (ROOT / "benchmarks" / "table_of").glob("[a-z]*.py"))
    modules = [import_module(f"table_of.{name}") for name in names]
    return {name: (module, make) for module in modules for name, make in module.TABLES.items()}


def table(name: str, folder: Path) -> str:
    """A table from its results in `folder`; where there are none, a sentence that says so."""
    module, make = makers()[name]
    file = folder / f"{module.__name__.rpartition('.')[2]}.json"
    results = json.loads(file.read_text()) if file.is_file() else getattr(module, "RESULTS", None)
    return "No figures are recorded yet." if results is None else make(results)


def with_tables(page: str, folder: Path) -> str:
    """A page with its tables as the results in `folder` say."""
    return BLOCK.sub(lambda block: block[1] + _wrapped(table(block["name"], folder)) + block[4], page)


def _wrapped(text: str) -> str:
    """The sentences beside a table in lines of at most LONGEST characters; its rows stay whole."""
    fill = textwrap.TextWrapper(LONGEST, break_long_words=False, break_on_hyphens=False).fill
    return "".join(f"{line if line.startswith('|') else fill(line)}\n" for line in text.splitlines())


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
