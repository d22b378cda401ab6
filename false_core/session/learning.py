"""Learning from the labels of a session: the classes and labels of now, and the classifiers that are fitted to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from false_core.errors import InputError, RequestError
from false_core.inference.tiles import Tile, TilePlan
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.session.inbox import CHANGES, Inbox
from false_core.session.kept_tiles import KeptTiles
from false_core.session.label_features import labels_per_tile, take_features
from false_core.session.live_head import LiveHead, fit_live, head_of_model
from false_core.session.session_labels import PlacedLabel, SessionLabels, points_of
from false_core.session.session_raster import SessionRaster
from false_core.session.superseded import Superseded, stop_if
from false_core.session_protocol import Answer, ChangeLabels, ClassEntry, Learned, SetClasses

REFIT_S = 1.5
"""Seconds between two fits while labels far from the view are still being looked at."""
_ANY = {"code": 1, "name": "any", "color": "#000000"}


class Learning:
    """The classes and labels of a session, and what is learned from them.

    Attributes:
        labels: All labels.
        classes: The classes, in the order in which they were given.
        head: The classifiers; None where there is no map yet.
        plan: The tiles that the raster is looked at in.
        changed_by: Number of the last request that changed labels or classes.
        changed_at: Time when it came.
        fitted_by: Number of the request up to which the map has learned from the labels.
        is_due: True where labels or classes have changed since.
        awaits_more: True where more labels follow the last ones.

    Args:
        raster: The raster, and how it is looked at.
        tiles: Looks at its tiles.
        inbox: Requests, some of which make learning useless.
        say: Called with what was learned.
    """

    def __init__(self, raster: SessionRaster, tiles: KeptTiles, inbox: Inbox, say: Callable[[Answer], None]) -> None:
        self._raster, self._tiles, self._inbox, self._say = raster, tiles, inbox, say
        self.labels = SessionLabels(raster.source, raster.start.job.seed)
        self.classes: tuple[ClassEntry, ...] = ()
        self.head: LiveHead | None = head_of_model(raster)
        self.plan: TilePlan = raster.plan(2)
        self.changed_by, self.changed_at = 0, time.monotonic()
        self.fitted_by, self._fitted_at = 0, 0.0
        self.is_due, self.awaits_more = False, False

    def change(self, request: ChangeLabels | SetClasses) -> None:
        """Take in labels or classes.

        Raises:
            RequestError: The classes cannot be used.
        """
        if isinstance(request, SetClasses):
            self._set_classes(request)
        else:
            self.awaits_more = request.more
            self.labels.change(request.changed, request.removed)
        self.changed_by, self.changed_at = request.number, time.monotonic()
        self.is_due = True

    def _set_classes(self, request: SetClasses) -> None:
        try:
            ClassTable.from_list([{"code": c.code, "name": c.name, "color": c.color} for c in request.classes] or [_ANY])
        except ValueError as error:
            raise RequestError(f"The classes cannot be used: {error}.", "Give each its own code, 1 to 254.") from error
        if any(c.code < 1 for c in request.classes):
            raise RequestError("A class has the code 0, which stands for nodata.", "Give it another one, 1 to 254.")
        self.classes = request.classes

    def _usable(self) -> dict[int, PlacedLabel]:
        """Return the labels of known classes on the raster, by id."""
        return self.labels.of_codes([c.code for c in self.classes])

    def known(self) -> dict[int, PlacedLabel]:
        """Return the usable labels whose features are known, by id."""
        return {one: label for one, label in self._usable().items() if label.is_looked_at and len(label.taken)}

    def can_begin(self) -> bool:
        """Return whether labels of two classes have been looked at."""
        return len({label.code for label in self.known().values()}) >= 2

    def fitted_head(self) -> LiveHead:
        """Return the classifiers that were fitted to labels.

        Raises:
            InputError: There are none.
        """
        if self.head is None or not self.head.fitted:
            raise InputError("There is no map yet.", "Draw labels of two classes at least.")
        return self.head

    def lacks_labels(self) -> bool:
        """Return whether the map has not learned from all labels yet."""
        return self.is_due or self.fitted_by != self.changed_by or self.next_tile() is not None

    def next_tile(self, shown: Callable[[], Collection[Tile]] | None = None) -> Tile | None:
        """Return the tile with most labels that are not looked at yet, or None.

        Args:
            shown: Returns the tiles in the view. Then only these count, and tiles that are at hand; all count as long as
                there is no map.
        """
        counts = labels_per_tile(self._usable(), self.plan)
        first = {(tile.column, tile.row) for tile in shown()} if shown and counts else set()
        for key in sorted(counts, key=lambda one: (one not in first, -counts[one], one)):
            tile = self.plan.tile(*key)
            if not shown or key in first or self._tiles.is_at_hand(tile) or not (self.head or self.can_begin()):
                return tile
        return None

    def look_at(self, tile: Tile) -> None:
        """Take the features of the labels in a tile."""
        # A view that moves on does not make labels worthless.
        interrupted = self._inbox.interruption_by(*CHANGES)
        take_features(self._usable(), tile, self.plan, self._tiles, self._raster.source.factor, interrupted)

    def look_far(self, tile: Tile) -> None:
        """Take the features of the labels in a tile that is not shown, and learn from them now and then."""
        self.look_at(tile)
        if self.next_tile() is None or time.monotonic() - self._fitted_at > REFIT_S:
            self.is_due = True

    def fit(self) -> bool:
        """Fit the classifiers to the known labels, and say so. Return whether there is a new map.

        Raises:
            Superseded: Labels or classes have changed meanwhile.
        """
        began = time.monotonic()
        self.is_due = False
        known, usable, number = self.known(), self._usable(), self.changed_by
        codes = sorted({label.code for label in known.values()})
        waiting = len(usable) - len(known)
        problem = _problem(codes, waiting)
        if problem:
            if self._raster.model is None:
                self.head = None
            self._say(Learned(number, len(known), waiting, self.labels.outside, problem))
            self.fitted_by = number
            return False
        entries = {c.code: c for c in self.classes}
        classes = ClassTable(tuple(LandCoverClass(code, entries[code].name, entries[code].color) for code in codes))
        points, seen = points_of(known, codes)
        before = self.head if self.head and self.head.fitted else None
        is_over = self._inbox.interruption_by(*CHANGES)
        try:
            self.head = fit_live(self._raster, classes, points, seen, before, lambda: stop_if(is_over))
        except Superseded:
            self.is_due = True
            raise
        self._take_plan(self._raster.plan(len(classes)))
        self.fitted_by, self._fitted_at = number, time.monotonic()
        seconds = round(self._fitted_at - began, 3)
        self._say(Learned(number, len(known), waiting, self.labels.outside, "", seconds))
        return True

    def _take_plan(self, plan: TilePlan) -> None:
        """Work on other tiles, which very many classes ask for. What labels are like is found out anew."""
        if plan != self.plan:
            self.plan = plan
            for label in self._usable().values():
                label.forget_features()
            self.is_due = True


def _problem(codes: list[int], waiting: int) -> str:
    if len(codes) >= 2:
        return ""
    if waiting:
        return "The labels are being looked at."
    if codes:
        return "There are labels of one class. Draw one of another class."
    return "There is no label yet. Draw one of each of two classes."
