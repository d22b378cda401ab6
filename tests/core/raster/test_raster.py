"""Rasters as people have them: any bands, types and layouts, every way to mark nodata, any georeferencing or none."""

from __future__ import annotations

import hashlib
import math
import shutil
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from small_world import GRID, LEFT, TOP, Listener, write_raster

from false_core.errors import InputError
from false_core.jobs import parse_extent
from false_core.raster.coarsening import block_mean
from false_core.raster.opening import MOST_OPEN
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation, measure
from false_core.raster.working_grid import at_resolution_of_model, factor_for, on_working_grid, open_all

NAN = np.nan
generator = np.random.default_rng(0)


def whole(source: RasterSource) -> np.ndarray:
    return source.read(Window(0, 0, source.width, source.height))


def numbers(bands: int = 3, height: int = 20, width: int = 30, dtype: str = "uint8") -> np.ndarray:
    """Return pixels from 1 to 99 of shape (bands, height, width)."""
    return generator.integers(1, 100, (bands, height, width)).astype(dtype)


class TestReading:
    @pytest.mark.parametrize("bands", [1, 2, 3, 4, 5, 8, 11])
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
    def test_any_number_of_bands_of_any_type(self, tmp_path: Path, bands: int, dtype: str) -> None:
        pixels = numbers(bands, dtype=dtype)
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels))
        assert source.bands == tuple(range(1, bands + 1))
        assert source.dtype == dtype
        assert (source.width, source.height) == (30, 20)
        read = whole(source)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, pixels)

    @pytest.mark.parametrize(
        "layout", [{"tiled": True, "blockxsize": 16, "blockysize": 16}, {"blockysize": 1}, {"blockysize": 7}]
    )
    @pytest.mark.parametrize("interleave", ["pixel", "band"])
    @pytest.mark.parametrize("compress", ["none", "deflate", "lzw"])
    def test_tiled_or_striped(self, tmp_path: Path, layout: dict, interleave: str, compress: str) -> None:
        pixels = numbers(4, 50, 70, "uint16")
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels, interleave=interleave, compress=compress, **layout))
        np.testing.assert_array_equal(source.read(Window(11, 13, 40, 30)), pixels[:, 13:43, 11:51])

    def test_negative_numbers_and_large_ones(self, tmp_path: Path) -> None:
        pixels = np.array([[[-32768, -1, 0, 32767]]], "int16")
        np.testing.assert_array_equal(whole(RasterSource(write_raster(tmp_path / "r.tif", pixels))), pixels)

    @pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 40), (40, 1), (7, 3), (33, 200)])
    def test_smaller_than_a_patch_and_not_square(self, tmp_path: Path, width: int, height: int) -> None:
        pixels = numbers(2, height, width)
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels))
        read = source.read(Window(-32, -32, 256, 256))
        np.testing.assert_array_equal(read[:, 32 : 32 + height, 32 : 32 + width], pixels)
        assert np.isfinite(read).sum() == pixels.size

    def test_chosen_bands_in_the_order_chosen(self, tmp_path: Path) -> None:
        pixels = numbers(5)
        path = write_raster(tmp_path / "r.tif", pixels)
        with rasterio.open(path, "r+") as file:
            file.set_band_description(5, "nir")
        source = RasterSource(path, (5, 1))
        np.testing.assert_array_equal(whole(source), pixels[[4, 0]])
        assert source.band_names == ("nir", "Band 1")

    def test_a_vrt(self, tmp_path: Path) -> None:
        pixels = numbers(2, 40, 40)
        folder = tmp_path / "parts"
        folder.mkdir()
        for name, part, left in (("west", pixels[:, :, :20], 0), ("east", pixels[:, :, 20:], 20)):
            write_raster(folder / f"{name}.tif", part, transform=GRID * Affine.translation(left, 0), nodata=255)
        vrt = tmp_path / "both.vrt"
        bands = "".join(
            f'<VRTRasterBand dataType="Byte" band="{band}"><NoDataValue>255</NoDataValue>'
            + "".join(
                f'<ComplexSource><SourceFilename relativeToVRT="1">parts/{name}.tif</SourceFilename>'
                f'<SourceBand>{band}</SourceBand><SrcRect xOff="0" yOff="0" xSize="20" ySize="40"/>'
                f'<DstRect xOff="{left}" yOff="0" xSize="20" ySize="40"/><NODATA>255</NODATA></ComplexSource>'
                for name, left in (("west", 0), ("east", 25))
            )
            + "</VRTRasterBand>"
            for band in (1, 2)
        )
        vrt.write_text(
            f'<VRTDataset rasterXSize="45" rasterYSize="40"><SRS>EPSG:32633</SRS>'
            f"<GeoTransform>{LEFT}, 1, 0, {TOP}, 0, -1</GeoTransform>{bands}</VRTDataset>"
        )
        source = RasterSource(str(vrt))
        read = whole(source)
        np.testing.assert_array_equal(read[:, :, :20], pixels[:, :, :20])
        np.testing.assert_array_equal(read[:, :, 25:], pixels[:, :, 20:])
        assert np.isnan(read[:, :, 20:25]).all(), "the gap between the parts"
        assert {Path(file).name for file in source.files} == {"both.vrt", "west.tif", "east.tif"}

    def test_from_several_threads(self, tmp_path: Path) -> None:
        pixels = numbers(2, 300, 300)
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels, tiled=True, blockxsize=32, blockysize=32))
        wrong: list[int] = []

        def read(seed: int) -> None:
            chance = np.random.default_rng(seed)
            for _ in range(40):
                x, y = chance.integers(0, 200, 2).tolist()
                if not np.array_equal(source.read(Window(x, y, 90, 70)), pixels[:, y : y + 70, x : x + 90]):
                    wrong.append(seed)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


class TestWhatIsInvalid:
    def test_the_nodata_value(self, tmp_path: Path) -> None:
        pixels = numbers(2)
        pixels[:, :5] = 0
        pixels[0, 10, 10] = 0
        read = whole(RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=0)))
        np.testing.assert_array_equal(np.isnan(read), pixels == 0)

    @pytest.mark.parametrize("nodata", [-9999.0, -3.4028234663852886e38, NAN])
    def test_the_nodata_value_of_real_numbers(self, tmp_path: Path, nodata: float) -> None:
        pixels = numbers(1, dtype="float32")
        pixels[:, 3] = nodata
        read = whole(RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=nodata)))
        assert np.isnan(read[:, 3]).all()
        assert np.isnan(read).sum() == 30

    @pytest.mark.parametrize(
        ("dtype", "nodata"),
        [("int8", -128), ("int16", -32768), ("int32", -2147483648), ("uint32", 4294967295), ("int64", -9999), ("uint64", 0)],
    )
    def test_the_nodata_value_of_whole_numbers(self, tmp_path: Path, dtype: str, nodata: int) -> None:
        pixels = numbers(2, dtype=dtype)
        pixels[:, :5] = nodata
        read = whole(RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=nodata)))
        np.testing.assert_array_equal(read, np.where(pixels == nodata, np.float32(NAN), pixels.astype("float32")))

    def test_the_nodata_value_of_one_bit(self, tmp_path: Path) -> None:
        pixels = numbers(1) % 2
        read = whole(RasterSource(write_raster(tmp_path / "r.tif", pixels, nbits=1, nodata=0)))
        np.testing.assert_array_equal(read, np.where(pixels == 0, NAN, 1))

    def test_another_nodata_value_of_each_band(self, tmp_path: Path) -> None:
        pixels = numbers(3, dtype="int16")
        rasterio.shutil.copy(write_raster(tmp_path / "r.tif", pixels), tmp_path / "r.vrt", driver="VRT")
        values = (7, 99, None)
        described = (tmp_path / "r.vrt").read_text()
        for band, value in zip((1, 2), values):
            start = f'<VRTRasterBand dataType="Int16" band="{band}"'
            assert start in described
            before, _, behind = described.partition(start)
            tag, _, rest = behind.partition(">")
            described = f"{before}{start}{tag}><NoDataValue>{value}</NoDataValue>{rest}"
        (tmp_path / "r.vrt").write_text(described)
        expected = pixels.astype("float32")
        for band, value in enumerate(values[:2]):
            expected[band][expected[band] == value] = NAN
        assert np.isnan(expected[:2]).any(axis=(1, 2)).all()
        np.testing.assert_array_equal(whole(RasterSource(str(tmp_path / "r.vrt"))), expected)

    def test_what_is_no_finite_number(self, tmp_path: Path) -> None:
        pixels = numbers(2, dtype="float32")
        pixels[0, 0, :3] = NAN, np.inf, -np.inf
        read = whole(RasterSource(write_raster(tmp_path / "r.tif", pixels)))
        assert np.isnan(read[0, 0, :3]).all()
        assert np.isnan(read).sum() == 3

    @pytest.mark.parametrize("hole", [np.finfo("f4").max, np.finfo("f4").min, -3.4028230607370965e38])
    def test_the_largest_number_that_there_is(self, tmp_path: Path, hole: float) -> None:
        pixels = numbers(2, dtype="float32")
        pixels[0, 0, :3] = hole
        read = whole(RasterSource(write_raster(tmp_path / "r.tif", pixels)))
        assert np.isnan(read[0, 0, :3]).all()
        assert np.isnan(read).sum() == 3

    def test_double_precision_beyond_single_precision(self, tmp_path: Path) -> None:
        pixels = np.array([[[1.0, -1.7976931348623157e308, 2.0]]])
        assert np.isnan(whole(RasterSource(write_raster(tmp_path / "r.tif", pixels)))).tolist() == [[[False, True, False]]]

    def test_transparent_pixels(self, tmp_path: Path) -> None:
        pixels = numbers(4)
        pixels[3] = 255
        pixels[3, :, :7] = 0
        pixels[3, :, 7] = 1
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels, photometric="rgb", alpha="yes"))
        assert source.bands == (1, 2, 3), "alpha is no band to learn from"
        read = whole(source)
        assert np.isnan(read[:, :, :7]).all()
        np.testing.assert_array_equal(read[:, :, 7:], pixels[:3, :, 7:])

    def test_transparent_pixels_beside_a_nodata_value(self, tmp_path: Path) -> None:
        pixels = numbers(4)
        pixels[3] = 255
        pixels[3, :, :7] = 0
        pixels[:3, 4] = 0
        read = whole(RasterSource(write_raster(tmp_path / "r.tif", pixels, photometric="rgb", alpha="yes", nodata=0)))
        assert np.isnan(read[:, :, :7]).all()
        assert np.isnan(read[:, 4]).all()
        assert np.isnan(read).sum() == 3 * (20 * 7 + 30 - 7)

    def test_an_alpha_band_asked_for_by_number_is_data(self, tmp_path: Path) -> None:
        # GDAL calls the fourth band of a Byte raster alpha unless told otherwise; often it is near infrared.
        pixels = numbers(4)
        pixels[3, 2] = 0
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels, photometric="rgb", alpha="yes"), (1, 2, 3, 4))
        np.testing.assert_array_equal(whole(source), pixels)

    @pytest.mark.parametrize("dtype", ["uint8", "float32"])
    def test_what_a_mask_band_says(self, tmp_path: Path, dtype: str) -> None:
        pixels = numbers(3, dtype=dtype)
        mask = np.full((20, 30), 255, "uint8")
        mask[5:9, 3:] = 0
        read = whole(RasterSource(write_raster(tmp_path / "r.tif", pixels, mask)))
        np.testing.assert_array_equal(np.isnan(read), np.broadcast_to(mask == 0, read.shape))

    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
    def test_a_mask_band_and_the_nodata_value_beside_it(self, tmp_path: Path, dtype: str) -> None:
        pixels = numbers(3, dtype=dtype)
        pixels[:, 15] = 0
        pixels[1, 12, 12] = 0
        mask = np.full((20, 30), 255, "uint8")
        mask[5:9, 3:] = 0
        read = whole(RasterSource(write_raster(tmp_path / "r.tif", pixels, mask, nodata=0)))
        np.testing.assert_array_equal(np.isnan(read), (pixels == 0) | (mask == 0))

    def test_everything_beyond_the_raster(self, tmp_path: Path) -> None:
        pixels = numbers(1, 10, 12)
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels))
        read = source.read(Window(-4, 7, 20, 6))
        assert read.shape == (1, 6, 20)
        np.testing.assert_array_equal(read[:, :3, 4:16], pixels[:, 7:])
        assert np.isfinite(read).sum() == 3 * 12
        for elsewhere in (Window(12, 0, 5, 5), Window(-5, 0, 5, 5), Window(0, 10, 5, 5), Window(1000, -1000, 5, 5)):
            assert np.isnan(source.read(elsewhere)).all()


class TestWhereItLies:
    def test_north_up(self, tmp_path: Path) -> None:
        source = RasterSource(write_raster(tmp_path / "r.tif", numbers(), transform=Affine(0.5, 0, LEFT, 0, -0.5, TOP)))
        assert source.bounds == (LEFT, LEFT + 15, TOP - 10, TOP)
        assert source.pixel_size == 0.5
        assert source.ground_sample_distance == 0.5

    def test_rotated(self, tmp_path: Path) -> None:
        turned = Affine.translation(LEFT, TOP) * Affine.rotation(30) * Affine.scale(2, -2)
        source = RasterSource(write_raster(tmp_path / "r.tif", numbers(), transform=turned))
        assert source.pixel_size == pytest.approx(2)
        xmin, xmax, ymin, ymax = source.bounds
        assert xmax - xmin == pytest.approx(60 * math.cos(math.pi / 6) + 40 * math.sin(math.pi / 6))
        assert ymax - ymin == pytest.approx(60 * math.sin(math.pi / 6) + 40 * math.cos(math.pi / 6))
        x, y = turned * (12.0, 8.0)
        window = source.window_of(parse_extent(f"{x - 0.1},{x + 0.1},{y - 0.1},{y + 0.1}"))
        assert window == Window(11, 7, 2, 2)

    def test_nowhere_it_lies_below_the_x_axis_as_in_qgis(self, tmp_path: Path) -> None:
        source = RasterSource(write_raster(tmp_path / "r.tif", numbers(), crs=None, transform=None))
        assert not source.georeferenced
        assert source.crs is None
        assert source.bounds == (0, 30, -20, 0)
        assert source.ground_sample_distance is None
        assert source.window_of(parse_extent("5,9,-20,-18")) == Window(5, 18, 4, 2)

    def test_by_ground_control_points_it_is_read_warped_and_its_margins_are_invalid(self, tmp_path: Path) -> None:
        path = tmp_path / "r.tif"
        turned = Affine.translation(LEFT, TOP) * Affine.rotation(30) * Affine.scale(1, -1)
        with rasterio.open(
            path, "w", driver="GTiff", width=80, height=60, count=3, dtype="uint8", photometric="rgb"
        ) as file:
            file.write(np.full((3, 60, 80), 50, "uint8"))
            corners = [(row, column, *(turned * (column, row))) for row in (0, 30, 60) for column in (0, 40, 80)]
            file.gcps = ([GroundControlPoint(*corner) for corner in corners], CRS.from_epsg(32633))
        source = RasterSource(str(path))
        assert source.crs == CRS.from_epsg(32633)
        assert source.bands == (1, 2, 3)
        read = whole(source)
        assert np.unique(read[np.isfinite(read)]).tolist() == [50.0]
        assert np.isfinite(read).all(axis=0).sum() * source.pixel_size**2 == pytest.approx(80 * 60, rel=0.03)

    def test_in_degrees_the_ground_sample_distance_follows_the_latitude(self, tmp_path: Path) -> None:
        grid = Affine(1e-4, 0, 15, 0, -1e-4, 60.001)
        source = RasterSource(write_raster(tmp_path / "r.tif", numbers(), crs="EPSG:4326", transform=grid))
        assert source.ground_sample_distance == pytest.approx(11.132 * math.sqrt(0.5), rel=0.001)

    @pytest.mark.parametrize(
        "crs",
        ["EPSG:4326", "EPSG:4978", 'LOCAL_CS["site",UNIT["metre",1]]'],
        ids=["degrees that are none", "geocentric", "local"],
    )
    def test_where_metres_cannot_be_told_there_is_no_ground_sample_distance(self, tmp_path: Path, crs: str) -> None:
        source = RasterSource(write_raster(tmp_path / "r.tif", numbers(), crs=CRS.from_user_input(crs)))
        assert source.ground_sample_distance is None
        assert factor_for(source, None, 10, 600) == 1

    def test_in_feet_it_is_told_in_metres(self, tmp_path: Path) -> None:
        source = RasterSource(write_raster(tmp_path / "r.tif", numbers(), crs="EPSG:2263"))
        assert source.ground_sample_distance == pytest.approx(0.3048, rel=1e-4)


class TestExtents:
    @pytest.fixture
    def source(self, tmp_path: Path) -> RasterSource:
        return RasterSource(write_raster(tmp_path / "r.tif", numbers(1, 200, 300)))

    def test_none_is_everything(self, source: RasterSource) -> None:
        assert source.window_of(None) == Window(0, 0, 300, 200)

    def test_in_its_own_crs(self, source: RasterSource) -> None:
        extent = parse_extent(f"{LEFT + 10},{LEFT + 60},{TOP - 50},{TOP - 20} [EPSG:32633]")
        assert source.window_of(extent) == Window(10, 20, 50, 30)

    def test_every_pixel_that_is_touched_belongs_to_it(self, source: RasterSource) -> None:
        extent = parse_extent(f"{LEFT + 10.5},{LEFT + 60.5},{TOP - 50.5},{TOP - 20.5}")
        assert source.window_of(extent) == Window(10, 20, 51, 31)

    def test_in_another_crs(self, source: RasterSource) -> None:
        from rasterio.warp import transform_bounds

        west, south, east, north = transform_bounds("EPSG:32633", "EPSG:4326", LEFT + 100, TOP - 100, LEFT + 150, TOP - 40)
        window = source.window_of(parse_extent(f"{west},{east},{south},{north} [EPSG:4326]"))
        assert abs(window.column - 100) <= 1
        assert abs(window.row - 40) <= 1
        assert abs(window.width - 50) <= 2
        assert abs(window.height - 60) <= 2

    def test_partly_outside_it_is_clipped(self, source: RasterSource) -> None:
        assert source.window_of(parse_extent(f"{LEFT - 500},{LEFT + 20},{TOP - 30},{TOP + 500}")) == Window(0, 0, 20, 30)
        assert source.window_of(parse_extent("-1e300,1e300,-1e300,1e300")) == Window(0, 0, 300, 200)

    @pytest.mark.parametrize("text", ["0,10,0,10", "0,10,0,10 [EPSG:4326]", "-170,-160,-80,-70 [EPSG:4326]"])
    def test_outside_both_extents_are_told(self, source: RasterSource, text: str) -> None:
        with pytest.raises(InputError, match=r"does not overlap r\.tif.*500000, 500300, 5599800, 5600000.*EPSG:32633"):
            source.window_of(parse_extent(text))

    @pytest.mark.parametrize("crs", ["EPSG:999999", "USER:100000", "nonsense"])
    def test_in_a_crs_that_nobody_knows(self, source: RasterSource, crs: str) -> None:
        with pytest.raises(InputError, match="cannot be brought to the CRS"):
            source.window_of(parse_extent(f"0,1,0,1 [{crs}]"))

    def test_in_a_crs_that_the_rasters_has_nothing_to_do_with(self, tmp_path: Path) -> None:
        local = CRS.from_user_input('LOCAL_CS["site",UNIT["metre",1]]')
        source = RasterSource(write_raster(tmp_path / "r.tif", numbers(), crs=local))
        with pytest.raises(InputError, match="cannot be brought to the CRS"):
            source.window_of(parse_extent("0,1,0,1 [EPSG:4326]"))

    @settings(max_examples=60, deadline=None)
    @given(*[st.floats(-400, 700, allow_nan=False)] * 4, st.sampled_from([1, 2, 3, 7]))
    def test_whatever_they_are_the_window_lies_in_the_raster(
        self, tmp_path_factory: pytest.TempPathFactory, a: float, b: float, c: float, d: float, factor: int
    ) -> None:
        path = Path(tmp_path_factory.getbasetemp()) / "extents.tif"
        if not path.exists():
            write_raster(path, numbers(1, 200, 300))
        source = RasterSource(str(path), factor=factor)
        xmin, xmax, ymin, ymax = LEFT + min(a, b), LEFT + max(a, b) + 0.5, TOP - max(c, d) - 0.5, TOP - min(c, d)
        try:
            window = source.window_of(parse_extent(f"{xmin!r},{xmax!r},{ymin!r},{ymax!r}"))
        except InputError:
            assert xmax <= LEFT + 1e-3 or xmin >= LEFT + 300 - 1e-3 or ymin >= TOP - 1e-3 or ymax <= TOP - 200 + 1e-3
            return
        assert window.column >= 0
        assert window.row >= 0
        assert window.width >= 1
        assert window.height >= 1
        assert window.column + window.width <= source.width
        assert window.row + window.height <= source.height
        # It covers all of the extent that lies over the raster.
        assert LEFT + window.column * factor <= max(xmin, LEFT) + 1e-3
        assert LEFT + (window.column + window.width) * factor >= min(xmax, LEFT + 300) - 1e-3


class TestACoarserWorkingGrid:
    def test_averages_valid_pixels_only(self, tmp_path: Path) -> None:
        pixels = numbers(2, 12, 20, "uint16")
        pixels[:, 0, 0] = 0
        pixels[:, 4:8, 4:8] = 0
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=0)).at_factor(4)
        assert (source.width, source.height) == (5, 3)
        read = whole(source)
        assert read[0, 0, 0] == pytest.approx(pixels[0, :4, :4].sum() / 15)
        assert np.isnan(read[:, 1, 1]).all()
        assert read[1, 2, 4] == pytest.approx(pixels[1, 8:, 16:].mean())

    def test_keeps_its_place_and_covers_the_last_pixels(self, tmp_path: Path) -> None:
        pixels = numbers(1, 13, 21)
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels)).at_factor(4)
        assert (source.width, source.height) == (6, 4)
        assert source.transform * (2, 1) == source.source_transform * (8, 4)
        read = whole(source)
        assert read[0, 3, 5] == pixels[0, 12, 20], "a corner that holds one pixel only"
        assert read[0, 0, 5] == pytest.approx(pixels[0, :4, 20].mean())

    @settings(max_examples=30, deadline=None)
    @given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9), st.integers(1, 9), st.sampled_from([2, 3, 5]))
    def test_gives_the_same_pixels_whatever_window_they_are_read_in(
        self, tmp_path_factory: pytest.TempPathFactory, column: int, row: int, width: int, height: int, factor: int
    ) -> None:
        path = Path(tmp_path_factory.getbasetemp()) / "windows.tif"
        if not path.exists():
            write_raster(path, numbers(2, 23, 31, "uint16"))
        source = RasterSource(str(path), factor=factor)
        everything = source.read(Window(-10, -10, 40, 40))
        part = source.read(Window(column, row, width, height))
        np.testing.assert_array_equal(part, everything[:, row + 10 : row + 10 + height, column + 10 : column + 10 + width])

    @pytest.mark.thorough
    def test_takes_no_more_memory_than_a_strip_of_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pixels = numbers(1, 4096, 4096)
        pixels[0, 0, 0] = 0
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=0), factor=32)
        monkeypatch.setattr("false_core.raster.source.STRIP_BYTES", 2_000_000)
        tracemalloc.start()
        read, valid = source.read_with_validity(Window(-100, -100, 512, 512))
        peak = tracemalloc.get_traced_memory()[1] - valid.nbytes
        tracemalloc.stop()
        assert peak < 15_000_000
        np.testing.assert_array_equal(valid[3200:7296, 3200:7296], pixels[0] > 0)
        assert valid.sum() == pixels.size - 1
        assert read[0, 100, 100] == pytest.approx(pixels[0, :32, :32].sum() / 1023)
        assert read[0, 227, 227] == pytest.approx(pixels[0, -32:, -32:].mean())

    def test_the_mean_of_blocks(self) -> None:
        blocks = np.array([[[1, 2, NAN, NAN], [3, NAN, NAN, NAN]]], np.float32)
        np.testing.assert_array_equal(block_mean(blocks, 2), np.array([[[2, NAN]]], np.float32))

    def test_is_taken_by_itself_only_as_far_as_objects_stay_visible(self, tmp_path: Path) -> None:
        def factor(gsd: float, pixels: int) -> int:
            path = write_raster(tmp_path / "r.tif", numbers(1, 4, 4), transform=Affine(gsd, 0, LEFT, 0, -gsd, TOP))
            return factor_for(RasterSource(path), None, 4_000_000, pixels)

        assert factor(0.5, 4_000_000) == 1
        assert factor(0.5, 16_000_000) == 2
        assert factor(0.5, 10**12) == 4
        assert factor(0.9, 10**12) == 2, "not beyond 2 m"
        assert factor(10.0, 10**12) == 1
        assert factor(0.05, 10**12) == 4, "not more than 4 times"

    def test_is_announced(self, tmp_path: Path, listener: Listener) -> None:
        source = RasterSource(write_raster(tmp_path / "r.tif", numbers()))
        assert [s.factor for s in on_working_grid([source], 3.0, 0, listener.feedback)] == [3]
        assert "pixels of 3 m instead of 1 m" in listener.infos
        assert [s.factor for s in on_working_grid([source], None, 0, listener.feedback)] == [1]

    def test_follows_the_model(self, tmp_path: Path, listener: Listener) -> None:
        source = RasterSource(write_raster(tmp_path / "r.tif", numbers()))
        assert at_resolution_of_model(source, 2.0, 2.0, listener.feedback).factor == 2
        assert at_resolution_of_model(source, 6.5, 2.0, listener.feedback).factor == 2, "metres count more than CRS units"
        assert not listener.warnings
        assert at_resolution_of_model(source, 0.25, 0.25, listener.feedback).factor == 1
        assert "4 times larger than what the model was trained on" in listener.warnings


class TestStatistics:
    def test_bring_each_band_to_zero_mean_and_unit_deviation(self, tmp_path: Path, listener: Listener) -> None:
        pixels = np.stack([generator.normal(1000, 50, (300, 400)), generator.normal(-3, 0.1, (300, 400))]).astype("float32")
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels))
        normal = measure([source], [source.window_of(None)], listener.feedback)
        out = normal.apply(whole(source))
        np.testing.assert_allclose(out.mean(axis=(1, 2)), 0, atol=0.05)
        np.testing.assert_allclose(out.std(axis=(1, 2)), 1, atol=0.05)

    def test_ignore_nodata(self, tmp_path: Path, listener: Listener) -> None:
        pixels = generator.integers(900, 1100, (1, 300, 400)).astype("int16")
        clean = RasterSource(write_raster(tmp_path / "clean.tif", pixels, nodata=-9999))
        holed = pixels.copy()
        holed[:, :, ::2] = -9999
        holed = RasterSource(write_raster(tmp_path / "holed.tif", holed, nodata=-9999))
        wanted, got = (measure([s], [s.window_of(None)], listener.feedback) for s in (clean, holed))
        assert got.mean[0] == pytest.approx(wanted.mean[0], abs=2)
        assert got.std[0] == pytest.approx(wanted.std[0], rel=0.03)

    def test_are_not_moved_by_a_few_extreme_pixels(self, tmp_path: Path, listener: Listener) -> None:
        pixels = generator.normal(100, 10, (1, 300, 400)).astype("float32")
        pixels[0].flat[::997] = 3e38
        pixels[0].flat[1::997] = -3e38
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels))
        normal = measure([source], [source.window_of(None)], listener.feedback)
        assert normal.mean[0] == pytest.approx(100, abs=1)
        assert normal.std[0] == pytest.approx(10, rel=0.1)
        assert np.abs(normal.apply(whole(source))).max() < 10

    def test_bear_the_largest_numbers_there_are(self, tmp_path: Path, listener: Listener) -> None:
        pixels = np.where(generator.random((1, 50, 50)) < 0.5, -3e38, 3e38).astype("float32")
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels))
        normal = measure([source], [source.window_of(None)], listener.feedback)
        assert all(np.isfinite(value).all() for value in normal.to_dict().values())
        assert np.isfinite(normal.apply(whole(source))).all()

    def test_of_a_band_that_never_changes_leave_it_at_zero(self, tmp_path: Path, listener: Listener) -> None:
        pixels = np.stack([np.full((40, 40), 0.1), generator.normal(0, 1, (40, 40))]).astype("float32")
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels))
        normal = measure([source], [source.window_of(None)], listener.feedback)
        assert np.abs(normal.apply(whole(source))[0]).max() < 1e-3
        assert normal.std[0] > 0

    def test_are_those_of_the_whole_raster_however_it_is_cut(
        self, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # As many rows of sample windows as samples: with a fixed step all of them would come from one column.
        monkeypatch.setattr("false_core.raster.statistics.SAMPLE_SIDE", 8)
        pixels = np.full((1, 512, 512), 10, "uint8")
        pixels[:, :, 256:] = 30
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels))
        assert measure([source], [source.window_of(None)], listener.feedback).mean[0] == pytest.approx(20, abs=4)

    def test_find_the_only_valid_corner_of_a_large_raster(self, tmp_path: Path, listener: Listener) -> None:
        pixels = np.zeros((1, 2200, 2200), "uint8")
        pixels[0, 1990:2000, 30:40] = np.arange(100).reshape(10, 10) + 1
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=0, compress="deflate"))
        assert measure([source], [source.window_of(None)], listener.feedback).mean[0] == pytest.approx(50.5, abs=1)

    def test_without_a_valid_pixel_there_are_none(self, tmp_path: Path, listener: Listener) -> None:
        source = RasterSource(write_raster(tmp_path / "empty.tif", np.zeros((2, 30, 30), "uint8"), nodata=0))
        with pytest.raises(InputError, match=r"no valid pixel in empty\.tif"):
            measure([source], [source.window_of(None)], listener.feedback)

    def test_name_the_band_that_holds_nothing(self, tmp_path: Path, listener: Listener) -> None:
        pixels = numbers(3)
        pixels[1] = 0
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=0), (3, 2))
        with pytest.raises(InputError, match=r"Band 2 has no valid pixel in r\.tif"):
            measure([source], [source.window_of(None)], listener.feedback)

    def test_are_those_of_all_rasters_together_within_their_windows(self, tmp_path: Path, listener: Listener) -> None:
        dark, bright = np.full((1, 100, 100), 10, "uint8"), np.full((1, 100, 100), 30, "uint8")
        bright[:, 50:] = 200
        sources = [RasterSource(write_raster(tmp_path / f"{k}.tif", p)) for k, p in enumerate((dark, bright))]
        normal = measure(sources, [Window(0, 0, 100, 50), Window(0, 0, 100, 50)], listener.feedback)
        assert normal.mean == (20.0,)

    def test_travel_as_plain_lists(self) -> None:
        normal = Normalisation((0.0,), (1.0,), (0.5,), (0.25,))
        assert Normalisation.from_dict(normal.to_dict()) == normal
        np.testing.assert_array_equal(
            normal.apply(np.array([[[0.5, 0.75, 9, -9, NAN]]], np.float32)), np.array([[[0, 1, 2, -2, 0]]], np.float32)
        )


class TestBadRasters:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="does not exist"):
            RasterSource(str(tmp_path / "nowhere.tif"))

    @pytest.mark.parametrize("content", [b"", b"not a raster", b"II*\0", b"\x89PNG\r\n\x1a\n"])
    def test_unreadable(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "r.tif"
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be opened"):
            RasterSource(str(path))

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be opened"):
            RasterSource(str(tmp_path))

    def test_something_that_is_no_file_at_all(self) -> None:
        with pytest.raises(InputError, match="cannot be opened"):
            RasterSource('NETCDF:"nowhere.nc":temperature')

    def test_cut_off(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "r.tif", numbers(3, 300, 300), compress="deflate")
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises(InputError, match=r"damaged or cut off|cannot be opened"):
            whole(RasterSource(path))

    @pytest.mark.parametrize("bands", [(4,), (1, 99), (10**30,)])
    def test_without_the_bands_asked_for(self, tmp_path: Path, bands: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match=rf"3 band\(s\); there is no band {bands[-1]}\."):
            RasterSource(write_raster(tmp_path / "r.tif", numbers()), bands)

    def test_of_complex_numbers(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="complex numbers"):
            RasterSource(write_raster(tmp_path / "r.tif", numbers(1).astype("complex64")))

    def test_of_nothing_but_an_alpha_band(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "r.tif", numbers(1))
        with rasterio.open(path, "r+") as file:
            file.colorinterp = [ColorInterp.alpha]
        with pytest.raises(InputError, match="nothing but an alpha band"):
            RasterSource(path)
        np.testing.assert_array_equal(whole(RasterSource(path, (1,))).shape, (1, 20, 30))

    def test_with_all_pixels_in_one_place(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "r.tif", numbers(1), transform=Affine(1, 1, LEFT, 1, 1, TOP))
        with pytest.raises(InputError, match="on one line"):
            RasterSource(path)

    def test_with_different_bands_that_are_to_be_used_together(self, tmp_path: Path) -> None:
        paths = [write_raster(tmp_path / f"{bands}.tif", numbers(bands)) for bands in (3, 4)]
        with pytest.raises(InputError, match=r"3\.tif has 3 band\(s\), 4\.tif has 4"):
            open_all(paths, ())
        assert [s.bands for s in open_all(paths, (1, 3))] == [(1, 3), (1, 3)]


TILES = 200


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Rasters of one value each, from 1 on, but for the third, which is nodata."""
    folder = tmp_path_factory.mktemp("tiles")
    return [
        write_raster(folder / f"{n:03}.tif", np.full((1, 300, 300), 0 if n == 2 else n + 1, "uint8"), nodata=0)
        for n in range(TILES)
    ]


class TestThousandsOfRasters:
    """Played by some hundreds: what must not grow with their number does not grow with those either."""

    @pytest.mark.thorough
    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux does")
    def test_few_of_their_files_are_open_at_a_time(self, tiles: list[str]) -> None:
        def open_files() -> int:
            return len(list(Path("/proc/self/fd").iterdir()))

        before = open_files()
        sources = open_all(tiles, ())
        after_opening = open_files()
        for _ in range(2):
            for number, source in enumerate(sources):
                read = source.read(Window(5, 5, 1, 1))[0, 0, 0]
                assert math.isnan(read) if number == 2 else read == number + 1
        assert after_opening - before <= MOST_OPEN
        assert open_files() - before <= MOST_OPEN + 2

    @pytest.mark.thorough
    def test_are_read_from_several_threads_all_the_same(self, tiles: list[str]) -> None:
        sources = [source for number, source in enumerate(open_all(tiles, ())) if number != 2]
        wrong: list[str] = []

        def read(seed: int) -> None:
            for number in np.random.default_rng(seed).integers(0, len(sources), 300).tolist():
                source = sources[number]
                if source.read(Window(299, 0, 1, 1))[0, 0, 0] != int(source.name[:3]) + 1:
                    wrong.append(source.name)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong

    @pytest.mark.thorough
    def test_are_measured_by_a_sample_of_them(
        self, tiles: list[str], listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sources = open_all(tiles, ())
        seen: list[tuple[str, int]] = []
        real = RasterSource.read

        def watched(self: RasterSource, window: Window) -> np.ndarray:
            seen.append((self.name, window.width * window.height))
            return real(self, window)

        monkeypatch.setattr(RasterSource, "read", watched)
        windows = [source.window_of(None) for source in sources]
        normal = measure(sources, windows, listener.feedback)
        assert sum(pixels for _, pixels in seen) < 0.2 * TILES * 300 * 300
        assert len({name for name, _ in seen}) > TILES / 2
        assert normal.mean[0] == pytest.approx((TILES + 1) / 2, rel=0.05)
        seen.clear()
        assert measure(sources, windows, listener.feedback) == normal, "the same sample every time"

    @pytest.mark.thorough
    def test_are_measured_pixel_by_pixel_alike_whatever_their_sizes(self, tmp_path: Path, listener: Listener) -> None:
        large = write_raster(tmp_path / "large.tif", np.full((1, 3000, 3000), 200, "uint8"))
        small = [write_raster(tmp_path / f"{n}.tif", np.full((1, 30, 30), 10, "uint8")) for n in range(80)]
        sources = open_all([*small, large], ())
        normal = measure(sources, [source.window_of(None) for source in sources], listener.feedback)
        assert normal.mean[0] > 190

    @pytest.mark.thorough
    def test_are_measured_where_hardly_any_is_valid(self, tiles: list[str], tmp_path: Path, listener: Listener) -> None:
        empty = write_raster(tmp_path / "empty.tif", np.zeros((1, 300, 300), "uint8"), nodata=0)
        paths = [str(shutil.copy(empty, tmp_path / f"{n}.tif")) for n in range(100)]
        sources = open_all([*paths, tiles[6]], ())
        normal = measure(sources, [source.window_of(None) for source in sources], listener.feedback)
        assert normal.mean == (7.0,)
        with pytest.raises(InputError, match=r"no valid pixel in 0\.tif, 1\.tif, 2\.tif, 3\.tif, 4\.tif, 95 more"):
            measure(sources[:-1], [source.window_of(None) for source in sources[:-1]], listener.feedback)

    @pytest.mark.thorough
    def test_that_are_coarsened_are_not_all_told_of(self, tiles: list[str], listener: Listener) -> None:
        coarse = on_working_grid(open_all(tiles, ()), 3.0, 0, listener.feedback)
        assert {(source.factor, source.width) for source in coarse} == {(3, 100)}
        assert listener.infos.count("working on pixels of 3 m instead of 1 m") == 6
        assert "195 more rasters: working on pixels of" in listener.infos

    @pytest.mark.thorough
    def test_that_are_gone_are_told_of_by_name(self, tiles: list[str]) -> None:
        with pytest.raises(InputError, match=r"gone\.tif does not exist"):
            open_all([*tiles[:50], str(Path(tiles[0]).parent / "gone.tif"), *tiles[50:]], ())

    @pytest.mark.thorough
    def test_share_one_crs(self, tiles: list[str]) -> None:
        assert len({id(source.crs) for source in open_all(tiles, ())}) == 1


class TestInputsAreOnlyRead:
    def test_nothing_changes_and_nothing_appears_beside_them(self, tmp_path: Path, listener: Listener) -> None:
        pixels = numbers(4, 100, 100)
        pixels[3] = 255
        write_raster(tmp_path / "plain.tif", numbers(2, 100, 100))
        write_raster(tmp_path / "alpha.tif", pixels, photometric="rgb", alpha="yes", nodata=0)
        write_raster(tmp_path / "mask.tif", numbers(1, 100, 100), np.full((100, 100), 255, "uint8"))
        write_raster(tmp_path / "nowhere.tif", numbers(1, 100, 100), crs=None, transform=None)

        def state() -> dict[str, tuple[str, int]]:
            files = sorted(tmp_path.iterdir())
            return {f.name: (hashlib.sha256(f.read_bytes()).hexdigest(), f.stat().st_mtime_ns) for f in files}

        before = state()
        for name in before:
            source = RasterSource(str(tmp_path / name))
            measure([source], [source.window_of(None)], listener.feedback)
            whole(source.at_factor(3))
            del source
        assert state() == before
        assert len(before) == 4


class TestAnOverview:
    def test_shows_the_whole_raster_and_its_holes(self, tmp_path: Path) -> None:
        pixels = np.zeros((1, 40, 100), np.float32)
        pixels[:, :, 50:] = 7
        mask = np.full((40, 100), 255, np.uint8)
        mask[:, :10] = 0
        seen = RasterSource(write_raster(tmp_path / "a.tif", pixels, mask)).overview(50)
        assert seen is not None and seen.shape == (1, 20, 50)
        assert np.isnan(seen[0, :, :4]).all() and (seen[0, :, 6:24] == 0).all() and (seen[0, :, 26:] == 7).all()

    def test_may_be_of_a_part_and_is_in_the_numbers_of_a_reference(self, tmp_path: Path) -> None:
        pixels = np.arange(40 * 100, dtype=np.float32).reshape(1, 40, 100)
        source = RasterSource(write_raster(tmp_path / "a.tif", pixels)).at_factor(2)
        seen = source.overview(100, Window(5, 10, 20, 4))
        np.testing.assert_array_equal(seen, pixels[:, 20:28, 10:50])
        scaled = [replace(description, scale=0.5) for description in source.descriptions]
        np.testing.assert_array_equal(source.in_numbers_of(scaled, "float32", convert=True).overview(100), 2 * pixels)

    def test_is_not_made_where_too_much_had_to_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = RasterSource(write_raster(tmp_path / "a.tif", np.zeros((1, 40, 100), np.float32)))
        monkeypatch.setattr("false_core.raster.stored_bands.MOST_PIXELS_LOOKED_THROUGH", 3999)
        assert source.overview(50) is None
        assert source.overview(100) is not None
