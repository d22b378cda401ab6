"""A raster for tests that only need one to be there."""

from __future__ import annotations

from pathlib import Path

from osgeo import gdal, osr


def write_raster(path: Path, bands: int = 3, size: tuple[int, int] = (40, 30), epsg: int | None = 32633) -> Path:
    """Write a GeoTIFF of 1 m pixels whose upper left corner is at 500000, 5600000."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), size[0], size[1], bands, gdal.GDT_Byte)
    if epsg is not None:
        dataset.SetGeoTransform((500_000, 1, 0, 5_600_000, 0, -1))
        crs = osr.SpatialReference()
        crs.ImportFromEPSG(epsg)
        dataset.SetProjection(crs.ExportToWkt())
    for band in range(1, bands + 1):
        dataset.GetRasterBand(band).WriteRaster(0, 0, size[0], size[1], bytes([20 * band]) * (size[0] * size[1]))
    dataset = None
    return path
