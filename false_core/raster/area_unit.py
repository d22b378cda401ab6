"""How areas on a raster are told."""

from __future__ import annotations

from dataclasses import dataclass

from false_core.raster.source import RasterSource

PIXELS, HECTARES, SQUARE_UNITS = "pixels", "ha", "square CRS units"
WEB_MERCATOR = 3857


@dataclass(frozen=True)
class AreaUnit:
    """A pixel of a raster's file is ``per_pixel`` of ``name``."""

    name: str
    per_pixel: float


def unit_of(source: RasterSource) -> AreaUnit:
    """Return how to tell areas on a raster: in hectares where its CRS allows it."""
    square = source.pixel_size**2
    if source.crs is None:
        return AreaUnit(SQUARE_UNITS, square) if source.georeferenced else AreaUnit(PIXELS, 1.0)
    # Pixels that are not of the same size everywhere.
    if source.crs.is_geographic or source.crs.to_epsg() == WEB_MERCATOR:
        return AreaUnit(PIXELS, 1.0)
    if source.crs.is_projected:
        return AreaUnit(HECTARES, square * float(source.crs.linear_units_factor[1]) ** 2 / 10_000)
    return AreaUnit(SQUARE_UNITS, square)
