"""The page in a real browser against the real server: what it shows is what the model says."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import cxr_clip
from cxr_clip.classify import prompts_for
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.data.store import ImageStore
from cxr_clip.study import Split
from support_data import made_up_picture
from support_dicom import dicom
from support_page import watch
from support_programs import environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    """A server of the tiny model with an index and its pictures, in a process of its own."""
    options = ["--index", place / "index", "--data", place / "data", "--port", "0", "--device", "cpu"]
    command = [sys.executable, "-m", "cxr_clip", "serve", place / "run", *options]
    with subprocess.Popen(
        list(map(str, command)), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        started = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
        assert started is not None
        yield started[0]
        server.terminate()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A made-up PNG and a DICOM file of 12 bits."""
    Image.fromarray(made_up_picture(0)).save(tmp_path / "chest.png")
    deep = made_up_picture(1, height=96, width=80).astype(np.uint16) * 16
    (tmp_path / "chest.dcm").write_bytes(dicom(deep, WindowCenter=2000, WindowWidth=3000))
    return [tmp_path / "chest.png", tmp_path / "chest.dcm"]


def number(shown: str) -> float:
    return float(shown.replace("−", "-"))


def test_the_page_shows_what_the_model_says(page: "Page", address: str, place: Path, files: list[Path]) -> None:
    asked = watch(page, address)
    page.goto(address)
    page.set_input_files("#files", files)
    expect(page.locator("#findings:not([aria-busy=true]) .scores")).to_be_visible(timeout=20_000)
    model = cxr_clip.load(place / "run", device="cpu")
    expected = model.classify_study([file.read_bytes() for file in files])
    shown = [number(text) for text in page.locator(".figures strong").all_inner_texts()]
    assert page.locator(".finding").all_inner_texts() == [one.finding for one in expected.findings]
    assert shown == pytest.approx([one.score for one in expected.findings], abs=0.0006)
    label = page.locator(".pane canvas").nth(1).get_attribute("aria-label")
    # In the units of the file; DICOM's linear window of 3000 values reaches from black to white in 2999 steps.
    assert label == "chest.dcm: level 2000, width 2999, zoom 100 %"

    (prompt,) = prompts_for(["Edema"])
    (sentence,) = prompt.positive
    page.click(".scores >> text=Edema")
    expect(page.locator(".legend")).to_be_visible()
    (one,) = model.explain(files[0], [ZeroShotPrompt(sentence, positive=(sentence,), negative=())]).maps
    low, high = (number(text) for text in page.locator(".legend span").all_inner_texts())
    assert page.locator(".words").inner_text() == f"“{sentence}” {one.score:+.3f}".replace("-", "−")
    assert float(np.nanmin(one.values)) == pytest.approx(low, abs=0.06 * (high - low))
    assert float(np.nanmax(one.values)) == pytest.approx(high, abs=0.06 * (high - low))
    assert asked.console == asked.elsewhere == []


def test_an_indexed_picture_finds_its_own_study(page: "Page", address: str, place: Path, tmp_path: Path) -> None:
    asked = watch(page, address)
    study = read_manifest(place / "data").where(split=Split.TEST)[0]
    Image.fromarray(ImageStore(place / "data").read(study.images[0])).save(tmp_path / "own.png")
    page.goto(address)
    page.set_input_files("#files", tmp_path / "own.png")
    expect(page.locator(".pane")).to_have_count(1)
    page.click("#tab-similar")
    page.click(".question [type=submit]")
    first = page.locator(".card").first
    expect(first.locator("h3")).to_contain_text(f"1. {study.id}")
    expect(first.locator(".report")).to_contain_text(next(iter(study.sections.values())))
    expect(first.locator("img")).to_have_js_property("complete", True)
    assert first.locator("img").evaluate("image => image.naturalWidth") > 0
    assert asked.console == asked.elsewhere == []


def test_a_mistake_has_the_servers_sentence(page: "Page", address: str) -> None:
    page.goto(address)
    page.set_input_files("#files", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    expect(page.locator(".unread")).to_contain_text("notes.txt is no PNG, JPEG or DICOM file")
    expect(page.locator("#status")).to_have_text("None of the files could be read as a picture.")
    page.click("#tab-similar")
    page.check("[name=by][value=study]", force=True)
    page.fill("#similar-study", "nobody")
    page.press("#similar-study", "Enter")
    expect(page.locator("#similar [role=alert]")).to_have_text(
        "there is no image of this study in the index: give a study that a search found"
    )


def test_without_a_mouse(page: "Page", address: str, files: list[Path]) -> None:
    """Everything but the dialogue of the browser itself, which chooses a file."""
    page.goto(address)

    def tab_to(selector: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.locator(f"{selector}:focus").count():
                return
        raise AssertionError(f"no Tab leads to {selector}")

    tab_to("#choose")
    page.evaluate("() => document.querySelector('#files').addEventListener('click', () => (window.chooses = true))")
    page.keyboard.press("Enter")
    assert page.evaluate("() => window.chooses")
    page.set_input_files("#files", files[0])
    expect(page.locator(".scores")).to_be_visible()
    tab_to(".pane canvas")
    page.keyboard.press("i")
    expect(page.locator("#invert")).to_have_attribute("aria-pressed", "true")
    tab_to("#tab-findings")
    tab_to("#finding-Edema")
    page.keyboard.press("Enter")
    expect(page.locator(".legend")).to_be_visible()
    page.locator("#tab-findings").focus()
    page.keyboard.press("End")
    tab_to(".question [type=submit]")
    page.keyboard.press("Enter")
    expect(page.locator(".card").first).to_be_visible()


def test_the_pictures_of_the_documentation_can_be_taken_again(
    browser: "Browser", address: str, files: list[Path], tmp_path: Path
) -> None:
    spec = importlib.util.spec_from_file_location("screenshots", Path(__file__).parents[2] / "docs" / "screenshots.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules["screenshots"] = program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    for shot in program.SHOTS[:2]:
        program.take(browser, shot, address, files, tmp_path)
        with Image.open(tmp_path / f"{shot.name}.png") as taken:
            assert taken.size == shot.size
        assert (tmp_path / f"{shot.name}.png").stat().st_size < 250_000
    shown = {file.stem for file in (Path(__file__).parents[2] / "docs" / "images").glob("serve-*.png")}
    assert shown == {shot.name for shot in program.SHOTS}
