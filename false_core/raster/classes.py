"""Land-cover classes: code on the map, name, colour."""

from __future__ import annotations

import colorsys
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from false_core.errors import InputError
from false_core.untrusted import on_one_line, parse_json, read_text

MOST_CLASSES = 254
LARGEST_MAP_CODE = 254
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}(\.0*)?")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_FIRST_COLOURS = (
    "#e31a1c",
    "#ffd92f",
    "#8fc35a",
    "#1b7837",
    "#2b7bba",
    "#c9b18b",
    "#7b5ea7",
    "#f28e2b",
    "#17becf",
    "#e377c2",
    "#8c564b",
    "#bcbd22",
    "#636363",
    "#9edae5",
    "#f7b6d2",
    "#393b79",
)


# What maps usually show such classes in. The first pattern found in the name counts.
_USUAL_COLOURS = (
    (r"water|river|lake|sea|wasser|eau", "#2b7bba"),
    (r"forest|tree|wood|wald|for[eê]t", "#1b7837"),
    (r"grass|meadow|range|pasture|low veg|wiese|prairie", "#a6d96a"),
    (r"agri|crop|field|farm|acker", "#f2d16b"),
    (r"road|street|paved|imperv|strasse|route", "#8a8a8a"),
    (r"roof|building|urban|built|house|geb[aä]ude|b[aâ]ti", "#d7301f"),
    (r"bare|barren|soil|sand|rock|boden", "#c2a27c"),
    (r"snow|ice|cloud", "#e8f1f5"),
    (r"shrub|bush|scrub", "#7f9e3f"),
    (r"wetland|marsh|swamp", "#5ab4ac"),
)


@dataclass(frozen=True)
class LandCoverClass:
    """One class. ``code`` is its value on the map, ``color`` is ``#rrggbb``."""

    code: int
    name: str
    color: str


@dataclass(frozen=True)
class ClassTable:
    """The classes of a model, ordered by code. The network's output channel k is ``classes[k]``."""

    classes: tuple[LandCoverClass, ...]

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[LandCoverClass]:
        return iter(self.classes)

    @property
    def nodata(self) -> int:
        """Code of nodata on the map: 0, or 255 where 0 is a class."""
        return 255 if any(c.code == 0 for c in self.classes) else 0

    def to_list(self) -> list[dict[str, Any]]:
        """Return plain dictionaries for the model file."""
        return [asdict(c) for c in self.classes]

    @classmethod
    def from_list(cls, body: Sequence[dict[str, Any]]) -> ClassTable:
        """Read what ``to_list`` wrote. Raises ValueError where it is not a usable table."""
        classes = tuple(LandCoverClass(int(c["code"]), on_one_line(str(c["name"])), str(c["color"])) for c in body)
        codes = [c.code for c in classes]
        if not 1 <= len(codes) <= MOST_CLASSES or len(set(codes)) < len(codes) or min(codes) < 0 or max(codes) > 254:
            raise ValueError("class codes must be different numbers from 0 to 254")
        if not all(re.fullmatch("#[0-9a-fA-F]{6}", c.color) for c in classes):
            raise ValueError("class colours must be written #rrggbb")
        return cls(classes)


@dataclass(frozen=True)
class LegendEntry:
    """The user's name and colour for the class that has ``value`` in the label field.

    A list of values makes them one class. Without a name the value is the name, and without a colour one is chosen.
    """

    value: Any
    name: str
    color: str | None


def read_legend(path: str | None) -> list[LegendEntry]:
    """Read a legend: a JSON list of ``{"value": ..., "name": ..., "color": "#rrggbb"}``.

    The value may be a list of values, which make one class. Where ``color`` is null, the class gets a usual colour.

    Raises:
        InputError: The file is missing or is not such a list.
    """
    if path is None:
        return []
    try:
        body = parse_json(read_text(path, "The legend"))
        return [LegendEntry(entry["value"], str(entry["name"]), _colour(entry["color"])) for entry in body]
    except OSError as error:
        raise InputError(f"The legend {path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"The legend {path} is not a legend ({error}).",
            'Write a JSON list of {"value": 1, "name": "Forest", "color": "#1b7837"}.',
        ) from error


def classes_from_values(
    values: Sequence[Any], legend: Sequence[LegendEntry], named: Sequence[LegendEntry] = ()
) -> tuple[dict[Any, int], list[LandCoverClass]]:
    """Give each distinct value of a label field its class.

    Whole numbers from 0 to 254 keep their codes, also where they are kept as text, such as ``"01"``, as long as all values
    are such numbers and no two are the same. Anything else gets 1, 2, 3... in sorted order.

    Args:
        values: Values of the label field, without nulls, in any order and number.
        legend: Names and colours the user chose, and which values are one class; values without an entry get a default.
        named: Names of the file itself, for values that the legend does not name.

    Returns:
        Code by value, and the classes ordered by code.

    Raises:
        InputError: There are more than 254 classes.
    """
    distinct = sorted(set(values)) if all(isinstance(v, (int, float)) for v in values) else sorted(set(values), key=str)
    entry_of = _entries(distinct, legend)
    leader_of = _leaders(distinct, entry_of)
    leaders = [value for value in distinct if leader_of[value] == value]
    if len(leaders) > MOST_CLASSES:
        raise InputError(
            f"The class field has {len(leaders)} different values; a map can hold {MOST_CLASSES}.",
            "Check that it is the field with the class, or merge classes.",
        )
    kept = [_as_code(value) for value in leaders]
    if None in kept or len(set(kept)) < len(kept):
        kept = list(range(1, len(leaders) + 1))
    codes = {value: int(code) for value, code in zip(leaders, kept) if code is not None}
    names = names_from_legend(leaders, legend, named)
    classes: list[LandCoverClass] = []
    for value in sorted(leaders, key=codes.__getitem__):
        entry = entry_of.get(value)
        name = on_one_line(names.get(value) or _text(value))
        color = (entry.color if entry else None) or _unused_colour(name, len(classes), {c.color for c in classes})
        classes.append(LandCoverClass(codes[value], name, color))
    return {value: codes[leader_of[value]] for value in distinct}, classes


def names_from_legend(
    values: Sequence[Any], legend: Sequence[LegendEntry], named: Sequence[LegendEntry] = ()
) -> dict[Any, str]:
    """Return the name of each value that a legend names, and of others that the file itself names."""
    found: dict[Any, str] = {}
    for entries in (named, legend):  # Each by itself: they may spell a value otherwise.
        found |= {value: entry.name for value, entry in _entries(values, entries).items() if entry.name.strip()}
    return found


def _entries(values: Sequence[Any], legend: Sequence[LegendEntry]) -> dict[Any, LegendEntry]:
    """Return the entry of each value that has one.

    A value is known by its text, letter by letter, as QGIS compares them: ``01`` is not ``1``, and ``91E0`` no number. A
    number is also known by a text that spells it otherwise.
    """
    by_text: dict[str, LegendEntry] = {}
    by_letters: dict[str, LegendEntry] = {}
    by_number: dict[float, LegendEntry] = {}
    for entry in legend:
        for value in entry.value if isinstance(entry.value, list) else [entry.value]:
            text = _text(value).strip()
            by_text[text] = entry
            by_letters.setdefault(unicodedata.normalize("NFC", text), entry)
            if _NUMBER.fullmatch(text):
                by_number[float(text)] = entry
    found = {}
    for value in values:
        text = _text(value).strip()
        # A Mac stores an accent apart from its letter.
        entry_of_value = by_text.get(text) or by_letters.get(unicodedata.normalize("NFC", text))
        if entry_of_value is None and isinstance(value, (int, float)):
            entry_of_value = by_number.get(value)
        if entry_of_value is not None:
            found[value] = entry_of_value
    return found


def _leaders(values: Sequence[Any], entry_of: dict[Any, LegendEntry]) -> dict[Any, Any]:
    """Return for each value the one that gives its class the code: the first of those that an entry makes one class."""
    first: dict[int, Any] = {}
    leader_of = {}
    for value in values:
        entry = entry_of.get(value)
        merged = entry is not None and isinstance(entry.value, list)
        leader_of[value] = first.setdefault(id(entry), value) if merged else value
    return leader_of


def _unused_colour(name: str, number: int, used: set[str]) -> str:
    """Return the colour maps usually give to such a class, or the ``number``-th of a list of well-spread ones."""
    usual = next((colour for pattern, colour in _USUAL_COLOURS if re.search(pattern, name.lower())), None)
    if usual and usual not in used:
        return usual
    return next(colour for n in range(number, number + 512) if (colour := default_colour(n)) not in used)


def default_colour(number: int) -> str:
    """Return the ``number``-th (from 0) of a list of colours that are easy to tell apart."""
    if number < len(_FIRST_COLOURS):
        return _FIRST_COLOURS[number]
    # Steps of the golden ratio around the colour circle never come close to an earlier one.
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1.0, 0.55 + 0.3 * (number % 2), 0.85)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _as_code(value: Any) -> int | None:
    """Return the code on a map that ``value`` is or spells, or None."""
    number = whole_number(value)
    return number if number is not None and 0 <= number <= LARGEST_MAP_CODE else None


def whole_number(value: Any) -> int | None:
    """Return the whole number that ``value`` is or spells, or None.

    A text spells one with digits alone, zeros before them or behind a point included: ``01`` and ``1.0`` are 1, but ``3_1``
    and ``91E0`` are names.
    """
    if isinstance(value, str):
        return int(float(value)) if _WHOLE.fullmatch(value.strip()) else None
    return int(value) if isinstance(value, (int, float)) and float(value).is_integer() else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _colour(text: Any) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str) or not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ValueError(f"{text!r} is not a colour written #rrggbb")
    return text.lower()
