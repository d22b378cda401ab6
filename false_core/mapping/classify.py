"""Classifying: a model and a raster in, a land-cover map out, however large."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from false_core import jobs
from false_core.device import choose_device
from false_core.errors import InputError
from false_core.evaluation.map_overview import MapOverview
from false_core.evaluation.report import classification_report, write_report
from false_core.feedback import Feedback
from false_core.found_out import FoundOut
from false_core.jobs import Classify
from false_core.mapping.at_native import Mapped, map_at_native
from false_core.mapping.opening import check_geotiffs, open_for_model, protect
from false_core.mapping.tile_network import TileNetwork, best_batch
from false_core.models.inference import for_inference
from false_core.models.model_file import SEGMENTER, ModelCard, load_weights, read_card
from false_core.models.segmenter import build_segmenter
from false_core.publish import published
from false_core.raster.map_file import RasterFile, build_overviews, sidecars, write_class_names, write_style
from false_core.raster.source import BoolArray, RasterSource, Window
from false_core.raster.tiles import ALIGNED_STRIDE, Blender, Tile, TilePlan
from false_core.threads import Behind, made_ahead

NO_CONFIDENCE = 255
MOST_READERS = 4
UNFINISHED = 2
"""Tiles whose classes are known, or soon will be, and that wait to be written."""
MUCH_NODATA = 0.5
"""Share of a map without a class above which the user is asked, in effect, whether that is meant."""


def classify(job: Classify, feedback: Feedback) -> dict[str, Any]:
    """Run a ``Classify`` job: write the map and, if asked for, its confidence. Return its results by name."""
    with feedback.stage("Starting", 0.04):
        check_geotiffs(job.output, job.confidence)
        device = choose_device(job.device, feedback)
        card = read_card(job.model, SEGMENTER)
        source = open_for_model(job.raster, job.model, card, feedback)
        protect(source, job.output, job.confidence)
        area = source.window_of(jobs.parse_extent(job.extent) if job.extent else None)
        network: nn.Module = build_segmenter(card.encoder, card.decoder, len(card.bands), len(card.classes))
        load_weights(job.model, network)
        network = for_inference(network.eval(), len(card.bands)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with ExitStack() as stack:
        scratch = stack.enter_context(published(job.output, *sidecars(job.output, job.raster)))
        confidence = stack.enter_context(published(job.confidence))[0] if job.confidence else None
        with feedback.stage("Classifying", 0.9):
            overview = classify_area(card, network, source, area, device, scratch[0], confidence, feedback)
        with feedback.stage("Building overviews", 0.06):
            for path in filter(None, (scratch[0], confidence)):
                build_overviews(path)
            write_class_names(scratch[1], card.classes)
            for style in scratch[2:]:
                write_style(style, card.classes)
        without = 1 - overview.classified / overview.total
        if without > MUCH_NODATA:
            feedback.warn(f"{100 * without:.0f} % of the map has no class, as {source.name} is nodata there.")
        report = classification_report(card, overview, source, feedback.warnings) if job.report else ""
    if job.report:
        write_report(job.report, report)
    return {"pixels": overview.classified}


def classify_area(
    card: ModelCard,
    network: nn.Module,
    source: RasterSource,
    area: Window,
    device: torch.device,
    output: Path,
    confidence: Path | None,
    feedback: Feedback,
) -> MapOverview:
    """Write the map of a part of a raster.

    Args:
        card: What goes into the network and comes out of it.
        network: Gives class scores for normalised pixels, as ``build_segmenter`` describes it.
        source: The raster on its working grid.
        area: The part, in working pixels.
        device: Where the network is.
        output: GeoTIFF to write, in pixels of the file.
        confidence: A second one for the probability of the class chosen, in percent.
        feedback: Told how far it is.

    Returns:
        What the map looks like from afar, and how much of it got which class.

    Raises:
        InputError: There is no valid pixel in ``area``.
        OutputError: The disk is full.
    """
    factor = source.factor
    native = _native(area, source)
    plan = TilePlan.for_area(area, len(card.classes), factor)
    # Of as many threads as can be busy: a device that is faster than the CPU waits for whole tiles to be decoded.
    readers = min(MOST_READERS, os.cpu_count() or 1)
    shape = len(card.bands), plan.side, plan.side
    found_out = FoundOut("tiles at a time", device, card.encoder, card.decoder, len(card.classes), shape)
    tile_network = TileNetwork(network, device, best_batch(network, device, shape, found_out), found_out, feedback)
    blender = Blender(plan, len(card.classes), device)
    codes = torch.tensor([c.code for c in card.classes], dtype=torch.uint8, device=device)
    pin = device.type == "cuda"
    tile_megapixels = (plan.stride * factor) ** 2 / 1e6

    def read(tile: Tile) -> _Read:
        if source.is_hole(tile.window):
            return _Read(tile, None, None)
        raw, valid = source.read_with_validity(tile.window)
        if not valid.any():
            return _Read(tile, None, None)
        pixels = torch.from_numpy(card.normalisation.apply(raw))
        return _Read(tile, valid, pixels.pin_memory() if pin else pixels)

    with ExitStack() as stack:
        out = stack.enter_context(RasterFile(output, source, native, card.classes.nodata, block=ALIGNED_STRIDE))
        out.set_classes(card.classes)
        sure = (
            stack.enter_context(RasterFile(confidence, source, native, NO_CONFIDENCE, block=ALIGNED_STRIDE))
            if confidence
            else None
        )
        sheet = _Sheet(card, plan, factor, native, out, sure)
        # Behind, as it waits for the device: what it waits for is then computed while the next tiles are sent there.
        finishing = Behind(UNFINISHED)
        stack.callback(finishing.close)
        ahead = stack.enter_context(closing(made_ahead(read, plan, depth=readers + tile_network.batch, threads=readers)))
        done = 0
        for group in _groups(ahead, lambda: tile_network.batch):
            found = iter(tile_network.probabilities([item.pixels for item in group if item.pixels is not None]))
            for item in group:
                feedback.advance(done * tile_megapixels, len(plan) * tile_megapixels, "Mpx")
                done += 1
                blended = blender.add(item.tile, None if item.pixels is None else next(found))
                if item.pixels is not None:
                    mapped = map_at_native(blended, factor, codes, sure is not None)
                    finishing.add(sheet.finish, item, *_on_its_way(mapped))
        finishing.finish()
    if not sheet.overview.classified:
        raise InputError(
            f"There is no valid pixel in {source.name} within the extent.", "Check the extent and the nodata value."
        )
    return sheet.overview


@dataclass(frozen=True)
class _Read:
    """A tile as it was read.

    Attributes:
        valid: Which pixels of the file are, of shape (side * factor, side * factor).
        pixels: Normalised, of shape (bands, side, side). Both are None where nothing is valid.
    """

    tile: Tile
    valid: BoolArray | None
    pixels: Tensor | None


def _groups(items: Iterable[_Read], size: Callable[[], int]) -> Iterator[list[_Read]]:
    """Put tiles together, in order, so that each group but the last has as many with pixels as are computed at once."""
    group: list[_Read] = []
    with_pixels = 0
    for item in items:
        group.append(item)
        with_pixels += item.pixels is not None
        if with_pixels >= size() or not with_pixels:
            yield group
            group, with_pixels = [], 0
    if group:
        yield group


@dataclass
class _Sheet:
    """The map as it is being written: what is done with a tile once its classes are known."""

    card: ModelCard
    plan: TilePlan
    factor: int
    native: Window
    out: RasterFile
    sure: RasterFile | None

    def __post_init__(self) -> None:
        self.overview = MapOverview(self.native, self.card.classes)

    def finish(self, item: _Read, mapped: Mapped, ready: torch.cuda.Event | None) -> None:
        """Write what a tile completed, as soon as it is ready."""
        assert item.valid is not None
        assert item.pixels is not None
        if ready is not None:
            ready.synchronize()
        stride, lead, f = self.plan.stride, self.plan.lead, self.factor
        column, row = item.tile.column * stride * f, item.tile.row * stride * f
        width, height = min(stride * f, self.native.width - column), min(stride * f, self.native.height - row)
        inside = slice(lead * f, lead * f + height), slice(lead * f, lead * f + width)
        valid = item.valid[inside]
        if not valid.any():
            return
        codes = np.where(valid, mapped.codes.numpy()[:height, :width], np.uint8(self.card.classes.nodata))
        self.out.write(column, row, codes)
        down, across = (slice(lead, lead - (-length // f)) for length in (height, width))
        self.overview.add(column, row, codes, item.pixels[:, down, across].numpy(), f)
        if self.sure and mapped.percent is not None:
            percent = mapped.percent.numpy()[:height, :width]
            self.sure.write(column, row, np.where(valid, percent, np.uint8(NO_CONFIDENCE)))


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


def _native(area: Window, source: RasterSource) -> Window:
    """Return ``area`` in pixels of the file; the last working pixels may reach beyond it."""
    f = source.factor
    column, row = area.column * f, area.row * f
    right = min((area.column + area.width) * f, source.native_width)
    bottom = min((area.row + area.height) * f, source.native_height)
    return Window(column, row, right - column, bottom - row)
