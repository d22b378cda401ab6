"""Places to learn from lie on data, keep a distance and are in balance over the classes of map data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from small_world import CRS, GRID, Listener, on_map, pixel_box, write_labels, write_raster

from false_core.collection import candidate_features
from false_core.collection.places import read_places, with_places_alone
from false_core.computing.threads import prefetch
from false_core.dispatch import run
from false_core.errors import InputError
from false_core.jobs import CollectPlaces, Pretrain
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.sampling.views import PatchDraw, PatchSampler

SIDE = 256


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a raster with a quarter of stripes, one of speckle and two plain ones, without data in its last 64 columns."""
    generator = np.random.default_rng(0)
    row, column = np.mgrid[:SIDE, :SIDE]
    pixels = np.full((3, SIDE, SIDE), 100.0) + generator.normal(0, 1, (3, SIDE, SIDE))
    pixels[:, :128, :128] += 80 * (row[:128, :128] // 4 % 2)
    pixels[:, 128:, :128] += generator.normal(0, 60, (1, 128, 128))
    mask = np.where(column < SIDE - 64, 255, 0).astype(np.uint8)
    return write_raster(tmp_path_factory.mktemp("land") / "land.tif", pixels.clip(1, 255).astype(np.uint8), mask)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return map data: much field, little forest, and one point that is a mill."""
    boxes = [on_map(pixel_box(0, 0, 192, 160)), on_map(pixel_box(0, 160, 64, 96)), on_map(shapely.Point(150.5, 200.5))]
    path = tmp_path_factory.mktemp("guide") / "osm.gpkg"
    return write_labels(path, ["field", "forest", "mill"], boxes, field="kind")


def collect(raster: str | tuple[str, ...], folder: Path, **more: Any) -> geopandas.GeoDataFrame:
    path = str(folder / "places.gpkg")
    rasters = (raster,) if isinstance(raster, str) else raster
    job = CollectPlaces(rasters, path, **{"size": 8.0, "count": 30, "device": "cpu", **more})
    results = run(job)
    table = geopandas.read_file(path, layer="places")
    assert results["places"] == len(table)
    return table


@pytest.mark.thorough
@pytest.mark.parametrize("choice", ["features", "chance"])
def test_bands_that_are_empty_are_left_out(ground: str, tmp_path: Path, choice: str) -> None:
    with rasterio.open(ground) as dataset:
        pixels, mask = dataset.read().astype(np.float32), dataset.dataset_mask()
    pixels[:, mask == 0] = np.nan
    empty = np.full_like(pixels[:1], np.nan)
    raster = write_raster(tmp_path / "many.tif", np.concatenate([pixels[:2], empty, pixels[2:], empty, empty]))
    listener, path = Listener(), str(tmp_path / "p.gpkg")
    job = CollectPlaces((raster,), path, size=8.0, count=5, device="cpu", choice=choice)
    assert run(job, listener)["places"] == 5
    assert ("many.tif: bands 3, 5, 6 are nodata everywhere and left out." in listener.warnings) == (choice == "features")


class TestWithMapData:
    @pytest.mark.thorough
    def test_classes_are_in_balance_and_squares_lie_on_data_apart_from_each_other(
        self, ground: str, guide: str, tmp_path: Path
    ) -> None:
        report = tmp_path / "report.html"
        table = collect(ground, tmp_path, guide=guide, field="kind", count=21, report=str(report))
        assert table["class"].value_counts().to_dict() == {"field": 10, "forest": 10, "mill": 1}
        assert table.crs == CRS and np.allclose(table.area, 64)
        assert table.within(on_map(pixel_box(0, 0, SIDE - 63, SIDE))).all()
        middles = shapely.get_coordinates(table.centroid.to_numpy())
        apart = np.linalg.norm(middles[:, None] - middles, axis=2)[np.triu_indices(len(table), 1)]
        assert apart.min() >= 8 - 1e-6
        drawn = geopandas.read_file(guide).set_index("kind").geometry
        for kind, place in zip(table["class"], table.geometry):
            assert drawn[kind].distance(place.centroid) < 1
        text = report.read_text(encoding="utf-8")
        rows = re.findall(r"</span> (\w+)</td>" + r"<td[^>]*>([\d,]+)</td>" * 4, text)
        assert [(name, *rest) for name, _, *rest in rows] == [
            ("field", "7", "10", "0"),
            ("forest", "7", "10", "0"),
            ("mill", "7", "1", "0"),
        ]
        where, what = text.split("<h2>Where they lie</h2>")[1].split("<h2>What they show</h2>")
        assert where.count("<image") == 1 and what.count("<image") == 21

    def test_shares_are_as_found_where_that_is_asked_for(self, ground: str, guide: str, tmp_path: Path) -> None:
        table = collect(ground, tmp_path, guide=guide, field="kind", balance=1.0, distance=0.0, count=58)
        counts = table["class"].value_counts()
        assert counts["field"] / counts["forest"] == pytest.approx(100 / 96, rel=0.15)  # A hundred of one polygon at most.

    @pytest.mark.thorough
    def test_what_was_collected_before_is_kept_and_counts(self, ground: str, guide: str, tmp_path: Path) -> None:
        before = collect(ground, tmp_path, guide=guide, field="kind", count=11)
        (tmp_path / "places.gpkg").rename(tmp_path / "before.gpkg")
        more = {"guide": guide, "field": "kind", "existing": str(tmp_path / "before.gpkg"), "seed": 5}
        same = collect(ground, tmp_path, count=11, **more)
        assert sorted(same.geometry.to_wkt()) == sorted(before.geometry.to_wkt())
        assert sorted(same["class"]) == sorted(before["class"])
        extended = collect(ground, tmp_path, count=21, **more)
        assert set(before.geometry.to_wkt()) <= set(extended.geometry.to_wkt())
        assert extended["class"].value_counts().to_dict() == {"field": 10, "forest": 10, "mill": 1}

    @pytest.mark.thorough
    @pytest.mark.parametrize(("inside", "said"), [(0, "1 of 1 places of"), (1, "1 of 2 places of")])
    def test_what_was_collected_elsewhere_does_not_count(self, ground: str, tmp_path: Path, inside: int, said: str) -> None:
        here = [on_map(pixel_box(40, 40, 16, 16))] * inside
        before = write_labels(tmp_path / "before.gpkg", ["a"] * (inside + 1), [*here, on_map(pixel_box(9_000, 0, 16, 16))])
        job = CollectPlaces((ground,), str(tmp_path / "more.gpkg"), choice="chance", count=4, existing=before, device="cpu")
        listener = Listener()
        assert run(job, listener)["places"] == 4
        assert f"{said} {before} lie on no raster" in listener.warnings
        assert sum(where.contains(geopandas.read_file(job.output).centroid).any() for where in here) == inside

    def test_map_data_elsewhere_is_said(self, ground: str, tmp_path: Path) -> None:
        path = write_labels(tmp_path / "far.gpkg", ["a"], [shapely.Point(0, 0)])
        with pytest.raises(InputError, match="No shape of .* lies over the rasters"):
            collect(ground, tmp_path, guide=path, field="cover")

    def test_fewer_places_than_wanted_are_said(self, ground: str, guide: str, tmp_path: Path) -> None:
        listener = Listener()
        job = CollectPlaces((ground,), str(tmp_path / "few.gpkg"), guide, "kind", count=900, size=40.0, device="cpu")
        results = run(job, listener)
        assert results["places"] < 40
        assert "of 900 places are collected" in listener.warnings
        assert "closer together" in listener.warnings

    @pytest.mark.thorough
    def test_seed_and_layer_decide_all(self, ground: str, guide: str, tmp_path: Path) -> None:
        one = collect(ground, tmp_path, guide=guide, field="kind")
        assert one.equals(collect(ground, tmp_path, guide=guide, field="kind"))
        assert not one.geometry.equals(collect(ground, tmp_path, guide=guide, field="kind", seed=1).geometry)


class TestWithoutMapData:
    @pytest.mark.thorough
    @pytest.mark.parametrize("choice", ["features", "gradients", "chance"])
    def test_places_come_from_everywhere_that_holds_data(self, ground: str, tmp_path: Path, choice: str) -> None:
        report = tmp_path / "report.html"
        table = collect(ground, tmp_path, count=24, size=16.0, choice=choice, report=str(report))
        assert len(table) == 24 and table["class"].isna().all()
        said = "groups of places that look alike stand for classes" in report.read_text(encoding="utf-8")
        assert said == (choice == "features")
        assert table.within(on_map(pixel_box(0, 0, SIDE - 62, SIDE))).all()

    @pytest.mark.thorough
    def test_as_many_threads_read_as_for_a_map_and_their_number_changes_nothing(
        self, ground: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tables, threads = [], []

        def watched(make: Any, keys: Any, depth: int, readers: int) -> Any:
            threads.append(readers)
            return prefetch(make, keys, depth, readers)

        monkeypatch.setattr(candidate_features, "prefetch", watched)
        for cores in (1, 40):
            monkeypatch.setattr("false_core.inference.tiled.cores", lambda cores=cores: cores)
            tables.append(collect(ground, tmp_path, count=5, size=16.0, choice="gradients"))
        assert tables[0].equals(tables[1])
        assert set(threads) == {1, 10}

    @pytest.mark.thorough
    def test_by_features_the_plain_half_gets_no_more_than_its_kinds(self, ground: str, tmp_path: Path) -> None:
        def of_texture(choice: str) -> float:
            x = shapely.get_x(collect(ground, tmp_path, count=24, size=16.0, choice=choice).centroid.to_numpy())
            return float((x < GRID.c + 128).mean())

        assert of_texture("features") > of_texture("chance")

    @pytest.mark.thorough
    def test_an_encoder_of_one_s_own_may_look(self, land: str, encoder: str, tmp_path: Path) -> None:
        assert len(collect(land, tmp_path, choice="features", encoder=encoder, count=5)) == 5

    def test_no_place_fits(self, ground: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="No raster holds a place of 300 m"):
            collect(ground, tmp_path, size=300.0)

    def test_nothing_holds_data(self, ground: str, tmp_path: Path) -> None:
        right = f"{GRID.c + SIDE - 60},{GRID.c + SIDE},{GRID.f - SIDE},{GRID.f}"
        with pytest.raises(InputError, match="None of the places holds data"):
            collect(ground, tmp_path, extent=right, choice="chance")


class TestSeveralRasters:
    @pytest.mark.thorough
    def test_each_square_names_its_raster_and_lies_on_it_whatever_the_crs(self, ground: str, tmp_path: Path) -> None:
        with rasterio.open(ground) as source:
            pixels = source.read()
        grid = rasterio.Affine(1.0, 0.0, 100_000.0, 0.0, -1.0, 5_650_000.0)
        other = write_raster(tmp_path / "other.tif", pixels, crs="EPSG:32634", transform=grid)
        table = collect((ground, other), tmp_path, choice="chance")
        assert set(table["raster"]) == {ground, other}
        for path, places in table.groupby("raster"):
            source = RasterSource(str(path))
            xmin, xmax, ymin, ymax = source.bounds
            assert source.crs is not None
            assert places.to_crs(source.crs.to_wkt()).within(shapely.box(xmin, ymin, xmax, ymax).buffer(0.01)).all()


class TestPretraining:
    def test_takes_patches_around_places_alone(self, ground: str, tmp_path: Path) -> None:
        places = [on_map(pixel_box(40, 40, 16, 16)), on_map(pixel_box(100, 190, 16, 16)), on_map(pixel_box(900, 0, 5, 5))]
        path, listener = write_labels(tmp_path / "places.gpkg", ["a", "b", "c"], places), Listener()
        source = RasterSource(ground)
        whole = [source.window_of(None)]
        sources, areas, windows = with_places_alone([source], whole, path, listener.feedback)
        assert windows == [(0, Window(40, 40, 16, 16)), (0, Window(100, 190, 16, 16))]
        assert areas == [Window(40, 40, 76, 166)]
        assert "1 of 3 places lie on no raster" in listener.infos
        plain = Normalisation((0.0,) * 3, (255.0,) * 3, (0.0,) * 3, (1.0,) * 3)
        sampler = PatchSampler(MeasuredRasters(sources, areas, plain, windows), PatchDraw(32, 16, (1, 1), 1, 0), 10**8)
        centres = np.concatenate([sampler.batch(number).centres for number in range(8)])
        boxes = shapely.union_all([shapely.box(w.column, w.row, w.column + 16, w.row + 16).buffer(1.5) for _, w in windows])
        assert shapely.contains_xy(boxes, centres[:, 0], centres[:, 1]).all()
        assert {bool(x > 80) for x in centres[:, 0]} == {True, False}

    def test_needs_places_with_a_shape(self, ground: str, tmp_path: Path) -> None:
        path, source = write_labels(tmp_path / "places.gpkg", ["a"], [shapely.Polygon()]), RasterSource(ground)
        with pytest.raises(InputError, match="holds no geometry. Choose a layer of places"):
            read_places(path, [source], [source.window_of(None)], Listener().feedback)

    @pytest.mark.thorough
    def test_runs_on_what_was_collected(self, ground: str, tmp_path: Path) -> None:
        collect(ground, tmp_path, choice="chance", count=6)
        encoder = str(tmp_path / "encoder.safetensors")
        settings = {"steps": 2, "batch_size": 4, "device": "cpu", "weights": "none", "preset": "quick"}
        assert run(Pretrain((ground,), encoder, places=str(tmp_path / "places.gpkg"), **settings))["steps"] == 2

    def test_says_where_no_place_lies_on_the_rasters(self, ground: str, tmp_path: Path) -> None:
        far = write_labels(tmp_path / "far.gpkg", ["a"], [shapely.box(0, 0, 9, 9)])
        with pytest.raises(InputError, match="No place of .* lies on the rasters"):
            run(Pretrain((ground,), str(tmp_path / "e.safetensors"), places=far, device="cpu"))
