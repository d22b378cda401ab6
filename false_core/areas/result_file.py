"""The classified areas on disk: their own fields, and class, confidence and second, with a style for QGIS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import pyogrio

from false_core.feedback import Feedback
from false_core.raster.classes import ClassTable
from false_core.vector.layer_file import SHAPEFILE, driver_of, write_vector
from false_core.vector.layer_style import keep_style, style_of_classes

CLASS_OF_AREA, CONFIDENCE_OF_AREA, SECOND_OF_AREA = "class", "confidence", "second"
"""Fields. A Shapefile holds no names of more than 10 letters."""
LONGEST_TEXT_OF_SHAPEFILE = 254
"""Bytes of a text in a shapefile."""


def write_classified(
    path: str,
    table: geopandas.GeoDataFrame,
    log_probabilities: npt.NDArray[np.floating],
    classes: ClassTable,
    raster: str,
    feedback: Feedback,
) -> None:
    """Write areas with their classes.

    Args:
        table: The areas with their own fields.
        log_probabilities: Log-probabilities of the classes, of shape (n, classes); NaN where an area gets none.
        raster: The raster that they lie on.
    """
    names = np.array([*(c.name for c in classes), None], object)
    known = np.isfinite(log_probabilities).all(axis=1)
    order = np.argsort(-np.where(known[:, None], log_probabilities, 0), axis=1, kind="stable")
    first, second = (names[np.where(known, order[:, rank], len(classes))] for rank in (0, 1))
    confidence = np.where(known, np.rint(100 * np.exp(log_probabilities.max(axis=1))), np.nan)
    table = _renamed(table, (CLASS_OF_AREA, CONFIDENCE_OF_AREA, SECOND_OF_AREA), feedback)
    table[CLASS_OF_AREA], table[CONFIDENCE_OF_AREA], table[SECOND_OF_AREA] = first, confidence, second
    style = style_of_classes(CLASS_OF_AREA, classes.classes, named=True)
    write_vector(path, table, finish=lambda scratch: keep_style(style, scratch, path, raster))
    _tell_what_is_cut(path, table, feedback)


def _tell_what_is_cut(path: str, table: geopandas.GeoDataFrame, feedback: Feedback) -> None:
    """Say which names of fields and which texts a shapefile, which holds no long ones, has cut off."""
    if driver_of(path) != SHAPEFILE:
        return
    fields = table.drop(columns=table.geometry.name)
    kept = map(str, pyogrio.read_info(path)["fields"])
    said = [f"{old} is {new}" for old, new in zip(fields.columns, kept) if old != new]
    longest = {name: max((len(str(one).encode()) for one in column.dropna()), default=0) for name, column in fields.items()}
    cut = [str(name) for name, length in longest.items() if length > LONGEST_TEXT_OF_SHAPEFILE]
    if said:
        feedback.warn(
            f"A shapefile holds names of 10 letters. Fields have other names in {Path(path).name}: {', '.join(said)}."
        )
    if cut:
        feedback.warn(
            f"A shapefile holds texts of 254 letters. Longer ones are cut off in {Path(path).name}, in {', '.join(cut)}; a "
            "GeoPackage keeps them."
        )


def _renamed(table: geopandas.GeoDataFrame, ours: Sequence[str], feedback: Feedback) -> geopandas.GeoDataFrame:
    """Return a table in which no field of its own is called as ours are."""
    taken = {str(name).lower() for name in table.columns}
    new_names = {}
    for name in table.columns:
        if str(name).lower() in ours:
            number = next(n for n in range(1, len(taken) + 2) if f"{str(name)[:8]}_{n}".lower() not in taken)
            new_names[name] = f"{str(name)[:8]}_{number}"
    if new_names:
        said = ", ".join(f"{old} is {new}" for old, new in new_names.items())
        feedback.info(f"Fields of the areas that are called like ours have another name in the result: {said}.")
    return table.rename(columns=new_names)
