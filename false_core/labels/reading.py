"""Labels as they are read from a file for a raster: reprojected, cut off at its edges, their values as classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.labels.annotation import Annotation, clipped_to_raster, simple_shapes
from false_core.labels.label_file import read_named_table, read_table
from false_core.labels.label_warnings import called_alike
from false_core.labels.layer_path import LayerPath
from false_core.labels.placement import to_pixels
from false_core.raster.classes import ClassTable, LandCoverClass, LegendEntry, classes_from_values
from false_core.raster.in_words import describe_crs, describe_extent
from false_core.raster.source import RasterSource


@dataclass(frozen=True)
class Labels:
    """Digitised shapes over a raster with the values of their class field, as they are.

    Attributes:
        name: The name of their file.
        shapes: Simple geometries over the raster in pixel coordinates of its working grid, of shape (n,).
        values: Value of each: whole numbers, other numbers or text that is not empty. Of length n.
        all_values: Values of all features, also of those that do not lie over the raster.
        outside: Number of shapes that do not.
        empty: Number of features without a value.
        named: Names of values that the file itself gives.
    """

    name: str
    shapes: npt.NDArray[np.object_]
    values: list[Any]
    all_values: list[Any]
    outside: int
    empty: int
    named: Sequence[LegendEntry] = ()


def read_labels(path: str, field: str, source: RasterSource, feedback: Feedback) -> Labels:
    """Read digitised labels for ``source``: reprojected, repaired, cut off at its edges.

    Args:
        path: Vector file, with ``|layername=NAME`` where it holds several layers.

    Raises:
        InputError: The file or field is missing, nothing usable is in it, or none touches the raster.
    """
    table, values, named, empty = _table_and_values(path, field, feedback)
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
    over = shapes[np.unique(inside)]
    outlines = int((shapely.is_closed(over) & (shapely.get_dimensions(over) == 1)).sum())
    if outlines:
        feedback.warn(
            f"{outlines} labels are closed lines, such as the outlines in a drawing. Only the pixels along them are "
            "labelled. Where what they enclose is meant, make polygons of them, with Vector > Geometry Tools > Lines to "
            "Polygons."
        )
    name = Path(LayerPath.parse(path).file).name
    return Labels(name, parts, [values[owner] for owner in owners[inside]], values, outside, empty, named)


def read_class_values(
    path: str, field: str, feedback: Feedback
) -> tuple[geopandas.GeoDataFrame, list[Any], list[LegendEntry]]:
    """Read the shapes of a layer that have a value in a field, in their own CRS, these values, and their names in the file.

    Raises:
        InputError: The file or field is missing, or nothing usable is in it.
    """
    return _table_and_values(path, field, feedback)[:3]


def _table_and_values(
    path: str, field: str, feedback: Feedback
) -> tuple[geopandas.GeoDataFrame, list[Any], list[LegendEntry], int]:
    """Return the same, and how many shapes have no value."""
    table, named = read_named_table(path, field, feedback)
    table = table[~table.geometry.isna() & ~table.geometry.is_empty]
    if table.empty:
        raise InputError(f"{path} holds no geometry.", "Digitise points, lines or polygons first.")
    values = _clean_values(table[field])
    empty = int(values.isna().sum())
    table = table[values.notna()]
    if table.empty:
        raise InputError(f"The field {field!r} of {path} holds no value.", "Choose the field with the class, or fill it.")
    return table, list(values.dropna()), named, empty


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
    codes, classes = classes_from_values(labels.all_values, legend, labels.named)
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
    alike = called_alike(present)
    if alike:
        feedback.warn(alike)
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
        if value is None or value is pd.NA or (isinstance(value, float) and not np.isfinite(value)) or value != value:
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

    if values.dtype == np.float32:  # 0.1 and not 0.10000000149011612, as in a format that writes numbers out.
        values = values.astype(str).astype(float)
    # Not with map, which makes real numbers of whole ones where some are missing.
    return pd.Series([clean(value) for value in values.astype(object)], values.index, dtype=object)
