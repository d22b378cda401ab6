"""From tiles to finished strips of a map: computed one row of tiles after the other, written beside that, then stored."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from contextlib import ExitStack, closing

import numpy as np
import torch
from torch import nn

from false_core.computing.device_limits import DeviceLimit
from false_core.computing.precision import in_words
from false_core.computing.threads import BackgroundWriter
from false_core.errors import OutputError
from false_core.feedback import Feedback
from false_core.inference.batches import BatchedNetwork, best_batch
from false_core.inference.folding import for_inference
from false_core.inference.int8 import int8_segmenter
from false_core.inference.tiled import ReadTile, TiledNetwork, blended
from false_core.inference.upsample import Mapped, upsample
from false_core.mapping.classify.plan import NO_CONFIDENCE, MapPlan, Strip, StripRun, runs_of
from false_core.mapping.classify.store import CONFIDENCE_LAYER, MAP_LAYER, TILES_AT_A_TIME, StripStore
from false_core.mapping.map_overview import MapOverview
from false_core.models.from_file import segmenter_from
from false_core.models.model_file import ModelCard
from false_core.models.segmenter import InPrecision, class_probabilities
from false_core.outputs.publish import unfinished
from false_core.raster.gpu_pixels import normalised_at
from false_core.raster.map_file import RasterFile
from false_core.raster.source import Window

WAITING_TILES = 2
"""Tiles that may wait for the disk, per strip and layer. Two strips are written at once where the next one begins."""
UNFINISHED = 2
"""Tiles whose classes are known, or soon will be, and that wait to be written."""


def compute_strips(
    plan: MapPlan, network: nn.Module, device: torch.device, strips: Sequence[Strip], store: StripStore, feedback: Feedback
) -> None:
    """Compute strips of a map and store them.

    Args:
        network: Gives class scores for normalised pixels, as ``build_segmenter`` describes it.

    Raises:
        OutputError: The disk is full.
    """
    tiles, factor, classes = plan.tiles, plan.source.factor, len(plan.card.classes)
    tiled = _tiled(plan, network, device, store, feedback)
    codes = torch.tensor([c.code for c in plan.card.classes], dtype=torch.uint8, device=device)
    runs = runs_of(strips)
    done, total = 0, sum(len(run.columns) * len(run.rows) for run in runs)
    tile_megapixels = (tiles.stride * factor) ** 2 / 1e6
    # Closed in the reverse order: first the queue that writes into the strips' files, then these files.
    with closing(_StripWriter(plan, store)) as writer, closing(BackgroundWriter(UNFINISHED)) as writing:
        for run in runs:
            for item, probabilities in blended(tiled, tiles, classes, run.columns, run.tiles(tiles)):
                feedback.advance(done * tile_megapixels, total * tile_megapixels, "Mpx")
                done += 1
                if item.pixels is not None and run.meeting(plan.core(item.tile)):
                    mapped = upsample(probabilities, factor, codes, plan.with_confidence)
                    # In a thread, as it waits for the device, which computes the next tiles meanwhile.
                    writing.add(writer.write, run, item, *_on_its_way(mapped))
                complete = run.completes(item.tile)
                if complete:
                    writing.add(writer.complete, complete)
        # First all tiles are written, then all strips closed and stored.
        writing.finish()
        writer.finish()


def network_of(model: str, card: ModelCard, device: torch.device, numbers: torch.dtype) -> nn.Module:
    """Return the network of a model file, made ready for classifying on ``device`` with such numbers."""
    if numbers == torch.int8:
        return int8_segmenter(model).network
    network: nn.Module = for_inference(segmenter_from(model, card).eval(), len(card.bands))
    return InPrecision(network.to(device, memory_format=torch.channels_last), numbers)  # type: ignore[call-overload]


def limit_of(plan: MapPlan, device: torch.device, network: nn.Module) -> DeviceLimit:
    """Return how many tiles of a plan a device takes at a time, with the numbers that a network computes with."""
    card = plan.card
    shape = len(card.bands), plan.tiles.side, plan.tiles.side
    head = card.head.to_dict() if card.head else card.decoder
    numbers = in_words(network.numbers) if isinstance(network, InPrecision) else ""
    return DeviceLimit(TILES_AT_A_TIME, device, card.encoder, head, len(card.classes), shape, numbers)


def _tiled(
    plan: MapPlan, network: nn.Module, device: torch.device, store: StripStore, feedback: Feedback
) -> TiledNetwork[torch.Tensor]:
    card, limit = plan.card, limit_of(plan, device, network)
    shape = len(card.bands), plan.tiles.side, plan.tiles.side
    batch = best_batch(network, device, shape, limit)
    if device.type != "cpu":
        # Which is found by taking the time, and on which rounding depends.
        batch = store.put_if_absent(TILES_AT_A_TIME, batch)
    batched = BatchedNetwork(functools.partial(class_probabilities, network), device, feedback, batch, limit)
    return TiledNetwork(batched, plan.source, card.normalisation)


class _StripWriter:
    """Writes the strips that are being computed.

    ``write`` and ``complete`` are called in the thread of ``compute_strips``' queue, tile after tile; files are closed in
    yet another. So ``finish`` may be called only when that queue is empty, and ``close`` only when it is closed.
    """

    def __init__(self, plan: MapPlan, store: StripStore) -> None:
        self._plan, self._store = plan, store
        self._open: dict[int, _StripFiles] = {}
        self._unfinished: list[_StripFiles] = []
        # Closing a file means compressing what is left, and waiting for the disk.
        self._closing = BackgroundWriter(1)

    def write(self, run: StripRun, item: ReadTile, mapped: Mapped, ready: torch.cuda.Event | None) -> None:
        """Write the core of a tile, as soon as it is ready, into the strips that it meets."""
        assert item.valid is not None
        assert item.pixels is not None
        if ready is not None:
            ready.synchronize()
        factor, nodata, lead = self._plan.source.factor, self._plan.card.classes.nodata, self._plan.tiles.lead
        core = self._plan.core(item.tile)
        inside = slice(lead * factor, lead * factor + core.height), slice(lead * factor, lead * factor + core.width)
        valid = item.valid[inside]
        codes = np.where(valid, mapped.codes.numpy()[: core.height, : core.width], np.uint8(nodata))
        percent = None
        if mapped.percent is not None:
            percent = np.where(valid, mapped.percent.numpy()[: core.height, : core.width], np.uint8(NO_CONFIDENCE))
        for strip, window in run.meeting(core):
            here = (
                slice(window.row - core.row, window.row - core.row + window.height),
                slice(window.column - core.column, window.column - core.column + window.width),
            )
            if not valid[here].any():
                continue
            files = self._files(strip)
            column, row = window.column - strip.window.column, window.row - strip.window.row
            files.map.write(column, row, codes[here])
            if files.confidence and percent is not None:
                files.confidence.write(column, row, percent[here])
            rows, columns = files.overview.shown(window)
            rows, columns = lead + (rows - core.row) // factor, lead + (columns - core.column) // factor
            seen = normalised_at(item.pixels, rows, columns, self._plan.card.normalisation)
            files.overview.add(window, codes[here], seen)

    def complete(self, strip: Strip) -> None:
        """Have the files of a strip closed and stored."""
        files = self._files(strip, empty=True)
        del self._open[strip.number]
        self._closing.add(self._finish, files)

    def finish(self) -> None:
        """Wait until all strips are stored."""
        self._closing.finish()

    def close(self) -> None:
        """Drop what is not complete."""
        self._closing.close()
        for files in self._unfinished:
            files.drop()

    def _files(self, strip: Strip, empty: bool = False) -> _StripFiles:
        if strip.number not in self._open:
            self._open[strip.number] = _StripFiles(self._plan, strip, self._store, empty)
            self._unfinished.append(self._open[strip.number])
        return self._open[strip.number]

    def _finish(self, files: _StripFiles) -> None:
        files.finish()
        self._unfinished.remove(files)


class _StripFiles:
    """The files of a strip that is being written.

    Args:
        empty: True where there is nothing but nodata. Then it has none.
    """

    def __init__(self, plan: MapPlan, strip: Strip, store: StripStore, empty: bool) -> None:
        self._strip, self._store = strip, store
        self.overview = MapOverview(Window(0, 0, plan.window.width, plan.window.height), plan.card.classes)
        self._scratch = store.scratch(strip)
        self._stack = ExitStack()
        self._stack.enter_context(unfinished(self._scratch))
        window = strip.window
        source_window = Window(plan.window.column + window.column, plan.window.row + window.row, window.width, window.height)
        self._files = ExitStack()
        if not empty:
            self.map = self._files.enter_context(
                RasterFile(
                    self._scratch / MAP_LAYER, plan.source, source_window, plan.card.classes.nodata, waiting=WAITING_TILES
                )
            )
        self.confidence = None
        if plan.with_confidence and not empty:
            self.confidence = self._files.enter_context(
                RasterFile(
                    self._scratch / CONFIDENCE_LAYER, plan.source, source_window, NO_CONFIDENCE, waiting=WAITING_TILES
                )
            )

    def finish(self) -> None:
        """Close the files and store them."""
        with self._stack:
            self._files.close()
            self._store.finish(self._strip, self._scratch, self.overview.strip_overview(self._strip.window))

    def drop(self) -> None:
        """Remove the files."""
        with self._stack, contextlib.suppress(OutputError):  # Of writing what is not wanted any more.
            self._files.close()


def _on_its_way(mapped: Mapped) -> tuple[Mapped, torch.cuda.Event | None]:
    """Start copying to the host. Return what will be there, and what happens then; None where it is there."""
    if mapped.codes.device.type != "cuda":
        return Mapped(mapped.codes.cpu(), None if mapped.percent is None else mapped.percent.cpu()), None
    host = [
        None
        if layer is None
        else torch.empty(layer.shape, dtype=layer.dtype, pin_memory=True).copy_(layer, non_blocking=True)
        for layer in (mapped.codes, mapped.percent)
    ]
    ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
    ready.record(torch.cuda.current_stream(mapped.codes.device))
    assert host[0] is not None
    return Mapped(host[0], host[1]), ready
