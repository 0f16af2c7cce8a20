"""Known vulnerabilities of the pinned packages: none, or none but those below; says so where it cannot be asked."""

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
# What the last line of pip-audit's trace says where its service cannot be reached.
NO_NETWORK = ("ProxyError", "ConnectionError", "ConnectTimeout", "ReadTimeout", "SSLError")
# Vulnerabilities that do not reach this project: their id, and why.
PASSED_OVER: Mapping[str, str] = {}


def main() -> int:
    """Audit the pins; 1 where something is found or the audit fails, 0 where nothing is, or nobody can be asked."""
    if find_spec("pip_audit") is None:
        return _say("not audited: pip-audit is not installed", 0)
    asked = audit()
    last = (asked.stderr.strip() or "no word").splitlines()[-1]
    if any(name in last.partition(":")[0] for name in NO_NETWORK):
        return _say("not audited: no network", 0)
    try:
        listed = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        return _say(f"not audited: pip-audit failed: {last}", 1)
    found = [line for one in listed for line in lines_of(one)]
    if found:
        return _say("\n".join([*found, "update the pins, or write the id with the reason into checks/audit.py"]), 1)
    skipped = sum("skip_reason" in one for one in listed)
    if skipped == len(listed):
        return _say("not audited: the service knows none of the pins", 0)
    return _say(
        f"audited: {len(listed) - skipped} packages without a known vulnerability, {skipped} not known there", 0
    )


def audit() -> "subprocess.CompletedProcess[str]":
    """Ask about every pin; nothing is installed or resolved."""
    passed = [word for name in PASSED_OVER for word in ("--ignore-vuln", name)]
    words = ["--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip", "--format", "json", "--timeout", "10"]
    return subprocess.run(
        [sys.executable, "-m", "pip_audit", *words, "--progress-spinner", "off", *passed],
        capture_output=True,
        text=True,
        check=False,
    )


def lines_of(package: Mapping[str, object]) -> list[str]:
    """A line for each vulnerability of a package."""
    found = package.get("vulns") or []
    assert isinstance(found, list)
    return [
        f"{package['name']} {package['version']}: {one['id']}; mended in {', '.join(one['fix_versions']) or 'none'}"
        for one in found
    ]


def _say(words: str, code: int) -> int:
    sys.stdout.write(f"{words}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
