"""What a session does next: what is refused keeps nothing else from being done, and a view gives way to labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from false_core.errors import FalseError, InputError
from false_core.session import current_view
from false_core.session.current_view import CurrentView
from false_core.session.inbox import Inbox
from false_core.session.session import Session
from false_core.session.session_work import SessionWork
from false_core.session.superseded import Superseded, stop_if
from false_core.session_protocol import ChangeLabels, Close, Picture, Refused, Save, View

VIEW = View(7, (0.0, 0.0, 2.0, 1.0), 2, 1)


class WorkThatRefuses:
    """Work on a raster that takes neither labels nor a model, and has one picture to draw; then the session ends."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox, self.drawn, self.rests = inbox, 0, False

    def refuse(self, _: Any) -> None:
        raise InputError("That does not do.")

    change = answer_save = answer_suggest = answer_score = refuse

    def nothing(self) -> None:
        return None

    learn = far_labels = nothing

    def draw(self) -> tuple[int, Callable[[], None]] | None:
        return None if self.drawn or self.rests else (VIEW.number, self.draw_it)

    def draw_it(self) -> None:
        self.drawn += 1

    def go_on(self) -> None:
        self.rests = False

    def rest(self, error: FalseError) -> None:
        self.rests = True
        self.inbox.put(Close(9))

    def idle_work(self) -> None:
        self.inbox.put(Close(9))


@pytest.mark.parametrize("request_", [Save(3, "model.safetensors"), ChangeLabels(3, (), ())], ids=["a model", "labels"])
def test_what_is_refused_keeps_no_picture_from_being_drawn(request_: Save | ChangeLabels) -> None:
    inbox, said = Inbox(), []
    session, work = Session(inbox, said.append), WorkThatRefuses(inbox)
    session._work = work
    inbox.put(request_)
    session.serve()
    assert [(type(one), one.number, one.what) for one in said] == [(Refused, 3, "That does not do.")]
    assert work.drawn == 1


class Renderer:
    """Draws a view in two steps, as long as it is wanted."""

    def draw(self, view: View, plan: Any, head: Any, before: Any, interrupted: Callable[[], bool]) -> Iterator[Any]:
        for known in (0.5, 1.0):
            stop_if(interrupted)
            codes = np.zeros((view.height, view.width), np.uint8)
            yield SimpleNamespace(known=known, pixels=codes, codes=codes)


def test_a_view_that_takes_long_gives_way_to_labels_that_wait_and_to_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Picture] = []
    work = SessionWork.__new__(SessionWork)  # Without a raster.
    work._rests_for, work._view = None, CurrentView(Renderer(), Inbox(), said.append)
    far: list[str] = ["a tile"]
    work.learning = SimpleNamespace(
        head=object(), plan=(), fitted_by=2, changed_by=2, changed_at=0.0, awaits_more=False,
        next_tile=lambda: far[0] if far else None,
    )  # fmt: skip
    work._view.show(VIEW)
    for limit in ("VIEW_S", "SLICE_S"):
        monkeypatch.setattr(current_view, limit, -1.0)
    with pytest.raises(Superseded):
        work.draw()[1]()
    assert not said and work.draw() is None, "labels come first"
    far.clear()
    work.draw()[1]()
    assert [one.known for one in said] == [0.5, 1.0] and work.draw() is None
