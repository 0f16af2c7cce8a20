"""The path of a newcomer, timed step by step: a fresh clone, `make quickstart`, and the model in use.

    python benchmarks/new_user.py --work FOLDER --image chest.dcm

Clones this repository into a new folder, whose environment `make` makes, and goes there through the steps of
docs/start.md as a person would, one after the other. Then the model is served, asked for the page and for the picture's
scores, and stopped. A command that fails stops the program. Writes results/new_user.json: seconds of each step.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from measured_with import machine

REPOSITORY = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "new_user.json"
RUN, MANIFEST, ROWS, INDEX = "runs/quickstart", "data-quickstart/openi", "openi.parquet", "openi.index"
SENTENCE = "The heart is enlarged."
PATIENCE_SECONDS = 120


def timed(step: Callable[[], object]) -> float:
    start = time.monotonic()
    step()
    return round(time.monotonic() - start, 2)


def command(clone: Path, *words: str) -> None:
    """Run one of the project's commands in a clone; exit where it fails."""
    given(clone, [str(clone / ".venv/bin/cxr-clip"), *words])


def given(folder: Path, words: list[str]) -> None:
    print("$", *words, flush=True)
    ended = subprocess.run(words, cwd=folder, env=clean(), check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(words)} ended with {ended.returncode}")


def clean() -> dict[str, str]:
    """The environment without what would lead a clone's Python to another place."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def use(clone: Path, image: Path) -> dict[str, float]:
    """The model of a finished quickstart in use: seconds of each step."""
    return {
        "classify": timed(lambda: command(clone, "classify", RUN, str(image), "--always")),
        "embed": timed(lambda: command(clone, "embed", RUN, MANIFEST, ROWS)),
        "index build": timed(lambda: command(clone, "index", "build", ROWS, INDEX)),
        "search": timed(lambda: command(clone, "search", RUN, INDEX, "--text", SENTENCE)),
        **serve(clone, image),
    }


def serve(clone: Path, image: Path) -> dict[str, float]:
    """Serve the model, ask for the page and for the scores of a picture, and stop."""
    words = [str(clone / ".venv/bin/cxr-clip"), "serve", RUN, "--index", INDEX, "--port", "0"]
    start = time.monotonic()
    child = subprocess.Popen(words, cwd=clone, env=clean(), stdout=subprocess.PIPE, text=True)
    try:
        address = page_of(child)
        ready = round(time.monotonic() - start, 2)
        answered = timed(lambda: ask(image, address))
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=PATIENCE_SECONDS)
    if child.returncode:
        sys.exit(f"the server ended with {child.returncode}")
    return {"serve, until the page is there": ready, "a picture's scores by HTTP": answered}


def page_of(child: subprocess.Popen[str]) -> str:
    """The address of a server, when its page is there."""
    assert child.stdout is not None
    said = child.stdout.readline()
    found = re.search(r"http://\S+/", said)
    if found is None:
        sys.exit(f"the server did not start: {said}")
    with urllib.request.urlopen(found[0], timeout=PATIENCE_SECONDS) as page:
        assert b"<html" in page.read()
    return found[0]


def ask(image: Path, address: str) -> None:
    """Ask what the model makes of a picture; urllib raises where the server refuses it."""
    bound = "picture-of-a-newcomer"
    head = f'--{bound}\r\nContent-Disposition: form-data; name="images"; filename="{image.name}"\r\n\r\n'
    body = head.encode() + image.read_bytes() + f"\r\n--{bound}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={bound}"}
    request = urllib.request.Request(f"{address}api/classify", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        assert json.load(answer)["images"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a new folder for the clone")
    parser.add_argument("--image", type=Path, required=True, help="a chest X-ray, DICOM or other")
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    clone, image = asked.work.resolve(), asked.image.resolve()
    if clone.exists():
        parser.error(f"{clone} is there already, and only a first time can be timed: give a new --work folder")
    seconds = {
        "git clone": timed(lambda: given(REPOSITORY, ["git", "clone", "--quiet", str(REPOSITORY), str(clone)])),
        "make quickstart": timed(lambda: given(clone, ["make", "quickstart"])),
    }
    seconds |= use(clone, image)
    told = {"machine": machine(), "image": image.suffix.removeprefix("."), "seconds": seconds}
    asked.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
