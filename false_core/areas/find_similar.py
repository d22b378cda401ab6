"""Finding what looks alike: from a few examples to the cells of rasters that look most like them, in that order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import shapely
import torch
from rasterio.crs import CRS

from false_core.areas.area_encoder import area_encoder, factor_for_areas
from false_core.areas.cell_grid import CellGrid, check_number_of_cells
from false_core.areas.kept_features import (
    CellsOfStrip,
    Features,
    features_of,
    fill_features_of_strip,
    row_slices,
    table_of_features,
)
from false_core.areas.likeness import LikenessToExamples
from false_core.areas.marks import Marks
from false_core.areas.pooling import Pooling
from false_core.areas.similar_places_report import FoundPlaces, SeenMarks, similar_places_report
from false_core.computing.device import choose_device
from false_core.computing.distributed import ALONE
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import FindSimilar
from false_core.labels.placement import on_common_map
from false_core.mapping.raster_for_model import open_for_model
from false_core.models.area_classifier import AreaEncoder
from false_core.models.encoder_origin import EncoderOrigin, check_has_encoder, pretrained_encoder
from false_core.models.general import BACKBONE
from false_core.models.header import ENCODER
from false_core.models.model_file import ModelCard, read_card
from false_core.raster.kept_statistics import kept_or_measured_bands
from false_core.raster.measured_bands import measured_bands
from false_core.raster.place_pictures import PlaceShown, window_within
from false_core.raster.source import RasterSource, Window, names_of
from false_core.raster.statistics import Normalisation
from false_core.raster.working_grid import areas_within, open_all
from false_core.redaction import without_secrets
from false_core.reports.page import write_report
from false_core.settings import disk_cache_bytes
from false_core.vector.layer_file import write_vector
from false_core.vector.layer_style import keep_style, style_of_places

FloatArray = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

CELL_PX = 64
"""Pixels of the first raster that a cell is wide, where neither the job nor a polygon says how large it is."""
LEAST_CELL_PX = 8
"""The least that a polygon makes it: what is smaller shows the encoder hardly anything, and there would be very many."""
SAMPLED_CELLS = 8_192
"""Cells that say what is normal."""
RANK_OF_PLACE, SCORE_OF_PLACE, RASTER_OF_PLACE = "rank", "score", "raster"
"""Fields. A Shapefile holds no names of more than 10 letters."""
SAME_PLACE = 0.5
"""Part of two marks together that is common to both, beyond which they are the same place."""
MOST_SHARED = 0.1
"""Part of a place, or of what lies on it, that may lie on an example, or on a better place where rasters overlap."""


def find_similar(job: FindSimilar, feedback: Feedback) -> dict[str, Any]:
    """Run a ``FindSimilar`` job: write the places. Return its results by name.

    Raises:
        InputError: No example lies on the rasters, or no cell but those of the examples holds data.
    """
    with feedback.stage("Starting", 0.05):
        card = read_card(job.encoder, ENCODER) if job.encoder else None
        check_has_encoder(job.weights, card)
        device = choose_device(job.device, feedback)
        examples = Marks.read(job.examples, feedback)
        unlike = Marks.read(job.unlike, feedback) if job.unlike else None
        normalisations, cell = _opened(job, card, examples, feedback)
        sources = list(normalisations)
        encoder, weights = area_encoder(job, card, sources[0], feedback)
        origins = [EncoderOrigin(BACKBONE, weights)] if weights else []
        if card:
            origins.append(pretrained_encoder(card))
        search = _Search(encoder.to(device), normalisations, device, cell, Path(job.output).parent, feedback)
        searched = search.grids(sources, job.extent)
    with feedback.stage("Looking at the rasters", 0.85):
        wanted = search.seen_of_marks(examples, sources)
        unwanted = SeenMarks(wanted.features[:0], ())
        if unlike:
            unwanted = search.seen_of_marks(unlike, sources)
            wanted, unwanted = _without_contradictions(wanted, unwanted, examples.path, unlike.path, feedback)
        features = search.features(searched)
        if 0 < disk_cache_bytes() < features.nbytes:
            feedback.warn(
                f"What is seen of {len(features):,} cells takes {features.nbytes / 1e9:.1f} GB, more than is kept on the "
                "disk: another search looks at the rasters again. The option 'Disk for remote rasters', or FALSE_DISK_GB, "
                "says how much is kept."
            )
    with feedback.stage("Comparing", 0.05):
        likeness = LikenessToExamples.to(wanted.features, unwanted.features, _sample(features), feedback.stop_if_cancelled)
        scores = np.full(len(features), -np.inf, np.float32)
        for some in row_slices(*features.shape):
            feedback.advance(some.start, len(features), "areas")
            scores[some] = np.nan_to_num(likeness.of(features[some].astype(np.float32)), nan=-np.inf)
        for marks in filter(None, (examples, unlike)):
            search.leave_out(marks, searched, scores)
        scores = likeness.looked_at_again(features, scores, job.count, feedback.stop_if_cancelled)
        ranked = np.argsort(-scores, kind="stable")[: int(np.isfinite(scores).sum())].astype(np.int64)
        if not len(ranked):
            raise InputError(
                f"There is nothing to compare in {names_of(sources)}: every cell holds nodata or an example.",
                "Choose smaller cells, another extent or more rasters.",
            )
        chosen, places = _best(searched, ranked, job.count, feedback)
    with feedback.stage("Writing", 0.05):
        if len(chosen) < job.count:
            feedback.info(f"There are only {len(chosen):,} places to find, not {job.count:,}.")
        _write(job, searched, chosen, scores[chosen], places)
        if job.report:
            found = FoundPlaces(_shown(searched, chosen), places, scores[chosen], scores[np.isfinite(scores)])
            write_report(job.report, similar_places_report(job, cell, origins, wanted, unwanted, found, feedback.warnings))
    return {"places": len(chosen), "cells": int(np.isfinite(scores).sum()), "side": round(cell, 6)}


def _opened(
    job: FindSimilar, card: ModelCard | None, examples: Marks, feedback: Feedback
) -> tuple[dict[RasterSource, Normalisation], float]:
    """Open the rasters on their working grids. Return them with what is normal in each, and the side of a cell in metres."""
    if card and job.encoder:
        sources = [open_for_model(raster, job.encoder, card, feedback, job.bands) for raster in job.rasters]
        return dict.fromkeys(sources, card.normalisation), _cell(job, examples, sources[0])
    sources = open_all(job.rasters, job.bands, feedback)
    cell = _cell(job, examples, sources[0])
    sources = [source.at_factor(factor_for_areas(cell / source.metres_or_units)) for source in sources]
    sources, common = measured_bands(
        sources, [source.window_of(None) for source in sources], bool(job.bands), feedback, ALONE, kept_or_measured_bands
    )
    if len(sources) == 1:
        return {sources[0]: common}, cell
    return {source: _normalisation(source, common, feedback) for source in sources}, cell


def _normalisation(source: RasterSource, common: Normalisation, feedback: Feedback) -> Normalisation:
    """Return what is normal in a raster by itself, so that what is seen of it does not depend on the others of a search.

    Args:
        common: Statistics of all rasters, which hold for a raster where one of the bands is nodata everywhere.
    """
    try:
        return kept_or_measured_bands([source], [source.window_of(None)], feedback).of_every_band(source)
    except InputError:
        return common


def _cell(job: FindSimilar, examples: Marks, first: RasterSource) -> float:
    if job.cell is not None:
        return job.cell
    own = examples.typical_side(first, Feedback())  # What is to be said of the layer is said where its marks are looked at.
    side = max(own, LEAST_CELL_PX) if own else CELL_PX
    # Rounded: what was seen of the cells is found again with examples of about the same size.
    return float(f"{first.metres_or_units * side:.3g}")


@dataclass(frozen=True)
class _RasterOfCells:
    """The cells of a raster, which have the numbers from ``first`` on among those of all rasters."""

    source: RasterSource
    grid: CellGrid
    first: int


@dataclass(frozen=True)
class _Search:
    """The encoder that looks at the rasters.

    Attributes:
        normalisations: Statistics of each raster.
        cell: Side of a cell in metres.
        folder: Folder for features that the memory is not to hold.
    """

    encoder: AreaEncoder
    normalisations: Mapping[RasterSource, Normalisation]
    device: torch.device
    cell: float
    folder: Path
    feedback: Feedback

    def grids(self, sources: Sequence[RasterSource], extent: str | None) -> list[_RasterOfCells]:
        """Return the cells to compare.

        Raises:
            InputError: There would be too many, or the extent meets no raster.
        """
        found: list[_RasterOfCells] = []
        total = 0
        for source, window in zip(*areas_within(sources, extent, self.feedback)):
            found.append(_RasterOfCells(source, CellGrid.over(self.side(source), window), total))
            total += found[-1].grid.count
        check_number_of_cells(total, self.cell, found[0].source)
        return found

    def side(self, source: RasterSource) -> float:
        """Return the side of a cell in working pixels."""
        return self.cell / source.metres_or_units

    def seen_of_marks(self, marks: Marks, sources: Sequence[RasterSource]) -> SeenMarks:
        """Return what is seen of marks, each on the first raster that holds data there.

        Raises:
            InputError: None of them lies on a raster.
        """
        told: set[CRS | None] = set()  # What is to be said of the layer is said for the first raster of each CRS alone.
        found = np.full((len(marks), 0), np.nan, np.float32)
        where: dict[int, PlaceShown] = {}
        for source in sources:
            pooling = self._pooling(source, self.feedback.aside())
            if not found.shape[1]:
                found = np.full((len(marks), pooling.width), np.nan, np.float32)
            shapes = marks.on(source, self.side(source), Feedback() if source.crs in told else self.feedback)
            told.add(source.crs)
            here = np.isnan(found[:, 0]) & shapely.intersects(shapes, shapely.box(0, 0, source.width, source.height))
            if here.any():
                found[here] = features_of(pooling, shapes[here], self.folder)
            for number in np.flatnonzero(here & np.isfinite(found[:, 0])).tolist():
                where[number] = PlaceShown(source, _on_raster(shapes[number], source))
        known = np.isfinite(found[:, 0])
        if not known.any():
            raise InputError(
                f"No place of {marks.path} lies on the data of {names_of(sources)}.",
                "Check that both have the right CRS and lie on top of each other.",
            )
        if not known.all():
            self.feedback.warn(
                f"{int((~known).sum())} of {len(marks)} places of {marks.path} lie where there is no data, and are left out."
            )
        return SeenMarks(found[known], [where[number] for number in np.flatnonzero(known).tolist()])

    def features(self, searched: Sequence[_RasterOfCells]) -> Features:
        """Return what is seen of every cell."""
        last = searched[-1]
        width = self._pooling(last.source, self.feedback).width
        table = table_of_features(last.first + last.grid.count, width, self.folder)
        for one in searched:
            pooling = self._pooling(one.source, self.feedback)
            whole = CellGrid.over(one.grid.side, one.source.window_of(None))
            # The strips of the whole raster, so that a part of it finds what is kept of all.
            for strip in whole.strips():
                numbers = one.grid.numbers_of(strip, whole)
                wanted = np.flatnonzero(numbers >= 0)
                if len(wanted):
                    cells = CellsOfStrip(strip, whole, wanted)
                    fill_features_of_strip(pooling, cells, table, one.first + int(numbers[wanted[0]]))
        return table

    def leave_out(self, marks: Marks, searched: Sequence[_RasterOfCells], scores: FloatArray) -> None:
        """Take the places of marks out of what can be found."""
        for one in searched:
            for shape in marks.on(one.source, self.side(one.source), Feedback()):
                scores[one.first + one.grid.at(shape, MOST_SHARED)] = -np.inf

    def _pooling(self, source: RasterSource, feedback: Feedback) -> Pooling:
        return Pooling(self.encoder, source, self.normalisations[source], self.device, feedback)


def _without_contradictions(
    wanted: SeenMarks, unwanted: SeenMarks, examples: str, unlike: str, feedback: Feedback
) -> tuple[SeenMarks, SeenMarks]:
    """Return marks without the places that are both an example and no example, and say so.

    Raises:
        InputError: No example is left.
    """
    both: set[int] = set()
    others: set[int] = set()
    against = _by_raster(unwanted.places)
    for source, (numbers, boxes) in _by_raster(wanted.places).items():
        if source in against:
            mine, theirs = _same_places(boxes, against[source][1])
            both.update(numbers[mine].tolist())
            others.update(against[source][0][theirs].tolist())
    if not both:
        return wanted, unwanted
    if len(both) == len(wanted.places):
        raise InputError(
            f"Every place of {examples} is also one of {unlike}.",
            "Choose places of the kind that is looked for as examples, and others as 'Not this'.",
        )
    feedback.warn(
        f"{len(both)} places are in {examples} and in {unlike} alike. They are left out of both; take them out of one of "
        "these."
    )
    return wanted.without(both), unwanted.without(others)


def _by_raster(places: Sequence[PlaceShown]) -> dict[int, tuple[Numbers, npt.NDArray[np.object_]]]:
    """Return the numbers of the places of each raster, and their boxes in its pixels."""
    of_raster: dict[int, list[int]] = {}
    for number, place in enumerate(places):
        of_raster.setdefault(id(place.source), []).append(number)
    found = {}
    for source, numbers in of_raster.items():
        windows = [places[number].window for number in numbers]
        left, top, wide, high = np.array([(w.column, w.row, w.width, w.height) for w in windows]).T
        found[source] = np.array(numbers, np.int64), shapely.box(left, top, left + wide, top + high)
    return found


def _same_places(boxes: npt.NDArray[np.object_], others: npt.NDArray[np.object_]) -> tuple[Numbers, Numbers]:
    """Return the pairs of a box and another one that have more in common than in only one of them."""
    one, other = shapely.STRtree(others).query(boxes)
    common = shapely.area(shapely.intersection(boxes[one], others[other]))
    same = common > SAME_PLACE * (shapely.area(boxes[one]) + shapely.area(others[other]) - common)
    return one[same], other[same]


def _on_raster(shape: Any, source: RasterSource) -> Window:
    """Return the pixels that a shape touches, as far as the raster goes."""
    return source.clipped(window_within(shapely.bounds(shape)))


def _sample(features: Features) -> FloatArray:
    """Return the features of some cells that hold data."""
    some = np.random.default_rng(0).permutation(len(features))[:SAMPLED_CELLS]
    sample = features[np.sort(some)].astype(np.float32)
    return sample[np.isfinite(sample[:, 0])]


def _best(
    searched: Sequence[_RasterOfCells], ranked: Numbers, count: int, feedback: Feedback
) -> tuple[Numbers, geopandas.GeoSeries]:
    """Return the first cells of a ranking of which none lies on a better one, with their squares on the map."""
    best = _squares(searched, ranked[:count], feedback)
    if len(searched) == 1:
        return ranked[:count], best
    kept: list[int] = []
    places = np.zeros(0, object)
    for start in range(0, len(ranked), count):
        group = ranked[start : start + count]
        every = np.concatenate([places, _squares(searched, group, Feedback()).to_numpy()])
        chosen = _apart(every, len(places))[: count - len(kept)]
        kept += group[chosen - len(places)].tolist()
        places = np.concatenate([places, every[chosen]])
        if len(kept) == count:
            break
    return np.array(kept, np.int64), geopandas.GeoSeries(places, crs=best.crs)


def _apart(squares: npt.NDArray[np.object_], settled: int) -> Numbers:
    """Return which squares from number ``settled`` on hardly lie on one before that stays. Those before all stay."""
    later, earlier = shapely.STRtree(squares).query(squares, predicate="intersects")
    behind = (earlier < later) & (later >= settled)
    later, earlier = later[behind], earlier[behind]
    shared = shapely.area(shapely.intersection(squares[later], squares[earlier]))
    on_it = shared > MOST_SHARED * np.minimum(shapely.area(squares[later]), shapely.area(squares[earlier]))
    stays = np.ones(len(squares), bool)
    order = np.argsort(later[on_it], kind="stable")
    for one, other in zip(later[on_it][order].tolist(), earlier[on_it][order].tolist()):
        stays[one] &= not stays[other]
    return settled + np.flatnonzero(stays[settled:])


def _raster_of(searched: Sequence[_RasterOfCells], cells: Numbers) -> Numbers:
    """Return the number of the raster of each cell."""
    return np.searchsorted([one.first for one in searched], cells, side="right") - 1


def _shown(searched: Sequence[_RasterOfCells], cells: Numbers) -> list[PlaceShown]:
    """Return cells with the raster on which each lies."""
    owners, bounds = _raster_of(searched, cells), np.zeros((len(cells), 4))
    for number in np.unique(owners).tolist():
        mine = owners == number
        bounds[mine] = shapely.bounds(searched[number].grid.cells(cells[mine] - searched[number].first))
    return [PlaceShown(searched[number].source, window_within(box)) for number, box in zip(owners.tolist(), bounds)]


def _squares(searched: Sequence[_RasterOfCells], cells: Numbers, feedback: Feedback) -> geopandas.GeoSeries:
    """Return cells as polygons in the CRS of the first raster that has one."""
    owners, shapes = _raster_of(searched, cells), np.empty(len(cells), object)
    for number in np.unique(owners).tolist():
        mine = owners == number
        shapes[mine] = searched[number].grid.cells(cells[mine] - searched[number].first)
    return on_common_map(shapes, owners, [one.source for one in searched], feedback)


def _write(
    job: FindSimilar, searched: Sequence[_RasterOfCells], cells: Numbers, scores: FloatArray, places: geopandas.GeoSeries
) -> None:
    paths = [without_secrets(one.source.path) for one in searched]
    fields = {
        RANK_OF_PLACE: np.arange(1, len(cells) + 1),
        SCORE_OF_PLACE: np.round(scores.astype(np.float64), 3),
        RASTER_OF_PLACE: [paths[number] for number in _raster_of(searched, cells)],
    }
    style = style_of_places(RANK_OF_PLACE, SCORE_OF_PLACE)
    write_vector(
        job.output,
        geopandas.GeoDataFrame(fields, geometry=places),
        finish=lambda scratch: keep_style(style, scratch, job.output, job.rasters[0]),
    )
