"""The documentation site is made without a warning, asks nothing of the network, and its rows and names are right."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cxr_clip.recipe import Recipe
from support_models import tiny_recipe
from support_pages import DOCS

ROOT = DOCS.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made once."""
    pytest.importorskip("mkdocs", reason="mkdocs is absent: pip install 'cxr-clip[docs]'")
    folder = tmp_path_factory.mktemp("site")
    made = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return folder


def test_every_page_of_the_folder_is_in_the_site(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").is_file()
    for page in ("index", "contributing", "changes", "api/model"):
        assert (site / f"{page}.html").is_file()


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        fetched = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?([^\"'\s>]+)", page.read_text())
        assert fetched
        assert not [one for one in fetched if one.startswith(("http", "//"))], page


def test_tables_and_marks_are_turned_into_pages(site: Path) -> None:
    words = (site / "search-and-embed.html").read_text()
    assert "1 of 1,265 lists" in words
    assert "| vectors |" not in words
    assert "<!-- table" not in words


def test_the_reference_shows_signatures_and_docstrings(site: Path) -> None:
    words = re.sub(r"<[^>]+>", "", (site / "api" / "model.html").read_text())
    for said in (
        "from cxr_clip import load",
        "Embedder.classify_study",
        "Raises CheckpointError where the folder is not",
    ):
        assert said in words


def rows() -> list[list[str]]:
    """The cells of the rows of docs/change.md."""
    table = [line for line in (DOCS / "change.md").read_text("utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def named(pattern: str) -> list[str]:
    return [name for row in rows() for cell in row for name in re.findall(rf"`({pattern})`", cell)]


def test_all_files_that_the_page_of_changes_names_are_there() -> None:
    files = named(r"[\w/]+\.(?:py|yaml|j2|html\.j2|toml)")
    assert len(rows()) >= 20
    assert len(files) > 40
    for name in files:
        assert (ROOT / name).is_file() or (ROOT / "src" / "cxr_clip" / name).is_file(), name


def test_all_settings_that_the_page_of_changes_names_are_settings() -> None:
    settings = named(r"(?:data|model|loss|train)\.[\w.]+")
    assert len(settings) > 8
    recipe: Recipe = tiny_recipe(Path("nowhere"))
    for setting in settings:
        value: object = recipe
        for name in setting.split("."):
            assert name in type(value).model_fields, setting  # type: ignore[attr-defined]
            value = getattr(value, name)


def test_the_layers_on_the_page_are_those_that_are_held() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    held = [layer.replace("cxr_clip.", "") for layer in contracts[0]["layers"]]
    page = (DOCS / "architecture.md").read_text("utf-8").partition("## Layers")[2]
    assert page.split("```")[1].split("\n")[1:-1] == held
