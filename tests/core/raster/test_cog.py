"""A map as a cloud-optimised GeoTIFF, or as many of them under a VRT: what others make of the files that we write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.windows import Window as RasterioWindow
from small_world import CRS, GRID, write_raster

from false_core.errors import Cancelled, OutputError
from false_core.feedback import Feedback
from false_core.raster import mosaic as mosaic_module
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.cog import StripFile, write_cog
from false_core.raster.map_file import RasterFile
from false_core.raster.mosaic import Mosaic
from false_core.raster.source import RasterSource, Window

CLASSES = ClassTable((LandCoverClass(1, "Wald & Wiese", "#1b7837"), LandCoverClass(7, "water", "#2b7bba")))
WIDTH, HEIGHT = 2100, 1700
AREA = Window(3, 5, WIDTH, HEIGHT)
PARTS = (Window(0, 0, 1024, 512), Window(1024, 0, 1076, 512), Window(0, 512, 1024, 1188), Window(1024, 512, 1076, 1188))


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    """Classes in blobs, nothing at all in the second part."""
    noise = np.random.default_rng(2).integers(0, 3, (HEIGHT // 20, WIDTH // 20)).repeat(20, 0).repeat(20, 1)
    found = np.array([0, 1, 7], np.uint8)[noise]
    found[:512, 1024:] = 0
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RasterSource:
    path = tmp_path_factory.mktemp("raster") / "r.tif"
    return RasterSource(write_raster(path, np.ones((1, HEIGHT + 10, WIDTH + 10), "uint8")))


@pytest.fixture
def described(source: RasterSource, tmp_path: Path) -> Path:
    with RasterFile(tmp_path / "described", source, Window(AREA.column, AREA.row, 1, 1), 0) as file:
        file.set_classes(CLASSES)
    return tmp_path / "described"


@pytest.fixture
def strips(source: RasterSource, codes: np.ndarray, tmp_path: Path) -> list[StripFile]:
    """Four parts of the map, of which the second is nodata."""
    made = []
    for number, part in enumerate(PARTS):
        path = tmp_path / f"part{number}.tif"
        made.append(StripFile(part, path if number != 1 else None))
        if number != 1:
            with RasterFile(path, source, part, 0) as file:
                file.write(0, 0, codes[part.row : part.row + part.height, part.column : part.column + part.width])
    return made


WHOLE = Window(0, 0, WIDTH, HEIGHT)


@pytest.fixture
def cog(strips: list[StripFile], described: Path, tmp_path: Path) -> Path:
    write_cog(tmp_path / "map.tif", described, strips, WHOLE, Feedback())
    return tmp_path / "map.tif"


class TestACloudOptimisedGeotiff:
    def test_holds_the_pixels_of_its_parts_and_smaller_versions(self, cog: Path, codes: np.ndarray) -> None:
        with rasterio.open(cog) as file:
            np.testing.assert_array_equal(file.read(1), codes)
            assert file.overviews(1) == [2, 4, 8]
            assert (file.crs, file.transform) == (CRS, GRID * Affine.translation(AREA.column, AREA.row))
            assert (file.nodata, file.profile["compress"], file.block_shapes) == (0, "deflate", [(512, 512)])
            assert file.colormap(1)[7] == (0x2B, 0x7B, 0xBA, 255)
            assert json.loads(file.tags()["FALSE_CLASSES"]) == CLASSES.to_list()
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        for level, step in enumerate((2, 4, 8)):
            with rasterio.open(cog, overview_level=level) as file:
                rows, columns = (np.arange(size) * step for size in file.shape)
                assert (file.read(1) == codes[np.ix_(rows, columns)]).mean() > 0.85
                assert file.nodata == 0

    def test_leaves_nothing_beside_it(self, cog: Path) -> None:
        assert not list(cog.parent.glob("map.tif.*"))

    def test_is_a_tiff_to_others(self, cog: Path, codes: np.ndarray) -> None:
        with PIL.Image.open(cog) as picture:
            assert picture.mode == "P"
            np.testing.assert_array_equal(np.asarray(picture), codes)
            assert picture.n_frames == 4

    @pytest.mark.thorough
    def test_is_the_same_each_time(self, cog: Path, strips: list[StripFile], described: Path, tmp_path: Path) -> None:
        write_cog(tmp_path / "again.tif", described, strips, WHOLE, Feedback())
        assert (tmp_path / "again.tif").read_bytes() == cog.read_bytes()

    def test_may_be_a_part_of_the_raster(
        self, strips: list[StripFile], described: Path, codes: np.ndarray, tmp_path: Path
    ) -> None:
        write_cog(tmp_path / "part.tif", described, strips, Window(900, 300, 700, 600), Feedback())
        with rasterio.open(tmp_path / "part.tif") as file:
            np.testing.assert_array_equal(file.read(1), codes[300:900, 900:1600])

    def test_may_be_nothing_but_nodata(self, described: Path, tmp_path: Path) -> None:
        square = Window(0, 0, 512, 512)
        write_cog(tmp_path / "small.tif", described, [StripFile(square, None)], square, Feedback())
        with rasterio.open(tmp_path / "small.tif") as file:
            assert file.overviews(1) == []
            assert not file.read(1).any()

    def test_is_not_made_of_a_part_that_is_damaged(self, strips: list[StripFile], described: Path, tmp_path: Path) -> None:
        path = tmp_path / "part0.tif"
        content = path.read_bytes()
        for damaged in (content[:10], b"", b"no TIFF at all, but long enough to be read as one" * 9):
            path.write_bytes(damaged)
            with pytest.raises(OutputError, match=r"map.tif cannot be written"):
                write_cog(tmp_path / "map.tif", described, strips, WHOLE, Feedback())

    def test_can_be_given_up_while_it_is_made(self, strips: list[StripFile], described: Path, tmp_path: Path) -> None:
        class Cancels(Feedback):
            def stop_if_cancelled(self) -> None:
                raise Cancelled()

        with pytest.raises(Cancelled):
            write_cog(tmp_path / "map.tif", described, strips, WHOLE, Cancels())


class TestAMosaic:
    @pytest.fixture
    def made(self, source: RasterSource, strips: list[StripFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mosaic:
        monkeypatch.setattr(mosaic_module, "MAP_TILE_PX", 1024)
        (tmp_path / "maps").mkdir()
        (tmp_path / "scratch").mkdir()
        mosaic = Mosaic(source, AREA, 0, CLASSES, tmp_path / "maps" / "map.vrt", "key")
        vrt = tmp_path / "scratch" / "map.vrt"
        mosaic.write(vrt, strips, Feedback())
        mosaic.move(vrt)
        shutil.move(vrt, mosaic.target)
        shutil.move(vrt.with_name(mosaic.item.name), mosaic.item)
        return mosaic

    def test_is_the_whole_map_to_whoever_opens_it(self, made: Mosaic, codes: np.ndarray) -> None:
        with rasterio.open(made.target) as file:
            np.testing.assert_array_equal(file.read(1), codes)
            assert (file.crs, file.transform) == (CRS, GRID * Affine.translation(AREA.column, AREA.row))
            assert file.nodata == 0
            assert file.colormap(1)[7] == (0x2B, 0x7B, 0xBA, 255)
            assert file.colormap(1)[0] == (0, 0, 0, 0)
            assert json.loads(file.tags()["FALSE_CLASSES"]) == CLASSES.to_list()
            afar = file.read(1, out_shape=(-(-HEIGHT // 8), -(-WIDTH // 8)))
        assert (afar == codes[::8, ::8]).mean() > 0.7
        assert "<Category>Wald &amp; Wiese</Category>" in made.target.read_text()

    @pytest.mark.thorough
    def test_consists_of_maps_that_stand_for_themselves(self, made: Mosaic, codes: np.ndarray) -> None:
        tiles = sorted(made.folder.glob("tile_*"))
        assert [tile.name for tile in tiles] == [f"tile_{y}_{x}.tif" for y in range(2) for x in range(3)]
        for number, tile in enumerate(tiles):
            row, column = 1024 * (number // 3), 1024 * (number % 3)
            with rasterio.open(tile) as file:
                np.testing.assert_array_equal(file.read(1), codes[row : row + 1024, column : column + 1024])
                assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert file.transform == GRID * Affine.translation(AREA.column + column, AREA.row + row)
                assert file.colormap(1)[1] == (0x1B, 0x78, 0x37, 255)
                smaller = file.read(1, out_shape=(-(-file.height // 2), -(-file.width // 2)))
                assert (smaller == codes[row : row + 1024 : 2, column : column + 1024 : 2]).mean() > 0.9

    @pytest.mark.thorough
    def test_may_be_moved(self, made: Mosaic, codes: np.ndarray, tmp_path: Path) -> None:
        shutil.move(made.target.parent, tmp_path / "elsewhere")
        with rasterio.open(tmp_path / "elsewhere" / "map.vrt") as file:
            np.testing.assert_array_equal(file.read(1, window=RasterioWindow(900, 900, 300, 300)), codes[900:1200, 900:1200])

    @pytest.mark.thorough
    def test_is_described_by_a_stac_item(self, made: Mosaic) -> None:
        item = json.loads(made.item.read_text(encoding="utf-8"))
        assert (item["type"], item["stac_version"], item["id"]) == ("Feature", "1.1.0", "map")
        assert item["geometry"]["type"] == "Polygon"
        assert len(item["geometry"]["coordinates"][0]) == 5
        west, south, east, north = item["bbox"]
        assert 15 <= west < east < 15.1 and 50.5 < south < north < 50.6
        assert item["properties"]["proj:code"] == CRS
        assert item["properties"]["proj:shape"] == [HEIGHT, WIDTH]
        assert item["properties"]["datetime"].endswith("Z")
        for asset in item["assets"].values():
            with rasterio.open(made.item.parent / asset["href"]) as file:
                shape = asset.get("proj:shape", item["properties"]["proj:shape"])
                assert [file.height, file.width] == shape
        listed = item["assets"]["map"]["bands"][0]["classification:classes"]
        assert [(c["value"], c["title"], c["color_hint"]) for c in listed] == [
            (1, "Wald & Wiese", "1B7837"), (7, "water", "2B7BBA"),
        ]  # fmt: skip

    @pytest.mark.thorough
    def test_takes_the_place_of_an_earlier_one(self, made: Mosaic) -> None:
        earlier = made.folder.with_name("map_tiles_01234567")
        earlier.mkdir()
        (earlier / "tile_0_0.tif").touch()
        foreign = made.folder.with_name("map_tiles_of_mine")
        foreign.mkdir()
        (foreign / "tile_0_0.tif").touch()
        made.remove_earlier()
        assert not earlier.exists()
        assert (foreign / "tile_0_0.tif").exists()
        assert (made.folder / "tile_0_0.tif").exists()
