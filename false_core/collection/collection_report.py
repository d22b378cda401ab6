"""The report of collected places: what was wanted and collected of each class and raster, and where the places lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from false_core.collection.candidates import PlaceCandidates, SearchedRasters
from false_core.jobs import CollectPlaces
from false_core.models.model_report import bands_shown
from false_core.raster.classes import classes_from_values
from false_core.raster.georeference import ground_facts
from false_core.raster.place_pictures import MOST_PICTURES, PLACE_COLOUR, PlaceShown, draw_on_rasters, draw_places
from false_core.raster.source import names_of
from false_core.redaction import without_secrets
from false_core.reports.figures import MAX_LEGEND_CLASSES, bars_figure
from false_core.reports.page import page, percent
from false_core.reports.sections import Section, next_steps

NAME_WITHOUT_CLASS = "-"
"""The name of places on no shape of the map data."""
COLOUR_WITHOUT_CLASS = "#8a8f98"
MOST_RASTERS_LISTED = 100
MOST_BARS = 50
"""Classes for which bars are drawn; a table lists all."""


@dataclass(frozen=True)
class CollectionAsked:
    """The request for places.

    Attributes:
        choice: Way in which places of a group are chosen.
        distance: The least distance between two places in metres.
    """

    job: CollectPlaces
    choice: str
    distance: float


@dataclass(frozen=True)
class GroupQuota:
    """The quota of a class, or of a group of places that look alike, and what it gave.

    Attributes:
        name: The class; empty for a group.
        found: Candidates of it.
        wanted: Places by the shares asked for.
        existing: Places that were there already.
        collected: Places that were added.
    """

    name: str
    found: int
    wanted: int
    existing: int
    collected: int


def collection_report(
    asked: CollectionAsked,
    searched: SearchedRasters,
    collected: PlaceCandidates,
    groups: Sequence[GroupQuota],
    notes: Sequence[str],
) -> str:
    """Return the report of collected places, as HTML."""
    job = asked.job
    colours = _colours(collected.names)
    places = [
        PlaceShown(searched.sources[raster], window, colours[number])
        for raster, window, number in zip(
            collected.rasters.tolist(), searched.windows(collected), collected.classes.tolist()
        )
    ]
    by_class = any(collected.names)
    titles = [collected.names[number] or NAME_WITHOUT_CLASS for number in collected.classes.tolist()]
    present = np.unique(collected.classes).tolist()
    legend = [
        (collected.names[number] or NAME_WITHOUT_CLASS, colours[number]) for number in present if len(set(colours)) > 1
    ]
    per_raster = np.bincount(collected.rasters, minlength=len(searched.sources))
    tiles = [
        ("places", f"{len(collected):,}"),
        ("wanted", f"{job.count:,}"),
        ("rasters with places", f"{int((per_raster > 0).sum())}"),
        ("side of a place", f"{searched.side_m:g} m"),
    ]
    examples = _in_turn(collected)[:MOST_PICTURES]
    sections = [
        Section("What was asked for", rows=_facts(asked)),
        *_of_groups(groups, colours, collected.names),
        *_of_rasters(searched, per_raster.tolist()),
        Section("Where they lie", "The squares are the places.", draw_on_rasters(places, legend)),
        Section(
            "What they show",
            f"{bands_shown(searched.sources[0].bands)} {len(examples)} of {len(collected):,} places are shown.",
            draw_places(
                [places[number] for number in examples], [titles[number] if by_class else "" for number in examples]
            ),
        ),
        *next_steps(
            "Look at some of the squares of each class over the rasters: maps can be old or wrong." if by_class else "",
            "Take the layer as 'Places' of 'Pretrain an encoder'.",
        ),
    ]
    summary = f"{len(collected):,} places to learn from, on {names_of(searched.sources)}."
    return page("FALSE places to learn from", summary, tiles, notes, sections, ground_facts(searched.sources[0]))


def _facts(asked: CollectionAsked) -> list[list[str]]:
    job = asked.job
    return [
        ["Number of places", f"{job.count:,}"],
        ["Map data", without_secrets(job.guide) if job.guide else "-"],
        ["Choice", asked.choice],
        ["Shares of classes", f"{job.balance:g}"],
        ["Least distance", f"{asked.distance:g} m"],
        ["Places so far", without_secrets(job.existing) if job.existing else "-"],
        ["Choose places only in this part", job.extent or "everywhere"],
    ]


def _of_groups(groups: Sequence[GroupQuota], colours: Sequence[str], names: Sequence[str]) -> list[Section]:
    """Return what classes gave; of several groups without names, how many there are and how many places they gave."""
    given = [group.existing + group.collected for group in groups]
    if not any(group.name for group in groups):
        if len(groups) < 2:
            return []
        text = f"There is no map data, so {len(groups)} groups of places that look alike stand for classes. "
        each = f"They were to give {_span([group.wanted for group in groups])} places each, and gave {_span(given)}."
        return [Section("Groups of places", text + each)]
    colour_of = dict(zip(names, colours))
    own = [colour_of.get(group.name, COLOUR_WITHOUT_CLASS) for group in groups]
    total = max(1, sum(given))
    section = Section(
        "Places of each class",
        "Found are squares on the map data that could be taken. Wanted are those that the shares asked for would give each "
        "class; what a class cannot give, the others do.",
        bars_figure([g.name for g in groups], [n / total for n in given], own) if len(groups) <= MOST_BARS else "",
        header=("Class", "Found", "Wanted", "Collected", "of these, so far", "Share"),
        rows=[
            [g.name, f"{g.found:,}", f"{g.wanted:,}", f"{number:,}", f"{g.existing:,}", percent(number / total)]
            for g, number in zip(groups, given)
        ],
        colors=own if len(set(own)) > 1 else (),
    )
    return [section]


def _of_rasters(searched: SearchedRasters, counts: Sequence[int]) -> list[Section]:
    """Return how many places lie on each of several rasters."""
    if len(counts) < 2:
        return []
    total = max(1, sum(counts))
    order = sorted(range(len(counts)), key=lambda number: -counts[number])
    shown = order[:MOST_RASTERS_LISTED]
    rows = [[searched.sources[n].name, f"{counts[n]:,}", percent(counts[n] / total)] for n in shown]
    text = f"{len(shown)} of {len(counts)} rasters are shown." if len(shown) < len(counts) else ""
    return [Section("Places of each raster", text, header=("Raster", "Places", "Share"), rows=rows)]


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _colours(names: Sequence[str]) -> list[str]:
    """Return the colour of each class of places, as maps usually show it."""
    known = [name for name in names if name]
    if not known or len(known) > MAX_LEGEND_CLASSES:
        return [PLACE_COLOUR] * len(names)
    colour_of = {c.name: c.color for c in classes_from_values(known, [])[1]}
    return [colour_of.get(name, COLOUR_WITHOUT_CLASS) for name in names]


def _in_turn(collected: PlaceCandidates) -> list[int]:
    """Return the numbers of places, one of each class after the other."""
    seen: dict[int, int] = {}
    turns = []
    for number, own in enumerate(collected.classes.tolist()):
        seen[own] = seen.get(own, 0) + 1
        turns.append((seen[own], own, number))
    return [number for _, _, number in sorted(turns)]
