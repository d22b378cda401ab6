"""Embedding: a raster and an encoder in, the encoder's features out, however large, in three colours or as numbers."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from false_core import jobs
from false_core.computing.device import choose_device
from false_core.errors import InputError, ModelFileError, RequestError
from false_core.feedback import Feedback
from false_core.inference.features import (
    FEATURE_STRIDE,
    FINEST_LEVEL,
    Components,
    TiledEncoder,
    TileFeatures,
    feature_size,
    fit_components,
    halo_of,
)
from false_core.jobs import Embed
from false_core.language.catalogue import localised
from false_core.mapping.raster_for_model import check_geotiffs, open_for_model
from false_core.models.encoder import STRIDE, channels_of
from false_core.models.from_file import encoder_from, segmenter_from
from false_core.models.header import ENCODER
from false_core.models.model_file import ModelCard, read_card
from false_core.outputs.publish import published
from false_core.raster.in_words import length_in_words
from false_core.raster.map_file import RasterFile, build_overviews
from false_core.raster.source import FloatArray, Window

EMBED_TILE_PX, EMBED_TILE_PX_OF_MANY_BANDS = 512, 256
"""Working pixels looked at at a time, and where there are many bands to hold."""
MANY_BANDS = 64
"""Bands from which on a tile is smaller."""
SAMPLE_TILE = 256
"""The same for the sample that the components are computed from, which must not depend on the number of bands."""
COLOUR_BANDS, COLOUR_NODATA = 3, 0
LARGE_GB = 10.0
"""The size from which on a warning is given."""


def embed(job: Embed, feedback: Feedback) -> dict[str, Any]:
    """Run an ``Embed`` job: write the features. Return its results by name."""
    with feedback.stage("Starting", 0.04):
        check_geotiffs(job.output)
        device = choose_device(job.device, feedback)
        card = read_card(job.model)
        source = open_for_model(job.raster, job.model, card, feedback)
        encoder = _encoder(job.model, card)
        channels = sum(channels_of(encoder)[FINEST_LEVEL:])
        bands = job.components or channels
        if bands > channels:
            raise RequestError(
                f"{jobs.name_for_user(job, 'components')} is {bands}, but the encoder has {channels} features.",
                "Ask for fewer, or for 0.",
            )
        tile = EMBED_TILE_PX if bands <= MANY_BANDS else EMBED_TILE_PX_OF_MANY_BANDS
        encoder = encoder.eval().to(device, memory_format=torch.channels_last)
        halo = halo_of(encoder, len(card.bands), device)
        tiled = TiledEncoder(encoder, source, card.normalisation, device, tile, halo, feedback)
        area = whole_feature_pixels(source.window_of(jobs.parse_extent(job.extent) if job.extent else None))
        pixel = source.working_pixel_size * FEATURE_STRIDE
        feedback.info(f"Writing {bands} bands with pixels of {length_in_words(pixel, source.crs)}.")
        pixels = area.width // FEATURE_STRIDE * (area.height // FEATURE_STRIDE)
        gigabytes = bands * pixels * (1 if job.components == COLOUR_BANDS else 4) / 1e9
        if gigabytes > LARGE_GB:
            feedback.warn(f"The result takes up to {gigabytes:,.0f} GB. Components, or an extent, would make it smaller.")
    with feedback.stage("Finding components", 0.1):
        sampled = dataclasses.replace(tiled, side=SAMPLE_TILE)
        components = fit_components(sampled, area, job.components, job.seed, feedback) if job.components else None
        if job.components and components is None:
            raise _no_data(source.name)
    with published(job.output) as (scratch,):
        with feedback.stage("Embedding", 0.8):
            _write(scratch, tiled, area, components, bands, feedback)
        with feedback.stage("Building overviews", 0.06):
            if bands <= MANY_BANDS:
                build_overviews(scratch)
    explained = sum(components.explained) if components else 1.0
    return {"bands": bands, "explained": explained, "pixel_size": pixel}


def _encoder(path: str, card: ModelCard) -> Any:
    """Return the encoder in a file: its own, or the one below a model's classifiers."""
    if card.kind == ENCODER:
        return encoder_from(path, card)
    if card.head and not card.head.encoders:
        raise ModelFileError(
            f"{path} holds no encoder: it tells classes apart by colours and texture alone.",
            "Choose an encoder file, or a model with an encoder.",
        )
    return segmenter_from(path, card).encoder


def whole_feature_pixels(area: Window) -> Window:
    """Return the feature pixels that ``area`` touches, in working pixels. They do not depend on where it begins."""
    left, top = area.column // FEATURE_STRIDE * FEATURE_STRIDE, area.row // FEATURE_STRIDE * FEATURE_STRIDE
    height, width = feature_size(Window(0, 0, area.column + area.width - left, area.row + area.height - top))
    return Window(left, top, width * FEATURE_STRIDE, height * FEATURE_STRIDE)


def _write(
    path: Path, tiled: TiledEncoder, area: Window, components: Components | None, bands: int, feedback: Feedback
) -> None:
    source, in_colour = tiled.source, bands == COLOUR_BANDS and components is not None
    f = source.factor
    source_window = Window(area.column * f, area.row * f, area.width * f, area.height * f)
    # From a corner of the coarsest features on, so that they lie the same whatever area is asked for.
    left, top = area.column // STRIDE * STRIDE, area.row // STRIDE * STRIDE
    plan = tiled.plan(Window(left, top, area.column + area.width - left, area.row + area.height - top))

    def values_of(levels: list[Tensor]) -> FloatArray:
        values = tiled.inside(components.of(levels)) if components else tiled.features(levels)
        found: FloatArray = values.cpu().numpy()
        return found

    found = False
    side, (height, width) = tiled.side // FEATURE_STRIDE, feature_size(area)
    before_column, before_row = (area.column - left) // FEATURE_STRIDE, (area.row - top) // FEATURE_STRIDE
    nodata, dtype = (COLOUR_NODATA, "uint8") if in_colour else (np.nan, "float32")
    with (
        RasterFile(
            path, source, source_window, nodata, bands=bands, dtype=dtype, step=f * FEATURE_STRIDE, block=side
        ) as out,
        closing(tiled.over(plan, values_of)) as computed,
    ):
        out.describe(_names(tiled.encoder, components))
        for done, item in enumerate(computed):
            feedback.advance(done, len(plan), "tiles")
            if item.result is None:
                continue
            column, row = item.tile.column * side - before_column, item.tile.row * side - before_row
            # Tiles begin before the area where that begins within a pixel of the coarsest features, and end after it.
            skip = slice(None), slice(max(0, -row), height - row), slice(max(0, -column), width - column)
            found = found or bool(item.valid[skip[1:]].any())
            out.write(max(0, column), max(0, row), _written(item, item.result, components, in_colour)[skip])
    if not found:
        raise _no_data(source.name)


def _written(item: TileFeatures[FloatArray], values: FloatArray, components: Components | None, in_colour: bool) -> Any:
    """Return what is written of a tile, of shape (bands, height, width)."""
    if in_colour:
        assert components is not None
        levels = (1 + components.stretched(values) * 254).round().astype(np.uint8)
        return np.where(item.valid, levels, np.uint8(COLOUR_NODATA))
    return np.where(item.valid, values, np.float32(np.nan))


def _names(encoder: nn.Module, components: Components | None) -> list[str]:
    """Return what the bands are called."""
    if components is not None:
        shares = [*components.explained, *[0.0] * (components.axes.shape[1] - len(components.explained))]
        return [
            localised(f"Component {number} ({100 * share:.1f} % of the variance)")
            for number, share in enumerate(shares, start=1)
        ]
    levels = enumerate(channels_of(encoder)[FINEST_LEVEL:], start=FINEST_LEVEL)
    return [
        localised(f"Stride {2**level}, feature {number}") for level, channels in levels for number in range(1, channels + 1)
    ]


def _no_data(name: str) -> InputError:
    return InputError(f"There is no valid pixel in {name} within the extent.", "Check the extent and the nodata value.")
