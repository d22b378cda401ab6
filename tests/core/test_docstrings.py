"""A docstring is a sentence about something: its subject is a noun, or it says what a function does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_A_NOUN = {"How", "Of", "That", "Told", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "Why"}
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
    return [line for line, text in docstrings(code) if text.split()[0].rstrip(",:") in WITHOUT_A_NOUN]


@pytest.mark.thorough
@pytest.mark.parametrize("folder", ["false_core", "qgis_false", "tools"])
def test_no_docstring_begins_without_a_noun(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    found = [f"{file.relative_to(ROOT)}:{line}" for file in files for line in without_a_noun(file.read_text("utf-8"))]
    assert not found, 'Say what it is, such as "Seconds that a job may take", or what it does, such as "Return whether ...".'


@pytest.mark.parametrize(
    "code",
    [
        '"""What a job costs."""',
        'class Speed:\n    """How fast it is."""',
        'def is_fast() -> bool:\n    """Whether it is fast."""',
        'LIMIT = 1\n"""Of a job."""',
    ],
)
def test_one_that_does_is_found(code: str) -> None:
    assert without_a_noun(code)
