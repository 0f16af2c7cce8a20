"""The quickstart as a newcomer runs it: how long it takes, how much memory it needs, and what comes out.

    python benchmarks/quickstart.py [--work FOLDER] [--results FILE] [section.key=value ...]

Runs `cxr-clip quickstart` from nothing in a child process and writes results/quickstart.json. Memory is the largest sum
over all processes of the child at one time; what they share counts once.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measured_with import machine

RESULTS = Path(__file__).parent / "results" / "quickstart.json"
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Spent:
    """What a command took; `memory` in bytes."""

    seconds: float
    memory: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/quickstart"), help="a new folder for data and run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("overrides", nargs="*", help="settings as section.key=value")
    arguments = parser.parse_intermixed_args()
    work = arguments.work
    if work.exists():
        sys.exit(f"{work} is there already, and a quickstart that continues cannot be timed: give a new --work folder")
    places = ("--run", str(work), "--data", str(work / "data"))
    spent = measure([sys.executable, "-m", "cxr_clip", "quickstart", *places, "--quiet", *arguments.overrides])
    write(arguments.results, spent, json.loads((work / "report.json").read_text())["benchmarks"])


def measure(command: Sequence[str]) -> Spent:
    """Run a command to its end; exit with its code where that is not 0."""
    start, memory = time.monotonic(), 0
    child = subprocess.Popen(command)
    while child.poll() is None:
        memory = max(memory, sum(map(resident, family(child.pid))))
        time.sleep(POLL_SECONDS)
    if child.returncode:
        sys.exit(child.returncode)
    return Spent(time.monotonic() - start, memory)


def family(root: int) -> set[int]:
    """A process and all that descend from it."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
    found, new = {root}, {root}
    while new:
        new = {child for child, parent in parents.items() if parent in new}
        found |= new
    return found


def resident(process: int) -> int:
    """The memory of a process in bytes; a page that several share counts in part for each."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def write(path: Path, spent: Spent, benchmarks: object) -> None:
    content = {
        "machine": machine(),
        "seconds": round(spent.seconds),
        "peak_memory_gb": round(spent.memory / 1e9, 2),
        "benchmarks": benchmarks,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    partial.replace(path)


if __name__ == "__main__":
    main()
