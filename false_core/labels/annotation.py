"""Digitised labels on the pixel grid of a raster: read, reprojected, repaired, and burned in window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio.features
import shapely
from affine import Affine

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.labels.label_file import read_table
from false_core.labels.placement import to_pixels
from false_core.raster.classes import ClassTable, LandCoverClass, LegendEntry, classes_from_values
from false_core.raster.source import RasterSource, describe_crs, describe_extent, moved

IGNORE = 255
"""Target of a pixel without a label."""
SMALL_POLYGON = 4.0
"""Pixels. A smaller polygon labels every pixel it touches, as it may hold no pixel's centre."""


@dataclass(frozen=True)
class Annotation:
    """Labels in pixel coordinates of a raster's working grid.

    Attributes:
        shapes: Simple geometries (no multi-parts), x = column, y = row, of shape (n,). Larger polygons come first, so that
            a small one drawn inside a large one stays visible.
        targets: Index into ``classes`` of each shape, of shape (n,).
    """

    classes: ClassTable
    shapes: npt.NDArray[np.object_]
    targets: npt.NDArray[np.int64]
    tree: shapely.STRtree

    @property
    def pixels(self) -> npt.NDArray[np.float64]:
        """Pixels each shape labels, roughly: area, or length of a line, at least 1. Of shape (n,)."""
        lengths = np.where(shapely.get_dimensions(self.shapes) == 1, shapely.length(self.shapes), 0.0)
        size: npt.NDArray[np.float64] = np.maximum(shapely.area(self.shapes), lengths)
        return np.maximum(1.0, size)

    def subset(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> Annotation:
        """Return the ``chosen`` shapes, a mask of shape (n,) or their numbers, with the same classes."""
        shapes = self.shapes[chosen]
        return replace(self, shapes=shapes, targets=self.targets[chosen], tree=shapely.STRtree(shapes))

    def cut(self, side: float) -> Annotation:
        """Return the same labels with every polygon larger than half a square of ``side`` pixels cut along such squares."""
        shapes, targets = [], []
        for shape, target in zip(self.shapes, self.targets):
            pieces = _squares(shape, side) if shape.area > side * side / 2 else [shape]
            shapes += pieces
            targets += [target] * len(pieces)
        array = np.array(shapes, dtype=object)
        return replace(self, shapes=array, targets=np.array(targets), tree=shapely.STRtree(array))

    def burn(self, to_pixels: Affine, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Burn the labels into a patch of (height, width): class indices, ``IGNORE`` where nothing is labelled.

        Args:
            to_pixels: From the raster's pixel coordinates to those of the patch. May rotate, flip and scale.
            height, width: Of the patch in pixels.
        """
        return self._burned(self.targets, IGNORE, np.uint8, to_pixels, height, width)

    def burn_numbers(self, to_pixels: Affine, height: int, width: int) -> npt.NDArray[np.int32]:
        """Burn the number of the shape that labels each pixel, as ``burn`` does with its class; -1 where none does."""
        return self._burned(np.arange(len(self.shapes)), -1, np.int32, to_pixels, height, width)

    def _burned(
        self, values: npt.NDArray[np.integer], fill: int, dtype: Any, to_pixels: Affine, height: int, width: int
    ) -> npt.NDArray[Any]:
        target = np.full((height, width), fill, dtype)
        corners = np.array([~to_pixels * corner for corner in ((0, 0), (width, 0), (0, height), (width, height))])
        box = shapely.box(*corners.min(axis=0), *corners.max(axis=0))
        near = np.sort(self.tree.query(box))
        if not near.size:
            return target
        here = shapely.transform(self.shapes[near], lambda xy: moved(to_pixels, xy))
        thick = (shapely.get_dimensions(here) == 2) & (shapely.area(here) >= SMALL_POLYGON)
        for group, all_touched in ((thick, False), (~thick, True)):
            pairs = [(shape, int(value)) for shape, value in zip(here[group], values[near][group])]
            if pairs:
                # The identity is what rasterio assumes anyway; naming it avoids a warning about a missing georeference.
                rasterio.features.rasterize(pairs, out=target, transform=Affine.identity(), all_touched=all_touched)
        return target


@dataclass(frozen=True)
class Labels:
    """Digitised shapes over a raster with the values of their class field, as they are.

    Attributes:
        shapes: Simple geometries over the raster in pixel coordinates of its working grid, of shape (n,).
        values: Value of each: whole numbers, other numbers or text that is not empty. Of length n.
        all_values: Values of all features, also of those that do not lie over the raster.
        outside: Number of shapes that do not.
        empty: Number of features without a value.
    """

    shapes: npt.NDArray[np.object_]
    values: list[Any]
    all_values: list[Any]
    outside: int
    empty: int


def read_labels(path: str, field: str, source: RasterSource, feedback: Feedback) -> Labels:
    """Read digitised labels for ``source``: reprojected, repaired, cut off at its edges.

    Args:
        path: Vector file, with ``|layername=NAME`` where it holds several layers.

    Raises:
        InputError: The file or field is missing, nothing usable is in it, or none touches the raster.
    """
    table, values, empty = _table_and_values(path, field, feedback)
    geometries, extent = to_pixels(table, source, feedback)
    shapes, owners = simple_shapes(geometries, feedback)
    parts, inside = clipped_to_raster(shapes, source.width, source.height)
    if not len(parts):
        raise InputError(
            f"No label lies over the raster. The labels cover {describe_extent(extent)} [{describe_crs(table.crs)}], "
            f"the raster {describe_extent(source.bounds)} [{describe_crs(source.crs)}].",
            "Extents are xmin, xmax, ymin, ymax. Check that both layers have the right CRS and lie on top of each other.",
        )
    outside = len(shapes) - len(set(inside.tolist()))
    if outside:
        feedback.info(f"{outside} of {len(shapes)} label shapes lie outside the raster and are left out.")
    return Labels(parts, [values[owner] for owner in owners[inside]], values, outside, empty)


def read_class_values(path: str, field: str, feedback: Feedback) -> tuple[geopandas.GeoDataFrame, list[Any]]:
    """Read the shapes of a layer that have a value in a field, in their own CRS, and these values.

    Raises:
        InputError: The file or field is missing, or nothing usable is in it.
    """
    return _table_and_values(path, field, feedback)[:2]


def _table_and_values(path: str, field: str, feedback: Feedback) -> tuple[geopandas.GeoDataFrame, list[Any], int]:
    """Return the same, and how many shapes have no value."""
    table = read_table(path, field, feedback)
    table = table[~table.geometry.isna() & ~table.geometry.is_empty]
    if table.empty:
        raise InputError(f"{path} holds no geometry.", "Digitise points, lines or polygons first.")
    values = _clean_values(table[field])
    empty = int(values.isna().sum())
    table = table[values.notna()]
    if table.empty:
        raise InputError(f"The field {field!r} of {path} holds no value.", "Choose the field with the class, or fill it.")
    return table, list(values.dropna()), empty


def read_annotation(
    path: str, field: str, source: RasterSource, legend: Sequence[LegendEntry], feedback: Feedback
) -> Annotation:
    """Read digitised labels for ``source``.

    Args:
        path: Vector file, with ``|layername=NAME`` where it holds several layers.
        field: Field with the class: whole numbers or text.
        source: The raster; labels end up in the pixel coordinates of its working grid.
        legend: Names and colours of classes, by value of the field.

    Raises:
        InputError: The file or field is missing, nothing usable is in it, all is one class, or none touches the raster.
    """
    labels = read_labels(path, field, source, feedback)
    codes, classes = classes_from_values(labels.all_values, legend)
    parts = labels.shapes
    code_of = np.array([codes[value] for value in labels.values])
    present = ClassTable(tuple(c for c in classes if c.code in set(code_of.tolist())))
    if len(present) < 2:
        raise InputError(
            f"All labels over the raster are of one class, {present.classes[0].name!r}; telling classes apart takes two.",
            "Digitise a second class, or choose another class field.",
        )
    lost = [c.name for c in classes if c not in present.classes]
    if lost:
        feedback.warn(f"No label over the raster for {', '.join(lost)}: the model will not know it.")
    order = np.argsort(-shapely.area(parts), kind="stable")
    index_of = {c.code: index for index, c in enumerate(present)}
    targets = np.array([index_of[code] for code in code_of[order].tolist()])
    return Annotation(present, parts[order], targets, shapely.STRtree(parts[order]))


def read_labelled_ground(path: str, source: RasterSource, feedback: Feedback) -> Annotation | None:
    """Read where something is labelled, whatever its class.

    Args:
        path: Vector file, as for ``read_annotation``.
        source: The raster; shapes end up in the pixel coordinates of its working grid.

    Returns:
        The shapes as labels of a single class, or None where none lies over the raster.

    Raises:
        InputError: The file is missing or cannot be read.
    """
    table = read_table(path, None, feedback)
    table = table[~table.geometry.isna() & ~table.geometry.is_empty]
    shapes = simple_shapes(to_pixels(table, source, feedback)[0], feedback)[0] if len(table) else np.zeros(0, object)
    parts = clipped_to_raster(shapes, source.width, source.height)[0]
    if not len(parts):
        feedback.warn(f"No label lies over {source.name}. If some should, check that both layers have the right CRS.")
        return None
    ground = ClassTable((LandCoverClass(1, "labelled", "#000000"),))
    return Annotation(ground, parts, np.zeros(len(parts), np.int64), shapely.STRtree(parts))


def _clean_values(values: Any) -> Any:
    """Return the class values without nulls: text stripped, empty text null, whole floats as integers, booleans as text."""

    def clean(value: Any) -> Any:
        if isinstance(value, (list, tuple, np.ndarray)):  # Some formats keep several values in one field.
            value = ", ".join(str(one) for one in value)
        if value is None or (isinstance(value, float) and not np.isfinite(value)) or value != value:
            return None
        if isinstance(value, str):
            return value.strip() or None
        if isinstance(value, (bool, np.bool_)):
            return str(bool(value)).lower()
        if isinstance(value, (int, np.integer)):
            return int(value)
        if isinstance(value, (float, np.floating)):
            return int(value) if float(value).is_integer() else float(value)
        return str(value)

    return values.astype(object).map(clean).astype(object)


def simple_shapes(
    geometries: npt.NDArray[np.object_], feedback: Feedback
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Return the valid single parts of ``geometries``, and the index of the geometry each belongs to."""
    parts, owners = shapely.get_parts(geometries, return_index=True)
    broken = ~shapely.is_valid(parts)
    if not broken.any():
        return _of_same_dimension(parts, parts, owners)
    feedback.info(f"{int(broken.sum())} invalid label geometries were repaired.")
    repaired = parts.copy()
    repaired[broken] = shapely.make_valid(parts[broken])
    # A polygon that crosses itself keeps its area; lines and points that repairing may split off add nothing to it.
    return _of_same_dimension(repaired, parts, owners)


def clipped_to_raster(
    shapes: npt.NDArray[np.object_], width: int, height: int
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Return what of ``shapes`` lies over a raster of that size, as single parts, and the index of the shape of each.

    What lies beyond labels nothing, and a polygon as large as a country would be cut into millions of squares.
    """
    frame = shapely.box(0, 0, width, height)
    met = np.flatnonzero(shapely.intersects(shapes, frame))
    over = shapes[met]
    crossing = ~shapely.covers(frame, over)
    over[crossing] = shapely.intersection(over[crossing], frame)
    return _of_same_dimension(over, shapes[met], met)


def _of_same_dimension(
    geometries: npt.NDArray[np.object_], originals: npt.NDArray[np.object_], owners: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Take ``geometries`` apart, and leave out parts of a lower dimension than the original each was made from.

    Returns:
        The parts, and for each the one of ``owners`` that belongs to it.
    """
    # Twice, as a collection may hold multi-part geometries.
    parts, outer = shapely.get_parts(geometries, return_index=True)
    parts, inner = shapely.get_parts(parts, return_index=True)
    source = outer[inner]
    kept = (shapely.get_dimensions(parts) == shapely.get_dimensions(originals[source])) & ~shapely.is_empty(parts)
    return parts[kept], owners[source[kept]]


def _squares(shape: shapely.Geometry, side: float) -> list[shapely.Geometry]:
    xmin, ymin, xmax, ymax = shape.bounds
    columns = np.arange(np.floor(xmin / side), np.floor(xmax / side) + 1) * side
    rows = np.arange(np.floor(ymin / side), np.floor(ymax / side) + 1) * side
    x, y = (axis.ravel() for axis in np.meshgrid(columns, rows))
    parts = shapely.get_parts(shapely.intersection(shape, shapely.box(x, y, x + side, y + side)))
    return list(parts[shapely.area(parts) > 0])
