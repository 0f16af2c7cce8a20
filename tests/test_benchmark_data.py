"""The benchmark of training samples: every form is measured, and the plain one makes the same picture."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_clip.data import crops, transforms
from cxr_clip.data.transforms import TrainTransform
from cxr_clip.model.normalisation import IMAGENET
from support_programs import benchmark

ROOT = Path(__file__).parents[1]


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
def test_the_plain_form_of_the_benchmark_makes_the_same_picture(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (crops, transforms):
        monkeypatch.setattr(module, "between", lambda bounds, _rng: sum(bounds) / 2)
    data = benchmark("data")
    noise = np.random.default_rng(0).integers(0, 256, (280, 300), dtype=np.uint8)
    picture = cv2.GaussianBlur(noise, (0, 0), 3)
    seen = data.plain_view(cv2.imencode(".png", picture)[1].tobytes(), Middle(share))
    ours = TrainTransform(data.SIZE, exact=True)(picture, Middle(share))
    mean, std = IMAGENET.mean[1], IMAGENET.std[1]
    assert seen.shape == (3, data.SIZE, data.SIZE)
    assert np.abs((seen[1].numpy() * std + mean) * 255 - ours).max() < 1.01
