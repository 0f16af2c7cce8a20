"""The blocks of code of a documentation page, and its commands run as they stand."""

import re
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
# Before a block that no test can run: the reason.
NOT_RUN = re.compile(r"<!-- not run: .+ -->")
_BLOCK = re.compile(
    r"(?:^(?P<mark><!-- not run: [^\n]+ -->)\n+)?^```(?P<language>\w+)\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE
)


def blocks(page: Path, language: str, *, marked: bool = False) -> list[str]:
    """The blocks of a language that are to run, or, with `marked`, all of them."""
    found = _BLOCK.finditer(page.read_text("utf-8"))
    return [one["code"] for one in found if one["language"] == language and (marked or not one["mark"])]


def commands(page: Path, *, marked: bool = False) -> list[str]:
    """The lines of shell blocks as `blocks` has them, without comments; a line that ends with a backslash goes on."""
    lines = "".join(blocks(page, "sh", marked=marked)).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines) if line]


def is_form(line: str) -> bool:
    """Whether a line shows how a command is called, with words in capitals or in brackets for what people give."""
    return re.search(r"(^|[\s=])[A-Z][A-Z_]+(\b|\.\.\.)|\s\[", line.partition(" >")[0]) is not None


def run_commands(
    page: Path,
    command: Callable[..., int],
    *,
    more: Mapping[str, tuple[object, ...]] | None = None,
    without: Collection[str] = (),
) -> list[str]:
    """Run every `cxr-clip` line of a page, and return the lines.

    `more` are options that keep a command small, by its name; those in `without` are left to other tests. Patterns of
    files are filled in as a shell does; forms, and other programs such as pip, are left out.
    """
    ran = []
    for line in commands(page):
        words = shlex.split(line.partition(" >")[0])
        if words[0] != "cxr-clip" or words[1] in without or is_form(line):
            continue
        filled = [one for word in words[1:] for one in (_matching(word) if "*" in word else [word])]
        smaller = () if "--help" in words else (more or {}).get(words[1], ())
        assert command(*filled, *smaller) == 0, line
        ran.append(line)
    return ran


def _matching(pattern: str) -> list[str]:
    return sorted(str(path) for path in Path().glob(pattern))
