"""`cxr-clip explain`: a picture for people, one line of JSON for programs, and what is drawn."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cxr_clip
from cxr_clip.overlay import OPAQUE, coloured
from support_data import made_up_picture
from support_models import tiny_run_folder

Command = Callable[..., int]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run_folder(tmp_path_factory.mktemp("run"), Path("nowhere"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "a [1].png"
    Image.fromarray(made_up_picture(1, height=60, width=90)).save(path)
    return path


def test_maps_are_drawn_and_told(command: Command, run: Path, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--finding", "edema", "--text", "The heart is large", "--device", "cpu")
    assert command("explain", run, image, *asked, "--out", "both.png") == 0
    told = capsys.readouterr().out
    assert "The heart is large" in told
    assert "both.png: what each place adds to the score; no outline of a finding" in told
    assert command("explain", run, image, *asked, "--out", "again.png", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert Path("both.png").read_bytes() == Path("again.png").read_bytes()
    assert (found["height"], found["width"], found["drawn"]) == (60, 90, "again.png")
    assert [one["text"] for one in found["maps"]] == ["Edema", "The heart is large"]
    model = cxr_clip.load(run, device="cpu")
    for one, text in zip(found["maps"], ("edema", "The heart is large."), strict=True):
        assert np.sum(one["cells"]) + one["elsewhere"] == pytest.approx(one["score"], abs=1e-5)
        assert one["method"] == "parts"
        assert 0 <= one["peak"]["row"] < 60
        if text == "edema":
            assert one["score"] == pytest.approx(model.classify([image], [text])[0].findings[0].score, abs=1e-5)
    with Image.open("both.png") as drawn:
        assert drawn.width > 1200
        red, green, blue = (np.asarray(drawn.convert("RGB")).astype(int)[..., channel] for channel in range(3))
    # The coloured part of the maps and of the two bars; the picture alone is grey.
    assert ((abs(red - green) > 40) | (abs(green - blue) > 40)).mean() > 0.02


def test_the_folder_of_the_maps_is_made(command: Command, run: Path, image: Path) -> None:
    assert command("explain", run, image, "--finding", "edema", "--device", "cpu", "--out", "new/map.png") == 0
    assert [path.name for path in Path("new").iterdir()] == ["map.png"]


def test_where_the_disk_is_full_no_part_of_a_map_stays(
    command: Command,
    run: Path,
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def write_part(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_part)
    out = tmp_path / "maps" / "map.png"
    assert command("explain", run, image, "--finding", "edema", "--device", "cpu", "--out", out) == 2
    assert "map.png cannot be written (No space left on device): name another file" in capsys.readouterr().err
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize("text", ["From $\\x to 6$.", "\N{CJK UNIFIED IDEOGRAPH-5FC3} is \x1b large."])
def test_any_text_has_its_map(
    command: Command, run: Path, image: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("explain", run, image, "--text", text, "--device", "cpu", "--out", "map.png") == 0
    assert Path("map.png").is_file()
    assert capsys.readouterr().err == ""


def test_what_cannot_be_is_one_sentence(
    command: Command, run: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("explain", run, image, "--device", "cpu") == 2
    assert "there is nothing to look for: give --text or --finding" in capsys.readouterr().err
    assert command("explain", run, image, "--text", "", "--device", "cpu") == 2
    assert "a text is empty: write something in it, or leave --text out" in capsys.readouterr().err
    before = image.read_bytes()
    assert command("explain", run, image, "--finding", "edema", "--out", image, "--device", "cpu") == 2
    assert "would replace a file that is read or written here: give another name" in capsys.readouterr().err
    assert image.read_bytes() == before
    below = image / "map.png"
    assert command("explain", run, image, "--finding", "edema", "--out", below, "--device", "cpu") == 2
    assert f"{below} cannot be written, as {image} is a file: give another place" in capsys.readouterr().err
    grey = tmp_path / "grey.png"
    Image.fromarray(np.full((60, 60), 9, np.uint8)).save(grey)
    assert command("explain", run, grey, "--finding", "edema", "--device", "cpu") == 3
    assert "it has hardly any contrast" in capsys.readouterr().out
    assert command("explain", run, grey, "--finding", "edema", "--device", "cpu", "--json") == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["drawn"], told["maps"]) == (str(grey), None, [])
    assert "it has hardly any contrast" in told["doubts"][0]
    assert not Path("map.png").exists()
    assert command("explain", run, grey, "--finding", "edema", "--device", "cpu", "--always") == 0
    assert Path("map.png").exists()


def test_the_most_supported_place_is_the_least_transparent_and_what_is_not_seen_is_bare() -> None:
    values = np.array([[np.nan, -1.0, 0.0], [np.nan, 0.5, 1.0]], np.float32)
    opaque = coloured(values)[..., 3]
    assert opaque.tolist() == [[0, 0, round(255 * OPAQUE / 4)], [0, round(255 * OPAQUE * 0.5625), round(255 * OPAQUE)]]
    assert coloured(np.zeros((2, 2), np.float32))[..., 3].max() == 0
