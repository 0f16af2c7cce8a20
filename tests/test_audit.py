"""The audit of the pins fails on a vulnerability, and says so where nobody can be asked."""

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, with pip-audit in place."""
    spec = importlib.util.spec_from_file_location("audit", ROOT / "checks" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    monkeypatch.setattr(program, "find_spec", lambda name: name)
    return program


def answered(audit: ModuleType, monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "") -> list[list[str]]:
    """Answer as pip-audit does; returns the commands that were run."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 1, stdout, stderr)

    monkeypatch.setattr(audit.subprocess, "run", run)
    return ran


def packages(*found: dict[str, object]) -> str:
    sound = {"name": "sound", "version": "1", "vulns": []}
    return json.dumps({"dependencies": [sound, {"name": "own", "skip_reason": "unknown"}, *found]})


def test_without_a_network_it_says_so_and_succeeds(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(audit, monkeypatch, "", "Traceback\nrequests.exceptions.ProxyError: HTTPSConnectionPool: unreachable")
    assert audit.main() == 0
    assert capsys.readouterr().out == "not audited: no network\n"


def test_a_service_that_knows_no_pin_has_audited_nothing(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = json.dumps({"dependencies": [{"name": "own", "skip_reason": "unknown"}]})
    answered(audit, monkeypatch, unknown)
    assert audit.main() == 0
    assert capsys.readouterr().out == "not audited: the service knows none of the pins\n"


def test_without_pip_audit_it_says_so_and_succeeds(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "find_spec", lambda name: None)
    assert audit.main() == 0
    assert capsys.readouterr().out == "not audited: pip-audit is not installed\n"


def test_a_known_vulnerability_fails(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weak = {"name": "weak", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
    (command,) = [answered(audit, monkeypatch, packages(weak))]
    assert audit.main() == 1
    assert "weak 2.0: PYSEC-1; mended in 2.1" in capsys.readouterr().out
    assert command[0][-2:] == ["--progress-spinner", "off"]


def test_without_one_it_succeeds_and_passes_over_what_is_written_down(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "PASSED_OVER", {"PYSEC-9": "its code is never called"})
    ran = answered(audit, monkeypatch, packages())
    assert audit.main() == 0
    assert capsys.readouterr().out == "audited: 1 packages without a known vulnerability, 1 not known there\n"
    assert ran[0][-2:] == ["--ignore-vuln", "PYSEC-9"]


def test_an_audit_that_breaks_off_is_no_success(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(audit, monkeypatch, "", "Traceback\nValueError: gone")
    assert audit.main() == 1
    assert "not audited: pip-audit failed: ValueError: gone" in capsys.readouterr().out


def test_each_that_is_passed_over_has_a_reason(audit: ModuleType) -> None:
    assert all(len(reason.split()) > 3 for reason in audit.PASSED_OVER.values())


def test_every_pin_is_exact() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all("==" in line for line in lines if line and not line.startswith("#"))
