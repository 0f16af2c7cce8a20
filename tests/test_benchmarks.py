"""The programs of benchmarks/ and the recipes: what they read is valid, what they write is what they found."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch

from cxr_clip.data.transforms import TrainTransform
from cxr_clip.model.normalisation import IMAGENET
from cxr_clip.recipe import load_recipe
from support_data import write_tiny_manifest
from support_models import tiny_run_folder
from support_programs import benchmark

ROOT = Path(__file__).parents[1]


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 20}


BENCHMARKS = {
    "zero_shot/standard": {"auroc/macro": figure(0.8), "auroc/Nodule": figure(0.7)},
    "zero_shot/paraphrase": {"auroc/macro": figure(0.6)},
    "retrieval": {
        f"{direction}/recall_at_10{end}": figure(value)
        for direction in ("image_to_text", "text_to_image")
        for end, value in (("", 0.5), ("_chance", 0.2))
    },
}


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_is_valid_as_it_stands(path: Path) -> None:
    assert load_recipe(path).name


def test_every_variant_of_the_openi_benchmark_is_a_valid_recipe() -> None:
    openi = benchmark("openi")
    for variant, overrides in openi.VARIANTS.items():
        recipe = load_recipe(openi.RECIPE, overrides)
        pairs = 1 if variant == "plain CLIP" else 2
        assert (recipe.data.images_per_study, recipe.data.texts_per_study) == (pairs, pairs)


def test_tables_say_what_the_results_say(tmp_path: Path) -> None:
    results = {"machine": "2 cores", "seconds": 615, "peak_memory_gb": 2.34, "benchmarks": BENCHMARKS}
    (tmp_path / "quickstart.json").write_text(json.dumps(results))
    page = benchmark("tables").with_tables("<!-- table: quickstart -->\nold\n<!-- end of table -->\n", tmp_path)
    assert page.splitlines() == [
        "<!-- table: quickstart -->",
        "| figure | value (95 % interval) | chance |",
        "| --- | --- | --- |",
        "| zero-shot macro AUROC, standard prompts | 0.800 (0.700 to 0.900) | 0.5 |",
        "| zero-shot macro AUROC, paraphrase prompts | 0.600 (0.500 to 0.700) | 0.5 |",
        "| image to text R@10 | 0.500 (0.400 to 0.600) | 0.200 |",
        "| text to image R@10 | 0.500 (0.400 to 0.600) | 0.200 |",
        "| minutes (2 cores) | 10.2 |  |",
        "| peak memory, GB | 2.3 |  |",
        "<!-- end of table -->",
    ]


RATES = {
    "short_side": 512,
    "one_core": {
        "jpeg": {
            "megabytes": 1.0, "images_a_second": 52.376, "bare_decodes_a_second": 60.0, "bare_decode_share": 0.873
        }
    },
    "stored_bytes_of_real_pictures": {"pictures": 3, "mean": 40_000, "least": 20_000, "most": 60_000},
    "peak_memory_mb": {"40_studies": 100.2, "400_studies": 101.9},
}  # fmt: skip


def test_the_cost_of_mimic_cxr_follows_from_the_rates(tmp_path: Path) -> None:
    """377,110 images at 52.376 a second are 7,200 s of one core."""
    (tmp_path / "prepare.json").write_text(json.dumps(RATES))
    page = "".join(f"<!-- table: {name} -->\n<!-- end of table -->\n" for name in ("rates", "cost"))
    lines = benchmark("tables").with_tables(page, tmp_path).splitlines()
    assert "| jpeg | 1.0 | 52.376 | 60.0 | 0.87 |" in lines
    assert "Peak memory of one process: 40 studies 100 MB, 400 studies 102 MB." in lines
    assert "| jpeg | 1.0 h | 4 min | 0.38 TB | 1.7 GB |" in lines
    assert lines[-2].startswith("Stored: 40 kB a picture (mean of 3 real ones at short side 512; 20 to 60)")
    assert lines[-2].endswith("that is 15 GB in all (8 to 23).")


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return benchmark("sources")


@pytest.mark.parametrize("source", ["openi", "chexpert_5x200"])
def test_a_miniature_is_counted_beside_its_truth(sources: ModuleType, tmp_path: Path, source: str) -> None:
    found = sources.miniature(source, tmp_path, studies=6, image_size=64)
    assert found["truth"] == found["inspected"]
    assert found["planted"] == found["planted_and_named"] > 5
    assert (found["faults_found_by_inspect"], found["named_and_not_planted"]) == (0, 0)
    (tmp_path / "sources.json").write_text(json.dumps({"miniatures": {source: found}}))
    table = benchmark("tables").with_tables("<!-- table: miniatures -->\n<!-- end of table -->\n", tmp_path)
    images, planted = found["truth"]["images"], found["planted"]
    assert f"| `{source}` | 6 | {images} | 0 | {planted} | {planted} | 0 |" in table


def test_a_planted_fault_that_is_not_named_is_seen(sources: ModuleType) -> None:
    planted = [
        {"kind": "image", "path": "a/b.png", "study": "1", "reason": "empty"},
        {"kind": "study", "path": None, "study": "2", "reason": "contradict"},
        {"kind": "absent", "path": "a/c.png", "study": "3", "reason": "not there"},
    ]
    row = {"kind": "image", "path": "x/a/b.png", "study": "1", "reason": "the file is empty"}
    follows = {"kind": "study", "path": None, "study": "1", "reason": "none of its images can be decoded"}
    surplus = {"kind": "study", "path": None, "study": "9", "reason": "contradict"}
    listed = {"kind": "image", "path": "absent.txt", "study": None, "reason": "1 of 3"}
    assert sources.match_faults(planted, [row, follows, surplus, listed], absent="a/c.png\n") == (2, 1)
    assert sources.match_faults(planted, [row], absent="") == (1, 0)


@pytest.mark.shared
def test_real_folders_are_counted_beside_what_they_hold(
    sources: ModuleType, shared_folder: Path, tmp_path: Path
) -> None:
    found = sources.real_chestxray14(shared_folder / "data", tmp_path)
    assert found["inspected"]["studies"] == found["truth"]["studies"] == 868
    assert found["absent"] == found["truth"]["absent"] == 112_120 - 868
    assert found["faults_found_by_inspect"] == []


def test_a_table_without_results_is_empty_and_the_text_around_it_stays(tmp_path: Path) -> None:
    page = "before\n<!-- table: openi -->\n| old |\n<!-- end of table -->\nafter\n"
    empty = "before\n<!-- table: openi -->\n<!-- end of table -->\nafter\n"
    assert benchmark("tables").with_tables(page, tmp_path) == empty


def test_the_memory_of_a_command_is_that_of_all_its_processes() -> None:
    waiting = "x = bytearray(b'1' * 100_000_000); print(flush=True); input()"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {waiting!r}])"
    quickstart = benchmark("quickstart")
    with subprocess.Popen([sys.executable, "-c", parent], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        processes = quickstart.family(child.pid)
        memory = [quickstart.resident(process) for process in processes]
        child.communicate(b"\n")
    assert len(processes) == 2
    assert child.pid in processes
    assert 100_000_000 < sum(memory) < 200_000_000
    assert quickstart.family(child.pid) == {child.pid}
    assert quickstart.resident(child.pid) == 0


def test_a_command_that_fails_ends_the_benchmark_with_its_code() -> None:
    measure = benchmark("quickstart").measure
    assert measure([sys.executable, "-c", ""]).seconds > 0
    with pytest.raises(SystemExit) as ended:
        measure([sys.executable, "-c", "raise SystemExit(3)"])
    assert ended.value.code == 3


def test_the_quickstart_benchmark_writes_what_it_found(tmp_path: Path) -> None:
    quickstart = benchmark("quickstart")
    path = tmp_path / "new" / "quickstart.json"
    quickstart.write(path, quickstart.Spent(seconds=61.4, memory=1_500_000_000), BENCHMARKS)
    content = json.loads(path.read_text())
    assert (content["seconds"], content["peak_memory_gb"], content["benchmarks"]) == (61, 1.5, BENCHMARKS)
    assert [file.name for file in path.parent.iterdir()] == ["quickstart.json"]


def test_a_quickstart_that_would_continue_is_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["quickstart.py", "--work", str(tmp_path)])
    with pytest.raises(SystemExit, match="give a new --work folder"):
        benchmark("quickstart").main()


def test_the_benchmark_of_the_data_measures_every_form(tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    command = [sys.executable, ROOT / "benchmarks/data.py", "--tiny", "--real", tmp_path, "--results", file]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads(file.read_text())
    assert found["pictures"] == "8 made-up radiographs"
    rates = found["samples_a_second"]
    assert all(rate["processor"] > 0 < rate["clock"] for rate in rates.values())
    assert {name for ratio in found["ratios"] for name in ratio.split("/")} <= rates.keys()
    (tmp_path / "data.json").write_text(json.dumps(found))
    table = benchmark("tables").with_tables("<!-- table: data -->\n<!-- end of table -->\n", tmp_path)
    ratio, rate = found["ratios"]["ours_256/plain_512"], rates["ours_256"]["processor"]
    assert f"| ours, store of 256 | {rate:,.0f} | {ratio:.1f} |" in table


def test_the_benchmark_of_the_start_runs_every_command(tmp_path: Path) -> None:
    file = tmp_path / "startup.json"
    command = [sys.executable, ROOT / "benchmarks/startup.py", "--tiny", "--results", file]
    subprocess.run(command, check=True, capture_output=True)
    seconds = json.loads(file.read_text())["seconds"]
    assert all(spent["clock"] > 0 < spent["processor"] for spent in seconds.values())
    assert seconds["python -c pass"]["processor"] < seconds["cxr-clip --help"]["processor"]
    table = benchmark("tables").with_tables("<!-- table: startup -->\n<!-- end of table -->\n", tmp_path)
    assert f"| `cxr-clip --help` | {seconds['cxr-clip --help']['clock']:.2f} |" in table


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


class Middle(np.random.Generator):
    """A generator without chance: the middle of every range, the first of every count, and `share` for a chance."""

    def __init__(self, share: float) -> None:
        super().__init__(np.random.PCG64())
        self.share = share

    def random(self) -> float:
        return self.share

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2

    def integers(self, low: int, _high: int) -> int:
        return low


@pytest.mark.parametrize("share", [0.9, 0.1], ids=["plain", "equalised"])
def test_the_plain_form_of_the_benchmark_makes_the_same_picture(share: float) -> None:
    data = benchmark("data")
    noise = np.random.default_rng(0).integers(0, 256, (280, 300), dtype=np.uint8)
    picture = cv2.GaussianBlur(noise, (0, 0), 3)
    seen = data.plain_view(cv2.imencode(".png", picture)[1].tobytes(), Middle(share))
    ours = TrainTransform(data.SIZE, exact=True)(picture, Middle(share))
    mean, std = IMAGENET.mean[1], IMAGENET.std[1]
    assert seen.shape == (3, data.SIZE, data.SIZE)
    assert np.abs((seen[1].numpy() * std + mean) * 255 - ours).max() < 1.01


def test_what_an_option_saves_is_counted_once_for_each_memory() -> None:
    kept = benchmark("kept")
    weight, given = torch.nn.Parameter(torch.ones(3, 3)), torch.ones(5, 3)
    # A product keeps its input (60 bytes) however often it is used, an exponential its result (60 bytes).

    def forward() -> torch.Tensor:
        return (given @ weight + given @ weight).exp()

    assert kept.kept_bytes(forward) == 60 + 60


def test_the_table_of_options_says_what_was_counted(tmp_path: Path) -> None:
    options = [{"option": "`train=locked`", "training_weights": 24_950_849, "kept_mb_per_study": 174.1}]
    (tmp_path / "kept.json").write_text(json.dumps({"options": options}))
    page = benchmark("tables").with_tables("<!-- table: kept -->\n<!-- end of table -->\n", tmp_path)
    assert page.splitlines()[3] == "| `train=locked` | 25.0 | 174 |"


def test_abstaining_is_measured_on_chests_other_pictures_and_changed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    abstain = benchmark("abstain")
    monkeypatch.setattr(abstain, "MADE", 2)
    monkeypatch.setattr(abstain, "SIDE", 48)
    data = write_tiny_manifest(tmp_path / "data", test=4)
    run = tiny_run_folder(tmp_path / "run", data)
    found = abstain.measure(run, [data], None)
    assert (found["fitted"], found["checked"]) == (15, 7)
    assert found["chest"]["test images"]["pictures"] == 7
    assert found["no_chest"].keys() == abstain.MADE_UP.keys()
    assert found["changed"].keys() == abstain.CHANGES.keys()
    assert not (run / "reference.safetensors").exists()
    (tmp_path / "abstain.json").write_text(json.dumps({"groups": {"here": found}}))
    page = benchmark("tables").with_tables("<!-- table: abstain -->\n<!-- end of table -->\n", tmp_path)
    share = found["no_chest"]["noise"]
    assert f"| noise (2) | {share['refused']:.1%} ({share['by_embeddings_alone']:.1%}) |" in page


def test_the_benchmark_of_intervals_makes_its_tables(tmp_path: Path) -> None:
    intervals, tables = benchmark("intervals"), benchmark("tables")
    results = {
        "machine": "this one",
        "cost": intervals.cost(rounds=1, loop=1),
        "coverage": [intervals.coverage(20, one, resamples=50) for one in intervals.PREVALENCES],
        "probabilities": intervals.probabilities(5),
        "conformal": intervals.conformal(50),
        "false_alarms": intervals.false_alarms(10, resamples=50),
    }
    assert results["cost"]["largest_difference"] < 1e-12
    (tmp_path / "intervals.json").write_text(json.dumps(results))
    shown = tables.table("coverage", tmp_path)
    assert "| bootstrap, AUROC |" in shown
    assert f"{100 * results['coverage'][1]['by study']['DeLong, AUROC']:.1f} %" in shown
    assert f"| all resamples at once | {results['cost']['ours']['processor_seconds']:.2f} |" in tables.table(
        "resampling", tmp_path
    )


def test_both_forms_of_a_step_agree_and_their_parts_are_timed(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "benchmarks" / "step.py", "--tiny", "--out", tmp_path / "step.json"]
    subprocess.run(command, check=True, capture_output=True)
    told = json.loads((tmp_path / "step.json").read_text())
    for case in told["cases"]:
        plain, ours = (case["loss_and_gradient_norm"][form] for form in ("plain", "ours"))
        assert plain == pytest.approx(ours, rel=0.05 if case["precision"] == "bf16" else 1e-4)
        for form in ("plain", "ours"):
            assert all(seconds > 0 for seconds in case[form]["processor_seconds"].values())
    lines = benchmark("tables").with_tables("<!-- table: step -->\n<!-- end of table -->\n", tmp_path).splitlines()
    assert lines[1].startswith("| images, precision | form | images | texts | loss | optimizer | step |")
    assert [line.split(" | ")[:2] for line in lines[3:7]] == [
        ["| tiny, fp32", "plain"],
        ["| tiny, fp32", "ours"],
        ["| tiny, bf16", "plain"],
        ["| tiny, bf16", "ours"],
    ]
    assert lines[8].startswith("Seconds; ")


def test_a_step_that_computes_something_else_ends_the_benchmark() -> None:
    refuse = benchmark("step").refuse_unequal
    refuse((5.0, 2.0), (5.0001, 2.0), tolerance=1e-4)
    with pytest.raises(SystemExit, match=r"norm of the gradient of the plain form is 2 and ours 2\.1"):
        refuse((5.0, 2.0), (5.0, 2.1), tolerance=1e-4)


@pytest.mark.shared
def test_the_texts_of_a_step_are_as_long_as_real_ones(shared_folder: Path) -> None:
    step = benchmark("step")
    reports, words = (
        shared_folder / "data/openi/ecgen-radiology",
        shared_folder / "data/vocab/bert-base-cased-vocab.txt",
    )
    assert step.lengths_of_reports(reports, words, studies=8) == step.LENGTHS


def test_the_table_of_evaluation_has_a_line_for_each_case(tmp_path: Path) -> None:
    case = {"studies": 10000, "case": "ours", "seconds": 1.96, "processor_seconds": 3.2, "extra_bytes": 283324416}
    (tmp_path / "evaluate.json").write_text(json.dumps({"cores": 2, "load": 6.5, "cases": [case]}))
    page = benchmark("tables").with_tables("<!-- table: evaluation -->\n<!-- end of table -->\n", tmp_path)
    assert page.splitlines()[3] == "| 10,000 | ours | 2.0 | 3.2 | 283 |"
    assert "2 cores at a load of 6." in page


def test_the_benchmark_of_evaluation_measures_the_wired_benchmarks() -> None:
    evaluation = benchmark("evaluate")
    found, plain = evaluation.ours(60, 20)(), evaluation.plain(60)()
    zero_shot, retrieval = found
    names = list(evaluation.VINDR_CLASSES)
    areas = dict(zip(names, plain[0], strict=True))
    for name in (one for one in names if f"auroc/{one}" in zero_shot):
        assert zero_shot[f"auroc/{name}"].value == pytest.approx(areas[name])
    for way, (one, five, ten, mean) in zip(("image_to_text", "text_to_image"), plain[1], strict=True):
        recalls = [retrieval[f"{way}/recall_at_{k}"].value for k in (1, 5, 10)]
        assert recalls == pytest.approx([one, five, ten])
        assert retrieval[f"{way}/mean_rank"].value == pytest.approx(mean)


def test_the_table_of_benchmarks_is_that_of_the_records(tmp_path: Path) -> None:
    page = benchmark("tables").with_tables("<!-- table: protocols -->\n<!-- end of table -->\n", tmp_path)
    assert page in (ROOT / "docs" / "evaluate.md").read_text()
