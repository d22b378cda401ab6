"""The lines of a labelling session: whatever can be asked and answered survives them, and nothing else passes for it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from false_core import session_protocol
from false_core.line_protocol import ProtocolError
from false_core.session_protocol import (
    ANSWERS,
    REQUESTS,
    ChangeLabels,
    Label,
    Picture,
    View,
    is_usable,
    packed,
    pixels_of,
)

KINDS = {
    REQUESTS: ("Open", "SetClasses", "ChangeLabels", "View", "Score", "Suggest", "Outline", "Save", "Withdraw", "Close"),
    ANSWERS: (
        *("Opened", "Learned", "Picture", "SessionScores", "SuggestedPlaces", "Outlined"),
        *("Saved", "Withdrawn", "Refused"),
    ),
}
MESSAGES = [(words, getattr(session_protocol, name)) for words, names in KINDS.items() for name in names]


def any_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for messages of a kind."""
    return st.builds(kind, **{name: _values(hint) for name, hint in get_type_hints(kind).items()})


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if dataclasses.is_dataclass(hint):
        return any_of(hint)
    arguments = getattr(hint, "__args__", ())
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if type(None) in arguments:
        return st.none() | _values(arguments[0])
    finite = st.floats(allow_nan=False, allow_infinity=False)
    return {int: st.integers(-(2**62), 2**62), float: finite, bool: st.booleans(), str: st.text(max_size=20)}[hint]


@pytest.mark.thorough
@pytest.mark.parametrize(("words", "kind"), MESSAGES, ids=lambda value: getattr(value, "__name__", ""))
def test_any_message_survives_a_line_of_json(words: Any, kind: type[Any]) -> None:
    @given(any_of(kind))
    def survives(message: Any) -> None:
        line = words.encode(message)
        assert "\n" not in line
        assert words.decode(line) == message

    survives()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "null",
        '{"request": "unknown", "number": 1}',
        '{"request": "close"}',
        '{"request": "close", "number": 1, "more": 2}',
        '{"request": "close", "number": true}',
        '{"request": "close", "number": 1.5}',
        '{"request": "close", "number": 1, "number": 2}',
        '{"request": "view", "number": 1, "extent": "all", "width": 1, "height": 1}',
        '{"request": "view", "number": 1, "extent": [NaN], "width": 1, "height": 1}',
        '{"request": "changelabels", "number": 1, "changed": [{"id": 1, "code": 2}]}',
        '{"request": "changelabels", "number": 1, "changed": [3]}',
    ],
)
def test_what_is_no_request_is_none(line: str) -> None:
    with pytest.raises(ProtocolError):
        REQUESTS.decode(line)


def test_labels_are_read_as_they_were_sent() -> None:
    line = json.dumps(
        {"request": "changelabels", "number": 7, "changed": [{"id": 1, "code": 2, "wkb": "00"}], "removed": [4]}
    )
    assert REQUESTS.decode(line) == ChangeLabels(7, (Label(1, 2, "00"),), (4,))


@given(st.binary(min_size=12, max_size=12))
def test_pixels_come_out_as_they_went_in(pixels: bytes) -> None:
    assert pixels_of(Picture(1, 1, (0.0, 1.0, 0.0, 1.0), 4, 3, "classes", 1.0, packed(pixels))) == pixels


@pytest.mark.parametrize(
    ("width", "height", "pixels"),
    [(4, 3, packed(bytes(11))), (4, 3, packed(bytes(13))), (4, 3, packed(bytes(10**8))),
     (4, 3, "zz"), (4, 3, "AAAA"), (0, 3, packed(b"")),
     (10**6, 10**6, packed(b"1"))],
)  # fmt: skip
def test_pixels_of_another_size_are_none(width: int, height: int, pixels: str) -> None:
    with pytest.raises(ProtocolError):
        pixels_of(Picture(1, 1, (), width, height, "classes", 1.0, pixels))


@pytest.mark.parametrize("extent", [(), (0.0, 1.0, 0.0), (1.0, 1.0, 0.0, 1.0), (0.0, 1.0, 2.0, 1.0)])
def test_a_view_without_a_size_cannot_be_shown(extent: tuple[float, ...]) -> None:
    assert not is_usable(View(1, extent, 10, 10))
    assert is_usable(View(1, (0.0, 1.0, 0.0, 1.0), 10, 10))
