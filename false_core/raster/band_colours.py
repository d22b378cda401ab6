"""The bands of a raster that are red, green and blue, as far as the file tells: wavelengths, names, colour interpretation.

What was measured says most: the wavelength of a band. Then what somebody wrote: its name. Colours to draw bands in come
last, as many programs write red, green and blue to the first three bands whatever these are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from false_core.raster.written_numbers import number_in

BAND_COLOURS = ("red", "green", "blue")
WAVELENGTHS_UM: Mapping[str, tuple[float, float]] = {"red": (0.62, 0.69), "green": (0.52, 0.6), "blue": (0.45, 0.52)}
"""Micrometres between which the middle of a band of that colour lies. They are wide enough for the usual satellites."""
_WORDS = {
    "red": "red", "rot": "red", "green": "green", "grün": "green", "gruen": "green", "blue": "blue", "blau": "blue",
}  # fmt: skip
_OF_ANOTHER_BAND = re.compile(r"infra|edge|coastal|aerosol|nir|swir|kante|küste")
"""Parts of names such as near infra-red, red edge and coastal blue."""
_LETTERS = {"r": "red", "g": "green", "b": "blue"}
_NUMBERED = re.compile(r"(?:sr_|toa_)?b(?:and)?[ _]?(\d{1,2}|8a)", re.IGNORECASE)
_OF_SENTINEL_2_AND_OLI = {4: "red", 3: "green", 2: "blue"}
_OF_TM = {3: "red", 2: "green", 1: "blue"}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(nm|nanomet|um|µm|μm|micromet|micron)", re.IGNORECASE)


@dataclass(frozen=True)
class BandColours:
    """The known colours of bands.

    Attributes:
        numbers: Numbers of the bands in the file, from 1.
        colours: Colour of each, one of ``BAND_COLOURS``, or nothing for another or an unknown one. Several may share one.
        told_by: Source of this knowledge, for the end of a sentence; empty where there is none.
    """

    numbers: tuple[int, ...]
    colours: tuple[str, ...]
    told_by: str = ""


def colours_of(dataset: Any, bands: Sequence[int]) -> BandColours:
    """Return the colours of bands of an open rasterio dataset.

    Args:
        dataset: The dataset.
        bands: Their numbers, from 1.
    """
    ways: tuple[tuple[str, Callable[[Any, Sequence[int]], list[str]]], ...] = (
        ("as their wavelengths say", _by_wavelength),
        ("as their names say", _by_name),
        ("as their colour interpretation says", _by_interpretation),
    )
    for told_by, way in ways:
        colours = way(dataset, bands)
        if any(colours):
            return BandColours(tuple(bands), tuple(colours), told_by)
    return BandColours(tuple(bands), ("",) * len(bands))


def _by_wavelength(dataset: Any, bands: Sequence[int]) -> list[str]:
    return [colour_at(wavelength_um(dataset, band)) for band in bands]


def colour_at(wavelength: float | None) -> str:
    if wavelength is None:
        return ""
    return next((colour for colour, (low, high) in WAVELENGTHS_UM.items() if low <= wavelength < high), "")


def wavelength_um(dataset: Any, band: int) -> float | None:
    """Return the middle of a band in micrometres, as GDAL, a header of ENVI or the name of the band gives it."""
    found = number_in(dataset.tags(band, ns="IMAGERY").get("CENTRAL_WAVELENGTH_UM", ""))
    if found is not None:
        return found
    tags = {name.lower(): value for name, value in dataset.tags(band).items()}
    found = number_in(tags.get("wavelength", ""))
    if found is not None:
        unit = tags.get("wavelength_units", "")
        return _in_um(found, unit) if unit else None
    said = _LENGTH.search(dataset.descriptions[band - 1] or "")
    return _in_um(float(said[1]), said[2]) if said else None


def _in_um(value: float, unit: str) -> float | None:
    unit = unit.strip().lower()
    if unit.startswith(("nm", "nan")):
        return value / 1000
    return value if unit.startswith(("um", "µ", "μ", "mic")) else None


def _by_name(dataset: Any, bands: Sequence[int]) -> list[str]:
    names = [(dataset.descriptions[band - 1] or "").strip().lower() for band in bands]
    found = [colour_in_name(name) for name in names]
    if any(found):
        return found
    letters = [_LETTERS.get(name, "") for name in names]
    if set(BAND_COLOURS) <= set(letters):
        return letters
    return _by_number(names, bands)


def colour_in_name(name: str) -> str:
    words = re.split(r"[^a-zäöüß]+", name)
    colours = {_WORDS[word] for word in words if word in _WORDS}
    return colours.pop() if len(colours) == 1 and not _OF_ANOTHER_BAND.search(name) else ""


def _by_number(names: Sequence[str], bands: Sequence[int]) -> list[str]:
    """Return the colours of bands called B04 and the like, by the numbers that Sentinel-2 and Landsat give them."""
    matches = [_NUMBERED.fullmatch(name) for name in names]
    written = [match[1].lower() if match else "" for match in matches]
    numbers = [int(text) if text.isdigit() else 0 for text in written]
    of_a_satellite = any(text.startswith("0") or text == "8a" for text in written) or any(
        name.startswith(("sr_", "toa_")) for name in names
    )
    # Names that merely count the bands of the file say nothing.
    if not of_a_satellite and all(number in (0, band) for number, band in zip(numbers, bands)):
        return [""] * len(names)
    is_tm = {1, 2, 3} <= set(numbers) and 6 not in numbers and max(numbers) <= 7 and "8a" not in written
    known = _OF_TM if is_tm and not any(text.startswith("0") for text in written) else _OF_SENTINEL_2_AND_OLI
    return [known.get(number, "") for number in numbers]


def _by_interpretation(dataset: Any, bands: Sequence[int]) -> list[str]:
    meanings = [dataset.colorinterp[band - 1].name for band in bands]
    return [meaning if meaning in BAND_COLOURS else "" for meaning in meanings]
