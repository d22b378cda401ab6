"""Which class of a map a reference label means: by the class's name, or by its code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from false_core.errors import InputError
from false_core.raster.classes import LandCoverClass
from false_core.untrusted import on_one_line


def match(values: Iterable[Any], classes: Sequence[LandCoverClass]) -> dict[Any, LandCoverClass | None]:
    """Find the class that each value of a class field stands for.

    Names come first, in capitals or not: where a map was made from numbers that could not be its codes, they are the names
    of its classes. Otherwise a whole number, also one that is written as text, is a code.

    Args:
        values: Distinct values of the field: numbers, or text that is not empty.

    Returns:
        The class of each value, or None where the map has no such class.

    Raises:
        InputError: A value is the name of several classes.
    """
    by_code = {c.code: c for c in classes}
    found: dict[Any, LandCoverClass | None] = {}
    for value in values:
        named = [c for c in classes if spelling(c.name) == spelling(str(value))]
        if len(named) > 1:
            codes = ", ".join(str(c.code) for c in named)
            raise InputError(
                f"The map has {len(named)} classes called {str(value)!r}, with the codes {codes}.",
                "Write the codes into the class field instead of the names.",
            )
        code = as_code(value)
        found[value] = named[0] if named else by_code.get(code) if code is not None else None
    return found


def as_code(value: Any) -> int | None:
    """Return the whole number that ``value`` is or spells, or None."""
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() else None


def spelling(name: str) -> str:
    """Return one spelling for names that differ in capitals, spaces and what is not printed alone."""
    return " ".join(on_one_line(name).split()).casefold()
