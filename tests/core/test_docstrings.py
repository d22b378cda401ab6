"""A docstring is a sentence about something: its subject is a noun, or it says what a function does. So are its entries."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_A_NOUN = {
    "At", "Behind", "Between", "How", "Looked", "Of", "That", "Those", "Told", "Up", "What", "When", "Where", "Whether",
    "Which", "Who", "Whose", "Why",
}  # fmt: skip
NO_START_OF_AN_ENTRY = WITHOUT_A_NOUN | {
    "As", "Beside", "By", "For", "From", "If", "In", "Is", "On", "Or", "Per", "To", "Whatever", "With", "Without",
}  # fmt: skip
_BARE_ONE = re.compile(r"One(?: or more)? (?:each|for|per|that|with)\b")
"""What is one of something without saying of what, as in "One that was chosen"."""
_SECTION = re.compile(r"^( *)(?:Args|Attributes|Returns|Yields):$")
_ENTRY = re.compile(r"(?:[\w*, `]+: )?(\S.*)")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings(code: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring, those below a constant or an attribute too."""
    for node in ast.walk(ast.parse(code)):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        before: list[ast.stmt | None] = [None, *body]
        for statement, above in zip(body, before):
            documents = isinstance(node, DOCUMENTED) if above is None else isinstance(above, (ast.Assign, ast.AnnAssign))
            if documents and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.lineno, str(statement.value.value)


def without_a_noun(code: str) -> list[int]:
    """Return the lines of the docstrings that begin with a word such as What."""
    return [line for line, text in docstrings(code) if _lacks_a_noun(text, WITHOUT_A_NOUN)]


def _lacks_a_noun(text: str, words: set[str]) -> bool:
    """Return whether a text begins with one of ``words``, or is one of something unsaid."""
    return text.split()[0].rstrip(",:.;") in words or bool(_BARE_ONE.match(text))


def entries(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first lines of what a docstring says of each argument, attribute and result, with their numbers in it."""
    margin: int | None = None
    for number, line in enumerate(text.split("\n")):
        if heading := _SECTION.match(line):
            margin = len(heading[1])
        elif line.strip() and margin is not None:
            indent = len(line) - len(line.lstrip())
            margin = None if indent <= margin else margin
            if margin is not None and indent == margin + 4:
                yield number, line.strip()


def entries_without_a_noun(code: str) -> list[int]:
    """Return the lines of the entries of docstrings that begin with a word such as Whether."""
    return [
        line + number
        for line, text in docstrings(code)
        for number, entry in entries(text)
        if (found := _ENTRY.match(entry)) and _lacks_a_noun(found[1], NO_START_OF_AN_ENTRY)
    ]


@pytest.mark.thorough
@pytest.mark.parametrize("folder", ["false_core", "qgis_false", "tools", "benchmarks"])
def test_no_docstring_begins_without_a_noun(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    found = [f"{file.relative_to(ROOT)}:{line}" for file in files for line in without_a_noun(file.read_text("utf-8"))]
    assert not found, 'Say what it is, such as "Seconds that a job may take", or what it does, such as "Return whether ...".'


@pytest.mark.thorough
@pytest.mark.parametrize("folder", ["false_core", "qgis_false", "tools", "benchmarks"])
def test_no_entry_of_a_docstring_begins_without_a_noun(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    found = [
        f"{file.relative_to(ROOT)}:{line}" for file in files for line in entries_without_a_noun(file.read_text("utf-8"))
    ]
    assert not found, 'Say what it is, such as "Number of bands", and of a bool "True where ...".'


@pytest.mark.parametrize(
    "code",
    [
        '"""What a job costs."""',
        'class Speed:\n    """How fast it is."""',
        'def is_fast() -> bool:\n    """Whether it is fast."""',
        'LIMIT = 1\n"""Of a job."""',
        'LIMIT = 1\n"""Between two looks."""',
        'class Chosen:\n    """One that was chosen."""',
    ],
)
def test_one_that_does_is_found(code: str) -> None:
    assert without_a_noun(code)


@pytest.mark.parametrize(
    "entry",
    [
        "    Args:\n        path, name: What to read.",
        "    Attributes:\n        is_fast: Whether it is.",
        "    Returns:\n        Of shape (n,).",
        "    Args:\n        rows: One per variant.",
        "    Args:\n        others: Those of others.",
    ],
)
def test_an_entry_that_does_is_found(entry: str) -> None:
    assert entries_without_a_noun(f'def read() -> None:\n    """Read.\n\n{entry}\n    """') == [5]
