"""JSON from strangers: of bounded depth, with every key once. Standard library only, Python 3.9."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, NoReturn, Tuple

DEEPEST = 32
"""Levels of lists and objects. Nothing of ours has more than ten."""
# A text that is never closed is taken to the end, so that looking stays linear in the length whatever comes.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)


def loads(text: str, finite: bool = False) -> Any:
    """Return what ``text`` holds.

    Args:
        text: JSON.
        finite: Also refuse NaN and Infinity, which Python writes and JSON does not know.

    Raises:
        ValueError: It is not JSON, is nested deeper than ``DEEPEST``, or an object holds a key twice: what one reader takes
            for its value another one does not.
    """
    _check_depth(text)
    if finite:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    return json.loads(text, object_pairs_hook=_once)


def _check_depth(text: str) -> None:
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "[{":
            depth += 1
            if depth > DEEPEST:
                raise ValueError(f"it is nested more than {DEEPEST} levels deep")
        elif token in "]}":
            depth -= 1


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:100]!r} is given twice")
        found[name] = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
