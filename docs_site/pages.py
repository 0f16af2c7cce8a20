"""Pages of the site that do not lie in docs/: the README and its like, and the reference of the Python names."""

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))
from reference import PAGES, overview, reference

ROOT = Path(__file__).parents[1]
# Files of the repository, and the pages that they become.
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
_MARK = re.compile(r"^<!-- .*? -->\n", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, made anew at every build."""
    for name, page in OUTSIDE.items():
        words = _seen_from_docs((ROOT / name).read_text("utf-8"))
        files.append(File.generated(config, page, content=words))
    files.append(File.generated(config, "api/index.md", content=overview()))
    for page in PAGES:
        files.append(File.generated(config, f"api/{page.name}.md", content=reference(page, ROOT / "src")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Turn links to such files into links to their pages; the comments that mark tables and blocks go."""
    up = "../" * page.file.src_uri.count("/")
    for name, made in OUTSIDE.items():
        markdown = re.sub(rf"\]\((\.\./)*{re.escape(name)}", f"]({up}{made}", markdown)
    return _MARK.sub("\n", markdown)


def _seen_from_docs(words: str) -> str:
    """Addresses as seen from docs/; a file that becomes no page is named without a link."""
    return re.sub(r"\[(CITATION\.cff)\]\(\1\)", r"`\1`", words.replace("](docs/", "](").replace("[docs/", "["))
