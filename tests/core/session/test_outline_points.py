"""Objects are outlined from a layer of points as they are by clicks in a labelling session."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from session_here import SessionHere
from small_world import CRS, GRID, HEIGHT, WIDTH, on_map, write_raster

from false_core.dispatch import run
from false_core.errors import InputError, ModelFileError, RequestError
from false_core.jobs import OutlinePoints
from false_core.session_protocol import Outline, Outlined

POND = shapely.Point(110, 60).buffer(30)


@pytest.fixture(scope="module")
def pond(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A raster of a dark pond in bright land, which has no data in one corner."""
    land = np.full((3, HEIGHT, WIDTH), 200, np.uint8)
    land += np.random.default_rng(1).integers(0, 6, land.shape).astype(np.uint8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inside = (columns - 110) ** 2 + (rows - 60) ** 2 < 30**2
    land[:, inside] = land[:, inside] - 150
    land[:, :8, :8] = 0
    return write_raster(tmp_path_factory.mktemp("pond") / "pond.tif", land, nodata=0)


def write_points(path: Path, *places: tuple[float, float]) -> str:
    shapes = [on_map(shapely.Point(place)) for place in places]
    kinds = [f"kind {number}" for number in range(len(places))]
    geopandas.GeoDataFrame({"kind": kinds}, geometry=shapes, crs=CRS).to_crs(4326).to_file(path)
    return str(path)


@pytest.mark.thorough
def test_they_are_those_of_clicks_with_the_fields_of_the_points(pond: str, tmp_path: Path) -> None:
    places = ((110.5, 60.5), (3.5, 3.5), (30.5, 90.5), (WIDTH + 50, 20))
    path, reach = tmp_path / "outlines.gpkg", 0.5
    points = write_points(tmp_path / "points.gpkg", *places)
    assert run(OutlinePoints(pond, points, str(path), reach, weights="none", device="cpu"))["outlines"] == 2
    made = geopandas.read_file(path)
    assert list(made["kind"]) == ["kind 0", "kind 2"] and str(made.crs).lower() == CRS.lower()
    truth = on_map(POND)
    assert made.geometry[0].intersection(truth).area / made.geometry[0].union(truth).area > 0.85
    with SessionHere() as session:
        session.open(pond, (), weights="none")
        for place, outline in zip((places[0], places[2]), made.geometry):
            x, y = GRID * place
            wkb = session.answer(Outlined, number=session.ask(Outline, x=x, y=y, reach=reach)).wkb
            assert shapely.from_wkb(bytes.fromhex(wkb)).equals(outline)


@pytest.mark.thorough
def test_where_nothing_can_be_outlined_it_is_said(pond: str, tmp_path: Path) -> None:
    points = write_points(tmp_path / "points.gpkg", (3.5, 3.5))
    with pytest.raises(InputError, match="lies beyond the raster or where that has no data"):
        run(OutlinePoints(pond, points, str(tmp_path / "outlines.gpkg"), weights="none", device="cpu"))


def test_a_layer_without_points_is_refused(pond: str, labels: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no point"):
        run(OutlinePoints(pond, labels, str(tmp_path / "outlines.gpkg"), weights="none", device="cpu"))


@pytest.mark.thorough
def test_an_encoder_and_a_model_are_one_too_many(pond: str, encoder: str, model: str, tmp_path: Path) -> None:
    points, path = write_points(tmp_path / "points.gpkg", (9, 9)), str(tmp_path / "outlines.gpkg")
    with pytest.raises(RequestError, match="only one can look at the raster"):
        run(OutlinePoints(pond, points, path, encoder=encoder, model=model, device="cpu"))
    with pytest.raises(ModelFileError, match="with the head network"):
        run(OutlinePoints(pond, points, path, model=model, device="cpu"))
