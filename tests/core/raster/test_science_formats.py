"""Rasters of GRIB, netCDF, HDF5 and Zarr: values, nodata, scale, CRS and place are those that the file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from false_core.errors import InputError
from false_core.raster.source import RasterSource, Window
from false_core.untrusted.names import is_on_network

DEGREES, METRES = Affine(0.1, 0, 10, 0, -0.1, 50), Affine(10, 0, 500_000, 0, -10, 5_600_000)
NODATA = -99


def written(path: Path, driver: str, crs: str, transform: Affine, bands: int, **options: str) -> np.ndarray:
    """Write a raster of a format, and return its pixels with NaN where there is nodata."""
    pixels = (np.arange(bands * 30 * 40).reshape(bands, 30, 40) + 1).astype(np.float32)
    pixels[:, :3, :3] = NODATA
    plain = path.with_suffix(".tif")
    with rasterio.open(
        plain, "w", driver="GTiff", width=40, height=30, count=bands, dtype="float32", crs=crs, transform=transform,
        nodata=NODATA,
    ) as file:  # fmt: skip
        file.write(pixels)
        file.scales, file.offsets = [0.01] * bands, [5.0] * bands
    rasterio.shutil.copy(str(plain), str(path), driver=driver, **options)
    plain.unlink()
    return np.where(pixels == NODATA, np.nan, pixels)


@pytest.mark.parametrize(
    ("name", "driver", "crs", "transform", "options", "named"),
    [
        ("a.nc", "netCDF", "EPSG:32633", METRES, {}, "{}"),
        ("a.nc", "netCDF", "EPSG:32633", METRES, {"WRITE_BOTTOMUP": "NO"}, 'NETCDF:"{}":Band1'),
        ("a.nc", "netCDF", "EPSG:4326", DEGREES, {"FORMAT": "NC4"}, "NETCDF:{}:Band1"),
        ("a.grb2", "GRIB", "EPSG:4326", DEGREES, {"DATA_ENCODING": "COMPLEX_PACKING"}, "{}"),
    ],
)
def test_are_read_as_the_file_says(
    tmp_path: Path, name: str, driver: str, crs: str, transform: Affine, options: dict[str, str], named: str
) -> None:
    expected = written(tmp_path / name, driver, crs, transform, 1, **options)
    source = RasterSource(named.format(tmp_path / name))
    np.testing.assert_array_equal(source.read(Window(0, 0, 40, 30)), expected)
    assert source.crs == rasterio.crs.CRS.from_string(crs) and source.source_transform.almost_equals(transform, 1e-6)
    if driver == "netCDF":
        assert (source.descriptions[0].scale, source.descriptions[0].offset) == (0.01, 5.0)


def test_with_several_variables_each_is_named(tmp_path: Path) -> None:
    expected = written(tmp_path / "a.nc", "netCDF", "EPSG:32633", METRES, 3)
    with pytest.raises(InputError, match=r"holds 3 rasters: \S+a\.nc:Band1, \S+Band2, \S+Band3\. Name one of them") as error:
        RasterSource(str(tmp_path / "a.nc"))
    second = error.value.what.split(", ")[1]
    np.testing.assert_array_equal(RasterSource(second).read(Window(0, 0, 40, 30)), expected[1:2])
    with pytest.raises(InputError, match="Name the file alone"):
        RasterSource(f'NETCDF:"{tmp_path}/a.nc":depth')


def test_as_plain_hdf5_a_file_on_the_disk_is_none_on_a_server(tmp_path: Path) -> None:
    expected = written(tmp_path / "a.nc", "netCDF", "EPSG:32633", METRES, 1, FORMAT="NC4")
    source = RasterSource(f'HDF5:"{tmp_path}/a.nc"://Band1')
    np.testing.assert_array_equal(source.read(Window(0, 0, 40, 30)), expected[:, ::-1])  # As GDAL and QGIS show it.
    for name in (f'HDF5:"{tmp_path}/a.nc"://no', f"HDF5:{tmp_path}/a.nc://no/such"):
        assert not is_on_network(name)
        with pytest.raises(InputError, match="Name the file alone"):
            RasterSource(name)
    for name in ("HDF5:http://h/a.h5://band", 'HDF5:"https://h/a.h5"://band', "HDF5:/vsicurl/http://h/a.h5://band"):
        assert is_on_network(name)


def test_of_a_version_that_is_not_known_are_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text('{"zarr_format": 9, "node_type": "group"}')
    with pytest.raises(InputError, match="save it as a GeoTIFF there, with Raster > Conversion > Translate"):
        RasterSource(str(tmp_path / "a.zarr"))
