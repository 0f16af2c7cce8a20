"""How long the command line takes to answer, beside a Python that does nothing.

python benchmarks/startup.py            # half a minute
python benchmarks/startup.py --tiny     # only whether it works

Each command runs in a process of its own; all take turns. Seconds on the clock, and of the processor (with the
processes that it starts), are medians. The first turn, which fills the caches of the disk, does not count.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "startup.json"
TURNS = 25
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    'python -c "import cxr_clip"': ["-c", "import cxr_clip"],
    "cxr-clip --help": ["-m", "cxr_clip", "--help"],
    "cxr-clip train --help": ["-m", "cxr_clip", "train", "--help"],
}


def measured(arguments: list[str]) -> tuple[float, float]:
    """Seconds on the clock and of the processor of one process; a failure ends the benchmark."""
    before, start = _worked(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start, _worked() - before


def _worked() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--tiny", action="store_true", help="only whether it works: one turn")
    options.add_argument("--results", type=Path, default=RESULTS)
    asked = options.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for turn in range(2 if asked.tiny else TURNS + 1):
        for name, arguments in COMMANDS.items():
            spent = measured(arguments)
            if turn:
                found[name].append(spent)
    seconds = {
        name: {
            "clock": round(statistics.median(clock for clock, _ in spent), 4),
            "processor": round(statistics.median(processor for _, processor in spent), 4),
        }
        for name, spent in found.items()
    }
    told = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "seconds": seconds}
    print(json.dumps(told, indent=2))
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    asked.results.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
