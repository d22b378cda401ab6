"""The next work of a session: the most urgent of what its raster, labels, view and requests make necessary.

Nothing is queued. Requests change what is known, and then the most urgent piece of work that this leaves is done; a request
that makes it useless ends it at once. So an answer never waits for work that nobody wants any more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from false_core.accuracy.cross_validated import MIN_SHAPES_PER_CLASS
from false_core.errors import FalseError, InputError, RequestError
from false_core.events import Progress
from false_core.feedback import Feedback
from false_core.inference.tiles import Tile, TilePlan
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.session.inbox import Inbox
from false_core.session.kept_tiles import EncodedTile, KeptTiles
from false_core.session.live_head import LiveHead, fit_live, head_of_model
from false_core.session.outline import Outliner
from false_core.session.pictures import ViewRenderer
from false_core.session.places_to_label import GridOfPlaces
from false_core.session.saving import save_live
from false_core.session.session_labels import PlacedLabel, SessionLabels, points_of, take_places, tiles_of
from false_core.session.session_raster import SessionRaster, open_session_raster
from false_core.session.session_scores import HeldOut, annotation_of, hold_out
from false_core.session.superseded import Superseded, stop_if
from false_core.session_protocol import (
    MAX_PLACES,
    SESSION_VERSION,
    Answer,
    ChangeLabels,
    ClassEntry,
    ClassScore,
    Close,
    Learned,
    Open,
    Opened,
    Outline,
    Outlined,
    Picture,
    Place,
    Refused,
    Save,
    Saved,
    Score,
    SessionRequest,
    SessionScores,
    SetClasses,
    Suggest,
    SuggestedPlaces,
    View,
    Withdraw,
    Withdrawn,
    is_usable,
    packed,
)
from false_core.training.heads.samples import FloatArray

REFIT_S = 1.5
"""Seconds between two fits while labels far from the view are still being looked at."""
FEW_LABELS = 4
"""Labels of a tile up to which each is looked at alone. The surroundings of more overlap, or nearly fill the tile."""
VIEW_S, SLICE_S = 10.0, 1.0
"""Time after which a view that is not complete gives way to labels that wait, and the time it has between two fits then."""
SUGGEST_S = 3.0
"""Time after which a person who asks where to label next is told of what has been looked at by then."""
PROGRESS_S = 1.0
"""Seconds between two words on how much of the raster has been looked at."""
CHANGES = (ChangeLabels, SetClasses)
ANSWERED_ONCE = (Suggest, Outline, Save, Score)
"""Requests that can be taken back."""


class Session:
    """Serves one person who labels one raster.

    Args:
        inbox: Inbox that requests come in by.
        say: Called with every answer.
    """

    def __init__(self, inbox: Inbox, say: Callable[[Answer], None]) -> None:
        self._inbox, self._say = inbox, say
        self._room: _Room | None = None
        self._pending: dict[type[Any], Any] = {}
        """The latest request of each kind that is to be answered once."""
        self._is_closed = False
        self.is_idle = False
        """True where nothing was left to do at the last look."""

    def serve(self) -> None:
        """Answer requests until the session is closed."""
        while not self._is_closed:
            work = self._next_work()
            self.is_idle = work is None
            for request in self._inbox.take(wait=work is None):
                self.is_idle = False
                self._take(request)
                work = None  # Another one may be more urgent now.
            if work is None:
                work = self._next_work()
            if work is not None and not self._is_closed:
                number, do = work
                if not self._guarded(number, do) and self._room is not None:
                    self._room.rest()

    def _guarded(self, number: int, do: Callable[[], None]) -> bool:
        """Do something, and say where it is refused. Return whether it was not."""
        try:
            do()
        except Superseded:
            pass
        except FalseError as error:
            self._refuse(number, error)
            return False
        return True

    def _refuse(self, number: int, error: FalseError) -> None:
        self._say(Refused(number, error.what, error.remedy, error.code))

    def _take(self, request: SessionRequest) -> None:
        if isinstance(request, Close):
            self._is_closed = True
        elif isinstance(request, Open):
            self._pending = {Open: request}
            self._room = None
        elif isinstance(request, Withdraw):
            waiting = [kind for kind, one in self._pending.items() if one.number == request.asked and kind in ANSWERED_ONCE]
            for kind in waiting:
                del self._pending[kind]
            self._say(Withdrawn(request.number, bool(waiting)))
        elif self._room is None and Open not in self._pending:
            self._say(Refused(request.number, "No raster is open.", "Open one first.", RequestError.code))
        elif isinstance(request, CHANGES):
            if self._room is None:
                # Opening comes first, whatever else came in with it.
                self._open()
            if self._room is not None:
                room = self._room
                self._guarded(request.number, lambda: room.change(request))
        elif isinstance(request, View) and not is_usable(request):
            self._say(Refused(request.number, "The view has no size.", "Give an extent and a size.", RequestError.code))
        else:
            self._pending[type(request)] = request

    def _next_work(self) -> tuple[int, Callable[[], None]] | None:
        """Return the most urgent piece of work, with the number of the request that it is for."""
        if Open in self._pending:
            return self._pending[Open].number, self._open
        room = self._room
        if room is None:
            return None
        if Outline in self._pending:
            return self._once(Outline, room.answer_outline)
        if View in self._pending:
            room.show(self._pending.pop(View))
        # A view of a large raster takes minutes. Nobody who has pressed a button waits for it.
        return (
            room.learning()
            or self._asked(Suggest, room.answer_suggest)
            or (room.far_labels() if Save in self._pending else None)
            or self._asked(Save, room.answer_save)
            or room.drawing()
            or room.far_labels()
            or self._asked(Score, room.answer_score)
            or room.idle_work()
        )

    def _asked(self, kind: type[Any], do: Callable[[Any], None]) -> tuple[int, Callable[[], None]] | None:
        return self._once(kind, do) if kind in self._pending else None

    def _once(self, kind: type[Any], do: Callable[[Any], None]) -> tuple[int, Callable[[], None]]:
        request = self._pending[kind]

        def answer() -> None:
            try:
                do(request)
            except Superseded:
                return  # It stays, to be done later.
            except FalseError as error:  # It is over with that, and keeps nothing else from being done.
                self._refuse(request.number, error)
            if self._pending.get(kind) is request:
                del self._pending[kind]

        return request.number, answer

    def _open(self) -> None:
        request = self._pending.pop(Open)

        def do() -> None:
            raster = open_session_raster(request, Feedback(self._say_event))
            self._room = _Room(raster, self._inbox, self._say)
            self._say(_opened(request, raster))

        self._guarded(request.number, do)

    def _say_event(self, event: Any) -> None:
        self._say(event)


class _Room:
    """A raster that is open, with its labels, the map of the moment and the view of it."""

    def __init__(self, raster: SessionRaster, inbox: Inbox, say: Callable[[Answer], None]) -> None:
        self._raster, self._inbox, self._say = raster, inbox, say
        self._tiles = KeptTiles(raster)
        self._labels = SessionLabels(raster.source, raster.start.job.seed)
        self._renderer = ViewRenderer(raster, self._tiles)
        self._outliner = Outliner(raster, self._tiles)
        self._head = head_of_model(raster)
        self._classes: tuple[ClassEntry, ...] = ()
        self._plan: TilePlan = raster.plan(2)
        self._grid = GridOfPlaces(raster, self._tiles, self._plan)
        self._changed_by, self._changed_at = 0, time.monotonic()
        """The last request that changed labels or classes, and when it came."""
        self._fitted_by, self._fitted_at = 0, 0.0
        """The labels that the map has learned from: up to which request, and when."""
        self._wants_fit, self._awaits_more = False, False
        self._view: View | None = None
        self._view_at = 0.0
        self._is_drawn, self._gives_way = True, False
        self._codes: tuple[View, int, npt.NDArray[np.uint8]] | None = None
        """The last finished picture: its view, the request that its labels came with, and its classes."""
        self._before: tuple[View, npt.NDArray[np.uint8]] | None = None
        """The one before the labels changed."""
        self._held_out: tuple[LiveHead, HeldOut] | None = None
        self._told_at = 0.0
        self._rests = False

    def rest(self) -> None:
        """Do nothing by itself until something is asked again: what failed just now would fail for ever."""
        self._rests = True

    # --- What requests change -------------------------------------------------------------------------------------------

    def change(self, request: ChangeLabels | SetClasses) -> None:
        """Take in labels or classes."""
        self._rests = False
        if isinstance(request, SetClasses):
            self._set_classes(request)
        else:
            self._awaits_more = request.more
            self._labels.change(request.changed, request.removed)
        self._changed_by, self._changed_at = request.number, time.monotonic()
        self._wants_fit = True

    def _set_classes(self, request: SetClasses) -> None:
        try:
            ClassTable.from_list([{"code": c.code, "name": c.name, "color": c.color} for c in request.classes] or [_ANY])
        except ValueError as error:
            raise RequestError(f"The classes cannot be used: {error}.", "Give each its own code, 1 to 254.") from error
        if any(c.code < 1 for c in request.classes):
            raise RequestError("A class has the code 0, which stands for nodata.", "Give it another one, 1 to 254.")
        self._classes = request.classes

    def show(self, view: View) -> None:
        """Take in what is to be seen."""
        self._rests = False
        self._view, self._view_at, self._is_drawn, self._gives_way = view, time.monotonic(), False, False

    # --- What is to be done ---------------------------------------------------------------------------------------------

    def learning(self) -> tuple[int, Callable[[], None]] | None:
        """Return what it takes to learn from the labels, or None where that is done but for those far from the view."""
        if self._wants_fit and not self._awaits_more and not self._rests:
            near = self._tile_to_look_at(near=True)
            # The first map comes as soon as there can be one. Labels that are looked at later make it better.
            if near is not None and (self._head is not None or not self._can_begin()):
                return self._changed_by, lambda: self._look_at_labels(near)
            return self._changed_by, self._fit
        return None

    def drawing(self) -> tuple[int, Callable[[], None]] | None:
        """Return the picture of the view that is to be drawn, or None where it is."""
        if self._view is None or self._is_drawn or self._head is None or self._rests:
            return None
        return None if self._gives_way and self.far_labels() else (self._view.number, self._draw)

    def far_labels(self) -> tuple[int, Callable[[], None]] | None:
        """Return the next tile to look at for its labels, or None where none is left."""
        far = None if self._awaits_more or self._rests else self._tile_to_look_at(near=False)
        return None if far is None else (self._changed_by, lambda: self._look_far(far))

    def idle_work(self) -> tuple[int, Callable[[], None]] | None:
        """Return the next tile of the raster to look at, or None where all have been."""
        if self._rests:
            return None
        tile = next((tile for tile in self._plan if not self._grid.knows(tile)), None)
        return None if tile is None else (0, lambda: self._look_ahead(tile))

    def _look_far(self, tile: Tile) -> None:
        self._look_at_labels(tile)
        is_last = self._tile_to_look_at(near=False) is None
        if is_last or time.monotonic() - self._fitted_at > REFIT_S:
            self._wants_fit = True

    def _look_ahead(self, tile: Tile) -> None:
        looked = self._tiles.of(tile, self._inbox.interruption_by(*CHANGES, View, Outline, Save, Score, Suggest))
        self._grid.add(looked)
        now = time.monotonic()
        if now - self._told_at > PROGRESS_S or all(map(self._grid.knows, self._plan)):
            self._told_at = now
            known = sum(map(self._grid.knows, self._plan))
            self._say(Progress(known / len(self._plan), "Looking at the rest of the raster"))

    # --- Labels and learning --------------------------------------------------------------------------------------------

    @property
    def _codes_of_classes(self) -> list[int]:
        return [c.code for c in self._classes]

    def _usable(self) -> dict[int, PlacedLabel]:
        """Return the labels of known classes on the raster, by id."""
        return self._labels.of_codes(self._codes_of_classes)

    def _tile_to_look_at(self, near: bool) -> Tile | None:
        """Return the tile with most labels that are not looked at yet, or None.

        Args:
            near: True where only tiles count that are at hand, or that the view shows; all count as long as there is no map.
        """
        wanted: dict[tuple[int, int], int] = {}

        def count(label: PlacedLabel, numbers: npt.NDArray[np.int64]) -> None:
            for column, row in np.unique(tiles_of(self._plan, label.places[numbers]), axis=0).tolist():
                wanted[column, row] = wanted.get((column, row), 0) + 1

        take_places(self._usable(), count)
        shown = {(tile.column, tile.row) for tile in self._shown_tiles()} if near and wanted else set()
        for key in sorted(wanted, key=lambda one: (one not in shown, -wanted[one], one)):
            tile = self._plan.tile(*key)
            if not near or key in shown or self._tiles.is_at_hand(tile) or not (self._head or self._can_begin()):
                return tile
        return None

    def _can_begin(self) -> bool:
        """Return whether labels of two classes have been looked at."""
        return len({label.code for label in self._known().values()}) >= 2

    def _shown_tiles(self) -> list[Tile]:
        return self._renderer.needed(self._view, self._plan) if self._view is not None else []

    def _look_at_labels(self, tile: Tile) -> None:
        """Take the features of all labels that have a place in the core of a tile."""
        wanted: list[tuple[PlacedLabel, npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []

        def collect(label: PlacedLabel, numbers: npt.NDArray[np.int64]) -> None:
            tiles = tiles_of(self._plan, label.places[numbers])
            if (tiles == (tile.column, tile.row)).all(axis=1).any():
                wanted.append((label, numbers, tiles))

        take_places(self._usable(), collect)
        # A view that moves on does not make labels worthless.
        interrupted = self._inbox.interruption_by(*CHANGES)
        found: list[list[tuple[npt.NDArray[np.int64], dict[str, FloatArray]]]] = [[] for _ in wanted]
        for column, row in np.unique(np.concatenate([tiles for _, _, tiles in wanted]), axis=0).tolist():
            stop_if(interrupted)
            looked = self._tiles.of(self._plan.tile(column, row), interrupted)
            owned = [numbers[(tiles == (column, row)).all(axis=1)] for _, numbers, tiles in wanted]
            places = [label.places[own] for (label, _, _), own in zip(wanted, owned)]
            for number, (own, (valid, seen)) in enumerate(zip(owned, self._seen_at(looked, places))):
                if valid.any():
                    found[number].append((own[valid], seen))
        for (label, _, _), own_parts in zip(wanted, found):
            label.keep_features(own_parts)

    def _seen_at(
        self, looked: EncodedTile, places: Sequence[npt.NDArray[np.float64]]
    ) -> Iterator[tuple[npt.NDArray[np.bool_], dict[str, FloatArray]]]:
        """Yield for each of several arrays of places in a tile which are valid, and the features of those by part."""
        f, window = self._raster.source.factor, looked.tile.window
        inside = [own - [window.column, window.row] for own in places]
        if looked.valid is None:
            yield from ((np.zeros(len(own), bool), {}) for own in inside)
            return
        valid_pixels = looked.valid_pixels(f)
        valid = [valid_pixels[(own[:, 1] * f).astype(np.int64), (own[:, 0] * f).astype(np.int64)] for own in inside]
        groups = [list(range(len(places)))] if len(places) > FEW_LABELS else [[number] for number in range(len(places))]
        for group in groups:
            counts = [int(valid[number].sum()) for number in group]
            seen = {}
            if any(counts):
                seen = self._tiles.seen_at(looked, np.concatenate([places[number][valid[number]] for number in group]))
            for number, count, end in zip(group, counts, np.cumsum(counts)):
                yield valid[number], {name: values[end - count : end] for name, values in seen.items()}

    def _known(self) -> dict[int, PlacedLabel]:
        return {one: label for one, label in self._usable().items() if label.is_looked_at and len(label.taken)}

    def _fit(self) -> None:
        began = time.monotonic()
        self._wants_fit = False
        known, usable = self._known(), self._usable()
        codes = sorted({label.code for label in known.values()})
        number = self._changed_by
        problem = self._problem(codes, len(usable) - len(known))
        if problem:
            if self._raster.model is None:
                self._head = None
            self._say(Learned(number, len(known), len(usable) - len(known), self._outside(), problem))
            self._fitted_by = number
            return
        entries = {c.code: c for c in self._classes}
        classes = ClassTable(tuple(LandCoverClass(code, entries[code].name, entries[code].color) for code in codes))
        points, seen = points_of(known, codes)
        before = self._head if self._head and self._head.fitted else None
        try:
            self._head = fit_live(
                self._raster, classes, points, seen, before, lambda: stop_if(self._inbox.interruption_by(*CHANGES))
            )
        except Superseded:
            self._wants_fit = True
            raise
        plan = self._raster.plan(len(classes))
        if plan != self._plan:
            self._new_plan(plan)
        if self._codes is not None and number != self._fitted_by:
            self._before = self._codes[0], self._codes[2]
        self._fitted_by, self._fitted_at = number, time.monotonic()
        self._is_drawn = self._gives_way = False
        seconds = self._fitted_at - began
        self._say(Learned(number, len(known), len(usable) - len(known), self._outside(), "", round(seconds, 3)))

    def _new_plan(self, plan: TilePlan) -> None:
        """Work on other tiles, which very many classes ask for. What labels and places are like is found out anew."""
        self._plan = plan
        self._grid = GridOfPlaces(self._raster, self._tiles, plan)
        for label in self._usable().values():
            label.forget_features()
        self._wants_fit = True

    def _outside(self) -> int:
        return self._labels.outside

    def _problem(self, codes: list[int], waiting: int) -> str:
        if len(codes) >= 2:
            return ""
        if waiting:
            return "The labels are being looked at."
        if codes:
            return "There are labels of one class. Draw one of another class."
        return "There is no label yet. Draw one of each of two classes."

    # --- Answers --------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        view, head = self._view, self._head
        assert view is not None
        assert head is not None
        since = max(self._view_at, self._changed_at if self._fitted_by == self._changed_by else 0.0)
        before = self._before[1] if self._before is not None and _same_place(self._before[0], view) else None
        labels = self._fitted_by
        asked = self._inbox.interruption_by(*CHANGES, View, Outline, Suggest, Save)
        until = max(self._view_at + VIEW_S, time.monotonic() + SLICE_S) if self.far_labels() else math.inf

        def is_over() -> bool:
            self._gives_way = time.monotonic() > until
            return self._gives_way or asked()

        for drawn in self._renderer.draw(view, self._plan, head, before, is_over):
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
        self._is_drawn = True

    def answer_outline(self, request: Outline) -> None:
        """Outline what is like the pixel at a click."""
        shape = self._outliner.outline(
            request.x, request.y, request.reach, self._plan, self._inbox.interruption_by(Outline, *CHANGES)
        )
        self._say(Outlined(request.number, "" if shape.is_empty else shape.wkb_hex))

    def answer_score(self, request: Score) -> None:
        """Say how good the map is."""
        head = self._fitted_head()
        held_out = self._scores(head)
        accuracy = held_out.accuracy
        self._say(
            SessionScores(
                request.number, self._fitted_by, accuracy.value, accuracy.low, accuracy.high, self._of_all(held_out)
            )
        )

    def _of_all(self, held_out: HeldOut) -> tuple[ClassScore, ...]:
        """Return the scores of all classes in the order in which they were given, also of those without labels."""
        known = {score.code: score for score in held_out.classes}
        return tuple(known.get(c.code, ClassScore(c.code, 0, missing=MIN_SHAPES_PER_CLASS)) for c in self._classes)

    def answer_suggest(self, request: Suggest) -> None:
        """Say where a label would teach most."""
        head = self._fitted_head()
        _, seen = points_of(self._known(), [c.code for c in head.classes])
        count = max(1, min(request.places, MAX_PLACES))
        until = time.monotonic() + SUGGEST_S
        places: tuple[Place, ...] = ()
        # A view of a whole large raster has more tiles than anybody waits for.
        for tile in (tile for tile in self._shown_tiles() if not self._grid.knows(tile)):
            if time.monotonic() > until and (places := self._grid.best(head, self._labels, seen, count)):
                break
            self._grid.add(self._tiles.of(tile, self._inbox.interruption_by(*CHANGES, View, Suggest)))
        places = places or self._grid.best(head, self._labels, seen, count)
        self._say(SuggestedPlaces(request.number, self._fitted_by, places))

    def answer_save(self, request: Save) -> None:
        """Write the model."""
        head = self._fitted_head()
        known = self._known()
        held_out = self._scores(head)
        stop_if(self._inbox.interruption_by(Withdraw))
        save_live(request, self._raster, head, self._annotation(head, known), held_out)
        self._say(Saved(request.number, request.path))

    def _fitted_head(self) -> LiveHead:
        if self._head is None or not self._head.fitted:
            raise InputError("There is no map yet.", "Draw labels of two classes at least.")
        return self._head

    def _annotation(self, head: LiveHead, known: dict[int, PlacedLabel]) -> Any:
        return annotation_of(head, [label.shape for label in known.values()], [label.code for label in known.values()])

    def _scores(self, head: LiveHead) -> HeldOut:
        if self._held_out is None or self._held_out[0] is not head:
            known = self._known()
            points, seen = points_of(known, [c.code for c in head.classes])
            found = hold_out(
                self._raster,
                head,
                self._annotation(head, known),
                points,
                seen,
                lambda: stop_if(self._inbox.interruption_by(*CHANGES, View, Outline, Withdraw)),
            )
            self._held_out = head, found
        return self._held_out[1]


_ANY = {"code": 1, "name": "any", "color": "#000000"}


def _opened(request: Open, raster: SessionRaster) -> Opened:
    source = raster.source
    classes = raster.model[0].classes if raster.model else ()
    return Opened(
        request.number,
        SESSION_VERSION,
        source.crs.to_wkt() if source.crs else "",
        tuple(map(float, source.bounds)),
        source.pixel_size,
        source.working_pixel_size,
        source.source_width,
        source.source_height,
        tuple(ClassEntry(c.code, c.name, c.color) for c in classes),
        str(raster.device),
    )


def _same_place(one: View, other: View) -> bool:
    return replace(one, number=0, shows="") == replace(other, number=0, shows="")
