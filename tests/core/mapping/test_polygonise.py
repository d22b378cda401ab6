"""Polygons of a map cover it exactly, share their borders, keep a minimum size, and carry their classes."""

from __future__ import annotations

import json
import sqlite3
import threading
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import features
from scipy import ndimage
from small_world import CRS, GRID, LEFT, TOP, Listener, write_raster

from false_core.dispatch import run
from false_core.errors import Cancelled, InputError, OutputError
from false_core.jobs import Polygonise
from false_core.labels.label_file import read_layer
from false_core.mapping import polygonise

CLASSES = [
    {"code": 1, "name": "Feld", "color": "#f2d16b"},
    {"code": 2, "name": "Wald", "color": "#1b7837"},
    {"code": 7, "name": "Gewässer", "color": "#2b7bba"},
]
random_codes = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def write_map(path: Path, codes: np.ndarray, classes: list[dict[str, Any]] | None = None, **profile: Any) -> str:
    """Write a map as classifying writes it; 0 is nodata."""
    written = write_raster(path, codes[None], **{"nodata": 0, **profile})
    if classes:
        with rasterio.open(path, "r+") as file:
            file.update_tags(FALSE_CLASSES=json.dumps(classes))
    return written


def polygons(land_cover: str, folder: Path, name: str = "polygons.gpkg", **more: Any) -> geopandas.GeoDataFrame:
    """Make polygons and read them again."""
    job = Polygonise(land_cover, str(folder / name), **more)
    results = run(job)
    layer = None if not name.endswith("gpkg") else Path(name).stem
    made = geopandas.read_file(job.output, layer=layer)
    assert results["polygons"] == len(made)
    return made


def patchwork(width: int = 90, height: int = 70, seed: int = 0) -> np.ndarray:
    """Return blobs of the classes 1, 2 and 7 with speckle among them, and nodata (0) here and there."""
    generator = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(generator.normal(size=(4, height, width)), (0, 4, 4)).argmax(axis=0)
    speckle = generator.random((height, width)) < 0.03
    smooth[speckle] = generator.integers(0, 4, speckle.sum())
    return np.array([0, 1, 2, 7], "uint8")[smooth]


def touching_corners() -> np.ndarray:
    """Return patches that meet themselves and others across corners, around holes with islands."""
    return np.array(
        [
            [1, 1, 1, 1, 1, 2, 1],
            [1, 2, 1, 2, 1, 1, 2],
            [1, 1, 2, 1, 1, 2, 1],
            [1, 2, 2, 2, 2, 1, 0],
            [1, 2, 1, 7, 2, 0, 1],
            [1, 2, 7, 1, 2, 1, 0],
            [1, 2, 2, 2, 1, 1, 1],
        ],
        "uint8",
    )


def by_gdal(codes: np.ndarray, transform: Affine = GRID) -> list[tuple[int, shapely.Geometry]]:
    """Return what GDAL's own polygonizing makes of a map."""
    found = features.shapes(codes, mask=codes > 0, connectivity=4, transform=transform)
    return [(int(code), shapely.geometry.shape(shape)) for shape, code in found]


def neighbours_of(geometries: np.ndarray) -> set[tuple[int, int]]:
    """Return the pairs that share a border, not only a corner."""
    one, other = shapely.STRtree(geometries).query(geometries, predicate="intersects")
    shared = shapely.length(shapely.intersection(geometries[one], geometries[other])) > 1e-9
    return {(a, b) for a, b in zip(one[shared].tolist(), other[shared].tolist()) if a < b}


class TestPixelEdges:
    @pytest.mark.parametrize("codes", [patchwork(), touching_corners(), np.full((3, 5), 7, "uint8")])
    def test_cover_the_valid_area_exactly(self, tmp_path: Path, codes: np.ndarray) -> None:
        made = polygons(write_map(tmp_path / "m.tif", codes), tmp_path)
        assert made.geometry.is_valid.all()
        assert shapely.coverage_is_valid(made.geometry.to_numpy()), "no overlaps, and shared borders point by point"
        assert made.area.sum() == (codes > 0).sum()
        assert made.union_all().area == (codes > 0).sum()

    def test_give_each_class_the_area_of_its_pixels(self, tmp_path: Path) -> None:
        codes = patchwork()
        made = polygons(write_map(tmp_path / "m.tif", codes), tmp_path)
        assert made.groupby("code")["area"].sum().to_dict() == {code: (codes == code).sum() for code in (1, 2, 7)}
        np.testing.assert_allclose(made["area"], made.area)

    @pytest.mark.parametrize("codes", [patchwork(), touching_corners()])
    def test_are_the_polygons_that_gdal_finds(self, tmp_path: Path, codes: np.ndarray) -> None:
        made = polygons(write_map(tmp_path / "m.tif", codes), tmp_path)
        theirs = by_gdal(codes)
        mine = Counter((code, shapely.normalize(shapely.simplify(g, 0)).wkt) for code, g in zip(made.code, made.geometry))
        assert len(made) == len(theirs)
        tree = shapely.STRtree([shape for _, shape in theirs])
        for code, polygon in zip(made.code, made.geometry):
            near = tree.query(polygon.representative_point(), predicate="within")
            assert any(theirs[k][0] == code and theirs[k][1].equals(polygon) for k in near)
        assert len(mine) == len(made)

    def test_have_corners_only_where_a_border_turns_or_ends(self, tmp_path: Path) -> None:
        codes = np.repeat([[1, 2]], 20, axis=1).repeat(30, axis=0).astype("uint8")
        made = polygons(write_map(tmp_path / "m.tif", codes), tmp_path)
        assert shapely.get_num_coordinates(made.geometry.to_numpy()).tolist() == [5, 5]


@pytest.mark.thorough
class TestTheBlocks:
    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("minimum", "smoothing"),
        # One alone shows nothing that both together do not.
        [
            (0.0, 0.0),
            (6.0, 1.0),
            pytest.param(0.0, 1.0, marks=pytest.mark.slow),
            pytest.param(6.0, 0.0, marks=pytest.mark.slow),
        ],
    )
    def test_do_not_show(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minimum: float, smoothing: float) -> None:
        land_cover = write_map(tmp_path / "m.tif", patchwork(50, 40))
        whole = polygons(land_cover, tmp_path, smoothing=smoothing, minimum_area=minimum)
        for side in (1, 7, 16, 50):
            monkeypatch.setattr(polygonise, "BLOCK_PX", side)
            monkeypatch.setattr(polygonise, "EDGES_AT_ONCE", 100 * side)
            made = polygons(land_cover, tmp_path, smoothing=smoothing, minimum_area=minimum)
            assert made.drop(columns="geometry").equals(whole.drop(columns="geometry"))
            assert shapely.equals_exact(made.geometry, whole.geometry).all()


class TestTheMinimumArea:
    def test_is_kept_and_leaves_no_holes(self, tmp_path: Path) -> None:
        codes = patchwork()
        land_cover = write_map(tmp_path / "m.tif", codes)
        before = polygons(land_cover, tmp_path)
        made = polygons(land_cover, tmp_path, minimum_area=12.0)
        # Only what nodata surrounds may stay small.
        small = np.flatnonzero(made["area"] < 12)
        with_neighbours = {one for pair in neighbours_of(made.geometry.to_numpy()) for one in pair}
        assert not with_neighbours & set(small.tolist())
        assert (before["area"] < 12).sum() > 50, "there is something to dissolve"
        assert made.area.sum() == (codes > 0).sum()
        assert shapely.coverage_is_valid(made.geometry.to_numpy())

    def test_is_in_map_units(self, tmp_path: Path) -> None:
        codes = np.ones((8, 8), "uint8")
        codes[2:4, 2:4] = 2  # Four pixels of 0.25 square metres.
        land_cover = write_map(tmp_path / "m.tif", codes, transform=GRID * Affine.scale(0.5))
        assert len(polygons(land_cover, tmp_path, minimum_area=1.0)) == 2, "not smaller"
        assert len(polygons(land_cover, tmp_path, minimum_area=1.01)) == 1
        assert len(polygons(land_cover, tmp_path, minimum_area=1.7e308)) == 1

    def test_gives_a_small_patch_to_the_neighbour_with_the_longest_border(self, tmp_path: Path) -> None:
        codes = np.array([[1] * 6, [1, 2, 2, 2, 2, 7], [7] * 6, [7] * 6], "uint8")
        # The patch of class 2 has five edges in common with class 1, and five with class 7: the larger one takes it.
        made = polygons(write_map(tmp_path / "m.tif", codes), tmp_path, minimum_area=5.0)
        assert dict(zip(made.code, made["area"])) == {1: 7, 7: 17}
        codes[1, 5] = 1  # Now six with class 1.
        made = polygons(write_map(tmp_path / "n.tif", codes), tmp_path, minimum_area=5.0)
        assert dict(zip(made.code, made["area"])) == {1: 12, 7: 12}

    def test_makes_one_patch_of_two_that_a_small_one_kept_apart(self, tmp_path: Path) -> None:
        codes = np.ones((5, 20), "uint8")
        codes[:, 10] = 2
        made = polygons(write_map(tmp_path / "m.tif", codes), tmp_path, minimum_area=6.0)
        assert made[["code", "area"]].to_numpy().tolist() == [[1, 100]]

    def test_lets_the_smallest_go_first(self, tmp_path: Path) -> None:
        codes = np.ones((9, 9), "uint8")
        codes[3:6, 3:6] = 2
        codes[4, 4] = 7  # It joins class 2, which is large enough then.
        made = polygons(write_map(tmp_path / "m.tif", codes), tmp_path, minimum_area=9.0)
        assert dict(zip(made.code, made["area"])) == {1: 72, 2: 9}

    def test_leaves_an_island_in_nodata_alone(self, tmp_path: Path) -> None:
        codes = np.zeros((9, 9), "uint8")
        codes[4, 4] = 2
        assert len(polygons(write_map(tmp_path / "m.tif", codes), tmp_path, minimum_area=50.0)) == 1

    def test_says_how_many_went(self, tmp_path: Path, listener: Listener) -> None:
        codes = np.ones((9, 9), "uint8")
        codes[2, 2] = codes[6, 6] = 2
        land_cover = write_map(tmp_path / "m.tif", codes)
        results = run(Polygonise(land_cover, str(tmp_path / "p.gpkg"), minimum_area=2.0), listener)
        assert (results["polygons"], results["dissolved"]) == (1, 2)
        assert "2 regions below 2 square map units were dissolved" in listener.infos


class TestSmoothing:
    @pytest.mark.thorough
    @settings(max_examples=25, deadline=None)
    @given(random_codes, st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.floats(0.01, 1.0))
    def test_keeps_borders_shared_whatever_the_map(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        generator: np.random.Generator,
        width: int,
        height: int,
        enlarged: int,
        smoothing: float,
    ) -> None:
        folder = tmp_path_factory.getbasetemp()
        codes = generator.integers(1, 4, (height, width)).repeat(enlarged, 0).repeat(enlarged, 1).astype("uint8")
        land_cover = write_map(folder / "any.tif", codes)
        rough, smooth = (polygons(land_cover, folder, "any.gpkg", smoothing=s).geometry.to_numpy() for s in (0, smoothing))
        assert shapely.is_valid(smooth).all()
        assert shapely.coverage_is_valid(smooth)
        # The edge of the raster stays, so what has no gaps and no overlaps has just its area.
        assert shapely.area(smooth).sum() == pytest.approx(codes.size)
        assert shapely.union_all(smooth).area == pytest.approx(codes.size)
        assert (shapely.get_num_interior_rings(smooth) == shapely.get_num_interior_rings(rough)).all()
        assert neighbours_of(smooth) == neighbours_of(rough)

    def test_makes_stairs_straight(self, tmp_path: Path) -> None:
        column, row = np.meshgrid(np.arange(120), np.arange(80))
        codes = np.where(row > 10 + 0.4 * column, 2, 1).astype("uint8")
        made = polygons(write_map(tmp_path / "m.tif", codes), tmp_path, smoothing=1.0)
        border = shapely.intersection(*made.geometry)
        assert border.length == pytest.approx(np.hypot(120, 48), rel=0.01), "as long as the line that was drawn"
        rough = polygons(write_map(tmp_path / "m.tif", codes), tmp_path)
        assert shapely.intersection(*rough.geometry).length > 160

    def test_moves_nothing_by_more_than_a_pixel(self, tmp_path: Path) -> None:
        land_cover = write_map(tmp_path / "m.tif", patchwork())
        rough, smooth = (polygons(land_cover, tmp_path, smoothing=s) for s in (0.0, 1.0))
        assert (rough.code == smooth.code).all()
        assert rough.boundary.hausdorff_distance(smooth.boundary).max() < 1.0

    def test_hardly_changes_areas(self, tmp_path: Path) -> None:
        codes = patchwork()
        land_cover = write_map(tmp_path / "m.tif", codes)
        smooth = polygons(land_cover, tmp_path, smoothing=1.0, minimum_area=12.0)
        rough = polygons(land_cover, tmp_path, minimum_area=12.0)
        for code in (1, 2, 7):
            areas = [made.loc[made.code == code, "area"].sum() for made in (rough, smooth)]
            assert areas[1] == pytest.approx(areas[0], rel=0.01)

    def test_a_disc_stays_a_disc(self, tmp_path: Path) -> None:
        column, row = np.meshgrid(np.arange(60), np.arange(60))
        codes = np.where(np.hypot(column - 29.5, row - 29.5) < 20, 2, 1).astype("uint8")
        made = polygons(write_map(tmp_path / "m.tif", codes), tmp_path, smoothing=1.0)
        disc = made.geometry[made.code == 2].iloc[0]
        assert disc.area == pytest.approx((codes == 2).sum(), rel=0.005)
        assert disc.length == pytest.approx(2 * np.pi * 20, rel=0.03), "the stairs are 27 % longer"


class TestTheFile:
    @pytest.mark.parametrize("ending", ["gpkg", "geojson", "shp", "fgb", "sqlite"])
    def test_may_be_in_any_format(self, tmp_path: Path, ending: str) -> None:
        land_cover = write_map(tmp_path / "m.tif", patchwork(40, 30), CLASSES)
        made = polygons(land_cover, tmp_path, f"land cover.{ending}")
        assert list(made.columns) == ["code", "name", "color", "area", "geometry"], "names short enough for a Shapefile"
        assert made.crs.to_epsg() == 32633
        for entry in CLASSES:
            rows = made[made.code == entry["code"]]
            assert set(rows["name"]) == {entry["name"]}
            assert set(rows["color"]) == {entry["color"]}
        assert shapely.coverage_is_valid(made.geometry.to_numpy())
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

    @pytest.mark.parametrize("ending", ["gpkg", "shp", "fgb", "sqlite", "kml", "gml", "tab"])
    def test_keeps_area_place_and_odd_names_in_any_format(self, tmp_path: Path, ending: str) -> None:
        names = {1: "Äcker, groß", 2: 'Wald "alt" <b>', 7: "水体; 1"}
        codes = patchwork(40, 30)
        classes = [{"code": code, "name": name, "color": "#f2d16b"} for code, name in names.items()]
        run(Polygonise(write_map(tmp_path / "m.tif", codes, classes), str(tmp_path / f"p.{ending}")))
        made = read_layer(f"{tmp_path / f'p.{ending}'}", Listener().feedback).to_crs(CRS)
        column = next(column for column in made.columns if column.lower() == "name")
        for code, name in names.items():
            assert made[made[column] == name].area.sum() == pytest.approx((codes == code).sum(), abs=0.1)
        assert set(made[column]) == set(names.values())
        columns, rows = (codes > 0).any(axis=0).nonzero()[0], (codes > 0).any(axis=1).nonzero()[0]
        corners = GRID * (columns[0], rows[-1] + 1), GRID * (columns[-1] + 1, rows[0])
        assert made.total_bounds == pytest.approx([*corners[0], *corners[1]], abs=0.01)

    def test_a_geopackage_holds_its_style(self, tmp_path: Path) -> None:
        polygons(write_map(tmp_path / "m.tif", patchwork(40, 30), CLASSES), tmp_path)
        assert not (tmp_path / "polygons.qml").exists()
        with sqlite3.connect(tmp_path / "polygons.gpkg") as database:
            rows = database.execute(
                "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles"
            ).fetchall()
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        ((table, column, default, qml),) = rows
        assert (table, column, default) == ("polygons", "geom", 1)
        renderer = ET.fromstring(qml).find("renderer-v2")
        assert renderer is not None and renderer.get("attr") == "code"
        assert {c.get("value"): c.get("label") for c in renderer.iter("category")} == {
            str(entry["code"]): entry["name"] for entry in CLASSES
        }

    def test_any_other_file_has_its_style_beside_it_but_never_that_of_the_map(self, tmp_path: Path) -> None:
        (tmp_path / "map.qml").write_text("the style of the map")
        land_cover = write_map(tmp_path / "map.tif", patchwork(40, 30), CLASSES)
        polygons(land_cover, tmp_path, "other.geojson")
        assert "Gewässer" in (tmp_path / "other.qml").read_text("utf-8")
        polygons(land_cover, tmp_path, "map.geojson")
        assert (tmp_path / "map.qml").read_text() == "the style of the map"

    def test_can_be_what_fine_tuning_learns_from(self, tmp_path: Path) -> None:
        from false_core.labels.reading import read_annotation
        from false_core.raster.source import RasterSource

        land_cover = write_map(tmp_path / "m.tif", patchwork(40, 30), CLASSES)
        polygons(land_cover, tmp_path)
        annotation = read_annotation(
            str(tmp_path / "polygons.gpkg"), "name", RasterSource(land_cover), [], Listener().feedback
        )
        assert sorted(c.name for c in annotation.classes) == sorted(entry["name"] for entry in CLASSES)

    def test_names_classes_that_the_map_does_not_by_their_codes(self, tmp_path: Path) -> None:
        path = tmp_path / "m.tif"
        write_map(path, np.array([[3, 9]], "uint8"))
        with rasterio.open(path, "r+") as file:
            file.write_colormap(1, {9: (255, 0, 16, 255)})
        made = polygons(str(path), tmp_path)
        assert made.name.tolist() == ["3", "9"]
        assert made.color[1] == "#ff0010"

    def test_replaces_an_earlier_one_whole(self, tmp_path: Path) -> None:
        land_cover = write_map(tmp_path / "m.tif", patchwork(40, 30))
        (tmp_path / "polygons.gpkg").write_text("old")
        polygons(land_cover, tmp_path)
        polygons(land_cover, tmp_path)
        assert [name for name, _ in pyogrio.list_layers(tmp_path / "polygons.gpkg")] == ["polygons", "layer_styles"]


class TestAnyMap:
    def test_in_another_crs_stays_there(self, tmp_path: Path) -> None:
        codes = patchwork(40, 30)
        land_cover = write_map(tmp_path / "m.tif", codes, crs="EPSG:2154", transform=Affine(20, 0, 7e5, 0, -20, 6.6e6))
        made = polygons(land_cover, tmp_path)
        assert made.crs.to_epsg() == 2154
        assert made["area"].sum() == 400 * (codes > 0).sum()
        assert tuple(made.total_bounds) == (7e5, 6.6e6 - 600, 7e5 + 800, 6.6e6)

    def test_in_degrees_has_its_areas_in_square_metres(self, tmp_path: Path) -> None:
        codes = patchwork(40, 30)
        grid = Affine(0.01, 0, 15, 0, -0.01, 60)
        land_cover = write_map(tmp_path / "m.tif", codes, crs="EPSG:4326", transform=grid)
        made = polygons(land_cover, tmp_path)
        # An independent equal-area projection; its meridians and parallels are straight too.
        theirs = made.to_crs("+proj=cea +ellps=WGS84").area
        np.testing.assert_allclose(made["area"], theirs, rtol=1e-6)
        geodesic = abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(made.union_all())[0])
        assert made["area"].sum() == pytest.approx(geodesic, rel=1e-3)
        one = made["area"].sum() / (codes > 0).sum()
        fewer = polygons(land_cover, tmp_path, minimum_area=12 * one)
        assert len(fewer) < len(made)
        with_neighbours = [one for pair in neighbours_of(fewer.geometry.to_numpy()) for one in pair]
        assert fewer["area"].iloc[with_neighbours].min() > 11 * one

    def test_in_web_mercator_has_its_areas_in_square_metres_of_ground(self, tmp_path: Path, listener: Listener) -> None:
        codes = patchwork(40, 30)
        grid = Affine(10, 0, 1_113_194, 0, -10, 8_399_737)
        land_cover = write_map(tmp_path / "m.tif", codes, crs="EPSG:3857", transform=grid)
        run(Polygonise(land_cover, str(tmp_path / "p.gpkg"), minimum_area=0.001), listener)
        made = geopandas.read_file(tmp_path / "p.gpkg", layer="p")
        np.testing.assert_allclose(made["area"], made.to_crs("+proj=cea +ellps=WGS84").area, rtol=1e-6)
        assert made.area.sum() / made["area"].sum() == pytest.approx(3.986, abs=0.01), "what the map shows it as"
        assert "Areas are in m², measured on the ground." in listener.infos
        assert "regions below 0.001 m² were dissolved" in listener.infos

    def test_in_feet_says_so(self, tmp_path: Path, listener: Listener) -> None:
        land_cover = write_map(
            tmp_path / "m.tif", patchwork(20, 20), crs="EPSG:2263", transform=Affine(1, 0, 9.8e5, 0, -1, 2e5)
        )
        run(Polygonise(land_cover, str(tmp_path / "p.gpkg")), listener)
        assert "Areas are in square map units (US survey foot" in listener.infos

    def test_that_is_rotated_or_lies_nowhere(self, tmp_path: Path) -> None:
        codes = patchwork(40, 30)
        turned = Affine.translation(LEFT, TOP) * Affine.rotation(30) * Affine.scale(1, -1)
        for name, place in (("turned", {"transform": turned}), ("nowhere", {"transform": None, "crs": None})):
            made = polygons(write_map(tmp_path / f"{name}.tif", codes, **place), tmp_path, f"{name}.gpkg", smoothing=0.5)
            assert made.geometry.is_valid.all()
            assert made.area.sum() == pytest.approx((codes > 0).sum(), rel=0.02)
        assert made.crs is None
        assert made.total_bounds[3] <= 0

    @pytest.mark.parametrize(
        ("codes", "nodata"),
        [
            (np.array([[0, 254], [254, 0]], "uint8"), 255),
            (np.array([[-5, 30_000], [30_000, -5]], "int16"), -9999),
            (np.array([[16_777_215, 1], [1, 1]], "int32"), 0),
            (np.array([[3.0, np.nan], [4.0, 4.0]], "float32"), None),
        ],
        ids=["0 is a class", "below 0", "huge codes", "whole numbers in floats"],
    )
    def test_of_any_codes(self, tmp_path: Path, codes: np.ndarray, nodata: float | None) -> None:
        made = polygons(write_map(tmp_path / "m.tif", codes, nodata=nodata), tmp_path)
        assert set(made.code) == {int(code) for code in codes.ravel() if np.isfinite(code)}
        assert made.area.sum() == np.isfinite(codes).sum()


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["-rf", "$(x)", "~", "..a", "{0}", "a b", "Öd"])
@pytest.mark.parametrize("ending", ["gpkg", "shp"])
def test_of_any_name(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"{name}.{ending}"
    run(Polygonise(write_map(tmp_path / "m.tif", np.ones((9, 9), "uint8")), str(path)))
    layer, _ = pyogrio.list_layers(path)[0]
    assert pyogrio.read_dataframe(path, layer=layer).code.tolist() == [1]


class TestBadInput:
    def refused(self, path: str, folder: Path, kind: type[Exception], name: str = "p.gpkg") -> str:
        before = sorted(folder.iterdir())
        with pytest.raises(kind) as caught:
            run(Polygonise(path, str(folder / name)))
        assert sorted(folder.iterdir()) == before
        return str(caught.value)

    def test_nothing_but_nodata(self, tmp_path: Path) -> None:
        path = write_map(tmp_path / "m.tif", np.zeros((9, 9), "uint8"))
        assert "no valid pixel in m.tif" in self.refused(path, tmp_path, InputError)

    def test_an_image(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "m.tif", np.ones((3, 9, 9), "uint8"))
        assert "3 bands; a map of classes has one" in self.refused(path, tmp_path, InputError)

    def test_numbers_that_are_no_codes(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "m.tif", np.full((1, 9, 9), 0.5, "float32"))
        assert "class codes are whole numbers" in self.refused(path, tmp_path, InputError)
        path = write_raster(tmp_path / "n.tif", np.full((1, 9, 9), 2**24, "int32"))
        assert "values beyond 16,777,215" in self.refused(path, tmp_path, InputError)

    @pytest.mark.parametrize("ending", ["csv", "CSV", "xlsx", "ods", "dxf", "dgn", "gpx", "map", "txt", "pdf"])
    def test_a_format_that_cannot_hold_it_is_answered_with_those_that_can(self, tmp_path: Path, ending: str) -> None:
        path = write_map(tmp_path / "m.tif", np.ones((9, 9), "uint8"))
        said = self.refused(path, tmp_path, OutputError, f"p.{ending}")
        assert "disk" not in said
        assert "ends in .gpkg, .shp, .geojson" in said

    @pytest.mark.parametrize("name", ["a;b.gpkg", "a\nb.shp"])
    def test_a_name_that_would_become_another_one(self, tmp_path: Path, name: str) -> None:
        path = write_map(tmp_path / "m.tif", np.ones((9, 9), "uint8"))
        assert "cannot be written under this name" in self.refused(path, tmp_path, OutputError, name)

    def test_a_format_that_nobody_knows(self, tmp_path: Path) -> None:
        path = write_map(tmp_path / "m.tif", np.ones((9, 9), "uint8"))
        assert "ends in .gpkg" in self.refused(path, tmp_path, OutputError, "p.xyz")

    def test_cancelled(self, tmp_path: Path) -> None:
        path, cancel = write_map(tmp_path / "m.tif", patchwork()), threading.Event()
        cancel.set()
        with pytest.raises(Cancelled):
            run(Polygonise(path, str(tmp_path / "p.gpkg")), cancel=cancel)
        assert [file.name for file in tmp_path.iterdir()] == ["m.tif"]
        assert CRS
