"""What may open a file is on a list: no driver that writes, asks a server or shows other files, in any process of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_world import CRS, GRID, Listener, on_map, write_labels, write_raster

from false_core.errors import InputError
from false_core.untrusted.drivers import _OTHERS, DRIVERS, allow_by_list, is_allowed_driver

SHOW = """
import json, rasterio, pyogrio
with rasterio.Env() as environment:
    rasters = list(environment.drivers())
print(json.dumps([rasters, list(pyogrio.list_drivers())]))
"""
THAT_WRITE_OR_ASK = {
    *("MRF", "WMS", "WCS", "WMTS", "GTI", "STACIT", "STACTA", "PDS", "PDS4", "ISIS2", "ISIS3", "PLMOSAIC", "EEDA", "EEDAI"),
    *("HTTP", "GDALG", "OAPIF", "OGCAPI", "WFS", "CSW", "NGW", "Carto", "Elasticsearch", "AmigoCloud", "DERIVED", "VICAR"),
}


def loaded(first: str, **variables: str) -> tuple[set[str], set[str]]:
    """Return the drivers of the two GDALs of a new process that runs ``first``."""
    clean = {name: value for name, value in os.environ.items() if name not in ("GDAL_SKIP", "FALSE_DRIVERS")}
    answer = subprocess.run(
        [sys.executable, "-c", first + SHOW], capture_output=True, text=True, check=True, env={**clean, **variables}
    )
    assert answer.stderr == ""
    rasters, vectors = json.loads(answer.stdout)
    return set(rasters), set(vectors)


@pytest.mark.thorough
class TestEveryProcess:
    @pytest.mark.parametrize(
        "first",
        [
            "import false_core; false_core.classify",
            "import false_core.worker",
            "import false_core.cli",
            "import false_core.raster.source, false_core.vector.layer_file",
            "import false_core.labels.reading",
        ],
    )
    def test_has_the_drivers_of_the_list_and_no_others(self, first: str) -> None:
        if "vector" not in first and "labels" not in first:
            first += "\nimport false_core.labels.label_file"
        rasters, vectors = loaded(first)
        assert {name for name in rasters | vectors if not is_allowed_driver(name)} == set()
        assert {"GTiff", "VRT", "COG", "netCDF", "JP2OpenJPEG", "Zarr", "ENVI", "HFA", "PCIDSK", "ERS"} <= rasters
        assert {"GPKG", "ESRI Shapefile", "GeoJSON", "OpenFileGDB", "FlatGeobuf", "GML", "KML", "CSV", "DXF"} <= vectors

    def test_has_those_too_that_the_user_names(self) -> None:
        rasters, vectors = loaded("import false_core.labels.label_file", FALSE_DRIVERS="nitf, S57;WMS", GDAL_SKIP="NITF BMP")
        assert {"NITF", "WMS"} <= rasters
        assert "S57" in vectors
        assert "MRF" not in rasters
        assert "BMP" not in rasters, "what the user leaves out stays out"


@pytest.mark.thorough
def test_there_is_a_decision_about_every_driver_of_the_gdals_that_are_there() -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ("GDAL_SKIP", "OGR_SKIP")}
    answer = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True, env=clean)
    there = {name for names in json.loads(answer.stdout) for name in names}
    assert there - {*DRIVERS, *_OTHERS} == set()
    assert there - set(DRIVERS) >= {"MRF", "WMS"}, "without the list they are there"


def test_none_that_writes_or_asks_is_on_the_list() -> None:
    assert not THAT_WRITE_OR_ASK & set(DRIVERS)
    assert THAT_WRITE_OR_ASK <= {*DRIVERS, *_OTHERS}


def test_what_the_user_has_set_for_files_of_their_own_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_SKIP", "")
    monkeypatch.setenv("GDAL_VRT_ENABLE_PYTHON", "YES")
    monkeypatch.setenv("OGR_SQLITE_ALLOW_EXTERNAL_ACCESS", "YES")
    allow_by_list()
    assert os.environ["GDAL_VRT_ENABLE_PYTHON"] == os.environ["OGR_SQLITE_ALLOW_EXTERNAL_ACCESS"] == "NO"
    assert "MRF" in os.environ["GDAL_SKIP"].split(",")


@pytest.mark.thorough
@pytest.mark.parametrize(("driver", "suffix"), [("ENVI", ""), ("HFA", ".img"), ("PCIDSK", ".pix"), ("JP2OpenJPEG", ".jp2"),
    ("netCDF", ".nc"), ("Zarr", ".zarr"), ("ERS", ".ers"), ("EHdr", ".bil"), ("RST", ".rst"), ("SAGA", ".sdat"),
    ("RRASTER", ".grd"), ("PNG", ".png"), ("JPEG", ".jpg"), ("BMP", ".bmp"), ("GPKG", ".gpkg"), ("AAIGrid", ".asc"),
    ("GS7BG", ".grd"), ("COG", ".tif"), ("WEBP", ".webp")])  # fmt: skip
def test_rasters_of_the_usual_formats_are_opened(driver: str, suffix: str, tmp_path: Path) -> None:
    import rasterio.shutil

    from false_core.raster.source import RasterSource, Window

    bands = 3 if driver == "WEBP" else 1
    pixels = (np.arange(bands * 64 * 64) % 200).reshape(bands, 64, 64).astype(np.uint8)
    land = write_raster(tmp_path / "land.tif", pixels)
    path = str(tmp_path / f"copy{suffix}")
    options = {"WEBP": {"LOSSLESS": "YES"}, "JP2OpenJPEG": {"REVERSIBLE": "YES", "QUALITY": "100"}}.get(driver, {})
    rasterio.shutil.copy(land, path, driver=driver, **options)
    source = RasterSource(path, (1,))
    assert source.transform.almost_equals(GRID, 1e-6)
    assert source.crs is not None and source.crs.to_epsg() == 32633
    read = source.read(Window(0, 0, 64, 64))[0]
    assert np.abs(read - pixels[0]).max() <= (200 if driver in ("JPEG", "GPKG") else 0)


@pytest.mark.thorough
@pytest.mark.parametrize(("driver", "suffix"), [("GPKG", ".gpkg"), ("ESRI Shapefile", ".shp"), ("GeoJSON", ".geojson"),
    ("FlatGeobuf", ".fgb"), ("GML", ".gml"), ("KML", ".kml"), ("SQLite", ".sqlite"), ("GPX", ".gpx"), ("DXF", ".dxf"),
    ("MapInfo File", ".tab"), ("OpenFileGDB", ".gdb"), ("CSV", ".csv"), ("XLSX", ".xlsx"), ("ODS", ".ods"),
    ("ESRI Shapefile", ".shp.zip"), ("GeoJSON", ".json")])  # fmt: skip
def test_vectors_of_the_usual_formats_are_opened(driver: str, suffix: str, tmp_path: Path) -> None:
    import geopandas
    import pyogrio
    import shapely

    from false_core.labels.label_file import read_layer

    write_labels(tmp_path / "labels.gpkg", ["a", "b"], [on_map(shapely.box(k, k, k + 5, k + 5)) for k in (3, 20)])
    table = geopandas.read_file(tmp_path / "labels.gpkg").rename(columns={"cover": "name"})
    if driver == "GPX":
        table = table.set_geometry(table.geometry.centroid).to_crs(4326)
    if driver == "DXF":
        table = table[["geometry"]]
    path = tmp_path / f"copy{suffix}"
    kind = {"GEOMETRY": "AS_WKT"} if driver == "CSV" else {}
    if driver in ("XLSX", "ODS"):
        table = table.drop(columns="geometry")
        pyogrio.write_dataframe(table, path, driver=driver)
    else:
        table.to_file(path, driver=driver, engine="pyogrio", **kind)
    if suffix == ".json":
        content = json.loads(path.read_text("utf-8"))
        content["features"][0]["by"] = {"who": ["a person"]}
        path.write_text(json.dumps({"licence": {"of": [1]}, **content, "links": [None]}), "utf-8")
    if driver in ("XLSX", "ODS"):
        with pytest.raises(InputError, match="a table without geometries"):
            read_layer(str(path), Listener().feedback)
        return
    found = read_layer(f"{path}|layername=waypoints" if driver == "GPX" else str(path), Listener().feedback)
    placed = found if found.crs else found.set_crs(CRS)  # Two of the formats cannot say it.
    assert shapely.distance(placed.to_crs(CRS).geometry.centroid, on_map(shapely.Point(5.5, 5.5))).min() < 0.1
    if driver != "DXF":
        assert sorted(found[next(name for name in found.columns if name.lower() == "name")]) == ["a", "b"]
