"""Whether all code is of the oldest Python that it has to run in: 3.10 computes, and 3.9 comes with the oldest QGIS."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OLDEST = {"false_core": (3, 10), "qgis_false": (3, 9), "processing_scripts": (3, 9)}


def trees(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted((ROOT / folder).rglob("*.py")):
        yield file, ast.parse(file.read_text(encoding="utf-8"), feature_version=OLDEST[folder])


def caught_alone(tree: ast.AST) -> list[int]:
    """Return the lines that name the built-in TimeoutError, but for those that raise it or name another one beside it."""
    found: list[int] = []
    for node in ast.walk(tree):
        children = list(ast.iter_child_nodes(node))
        beside = any(isinstance(child, ast.Attribute) and child.attr == "TimeoutError" for child in children)
        made = getattr(node, "func", None)
        built_in = [child for child in children if isinstance(child, ast.Name) and child.id == "TimeoutError"]
        if not beside and not isinstance(node, ast.Raise):
            found += [child.lineno for child in built_in if child is not made]
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("folder", OLDEST)
def test_the_grammar_is_known_and_what_takes_too_long_is_caught_as_each_python_calls_it(folder: str) -> None:
    """Before 3.11, asyncio and concurrent.futures, and so Dask, raise classes of their own, no OSErrors either."""
    looked_at = 0
    for file, tree in trees(folder):
        looked_at += 1
        assert not caught_alone(tree), f"{file}: name asyncio.TimeoutError or concurrent.futures.TimeoutError beside it."
    assert looked_at


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("try:\n    f()\nexcept TimeoutError:\n    pass", [3]),
        ("try:\n    f()\nexcept (OSError, TimeoutError):\n    pass", [3]),
        ("with suppress(TimeoutError):\n    f()", [1]),
        ("try:\n    f()\nexcept (TimeoutError, asyncio.TimeoutError):\n    pass", []),
        ("try:\n    f()\nexcept futures.TimeoutError:\n    pass", []),
        ("raise TimeoutError('late')", []),
        ("raise TimeoutError", []),
    ],
)
def test_what_catches_the_built_in_class_alone_is_found(text: str, lines: list[int]) -> None:
    assert caught_alone(ast.parse(text)) == lines
