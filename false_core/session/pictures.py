"""Views of the map of the moment: the classes, their confidence, or where they changed, at the pixels of a picture.

A picture is made of the tiles in which the whole raster is classified, blended and enlarged as there. So each of its pixels
shows what a map of the raster by the same model has at its middle.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from affine import Affine

from false_core.inference.tiles import Blender, Tile, TilePlan
from false_core.inference.upsample import upsample
from false_core.raster.source import RasterSource
from false_core.session.kept_tiles import EncodedTile, KeptTiles, TileWindow
from false_core.session.live_head import LiveHead
from false_core.session.session_raster import SessionRaster
from false_core.session.superseded import Interrupted, stop_if
from false_core.session_protocol import NO_CLASS, NO_PERCENT, SHOW_CHANGE, SHOW_CONFIDENCE, View

MEMORY_FOR_WINDOWS = 200_000_000
"""Bytes of what is kept of one view, so that it is shown again without looking at its texture again."""
MAX_WINDOW_PX, MIN_BAND_PX = 120_000, 128
"""Working pixels that are computed at once, and the fewest rows of them: surroundings are looked at for each band anew."""
FIRST_S, BETWEEN_S = 0.3, 0.7
"""Seconds until an unfinished picture is shown first, and until it is shown again."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ViewOnRaster:
    """The positions of the pixels of a view on the raster.

    Attributes:
        columns, rows: Column and row of the pixel of the file at the middle of each, of shape (height, width).
        inside: Mask of those that lie on the raster.
    """

    columns: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    inside: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, view: View, source: RasterSource) -> ViewOnRaster:
        """Return where the pixels of a view lie."""
        xmin, xmax, ymin, ymax = view.extent
        to_map = Affine((xmax - xmin) / view.width, 0, xmin, 0, (ymin - ymax) / view.height, ymax)
        shape = view.height, view.width
        x, y = np.arange(view.width) + 0.5, np.arange(view.height)[:, None] + 0.5
        a, b, c, d, e, f = (~source.source_transform * to_map)[:6]
        # Where nothing is rotated a row and a column say it all, and the pixels of a large screen take no memory.
        column = np.broadcast_to(_pixel_of(a * x + c if b == 0 else a * x + b * y + c), shape)
        row = np.broadcast_to(_pixel_of(e * y + f if d == 0 else d * x + e * y + f), shape)
        inside = (column >= 0) & (row >= 0) & (column < source.source_width) & (row < source.source_height)
        return cls(column, row, inside)

    @cached_property
    def window(self) -> tuple[int, int, int, int] | None:
        """Return the first and last column, and row, of the file that it shows; None where it shows nothing."""
        if not self.inside.any():
            return None
        ends = []
        for places in (self.columns, self.rows):
            ends += [int(places.min(where=self.inside, initial=2**40)), int(places.max(where=self.inside, initial=-1))]
        return ends[0], ends[1], ends[2], ends[3]


def _pixel_of(middles: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    # A pixel of a view of the whole raster must not fall beyond its edge by rounding.
    return np.floor(np.clip(middles + 1e-9, -1, 2**40)).astype(np.int64)


@dataclass(frozen=True)
class DrawnView:
    """A picture as far as it is drawn.

    Attributes:
        pixels: Values that are shown, of shape (height, width).
        codes: The classes, of the same shape.
        known: Share of the pixels over the raster that are computed.
    """

    pixels: Bytes
    codes: Bytes
    known: float


class ViewRenderer:
    """Draws views, and keeps what the last one took for the next map of the same place.

    Args:
        raster: The raster, and how it is looked at.
        tiles: Looks at its tiles.
    """

    def __init__(self, raster: SessionRaster, tiles: KeptTiles) -> None:
        self._raster, self._tiles = raster, tiles
        self._place: tuple[object, ...] = ()
        self._seen_windows: dict[tuple[Tile, tuple[int, ...]], TileWindow] = {}
        self._keeps = False
        self._last: tuple[tuple[object, ...], ViewOnRaster] | None = None

    def needed(self, view: View, plan: TilePlan) -> list[Tile]:
        """Return the tiles that a view shows, row by row."""
        return [tile for tile, _ in self._shown_windows(self._on_raster(view), plan)]

    def draw(
        self, view: View, plan: TilePlan, head: LiveHead, before: Bytes | None, interrupted: Interrupted
    ) -> Iterator[DrawnView]:
        """Yield a view, first unfinished where it takes long.

        Args:
            view: View to show.
            plan: The tiles in which the raster is classified.
            head: The classifier that makes the map.
            before: Classes that the view showed before the labels changed, of shape (height, width), for what changed.
            interrupted: Says whether it is still wanted.
        """
        canvas = self._on_raster(view)
        # What depends on the labels plays no part in what is kept.
        place = (view.extent, view.width, view.height, plan)
        if place != self._place:
            self._place, self._seen_windows = place, {}
            self._keeps = self._size(canvas, plan) <= MEMORY_FOR_WINDOWS
        codes = np.full(canvas.inside.shape, NO_CLASS, np.uint8)
        percent = np.full(canvas.inside.shape, NO_PERCENT, np.uint8)
        total, done = max(1, int(canvas.inside.sum())), 0
        shown_at = time.monotonic() - BETWEEN_S + FIRST_S
        for inside, tile_codes, tile_percent in self._computed(view, canvas, plan, head, interrupted):
            codes[inside], percent[inside] = tile_codes, tile_percent
            done += int(inside.sum())
            if done < total and time.monotonic() - shown_at > BETWEEN_S:
                shown_at = time.monotonic()
                yield _drawn(view, codes, percent, before, done / total)
        yield _drawn(view, codes, percent, before, 1.0)

    def _on_raster(self, view: View) -> ViewOnRaster:
        place = view.extent, view.width, view.height
        if self._last is None or self._last[0] != place:
            self._last = place, ViewOnRaster.of(view, self._raster.source)
        return self._last[1]

    def _shown_windows(self, canvas: ViewOnRaster, plan: TilePlan) -> list[tuple[Tile, tuple[int, int, int, int]]]:
        """Return the tiles that a canvas shows, each with the working pixels (left, top, right, bottom) that it adds to."""
        shown = canvas.window
        if shown is None:
            return []
        f = self._raster.source.factor
        # One more on each side, as classes are interpolated between working pixels.
        left, right = shown[0] // f - 1, shown[1] // f + 2
        top, bottom = shown[2] // f - 1, shown[3] // f + 2
        found = []
        for row in range(max(0, (top - plan.shared) // plan.stride), min(plan.rows, -(-bottom // plan.stride))):
            for column in range(max(0, (left - plan.shared) // plan.stride), min(plan.columns, -(-right // plan.stride))):
                x, y = column * plan.stride, row * plan.stride
                window = (
                    max(left, x - 1),
                    max(top, y - 1),
                    min(right, x + plan.stride + plan.shared),
                    min(bottom, y + plan.stride + plan.shared),
                )
                if window[0] < window[2] and window[1] < window[3]:
                    found.append((plan.tile(column, row), window))
        return found

    def _computed(
        self, view: View, canvas: ViewOnRaster, plan: TilePlan, head: LiveHead, interrupted: Interrupted
    ) -> Iterator[tuple[npt.NDArray[np.bool_], Bytes, Bytes]]:
        """Yield, tile by tile, which pixels of a canvas it completes, their classes and their confidence in percent."""
        raster, f = self._raster, self._raster.source.factor
        windows = self._shown_windows(canvas, plan)
        if not windows:
            return
        columns = sorted({tile.column for tile, _ in windows})
        blender = Blender(plan, len(head.classes), raster.device, range(columns[0], columns[-1] + 1))
        table = torch.tensor([one.code for one in head.classes], dtype=torch.uint8, device=raster.device)
        with_percent = view.shows == SHOW_CONFIDENCE
        for tile, window in windows:
            stop_if(interrupted)
            looked = self._tiles.of(tile, interrupted)
            stop_if(interrupted)
            side, lead = plan.side, plan.lead
            probabilities = None
            if looked.valid is not None:
                # In pixels of the tile.
                x, y = tile.window.column, tile.window.row
                inside = (window[0] - x, window[1] - y, window[2] - x, window[3] - y)
                inside = (max(0, inside[0]), max(0, inside[1]), min(side, inside[2]), min(side, inside[3]))
                probabilities = torch.zeros(len(head.classes), side, side, device=raster.device)
                left, top, right, bottom = inside
                rows = max(MIN_BAND_PX, MAX_WINDOW_PX // (right - left))
                for start in range(top, bottom, rows):
                    end = min(start + rows, bottom)
                    seen = self._seen(looked, (left, start, right, end))
                    with torch.inference_mode():
                        scores = head.segmenter.fused(seen.pixels, seen.features, seen.wanted)
                        found = scores[0].float().softmax(dim=0)
                    x, y = seen.column + seen.wanted[1].start, seen.row + seen.wanted[0].start
                    probabilities[:, start:end, left:right] = found[:, start - y : end - y, left - x : right - x]
                    stop_if(interrupted)
            core = blender.add(tile, probabilities)
            mine = canvas.inside & _between(canvas.columns, tile.column * plan.stride * f, plan.stride * f)
            mine &= _between(canvas.rows, tile.row * plan.stride * f, plan.stride * f)
            if not mine.any():
                continue
            column, row = (
                canvas.columns[mine] - tile.column * plan.stride * f,
                canvas.rows[mine] - tile.row * plan.stride * f,
            )
            # Only as much as the view shows is brought to the pixels of the file, with one working pixel around it.
            x0, x1, y0, y1 = column.min() // f, column.max() // f + 1, row.min() // f, row.max() // f + 1
            mapped = upsample(core[:, y0 : y1 + 2, x0 : x1 + 2], f, table, with_percent)
            valid = looked.valid_pixels(f)[row + lead * f, column + lead * f]
            at = row - y0 * f, column - x0 * f
            percent = np.full(len(row), NO_PERCENT, np.uint8)
            if mapped.percent is not None:
                percent = np.where(valid, mapped.percent.cpu().numpy()[at], np.uint8(NO_PERCENT))
            yield mine, np.where(valid, mapped.codes.cpu().numpy()[at], np.uint8(NO_CLASS)), percent

    def _seen(self, looked: EncodedTile, inside: tuple[int, int, int, int]) -> TileWindow:
        key = looked.tile, inside
        seen = self._seen_windows.get(key) or self._tiles.window(looked, *inside, smoothed=True)
        if self._keeps:
            self._seen_windows[key] = seen
        return seen

    def _size(self, canvas: ViewOnRaster, plan: TilePlan) -> int:
        """Return about how many bytes the windows of a view take."""
        features = self._raster.quick
        values = features.bands + features.statistics.channels
        around = self._raster.spec.stride
        windows = (window for _, window in self._shown_windows(canvas, plan))
        areas = [(right - left + around) * (bottom - top + around) for left, top, right, bottom in windows]
        return 4 * values * sum(areas)


def _between(values: npt.NDArray[np.int64], start: int, length: int) -> npt.NDArray[np.bool_]:
    return np.asarray((values >= start) & (values < start + length))


def _drawn(view: View, codes: Bytes, percent: Bytes, before: Bytes | None, known: float) -> DrawnView:
    pixels = codes
    if view.shows == SHOW_CONFIDENCE:
        pixels = percent
    elif view.shows == SHOW_CHANGE:
        # What was not known before, or is not yet, did not change.
        changed = np.zeros_like(codes) if before is None else (codes != before) & (codes != NO_CLASS) & (before != NO_CLASS)
        pixels = changed.astype(np.uint8)
    return DrawnView(pixels.copy(), codes.copy(), known)
