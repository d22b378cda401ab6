"""The descriptions of bands in a file, and which bands of one raster are those of another: by wavelengths, then by names.

Two rasters are used together when a model meets another raster than the one it was made on, and when several are pretrained
on. Numbers of bands say nothing then: a program that stacks bands is free to choose their order.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from false_core.raster.band_colours import BAND_COLOURS, colour_at, colour_in_name, wavelength_um
from false_core.raster.written_numbers import number_in
from false_core.untrusted import on_one_line

NEAR = 0.05
"""The share of a wavelength by which the middles of two bands may differ that are taken for the same. The near infrared
bands of Sentinel-2 and Landsat differ by 4 %."""
MOST_LISTED = 12
"""Bands that a message names."""
LONGEST_NAME = 40
"""Letters of the name of a band that a message shows."""
LARGEST_SCALE = 1e12
"""The largest plausible factor: more than that, or less than its inverse, is a mistake in the file."""
_COUNTED = re.compile(r"(?:band|layer|channel|kanal|b)?0*(\d+)")
NEAR_INFRARED_UM = (0.76, 0.9)
"""Micrometres between which the middle of a band lies that is called near infrared."""
_LETTERS = {"r": "red", "g": "green", "b": "blue", "n": "nir", "nir": "nir", "re": "rededge"}
_LENGTH_ALONE = re.compile(r"[\d.]+(?:nm|nanomet\w*|um|µm|μm|micromet\w*|micron\w*)")
_NEAR_INFRARED = {"nir", "nearinfrared", "nahesinfrarot", "infrared", "infrarot", "ir", "cir"}


@dataclass(frozen=True)
class BandDescription:
    """The description of a band in its file.

    Attributes:
        name: Its name; empty where the file gives it none.
        wavelength_um: Its middle in micrometres, None where the file does not say.
        colour: The colour to draw it in, one of ``BAND_COLOURS``; empty for another or none.
        scale, offset: The physical value of a pixel is its number times ``scale`` plus ``offset``.
    """

    name: str = ""
    wavelength_um: float | None = None
    colour: str = ""
    scale: float = 1.0
    offset: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return what a model file keeps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> BandDescription:
        """Read what ``to_dict`` returned. Raises ValueError or another error of that kind where it is something else."""
        wavelength = body["wavelength_um"]
        read = cls(
            str(body["name"]),
            None if wavelength is None else float(wavelength),
            str(body["colour"]),
            float(body["scale"]),
            float(body["offset"]),
        )
        if not _is_usable(read.scale, read.offset) or read.wavelength_um != _possible(read.wavelength_um):
            raise ValueError("scale, offset and wavelength of a band must be numbers that can be used")
        return read


def describe_bands(dataset: Any, bands: Sequence[int]) -> tuple[BandDescription, ...]:
    """Return what an open rasterio dataset says of bands, given by their numbers from 1."""
    # A header of ENVI has one factor for all bands, which GDAL does not read as a scale.
    factor = number_in(dataset.tags(ns="ENVI").get("reflectance_scale_factor", "")) or 1.0
    found = []
    for band in bands:
        scale, offset = float(dataset.scales[band - 1]), float(dataset.offsets[band - 1])
        if (scale, offset) == (1.0, 0.0):
            scale = 1.0 / factor
        if not _is_usable(scale, offset):
            scale, offset = 1.0, 0.0
        colour = dataset.colorinterp[band - 1].name
        found.append(
            BandDescription(
                on_one_line(dataset.descriptions[band - 1] or "").strip(),
                _possible(wavelength_um(dataset, band)),
                colour if colour in BAND_COLOURS else "",
                scale,
                offset,
            )
        )
    return tuple(found)


def bad_bands(dataset: Any) -> tuple[int, ...]:
    """Return the numbers of the bands that a header of ENVI lists as bad (``bbl``), or a copy of it in another format."""
    said = (dataset.tags(ns="ENVI").get("bbl") or dataset.tags().get("bbl") or "").strip().strip("{}")
    flags = [number_in(text) for text in said.split(",")] if said else []
    # A list for another number of bands is not about these.
    return tuple(number for number, flag in enumerate(flags, 1) if flag == 0) if len(flags) == dataset.count else ()


@dataclass(frozen=True)
class BandMatch:
    """The bands of a raster that are those of a reference.

    Attributes:
        numbers: Their numbers in the raster, in the order of the reference; None where the raster does not tell.
        told_by: Source of this knowledge, for the end of a sentence; empty where there is none.
        warning: Reason against taking the bands in the order of the file, as a sentence; may be empty.
    """

    numbers: tuple[int, ...] | None
    told_by: str = ""
    warning: str = ""


def match_bands(
    reference: Sequence[BandDescription],
    reference_numbers: Sequence[int],
    there: Mapping[int, BandDescription],
    in_order: Sequence[int] | None,
    whose: str,
) -> BandMatch:
    """Find the bands of a reference in a raster.

    Args:
        reference: The bands wanted.
        reference_numbers: Their numbers in the file they are from.
        there: The bands of the raster by their numbers.
        in_order: Bands that would be taken if nothing was known of the bands, None where their number does not fit.
        whose: Name of the reference in sentences.
    """
    by_wavelength = _by_wavelength(reference, there, in_order)
    by_name = _by_name(reference, reference_numbers, there)
    if by_wavelength and by_name and by_wavelength != by_name:
        return BandMatch(None, warning=f"of the bands of {whose}, wavelengths and names find different ones here")
    if by_wavelength or by_name:
        told_by = "as their wavelengths say" if by_wavelength else "as their names say"
        return BandMatch(by_wavelength or by_name, told_by)
    return BandMatch(None, warning=_warning(reference, reference_numbers, there, in_order, whose) if in_order else "")


def _by_wavelength(
    reference: Sequence[BandDescription], there: Mapping[int, BandDescription], in_order: Sequence[int] | None
) -> tuple[int, ...] | None:
    known = {number: band.wavelength_um for number, band in there.items() if band.wavelength_um}
    if not known or not all(band.wavelength_um for band in reference):
        return None
    numbers, lengths = np.array(list(known)), np.array(list(known.values()), np.float64)
    chosen = []
    for place, band in enumerate(reference):
        distances = np.abs(lengths - (band.wavelength_um or 0))
        least = float(distances.min())
        if least > NEAR * (band.wavelength_um or 0):
            return None
        nearest = numbers[distances <= least + 1e-9].tolist()
        # Of two bands at one wavelength, as where two spectrometers meet, the one in its place.
        in_place = in_order[place] if in_order and in_order[place] in nearest else None
        if len(nearest) > 1 and in_place is None:
            return None
        chosen.append(int(in_place or nearest[0]))
    return tuple(chosen) if len(set(chosen)) == len(chosen) else None


def _by_name(
    reference: Sequence[BandDescription], reference_numbers: Sequence[int], there: Mapping[int, BandDescription]
) -> tuple[int, ...] | None:
    numbers, bands = list(there), list(there.values())
    # Names that merely count the bands of their file say nothing of another file's bands.
    if _only_count([band.name for band in bands], numbers) and not _only_count(
        [b.name for b in reference], reference_numbers
    ):
        bands = [replace(band, name="") for band in bands]
    plain = [_plain(band.name) for band in reference], [_plain(band.name) for band in bands]
    for ours, theirs in (plain, (_meanings(reference), _meanings(bands))):
        times, place = Counter(theirs), dict(zip(theirs, numbers))
        if all(ours) and len(set(ours)) == len(ours) and all(times[one] == 1 for one in ours):
            return tuple(place[one] for one in ours)
    return None


def _warning(
    reference: Sequence[BandDescription],
    reference_numbers: Sequence[int],
    there: Mapping[int, BandDescription],
    in_order: Sequence[int],
    whose: str,
) -> str:
    """Return what speaks against taking bands in the order of the file."""
    if not there.keys() >= set(in_order):
        return ""
    bands = [there[number] for number in in_order]
    lengths = [(one.wavelength_um, other.wavelength_um) for one, other in zip(reference, bands)]
    if any(a and b and abs(a - b) > NEAR * a for a, b in lengths):
        here, wanted = ([_micrometres(band.wavelength_um) for band in some] for some in (bands, reference))
        return f"the bands lie at {_listed(here)}, those of {whose} at {_listed(wanted)}"
    ours, theirs = [band.name for band in reference], [band.name for band in bands]
    both_named = not _only_count(ours, reference_numbers) and not _only_count(theirs, in_order)
    if both_named and _meanings(reference) != _meanings(bands):
        return f"the bands are called {_listed(theirs)}, those of {whose} {_listed(ours)}"
    ours, theirs = [band.colour for band in reference], [band.colour for band in bands]
    if ours != theirs and sorted(ours) == sorted(theirs):
        return f"the bands are drawn in {_listed(theirs)}, those of {whose} in {_listed(ours)}"
    wanted, here = _said(reference, reference_numbers), _said(bands, in_order)
    if len(there) > len(bands) and any(wanted) and not any(here):
        return f"nothing tells which of the {len(there)} bands are those of {whose}, {_listed(wanted)}"
    return ""


def _said(bands: Sequence[BandDescription], numbers: Sequence[int]) -> list[str]:
    """Return what a file says of each band: a name that does not merely count it, a wavelength or a colour."""
    counted = _only_count([band.name for band in bands], numbers)
    names = ["" if counted else band.name for band in bands]
    return [name or _micrometres(band.wavelength_um) or band.colour for name, band in zip(names, bands)]


def _micrometres(length: float | None) -> str:
    return f"{length:.4g} µm" if length else ""


def _listed(names: Sequence[str]) -> str:
    listed = [
        name if 0 < len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..." if name else "(nothing)" for name in names
    ]
    return ", ".join(listed if len(listed) <= MOST_LISTED else [*listed[:MOST_LISTED], f"{len(listed) - MOST_LISTED} more"])


def _only_count(names: Sequence[str], numbers: Sequence[int]) -> bool:
    """Return whether names say no more than which bands of their own file they are: Band 1, Band 2 and so on."""
    counted = [_COUNTED.fullmatch(_plain(name)) for name in names if name]
    own = [number for name, number in zip(names, numbers) if name]
    return all(match and int(match[1]) == number for match, number in zip(counted, own))


def _plain(name: str) -> str:
    """Return a name without capitals, signs, and zeros in front of numbers."""
    letters = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).lower())
    return re.sub(r"(?<!\d)0+(?=\d)", "", letters)


def _meanings(bands: Sequence[BandDescription]) -> list[str]:
    """Return what bands are: a colour, near infrared, or what is left of the name. Without a name their wavelength tells."""
    plain = [_plain(band.name) for band in bands]
    # Single letters are names of colours where all three are there.
    letters = _LETTERS if {"r", "g", "b"} <= set(plain) else {}
    found = []
    for band, name in zip(bands, plain):
        if (not name or _LENGTH_ALONE.fullmatch(name)) and band.wavelength_um:
            found.append(colour_at(band.wavelength_um) or ("nir" if _is_near_infrared(band.wavelength_um) else ""))
        else:
            colour = letters.get(name) or colour_in_name(band.name.lower())
            found.append(colour or ("nir" if name in _NEAR_INFRARED else name))
    return found


def _is_near_infrared(wavelength: float) -> bool:
    return NEAR_INFRARED_UM[0] <= wavelength < NEAR_INFRARED_UM[1]


def _is_usable(scale: float, offset: float) -> bool:
    return (
        math.isfinite(scale) and math.isfinite(offset)
        and 1 / LARGEST_SCALE <= abs(scale) <= LARGEST_SCALE and abs(offset) <= LARGEST_SCALE
    )  # fmt: skip


def _possible(wavelength: float | None) -> float | None:
    """Return a wavelength in micrometres, or None for one that no band of a sensor has."""
    return wavelength if wavelength and 1e-6 < wavelength < 1e9 else None
