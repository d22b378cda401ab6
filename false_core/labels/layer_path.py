"""The parts of the path of a label layer, as QGIS writes it: ``FILE|layername=NAME|geometrytype=Polygon|subset=FILTER``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from false_core.errors import InputError

_BEHIND_FILTER = re.compile(
    r"'[^']*'|\"[^\"]*\"|\|((?:layername|layerid|geometrytype|uniquegeometrytype|subset|option:[^=|]*)=)", re.IGNORECASE
)
"""Texts and names in a filter, and what follows one."""
_GEOMETRIES = {"point": 0, "linestring": 1, "polygon": 2}
"""Dimensions of kinds of geometries."""


@dataclass(frozen=True)
class LayerPath:
    """The place of labels, and the choice of those that count.

    Attributes:
        file: The path of the file.
        layer: The name of its layer, or None.
        number: The number of its layer, from 0, or None.
        subset: A filter, as SQL has it behind WHERE, or None.
        dimension: 0 where only points count, 1 lines, 2 polygons; None where all do.
    """

    file: str
    layer: str | None = None
    number: int | None = None
    subset: str | None = None
    dimension: int | None = None

    @classmethod
    def parse(cls, path: str) -> LayerPath:
        """Read a path.

        Raises:
            InputError: Something stands behind the file that is not understood, or that is not done.
        """
        # The filter may hold the sign that divides the others.
        rest, _, subset = _partition(path, r"\|subset=")
        subset, behind = _parted_filter(subset)
        file, *options = [*rest.split("|"), *behind]
        given: dict[str, str] = {}
        for option in options:
            key, _, value = option.partition("=")
            given[key.strip().lower()] = value
        number, kind = given.pop("layerid", None), given.pop("geometrytype", None)
        layer = given.pop("layername", None)
        given.pop("uniquegeometrytype", None)  # It says that the layer has but one kind.
        dimension = None if kind is None else _GEOMETRIES.get(re.sub("^multi|(25d|zm|z|m)$", "", kind.strip().lower()))
        unknown = [f"{key}={value}" for key, value in given.items()]
        if number is not None and not re.fullmatch("[0-9]{1,6}", number.strip()):
            unknown.append(f"layerid={number}")
        if kind is not None and dimension is None and kind.strip().lower() not in ("", "unknown"):
            unknown.append(f"geometrytype={kind}")
        if unknown:
            raise InputError(
                f"{', '.join(unknown)} behind the label file {file} is not understood.",
                "Behind the file may stand |layername=, |layerid=, |geometrytype= and |subset=. "
                "Save what you need as a layer of its own otherwise.",
            )
        _check_filter(file, subset)
        return cls(file, layer or None, None if number is None else int(number), subset.strip() or None, dimension)


def _parted_filter(text: str) -> tuple[str, list[str]]:
    """Return a filter, and the options that stand behind it in place of before it."""
    for part in _BEHIND_FILTER.finditer(text):
        if part[1]:
            return text[: part.start()], text[part.start() + 1 :].split("|")
    return text, []


def _partition(text: str, pattern: str) -> tuple[str, str, str]:
    found = re.search(pattern, text, re.IGNORECASE)
    return (text, "", "") if found is None else (text[: found.start()], found[0], text[found.end() :])


def _check_filter(file: str, subset: str) -> None:
    """Raise InputError where a filter is a query of its own, or holds one: that may never end, and read anything."""
    outside = re.sub("'[^']*'|\"[^\"]*\"", " ", subset)
    if re.search(r"\b(select|with|pragma|attach)\b|;|--|/\*", outside, re.IGNORECASE):
        raise InputError(
            f"The filter of the label file {file} is a query, which is not run: {subset}",
            "Write a condition, such as \"cover\" <> 'water', or save what the query gives as a layer of its own.",
        )
