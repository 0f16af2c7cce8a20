"""Pictures of the page of `cxr-clip serve` for the documentation: made-up studies, a real server, a headless Chromium.

python docs/screenshots.py runs/quickstart quickstart.index data-quickstart/openi

The studies are drawn anew by the made-up world, with a seed that no training of the project uses. Pictures are
written to docs/images with few colours, so that they stay under a quarter of a megabyte each.
"""

import argparse
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from cxr_clip.synthetic.write_openi import OpeniJob, write_openi_study

SEED, SIDE = 2026, 768
# Studies of that world: an enlarged heart with oedema and a port, two views; one view with an effusion on the left.
TWO_VIEWS, ONE_VIEW = 20, 23
WAIT = 120_000
BYTES, COLOURS = 240_000, (256, 192, 128, 96, 64)
HEAD, HEADS = 40, 12
PHONE, DESK = (390, 844), (1440, 860)


@dataclass(frozen=True)
class Shot:
    """One picture: its name, the theme, the size of the window, the study, and what is done before it is taken."""

    name: str
    theme: str
    size: tuple[int, int]
    study: int
    act: Callable[[Page], None]


def evidence(page: Page) -> None:
    """Scores of the study, and where the words of one finding are supported."""
    page.click(".scores >> text=Cardiomegaly")
    page.wait_for_selector(".legend")


def similar(page: Page) -> None:
    """The studies that lie nearest to a sentence."""
    page.click("#tab-similar")
    page.check("[name=by][value=text]", force=True)
    page.fill("#similar-text", "The heart is severely enlarged.")
    page.press("#similar-text", "Enter")
    page.wait_for_selector(".card")


def prompts(page: Page) -> None:
    """What is asked, with a sentence of one's own."""
    page.click("#tab-prompts")
    page.fill("#sentence", "There is a left pleural effusion.")
    page.press("#sentence", "Enter")
    page.wait_for_selector(".scores >> text=There is a left")
    page.click("#tab-prompts")
    page.click(".prompts summary >> nth=3")


def both(page: Page) -> None:
    """The lower part of the picture, and the first scores below it."""
    page.evaluate("() => scrollTo(0, 300)")


SHOTS = (
    Shot("serve-findings", "dark", DESK, TWO_VIEWS, evidence),
    Shot("serve-similar", "light", DESK, TWO_VIEWS, similar),
    Shot("serve-prompts", "dark", DESK, ONE_VIEW, prompts),
    Shot("serve-phone", "dark", PHONE, ONE_VIEW, both),
)


@contextmanager
def serving(run: Path, index: Path, data: Path) -> Iterator[str]:
    """The address of a server of this model, which ends with the block."""
    options = ["--index", index, "--data", data, "--port", "0", "--device", "cpu"]
    command = [sys.executable, "-m", "cxr_clip", "serve", run, *options]
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        started = re.search(r"http://\S+?:\d+", server.stdout.readline())
        if started is None:
            raise SystemExit("the server did not start: `cxr-clip serve` with the same folders says why")
        try:
            yield started[0]
        finally:
            server.terminate()


def draw_studies(folder: Path) -> dict[int, list[Path]]:
    """The pictures of the studies that are shown, by their number."""
    drawn = {}
    for number in sorted({shot.study for shot in SHOTS}):
        truth = write_openi_study(OpeniJob(folder, SEED, number, SIDE))
        drawn[number] = [folder / "images" / f"{image}.png" for image in truth.images]
    return drawn


def take(browser: Browser, shot: Shot, address: str, pictures: list[Path], out: Path) -> None:
    """Take one picture."""
    width, height = shot.size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=shot.theme)
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.set_input_files("#files", pictures)
    page.wait_for_selector("#findings:not([aria-busy=true]) .scores")
    shot.act(page)
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    taken = page.screenshot(animations="disabled")
    page.close()
    (out / f"{shot.name}.png").write_bytes(small(Image.open(io.BytesIO(taken)).convert("RGB")))


def small(taken: Image.Image) -> bytes:
    """A picture as PNG with as many colours of its own as its size allows."""
    head = taken.crop((0, 0, taken.width, HEAD))
    # The head counts often, so that the few colours of words are not lost among the many greys of pictures.
    sample = Image.new("RGB", (taken.width, taken.height + HEADS * HEAD))
    sample.paste(taken, (0, HEADS * HEAD))
    for number in range(HEADS):
        sample.paste(head, (0, number * HEAD))
    for colours in COLOURS:
        written = io.BytesIO()
        palette = sample.quantize(colours)
        taken.quantize(palette=palette, dither=Image.Dither.NONE).save(written, "png", optimize=True)
        if written.tell() <= BYTES:
            break
    return written.getvalue()


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description="Pictures of the page for the documentation.")
    parser.add_argument("run", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    asked = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    asked.out.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, serving(asked.run, asked.index, asked.data) as address:
        studies = draw_studies(Path(folder))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for shot in SHOTS:
                take(browser, shot, address, studies[shot.study], asked.out)
            browser.close()


if __name__ == "__main__":
    main()
