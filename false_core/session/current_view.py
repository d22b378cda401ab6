"""The view of the map that a person has: drawn anew where the map or the view has changed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from false_core.inference.tiles import Tile, TilePlan
from false_core.session.inbox import CHANGES, Inbox
from false_core.session.learning import Learning
from false_core.session.pictures import ViewRenderer
from false_core.session_protocol import Answer, Outline, Picture, Save, Suggest, View, packed

VIEW_S, SLICE_S = 10.0, 1.0
"""Time after which a view that is not complete gives way to labels that wait, and the time it has between two fits then."""


class CurrentView:
    """The view that a person has of the map.

    Attributes:
        request: The request for it; None until there is one.
        is_drawn: True where nothing of it is left to draw.
        gives_way: True where it has taken so long that labels come first.

    Args:
        renderer: Draws views.
        inbox: Requests, some of which make drawing useless.
        say: Called with every picture.
    """

    def __init__(self, renderer: ViewRenderer, inbox: Inbox, say: Callable[[Answer], None]) -> None:
        self._renderer, self._inbox, self._say = renderer, inbox, say
        self.request: View | None = None
        self._asked_at = 0.0
        self.is_drawn, self.gives_way = True, False
        self._codes: tuple[View, int, npt.NDArray[np.uint8]] | None = None
        """The last finished picture: its view, the request that its labels came with, and its classes."""
        self._before: tuple[View, npt.NDArray[np.uint8]] | None = None
        """The one before the labels changed."""

    def show(self, request: View) -> None:
        """Take in what is to be seen."""
        self.request, self._asked_at, self.is_drawn, self.gives_way = request, time.monotonic(), False, False

    def renew(self, labels_changed: bool) -> None:
        """Draw the view once more, as there is a new map. What was seen before other labels is kept for comparison."""
        if self._codes is not None and labels_changed:
            self._before = self._codes[0], self._codes[2]
        self.is_drawn = self.gives_way = False

    def tiles(self, plan: TilePlan) -> list[Tile]:
        """Return the tiles that are to be seen."""
        return self._renderer.needed(self.request, plan) if self.request is not None else []

    def draw(self, learning: Learning, labels_wait: bool) -> None:
        """Draw it with the map of now, and say the picture as it becomes complete.

        Args:
            labels_wait: True where labels that are not in the view are still to be learned from.
        """
        view, head, labels = self.request, learning.head, learning.fitted_by
        assert view is not None
        assert head is not None
        since = max(self._asked_at, learning.changed_at if labels == learning.changed_by else 0.0)
        before = self._before[1] if self._before is not None and _same_place(self._before[0], view) else None
        asked = self._inbox.interruption_by(*CHANGES, View, Outline, Suggest, Save)
        until = max(self._asked_at + VIEW_S, time.monotonic() + SLICE_S) if labels_wait else math.inf

        def is_over() -> bool:
            self.gives_way = time.monotonic() > until
            return self.gives_way or asked()

        for drawn in self._renderer.draw(view, learning.plan, head, before, is_over):
            self._say(
                Picture(
                    view.number,
                    labels,
                    view.extent,
                    view.width,
                    view.height,
                    view.shows,
                    round(drawn.known, 4),
                    packed(drawn.pixels.tobytes()),
                    round(time.monotonic() - since, 3),
                )
            )
            if drawn.known == 1.0:
                self._codes = view, labels, drawn.codes
        self.is_drawn = True


def _same_place(one: View, other: View) -> bool:
    return replace(one, number=0, shows="") == replace(other, number=0, shows="")
