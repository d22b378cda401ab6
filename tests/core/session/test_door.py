"""A labelling session in a process of its own: what it reads and says, and how it ends."""

from __future__ import annotations

import signal
import time

import pytest
from session_client import SessionClient
from small_world import textured_land, write_raster

from false_core.session_protocol import (
    SESSION_VERSION,
    Close,
    Finished,
    Open,
    Opened,
    Progress,
    Refused,
    Started,
    View,
)


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_raster(tmp_path_factory.mktemp("door") / "land.tif", textured_land(), nodata=0)


@pytest.mark.thorough
def test_it_answers_requests_refuses_what_is_none_and_ends_when_it_is_closed(
    raster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")  # Which a developer may have set.
    with SessionClient() as session:
        assert session.answer(Started).job == "session"
        session.write("{}\n\nnonsense\n" + '{"request": "view", "number": "one"}\n')
        for _ in range(3):
            assert session.answer(Refused, number=0).what.startswith("This is no request")
        number = session.ask(View, extent=(0.0, 1.0, 0.0, 1.0), width=5, height=5)
        assert session.answer(Refused, number=number).remedy == "Open one first."
        session.ask(Open, raster=raster)
        assert session.answer(Opened).protocol == SESSION_VERSION
        session.ask(Close)
        session.answer(Finished)
        assert session.process.wait(5) == 0


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["end of stdin", "SIGTERM"])
def test_nothing_of_it_is_left_when_nobody_wants_it_any_more(raster: str, how: str) -> None:
    with SessionClient() as session:
        session.ask(Open, raster=raster)
        session.answer(Progress)  # In the middle of opening.
        began = time.monotonic()
        if how == "end of stdin":
            assert session.process.stdin is not None
            session.process.stdin.close()
        else:
            session.process.send_signal(getattr(signal, how))
        session.process.wait(10)
        assert time.monotonic() - began < 4
