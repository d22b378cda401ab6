"""Coordinate reference systems, lengths and extents in words, for messages."""

from __future__ import annotations

from rasterio.crs import CRS

_UNITS = {1000.0: "km", 1.0: "m", 0.3048: "ft"}
"""The names of the units of projected CRSs, by their length in metres. Both kinds of feet are the same to four digits."""


def describe_crs(crs: CRS | None) -> str:
    """Return a short name of a CRS for messages."""
    if crs is None:
        return "no CRS"
    authority = crs.to_authority()
    return ":".join(authority) if authority else "a CRS without a code"


def length_in_words(length: float, crs: CRS | None) -> str:
    """Return a length along the axes of a CRS with the name of its unit."""
    if crs is not None and crs.is_geographic:
        return f"{length:g} degrees"
    unit = _UNITS.get(round(crs.linear_units_factor[1], 4)) if crs is not None and crs.is_projected else None
    return f"{length:g} {unit}" if unit else f"{length:g} CRS units"


def describe_extent(extent: tuple[float, float, float, float]) -> str:
    """Return an extent for messages: to the metre where it is in metres, to six digits where it is in degrees."""
    return "(" + ", ".join(f"{value:g}" if abs(value) < 1e5 else f"{value:.0f}" for value in extent) + ")"
