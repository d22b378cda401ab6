"""Every error message in the product is provoked by a test, and says what happened and what to do."""

from __future__ import annotations

import ast

import pytest
from error_messages import ROOT, Site, all_sites, listed

SITES = all_sites()
TESTS = [test for test in listed().values() if test]
MOST_GAPS = 0
"""Messages that no test is known to provoke. Only ever lowered."""


def functions(file: str) -> set[str]:
    """Return the names of the tests in a file, with those of their classes."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return found | {f"{c.name}::{node.name}" for c in classes for node in c.body if isinstance(node, ast.FunctionDef)}


class TestTheList:
    def test_holds_every_message_of_the_product(self) -> None:
        assert len(SITES) > 150
        missing = [f"{site.key} (line {site.lines[0]})" for site in SITES if site.key not in listed()]
        assert not missing, "Write a test that provokes them; tests/error_messages.py says how to list it."

    def test_holds_no_message_that_is_no_longer_there(self) -> None:
        assert not set(listed()) - {site.key for site in SITES}

    def test_has_fewer_gaps_than_ever(self) -> None:
        gaps = [key for key, test in listed().items() if not test]
        assert len(gaps) <= MOST_GAPS, f"Nothing that can be watched provokes {gaps}."

    @pytest.mark.parametrize("file", sorted({test.partition("::")[0] for test in TESTS}))
    def test_names_tests_that_are_there(self, file: str) -> None:
        named = {test.partition("::")[2].partition("[")[0] for test in TESTS if test.startswith(f"{file}::")}
        assert not named - functions(file)


class TestAMessage:
    @pytest.mark.parametrize("site", SITES, ids=lambda site: f"{site.file}:{site.lines[0]}")
    def test_ends_as_a_sentence_does(self, site: Site) -> None:
        if not site.message.startswith("… ("):
            assert site.message.rstrip("…").rstrip()[-1:] in ".:" or site.message.endswith("…"), site.message
