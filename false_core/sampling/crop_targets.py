"""The classes that labels give to the pixels of crops."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine

from false_core.labels.annotation import IGNORE, SMALL_POLYGON, Annotation
from false_core.raster.grid import moved
from false_core.raster.source import RasterSource
from false_core.sampling.cache import ChunkGrid, Chunks, ChunkSlices, WholeNumbers
from false_core.sampling.geometry import Placement

FINER = 2
"""Pixels of a burned chunk along a side of a working pixel. So an edge of a label is off by a quarter of a working pixel at
most, along each axis, which is less than anybody digitises."""
LABELS_PX = 512
"""Side of a burned chunk in its own pixels."""
MOST_LABEL_BYTES = 128_000_000
"""Bytes of burned chunks that are kept."""

PixelClasses = npt.NDArray[np.uint8]


class CropTargets:
    """Burns labels once, chunk by chunk, and cuts the targets of crops out of that, however these are turned.

    What is so small that it needs a pixel of its own in every crop, such as a point, a line or a small polygon, is burned
    into each crop. Safe from several threads.

    Args:
        source: The raster, in whose pixels the labels are.
        largest_scale: Largest scale of crops, in source pixels per pixel of a crop.
    """

    def __init__(self, annotation: Annotation, source: RasterSource, largest_scale: float) -> None:
        area = shapely.area(annotation.shapes)
        solid = area >= SMALL_POLYGON * max(1.0, largest_scale) ** 2
        self._solid, self._thin = annotation.subset(solid), annotation.subset(~solid)
        only_points = bool((shapely.get_type_id(self._thin.shapes) == shapely.GeometryType.POINT).all())
        self._points = shapely.get_coordinates(self._thin.shapes) if only_points else None
        self._grid = ChunkGrid.of([(FINER * source.width, FINER * source.height)], LABELS_PX)
        self._chunks = Chunks(self._burned, MOST_LABEL_BYTES // LABELS_PX**2)

    def of(self, placement: Placement, corners: WholeNumbers, side: int, size: int) -> PixelClasses:
        """Return the classes of the pixels of crops, of shape (n, size, size); ``IGNORE`` where nothing is labelled.

        Args:
            placement: Positions of the crops in their source windows.
            corners: Column and row of the upper left pixel of each window, of shape (n, 2).
            side: Side of a window.
            size: Side of a crop in its own pixels.
        """
        targets = np.full((len(corners), size, size), IGNORE, np.uint8)
        self._cut_out(targets, placement, corners, side)
        boxes = shapely.box(*corners.T, *(corners + side).T)
        crops, shapes = self._thin.tree.query(boxes)
        for crop in np.unique(crops).tolist():
            centre = corners[crop, 0] + side / 2, corners[crop, 1] + side / 2
            to_crop = placement.to_crop(crop, centre, size)
            self._burn_thin(targets[crop], np.sort(shapes[crops == crop]), to_crop)
        return targets

    def _cut_out(self, targets: PixelClasses, placement: Placement, corners: WholeNumbers, side: int) -> None:
        """Look up the middle of each pixel of a crop in what is burned."""
        if not len(self._solid.shapes):
            return
        fine, size = FINER * side, targets.shape[-1]
        numbers = self._grid.under(np.zeros(len(corners), np.int64), FINER * corners, fine, fine)
        different, places = np.unique(numbers, return_inverse=True)
        beyond = int(different[0] < 0)
        chunks = [None] * beyond + self._chunks.get(different[beyond:].tolist())
        slices = ChunkSlices(places.reshape(numbers.shape), FINER * corners % LABELS_PX, fine, fine, LABELS_PX)
        from_middle = np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)
        for crop, target in enumerate(targets):
            window: PixelClasses | None = None
            for number, inside, taken in slices.of(crop):
                chunk = chunks[number]
                if chunk is not None:
                    window = np.full((fine, fine), IGNORE, np.uint8) if window is None else window
                    window[inside] = chunk[taken]
            if window is None:
                continue
            matrix, shift = FINER * placement.matrix[crop], FINER * (placement.shift[crop] + np.float32(side / 2))
            x, y = (
                (axis[1] * from_middle + moved_by)[:, None] + axis[0] * from_middle for axis, moved_by in zip(matrix, shift)
            )
            place = y.astype(np.int32)
            place *= fine
            place += x.astype(np.int32)
            np.take(window, place, out=target, mode="clip")

    def _burned(self, number: int) -> PixelClasses | None:
        """Return the classes of a chunk, None where nothing is labelled."""
        _, window = self._grid.place(number)
        to_chunk = Affine.translation(-window.column, -window.row) * Affine.scale(FINER)
        burned = self._solid.burn(to_chunk, LABELS_PX, LABELS_PX)
        return None if (burned == IGNORE).all() else burned

    def _burn_thin(self, target: PixelClasses, near: npt.NDArray[np.integer], to_crop: Affine) -> None:
        """Burn small shapes over what is there already."""
        if self._points is None:
            burned = self._thin.subset(near).burn(to_crop, *target.shape)
            np.copyto(target, burned, where=burned != IGNORE)
            return
        column, row = np.floor(moved(to_crop, self._points[near])).astype(np.int64).T
        inside = (column >= 0) & (column < target.shape[1]) & (row >= 0) & (row < target.shape[0])
        target[row[inside], column[inside]] = self._thin.targets[near[inside]]
