"""Labels from Google Earth and QGIS in KML and KMZ: classes from names and extended data, and folders, which are layers."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from small_world import CRS, Listener, on_map, pixel_box, write_raster

from false_core.errors import InputError
from false_core.labels.annotation import Annotation
from false_core.labels.reading import read_annotation
from false_core.raster.source import RasterSource

BOXES = (("Wald & Wiese", pixel_box(2, 2, 5, 4)), ("water", pixel_box(12, 3, 4, 6)), ("water", pixel_box(2, 12, 6, 6)))
FIELD = '<Schema name="s" id="s"><SimpleField name="cover" type="string"/></Schema>'
OF_SCHEMA = '<SchemaData schemaUrl="#s"><SimpleData name="cover">{}</SimpleData></SchemaData>'
OF_GOOGLE = '<Data name="cover"><value>{}</value></Data>'


def placemark(name: str, shape: shapely.Geometry, data: str = "") -> str:
    """Return a shape with an altitude, as Google Earth writes it."""
    to_degrees = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    corners = (to_degrees.transform(x, y) for x, y in on_map(shape).exterior.coords)
    ring = " ".join(f"{x:.9f},{y:.9f},120" for x, y in corners)
    return (
        f"<Placemark><name>{name}</name><styleUrl>#s</styleUrl><ExtendedData>{data}</ExtendedData><MultiGeometry><Polygon>"
        f"<altitudeMode>absolute</altitudeMode><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon></MultiGeometry></Placemark>"
    )


def document(path: Path, inside: str) -> str:
    text = f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>labels</name>{inside}</Document></kml>'
    if path.suffix == ".kmz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("doc.kml", text)
    else:
        path.write_text(text, encoding="utf-8")
    return str(path)


def escaped(name: str) -> str:
    return name.replace("&", "&amp;")


def read(path: str, field: str, folder: Path, listener: Listener) -> Annotation:
    source = RasterSource(write_raster(folder / "r.tif", np.ones((1, 20, 20), "uint8")))
    return read_annotation(path, field, source, (), listener.feedback)


@pytest.mark.parametrize("ending", ["kml", "kmz"])
@pytest.mark.parametrize("data", ["", OF_SCHEMA, OF_GOOGLE], ids=["names", "schema", "extended data"])
def test_classes_are_names_or_values_where_google_earth_shows_them(
    tmp_path: Path, listener: Listener, ending: str, data: str
) -> None:
    field, schema = ("cover", FIELD if data == OF_SCHEMA else "") if data else ("Name", "")
    marks = [placemark("x" if data else escaped(name), shape, data.format(escaped(name))) for name, shape in BOXES]
    annotation = read(document(tmp_path / f"l.{ending}", schema + "".join(marks)), field, tmp_path, listener)
    assert [one.name for one in annotation.classes] == ["Wald & Wiese", "water"]
    by_class = {
        name: shapely.union_all(annotation.shapes[annotation.targets == number])
        for number, name in enumerate(("Wald & Wiese", "water"))
    }
    for name, shape in by_class.items():
        drawn = shapely.union_all([box for of, box in BOXES if of == name])
        assert shapely.area(shapely.symmetric_difference(shape, drawn)) < 0.01
    assert not listener.warnings


def test_folders_are_layers_to_choose_from(tmp_path: Path, listener: Listener) -> None:
    folders = "".join(
        f"<Folder><name>{name}</name>{''.join(placemark(one, shape) for one, shape in BOXES)}</Folder>"
        for name in ("a", "b")
    ).replace("Wald & Wiese", "Wald")
    path = document(tmp_path / "l.kml", folders)
    with pytest.raises(InputError, match=r"holds 2 layers: a, b. Name one: .*l\.kml\|layername=a"):
        read(path, "Name", tmp_path, listener)
    assert len(read(f"{path}|layername=b", "Name", tmp_path, listener).shapes) == 3
