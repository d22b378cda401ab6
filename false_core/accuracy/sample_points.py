"""Sampling points to assess a map: at random within each of its classes, in two passes over the map."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas

from false_core.accuracy.area_adjusted import allocate, expected_error, sample_size
from false_core.errors import OutputError
from false_core.feedback import Feedback
from false_core.jobs import SamplePoints
from false_core.outputs.publish import published
from false_core.raster.class_map import ClassMap, tally
from false_core.vector.layer_file import write_vector
from false_core.vector.layer_style import keep_style, style_of_points_to_fill_in

PixelArray = npt.NDArray[np.int64]

FIELD_TO_FILL_IN = "class"
"""The field that the interpreter fills in."""


@dataclass(frozen=True)
class Sample:
    """Pixels of a map, in random order.

    Attributes:
        columns, rows: Columns and rows of the pixels, of shape (n,).
        codes: Codes of the map at these pixels, of shape (n,).
    """

    columns: PixelArray
    rows: PixelArray
    codes: PixelArray


def sample_points(job: SamplePoints, feedback: Feedback) -> dict[str, Any]:
    """Run a ``SamplePoints`` job: write the points and, if asked for, their key. Return its results by name."""
    the_map = ClassMap(job.map)
    with feedback.stage("Counting pixels", 0.45):
        pixels = the_map.count(feedback)
    weights = np.array(list(pixels.values())) / sum(pixels.values())
    expected = np.full(len(pixels), job.users_accuracy)
    wanted = sample_size(weights, expected, job.standard_error)
    points = dict(zip(pixels, allocate(wanted, job.minimum, list(pixels.values()))))
    _announce(the_map, pixels, points, job.minimum, feedback)
    with feedback.stage("Drawing points", 0.45):
        sample = draw(the_map, pixels, points, job.seed, feedback)
    with feedback.stage("Writing", 0.1):
        table = _table(the_map, sample)
        style = style_of_points_to_fill_in(FIELD_TO_FILL_IN, [c.name for c in the_map.classes_beside(pixels)])
        write_vector(job.output, table, finish=lambda scratch: keep_style(style, scratch, job.output, the_map.source.path))
        if job.key:
            _write_key(job.key, the_map, sample, table)
    error = expected_error(weights, expected, np.array(list(points.values())))
    return {"points": len(sample.codes), "expected_error": error}


def _announce(the_map: ClassMap, pixels: dict[int, int], points: dict[int, int], minimum: int, feedback: Feedback) -> None:
    shares = ", ".join(f"{the_map.class_of(code).name} {number:,}" for code, number in points.items())
    feedback.info(f"{sum(points.values()):,} points: {shares}.")
    small = [the_map.class_of(code).name for code, number in pixels.items() if number < minimum]
    if small:
        feedback.warn(f"Fewer than {minimum} pixels are mapped as {', '.join(small)}: all of them are in the sample.")


def draw(the_map: ClassMap, pixels: dict[int, int], points: dict[int, int], seed: int, feedback: Feedback) -> Sample:
    """Draw pixels without replacement; within a class each has the same chance.

    Which ones is decided before the map is read: the pixels of a class are numbered from top to bottom, and the numbers
    are drawn. So no more than the sample is held in memory, however large the map is.

    Args:
        pixels: Number of pixels by code, all of them.
        points: Number of points by code, no more than there are pixels.
    """
    generator = np.random.default_rng(seed)
    chosen = {code: np.sort(generator.choice(pixels[code], points[code], replace=False)) for code in pixels}
    passed = dict.fromkeys(pixels, 0)
    found: list[PixelArray] = []
    for window, codes, valid in the_map.strips(feedback):
        codes, place = codes[valid], np.flatnonzero(valid)
        for code, here in tally(codes).items():
            first, last = np.searchsorted(chosen[code], [passed[code], passed[code] + here])
            if last > first:
                numbers = chosen[code][first:last] - passed[code]
                row, column = np.divmod(place[np.flatnonzero(codes == code)[numbers]], window.width)
                found.append(np.stack([column + window.column, row + window.row, np.full(len(numbers), code)]))
            passed[code] += here
    columns, rows, codes_there = np.concatenate(found, axis=1)
    # From top to bottom, however the map was read, and only then in random order, so that no id gives away the class.
    order = generator.permutation(np.lexsort((columns, rows)))
    columns, rows, codes_there = columns[order], rows[order], codes_there[order]
    return Sample(columns, rows, codes_there)


def _table(the_map: ClassMap, sample: Sample) -> geopandas.GeoDataFrame:
    """Return the points: at the centres of their pixels, numbered from 1, with an empty class."""
    source = the_map.source
    a, b, c, d, e, f = source.source_transform[:6]
    column, row = sample.columns + 0.5, sample.rows + 0.5
    number = len(sample.codes)
    return geopandas.GeoDataFrame(
        {"id": np.arange(1, number + 1), FIELD_TO_FILL_IN: pandas.Series([None] * number, dtype="string")},
        geometry=geopandas.points_from_xy(a * column + b * row + c, d * column + e * row + f),
        crs=source.crs.to_wkt() if source.crs else None,
    )


def _write_key(path: str, the_map: ClassMap, sample: Sample, table: geopandas.GeoDataFrame) -> None:
    """Write what the map shows at each point, in the order of the ids."""
    with published(path) as (partial,):
        try:
            with partial.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["id", "x", "y", "code", "mapped_class"])
                for number, code, point in zip(table["id"], sample.codes.tolist(), table.geometry):
                    writer.writerow([number, repr(point.x), repr(point.y), code, the_map.class_of(code).name])
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}.", "Is the disk full?") from error
