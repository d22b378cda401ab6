"""Areas get a class, what is alike is found and places are collected, as a user would do it in the terminal."""

from __future__ import annotations

import pytest
from osgeo import gdal, ogr, osr

SIDE_PX, ACROSS = 128, 4


@pytest.fixture(scope="module")
def land(tmp_path_factory) -> dict[str, str]:
    """Four by four parcels of 128 m, smooth or striped, with the owner of each; six of them have a class."""
    folder = tmp_path_factory.mktemp("parcels")
    crs, size = osr.SpatialReference(), SIDE_PX * ACROSS
    crs.ImportFromEPSG(32633)
    raster = gdal.GetDriverByName("GTiff").Create(str(folder / "land.tif"), size, size, 3)
    raster.SetProjection(crs.ExportToWkt())
    raster.SetGeoTransform((500_000, 1, 0, 5_500_000, 0, -1))
    smooth = [bytes(120 + (7 * column + 3 * row) % 6 for column in range(SIDE_PX)) for row in range(SIDE_PX)]
    striped = [bytes(60 + 120 * (column // 4 % 2) + 5 * row % 30 for column in range(SIDE_PX)) for row in range(SIDE_PX)]
    pattern = smooth, striped
    rows = b"".join(pattern[(column + y // SIDE_PX) % 2][y % SIDE_PX] for y in range(size) for column in range(ACROSS))
    for band in range(1, 4):
        raster.GetRasterBand(band).WriteRaster(0, 0, size, size, rows)
    del raster
    parcels = ogr.GetDriverByName("GPKG").CreateDataSource(str(folder / "parcels.gpkg"))
    layer = parcels.CreateLayer("parcels", crs, ogr.wkbPolygon)
    for name, kind in (("parcel", ogr.OFTInteger), ("owner", ogr.OFTString), ("kind", ogr.OFTString)):
        layer.CreateField(ogr.FieldDefn(name, kind))
    for number in range(ACROSS * ACROSS):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["parcel"], feature["owner"] = number, f"owner {number}"
        if number in (0, 1, 2, 4, 5, 6):
            feature["kind"] = _kind(number)
        left, top = 500_000 + number % ACROSS * SIDE_PX, 5_500_000 - number // ACROSS * SIDE_PX
        right, bottom = left + SIDE_PX, top - SIDE_PX
        ring = f"{left} {bottom}, {right} {bottom}, {right} {top}, {left} {top}, {left} {bottom}"
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON (({ring}))"))
        layer.CreateFeature(feature)
    del feature, layer, parcels
    return {"raster": str(folder / "land.tif"), "parcels": str(folder / "parcels.gpkg")}


def _kind(number: int) -> str:
    return "striped" if (number % ACROSS + number // ACROSS) % 2 else "smooth"


def _rows(path: str) -> list[dict[str, object]]:
    source = ogr.Open(path)
    return [feature.items() for feature in source.GetLayer(0)]


def test_areas_keep_their_fields_and_get_a_class(profile, land, tmp_path):
    results = profile.run(
        "false:classifyareas", RASTER=land["raster"], AREAS=land["parcels"], LABELS=land["parcels"], FIELD="kind",
        OUTPUT=tmp_path / "areas.gpkg", DEVICE="cpu",
    ).results  # fmt: skip
    rows = _rows(results["OUTPUT"])
    assert [(row["parcel"], row["owner"]) for row in rows] == [(n, f"owner {n}") for n in range(ACROSS * ACROSS)]
    assert [row["class"] for row in rows] == [_kind(number) for number in range(ACROSS * ACROSS)]


def test_what_is_alike_is_found_first(profile, land, tmp_path):
    results = profile.run(
        "false:findsimilar", RASTERS=land["raster"], EXAMPLES=f"{land['parcels']}|subset=parcel=0", CELL=SIDE_PX, COUNT=5,
        OUTPUT=tmp_path / "found.gpkg", DEVICE="cpu",
    ).results  # fmt: skip
    assert results["PLACES"] == 5
    source = ogr.Open(results["OUTPUT"])
    middles = [feature.GetGeometryRef().Centroid() for feature in source.GetLayer(0)]
    steps = [((one.GetX() - 500_000) // SIDE_PX, (5_500_000 - one.GetY()) // SIDE_PX) for one in middles]
    assert [(column + row) % 2 for column, row in steps] == [0] * 5


def test_places_are_collected_in_balance(profile, land, tmp_path):
    results = profile.run(
        "false:collectplaces", RASTERS=land["raster"], GUIDE=land["parcels"], FIELD="kind", COUNT=4, SIZE=32,
        OUTPUT=tmp_path / "places.gpkg",
    ).results  # fmt: skip
    assert sorted(row["class"] for row in _rows(results["OUTPUT"])) == ["smooth", "smooth", "striped", "striped"]
