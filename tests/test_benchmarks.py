"""The programs of benchmarks/ and the recipes: what they read is valid, what they write is what they found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

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


def test_a_table_without_results_says_so_and_the_text_around_it_stays(tmp_path: Path) -> None:
    page = "before\n<!-- table: openi -->\n| old |\n<!-- end of table -->\nafter\n"
    told = "before\n<!-- table: openi -->\nNo figures are recorded yet.\n<!-- end of table -->\nafter\n"
    assert benchmark("tables").with_tables(page, tmp_path) == told


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


def test_the_benchmark_of_the_start_runs_every_command(tmp_path: Path) -> None:
    file = tmp_path / "startup.json"
    command = [sys.executable, ROOT / "benchmarks/startup.py", "--tiny", "--results", file]
    subprocess.run(command, check=True, capture_output=True)
    seconds = json.loads(file.read_text())["seconds"]
    assert all(spent["clock"] > 0 < spent["processor"] for spent in seconds.values())
    assert seconds["python -c pass"]["processor"] < seconds["cxr-clip --help"]["processor"]
    table = benchmark("tables").with_tables("<!-- table: startup -->\n<!-- end of table -->\n", tmp_path)
    assert f"| `cxr-clip --help` | {seconds['cxr-clip --help']['clock']:.2f} |" in table


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


SERVED = {
    "machine": "2 cores",
    "studies": {"openi": 120, "chestxray14": 80},
    "models": [
        {
            "name": "quickstart",
            "weights_mb": 4.2,
            "image_size": 112,
            "loads": [
                {
                    "clients": 1,
                    "requests": 300,
                    "lost": 0,
                    "per_second": 15.04,
                    "p50": 60.2,
                    "p99": 1090.7,
                    "batch": 1.0,
                },
                {
                    "clients": 8,
                    "requests": 500,
                    "lost": 1,
                    "per_second": 25.0,
                    "p50": 300.0,
                    "p99": 400.0,
                    "batch": 6.25,
                },
            ],
            "memory": {"requests": 1000, "before_mb": 600.4, "after_mb": 602.9},
        }
    ],
}


def test_the_table_of_the_server_says_what_was_measured(tmp_path: Path) -> None:
    (tmp_path / "serve.json").write_text(json.dumps(SERVED))
    page = benchmark("tables").with_tables("<!-- table: serve -->\n<!-- end of table -->\n", tmp_path)
    trained = "the quickstart's encoders, trained for one epoch on 120 + 80 made-up studies; 112 px, 4 MB"
    assert page.splitlines()[3:-1] == [
        f"| {trained} | 1 | 15.0 | 60 | 1,091 | 1.0 | 300 (0) |",
        "|  | 8 | 25.0 | 300 | 400 | 6.2 | 500 (1) |",
        "",
        "Resident memory of the first model's server: 600 MB before, 603 MB after 1,000 requests (2 cores).",
    ]
