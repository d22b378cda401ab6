"""The class of a map that a value of another file means: by the class's name, or by its code."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from false_core.errors import InputError
from false_core.raster.classes import LandCoverClass, whole_number
from false_core.untrusted import on_one_line


@dataclass(frozen=True)
class Match:
    """The classes on a map that the values of a file mean.

    Attributes:
        classes: The class of each value, or None where the map has no such class.
        warning: A sentence where the values could also have meant something else; mostly empty.
    """

    classes: dict[Any, LandCoverClass | None]
    warning: str = ""


def match(values: Iterable[Any], classes: Sequence[LandCoverClass], values_of: str, classes_of: str) -> Match:
    """Find the class that each value of a class field, or of a raster of codes, stands for.

    A text that is no number is a name, in capitals or not. Numbers, also those that are kept as text, are all names or all
    codes: a map that was made from numbers which could not be its codes has them as names of its classes. They are what more
    of them can be, and names where it is the same.

    Args:
        values: Distinct values: numbers, or text that is not empty.
        classes: The classes of the map.
        values_of, classes_of: Names of the files with the values and with the map.

    Raises:
        InputError: A value is the name of several classes.
    """
    names = _ClassNames(classes, classes_of)
    by_code = {c.code: c for c in classes}
    found: dict[Any, LandCoverClass | None] = {}
    numbers: dict[Any, int] = {}
    for value in values:
        number = whole_number(value)
        if number is None:
            found[value] = names.of(value)
        else:
            numbers[value] = number
    coded = {value: by_code.get(number) for value, number in numbers.items()}
    if not any(names.know(value) for value in numbers):
        return Match({**found, **coded})
    if sum(c is not None for c in coded.values()) > sum(names.know(value) for value in numbers):
        return Match({**found, **coded})
    named = {value: names.of(value) for value in numbers}
    differ = [value for value in numbers if named[value] and coded[value] and named[value] != coded[value]]
    if differ or any(named[value] and not coded[value] for value in numbers):
        # The names are numbers of another kind than the codes: a number that is no name is no code either.
        warning = _warning(differ[0], named[differ[0]], values_of, classes_of) if differ and all(coded.values()) else ""
        return Match({**found, **named}, warning)
    return Match({**found, **{value: named[value] or coded[value] for value in numbers}})


def match_by_names(
    names_of_values: Mapping[Any, str], classes: Sequence[LandCoverClass], classes_of: str
) -> dict[Any, LandCoverClass | None]:
    """Find the class of each value of a file that carries names of its own, by these names alone."""
    names = _ClassNames(classes, classes_of)
    return {value: names.of(name) for value, name in names_of_values.items()}


class _ClassNames:
    """The classes of a map by their names; numbers among these in any spelling."""

    def __init__(self, classes: Sequence[LandCoverClass], classes_of: str) -> None:
        self._map = classes_of
        self._by_spelling: dict[str, list[LandCoverClass]] = {}
        self._by_number: dict[int, list[LandCoverClass]] = {}
        for one in classes:
            self._by_spelling.setdefault(spelling(one.name), []).append(one)
            number = whole_number(one.name)
            if number is not None:
                self._by_number.setdefault(number, []).append(one)

    def know(self, value: Any) -> bool:
        """Return whether ``value`` is the name of a class."""
        return bool(self._called(value))

    def of(self, value: Any) -> LandCoverClass | None:
        """Return the class that is called ``value``, or None. Raises InputError where several are."""
        called = self._called(value)
        if len(called) > 1:
            codes = ", ".join(str(c.code) for c in called)
            raise InputError(
                f"{self._map} has {len(called)} classes called {str(value)!r}, with the codes {codes}.",
                f"Write codes instead of names, or make one class of them with 'Correct a map': {called[1].code} = {value}.",
            )
        return called[0] if called else None

    def _called(self, value: Any) -> list[LandCoverClass]:
        exactly = self._by_spelling.get(spelling(str(value)), [])
        number = whole_number(value)
        in_numbers = self._by_number.get(number, []) if number is not None else []
        return exactly or (in_numbers if len(in_numbers) == 1 else [])


def _warning(value: Any, called: LandCoverClass | None, values_of: str, classes_of: str) -> str:
    assert called
    return (
        f"The numbers in {values_of} are taken for names of the classes of {classes_of}. They could also be their codes: "
        f"{value} is the name of code {called.code}, and a code itself."
    )


def spelling(name: str) -> str:
    """Return one spelling for names that differ in capitals, spaces, stored accents and what is not printed alone."""
    return " ".join(unicodedata.normalize("NFC", on_one_line(name)).split()).casefold()
