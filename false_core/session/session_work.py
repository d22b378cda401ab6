"""The work on the raster of a session: what is to be done of itself, and the answers to single requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from false_core.accuracy.cross_validated import MIN_SHAPES_PER_CLASS
from false_core.errors import FalseError
from false_core.events import Progress
from false_core.inference.tiles import Tile
from false_core.session.current_view import CurrentView
from false_core.session.inbox import CHANGES, Inbox
from false_core.session.kept_tiles import KeptTiles
from false_core.session.learning import Learning
from false_core.session.live_head import LiveHead
from false_core.session.outline import Outliner
from false_core.session.pictures import ViewRenderer
from false_core.session.places_to_label import GridOfPlaces
from false_core.session.saving import save_live
from false_core.session.session_labels import points_of
from false_core.session.session_raster import SessionRaster
from false_core.session.session_scores import HeldOut, annotation_of, hold_out
from false_core.session.superseded import stop_if
from false_core.session_protocol import (
    MAX_PLACES,
    Answer,
    ChangeLabels,
    ClassScore,
    Outline,
    Outlined,
    Place,
    Save,
    Saved,
    Score,
    SessionScores,
    SetClasses,
    Suggest,
    SuggestedPlaces,
    View,
    Withdraw,
)

SUGGEST_S = 3.0
"""Time after which a person who asks where to label next is told of what has been looked at by then."""
PROGRESS_S = 1.0
"""Seconds between two words on how much of the raster has been looked at."""
Work = tuple[int, Callable[[], None]]
"""A piece of work, behind the number of the request that it is for."""


class SessionWork:
    """A raster that is open, with its labels, the map of the moment and the view of it.

    Attributes:
        learning: The labels, and what is learned from them.
    """

    def __init__(self, raster: SessionRaster, inbox: Inbox, say: Callable[[Answer], None]) -> None:
        self._raster, self._inbox, self._say = raster, inbox, say
        self._tiles = KeptTiles(raster)
        self.learning = Learning(raster, self._tiles, inbox, say)
        self._view = CurrentView(ViewRenderer(raster, self._tiles), inbox, say)
        self._outliner = Outliner(raster, self._tiles)
        self._grid = GridOfPlaces(raster, self._tiles, self.learning.plan)
        self._held_out: tuple[LiveHead, HeldOut] | None = None
        self._told_at = 0.0
        self._rests_for: FalseError | None = None

    def rest(self, error: FalseError) -> None:
        """Do nothing by itself until something is asked again: what failed just now would fail for ever."""
        self._rests_for = error

    def go_on(self) -> None:
        """Try again what failed."""
        self._rests_for = None

    def change(self, request: ChangeLabels | SetClasses) -> None:
        """Take in labels or classes."""
        self.go_on()
        self.learning.change(request)

    def show(self, view: View) -> None:
        """Take in what is to be seen."""
        self.go_on()
        self._view.show(view)

    # --- What is to be done ---------------------------------------------------------------------------------------------

    def learn(self) -> Work | None:
        """Return what it takes to learn from the labels, or None where that is done but for those far from the view."""
        learning = self.learning
        if learning.is_due and not learning.awaits_more and self._rests_for is None:
            near = learning.next_tile(self._shown_tiles)
            # The first map comes as soon as there can be one. Labels that are looked at later make it better.
            if near is not None and (learning.head is not None or not learning.can_begin()):
                return learning.changed_by, lambda: learning.look_at(near)
            return learning.changed_by, self._fit
        return None

    def draw(self) -> Work | None:
        """Return the picture of the view that is to be drawn, or None where it is."""
        view = self._view
        if view.request is None or view.is_drawn or self.learning.head is None or self._rests_for:
            return None
        if view.gives_way and self.far_labels():
            return None
        return view.request.number, lambda: view.draw(self.learning, self.far_labels() is not None)

    def far_labels(self) -> Work | None:
        """Return the next tile to look at for its labels, or None where none is left."""
        far = None if self.learning.awaits_more or self._rests_for else self.learning.next_tile()
        return None if far is None else (self.learning.changed_by, lambda: self.learning.look_far(far))

    def idle_work(self) -> Work | None:
        """Return the next tile of the raster to look at, or None where all have been."""
        if self._rests_for:
            return None
        tile = next((tile for tile in self.learning.plan if not self._grid.knows(tile)), None)
        return None if tile is None else (0, lambda: self._look_ahead(tile))

    def _shown_tiles(self) -> list[Tile]:
        return self._view.tiles(self.learning.plan)

    def _fit(self) -> None:
        plan, labels = self.learning.plan, self.learning.fitted_by
        if self.learning.fit():
            self._view.renew(self.learning.fitted_by != labels)
        if self.learning.plan is not plan:
            self._grid = GridOfPlaces(self._raster, self._tiles, self.learning.plan)

    def _look_ahead(self, tile: Tile) -> None:
        looked = self._tiles.of(tile, self._inbox.interruption_by(*CHANGES, View, Outline, Save, Score, Suggest))
        self._grid.add(looked)
        now, plan = time.monotonic(), self.learning.plan
        known = sum(map(self._grid.knows, plan))
        if now - self._told_at > PROGRESS_S or known == len(plan):
            self._told_at = now
            self._say(Progress(known / len(plan), "Looking at the rest of the raster"))

    # --- Answers --------------------------------------------------------------------------------------------------------

    def answer_outline(self, request: Outline) -> None:
        """Outline what is like the pixel at a click."""
        is_over = self._inbox.interruption_by(Outline, *CHANGES)
        shape = self._outliner.outline(request.x, request.y, request.reach, self.learning.plan, is_over)
        self._say(Outlined(request.number, "" if shape.is_empty else shape.wkb_hex))

    def answer_score(self, request: Score) -> None:
        """Say how good the map is, of all classes in the order in which they were given, also of those without labels."""
        held_out = self._scores(self.learning.fitted_head())
        known = {score.code: score for score in held_out.classes}
        missing = MIN_SHAPES_PER_CLASS
        classes = tuple(known.get(c.code, ClassScore(c.code, 0, missing=missing)) for c in self.learning.classes)
        accuracy, labels = held_out.accuracy, self.learning.fitted_by
        self._say(SessionScores(request.number, labels, accuracy.value, accuracy.low, accuracy.high, classes))

    def answer_suggest(self, request: Suggest) -> None:
        """Say where a label would teach most."""
        head, labels = self.learning.fitted_head(), self.learning.labels
        _, seen = points_of(self.learning.known(), [c.code for c in head.classes])
        count = max(1, min(request.places, MAX_PLACES))
        until = time.monotonic() + SUGGEST_S
        places: tuple[Place, ...] = ()
        # A view of a whole large raster has more tiles than anybody waits for.
        for tile in (tile for tile in self._shown_tiles() if not self._grid.knows(tile)):
            if time.monotonic() > until and (places := self._grid.best(head, labels, seen, count)):
                break
            self._grid.add(self._tiles.of(tile, self._inbox.interruption_by(*CHANGES, View, Suggest)))
        places = places or self._grid.best(head, labels, seen, count)
        self._say(SuggestedPlaces(request.number, self.learning.fitted_by, places))

    def answer_save(self, request: Save) -> None:
        """Write the model. It is refused where labels could not be learned from: it would lack them."""
        if self._rests_for is not None and self.learning.lacks_labels():
            raise self._rests_for
        head = self.learning.fitted_head()
        annotation = self._annotation(head)
        held_out = self._scores(head)
        stop_if(self._inbox.interruption_by(Withdraw))
        save_live(request, self._raster, head, annotation, held_out)
        self._say(Saved(request.number, request.path))

    def _annotation(self, head: LiveHead) -> Any:
        known = self.learning.known().values()
        return annotation_of(head, [label.shape for label in known], [label.code for label in known])

    def _scores(self, head: LiveHead) -> HeldOut:
        if self._held_out is None or self._held_out[0] is not head:
            points, seen = points_of(self.learning.known(), [c.code for c in head.classes])
            is_over = self._inbox.interruption_by(*CHANGES, View, Outline, Withdraw)
            found = hold_out(self._raster, head, self._annotation(head), points, seen, lambda: stop_if(is_over))
            self._held_out = head, found
        return self._held_out[1]
