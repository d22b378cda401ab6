"""A layer that is read and written again keeps its fields: their names, the kind of their values, and the values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from small_disks import disk_in_memory
from small_world import CRS, Listener, on_map, pixel_box

from false_core.errors import OutputError
from false_core.labels.label_file import read_layer
from false_core.vector.layer_file import driver_of, write_vector

NUMBER = 3


def written_again(tmp_path: Path, listener: Listener, ending: str, **fields: Any) -> geopandas.GeoDataFrame:
    """Return what comes of polygons with some fields, once they are read, written and read once more."""
    shapes = [on_map(pixel_box(10 * n, 10, 5, 5)) for n in range(NUMBER)]
    table = geopandas.GeoDataFrame({**fields, "place": shapes}, geometry="place", crs=CRS)
    table.to_file(tmp_path / "areas.fgb", driver="FlatGeobuf", engine="pyogrio", SPATIAL_INDEX="NO")
    output = str(tmp_path / f"out.{ending}")
    write_vector(output, read_layer(str(tmp_path / "areas.fgb"), listener.feedback))
    found = read_layer(output, listener.feedback)
    found = found.iloc[np.argsort(found.geometry.centroid.x)]  # One format sorts by place.
    assert (shapely.area(shapely.symmetric_difference(found.geometry.to_numpy(), shapes)) < 0.1).all()
    return found


OTHERS = [pytest.param(ending, marks=pytest.mark.thorough) for ending in ("sqlite", "fgb", "geojson", "tab")]


@pytest.mark.thorough
@pytest.mark.parametrize("ending", ["gpkg", *OTHERS])
@pytest.mark.parametrize("field", ["fid", "FID", "geom", "geometry", "id", "index", "rowid"])
@pytest.mark.parametrize("values", [[7, 7, 8], [5, 6, 9], ["a", "a", "b"]], ids=["twice", "keys", "texts"])
def test_fields_may_have_the_names_of_columns_that_a_format_adds(
    tmp_path: Path, listener: Listener, ending: str, field: str, values: list[Any]
) -> None:
    found = written_again(tmp_path, listener, ending, **{field: values})
    assert found[field].tolist() == values


@pytest.mark.thorough
@pytest.mark.parametrize("ending", ["gpkg", "sqlite", "fgb", "geojson"])
def test_keys_stay_whole_numbers_where_some_are_missing(tmp_path: Path, listener: Listener, ending: str) -> None:
    keys = pd.array([123456789012345678, None, 3], dtype="Int64")
    small = pd.array([None, 2, 3], dtype="Int32")
    found = written_again(tmp_path, listener, ending, key=keys, small=small)
    assert found["key"].tolist() == [123456789012345678, pd.NA, 3]
    assert found["small"].tolist() == [pd.NA, 2, 3]


@pytest.mark.parametrize("ending", ["gpkg", "sqlite", "fgb", "geojson"])
def test_fields_keep_their_kind(tmp_path: Path, listener: Listener, ending: str) -> None:
    times = ["2020-01-02T10:00:00", None, "2021-01-02T10:00:00.5"]
    found = written_again(
        tmp_path,
        listener,
        ending,
        here=pd.to_datetime(times, format="ISO8601"),
        east=pd.to_datetime([f"{time}+05:00" if time else None for time in times], format="ISO8601"),
        mown=pd.array([True, None, False], dtype="boolean"),
    )
    assert found["mown"].tolist() == [True, pd.NA, False]
    for name, zone in (("here", None), ("east", "UTC+05:00")):
        known = pd.to_datetime(times, format="ISO8601").tz_localize(zone)
        assert found[name].tolist() == known.tolist()


@pytest.mark.parametrize("ending", ["gpkg", "shp", "fgb", "geojson", "sqlite", "gml", "tab"])
def test_texts_keep_their_commas_quotes_and_signs(tmp_path: Path, listener: Listener, ending: str) -> None:
    texts = ["Äcker, groß; 'x'", 'Wald "alt" <b> & 5 %', "水体 поле"]
    assert written_again(tmp_path, listener, ending, cover=texts)["cover"].tolist() == texts


def test_lists_are_texts_as_gdal_writes_them(tmp_path: Path, listener: Listener) -> None:
    """Times of several zones are brought to one, as a column has but one."""
    times = [f"2020-01-02T10:00:00{zone}" for zone in ("Z", "+05:00")]
    square = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    features = [{"type": "Feature", "properties": {"of": ["ö", "b"], "time": time}, "geometry": square} for time in times]
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    table = read_layer(str(tmp_path / "a.geojson"), listener.feedback)
    assert table["of"].tolist() == ['["ö", "b"]'] * 2
    assert table["time"].tolist() == [pd.Timestamp(time) for time in times]


@pytest.mark.parametrize(("name", "better"), [("a.SHP", ".shp"), ("a.Tab", ".tab"), ("a.MIF", ".mif")])
def test_endings_in_capitals_are_refused_where_the_driver_writes_others(name: str, better: str) -> None:
    with pytest.raises(OutputError, match=f"whose endings have no capitals. Write {better} instead"):
        driver_of(name)
    assert driver_of("a.GPKG") == "GPKG"


@pytest.mark.thorough
@pytest.mark.parametrize("ending", ["gpkg", "shp", "geojson", "fgb", "sqlite", "kml", "gml"])
def test_a_disk_that_fills_up_is_said_to_be_full_and_the_earlier_file_stays(tmp_path: Path, ending: str) -> None:
    shapes = [on_map(pixel_box(n % 90, n // 90, 5, 5)) for n in range(900)]
    table = geopandas.GeoDataFrame({"name": [f"place {n}" for n in range(900)]}, geometry=shapes, crs=CRS)
    with disk_in_memory(tmp_path / "disk", "64k") as disk:
        path = disk.folder / f"out.{ending}"
        path.write_text("earlier")
        for kilobytes in (8, 24, 48):
            disk.remount(f"size={kilobytes}k")
            with pytest.raises(OutputError, match="disk is full|Is the disk full") as error:
                write_vector(str(path), table)
            assert len(str(error.value)) < 250
            assert [one.name for one in disk.folder.iterdir()] == [path.name] and path.read_text() == "earlier"
        disk.remount("size=4m")
        write_vector(str(path), table)
        assert len(geopandas.read_file(path)) == 900
