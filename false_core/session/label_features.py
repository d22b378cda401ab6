"""The features of labels, taken tile by tile: those of the pixels that are drawn from each label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from false_core.inference.tiles import Tile, TilePlan
from false_core.session.kept_tiles import EncodedTile, KeptTiles
from false_core.session.session_labels import PlacedLabel, take_positions, tiles_of
from false_core.session.superseded import stop_if
from false_core.training.heads.samples import FloatArray

FEW_LABELS = 4
"""Labels of a tile up to which each is looked at alone. The surroundings of more overlap, or nearly fill the tile."""


def labels_per_tile(labels: Mapping[int, PlacedLabel], plan: TilePlan) -> dict[tuple[int, int], int]:
    """Return by column and row how many labels each tile has whose features are still to be taken."""
    counts: dict[tuple[int, int], int] = {}

    def count(label: PlacedLabel, numbers: npt.NDArray[np.int64]) -> None:
        for column, row in np.unique(tiles_of(plan, label.positions[numbers]), axis=0).tolist():
            counts[column, row] = counts.get((column, row), 0) + 1

    take_positions(labels, count)
    return counts


def take_features(
    labels: Mapping[int, PlacedLabel],
    tile: Tile,
    plan: TilePlan,
    tiles: KeptTiles,
    factor: int,
    interrupted: Callable[[], bool],
) -> None:
    """Take the features of all labels that have a position in the core of a tile.

    Args:
        factor: Pixels of the file per pixel of the working grid.
        interrupted: Returns whether they are of no use any more.

    Raises:
        Superseded: ``interrupted`` said so.
    """
    wanted: list[tuple[PlacedLabel, npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []

    def collect(label: PlacedLabel, numbers: npt.NDArray[np.int64]) -> None:
        tiles_of_label = tiles_of(plan, label.positions[numbers])
        if (tiles_of_label == (tile.column, tile.row)).all(axis=1).any():
            wanted.append((label, numbers, tiles_of_label))

    take_positions(labels, collect)
    found: list[list[tuple[npt.NDArray[np.int64], dict[str, FloatArray]]]] = [[] for _ in wanted]
    for column, row in np.unique(np.concatenate([its_tiles for _, _, its_tiles in wanted]), axis=0).tolist():
        stop_if(interrupted)
        looked = tiles.of(plan.tile(column, row), interrupted)
        owned = [numbers[(its_tiles == (column, row)).all(axis=1)] for _, numbers, its_tiles in wanted]
        positions = [label.positions[own] for (label, _, _), own in zip(wanted, owned)]
        for number, (own, (valid, seen)) in enumerate(zip(owned, _seen_at(looked, positions, tiles, factor))):
            if valid.any():
                found[number].append((own[valid], seen))
    for (label, _, _), own_parts in zip(wanted, found):
        label.keep_features(own_parts)


def _seen_at(
    looked: EncodedTile, positions: Sequence[npt.NDArray[np.float64]], tiles: KeptTiles, factor: int
) -> Iterator[tuple[npt.NDArray[np.bool_], dict[str, FloatArray]]]:
    """Yield for each of several arrays of positions in a tile which are valid, and the features of those by part."""
    window = looked.tile.window
    inside = [own - [window.column, window.row] for own in positions]
    if looked.valid is None:
        yield from ((np.zeros(len(own), bool), {}) for own in inside)
        return
    valid_pixels = looked.valid_pixels(factor)
    valid = [valid_pixels[tuple((own[:, ::-1] * factor).astype(np.int64).T)] for own in inside]
    groups = [list(range(len(positions)))] if len(positions) > FEW_LABELS else [[number] for number in range(len(positions))]
    for group in groups:
        counts = [int(valid[number].sum()) for number in group]
        seen = {}
        if any(counts):
            seen = tiles.seen_at(looked, np.concatenate([positions[number][valid[number]] for number in group]))
        for number, count, end in zip(group, counts, np.cumsum(counts)):
            yield valid[number], {name: values[end - count : end] for name, values in seen.items()}
