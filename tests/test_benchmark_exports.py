"""The benchmarks of exports measure what they say, and their tables show what was measured."""

import json
from pathlib import Path

import pytest
import torch

from cxr_clip.evaluate.benchmarks import EvaluationOptions
from cxr_clip.export.proof import Exported
from support_data import SHADOWS, write_tiny_manifest
from support_models import tiny_recipe, tiny_run
from support_programs import benchmark


def test_every_form_is_timed_in_turns_and_compared_with_eager() -> None:
    inference = benchmark("inference")
    calls: list[str] = []

    def form(name: str, more: float) -> object:
        def embed(pictures: torch.Tensor) -> torch.Tensor:
            calls.append(name)
            return pictures.float() + more

        return embed

    pictures = torch.zeros(4, 1)
    found = inference.measure({inference.EAGER: form("eager", 0), "other": form("other", 0.25)}, (pictures,), 3)
    assert [one["form"] for one in found] == [inference.EAGER, "other"]
    assert [one["largest_difference"] for one in found] == [0, 0.25]
    assert calls[-6:] == ["eager", "other"] * 3
    assert found[0]["times_faster"] == 1


def test_inputs_of_a_batch_have_no_padding_that_none_of_them_needs() -> None:
    inference = benchmark("inference")
    tokens = inference.tokens(99)
    one = inference.first(1, (tokens.ids, tokens.mask))
    assert one[0].shape == (1, inference.LENGTHS[7])
    assert bool(one[1].all())
    assert [part.shape for part in inference.first(16, (tokens.ids, tokens.mask))] == [(16, 88)] * 2
    assert tokens.mask.sum(dim=1).tolist() == list(inference.LENGTHS)
    assert inference.squares(32).shape == (16, 32, 32)


def test_the_table_of_inference_shows_times_and_ratios(tmp_path: Path) -> None:
    forms = [
        {"form": "torch, eager", "processor_milliseconds": 44.04, "times_faster": 1.0},
        {"form": "OpenVINO, int8", "processor_milliseconds": 11.0, "times_faster": 4.02},
    ]
    results = {"machine": "this", "threads": 1, "versions": {"torch": "2"}}
    cases = [{"tower": "ResNet-50", "batch": 16, "forms": forms}]
    (tmp_path / "inference.json").write_text(json.dumps(results | {"cases": cases}))
    lines = benchmark("tables").table("inference", tmp_path).splitlines()
    assert lines[0] == "| tower, batch | torch, eager | OpenVINO, int8 |"
    assert lines[2] == "| ResNet-50, 16 | 44.0 (1.0) | 11.0 (4.0) |"
    assert "one thread; this; torch 2." in lines[-1]


def test_what_8_bits_cost_is_measured_on_the_same_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    int8 = benchmark("int8")
    manifest = write_tiny_manifest(tmp_path / "data", test=24)
    torch.manual_seed(4)
    from cxr_clip.embed import Embedder

    model = Embedder(tiny_run(tiny_recipe(manifest)))
    turned = Exported(lambda pictures: -model.embed_images(pictures), model.embed_texts)
    options = EvaluationOptions(findings=tuple(SHADOWS.values()), resamples=20)
    found = int8.report({"torch": model, "same": model, "turned": turned}, manifest, options)
    assert found["differences_from"] == "torch"
    macro = {
        name: next(one for one in forms if one["figure"] == "auroc/macro" and one["benchmark"] == "zero_shot/standard")
        for name, forms in found["forms"].items()
    }
    assert macro["same"]["difference"]["value"] == 0
    assert macro["turned"]["second"]["value"] == pytest.approx(1 - macro["turned"]["first"]["value"])
    kept = {"int8": {"images": {"mean_cosine": 0.9876}, "texts": {"mean_cosine": 0.99912}}}
    sizes = {"onnx": {"image": 4e6}, "int8": {"image": 1e6}}
    (tmp_path / "int8.json").write_text(json.dumps(found | {"bytes": sizes, "certificate": kept}))
    table = benchmark("tables").table("bits", tmp_path)
    assert f"| macro AUROC, standard prompts | {macro['same']['first']['value']:.3f} | +0.0000 (+0.0000 to" in table
    assert "Both files: 4 MB whole, 1 MB in 8 bits." in table
    assert "pictures 0.988, texts 0.9991." in table


def test_absent_data_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    int8 = benchmark("int8")
    folders = [part for name in ("openi", "image-encoder", "text-encoder", "work") for part in (f"--{name}", "nowhere")]
    monkeypatch.setattr("sys.argv", ["int8.py", *folders])
    with pytest.raises(SystemExit, match="skipped, as nowhere is absent: give the folder of Open-I"):
        int8.main()
