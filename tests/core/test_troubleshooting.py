"""The page "When it goes wrong" quotes messages as the programs say them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "when-it-goes-wrong.md"
QUOTED = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Return every text in the programs, with … for what is filled in, and with the words for several of something."""
    found = []
    for folder in ("false_core", "qgis_false"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(re.sub(r"{\w+}", "…", re.sub(r"{\w+:[^{}]*\|([^{}]*)}", r"\1", node.value)))
                elif isinstance(node, ast.JoinedStr):
                    parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                    found.append("".join(map(str, parts)))
    return found


def test_it_quotes_messages():
    assert len(QUOTED) > 40


@pytest.mark.thorough
@pytest.mark.parametrize("message", QUOTED)
def test_a_message_is_said_like_that(message, texts):
    wanted = re.compile(".*?".join(re.escape(part) for part in re.split("…", message)), re.DOTALL)
    assert any(wanted.search(text) for text in texts)
