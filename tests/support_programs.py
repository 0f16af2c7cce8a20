"""Programs of the tests: each runs in processes of its own, on the same code as the test that starts it.

And those of benchmarks/, whose functions tests call.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import cxr_clip

TESTS = Path(__file__).parent


def run_program(name: str, *arguments: object, timeout: float = 300) -> None:
    """Run tests/NAME to its good end; what it wrote on stderr is shown where it ends otherwise."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", TESTS / name, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert ended.returncode == 0, ended.stderr


def environment() -> dict[str, str]:
    """The environment of a program that imports what this process imports."""
    paths = (TESTS, Path(cxr_clip.__file__).parents[1])
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "HF_HUB_OFFLINE": "1"}


def benchmark(name: str) -> ModuleType:
    """A program of benchmarks/, imported by its path, with what lies beside it as if it were started."""
    folder = TESTS.parent / "benchmarks"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "path", [str(folder), *sys.path])
        spec.loader.exec_module(module)
    return module
