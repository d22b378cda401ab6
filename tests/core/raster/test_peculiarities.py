"""Files that are easily taken for something else are read as they are meant, or a sentence says that they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.rpc import RPC
from small_world import Listener, write_raster

from false_core.raster.aligned import AlignedCodes
from false_core.raster.source import RasterSource, Window
from false_core.raster.working_grid import open_all

generator = np.random.default_rng(3)


def four_bands(folder: Path, fourth: np.ndarray, **profile: str) -> RasterSource:
    """Write red, green, blue and a band that is marked as alpha."""
    colours = generator.integers(1, 255, (3, *fourth.shape)).astype(fourth.dtype)
    pixels = np.concatenate([colours, fourth[None]])
    return RasterSource(write_raster(folder / "photo.tif", pixels, photometric="rgb", alpha="yes", **profile))


def near_infrared(side: int = 200, dtype: str = "uint8") -> np.ndarray:
    """Return meadows, woods and a lake that is nearly black."""
    level = np.choose(np.arange(side) * 3 // side, [160, 90, 1])[None] + np.zeros((side, 1))
    return np.clip(level + generator.normal(0, 3, (side, side)), 0, 255).astype(dtype)


class TestAnAlphaBand:
    @pytest.mark.thorough
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
    @pytest.mark.parametrize("side", [40, 200, 700])
    def test_that_holds_an_image_is_a_band(self, tmp_path: Path, listener: Listener, dtype: str, side: int) -> None:
        image = near_infrared(side, dtype)
        source = four_bands(tmp_path, image)
        assert source.bands == (1, 2, 3, 4)
        read = source.read(Window(0, 0, side, side))
        np.testing.assert_array_equal(read[3], image)
        assert np.isfinite(read).all(), "the lake is no hole"
        open_all([source.path], (), listener.feedback)
        said = "photo.tif: band 4 is marked as transparency, but its values are those of an image. It is taken for a band"
        assert said in listener.warnings

    def test_that_holds_an_image_makes_no_hole_where_it_is_not_used(self, tmp_path: Path) -> None:
        source = RasterSource(four_bands(tmp_path, near_infrared()).path, (1, 2, 3))
        assert np.isfinite(source.read(Window(0, 0, 200, 200))).all()

    @pytest.mark.parametrize("kind", ["opaque", "half", "clear", "frame", "soft edge", "half transparent", "of 16 bit"])
    def test_that_is_a_mask_stays_one(self, tmp_path: Path, kind: str) -> None:
        mask = np.full((200, 200), 255, "uint16" if kind == "of 16 bit" else "uint8")
        if kind == "half":
            mask[:, :100] = 0
        elif kind == "clear":
            mask[:] = 0
        elif kind == "frame":
            mask[20:180, 20:180] = 0
        elif kind == "soft edge":
            mask[:, :64] = np.arange(0, 256, 4)
        elif kind == "half transparent":
            mask[:] = 128
        elif kind == "of 16 bit":
            mask[:50] = 0
            mask[50:] = 65535
        source = four_bands(tmp_path, mask)
        assert source.bands == (1, 2, 3)
        assert not source.peculiarities
        np.testing.assert_array_equal(np.isnan(source.read(Window(0, 0, 200, 200))[0]), mask == 0)


class TestANodataValueBetweenWholeNumbers:
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32"])
    @pytest.mark.parametrize("nodata", [1.2e-38, 7.5])
    def test_hides_no_pixel_and_is_told(self, tmp_path: Path, listener: Listener, dtype: str, nodata: float) -> None:
        pixels = np.arange(64, dtype=dtype).reshape(1, 8, 8)
        path = write_raster(tmp_path / "land.tif", pixels)
        band = f'<PAMRasterBand band="1"><NoDataValue>{nodata}</NoDataValue></PAMRasterBand>'
        Path(f"{path}.aux.xml").write_text(f"<PAMDataset>{band}</PAMDataset>")
        source = open_all([path], (), listener.feedback)[0]
        np.testing.assert_array_equal(source.read(Window(0, 0, 8, 8)), pixels)
        np.testing.assert_array_equal(source.overview(8), pixels)
        assert "land.tif: band 1 holds whole numbers, and its nodata value is" in listener.warnings

    def test_leaves_a_mask_beside_it_as_it_is(self, tmp_path: Path) -> None:
        mask = np.full((8, 8), 255, "uint8")
        mask[0] = 0
        path = write_raster(tmp_path / "land.tif", np.zeros((1, 8, 8), "uint8"), mask)
        band = '<PAMRasterBand band="1"><NoDataValue>0.5</NoDataValue></PAMRasterBand>'
        Path(f"{path}.aux.xml").write_text(f"<PAMDataset>{band}</PAMDataset>")
        np.testing.assert_array_equal(np.isnan(RasterSource(path).read(Window(0, 0, 8, 8))[0]), mask == 0)

    def test_makes_no_hole_where_nothing_is_stored(self, tmp_path: Path) -> None:
        path = tmp_path / "land.tif"
        profile = {"driver": "GTiff", "count": 1, "width": 512, "height": 512, "dtype": "uint8", "tiled": True}
        with rasterio.open(path, "w", sparse_ok=True, **profile):
            pass
        band = '<PAMRasterBand band="1"><NoDataValue>0.5</NoDataValue></PAMRasterBand>'
        Path(f"{path}.aux.xml").write_text(f"<PAMDataset>{band}</PAMDataset>")
        source = RasterSource(str(path))
        assert not source.is_hole(Window(0, 0, 512, 512))
        assert np.isfinite(source.read(Window(0, 0, 512, 512))).all()


class TestWhatIsNotFollowed:
    def test_a_colour_table(self, tmp_path: Path, listener: Listener) -> None:
        path = write_raster(tmp_path / "scan.tif", np.ones((1, 8, 8), "uint8"), photometric=None, alpha=None)
        with rasterio.open(path, "r+") as file:
            file.write_colormap(1, {1: (255, 0, 0, 255)})
        open_all([path], (), listener.feedback)
        assert "scan.tif: band 1 has a colour table" in listener.warnings
        assert "PCT to RGB" in listener.warnings

    def test_rational_polynomial_coefficients(self, tmp_path: Path, listener: Listener) -> None:
        path = write_raster(tmp_path / "scene.tif", np.ones((1, 8, 8), "uint8"), crs=None, transform=None)
        with rasterio.open(path, "r+") as file:
            ones = [1.0] + [0.0] * 19
            file.rpcs = RPC(0, 1, 50, 1, ones, ones, 4, 4, 15, 1, ones, ones, 4, 4, 0, 0)
        open_all([path], (), listener.feedback)
        assert "scene.tif: it is placed by rational polynomial coefficients (RPC) alone" in listener.warnings

    def test_ground_control_points_without_a_crs(self, tmp_path: Path, listener: Listener) -> None:
        write_raster(tmp_path / "plan.tif", np.ones((1, 8, 8), "uint8"), crs=None, transform=None)
        points = "".join(
            f'<GCP Id="{x}{y}" Pixel="{x}" Line="{y}" X="{5 + x}" Y="{5 - y}"/>' for x, y in ((0, 0), (8, 0), (0, 8))
        )
        vrt = tmp_path / "plan.vrt"
        source = '<SimpleSource><SourceFilename relativeToVRT="1">plan.tif</SourceFilename></SimpleSource>'
        band = f'<VRTRasterBand dataType="Byte" band="1">{source}</VRTRasterBand>'
        vrt.write_text(f'<VRTDataset rasterXSize="8" rasterYSize="8"><GCPList>{points}</GCPList>{band}</VRTDataset>')
        open_all([str(vrt)], (), listener.feedback)
        assert "plan.vrt: it has ground control points without a CRS" in listener.warnings

    @pytest.mark.parametrize("crs", ["EPSG:99999", "/etc/hostname", "http://127.0.0.1:9/crs", "ESRI::/etc/hostname"])
    def test_a_crs_that_is_none(self, tmp_path: Path, listener: Listener, crs: str) -> None:
        path = write_raster(tmp_path / "land.tif", np.ones((1, 8, 8), "uint8"), crs=None)
        Path(f"{path}.aux.xml").write_text(f"<PAMDataset><SRS>{crs}</SRS></PAMDataset>")
        source = open_all([path], (), listener.feedback)[0]
        assert source.crs is None
        assert (source.read(Window(0, 0, 8, 8)) == 1).all()
        with AlignedCodes(path, source, listener.feedback) as codes:
            assert codes.read(Window(0, 0, 8, 8))[1].all()
        assert "land.tif: what the file says of itself, or an .aux.xml file beside it, cannot be read" in listener.warnings

    def test_a_raster_that_has_a_place_of_its_own_needs_none_of_them(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "ortho.tif", np.ones((1, 8, 8), "uint8"))
        with rasterio.open(path, "r+") as file:
            ones = [1.0] + [0.0] * 19
            file.rpcs = RPC(0, 1, 50, 1, ones, ones, 4, 4, 15, 1, ones, ones, 4, 4, 0, 0)
        assert not RasterSource(path).peculiarities
