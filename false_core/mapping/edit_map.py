"""Correcting a finished map: polygons that overwrite what it shows, classes that are merged or renamed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from affine import Affine

from false_core import jobs
from false_core.errors import InputError, RequestError
from false_core.feedback import Feedback
from false_core.jobs import EditMap
from false_core.labels.annotation import IGNORE, Annotation
from false_core.labels.matching import match, spelling
from false_core.labels.reading import Labels, read_labels
from false_core.mapping.raster_for_model import check_geotiffs
from false_core.raster.class_map import ClassMap
from false_core.raster.classes import (
    LARGEST_MAP_CODE,
    MOST_CLASSES,
    ClassTable,
    LandCoverClass,
    LegendEntry,
    default_colour,
    names_from_legend,
    read_legend,
    whole_number,
)
from false_core.raster.new_map import new_map


def edit_map(job: EditMap, feedback: Feedback) -> dict[str, Any]:
    """Run an ``EditMap`` job: write the new map. Return its results by name.

    Raises:
        InputError: The map or the polygons cannot be used, or a class that is to be renamed is not on the map.
        RequestError: Nothing is to be changed, or the names cannot be read.
    """
    check_geotiffs(job.output)
    renamed = _read_names(job)
    if not renamed and not job.patches:
        raise RequestError("There is nothing to change.", "Give polygons to paint, or classes to merge or rename.")
    the_map = ClassMap(job.map)
    with feedback.stage("Counting pixels", 0.4):
        counts = the_map.count(feedback)
        edit = _Edit.of(_classes_of(the_map, counts), renamed, the_map.source.name)
        patches = None
        if job.patches:
            assert job.field  # The job was validated.
            labels = read_labels(job.patches, job.field, the_map.source, feedback)
            edit, patches = edit.with_patches(labels, read_legend(job.legend), feedback)
    with feedback.stage("Writing the map", 0.6):
        repainted, left = _write(job.output, the_map, edit, patches, feedback)
    return {"repainted": repainted, "classes": left}


def _write(path: str, the_map: ClassMap, edit: _Edit, patches: Annotation | None, feedback: Feedback) -> tuple[int, int]:
    """Write the new map. Return how many of its pixels have another class than before, and how many classes are on it."""
    table = ClassTable(tuple(sorted(edit.classes, key=lambda one: one.code)))
    lookup = np.full(LARGEST_MAP_CODE + 1, table.nodata, np.uint8)
    lookup[list(edit.code_of)] = list(edit.code_of.values())
    repainted, shown = 0, np.zeros(LARGEST_MAP_CODE + 2, bool)
    with new_map(path, the_map.source, table) as file:
        for window in the_map.windows(feedback):
            codes, valid = the_map.read(window)
            made = np.where(valid, lookup[codes], np.uint8(table.nodata))
            if patches is not None:
                painted = patches.burn(Affine.translation(-window.column, -window.row), window.height, window.width)
                made = np.where(valid & (painted != IGNORE), painted, made)
            repainted += int(np.count_nonzero(made[valid] != codes[valid]))
            shown[made[valid]] = True
            file.write(window.column, window.row, made)
    return repainted, int(shown.sum())


def _read_names(job: EditMap) -> list[tuple[str, str]]:
    """Return the old and the new name of each class that is to be called otherwise."""
    pairs: list[tuple[str, str]] = []
    for part in re.split(r"[;\r\n]", job.names or ""):
        if not part.strip():
            continue
        old, equals, new = (piece.strip() for piece in part.partition("="))
        if not (old and equals and new):
            raise RequestError(
                f"{jobs.name_for_user(job, 'names')} holds {part.strip()!r}, which is no old name and a new one.",
                "Write old = new, and a semicolon between two of them.",
            )
        if any(spelling(old) == spelling(before) and new != other for before, other in pairs):
            raise RequestError(f"{jobs.name_for_user(job, 'names')} gives {old!r} two new names.", "Leave one of them out.")
        pairs.append((old, new))
    return pairs


def _classes_of(the_map: ClassMap, counts: dict[int, int]) -> list[LandCoverClass]:
    wrong = [code for code in counts if not 0 <= code <= LARGEST_MAP_CODE]
    if wrong:
        raise InputError(
            f"{the_map.source.name} has the class code {wrong[0]}. The codes of a map go from 0 to {LARGEST_MAP_CODE}.",
            "Reclassify it first.",
        )
    return [c for c in the_map.classes_beside(counts) if 0 <= c.code <= LARGEST_MAP_CODE]


@dataclass(frozen=True)
class _Edit:
    """The change of the classes of a map.

    Attributes:
        before: Its classes.
        classes: Classes of the new map.
        code_of: The new code by old code.
        map_name: Name of the map.
    """

    before: tuple[LandCoverClass, ...]
    classes: tuple[LandCoverClass, ...]
    code_of: dict[int, int]
    map_name: str

    @classmethod
    def of(cls, before: Sequence[LandCoverClass], renamed: Sequence[tuple[str, str]], map_name: str) -> _Edit:
        """Merge and rename: all names at once, so that two classes can swap theirs."""
        new_name: dict[int, str] = {}
        matched = match([old for old, _ in renamed], before, "", map_name).classes
        for old, new in renamed:
            one = matched[old]
            if one is None:
                known = ", ".join(c.name for c in before)
                raise InputError(f"The map has no class {old!r}.", f"Its classes are: {known}.")
            new_name[one.code] = new
        # A class that keeps its name keeps its code and colour too, and those that get this name become it.
        order = sorted(before, key=lambda c: (c.code in new_name, c.code))
        made: dict[str, LandCoverClass] = {}
        code_of = {}
        for c in order:
            name = new_name.get(c.code, c.name)
            # Classes of one name that nobody asked to merge stay what they are.
            key = spelling(name) if c.code in new_name else spelling(c.name)
            if c.code not in new_name and key in made:
                key = f"{key} {c.code}"
            code_of[c.code] = made.setdefault(key, replace(c, name=name)).code
        return cls(tuple(before), tuple(made.values()), code_of, map_name)

    def with_patches(self, labels: Labels, legend: Sequence[LegendEntry], feedback: Feedback) -> tuple[_Edit, Annotation]:
        """Add the classes of polygons, and return the polygons with the codes that are burned in for targets."""
        values = list(dict.fromkeys(labels.values))
        names = names_from_legend(values, legend, labels.named)
        called = {value: names.get(value, value) for value in values}
        by_new, by_old = (
            match(called.values(), classes, labels.name, self.map_name) for classes in (self.classes, self.before)
        )
        if by_new.warning:
            feedback.warn(by_new.warning)
        new, old = by_new.classes, by_old.classes
        colours = {entry.name: entry.color for entry in legend}
        added: dict[str, LandCoverClass] = {}
        code_of_value: dict[Any, int] = {}
        for value, name in called.items():
            found, earlier, key = new[name], old[name], spelling(str(name))
            if found is None and earlier is None and key not in added:
                code = self._free([*self.classes, *added.values()], whole_number(name))
                added[key] = LandCoverClass(code, str(name), colours.get(str(name)) or default_colour(code))
            code_of_value[value] = found.code if found else self.code_of[earlier.code] if earlier else added[key].code
        # Larger polygons come first, so that a small one within stays visible.
        order = np.argsort(-shapely.area(labels.shapes), kind="stable")
        shapes = labels.shapes[order]
        targets = np.array([code_of_value[labels.values[index]] for index in order])
        annotation = Annotation(ClassTable(()), shapes, targets, shapely.STRtree(shapes))
        return replace(self, classes=(*self.classes, *added.values())), annotation

    def _free(self, classes: Sequence[LandCoverClass], wanted: int | None) -> int:
        """Return the code of a new class: the number that it is called, or the first that is free."""
        # Not that of a class that was merged away: its number would mean two things on two maps.
        taken = {c.code for c in (*classes, *self.before)}
        free = [code for code in range(1, LARGEST_MAP_CODE + 1) if code not in taken]
        if not free or len(classes) >= MOST_CLASSES:
            raise InputError(f"A map can hold {MOST_CLASSES} classes.", "Use classes that the map has.")
        return wanted if wanted is not None and wanted in free else free[0]
