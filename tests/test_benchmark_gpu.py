"""The benchmark of one GPU: every case, cut off and continued, what memory does not hold."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from support_programs import benchmark

ROOT = Path(__file__).parents[1]


def test_the_benchmark_of_a_gpu_measures_every_case(tmp_path: Path) -> None:
    file = tmp_path / "gpu.json"
    options = ["--tiny", "--device", "cpu", "--processes", "1", "--results", file]
    subprocess.run([sys.executable, ROOT / "benchmarks/gpu.py", *options], check=True, capture_output=True)
    cases = json.loads(file.read_text())["cases"]
    assert [case["form"] for case in cases] == ["eager", "compiled"]
    assert all(case["outcome"] == "measured" for case in cases)
    assert all(case["images_a_second"] > 0 < case["gflops_a_study"] for case in cases)
    table = benchmark("tables").with_tables("<!-- table: gpu -->\n<!-- end of table -->\n", tmp_path)
    assert f"| tiny-resnet | eager | 4 | {cases[0]['images_a_second']:,.0f} |" in table


def test_the_benchmark_of_a_gpu_goes_on_where_it_was_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    gpu, file, asked = benchmark("gpu"), tmp_path / "gpu.json", []
    there = {"tower": "a", "form": "eager", "batch": 128}

    class Named(gpu.Bench):
        def _of_one_model(self, folder: Path, tower: str, form: str, batches: list[int]) -> None:
            asked.append((tower, form, batches))

    Named(file, gpu.TINY, "cpu", 0)._keep(there)
    bench = Named(file, gpu.TINY, "cpu", 0)
    bench.run(tmp_path, towers=["a", "b"], forms=["eager"], batches=[128, 256])
    assert asked == [("a", "eager", [256]), ("b", "eager", [128, 256])]
    bench._keep({**there, "batch": 256})
    assert [case["batch"] for case in json.loads(file.read_text())["cases"]] == [128, 256]
    told = json.loads(file.read_text()) | {"machine": "another"}
    file.write_text(json.dumps(told))
    asked.clear()
    Named(file, gpu.TINY, "cpu", 0).run(tmp_path, towers=["a"], forms=["eager"], batches=[128])
    assert asked == [("a", "eager", [128])]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_benchmark_says_so(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "benchmarks/gpu.py", "--results", tmp_path / "gpu.json"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "no CUDA card" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_case_that_memory_does_not_hold_is_an_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    gpu = benchmark("gpu")

    class Full:
        device = "cpu"

        def batches_from(self, step: int) -> object:
            raise torch.OutOfMemoryError("CUDA out of memory")

    case = gpu.case(Full(), gpu.TINY, batch=4096, flops=1.0, peak=1.0)
    assert case == {"outcome": "out of memory"}
    named = {"tower": "resnet50", "form": "eager", "batch": 4096, **case}
    told = {"machine": "a card", "cores": 16, "torch": "2", "peak_bf16_tflops": 700.4, "cases": [named]}
    (tmp_path / "gpu.json").write_text(json.dumps(told))
    table = benchmark("tables").with_tables("<!-- table: gpu -->\n<!-- end of table -->\n", tmp_path)
    assert "| resnet50 | eager | 4,096 | out of memory |  |  |  |" in table
