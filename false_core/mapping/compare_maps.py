"""Comparing two maps: which share of the pixels changed, from which class to which, and where."""

from __future__ import annotations

import csv
from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from false_core.accuracy.assessment import AssessedClass, assessed, class_keys
from false_core.accuracy.comparison import Comparison, compare_raster
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import CompareMaps
from false_core.labels.matching import spelling
from false_core.language.catalogue import localised
from false_core.mapping.compare_maps_report import Pictures, change_report
from false_core.mapping.raster_for_model import check_geotiffs
from false_core.outputs.publish import published
from false_core.raster.aligned import AlignedCodes
from false_core.raster.areas import unit_of_map
from false_core.raster.carried_classes import read_carried_classes
from false_core.raster.class_map import ClassMap
from false_core.raster.classes import LARGEST_MAP_CODE, ClassTable, LandCoverClass, whole_number
from false_core.raster.map_file import RasterFile
from false_core.raster.new_map import new_map
from false_core.raster.source import RasterSource
from false_core.reports.page import write_report

UNCHANGED_COLOUR = "#e6e6e6"
IntArray = npt.NDArray[np.int64]


def compare_maps(job: CompareMaps, feedback: Feedback) -> dict[str, Any]:
    """Run a ``CompareMaps`` job: write what is asked for. Return its results by name.

    Raises:
        InputError: A map cannot be used, or the two have no pixel in common.
    """
    check_geotiffs(job.output)
    after = ClassMap(job.after)
    shows_where = bool(job.output or job.report)
    with feedback.stage("Comparing", 0.45 if shows_where else 0.95):
        seen = compare_raster(after, job.before, feedback)
        if not seen.pairs:
            raise InputError(
                f"{RasterSource(job.before).name} and {after.source.name} have no pixel in common.",
                "Check that both maps are of the same place, and that their CRSs are right.",
            )
        change = _change(after, seen, _colours(job.before))
    for warning in change.warnings:
        feedback.warn(warning)
    alone = sum(seen.left_out.values())
    if alone:
        feedback.info(f"Not compared: {alone:,} pixels that only one of the two maps has.")
    with ExitStack() as stack:
        # It takes its place last of all.
        file = stack.enter_context(new_map(job.output, after.source, _classes_of_change(change)[0])) if job.output else None
        pictures = None
        if shows_where:
            with feedback.stage("Showing where", 0.5):
                pictures = _show_where(job, after, change, file, feedback)
        with feedback.stage("Writing", 0.05):
            page = ""
            if pictures is not None and job.report:
                names = RasterSource(job.before).name, after.source.name
                page = change_report(names, change.classes, change.pixels, alone, after.source, pictures, change.warnings)
            # All that takes long is done. What is cancelled until here has written nothing.
            if job.table:
                _write_table(job.table, change, after.source)
            if job.report:
                write_report(job.report, page)
    compared = int(change.pixels.sum())
    return {"changed": float(1 - np.trace(change.pixels) / compared), "compared": compared}


@dataclass(frozen=True)
class _Change:
    """The changes between the classes of two maps.

    Attributes:
        classes: The classes of both maps.
        pixels: Pixels of shape (classes, classes), those of the map before in rows.
        of_before, of_after: The number of the class of each value of the two rasters.
        warnings: Sentences on what the values of the map before could mean otherwise.
    """

    classes: tuple[AssessedClass, ...]
    pixels: IntArray
    of_before: dict[int, int]
    of_after: dict[int, int]
    warnings: tuple[str, ...]


def _colours(path: str) -> dict[str, str]:
    """Return the colours of the classes that a map carries, by the spelling of their names."""
    return {spelling(one.name): one.color for one in read_carried_classes(path).classes}


def _change(after: ClassMap, seen: Comparison, colours_before: dict[str, str]) -> _Change:
    class_of_value, names, warnings = class_keys(after, seen)
    keys: list[int | str] = sorted({*seen.mapped, *(key for key in class_of_value.values() if isinstance(key, int))})
    keys += sorted(names)
    pixels = np.zeros((len(keys), len(keys)), np.int64)
    for (value, code), number in seen.pairs.items():
        pixels[keys.index(class_of_value[value]), keys.index(code)] += number
    classes = [assessed(after, key, names, seen) for key in keys]
    return _Change(
        tuple(replace(c, color=colours_before.get(spelling(c.name), c.color)) if c.code is None else c for c in classes),
        pixels,
        {_whole(value): keys.index(key) for value, key in class_of_value.items()},
        {code: keys.index(code) for code in seen.mapped},
        (*warnings, *_notes_on_missing_names(after, seen, by_codes=not warnings)),
    )


def _notes_on_missing_names(after: ClassMap, seen: Comparison, by_codes: bool) -> list[str]:
    """Tell that only one of two maps which are compared by their codes says what its codes mean."""
    named = [any(whole_number(one) is None for one in names) for names in (seen.names.values(), after.names.values())]
    if not by_codes or named[0] == named[1]:
        return []
    without, other = (seen.beside, after.source.name) if named[1] else (after.source.name, seen.beside)
    return [f"{without} has no names of classes. Its codes are taken to mean what they mean in {other}."]


def _whole(value: Hashable) -> int:
    assert isinstance(value, int)  # The values of a raster of codes.
    return value


def _show_where(job: CompareMaps, after: ClassMap, change: _Change, file: RasterFile | None, feedback: Feedback) -> Pictures:
    """Write what changed into the map, if it is asked for, and return pictures of it and of the two maps."""
    table, code_of, unchanged = _classes_of_change(change)
    pictures = Pictures(after.source.width, after.source.height)
    with AlignedCodes(job.before, after.source, feedback) as before:
        for window in after.windows(feedback):
            first = _numbers(*before.read(window), change.of_before)
            second = _numbers(*after.read(window), change.of_after)
            both = (first >= 0) & (second >= 0)
            where = np.where(both, np.where(first == second, unchanged, code_of[second]), table.nodata).astype(np.uint8)
            if file is not None:
                file.write(window.column, window.row, where)
            pictures.add(window, first, second)
    return pictures


def _numbers(codes: npt.NDArray[np.int32], valid: npt.NDArray[np.bool_], known: dict[int, int]) -> npt.NDArray[np.int16]:
    """Return the number of the class of each pixel, -1 where it has none."""
    values = np.array(sorted(known), np.int64)
    numbers = np.array([known[value] for value in values.tolist()], np.int16)
    place = np.searchsorted(values, codes).clip(0, len(values) - 1)
    return np.where(valid & (values[place] == codes), numbers[place], np.int16(-1))


def _classes_of_change(change: _Change) -> tuple[ClassTable, npt.NDArray[np.uint8], int]:
    """Return the classes of the map of what changed, the code of each class there, and that of what did not change."""
    shown = sorted(set(change.of_after.values()))
    own = [change.classes[k].code for k in shown]
    codes = [code for code in own if code is not None and 0 <= code <= LARGEST_MAP_CODE]
    if len(codes) < len(shown):
        codes = list(range(1, len(shown) + 1))
    # There is one: a map has at most 254 classes, and a byte holds one more beside nodata.
    free = next(code for code in range(LARGEST_MAP_CODE, -1, -1) if code not in codes)
    code_of = np.zeros(len(change.classes), np.uint8)
    code_of[shown] = codes
    entries = [LandCoverClass(code, change.classes[k].name, change.classes[k].color) for code, k in zip(codes, shown)]
    entries.append(LandCoverClass(free, localised("unchanged"), UNCHANGED_COLOUR))
    return ClassTable(tuple(sorted(entries, key=lambda one: one.code))), code_of, free


def _write_table(path: str, change: _Change, source: RasterSource) -> None:
    unit = unit_of_map(source)
    total = int(change.pixels.sum())
    with published(path) as (partial,), partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["before", "after", "changed", "pixels", "share", f"area_{unit.name.replace(' ', '_')}"])
        for k, j, number in _by_size(change.pixels):
            names = change.classes[k].name, change.classes[j].name
            writer.writerow([*names, int(k != j), number, f"{number / total:.10g}", f"{number * unit.per_pixel:.10g}"])


def _by_size(pixels: IntArray) -> Sequence[tuple[int, int, int]]:
    """Return the pairs of classes that occur, as numbers of the one before and the one after with their pixels."""
    found = [(int(k), int(j), int(pixels[k, j])) for k, j in np.argwhere(pixels)]
    return sorted(found, key=lambda one: -one[2])
