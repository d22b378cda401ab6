"""Codes are looked up at the same place on the ground, however longitudes are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio.shutil
from affine import Affine
from rasterio.control import GroundControlPoint
from small_world import CRS, GRID, Listener, write_raster

from false_core.raster.aligned import AlignedCodes
from false_core.raster.source import RasterSource, Window

SHIFTED = Affine.translation(5, 6)


@pytest.mark.parametrize(("theirs", "ours"), [(-170.0, 190.0), (190.0, -170.0), (190.0, 190.0)])
def test_longitudes_to_180_and_to_360_degrees_are_the_same(
    tmp_path: Path, listener: Listener, theirs: float, ours: float
) -> None:
    codes = np.random.default_rng(0).integers(1, 5, (1, 20, 30)).astype("uint8")
    paths = [
        write_raster(tmp_path / f"{name}.tif", codes, crs="EPSG:4326", transform=Affine(1e-3, 0, left, 0, -1e-3, 10))
        for name, left in (("theirs", theirs), ("ours", ours))
    ]
    with AlignedCodes(paths[0], RasterSource(paths[1]), listener.feedback) as aligned:
        found, valid = aligned.read(Window(0, 0, 30, 20))
    assert valid.all()
    np.testing.assert_array_equal(found, codes[0])


def test_a_map_in_metres_finds_codes_that_are_counted_to_360_degrees(tmp_path: Path, listener: Listener) -> None:
    codes = np.full((1, 400, 400), 3, "uint8")
    degrees = Affine(1e-3, 0, 188.8, 0, -1e-3, 10.2)
    path = write_raster(tmp_path / "theirs.tif", codes, crs="EPSG:4326", transform=degrees)
    metres = write_raster(
        tmp_path / "ours.tif", np.ones((1, 9, 9), "uint8"), crs="EPSG:32602", transform=Affine(100, 0, 5e5, 0, -100, 1.11e6)
    )
    with AlignedCodes(path, RasterSource(metres), listener.feedback) as aligned:
        found, valid = aligned.read(Window(0, 0, 9, 9))
    assert valid.all()
    assert (found == 3).all()


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
def test_codes_are_placed_by_ground_control_points_too(tmp_path: Path, listener: Listener, crs: str) -> None:
    squares = np.random.default_rng(0).integers(1, 5, (4, 6)).astype("uint8")
    codes = np.kron(squares, np.ones((5, 5), "uint8"))
    # A quarter of a turn, which no rectangle of pixels north up shows.
    path = write_raster(tmp_path / "theirs.tif", np.rot90(codes)[None].copy(), crs=None, transform=None)
    to_crs = pyproj.Transformer.from_crs(CRS, crs, always_xy=True)
    points = [
        GroundControlPoint(row, column, *to_crs.transform(*(GRID @ (30 - row, column))))
        for row in (0, 15, 30)
        for column in (0, 10, 20)
    ]
    with rasterio.open(path, "r+") as file:
        file.gcps = (points, rasterio.crs.CRS.from_user_input(crs))
    ours = RasterSource(write_raster(tmp_path / "ours.tif", np.ones((1, 20, 30), "uint8")))
    with AlignedCodes(path, ours, listener.feedback) as aligned:
        found, valid = aligned.read(Window(0, 0, 30, 20))
    assert valid[2::5, 2::5].all()
    np.testing.assert_array_equal(found[2::5, 2::5], squares)


NODATA_OF_TYPES = [
    ("uint8", 0), ("uint8", -9999), ("int8", -1), ("uint16", 65535), ("int32", -9999), ("uint32", 2**32 - 1),
    ("int64", -9999), ("float32", -3.4028234663852886e38), ("float64", float("nan")), ("float64", -1e308),
]  # fmt: skip


@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "a mask"])
@pytest.mark.parametrize(("dtype", "nodata"), NODATA_OF_TYPES)
def test_codes_are_known_where_neither_nodata_nor_a_mask_hides_them(
    tmp_path: Path, listener: Listener, dtype: str, nodata: float, masked: bool
) -> None:
    codes = np.random.default_rng(0).integers(1, 5, (20, 30)).astype(dtype)
    possible = np.dtype(dtype).kind == "f" or np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max
    hidden = np.zeros((20, 30), bool)
    if possible:
        codes[:4], hidden[:4] = nodata, True
    mask = np.full((20, 30), 255, "uint8")
    if masked:
        mask[:, :7], hidden[:, :7] = 0, True
    # Smaller than the other raster, and its upper left corner within it.
    theirs = write_raster(tmp_path / "theirs.tif", codes[None], mask if masked else None, transform=GRID * SHIFTED)
    described = tmp_path / "theirs.vrt"
    rasterio.shutil.copy(theirs, described, driver="VRT")
    said = f"<NoDataValue>{nodata!r}</NoDataValue>"
    described.write_text(described.read_text().replace("<ColorInterp>", f"{said}<ColorInterp>", 1))
    ours = write_raster(tmp_path / "ours.tif", np.ones((1, 40, 50), "uint8"))
    with AlignedCodes(str(described), RasterSource(ours), listener.feedback) as aligned:
        found, valid = aligned.read(Window(0, 0, 50, 40))
    expected = np.zeros((40, 50), bool)
    expected[6:26, 5:35] = ~hidden
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(found[valid], codes[~hidden])
