"""Labels as people digitise them, and how they end up on the pixels: classes, shapes, burning, and what is held out."""

from __future__ import annotations

import datetime
import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import pyproj.aoi
import pyproj.transformer
import pytest
import rasterio.crs
import shapely
from affine import Affine
from small_world import CRS, LEFT, TOP, Listener, name_values, on_map, pixel_box, write_labels, write_raster

from false_core.errors import InputError
from false_core.labels.annotation import IGNORE, Annotation
from false_core.labels.label_warnings import contradictions, label_warnings
from false_core.labels.reading import read_annotation, read_labels
from false_core.labels.split import BLOCKS_ALONG_SIDE, split
from false_core.raster.classes import (
    ClassTable,
    LandCoverClass,
    LegendEntry,
    classes_from_values,
    default_colour,
    names_from_legend,
    read_legend,
)
from false_core.raster.source import RasterSource

WIDTH, HEIGHT = 100, 80
A, B, C = pixel_box(10, 10, 10, 10), pixel_box(40, 20, 20, 5), pixel_box(70, 60, 5, 5)
REAL_DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "eleven_bands"

SITE = (
    'PROJCS["site",GEOGCS["site",DATUM["Site",SPHEROID["Bessel",6377397.155,299.1528128]{}],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["central_meridian",9.5],'
    'PARAMETER["false_easting",3500000],PARAMETER["scale_factor",1],UNIT["metre",1]]'
)


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> RasterSource:
    path = tmp_path_factory.mktemp("raster") / "raster.tif"
    return RasterSource(write_raster(path, np.ones((1, HEIGHT, WIDTH), "uint8")))


@pytest.fixture
def read(tmp_path: Path, raster: RasterSource, listener: Listener) -> Any:
    """Return a function that writes labels given in pixel coordinates and reads them for the raster."""

    def write_and_read(values: Any, shapes: Any, source: RasterSource = raster, legend: Any = (), **more: Any) -> Annotation:
        path = write_labels(tmp_path / "labels.gpkg", values, [on_map(shape) for shape in shapes], **more)
        return read_annotation(path, "cover", source, legend, listener.feedback)

    return write_and_read


def burnt(annotation: Annotation, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return the class code of each pixel of the raster, -1 without a label."""
    codes = np.array([c.code for c in annotation.classes] + [-1] * (256 - len(annotation.classes)))
    return codes[annotation.burn(Affine.identity(), height, width)]


def counts(pixels: np.ndarray) -> dict[int, int]:
    values, number = np.unique(pixels[pixels >= 0], return_counts=True)
    return dict(zip(values.tolist(), number.tolist()))


def names_by_code(annotation: Annotation) -> dict[int, str]:
    return {c.code: c.name for c in annotation.classes}


class TestShapes:
    def test_polygons_label_the_pixels_whose_centres_they_hold(self, read: Any) -> None:
        pixels = burnt(read(["a", "b"], [pixel_box(9.6, 9.6, 10, 10), B]))
        assert counts(pixels) == {1: 100, 2: 100}
        assert (pixels[10:20, 10:20] == 1).all()
        assert (pixels[20:25, 40:60] == 2).all()

    def test_a_small_polygon_labels_every_pixel_it_touches(self, read: Any) -> None:
        assert counts(burnt(read(["a", "b"], [pixel_box(9.8, 9.8, 0.4, 0.4), B]))) == {1: 4, 2: 100}

    def test_a_polygon_with_a_hole_leaves_it_out(self, read: Any) -> None:
        ring = pixel_box(10, 10, 20, 20) - pixel_box(15, 15, 10, 10)
        assert counts(burnt(read(["a", "b"], [ring, C]))) == {1: 300, 2: 25}

    def test_lines_label_every_pixel_they_cross(self, read: Any) -> None:
        annotation = read(
            ["a", "b"], [shapely.LineString([(10.5, 5.5), (29.5, 5.5)]), shapely.LineString([(3.5, 8.5), (3.5, 17.5)])]
        )
        pixels = burnt(annotation)
        assert (pixels[5, 10:30] == 1).all()
        assert (pixels[8:18, 3] == 2).all()
        assert counts(pixels) == {1: 20, 2: 10}

    def test_points_label_the_pixel_they_lie_in(self, read: Any) -> None:
        pixels = burnt(read(["a", "b", "a"], [shapely.Point(3.2, 4.9), shapely.Point(0.1, 0.1), shapely.Point(99.9, 79.9)]))
        assert counts(pixels) == {1: 2, 2: 1}
        assert (pixels[4, 3], pixels[0, 0], pixels[79, 99]) == (1, 2, 1)

    def test_kinds_can_be_mixed_and_lie_in_multi_parts_and_collections(self, read: Any) -> None:
        parts = shapely.MultiPolygon([A, B])
        mixed = shapely.GeometryCollection(
            [shapely.MultiPoint([(1.5, 1.5), (3.5, 1.5)]), shapely.LineString([(0.5, 70.5), (9.5, 70.5)]), C]
        )
        annotation = read(["a", "b"], [parts, mixed])
        assert counts(burnt(annotation)) == {1: 200, 2: 2 + 10 + 25}
        assert {shape.geom_type for shape in annotation.shapes} == {"Polygon", "LineString", "Point"}

    def test_heights_and_measures_do_not_matter(self, read: Any) -> None:
        assert counts(burnt(read(["a", "b"], [shapely.force_3d(A, 250.0), B]))) == {1: 100, 2: 100}

    def test_a_polygon_that_crosses_itself_keeps_its_area(self, read: Any, listener: Listener) -> None:
        bow_tie = shapely.Polygon([(10, 10), (30, 10), (10, 30), (30, 30)])
        assert not bow_tie.is_valid
        annotation = read(["a", "b"], [bow_tie, C])
        assert counts(burnt(annotation))[1] == pytest.approx(200, abs=12)
        assert "1 invalid label geometries were repaired" in listener.infos

    def test_a_spike_that_repairing_cuts_off_labels_nothing(self, read: Any) -> None:
        spiked = shapely.Polygon([(10, 10), (20, 10), (20, 20), (60, 20), (20, 20), (10, 20)])
        annotation = read(["a", "b"], [spiked, C])
        assert {shape.geom_type for shape in annotation.shapes} == {"Polygon"}
        assert counts(burnt(annotation)) == {1: 100, 2: 25}

    def test_a_small_polygon_drawn_inside_a_large_one_stays_visible(self, read: Any) -> None:
        island = pixel_box(20, 20, 6, 6)
        for order in ([0, 1], [1, 0]):
            names, shapes = ["lake", "island"], [pixel_box(10, 10, 40, 40), island]
            annotation = read([names[k] for k in order], [shapes[k] for k in order])
            by_name = {name: code for code, name in names_by_code(annotation).items()}
            assert counts(burnt(annotation)) == {by_name["lake"]: 1600 - 36, by_name["island"]: 36}

    def test_points_and_lines_lie_on_top_of_polygons(self, read: Any) -> None:
        pixels = burnt(read(["a", "b"], [A, shapely.Point(12.5, 12.5)]))
        assert counts(pixels) == {1: 99, 2: 1}

    def test_empty_and_missing_geometries_are_left_out(
        self, read: Any, tmp_path: Path, raster: RasterSource, listener: Listener
    ) -> None:
        table = geopandas.GeoDataFrame(
            {"cover": ["a", "b", "c", "d"]}, geometry=[on_map(A), on_map(B), None, shapely.Polygon()], crs=CRS
        )
        table.to_file(tmp_path / "l.gpkg")
        annotation = read_annotation(str(tmp_path / "l.gpkg"), "cover", raster, (), listener.feedback)
        assert counts(burnt(annotation)) == {1: 100, 2: 100}


class TestWhereLabelsLie:
    @pytest.mark.thorough
    @pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32632", "EPSG:25833"])
    def test_another_crs_is_brought_to_that_of_the_raster(
        self, tmp_path: Path, raster: RasterSource, listener: Listener, crs: str
    ) -> None:
        table = geopandas.GeoDataFrame({"cover": ["a", "b"]}, geometry=[on_map(A), on_map(B)], crs=CRS).to_crs(crs)
        table.to_file(tmp_path / "l.gpkg")
        annotation = read_annotation(str(tmp_path / "l.gpkg"), "cover", raster, (), listener.feedback)
        pixels = burnt(annotation)
        assert (pixels[11:19, 11:19] == 1).all()
        assert counts(pixels) == {1: pytest.approx(100, abs=8), 2: pytest.approx(100, abs=8)}

    def test_without_a_crs_they_are_taken_as_they_are_and_the_user_is_told(self, read: Any, listener: Listener) -> None:
        assert counts(burnt(read(["a", "b"], [A, B], crs=None))) == {1: 100, 2: 100}
        assert "The labels have no CRS" in listener.warnings

    @pytest.mark.parametrize("number", [0, -1])
    def test_what_a_geopackage_has_for_none_is_none(
        self, tmp_path: Path, raster: RasterSource, listener: Listener, number: int
    ) -> None:
        path = write_labels(tmp_path / "l.gpkg", ["a", "b"], [on_map(A), on_map(B)])
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE gpkg_contents SET srs_id = ?", (number,))
            database.execute("UPDATE gpkg_geometry_columns SET srs_id = ?", (number,))
        assert counts(burnt(read_annotation(path, "cover", raster, (), listener.feedback))) == {1: 100, 2: 100}
        assert "The labels have no CRS" in listener.warnings

    def test_on_a_raster_without_a_crs_too(self, tmp_path: Path, read: Any, listener: Listener) -> None:
        path = write_raster(tmp_path / "r.tif", np.ones((1, HEIGHT, WIDTH), "uint8"), crs=None)
        assert counts(burnt(read(["a", "b"], [A, B], RasterSource(path)))) == {1: 100, 2: 100}
        assert "The raster has no CRS" in listener.warnings

    def test_on_a_raster_that_lies_nowhere_they_lie_below_the_x_axis(self, tmp_path: Path, listener: Listener) -> None:
        source = RasterSource(
            write_raster(tmp_path / "r.tif", np.ones((1, HEIGHT, WIDTH), "uint8"), crs=None, transform=None)
        )
        drawn = [on_map(shape, Affine(1, 0, 0, 0, -1, 0)) for shape in (A, B)]
        path = write_labels(tmp_path / "l.gpkg", ["a", "b"], drawn, crs=None)
        pixels = burnt(read_annotation(path, "cover", source, (), listener.feedback))
        assert (pixels[10:20, 10:20] == 1).all()

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("crs", "longitude", "latitude", "pixel", "said"),
        [("EPSG:26715", -93.0, 45.0, 0.5, "within about 7 m"), ("EPSG:26715", -93.0, 45.0, 30.0, ""),
         ("EPSG:25833", 15.0, 50.0, 5.0, ""), ("EPSG:32633", 15.0, 50.0, 0.01, ""), ("EPSG:3857", 15.0, 50.0, 0.01, "")],
    )  # fmt: skip
    def test_over_another_datum_they_go_by_the_best_operation_and_a_doubt_is_told(
        self, tmp_path: Path, listener: Listener, crs: str, longitude: float, latitude: float, pixel: float, said: str
    ) -> None:
        known = pyproj.transformer.TransformerGroup(
            "EPSG:4326", crs, always_xy=True,
            area_of_interest=pyproj.aoi.AreaOfInterest(longitude, latitude, longitude + 0.01, latitude + 0.01),
        ).transformers  # fmt: skip
        best = min(known, key=lambda operation: operation.accuracy)
        left, top = best.transform(longitude, latitude)
        grid = Affine(pixel, 0, left, 0, -pixel, top)
        source = RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, HEIGHT, WIDTH), "u1"), crs=crs, transform=grid))
        drawn = [
            shapely.transform(
                on_map(shape, grid), lambda xy: np.column_stack(best.transform(xy[:, 0], xy[:, 1], direction="INVERSE"))
            )
            for shape in (A, B)
        ]
        path = write_labels(tmp_path / "l.gpkg", ["a", "b"], drawn, crs="EPSG:4326")
        pixels = burnt(read_annotation(path, "cover", source, (), listener.feedback))
        assert (pixels[10:20, 10:20] == 1).all()
        assert counts(pixels) == {1: pytest.approx(100, abs=20), 2: pytest.approx(100, abs=20)}
        assert (said in listener.warnings) if said else not listener.warnings
        assert ("needs the grid file" in listener.warnings) == bool(said)

    def test_between_datums_that_nobody_has_compared_the_user_is_told(self, tmp_path: Path, listener: Listener) -> None:
        moon_like = "+proj=tmerc +lat_0=0 +lon_0=15 +k=0.9996 +x_0=500000 +ellps=bessel +units=m +no_defs"
        source = RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, HEIGHT, WIDTH), "u1"), crs=moon_like))
        table = geopandas.GeoDataFrame({"cover": ["a", "b"]}, geometry=[on_map(A), on_map(B)], crs=moon_like)
        table.to_crs("EPSG:4326").to_file(tmp_path / "l.gpkg")
        read_annotation(str(tmp_path / "l.gpkg"), "cover", source, (), listener.feedback)
        assert "It is not known how EPSG:4326, the CRS of the labels, lies to" in listener.warnings

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("crs", "plain"),
        [("EPSG:31467+5783", "EPSG:31467"), ("EPSG:31467", "EPSG:31467+5783"),
         (SITE.format(",TOWGS84[598,74,419,0,0,0,0]"), SITE.format(""))],
    )  # fmt: skip
    def test_heights_and_ways_to_wgs_84_in_a_crs_move_nothing(
        self, tmp_path: Path, listener: Listener, crs: str, plain: str
    ) -> None:
        grid = Affine(0.5, 0, 3_535_000, 0, -0.5, 5_651_000)
        source = RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, HEIGHT, WIDTH), "u1"), crs=crs, transform=grid))
        path = write_labels(tmp_path / "l.gpkg", ["a", "b"], [on_map(A, grid), on_map(B, grid)], crs=plain)
        assert counts(burnt(read_annotation(path, "cover", source, (), listener.feedback))) == {1: 100, 2: 100}
        assert not listener.warnings

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "crs", ["EPSG:3067", "EPSG:2154", "EPSG:5514", "EPSG:2193", "ESRI:102033", "EPSG:7855", "EPSG:6677"]
    )
    @pytest.mark.parametrize("ending", ["shp", "gpkg", "geojson"])
    def test_in_the_crs_of_the_raster_they_stay_where_they_are(
        self, tmp_path: Path, listener: Listener, crs: str, ending: str
    ) -> None:
        """Whatever a format writes of a CRS, and whichever register the libraries come with."""
        grid = Affine(0.1, 0, 500_000, 0, -0.1, 6_700_000)
        source = RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, HEIGHT, WIDTH), "u1"), crs=crs, transform=grid))
        table = geopandas.GeoDataFrame({"cover": ["a", "b"]}, geometry=[on_map(A, grid), on_map(B, grid)], crs=crs)
        table.to_file(tmp_path / f"l.{ending}")
        annotation = read_annotation(str(tmp_path / f"l.{ending}"), "cover", source, (), listener.feedback)
        assert counts(burnt(annotation)) == {1: 100, 2: 100}
        assert not listener.warnings

    def test_a_corner_that_is_no_number_costs_its_shape_alone(self, read: Any, listener: Listener) -> None:
        broken = shapely.Polygon([(10, 10), (math.nan, 10), (30, 20), (30, 5)])
        assert counts(burnt(read(["a", "b", "a"], [A, B, broken]))) == {1: 100, 2: 100}
        assert "1 label shapes have corners that are no numbers" in listener.warnings

    @pytest.mark.filterwarnings("error::RuntimeWarning")
    def test_at_the_end_of_the_numbers_they_lie_elsewhere(self, read: Any, listener: Listener) -> None:
        far = [
            shapely.Point(1e308, 0),
            shapely.box(1e308, 1e308, 1.7e308, 1.7e308),
            shapely.box(-1e308, 1e308, 1e308, 1.7e308),
        ]
        assert counts(burnt(read(["a", "b", "a", "b", "a"], [A, B, *far]))) == {1: 100, 2: 100}
        assert "3 of 5 label shapes lie outside the raster" in listener.infos

    def test_in_a_crs_that_has_nothing_to_do_with_the_rasters(self, tmp_path: Path, read: Any) -> None:
        site = rasterio.crs.CRS.from_user_input('LOCAL_CS["site",UNIT["metre",1]]')
        source = RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, HEIGHT, WIDTH), "uint8"), crs=site))
        with pytest.raises(InputError, match="cannot be brought to the CRS of the raster"):
            read(["a", "b"], [A, B], source)

    def test_on_a_rotated_raster(self, tmp_path: Path, listener: Listener) -> None:
        turned = Affine.translation(LEFT, TOP) * Affine.rotation(25) * Affine.scale(0.5, -0.5)
        source = RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, HEIGHT, WIDTH), "uint8"), transform=turned))
        path = write_labels(tmp_path / "l.gpkg", ["a", "b"], [on_map(A, turned), on_map(B, turned)])
        pixels = burnt(read_annotation(path, "cover", source, (), listener.feedback))
        assert (pixels[10:20, 10:20] == 1).all()
        assert counts(pixels) == {1: 100, 2: 100}

    def test_on_a_coarser_working_grid(self, read: Any, raster: RasterSource) -> None:
        annotation = read(["a", "b"], [A, B], raster.at_factor(5))
        assert counts(burnt(annotation, WIDTH // 5, HEIGHT // 5)) == {1: 4, 2: 4}

    def test_partly_outside_they_count_as_far_as_they_lie_over_the_raster(self, read: Any, listener: Listener) -> None:
        annotation = read(["a", "b"], [pixel_box(-1000, -1000, 1010, 1010), shapely.LineString([(50.5, -500), (50.5, 20)])])
        assert counts(burnt(annotation)) == {1: 100, 2: 20}
        assert annotation.pixels.tolist() == [100, 20]
        assert all(shapely.box(0, 0, WIDTH, HEIGHT).covers(shape) for shape in annotation.shapes)
        assert "outside" not in listener.infos

    def test_a_polygon_as_large_as_a_country_is_no_burden(self, read: Any) -> None:
        annotation = read(["a", "b"], [pixel_box(-4e5, -4e5, 8e5, 8e5), A])
        training, held_out = split(annotation, 0.2, WIDTH, HEIGHT, 0)
        assert len(training.shapes) + len(held_out.shapes if held_out else ()) < 2 * BLOCKS_ALONG_SIDE**2

    def test_some_outside_are_left_out_and_counted(self, read: Any, listener: Listener) -> None:
        annotation = read(["a", "b", "b", "c"], [A, B, pixel_box(500, 500, 5, 5), pixel_box(-50, 0, 5, 5)])
        assert counts(burnt(annotation)) == {1: 100, 2: 100}
        assert "2 of 4 label shapes lie outside the raster" in listener.infos
        assert "No label over the raster for c" in listener.warnings
        assert names_by_code(annotation) == {1: "a", 2: "b"}

    def test_what_only_touches_the_border_is_outside(self, read: Any, listener: Listener) -> None:
        annotation = read(["a", "b", "b"], [A, B, pixel_box(-10, 0, 10, 10)])
        assert len(annotation.shapes) == 2
        assert "1 of 3 label shapes lie outside" in listener.infos

    def test_all_outside_both_extents_are_told(self, read: Any) -> None:
        with pytest.raises(InputError) as caught:
            read(["a", "b"], [pixel_box(200, 200, 10, 10), pixel_box(300, 300, 10, 10)])
        assert "(500200, 500310, 5599690, 5599800) [EPSG:32633]" in str(caught.value)
        assert "(500000, 500100, 5599920, 5600000) [EPSG:32633]" in str(caught.value)

    def test_in_metres_but_said_to_be_in_degrees_both_extents_are_told(self, listener: Listener) -> None:
        if not (REAL_DATA / "ml.gpkg").is_file():
            pytest.skip(f"The real imagery is not there: {REAL_DATA.name}/ml.gpkg")
        source = RasterSource(str(REAL_DATA / "test.tif"))
        with pytest.raises(InputError, match=r"No label lies over the raster.*EPSG:4326.*EPSG:32633"):
            read_annotation(str(REAL_DATA / "ml.gpkg"), "Type", source, (), listener.feedback)

    def test_coordinates_that_cannot_be_projected_lie_nowhere(
        self, tmp_path: Path, raster: RasterSource, listener: Listener
    ) -> None:
        beyond = shapely.box(400_000, 5e6, 400_100, 5.1e6)  # Metres, taken for degrees.
        path = write_labels(tmp_path / "l.gpkg", ["a", "b"], [beyond, beyond], crs="EPSG:4326")
        with pytest.raises(InputError, match="No label lies over the raster"):
            read_annotation(path, "cover", raster, (), listener.feedback)


class TestTheClassField:
    def test_text_is_coded_in_sorted_order(self, read: Any) -> None:
        annotation = read(["water", "field", "water"], [A, B, C])
        assert names_by_code(annotation) == {1: "field", 2: "water"}
        assert counts(burnt(annotation)) == {1: 100, 2: 125}

    @pytest.mark.parametrize(
        "values", [[20, 7, 254], [20.0, 7.0, 254.0]], ids=["whole numbers", "whole numbers in a real field"]
    )
    def test_whole_numbers_keep_their_codes(self, read: Any, values: list[float]) -> None:
        annotation = read(values, [A, B, C])
        assert names_by_code(annotation) == {7: "7", 20: "20", 254: "254"}
        assert counts(burnt(annotation)) == {20: 100, 7: 100, 254: 25}
        assert annotation.classes.nodata == 0

    @pytest.mark.parametrize(
        ("values", "names"), [([0.1, 2.5, 16.0], ["0.1", "2.5", "16"]), ([3.0, 4.0, 1e16], ["3", "4", "10000000000000000"])]
    )
    def test_numbers_of_half_the_digits_are_called_as_they_were_entered(
        self, read: Any, values: list[float], names: list[str]
    ) -> None:
        assert [c.name for c in read(np.array(values, np.float32), [A, B, C]).classes] == names

    def test_where_0_is_a_class_255_is_nodata(self, read: Any) -> None:
        annotation = read([0, 1, 0], [A, B, C])
        assert counts(burnt(annotation)) == {0: 125, 1: 100}
        assert annotation.classes.nodata == 255

    @pytest.mark.parametrize("values", [[-1, 5, 10], [5, 10, 255], [1000, 2000, 10**12], [0.5, 1.5, 2.5]])
    def test_numbers_that_are_no_codes_are_coded_in_order(self, read: Any, values: list[float]) -> None:
        annotation = read(values, [A, B, C])
        assert names_by_code(annotation) == {k: str(value) for k, value in enumerate(sorted(values), start=1)}

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("values", "codes"),
        [(["2", "11", "1"], {"1": 1, "2": 2, "11": 11}), (["01", "02", "10"], {"01": 1, "02": 2, "10": 10}),
         (["1.0", "2.0", "3.0"], {"1.0": 1, "2.0": 2, "3.0": 3}), (["01", "1", "2"], {"01": 1, "1": 2, "2": 3}),
         (["311", "112", "512"], {"112": 1, "311": 2, "512": 3}), (["3_1", "31", "4"], {"31": 1, "3_1": 2, "4": 3}),
         (["-1", "1", "2"], {"-1": 1, "1": 2, "2": 3}), (["٣", "1", "2"], {"1": 1, "2": 2, "٣": 3})],
    )  # fmt: skip
    def test_numbers_that_are_kept_as_text_are_codes_where_they_can_be(
        self, read: Any, values: list[str], codes: dict[str, int]
    ) -> None:
        annotation = read(values, [A, B, C])
        assert {name: code for code, name in names_by_code(annotation).items()} == codes

    def test_lists_are_texts(self, tmp_path: Path, raster: RasterSource, listener: Listener) -> None:
        kept = zip((["pine", "oak"], ["pine"], []), (A, B, C))
        features = [
            {"type": "Feature", "properties": {"cover": values}, "geometry": shapely.geometry.mapping(on_map(shape))}
            for values, shape in kept
        ]
        path = tmp_path / "l.geojson"
        with_crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
        path.write_text(json.dumps({"type": "FeatureCollection", "crs": with_crs, "features": features}), encoding="utf-8")
        read = read_annotation(str(path), "cover", raster, (), listener.feedback)
        assert names_by_code(read) == {1: "pine", 2: "pine, oak"}

    @pytest.mark.parametrize(
        ("dtype", "values", "names"),
        [
            ("boolean", [True, False, None], {1: "false", 2: "true"}),
            ("Int64", [2**60 + 1, 2**60 + 2, None], {1: str(2**60 + 1), 2: str(2**60 + 2)}),
            ("Int32", [7, 9, None], {7: "7", 9: "9"}),
        ],
    )
    def test_values_are_the_same_where_some_are_missing(
        self, tmp_path: Path, raster: RasterSource, listener: Listener, dtype: str, values: list[Any], names: dict[int, str]
    ) -> None:
        column = pd.array(values, dtype=dtype)
        table = geopandas.GeoDataFrame({"cover": column}, geometry=[on_map(shape) for shape in (A, B, C)], crs=CRS)
        table.to_file(tmp_path / "labels.gpkg", engine="pyogrio")
        assert names_by_code(read_annotation(str(tmp_path / "labels.gpkg"), "cover", raster, [], listener.feedback)) == names

    def test_yes_and_no_are_two_classes(self, read: Any) -> None:
        assert names_by_code(read([True, False, True], [A, B, C])) == {1: "false", 2: "true"}

    @pytest.mark.parametrize(
        ("values", "names"),
        [([datetime.date(2024, 5, 1), datetime.date(2023, 1, 1), None], ["2023-01-01", "2024-05-01"]),
         ([datetime.datetime(2024, 5, 1, 12, 30), datetime.datetime(2023, 1, 1), None],
          ["2023-01-01T00:00:00", "2024-05-01T12:30:00"])],
    )  # fmt: skip
    def test_dates_are_iso_texts(self, read: Any, values: list[Any], names: list[str]) -> None:
        assert list(names_by_code(read(values, [A, B, C])).values()) == names

    def test_dates_are_texts(self, read: Any) -> None:
        annotation = read(pd.to_datetime(["2024-05-01", "2023-01-01", "2024-05-01"]), [A, B, C])
        assert list(names_by_code(annotation)) == [1, 2]
        assert names_by_code(annotation)[1].startswith("2023-01-01")

    def test_spaces_around_a_text_do_not_make_another_class(self, read: Any) -> None:
        assert names_by_code(read(["wood ", "wood", " lake"], [A, B, C])) == {1: "lake", 2: "wood"}

    def test_unusual_texts_are_kept_readable(self, read: Any) -> None:
        names = names_by_code(read(["Wald/Forêt – 森", "<b>&\"'", "two\nlines\x01"], [A, B, C]))
        assert sorted(names.values()) == ["<b>&\"'", "Wald/Forêt – 森", "two lines "]

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "values", [["a", None, "b"], ["a", "", "b"], ["a", "   ", "b"], [1, None, 2], [1.0, math.nan, 2.0]]
    )
    def test_empty_values_are_left_out(self, read: Any, values: list[Any]) -> None:
        annotation = read(pd.Series(values, dtype=object if isinstance(values[0], str) else "float64"), [A, B, C])
        assert counts(burnt(annotation)) == {1: 100, 2: 25}

    @pytest.mark.parametrize("values", [[None, None], ["", " "]])
    def test_nothing_but_empty_values(self, read: Any, values: list[Any]) -> None:
        with pytest.raises(InputError, match=r"The field 'cover' of .* holds no value"):
            read(pd.Series(values, dtype=object), [A, B])

    def test_a_field_that_is_not_there_is_answered_with_those_that_are(
        self, tmp_path: Path, raster: RasterSource, listener: Listener
    ) -> None:
        path = write_labels(tmp_path / "l.gpkg", ["a", "b"], [on_map(A), on_map(B)], field="Cover")
        with pytest.raises(InputError, match=r"no field 'cover'.*They have Cover"):
            read_annotation(path, "cover", raster, (), listener.feedback)

    @pytest.mark.parametrize("field", ["geometry", "geom", "index", "crs", "fid_1", "active_geometry_name"])
    def test_its_name_may_be_one_that_tables_have_for_something_else(
        self, tmp_path: Path, raster: RasterSource, listener: Listener, field: str
    ) -> None:
        table = geopandas.GeoDataFrame({field: ["a", "b"], "place": [on_map(A), on_map(B)]}, geometry="place", crs=CRS)
        table.to_file(tmp_path / "l.fgb", driver="FlatGeobuf", engine="pyogrio")
        annotation = read_annotation(str(tmp_path / "l.fgb"), field, raster, (), listener.feedback)
        assert names_by_code(annotation) == {1: "a", 2: "b"}
        assert counts(burnt(annotation)) == {1: 100, 2: 100}

    def test_one_class_only(self, read: Any) -> None:
        with pytest.raises(InputError, match="of one class, 'a'"):
            read(["a", "a"], [A, B])

    def test_one_class_only_over_the_raster(self, read: Any) -> None:
        with pytest.raises(InputError, match="of one class, 'a'"):
            read(["a", "b"], [A, pixel_box(500, 500, 9, 9)])

    def test_254_classes_are_the_most(self, read: Any) -> None:
        squares = [pixel_box(4 * (k % 25), 4 * (k // 25), 3, 3) for k in range(255)]
        assert len(read([f"class {k}" for k in range(254)], squares[:254]).classes) == 254
        with pytest.raises(InputError, match="255 different values"):
            read([f"class {k}" for k in range(255)], squares)


class TestLabelFiles:
    def test_of_several_layers_one_has_to_be_named(self, tmp_path: Path, raster: RasterSource, listener: Listener) -> None:
        path = write_labels(tmp_path / "l.gpkg", ["a", "b"], [on_map(A), on_map(B)], layer="fields 2024")
        write_labels(tmp_path / "l.gpkg", ["c", "d"], [on_map(B), on_map(C)], layer="other")
        with pytest.raises(InputError, match=r"holds 2 layers: fields 2024, other.*\|layername=fields 2024"):
            read_annotation(path, "cover", raster, (), listener.feedback)
        with pytest.raises(InputError, match="no layer 'roads'; it has fields 2024, other"):
            read_annotation(f"{path}|layername=roads", "cover", raster, (), listener.feedback)
        for layer, names in (("fields 2024", {1: "a", 2: "b"}), ("other", {1: "c", 2: "d"})):
            for source in (f"{path}|layername={layer}", f"{path}|geometrytype=Polygon|layername={layer}"):
                assert names_by_code(read_annotation(source, "cover", raster, (), listener.feedback)) == names

    @pytest.mark.parametrize("driver", ["ESRI Shapefile", "GeoJSON", "FlatGeobuf", "GPKG"])
    def test_of_any_format(self, tmp_path: Path, raster: RasterSource, listener: Listener, driver: str) -> None:
        ending = {"ESRI Shapefile": "shp", "GeoJSON": "geojson", "FlatGeobuf": "fgb", "GPKG": "gpkg"}[driver]
        crs = "EPSG:4326" if driver == "GeoJSON" else CRS
        table = geopandas.GeoDataFrame({"cover": ["a", "b"]}, geometry=[on_map(A), on_map(B)], crs=CRS).to_crs(crs)
        table.to_file(tmp_path / f"l.{ending}", driver=driver)
        annotation = read_annotation(str(tmp_path / f"l.{ending}"), "cover", raster, (), listener.feedback)
        assert counts(burnt(annotation)) == {1: pytest.approx(100, abs=8), 2: pytest.approx(100, abs=8)}

    def test_missing(self, tmp_path: Path, raster: RasterSource, listener: Listener) -> None:
        with pytest.raises(InputError, match="does not exist"):
            read_annotation(str(tmp_path / "nowhere.gpkg|layername=x"), "cover", raster, (), listener.feedback)

    @pytest.mark.parametrize(
        "content", [b"", b"not a layer", b"SQLite format 3\x00" + b"\x00" * 200, b'{"type": "FeatureColl']
    )
    def test_unreadable_or_cut_off(self, tmp_path: Path, raster: RasterSource, listener: Listener, content: bytes) -> None:
        path = tmp_path / ("l.geojson" if content.startswith(b"{") else "l.gpkg")
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            read_annotation(str(path), "cover", raster, (), listener.feedback)

    @pytest.mark.parametrize(
        ("gone", "said"),
        [(".shx", "its .shx file is missing. A shapefile is several files"), (".dbf", "which may be missing")],
    )
    def test_a_shapefile_that_is_not_whole_says_what_to_copy(
        self, tmp_path: Path, raster: RasterSource, listener: Listener, gone: str, said: str
    ) -> None:
        path = tmp_path / "labels.shp"
        geopandas.GeoDataFrame({"cover": ["a", "b"]}, geometry=[on_map(A), on_map(B)], crs=CRS).to_file(path)
        path.with_suffix(gone).unlink()
        with pytest.raises(InputError, match=said):
            read_annotation(str(path), "cover", raster, [], listener.feedback)

    def test_without_geometries(self, tmp_path: Path, raster: RasterSource, listener: Listener) -> None:
        (tmp_path / "table.csv").write_text("cover,x\na,1\nb,2\n")
        with pytest.raises(InputError, match="without geometries"):
            read_annotation(str(tmp_path / "table.csv"), "cover", raster, (), listener.feedback)

    def test_without_features(self, tmp_path: Path, raster: RasterSource, listener: Listener) -> None:
        empty = geopandas.GeoDataFrame({"cover": pd.Series([], dtype=object)}, geometry=[], crs=CRS)
        pyogrio.write_dataframe(empty, tmp_path / "l.gpkg", geometry_type="Polygon")
        with pytest.raises(InputError, match="holds no geometry"):
            read_annotation(str(tmp_path / "l.gpkg"), "cover", raster, (), listener.feedback)

    def test_a_raster_is_none(self, tmp_path: Path, raster: RasterSource, listener: Listener) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            read_annotation(raster.path, "cover", raster, (), listener.feedback)


class TestNamesInTheFile:
    """A GeoPackage may hold a list of the values of a field with their names, as QGIS shows them."""

    def test_are_those_of_the_classes_unless_a_legend_has_others(
        self, tmp_path: Path, raster: RasterSource, listener: Listener
    ) -> None:
        path = write_labels(tmp_path / "labels.gpkg", [1, 2, 3], [on_map(shape) for shape in (A, B, C)])
        name_values(path, "cover", {"1": "water", "2": "forest", "9": "bog"})
        for named in (path, f"{path}|layername=labels", f"{path}|layerid=0"):
            found = read_annotation(named, "cover", raster, (), listener.feedback)
            assert names_by_code(found) == {1: "water", 2: "forest", 3: "3"}
        legend = [LegendEntry(2, "Wald", "#00aa00")]
        assert names_by_code(read_annotation(path, "cover", raster, legend, listener.feedback))[2] == "Wald"

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("value", "in_file", "in_legend"),
        [(2, "2", "02"), (2, "2", "2.0"),
         ("Gr\u00fcn", "Gr\u00fcn", "Gru\u0308n"), ("Gru\u0308n", "Gru\u0308n", "Gr\u00fcn")],
    )  # fmt: skip
    def test_give_way_to_a_legend_that_spells_the_value_otherwise(
        self, tmp_path: Path, raster: RasterSource, listener: Listener, value: Any, in_file: str, in_legend: str
    ) -> None:
        path = write_labels(tmp_path / "labels.gpkg", [value, value, value * 2], [on_map(shape) for shape in (A, B, C)])
        name_values(path, "cover", {in_file: "meadow"})
        legend = [LegendEntry(in_legend, "Wiese", "#00aa00")]
        found = read_annotation(path, "cover", raster, legend, listener.feedback).classes
        assert ("Wiese", "#00aa00") in [(c.name, c.color) for c in found] and "meadow" not in [c.name for c in found]
        labels = read_labels(path, "cover", raster, listener.feedback)
        assert names_from_legend([value], legend, labels.named) == {value: "Wiese"}

    def test_count_where_a_legend_gives_a_colour_alone(
        self, tmp_path: Path, raster: RasterSource, listener: Listener
    ) -> None:
        path = write_labels(tmp_path / "labels.gpkg", [1, 2, 3], [on_map(shape) for shape in (A, B, C)])
        name_values(path, "cover", {"1": "water", "2": "forest"})
        legend = [LegendEntry(1, " ", "#00aa00"), LegendEntry([2, 3], "", "#00bb00")]
        found = read_annotation(path, "cover", raster, legend, listener.feedback).classes
        assert [(c.name, c.color) for c in found] == [("water", "#00aa00"), ("forest", "#00bb00")]
        labels = read_labels(path, "cover", raster, listener.feedback)
        assert names_from_legend([1, 2, 3], legend, labels.named) == {1: "water", 2: "forest"}

    def test_leave_nothing_beside_a_file_that_qgis_had_open(
        self, tmp_path: Path, raster: RasterSource, listener: Listener
    ) -> None:
        path = write_labels(tmp_path / "labels.gpkg", [1, 2, 3], [on_map(shape) for shape in (A, B, C)])
        name_values(path, "cover", {"1": "water"})
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = WAL")
        assert names_by_code(read_annotation(path, "cover", raster, (), listener.feedback))[1] == "water"
        assert [file.name for file in tmp_path.glob("labels*")] == ["labels.gpkg"]

    def test_are_read_beside_one_in_another_encoding(self, tmp_path: Path, raster: RasterSource, listener: Listener) -> None:
        path = write_labels(tmp_path / "labels.gpkg", [1, 2, 3], [on_map(shape) for shape in (A, B, C)])
        name_values(path, "cover", {"1": "water", "2": "?"})
        with closing(sqlite3.connect(path)) as database, database:
            set_name = "UPDATE gpkg_data_column_constraints SET description = CAST(x'4DFC6C6C' AS TEXT) WHERE value = '2'"
            database.execute(set_name)
        found = names_by_code(read_annotation(path, "cover", raster, (), listener.feedback))
        assert found == {1: "water", 2: "M\ufffdll", 3: "3"}

    def test_take_no_second_look_at_the_file(
        self, tmp_path: Path, raster: RasterSource, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_labels(tmp_path / "labels.gpkg", [1, 2, 3], [on_map(shape) for shape in (A, B, C)])
        name_values(path, "cover", {"1": "water"})
        looks, read = [], pyogrio.list_layers
        monkeypatch.setattr(pyogrio, "list_layers", lambda file: looks.append(file) or read(file))
        read_annotation(path, "cover", raster, (), listener.feedback)
        assert looks == [path]

    def test_of_another_field_or_in_a_broken_table_are_none(
        self, tmp_path: Path, raster: RasterSource, listener: Listener
    ) -> None:
        path = write_labels(tmp_path / "labels.gpkg", [1, 2, 3], [on_map(shape) for shape in (A, B, C)])
        name_values(path, "other", {"1": "water"})
        assert names_by_code(read_annotation(path, "cover", raster, (), listener.feedback))[1] == "1"
        with sqlite3.connect(path) as database:
            database.execute("DROP TABLE gpkg_data_column_constraints")
        assert names_by_code(read_annotation(path, "cover", raster, (), listener.feedback))[1] == "1"


class TestTheLegend:
    def legend(self, folder: Path, body: Any) -> Any:
        (folder / "legend.json").write_text(json.dumps(body), encoding="utf-8")
        return read_legend(str(folder / "legend.json"))

    def test_gives_names_and_colours_by_value(self, tmp_path: Path, read: Any) -> None:
        legend = self.legend(
            tmp_path, [{"value": "w", "name": "Wasser", "color": "#0000FF"}, {"value": "x", "name": "-", "color": "#111111"}]
        )
        classes = read(["f", "w", "f"], [A, B, C], legend=legend).classes
        assert [c.name for c in classes] == ["f", "Wasser"]
        assert classes.classes[1] == LandCoverClass(2, "Wasser", "#0000ff")

    @pytest.mark.parametrize(
        ("in_legend", "in_field"), [("7", 7), (7, 7), ("7.0", 7), (7, 7.0), (7.0, 7), (7, "7"), (True, True)]
    )
    def test_knows_a_value_however_it_is_written(self, tmp_path: Path, in_legend: Any, in_field: Any) -> None:
        entries = self.legend(tmp_path, [{"value": in_legend, "name": "Named", "color": "#0000ff"}])
        value = "true" if in_field is True else in_field
        codes, classes = classes_from_values([value, value], entries)
        assert [c.name for c in classes] == ["Named"]
        assert set(codes) == {value}

    @pytest.mark.parametrize(
        "values",
        [("01", "1", "2"), ("3_1", "31", "4"), ("6210", "91", "91E0"), ("1", "1.0", "2"), ("NaN", "nan"), ("1e3", "1000"),
         ("Inf", "inf", "infinity"), ("1,5", "15"), (1, "01"), (0.5, 5)],
    )  # fmt: skip
    @pytest.mark.parametrize("backwards", [False, True])
    def test_no_value_gets_the_name_of_another(self, tmp_path: Path, values: tuple[Any, ...], backwards: bool) -> None:
        entries = self.legend(
            tmp_path, [{"value": v, "name": f"class {v}", "color": f"#{n:06x}"} for n, v in enumerate(values)]
        )
        codes, classes = classes_from_values(values[:: -1 if backwards else 1], entries)
        assert len(set(codes.values())) == len(values)
        assert {value: (c.name, c.color) for value in values for c in classes if c.code == codes[value]} == {
            value: (f"class {value}", f"#{n:06x}") for n, value in enumerate(values)
        }

    def test_accents_may_be_stored_apart_from_their_letters(self, tmp_path: Path) -> None:
        entries = self.legend(tmp_path, [{"value": "W\u00e4lder", "name": "woods", "color": "#111111"}])
        codes, classes = classes_from_values(["Wa\u0308lder", "See"], entries)
        assert [c.name for c in classes if c.code == codes["Wa\u0308lder"]] == ["woods"]

    def test_several_values_can_be_one_class(self, tmp_path: Path) -> None:
        entries = self.legend(tmp_path, [{"value": ["pine", "oak", "fir"], "name": "Forest", "color": "#00ff00"}])
        codes, classes = classes_from_values(["water", "pine", "oak"], entries)
        assert [(c.code, c.name) for c in classes] == [(1, "Forest"), (2, "water")]
        assert codes == {"pine": 1, "oak": 1, "water": 2}
        entries = self.legend(tmp_path, [{"value": [7, "3"], "name": "Forest", "color": "#00ff00"}])
        assert classes_from_values([3, 7, 20], entries)[0] == {3: 3, 7: 3, 20: 20}

    def test_without_a_colour_the_class_gets_a_usual_one(self, tmp_path: Path) -> None:
        entries = self.legend(tmp_path, [{"value": 3, "name": "Wald", "color": None}])
        assert classes_from_values([3, 4], entries)[1][0] == LandCoverClass(3, "Wald", "#1b7837")

    def test_without_a_name_the_value_is_the_name(self, tmp_path: Path) -> None:
        entries = self.legend(tmp_path, [{"value": 3, "name": "", "color": "#123456"}])
        assert classes_from_values([3, 4], entries)[1][0] == LandCoverClass(3, "3", "#123456")

    @pytest.mark.parametrize(
        "body",
        [{"value": 1}, [1], [{"value": 1, "name": "x"}], [{"value": 1, "name": "x", "color": "red"}], "text", None,
         [{"value": 1, "name": "x", "color": "#12345"}]],
    )  # fmt: skip
    def test_that_is_none_is_refused(self, tmp_path: Path, body: Any) -> None:
        with pytest.raises(InputError, match="is not a legend"):
            self.legend(tmp_path, body)

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[", b"[" * 100_000])
    def test_that_is_no_json_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "legend.json").write_bytes(content)
        with pytest.raises(InputError, match="is not a legend"):
            read_legend(str(tmp_path / "legend.json"))

    def test_that_is_missing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            read_legend(str(tmp_path / "nowhere.json"))

    def test_none_leaves_usual_colours_that_differ(self) -> None:
        _, classes = classes_from_values(["forest", "open water", "woods", "something", "else"], ())
        colour = {c.name: c.color for c in classes}
        assert colour["forest"] == "#1b7837"
        assert colour["open water"] == "#2b7bba"
        assert len(set(colour.values())) == 5
        assert len({default_colour(number) for number in range(254)}) == 254


class TestTheClassTable:
    def test_comes_back_from_plain_dictionaries(self) -> None:
        table = ClassTable((LandCoverClass(0, "a", "#000000"), LandCoverClass(254, "ü", "#ffffff")))
        assert ClassTable.from_list(json.loads(json.dumps(table.to_list()))) == table

    @pytest.mark.parametrize(
        "codes_and_colours",
        [[], [(1, "#000000"), (1, "#000000")], [(-1, "#000000")], [(255, "#000000")], [(1, "red")], [(1, "#00000")]],
    )
    def test_that_makes_no_sense_is_refused(self, codes_and_colours: list[tuple[int, str]]) -> None:
        with pytest.raises(ValueError, match="class"):
            ClassTable.from_list([{"code": code, "name": "x", "color": color} for code, color in codes_and_colours])


class TestBurning:
    def test_a_rotated_patch_sees_what_lies_there_in_the_raster(self, read: Any) -> None:
        annotation = read(["a", "b", "c"], [A.buffer(6), shapely.Polygon([(40, 20), (80, 30), (55, 60)]), C])
        whole = burnt(annotation)
        for angle, scale in ((0, 1.0), (90, 1.0), (33, 0.7), (200, 1.5)):
            placed = (
                Affine.translation(45, 40)
                * Affine.rotation(angle)
                * Affine.scale(scale, -scale)
                * Affine.translation(-32, -32)
            )
            patch = annotation.burn(~placed, 64, 64).astype(int)
            column, row = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
            x, y = placed * (column, row)
            inside = (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
            there = whole[np.clip(y.astype(int), 0, HEIGHT - 1), np.clip(x.astype(int), 0, WIDTH - 1)]
            mine = np.where(patch == IGNORE, -1, patch + 1)
            labelled = inside & ((there >= 0) | (mine >= 0))
            assert labelled.sum() > 300
            # They can differ along edges only, where the nearest pixel centre lies on the other side.
            assert (mine == there)[labelled].mean() > (0.999 if angle % 90 == 0 and scale == 1 else 0.9)

    def test_window_by_window_is_the_same_as_all_at_once(self, read: Any) -> None:
        annotation = read(
            ["a", "b", "b"], [A.buffer(8), pixel_box(20, 5, 60, 60), shapely.LineString([(2.5, 70.2), (97.5, 70.8)])]
        )
        whole = annotation.burn(Affine.identity(), HEIGHT, WIDTH)
        for row in range(0, HEIGHT, 16):
            for column in range(0, WIDTH, 16):
                part = annotation.burn(Affine.translation(-column, -row), 16, 16)
                seen = whole[row : row + 16, column : column + 16]
                np.testing.assert_array_equal(part[: seen.shape[0], : seen.shape[1]], seen)

    def test_where_nothing_is_labelled_there_is_nothing(self, read: Any) -> None:
        assert (read(["a", "b"], [A, B]).burn(Affine.translation(-60, -60), 8, 8) == IGNORE).all()


class TestTheSplit:
    @pytest.fixture
    def scattered(self, read: Any) -> Annotation:
        """Sixty squares of three classes all over the raster, and one polygon over a quarter of it."""
        chance = np.random.default_rng(5)
        corners = chance.uniform(0, 1, (60, 2)) * (WIDTH - 6, HEIGHT - 6)
        names = chance.choice(["a", "b", "c"], 60).tolist()
        return read([*names, "a"], [*(pixel_box(x, y, 4, 4) for x, y in corners), pixel_box(50, 40, 50, 40)])

    @pytest.mark.parametrize("seed", range(5))
    def test_parts_the_labels_and_loses_none(self, scattered: Annotation, seed: int) -> None:
        training, held_out = split(scattered, 0.2, WIDTH, HEIGHT, seed)
        assert held_out is not None
        assert training.classes == held_out.classes == scattered.classes
        kept, held = ({shape.wkb for shape in part.shapes} for part in (training, held_out))
        assert not kept & held
        for target in range(3):
            area = [shapely.area(part.shapes[part.targets == target]).sum() for part in (scattered, training, held_out)]
            assert area[1] + area[2] == pytest.approx(area[0])
            assert 0 < area[2] < area[1]

    @pytest.mark.parametrize("seed", range(5))
    def test_keeps_back_whole_blocks(self, scattered: Annotation, seed: int) -> None:
        training, held_out = split(scattered, 0.2, WIDTH, HEIGHT, seed)
        assert held_out is not None
        side = WIDTH / BLOCKS_ALONG_SIDE

        def blocks(part: Annotation) -> set[tuple[int, int]]:
            # What lies inside another shape goes with that, into whatever block it belongs.
            alone = [s for s in part.shapes if len(scattered.tree.query(s, predicate="intersects")) == 1]
            return {(int(s.centroid.x // side), int(s.centroid.y // side)) for s in alone}

        assert not blocks(training) & blocks(held_out)
        assert len(blocks(held_out)) >= 3

    @pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
    def test_keeps_back_about_the_share_asked_for(self, scattered: Annotation, share: float) -> None:
        scattered = scattered.subset(scattered.pixels < 100)  # No part of a large polygon is held out alone.
        _, held_out = split(scattered, share, WIDTH, HEIGHT, 0)
        assert held_out is not None
        assert held_out.pixels.sum() / scattered.pixels.sum() == pytest.approx(share, rel=0.6)

    def test_never_takes_the_last_shape_of_a_class(self, read: Any) -> None:
        annotation = read(["a", "a", "b"], [A, C, shapely.Point(60.5, 20.5)])
        for seed in range(20):
            training, held_out = split(annotation, 0.5, WIDTH, HEIGHT, seed)
            assert set(training.targets.tolist()) == {0, 1}
            assert held_out is not None
            assert held_out.targets.tolist() == [0]

    @pytest.mark.parametrize("seed", range(5))
    def test_leaves_a_large_polygon_on_one_side_with_what_is_drawn_inside_it(self, read: Any, seed: int) -> None:
        small = [pixel_box(4 + 9 * n, 70, 4, 4) for n in range(8)]
        inside = [pixel_box(10 + 20 * n, 20, 5, 5) for n in range(4)]
        annotation = read([*"ab" * 4, *"bbbb", "a"], [*small, *inside, pixel_box(3, 3, 90, 60)])
        parts = split(annotation, 0.3, WIDTH, HEIGHT, seed)
        whole = {shape.wkb for shape in annotation.shapes}
        sides = [{shape.wkb for shape in part.shapes} for part in parts if part is not None]
        assert len(sides) == 2 and sides[0] | sides[1] == whole and not sides[0] & sides[1]
        nest = {shape.wkb for shape in annotation.shapes if shape.area > 400 or shape.centroid.y < 40}
        assert len(nest) == 5 and (nest <= sides[0] or nest <= sides[1])

    def test_cutting_keeps_the_area(self, read: Any) -> None:
        annotation = read(["a", "b"], [pixel_box(3, 3, 90, 60), A])
        assert len(annotation.cut(10).shapes) > 10
        np.testing.assert_array_equal(burnt(annotation.cut(10)), burnt(annotation))

    def test_with_one_shape_per_class_keeps_nothing_back(self, read: Any) -> None:
        training, held_out = split(read(["a", "b"], [A, C]), 0.2, WIDTH, HEIGHT, 0)
        assert held_out is None
        assert len(training.shapes) == 2

    def test_without_a_share_keeps_nothing_back(self, scattered: Annotation) -> None:
        training, held_out = split(scattered, 0.0, WIDTH, HEIGHT, 0)
        assert training is scattered
        assert held_out is None

    def test_the_same_seed_parts_in_the_same_way(self, scattered: Annotation) -> None:
        one, two, other = (split(scattered, 0.2, WIDTH, HEIGHT, seed)[1] for seed in (3, 3, 4))
        assert one is not None
        assert two is not None
        assert other is not None
        assert [s.wkb for s in one.shapes] == [s.wkb for s in two.shapes]
        assert [s.wkb for s in one.shapes] != [s.wkb for s in other.shapes]


class TestDoubts:
    """What the user is told before the training, when it can still be mended."""

    def said(self, annotation: Annotation, held_out: Annotation | None = None, scored: bool = False) -> str:
        return " ".join(label_warnings(annotation, held_out, scored, WIDTH, HEIGHT))

    def test_there_are_none_about_good_labels(self, read: Any) -> None:
        good = read(["a", "a", "b", "b"], [pixel_box(x, y, 20, 20) for x in (2, 70) for y in (2, 60)])
        assert not self.said(good)

    def test_too_few_pixels_of_a_class(self, read: Any) -> None:
        some = read(["a", "a", "b"], [pixel_box(2, 2, 20, 20), pixel_box(70, 60, 20, 20), pixel_box(50, 50, 5, 5)])
        assert "Very few labelled pixels for b." in self.said(some)

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "shape", [pixel_box(20, 20, 10, 10), shapely.Point(20.4, 30.6), shapely.LineString([(20, 30), (40, 35)])]
    )
    def test_labels_of_two_classes_at_one_place(self, read: Any, shape: shapely.Geometry) -> None:
        good = [pixel_box(x, y, 20, 20) for x in (2, 70) for y in (2, 55)]
        twice = read(["a", "a", "b", "b", "a", "b"], [*good, shape, shape])
        assert "1 labels lie at the very place of another label of a different class, such as b on a" in self.said(twice)
        assert "very place" not in self.said(read(["a", "a", "b", "b", "a", "a"], [*good, shape, shape]))

    def test_a_label_within_another_and_two_halves_of_a_square_are_none(self, read: Any) -> None:
        good = [pixel_box(x, y, 20, 20) for x in (2, 70) for y in (2, 55)]
        corners = [(30, 30), (40, 30), (40, 40), (30, 40)]
        halves = [shapely.Polygon(corners[:3]), shapely.Polygon([corners[0], *corners[2:]])]
        assert not self.said(read(["a", "a", "b", "b", "a", "b", "b"], [*good, *halves, pixel_box(5, 5, 3, 3)]))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (shapely.LineString([(30, 30), (40, 40)]), shapely.LineString([(30, 40), (40, 30)])),
            (shapely.box(30.1, 30.1, 30.4, 30.4), shapely.box(30.45, 30.1, 30.49, 30.4)),
            (shapely.MultiPoint([(31.5, 31.5), (35.5, 35.5)]), shapely.MultiPoint([(31.5, 35.5), (35.5, 31.5)])),
            (shapely.box(30, 30, 50, 50), shapely.box(30, 30, 50, 50).difference(shapely.box(35, 35, 45, 45))),
        ],
    )
    def test_labels_with_the_same_corners_may_be_of_several_places(self, one: Any, other: Any) -> None:
        assert not self.at_one_place([one, other], [0, 1])

    def test_labels_are_of_one_place_however_they_were_drawn(self) -> None:
        square = shapely.box(30, 30, 50, 50)
        again = shapely.Polygon([(50, 50.00001), (30, 50), (30, 30), (50, 30)])
        lines = [shapely.LineString([(0, 0), (5, 9)]), shapely.LineString([(5, 9), (0, 0)])]
        points = [shapely.Point(20.1, 30.9), shapely.MultiPoint([(20.9, 30.1)])]
        for pair in ([square, again], lines, points):
            assert len(self.at_one_place(pair, [0, 1])) == 1
            assert not self.at_one_place(pair, [1, 1])

    def test_of_no_labels_nothing_is_said_of_their_place(self) -> None:
        assert not self.at_one_place([], [])

    def at_one_place(self, shapes: list[Any], targets: list[int]) -> list[tuple[int, int]]:
        return contradictions(np.array(shapes, object), np.array(targets, int))

    @pytest.mark.parametrize("other", ["Forest", "fo\nrest", "for\u00eat", "a  b"])
    def test_classes_that_are_called_alike(self, read: Any, listener: Listener, other: str) -> None:
        name = {"fo\nrest": "fo rest", "for\u00eat": "fore\u0302t", "a  b": "a b"}.get(other, "forest")
        some = read([name, name, other, other], [pixel_box(x, y, 20, 20) for x in (2, 70) for y in (2, 55)])
        assert len(some.classes) == 2
        assert "Some classes are called alike but for capitals, blanks or how accents are stored" in listener.warnings

    def test_two_values_of_one_name(self, read: Any, listener: Listener) -> None:
        legend = [LegendEntry(value, "forest", None) for value in (1, 2)]
        shapes = [pixel_box(x, y, 20, 20) for x in (2, 70) for y in (2, 55)]
        read([1, 1, 2, 2], shapes, legend=legend)
        assert "each is a class of its own: 'forest' / 'forest'." in listener.warnings
        listener.events.clear()
        read([1, 2, 3, 3], shapes, legend=[LegendEntry([1, 2], "forest", None)])
        assert not listener.warnings

    def test_outlines_in_place_of_polygons(self, read: Any, listener: Listener) -> None:
        """As a drawing (DXF) has them: QGIS shows areas, and no pixel in their middle would be labelled."""
        ring = shapely.LineString(pixel_box(20, 20, 20, 20).exterior.coords)
        some = read(["a", "b"], [shapely.MultiLineString([ring, [(0, 0), (5, 5)]]), pixel_box(60, 60, 20, 20)])
        assert burnt(some)[30, 30] == -1
        assert "1 labels are closed lines" in listener.warnings
        listener.events.clear()
        read(["a", "b"], [shapely.LineString([(0, 0), (5, 5)]), pixel_box(60, 60, 20, 20)])
        assert not listener.warnings

    def test_all_in_one_corner(self, read: Any) -> None:
        corner = read(["a", "b"], [pixel_box(2, 2, 12, 12), pixel_box(16, 2, 12, 12)])
        assert "All labels lie in one part of the raster" in self.said(corner)

    def test_classes_without_a_score_where_one_was_asked_for(self, read: Any) -> None:
        every = read(["a", "a", "b"], [pixel_box(2, 2, 20, 20), pixel_box(70, 60, 20, 20), pixel_box(70, 2, 20, 20)])
        held_out = every.subset(np.array([1]))
        assert "No score for b: too few shapes" in self.said(every, held_out, scored=True)
        assert "No score" not in self.said(every, None, scored=False)
