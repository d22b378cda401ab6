"""The result of an assessment: the classes of map and reference in one list, scores, estimates, and what may spoil them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from false_core.accuracy.area_adjusted import AreaAdjusted, adjust
from false_core.accuracy.comparison import POINT_REFERENCE, RASTER_REFERENCE, SHAPE_REFERENCE, Comparison
from false_core.accuracy.metrics import IntArray, Scores, score
from false_core.errors import InputError
from false_core.labels.matching import match, match_by_names, spelling
from false_core.raster.areas import PIXELS, AreaUnit, unit_of_map
from false_core.raster.class_map import ClassMap
from false_core.raster.classes import LandCoverClass, whole_number

FEWEST_SAMPLES = 2
"""The least number of points of a mapped class, to tell how much they vary (Olofsson et al. 2014, Eq. 5)."""
GREY = "#9a9a9a"
CLASSES_NAMED = 5
"""Classes that one sentence names."""
SHARE_IN_OTHER_ORDER, TIMES_IN_OTHER_ORDER = 0.5, 2
"""Share of a truth raster that must agree if its values stood for other classes, and multiple of what agrees as they are,
for it to be said."""


@dataclass(frozen=True)
class AssessedClass:
    """A class of the map, of the reference or of both.

    Attributes:
        code: Its code on the map; None for one that only the reference has, by its name.
        name, color: Name and colour that the map shows.
        pixels: The number of its pixels on the map.
    """

    code: int | None
    name: str
    color: str
    pixels: int


@dataclass(frozen=True)
class Assessment:
    """The result of an assessment, and the files that were compared.

    Attributes:
        map_name: File name of the map.
        kind: ``POINT_REFERENCE``, ``SHAPE_REFERENCE`` or ``RASTER_REFERENCE``.
        classes: The classes of map and reference.
        confusion: Points or pixels of shape (classes, classes), true classes in rows.
        left_out: Number of what could not be compared, by what it is in words; none that is 0.
        unit: The unit of areas.
        scores: The scores on what was compared.
        adjusted: Estimates for the whole map.
        notes: Facts that may spoil the result, in sentences.
    """

    map_name: str
    kind: str
    classes: tuple[AssessedClass, ...]
    confusion: IntArray
    left_out: dict[str, int]
    unit: AreaUnit
    scores: Scores
    adjusted: AreaAdjusted
    notes: tuple[str, ...]

    @property
    def compared(self) -> int:
        """Number of points or pixels that were compared."""
        return int(self.confusion.sum())

    @property
    def pixels(self) -> int:
        """Number of pixels of the map."""
        return sum(c.pixels for c in self.classes)

    @property
    def is_census(self) -> bool:
        """Return whether every pixel of the map was compared: then nothing is estimated."""
        return self.kind == RASTER_REFERENCE and self.compared == self.pixels


def conclude(the_map: ClassMap, seen: Comparison) -> Assessment:
    """Bring the classes of map and reference together and score.

    Raises:
        InputError: Nothing was compared, or a label could mean several classes of the map.
    """
    if not seen.pairs:
        raise InputError(
            f"Nothing can be compared: no reference lies on a pixel of {the_map.source.name} with data.",
            "Check that both are of the same area.",
        )
    class_of_value, names, warnings = class_keys(the_map, seen)
    keys: list[int | str] = sorted({*seen.mapped, *(key for key in class_of_value.values() if isinstance(key, int))})
    keys += sorted(names)
    classes = tuple(assessed(the_map, key, names, seen) for key in keys)
    confusion = np.zeros((len(keys), len(keys)), np.int64)
    for (value, code), number in seen.pairs.items():
        confusion[keys.index(class_of_value[value]), keys.index(code)] += number
    values = {keys.index(key): value for value, key in class_of_value.items()}
    adjusted = adjust(confusion, np.array([c.pixels for c in classes]))
    unit = unit_of_map(the_map.source)
    left_out = {what: number for what, number in seen.left_out.items() if number}
    notes = (
        *warnings,
        *_notes_on_design(seen.kind, left_out),
        *_notes_on_classes(classes, confusion),
        *(_notes_on_order(classes, confusion, values) if seen.kind == RASTER_REFERENCE and not seen.names else ()),
        *_notes_on_area(unit),
    )
    return Assessment(the_map.source.name, seen.kind, classes, confusion, left_out, unit, score(confusion), adjusted, notes)


def class_keys(the_map: ClassMap, seen: Comparison) -> tuple[dict[Hashable, int | str], dict[str, str], list[str]]:
    """Return the class of each value of what is beside a map: a code, or a spelling where the map knows no such class.

    Also what the classes that have but a spelling are called, and sentences about what the values could mean otherwise.
    """
    values = sorted({value for value, _ in seen.pairs}, key=str)
    classes = the_map.classes_beside(seen.mapped)
    map_name = the_map.source.name
    matched = match(values, classes, seen.beside, map_name)
    found, warnings = matched.classes, [matched.warning] if matched.warning else []
    by_names = match_by_names({value: name for value, name in seen.names.items() if value in found}, classes, map_name)
    if any(named and named != found[value] for value, named in by_names.items()):
        # Class names that both have say another thing than the values: what is beside the map has codes of its own.
        found, warnings = {value: by_names.get(value) for value in values}, []
    elif seen.kind == RASTER_REFERENCE:
        warnings += _notes_on_names({value: seen.names[value] for value in by_names}, found, seen.beside, map_name)
    known, taken = {c.code for c in classes}, {spelling(c.name) for c in classes}
    keys: dict[Hashable, int | str] = {}
    names: dict[str, str] = {}
    for value, one in found.items():
        number = whole_number(value)
        if one is not None:
            keys[value] = one.code
        elif number is not None and number not in known and value not in seen.names:
            keys[value] = number
        else:
            name = seen.names.get(value, str(value))
            # Beside a class of the map of the same name, which it is not.
            name = f"{name} (another)" if spelling(name) in taken else name
            keys[value] = spelling(name)
            names.setdefault(spelling(name), name)
    return keys, names, warnings


def _notes_on_names(
    names: Mapping[Any, str], found: Mapping[Any, LandCoverClass | None], beside: str, map_name: str
) -> list[str]:
    """Tell where a raster calls a code by another name than the map."""
    differ = [
        f"{value} is {name} there and {one.name} in {map_name}"
        for value, name in names.items()
        if (one := found.get(value)) and spelling(one.name) not in (spelling(name), spelling(str(one.code)))
    ]
    if not differ:
        return []
    return [f"{beside} was compared by its codes, but has other names for some of them: {_list(differ[:CLASSES_NAMED])}."]


def assessed(the_map: ClassMap, key: int | str, names: dict[str, str], seen: Comparison) -> AssessedClass:
    if isinstance(key, str):
        return AssessedClass(None, names[key], GREY, 0)
    known = the_map.class_of(key)
    return AssessedClass(key, known.name, known.color, seen.mapped.get(key, 0))


def _notes_on_design(kind: str, left_out: dict[str, int]) -> list[str]:
    notes = []
    if kind == SHAPE_REFERENCE:
        notes.append(
            "The reference labels are lines or polygons. Pixels of one polygon are much alike, so many of them say "
            "little more than one, and polygons are seldom drawn where chance would have it. Do not rely on the intervals "
            "and on the estimates for the whole map. Points from 'Sample points to assess a map' do not have this problem."
        )
    if kind == RASTER_REFERENCE and left_out.get("pixels of the map without a truth"):
        notes.append(
            f"The truth is not known for {left_out['pixels of the map without a truth']:,} pixels of the map. Unless chance "
            "chose the others, do not rely on the intervals and on the estimates for the whole map."
        )
    if kind == POINT_REFERENCE and left_out.get("labels without a class"):
        notes.append(
            f"{left_out['labels without a class']:,} points have no class and are left out. Where these are the ones that "
            "were hard to tell, the map is worse than it looks here."
        )
    return notes


def _notes_on_classes(classes: Sequence[AssessedClass], confusion: IntArray) -> list[str]:
    notes = []
    true, sampled = confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist()
    absent = [f"{c.name} ({number:,})" for c, number in zip(classes, true) if number and not c.pixels]
    if absent:
        notes.append(f"The reference has classes that the map does not show; they count as mapped wrong: {_list(absent)}.")
    unknown = [c.name for c, number in zip(classes, true) if c.pixels and not number]
    if unknown:
        notes.append(f"The reference has nothing of {_list(unknown)}: how much of it the map misses is not known.")
    blind = [c for c, number in zip(classes, sampled) if c.pixels and not number]
    if blind:
        share = sum(c.pixels for c in blind) / sum(c.pixels for c in classes)
        notes.append(
            f"There is no reference where the map shows {_list([c.name for c in blind])}, {100 * share:.1f} % of the map. "
            "The estimates for the whole map leave that part out."
        )
    few = [c.name for c, number in zip(classes, sampled) if c.pixels and 0 < number < FEWEST_SAMPLES]
    if few:
        notes.append(
            f"There is only one sample where the map shows {_list(few)}. It takes two to compute intervals, and about 50 to "
            "trust them."
        )
    return notes


def _notes_on_order(classes: Sequence[AssessedClass], confusion: IntArray, values: Mapping[int, Hashable]) -> list[str]:
    """Doubt the values of a truth raster without names that would fit the map far better as other classes of it."""
    true, mapped = linear_sum_assignment(confusion, maximize=True)
    agree, could = (float(part.sum() / confusion.sum()) for part in (confusion.diagonal(), confusion[true, mapped]))
    if could < max(SHARE_IN_OTHER_ORDER, TIMES_IN_OTHER_ORDER * agree):
        return []
    moved = max((one for one in zip(true, mapped) if one[0] != one[1]), key=lambda one: int(confusion[one]))
    value, name = values[moved[0]], classes[moved[1]].name
    return [
        f"Only {100 * agree:.1f} % of the pixels agree. It would be {100 * could:.1f} % if the values of the truth stood "
        f"for other classes of the map, {value} for {name}. Give the truth the names of its classes, for example in a "
        "raster attribute table."
    ]


def _notes_on_area(unit: AreaUnit) -> list[str]:
    if unit.name != PIXELS:
        return []
    return ["Areas are in pixels: in the CRS of the map, pixels are not of the same size everywhere, or of no known size."]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
