"""Classifying: a model and a raster in, a land-cover map out, however large."""

from __future__ import annotations

from contextlib import ExitStack, closing
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
from false_core.jobs import Classify
from false_core.mapping.opening import check_geotiffs, open_for_model, protect
from false_core.models.model_file import SEGMENTER, ModelCard, load_weights, read_card
from false_core.models.segmenter import build_segmenter, class_probabilities
from false_core.publish import published
from false_core.raster.map_file import RasterFile, build_overviews, sidecars, write_class_names, write_style
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window
from false_core.raster.tiles import Blender, Tile, TilePlan
from false_core.sampling.ahead import made_ahead

NO_CONFIDENCE = 255
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
        network = network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
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
    plan = TilePlan.for_area(area, len(card.classes), factor)
    blender = Blender(plan, factor, len(card.classes), device)
    codes = torch.tensor([c.code for c in card.classes], dtype=torch.uint8, device=device)
    native = _native(area, source)
    tile_megapixels = (plan.stride * factor) ** 2 / 1e6
    overview = MapOverview(native, card.classes)

    def read(tile: Tile) -> tuple[Tile, BoolArray, Tensor | None]:
        raw, valid = source.read_with_validity(tile.window)
        if not valid.any():
            return tile, valid, None
        return tile, valid, torch.from_numpy(card.normalisation.apply(raw))[None]

    with ExitStack() as stack:
        out = stack.enter_context(RasterFile(output, source, native, card.classes.nodata))
        out.set_classes(card.classes)
        sure = stack.enter_context(RasterFile(confidence, source, native, NO_CONFIDENCE)) if confidence else None
        tiles = stack.enter_context(closing(made_ahead(read, plan)))
        for done, (tile, valid, pixels) in enumerate(tiles):
            feedback.advance(done * tile_megapixels, len(plan) * tile_megapixels, "Mpx")
            blended = blender.add(tile, _probabilities(network, pixels, factor, device))
            column, row, inside = _place(tile, plan, factor, native)
            is_valid = valid[inside]
            if pixels is None or not is_valid.any():
                continue
            best, index = blended[(slice(None), *inside)].max(dim=0)
            mapped = np.where(is_valid, codes[index].cpu().numpy(), np.uint8(card.classes.nodata))
            out.write(column, row, mapped)
            overview.add(column, row, mapped, _seen(pixels, inside, factor), factor)
            if sure:
                percent = (best * 100).round().clamp(0, 100).to(torch.uint8).cpu().numpy()
                sure.write(column, row, np.where(is_valid, percent, np.uint8(NO_CONFIDENCE)))
    if not overview.classified:
        raise InputError(
            f"There is no valid pixel in {source.name} within the extent.", "Check the extent and the nodata value."
        )
    return overview


def _native(area: Window, source: RasterSource) -> Window:
    """Return ``area`` in pixels of the file; the last working pixels may reach beyond it."""
    f = source.factor
    column, row = area.column * f, area.row * f
    right = min((area.column + area.width) * f, source.native_width)
    bottom = min((area.row + area.height) * f, source.native_height)
    return Window(column, row, right - column, bottom - row)


def _probabilities(network: nn.Module, pixels: Tensor | None, factor: int, device: torch.device) -> Tensor | None:
    """Return the probabilities of a tile (classes, side, side) in pixels of the file."""
    if pixels is None:
        return None
    chances = class_probabilities(network, pixels.to(device))
    if factor > 1:
        chances = torch.nn.functional.interpolate(chances, scale_factor=factor, mode="bilinear", align_corners=False)
    return chances[0]


def _place(tile: Tile, plan: TilePlan, factor: int, native: Window) -> tuple[int, int, tuple[slice, slice]]:
    """Return where the finished part of a tile goes: column and row in the map, and which pixels of the tile those are."""
    x, y = tile.window.column * factor - native.column, tile.window.row * factor - native.row
    size = plan.stride * factor
    left, top = max(0, x), max(0, y)
    right, bottom = max(left, min(native.width, x + size)), max(top, min(native.height, y + size))
    return left, top, (slice(top - y, bottom - y), slice(left - x, right - x))


def _seen(pixels: Tensor, inside: tuple[slice, slice], factor: int) -> FloatArray:
    """Return the pixels of a tile that lie under a part of it, given in pixels of the file that start with a working one."""
    part = tuple(slice(side.start // factor, -(-side.stop // factor)) for side in inside)
    return pixels[0][(slice(None), *part)].numpy()
