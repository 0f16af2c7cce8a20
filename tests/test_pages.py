"""Every block of code in README and docs/ runs, is a form whose options are those of the command, or says why not."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import typer
from PIL import Image

import cxr_clip
from cxr_clip import cli
from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.recipe import Recipe
from cxr_clip.study import Certainty
from support_calibration import EDEMA
from support_data import made_up_picture, write_tiny_manifest
from support_dicom import dicom
from support_models import tiny_run_folder
from support_pages import DOCS, blocks, commands, is_form, run_commands
from support_published import checkpoint, saved, vocabulary
from support_results import dicom_file

ROOT = DOCS.parent
PAGES = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
# The tests that run the blocks of a page, where these are not forms alone.
RUN_BY = {
    "README.md": "test_pages.py",
    "documents.md": "test_pages.py",
    "evaluate.md": "test_pages.py",
    "explain.md": "test_pages.py",
    "export.md": "export/test_export_page.py",
    "published-weights.md": "test_pages.py",
    "reports.md": "test_pages.py",
    "search-and-embed.md": "test_pages.py",
    "standards.md": "standards/test_page.py",
    "start.md": "test_start_page.py",
    "train.md": "test_pages.py",
    "use.md": "test_use_page.py",
}
# Programs that are not ours: the lines before a command of ours that make it work.
OTHERS = ("pip", "openssl", ".", "curl")
Command = Callable[..., int]


def forms() -> Iterator[tuple[Path, str]]:
    """The commands that no test runs as they stand: forms, those of blocks that say why not, those under torchrun."""
    for page in PAGES:
        run = commands(page)
        for line in commands(page, marked=True):
            if line not in run or is_form(line) or "-m cxr_clip" in line:
                yield page, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_no_form_is_run_by_a_test(page: Path) -> None:
    lines = [line for line in commands(page) if not is_form(line) and shlex.split(line)[0] not in OTHERS]
    ours = [line for line in lines if "-m cxr_clip" not in line]
    assert all(line.startswith("cxr-clip ") for line in ours), ours
    if ours or blocks(page, "python"):
        test = ROOT / "tests" / RUN_BY[page.name]
        assert page.name in test.read_text("utf-8")


def test_the_options_and_settings_of_forms_are_those_of_the_commands() -> None:
    checked = 0
    for page, line in forms():
        words = re.sub(r"[\[\]]", " ", re.sub(r".*-m cxr_clip", "cxr-clip", line)).split()
        if words[0] != "cxr-clip":
            continue
        found, rest = command_of(words[1:])
        for option in (word.partition("=")[0] for word in rest if word.startswith("--")):
            assert option in found, f"{page.name}: {line}"
        for setting in (word.partition("=")[0] for word in rest if re.match(r"[a-z_]+\.[a-z_.]+=", word)):
            assert setting == "section.key" or is_setting(setting), f"{page.name}: {line}"
        checked += 1
    assert checked > 30


def command_of(words: list[str]) -> tuple[set[str], list[str]]:
    """The options of the command that is called, or of all commands below a name that a form leaves open."""
    found: Any = typer.main.get_command(cli.app)
    while hasattr(found, "commands"):
        name, *words = words
        if name.isupper():
            below = found.commands.values()
            return {option for one in below for parameter in one.params for option in parameter.opts}, words
        found = found.commands[name]
    return {option for parameter in found.params for option in parameter.opts}, words


def is_setting(name: str) -> bool:
    """Whether a recipe has it; a section that is absent without being asked for has its settings all the same."""
    kinds: list[Any] = [Recipe]
    for part in name.split("."):
        fields = [kind.model_fields[part] for kind in kinds if part in getattr(kind, "model_fields", ())]
        if not fields:
            return False
        kinds = [kind for one in fields for kind in (one.annotation, *get_args(one.annotation))]
    return True


@pytest.fixture
def place(tmp_path: Path, command: Command) -> Path:
    """A folder with a manifest, a run and images, under the names that the pages have for them."""
    data = write_tiny_manifest(tmp_path / "data" / "openi")
    tiny_run_folder(tmp_path / "runs" / "openi", data)
    Image.fromarray(made_up_picture(1)).save("chest.png")
    for name in ("chest.dcm", "study.dcm"):
        Path(name).write_bytes(dicom())
    return tmp_path


def run_python(page: Path, **names: object) -> dict[str, object]:
    exec(compile("".join(blocks(page, "python")), str(page), "exec"), names)  # the page's own code
    return names


def test_the_readme_runs(place: Path, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    for source, folder in (("openi", "raw/openi"), ("chestxray14", "raw/cxr14")):
        made = ("--studies", 40, "--image-size", 64, "--processes", 1, "--quiet")
        assert command("synthesize", source, folder, *made) == 0
    (place / "data" / "openi").rename(place / "tiny")
    saved(place / "swint_mcc.tar", checkpoint())
    dicom_file(place / "chest.dcm")
    more = {
        "prepare": ("--short-side", 64, "--processes", 1, "--quiet"),
        "inspect": ("--samples", 1, "--quiet"),
        "evaluate": ("--resamples", 100, "--quiet"),
        "import-weights": ("--tokeniser", vocabulary(place / "words")),
        "classify": ("--always", "--device", "cpu"),
        "explain": ("--device", "cpu"),
        "embed": ("--quiet",),
    }
    # The export takes half a minute, a server never ends: tests/export/test_write_onnx.py, tests/web/test_command.py.
    assert len(run_commands(ROOT / "README.md", command, more=more, without=("export", "serve"))) == 13
    assert (place / "runs" / "swint_mcc" / "README.md").is_file()
    run_python(ROOT / "README.md")
    assert "Cardiomegaly" in capsys.readouterr().out


def test_the_page_of_search_runs(place: Path, command: Command) -> None:
    named = place / "data" / "named"
    (place / "data" / "openi").rename(named)
    ids = {"train-0": ("CXR17", "p17"), "train-1": ("CXR18", "p18")}
    studies = list(read_manifest(named))
    (named / "manifest.parquet").unlink()
    with ManifestWriter(named / "manifest.parquet") as manifest:
        for study in studies:
            name, patient = ids.get(study.id, (study.id, study.patient))
            manifest.write(type(study)(**{**vars(study), "id": name, "patient": patient}))
    named.rename(place / "data" / "openi")
    page = DOCS / "search-and-embed.md"
    assert len(run_commands(page, command, more={"embed": ("--quiet",)})) == 8
    names = run_python(page)
    assert names["index"].ids_of(patients=["p17", "p18"]) == ()  # type: ignore[attr-defined]


def test_the_page_of_documents_runs(place: Path, command: Command) -> None:
    (place / "data" / "hospital").symlink_to(place / "data" / "openi")
    assert len(run_commands(DOCS / "documents.md", command)) == 4
    assert (place / "claim.md").is_file()


def test_the_page_of_training_runs(place: Path, command: Command) -> None:
    (place / "runs" / "openi").rename(place / "runs" / "quickstart")
    Path("small.yaml").write_text((place / "runs" / "quickstart" / "recipe.yaml").read_text())  # what `recipe` prints
    (onward,) = blocks(DOCS / "train.md", "yaml")
    Path("onward.yaml").write_text(onward)
    sizes = ("data.image_size=32", "data.max_tokens=48", "model.embedding_size=12")  # those of the tiny run
    short = ("train.epochs=1", "train.warmup_epochs=0", "train.batch_size=4", *sizes)
    assert len(run_commands(DOCS / "train.md", command, more={"train": short})) == 3
    for run in ("small", "onward"):
        assert (place / "runs" / run / "weights.safetensors").is_file()
    assert "start_from: runs/small" in (place / "runs" / "onward" / "recipe.yaml").read_text()


def test_the_page_of_explanations_runs(place: Path, command: Command) -> None:
    page = DOCS / "explain.md"
    assert len(run_commands(page, command, more={"explain": ("--device", "cpu")})) == 2
    assert (place / "map.png").is_file()
    one = run_python(page)["one"]
    assert one.cells.sum() + one.elsewhere == pytest.approx(one.score, abs=1e-5)  # type: ignore[attr-defined]


def test_the_page_of_published_weights_runs(place: Path, command: Command) -> None:
    saved(place / "swint_mcc.tar", checkpoint())
    page = DOCS / "published-weights.md"
    more = {"import-weights": ("--tokeniser", vocabulary(place / "words"))}
    assert run_commands(page, command, more=more) == ["cxr-clip import-weights swint_mcc.tar runs/swint_mcc"]


def test_the_page_of_reports_says_what_comes_out() -> None:
    names = run_python(DOCS / "reports.md")
    said = {"No Finding": Certainty.NEGATIVE, "Edema": Certainty.POSITIVE, "Pneumothorax": Certainty.NEGATIVE}
    assert names["findings"] == said
    assert set(names["sections"]) == {"findings", "impression"}  # type: ignore[call-overload]


def test_the_calibration_of_the_page_of_evaluation_is_read(place: Path) -> None:
    from cxr_clip.calibration import Calibration, hash_weights, write_calibration
    from cxr_clip.study import Split

    folder = place / "runs" / "openi"
    write_calibration(folder, Calibration(hash_weights(folder), "openi", Split.VALIDATE, {"Edema": EDEMA}))
    names = run_python(DOCS / "evaluate.md", cxr_clip=cxr_clip, folder=folder, score=np.float64(0.01))
    assert names["low"] < names["value"] < names["high"]  # type: ignore[operator]
