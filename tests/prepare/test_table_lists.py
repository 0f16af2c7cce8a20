"""Lists written as text come back as they were; hostile text is refused quickly and never run."""

import ast
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_clip.prepare.table_lists import MAX_CHARACTERS, looks_like_list, parse_list

# Lone surrogates are no characters: no file in UTF-8 holds one.
texts = st.text(st.characters(exclude_categories=["Cs"]))
lists = st.lists(texts | st.lists(texts | st.lists(texts, max_size=3), max_size=3), max_size=4)


@given(lists)
@settings(max_examples=200, deadline=None)
def test_what_python_writes_is_read_as_python_would(value: list) -> None:
    assert parse_list(repr(value)) == value == ast.literal_eval(repr(value))


@given(st.text(alphabet="[]',\\\" axnu0NUone.-1\n\t") | st.text())
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_list_or_refused(text: str) -> None:
    try:
        found = parse_list(text)
    except ValueError:
        return
    assert isinstance(found, list)


def test_mutated_lists_are_read_or_refused() -> None:
    rng = random.Random(0)
    whole = repr([["Edema", 'it\'s "so"\n'], [], ["a\\b é"]])
    refused = 0
    for _ in range(2000):
        place = rng.randrange(len(whole))
        change = rng.choice(["", "[", "]", "'", "\\", ",", chr(rng.randrange(0xD7FF))])
        try:
            parse_list(whole[:place] + change + whole[place + rng.randrange(3) :])
        except ValueError:
            refused += 1
    assert 0 < refused < 2000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", []),
        (" [ 'a' , \"b's\" ,] ", ["a", "b's"]),
        ("[1, -2.5, 0.0, None, nan, True]", ["1", "-2.5", "0.0", "", "", "True"]),
        (r"['a\n\x41\u00e9\'']", ["a\nAé'"]),
        ("[['Edema'], [], ['Mass']]", [["Edema"], [], ["Mass"]]),
    ],
)
def test_the_notation_that_is_read(text: str, expected: list) -> None:
    assert parse_list(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'a'",
        "[",
        "]",
        "['a'",
        "['a']]",
        "['a'] ['b']",
        "['a' 'b']",
        "[,]",
        "[[[[['too deep']]]]]",
        "[" * 100_000,
        "-" * 100_000,
        "[" + "-" * 100_000 + "1]",
        "['" + "\\" * 99_999,
        "[" + " " * 100_000,
        "['a" + "\n" + "b']",
        "__import__('os').system('touch owned')",
        "[__import__('os').system('id')]",
        "[open('/etc/passwd').read()]",
        "[f'{1+1}']",
        "[x for x in range(9)]",
        "['a'*10**9]",
        "[1e999999999]",
        "[10**10**10]",
        r"['\ud800']",
        r"['\U00110000']",
        r"['\q']",
        "{'a': 1}",
        "('a',)",
    ],
)
def test_anything_else_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(ValueError, match=r"text that is no list|escape"):
        parse_list(text)


def test_a_list_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(ValueError, match="more than 1,000,000 characters"):
        parse_list("[" + "'a'," * MAX_CHARACTERS + "]")


def test_only_a_bracket_makes_a_list() -> None:
    assert looks_like_list("  ['a']")
    assert not looks_like_list("No change. [Reviewed]")
