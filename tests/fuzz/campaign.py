"""Spoil many files and see that nothing but a plain reason comes of it: no crash, no hang, no memory without bound.

python tests/fuzz/campaign.py [--inputs 20000] [--seed 0] [--only dicom --only images ...]

The inputs run in a child process with a limit of memory and, for each input, of processor time. A child that dies is a
finding; the next one goes on behind the input that killed it. An input is made from (seed, target, number) alone:
`--only dicom --first 123 --inputs 1` runs one again. The exit code is 1 if anything was found.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 20
MEMORY = 2_000_000_000
GROWTH = 1_000_000_000


@dataclass(frozen=True)
class Finding:
    """An input of a target, and what was wrong with what came of it."""

    target: str
    number: int
    what: str


def campaign(target: str, folder: Path, *, seed: int, first: int, inputs: int) -> Iterator[Finding]:
    """Run the inputs of one target in child processes, one after the other; yield what is found."""
    here, end = first, first + inputs
    while here < end:
        command = [sys.executable, __file__, "--child", target, str(folder), str(seed), str(here), str(end)]
        child = subprocess.run(command, check=False, capture_output=True, text=True)
        number = here - 1
        for line in child.stdout.splitlines():
            number, what = json.loads(line)
            if what:
                yield Finding(target, number, what)
        if child.returncode == 0:
            return
        if number < here:
            raise SystemExit(f"the child did not start:\n{child.stderr}")
        if child.returncode > 0:
            raise SystemExit(child.stderr)
        yield Finding(target, number, f"the process died of {signal.Signals(-child.returncode).name}")
        here = number + 1


def child(target: str, folder: Path, seed: int, first: int, end: int) -> None:
    """Run inputs; a line before each, and one more for what is found."""
    from fuzz.targets import run_once
    from fuzz.targets import target as target_of

    warnings.simplefilter("error")
    run = target_of(target, folder)
    run_once(run, "warm up")
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + MEMORY, virtual + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before = _peak()
    for number in range(first, end):
        _say(number, None)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # its signal ends the process
        what = run_once(run, f"{seed} {target} {number}")
        signal.setitimer(signal.ITIMER_PROF, 0)
        if what is None and _peak() > before + GROWTH:
            before = _peak()
            what = f"memory grew by more than {GROWTH / 1e9:.1f} GB"
        if what is not None:
            _say(number, what)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _say(number: int, what: str | None) -> None:
    os.write(1, (json.dumps([number, what]) + "\n").encode())


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    from fuzz.targets import OTHERS, sources

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000, help="how many inputs in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first input of each target")
    parser.add_argument("--only", action="append", help="a target; all by default")
    options = parser.parse_args(arguments)
    # Decoders, which are written in C and fed with strangers' bytes, get two thirds of the inputs.
    tables = [*sources(), *OTHERS]
    weights = {"dicom": 40, "images": 27} | dict.fromkeys(tables, 33 / len(tables))
    chosen = {name: weights[name] for name in options.only or weights}
    found = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, weight in chosen.items():
            inputs, start = round(options.inputs * weight / sum(chosen.values())), time.monotonic()
            findings = list(campaign(name, Path(folder), seed=options.seed, first=options.first, inputs=inputs))
            for finding in findings:
                _tell(f"{finding.target} {finding.number}: {finding.what}")
            found += len(findings)
            _tell(f"{name}: {inputs} inputs, {len(findings)} findings, {time.monotonic() - start:.0f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:]))
    else:
        sys.exit(main(sys.argv[1:]))
