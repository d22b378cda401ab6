"""Collecting places to pretrain on: from many rasters, and map data if there is any, to squares in balance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt

from false_core.collection.candidate_features import CandidateFeatures, PlaceEncoder, features_of_candidates, side_for
from false_core.collection.candidates import (
    Guide,
    PlaceCandidates,
    SearchedRasters,
    guided,
    scattered,
    squares,
    with_classes_of,
)
from false_core.collection.choosing import PlaceGroup, by_group, chosen, clusters
from false_core.collection.collection_report import CollectionAsked, GroupQuota, collection_report
from false_core.collection.places import read_places
from false_core.collection.quotas import quotas
from false_core.collection.spread import ChosenPlaces, in_turn
from false_core.collection.variety import contrastive_gradients, covering_first, farthest_first
from false_core.computing.device import choose_device
from false_core.computing.distributed import ALONE
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import BY_CHANCE, BY_FEATURES, BY_GRADIENTS, CollectPlaces
from false_core.labels.reading import read_class_values
from false_core.mapping.raster_for_model import open_for_model
from false_core.models.encoder import build_encoder
from false_core.models.from_file import encoder_from
from false_core.models.general import BACKBONE, GENERAL
from false_core.models.header import ENCODER
from false_core.models.model_file import read_card
from false_core.models.weights import start_from
from false_core.raster.measured_bands import measured_bands
from false_core.raster.source import RasterSource
from false_core.raster.working_grid import areas_within, open_all
from false_core.redaction import without_secrets
from false_core.reports.page import write_report
from false_core.sampling.geocentric import GeocentricPositions
from false_core.vector.layer_file import write_vector
from false_core.vector.layer_style import keep_style, style_of_places

DEFAULT_SIDE = 128
"""Pixels of the first raster that a place is long, where the job does not say it."""
SIDE_SEEN = 128
"""Pixels to which places are averaged before the general encoder looks at them, about."""
PER_PLACE = 4
"""Candidates that are looked at for each place that is wanted."""
FEWEST_LOOKED_AT, MOST_LOOKED_AT = 500, 50_000
MOST_COMPARED = 5_000
"""Candidates of one class that are compared with one another."""
REGION = 10
"""The side of a region that takes turns with others, in distances of two places."""
PLACES_LAYER, CLASS_OF_PLACE = "places", "class"
"""Names of the layer, and of its field with the class of the map data."""


def collect_places(job: CollectPlaces, feedback: Feedback) -> dict[str, Any]:
    """Run a ``CollectPlaces`` job: write the squares. Return its results by name.

    Raises:
        InputError: No place of the size fits, or none holds data, or the guide does not lie over the rasters.
    """
    generator = np.random.default_rng(job.seed)
    how = job.choice if job.choice != "auto" else (BY_CHANCE if job.guide else BY_FEATURES)
    with feedback.stage("Starting", 0.05):
        searched, encoder = _open(job, how, feedback)
        ground = GeocentricPositions(searched.sources)
        guide = _guide(job, feedback)
        existing = _existing(job, guide, searched, feedback)
    with feedback.stage("Finding places", 0.1):
        every = guided(guide, searched, generator, feedback) if guide else scattered(searched, _looked_at(job), generator)
        if not len(every):
            raise _none(job, searched)
        found = np.bincount(every.classes, minlength=len(every.names))
        candidates = _sampled(job, every, found, generator)
    with feedback.stage("Looking at places", 0.75):
        features = features_of_candidates(searched, candidates, encoder, generator, feedback)
        if not features.valid.any():
            raise InputError("None of the places holds data.", "Check the nodata value of the rasters, and the extent.")
        candidates = candidates.of(features.valid)
    with feedback.stage("Choosing", 0.08):
        distance = searched.side_m if job.distance is None else job.distance
        region = REGION * (distance or searched.side_m)
        positions = ground.at(candidates.rasters, candidates.middles)
        spread = ChosenPlaces(distance)
        ordering = _Ordering(how, features, positions, candidates.rasters, region, job.count, generator)
        names, groups = _groups(job, ordering, candidates, found, existing)
        for place in ground.at(existing.rasters, existing.middles):
            spread.add(place)
        picked, halved = chosen(groups, positions, spread, distance, job.count, job.balance)
        quota = _quotas(job, names, groups, picked)
    with feedback.stage("Writing", 0.02):
        collected = _appended(existing, candidates.of(picked))
        _report(job, collected, [names[group] for group in halved if names[group]], feedback)
        _write(job, searched, collected, feedback)
        if job.report:
            asked = CollectionAsked(job, how, distance)
            write_report(job.report, collection_report(asked, searched, collected, quota, feedback.warnings))
    return {"places": len(collected), "classes": len(set(collected.classes.tolist()))}


def _open(job: CollectPlaces, how: str, feedback: Feedback) -> tuple[SearchedRasters, PlaceEncoder | None]:
    """Open the rasters, on grids on which a place is about as large as the encoder wants it, and the encoder."""
    device = choose_device(job.device, feedback) if how != BY_CHANCE else None
    if device is None or not job.encoder:
        sources = open_all(job.rasters, job.bands, feedback)
        side = _side(job, sources[0])
        sources = [
            source.at_factor(factor) if factor > 1 else source for source in sources for factor in [_factor(source, side)]
        ]
        sources, areas = areas_within(sources, job.extent, feedback)
        if device:
            sources, normalisation = measured_bands(sources, areas, bool(job.bands), feedback, ALONE)
        searched = SearchedRasters(sources, areas, [_pixels(source, side) for source in sources], side)
        if device is None:
            return searched, None
        encoder = build_encoder(BACKBONE, len(sources[0].bands))
        start_from(GENERAL, encoder, BACKBONE, sources[0].name, sources[0].colours, feedback)
    else:
        card = read_card(job.encoder, ENCODER)
        encoder, normalisation = encoder_from(job.encoder, card), card.normalisation
        sources = [open_for_model(raster, job.encoder, card, feedback, job.bands) for raster in job.rasters]
        side = _side(job, sources[0])
        sources, areas = areas_within(sources, job.extent, feedback)
        searched = SearchedRasters(sources, areas, [_pixels(source, side) for source in sources], side)
    encoder = encoder.eval().to(device)
    return searched, PlaceEncoder(encoder, normalisation, device, side_for(searched.sides[0]), how == BY_GRADIENTS)


def _side(job: CollectPlaces, source: RasterSource) -> float:
    """Return the side of a place in metres."""
    return DEFAULT_SIDE * source.metres_or_units / source.factor if job.size is None else job.size


def _factor(source: RasterSource, side: float) -> int:
    return max(1, int(side / source.metres_or_units / SIDE_SEEN))


def _pixels(source: RasterSource, side: float) -> int:
    return max(1, round(side / source.metres_or_units))


def _guide(job: CollectPlaces, feedback: Feedback) -> Guide | None:
    if not job.guide or not job.field:
        return None
    return Guide.of(*read_class_values(job.guide, job.field, feedback)[:2])


def _existing(job: CollectPlaces, guide: Guide | None, searched: SearchedRasters, feedback: Feedback) -> PlaceCandidates:
    """Return the places that are there already, with their classes; none where no layer of them is named."""
    if not job.existing:
        return PlaceCandidates(np.zeros(0, np.int64), np.zeros((0, 2), np.int64), np.zeros(0, np.int64), ("",))
    places = read_places(job.existing, searched.sources, searched.areas, feedback)
    if places.beyond:
        every = len(places.rasters) + places.beyond
        feedback.warn(
            f"{places.beyond:,} of {every:,} places of {without_secrets(job.existing)} lie on no raster, or outside the "
            "extent. They do not count, and the new layer lacks them."
        )
    if guide:
        return with_classes_of(guide, searched, places, Feedback())
    return PlaceCandidates(places.rasters, places.centres, np.zeros(len(places.rasters), np.int64), ("",))


def _looked_at(job: CollectPlaces) -> int:
    return max(job.count, min(MOST_LOOKED_AT, max(FEWEST_LOOKED_AT, PER_PLACE * job.count)))


def _none(job: CollectPlaces, searched: SearchedRasters) -> InputError:
    side = searched.side_m
    if all(searched.room(number) is None for number in range(len(searched.sources))):
        return InputError(f"No raster holds a place of {side:g} m.", "Choose smaller places, or a larger extent.")
    return InputError(
        f"No shape of {job.guide} lies over the rasters with room for a place of {side:g} m around it.",
        "Check that the layers have the right CRS, or choose smaller places.",
    )


def _sampled(
    job: CollectPlaces, every: PlaceCandidates, found: npt.NDArray[np.int64], generator: np.random.Generator
) -> PlaceCandidates:
    """Return the candidates that are looked at: of each class several times as many as it is likely to give."""
    likely = quotas(found, found, _looked_at(job), job.balance)
    kept = [
        generator.permutation(np.flatnonzero(every.classes == number))[: int(most)] for number, most in enumerate(likely)
    ]
    return every.of(np.sort(np.concatenate(kept)))


@dataclass(frozen=True)
class _Ordering:
    """The order of the candidates of a group.

    Attributes:
        region: Side in metres of the cells of space that take turns. They hold a handful of places each, so that these come
            from everywhere.
    """

    how: str
    features: CandidateFeatures
    positions: npt.NDArray[np.float64]
    rasters: npt.NDArray[np.int64]
    region: float
    count: int
    generator: np.random.Generator

    def __call__(self, members: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return an order of some candidates, as indices into ``members``."""
        where = self.positions[members], self.rasters[members], self.region, self.generator
        if self.how == BY_CHANCE:
            return in_turn(*where)
        compared = self.generator.permutation(len(members))[:MOST_COMPARED]
        one = self.features.one[members[compared]]
        if self.how == BY_FEATURES:
            return in_turn(*where, compared[farthest_first(one)])
        gradients = contrastive_gradients(one, self.features.other[members[compared]], self.generator)
        return in_turn(*where, compared[covering_first(gradients, 2 * self.count)])


def _groups(
    job: CollectPlaces,
    ordering: _Ordering,
    candidates: PlaceCandidates,
    found: npt.NDArray[np.int64],
    existing: PlaceCandidates,
) -> tuple[tuple[str, ...], list[PlaceGroup]]:
    """Return the groups that get quotas, and what they are called: classes of the guide, or what looks alike."""
    names, members = candidates.names, candidates.classes
    if not job.guide and ordering.how == BY_FEATURES:
        members = clusters(ordering.features.one, job.seed)
        names = ("",) * (int(members.max()) + 1)
        found = np.bincount(members)
    # Those of no class that gives places count too, towards the number that is wanted: as many for each group.
    known = existing.classes[existing.classes < len(names)] if job.guide else existing.classes[:0]
    there = np.bincount(known, minlength=len(names))
    others = len(existing) - len(known)
    there += quotas(found, np.full(len(names), others, np.int64), others, 0.0)
    orders = by_group(members, len(names), ordering)
    return names, [PlaceGroup(int(f), order, int(n)) for f, order, n in zip(found, orders, there)]


def _quotas(
    job: CollectPlaces, names: tuple[str, ...], groups: list[PlaceGroup], picked: npt.NDArray[np.int64]
) -> list[GroupQuota]:
    """Return what each group was to give by the shares asked for, and what it gave."""
    found = np.array([group.found for group in groups], np.int64)
    wanted = quotas(found, np.where(found > 0, job.count, 0).astype(np.int64), job.count, job.balance)
    return [
        GroupQuota(name, group.found, int(number), group.existing, int(np.isin(group.order, picked).sum()))
        for name, group, number in zip(names, groups, wanted)
    ]


def _appended(existing: PlaceCandidates, more: PlaceCandidates) -> PlaceCandidates:
    names = tuple(sorted({*existing.names, *more.names}))
    of = {name: number for number, name in enumerate(names)}
    classes = [of[one.names[number]] for one in (existing, more) for number in one.classes]
    return PlaceCandidates(
        np.concatenate([existing.rasters, more.rasters]),
        np.concatenate([existing.centres, more.centres]),
        np.array(classes, np.int64),
        names,
    )


def _report(job: CollectPlaces, collected: PlaceCandidates, halved: list[str], feedback: Feedback) -> None:
    if any(collected.names):
        counts = np.bincount(collected.classes, minlength=len(collected.names))
        told = ", ".join(f"{name or '-'} {number:,}" for name, number in zip(collected.names, counts.tolist()) if number)
        feedback.info(f"{len(collected):,} places: {told}.")
    if halved:
        feedback.warn(f"There is not room for as many of {', '.join(halved)}: places of these lie closer together.")
    if len(collected) < job.count:
        feedback.warn(
            f"Only {len(collected):,} of {job.count:,} places are collected: there are no more that keep a distance and do "
            "not look the same. Choose smaller places or a smaller distance for more."
        )


def _write(job: CollectPlaces, searched: SearchedRasters, collected: PlaceCandidates, feedback: Feedback) -> None:
    paths = [without_secrets(source.path) for source in searched.sources]
    table = geopandas.GeoDataFrame(
        {
            "place": np.arange(1, len(collected) + 1),
            CLASS_OF_PLACE: [collected.names[number] or None for number in collected.classes],
            "raster": [paths[number] for number in collected.rasters],
        },
        geometry=squares(searched, collected, feedback),
    )
    style = style_of_places("place", CLASS_OF_PLACE)
    write_vector(job.output, table, PLACES_LAYER, lambda scratch: keep_style(style, scratch, job.output, job.rasters[0]))
