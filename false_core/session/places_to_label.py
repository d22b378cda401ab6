"""The places where a label would teach most: pixels of a regular grid, some uncertain and unlike what is labelled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import shapely

from false_core.inference.tiles import Tile, TilePlan
from false_core.mapping.selection import choose_squares
from false_core.raster.grid import moved
from false_core.session.kept_tiles import EncodedTile, KeptTiles
from false_core.session.live_head import LiveHead
from false_core.session.session_labels import SessionLabels
from false_core.session.session_raster import SessionRaster
from false_core.session_protocol import NO_CLASS, Place
from false_core.training.heads.fits import design
from false_core.training.heads.samples import FloatArray

GRID_PX = 32
"""Working pixels between neighbours of the grid, and the side of a place."""
MEMORY_FOR_GRID = 60_000_000
"""Bytes of features of the grid. Of a larger raster fewer of its pixels are looked at."""


class GridOfPlaces:
    """The pixels of a grid all over a raster that have been looked at so far.

    Args:
        raster: The raster, and how it is looked at.
        tiles: Looks at its tiles.
        plan: Plan of those tiles.
    """

    def __init__(self, raster: SessionRaster, tiles: KeptTiles, plan: TilePlan) -> None:
        self._raster, self._tiles, self._plan = raster, tiles, plan
        self._positions: dict[tuple[int, int], npt.NDArray[np.int64]] = {}
        self._seen: dict[tuple[int, int], dict[str, npt.NDArray[np.float16]]] = {}
        dimensions = sum(space.axes.shape[1] for space in raster.spaces.values())
        per_tile = (plan.stride // GRID_PX) ** 2
        self._most_per_tile = max(4, min(per_tile, MEMORY_FOR_GRID // (2 * dimensions * max(1, len(plan)))))

    def knows(self, tile: Tile) -> bool:
        """Return whether a tile has been looked at."""
        return (tile.column, tile.row) in self._positions

    def add(self, looked: EncodedTile) -> None:
        """Take the pixels of the grid in the core of a tile."""
        tile, plan, f = looked.tile, self._plan, self._raster.source.factor
        key = tile.column, tile.row
        self._positions[key], self._seen[key] = np.zeros((0, 2), np.int64), {}
        if looked.valid is None:
            return
        across = plan.stride // GRID_PX
        row, column = np.mgrid[:across, :across].reshape(2, -1)
        middles = np.stack([column, row], axis=1) * GRID_PX + (GRID_PX // 2 + 0.5)
        corner = np.array([tile.column, tile.row]) * plan.stride
        inside = (middles + corner < (plan.area.width, plan.area.height)).all(axis=1)
        at = (middles + plan.lead).astype(np.int64) * f
        inside &= looked.valid_pixels(f)[at[:, 1], at[:, 0]]
        chosen = np.flatnonzero(inside)
        if len(chosen) > self._most_per_tile:
            chance = np.random.default_rng([self._raster.start.job.seed, *key])
            chosen = np.sort(chance.permutation(chosen)[: self._most_per_tile])
        if not len(chosen):
            return
        self._positions[key] = np.stack([column, row], axis=1)[chosen] + np.array(key) * across
        seen = self._tiles.seen_at(looked, middles[chosen] + corner)
        self._seen[key] = {name: values.astype(np.float16) for name, values in seen.items()}

    def best(
        self, head: LiveHead, labels: SessionLabels, labelled: Mapping[str, FloatArray], count: int
    ) -> tuple[Place, ...]:
        """Return the places where a label would teach most.

        Args:
            head: The classifiers of the moment.
            labels: The labels; places that they touch are left out.
            labelled: Features of places that are labelled, as classifiers see them, by part.
            count: Number of places wanted.
        """
        keys = [key for key, own in self._seen.items() if own]
        if not keys:
            return ()
        positions = np.concatenate([self._positions[key] for key in keys])
        seen = {
            name: np.concatenate([self._seen[key][name] for key in keys]).astype(np.float32) for name in self._raster.names
        }
        boxes = self._boxes(positions)
        free = np.flatnonzero(~labels.covers(boxes))
        if not len(free):
            return ()
        positions, boxes = positions[free], boxes[free]
        seen = {name: values[free] for name, values in seen.items()}
        probabilities = self._probabilities(head, seen)
        order = np.argsort(-probabilities, axis=1, kind="stable")
        first, second = (np.take_along_axis(probabilities, order[:, k : k + 1], 1)[:, 0] for k in (0, 1))
        doubt = 1 - (first - second)
        features, others = _standardised(seen, labelled)
        codes = [one.code for one in head.classes]
        places = []
        for choice in choose_squares(doubt, features, positions, others, count):
            n = choice.index
            corners = moved(self._raster.source.transform, np.asarray(shapely.get_coordinates(boxes[n])))
            extent = (corners[:, 0].min(), corners[:, 0].max(), corners[:, 1].min(), corners[:, 1].max())
            other = codes[order[n, 1]] if len(codes) > 1 else NO_CLASS
            places.append(Place(tuple(map(float, extent)), codes[order[n, 0]], other, float(doubt[n])))
        return tuple(places)

    def _boxes(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
        start = positions * GRID_PX
        return np.asarray(shapely.box(start[:, 0], start[:, 1], start[:, 0] + GRID_PX, start[:, 1] + GRID_PX))

    def _probabilities(self, head: LiveHead, seen: Mapping[str, FloatArray]) -> FloatArray:
        spaces = self._raster.seen_spaces
        total = np.zeros((len(next(iter(seen.values()))), len(head.classes)), np.float32)
        for member in self._raster.candidate.members:
            total += member.weight * head.fitted[member.parts].log_probabilities(design(member.parts, spaces, seen))
        total = np.exp(total - total.max(axis=1, keepdims=True))
        return np.asarray(total / total.sum(axis=1, keepdims=True), np.float32)


def _standardised(seen: Mapping[str, FloatArray], labelled: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Bring every part to weights with which it counts the same, two pixels drawn at random being about 1 apart."""
    own, others = [], []
    for name, values in seen.items():
        mean, std = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
        scale = std * np.sqrt(2 * len(std) * len(seen))
        own.append((values - mean) / scale)
        others.append((labelled[name] - mean) / scale)
    return np.concatenate(own, axis=1).astype(np.float32), np.concatenate(others, axis=1).astype(np.float32)
