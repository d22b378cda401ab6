"""Parts of a map are computed here: tiles in, finished parts out, one after the other."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from false_core.device_limits import DeviceLimit
from false_core.errors import OutputError
from false_core.feedback import Feedback
from false_core.mapping.at_native import Mapped, map_at_native
from false_core.mapping.kept_parts import CONFIDENCE, MAP, KeptParts
from false_core.mapping.map_overview import MapOverview
from false_core.mapping.parts import Part, Stretch, stretches
from false_core.mapping.tile_network import TileNetwork, best_batch
from false_core.models.model_file import ModelCard
from false_core.publish import unfinished
from false_core.raster.map_file import RasterFile
from false_core.raster.source import BoolArray, RasterSource, Window
from false_core.raster.tiles import Blender, Tile, TilePlan
from false_core.threads import Behind, made_ahead

NO_CONFIDENCE = 255
MOST_READERS = 4
WAITING = 2
"""Tiles that may wait for the disk, per part and layer. Two parts are written at once where one ends and the next begins."""
UNFINISHED = 2
"""Tiles whose classes are known, or soon will be, and that wait to be written."""


@dataclass(frozen=True)
class Sheet:
    """What is mapped, and how.

    Attributes:
        card: What goes into the network and comes out of it.
        source: The raster on its working grid.
        native: The part of it that is mapped, in pixels of the file.
        plan: Of the tiles.
        with_confidence: Whether the probability of the class chosen is written too.
    """

    card: ModelCard
    source: RasterSource
    native: Window
    plan: TilePlan
    with_confidence: bool


def make_parts(
    sheet: Sheet, network: nn.Module, device: torch.device, parts: Sequence[Part], kept: KeptParts, feedback: Feedback
) -> None:
    """Compute parts of a map.

    Args:
        sheet: The map.
        network: Gives class scores for normalised pixels, as ``build_segmenter`` describes it.
        device: Where the network is.
        parts: Those wanted, in order.
        kept: Where finished parts go.
        feedback: Told how far it is.

    Raises:
        OutputError: The disk is full.
    """
    card, source, plan, factor = sheet.card, sheet.source, sheet.plan, sheet.source.factor
    # Of as many threads as can be busy: a device that is faster than the CPU waits for whole tiles to be decoded.
    readers = min(MOST_READERS, os.cpu_count() or 1)
    shape = len(card.bands), plan.side, plan.side
    limit = DeviceLimit("tiles at a time", device, card.encoder, card.decoder, len(card.classes), shape)
    batch = best_batch(network, device, shape, limit)
    if device.type != "cpu":
        # Which is found by taking the time, and on which rounding depends.
        batch = kept.agreed_on("tiles at a time", batch)
    tile_network = TileNetwork(network, device, batch, limit, feedback)
    codes = torch.tensor([c.code for c in card.classes], dtype=torch.uint8, device=device)
    pin = device.type == "cuda"

    def read(step: _Step) -> _Read:
        if source.is_hole(step.tile.window):
            return _Read(step, None, None)
        raw, valid = source.read_with_validity(step.tile.window)
        if not valid.any():
            return _Read(step, None, None)
        pixels = torch.from_numpy(card.normalisation.apply(raw))
        return _Read(step, valid, pixels.pin_memory() if pin else pixels)

    runs = stretches(parts)
    steps = (_Step(stretch, tile) for stretch in runs for tile in stretch.tiles(plan))
    total = sum(len(stretch.columns) * len(stretch.rows) for stretch in runs)
    tile_megapixels = (plan.stride * factor) ** 2 / 1e6
    blender: Blender | None = None
    with ExitStack() as stack:
        desk = stack.enter_context(closing(_Desk(sheet, kept)))
        # Behind, as it waits for the device: what it waits for is then computed while the next tiles are sent there.
        finishing = Behind(UNFINISHED)
        stack.callback(finishing.close)
        ahead = stack.enter_context(closing(made_ahead(read, steps, depth=readers + tile_network.batch, threads=readers)))
        done = 0
        for group in _groups(ahead, lambda: tile_network.batch):
            found = iter(tile_network.probabilities([item.pixels for item in group if item.pixels is not None]))
            for item in group:
                feedback.advance(done * tile_megapixels, total * tile_megapixels, "Mpx")
                done += 1
                stretch, tile = item.step.stretch, item.step.tile
                if blender is None or item.step.is_first:
                    blender = Blender(plan, len(card.classes), device, stretch.columns)
                blended = blender.add(tile, None if item.pixels is None else next(found))
                if item.pixels is not None and stretch.meeting(desk.square(tile)):
                    mapped = map_at_native(blended, factor, codes, sheet.with_confidence)
                    finishing.add(desk.write, item, *_on_its_way(mapped))
                complete = stretch.completes(tile)
                if complete:
                    finishing.add(desk.complete, complete)
        finishing.finish()
        desk.finish()


@dataclass(frozen=True)
class _Step:
    """One tile on the way."""

    stretch: Stretch
    tile: Tile

    @property
    def is_first(self) -> bool:
        """Whether nothing of the stretch comes before it."""
        return (self.tile.column, self.tile.row) == (self.stretch.columns[0], self.stretch.rows[0])

    @property
    def ends_a_row(self) -> bool:
        return self.tile.column == self.stretch.columns[-1]


@dataclass(frozen=True)
class _Read:
    """A tile as it was read.

    Attributes:
        valid: Which pixels of the file are, of shape (side * factor, side * factor).
        pixels: Normalised, of shape (bands, side, side). Both are None where nothing is valid.
    """

    step: _Step
    valid: BoolArray | None
    pixels: Tensor | None


def _groups(items: Iterable[_Read], size: Callable[[], int]) -> Iterator[list[_Read]]:
    """Put tiles together, in order, so that as many with pixels come together as are computed at once.

    Not beyond the end of a row: what is computed together, and with it rounding, does not depend on the row before.
    """
    group: list[_Read] = []
    with_pixels = 0
    for item in items:
        group.append(item)
        with_pixels += item.pixels is not None
        if with_pixels >= size() or not with_pixels or item.step.ends_a_row:
            yield group
            group, with_pixels = [], 0


class _Desk:
    """Where parts lie that are being written. All but ``square``, ``finish`` and ``close`` is called by one thread.

    Args:
        sheet: The map.
        kept: Where finished parts go.
    """

    def __init__(self, sheet: Sheet, kept: KeptParts) -> None:
        self._sheet, self._kept = sheet, kept
        self._open: dict[int, _PartFiles] = {}
        self._unfinished: list[_PartFiles] = []
        # Closing a file means compressing what is left, and waiting for the disk.
        self._closing = Behind(1)

    def square(self, tile: Tile) -> Window:
        """Return what a tile completes, in pixels of the map."""
        step, native = self._sheet.plan.stride * self._sheet.source.factor, self._sheet.native
        column, row = tile.column * step, tile.row * step
        return Window(column, row, min(step, native.width - column), min(step, native.height - row))

    def write(self, item: _Read, mapped: Mapped, ready: torch.cuda.Event | None) -> None:
        """Write what a tile completed, as soon as it is ready."""
        assert item.valid is not None
        assert item.pixels is not None
        if ready is not None:
            ready.synchronize()
        plan, factor, nodata = self._sheet.plan, self._sheet.source.factor, self._sheet.card.classes.nodata
        square, lead = self.square(item.step.tile), plan.lead
        inside = slice(lead * factor, lead * factor + square.height), slice(lead * factor, lead * factor + square.width)
        valid = item.valid[inside]
        codes = np.where(valid, mapped.codes.numpy()[: square.height, : square.width], np.uint8(nodata))
        percent = None
        if mapped.percent is not None:
            percent = np.where(valid, mapped.percent.numpy()[: square.height, : square.width], np.uint8(NO_CONFIDENCE))
        down, across = (slice(lead, lead - (-length // factor)) for length in (square.height, square.width))
        seen = item.pixels[:, down, across].numpy()
        for part, place in item.step.stretch.meeting(square):
            here = (
                slice(place.row - square.row, place.row - square.row + place.height),
                slice(place.column - square.column, place.column - square.column + place.width),
            )
            if not valid[here].any():
                continue
            files = self._files(part)
            column, row = place.column - part.window.column, place.row - part.window.row
            files.map.write(column, row, codes[here])
            if files.confidence and percent is not None:
                files.confidence.write(column, row, percent[here])
            files.overview.add(place, codes[here], square, seen, factor)

    def complete(self, part: Part) -> None:
        """Have a part closed and kept."""
        files = self._files(part, empty=True)
        del self._open[part.number]
        self._closing.add(self._keep, files)

    def finish(self) -> None:
        """Wait until all parts are kept."""
        self._closing.finish()

    def close(self) -> None:
        """Drop what is not complete."""
        self._closing.close()
        for files in self._unfinished:
            files.drop()

    def _files(self, part: Part, empty: bool = False) -> _PartFiles:
        if part.number not in self._open:
            self._open[part.number] = _PartFiles(self._sheet, part, self._kept, empty)
            self._unfinished.append(self._open[part.number])
        return self._open[part.number]

    def _keep(self, files: _PartFiles) -> None:
        files.finish()
        self._unfinished.remove(files)


class _PartFiles:
    """The files of a part that is being written.

    Args:
        sheet: The map.
        part: Of it.
        kept: Where it goes.
        empty: Whether there is nothing but nodata. Then it has none.
    """

    def __init__(self, sheet: Sheet, part: Part, kept: KeptParts, empty: bool) -> None:
        self._part, self._kept = part, kept
        self.overview = MapOverview(Window(0, 0, sheet.native.width, sheet.native.height), sheet.card.classes)
        self._scratch = kept.scratch(part)
        self._stack = ExitStack()
        self._stack.enter_context(unfinished(self._scratch))
        window = part.window
        place = Window(sheet.native.column + window.column, sheet.native.row + window.row, window.width, window.height)
        self._files = ExitStack()
        if not empty:
            self.map = self._files.enter_context(
                RasterFile(self._scratch / MAP, sheet.source, place, sheet.card.classes.nodata, waiting=WAITING)
            )
        self.confidence = None
        if sheet.with_confidence and not empty:
            self.confidence = self._files.enter_context(
                RasterFile(self._scratch / CONFIDENCE, sheet.source, place, NO_CONFIDENCE, waiting=WAITING)
            )

    def finish(self) -> None:
        """Close the files and keep them."""
        with self._stack:
            self._files.close()
            self._kept.finish(self._part, self._scratch, self.overview.piece(self._part.window))

    def drop(self) -> None:
        """Remove the files."""
        with self._stack, contextlib.suppress(OutputError):  # Of writing what is not wanted any more.
            self._files.close()


def _on_its_way(mapped: Mapped) -> tuple[Mapped, torch.cuda.Event | None]:
    """Start copying to the host. Return what will be there, and what happens then; None where it is there."""
    if mapped.codes.device.type != "cuda":
        return Mapped(mapped.codes.cpu(), None if mapped.percent is None else mapped.percent.cpu()), None
    host = [
        None if part is None else torch.empty(part.shape, dtype=part.dtype, pin_memory=True).copy_(part, non_blocking=True)
        for part in (mapped.codes, mapped.percent)
    ]
    ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
    ready.record()
    assert host[0] is not None
    return Mapped(host[0], host[1]), ready
