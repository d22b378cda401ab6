"""What GDAL and other libraries say of a file that cannot be read is said in German too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_world import Listener, textured_land, write_raster

from false_core.errors import InputError
from false_core.labels.reading import read_annotation
from false_core.language.catalogue import catalogue_of
from false_core.raster.source import RasterSource


def damaged(folder: Path, name: str) -> str:
    contents = {
        "land.tif": b"no image",
        "land.vrt": b"<VRTDataset>",
        "land.png": b"\x89PNG\r\n\x1a\n" + b"0" * 50,
        "labels.shp": b"0" * 200,
        "labels.gpkg": b"SQLite format 3\0" + b"0" * 500,
        "labels.geojson": b'{"type": "FeatureCollection", "features": [',
    }
    (folder / name).write_bytes(contents[name])
    return str(folder / name)


def as_raster(path: str, folder: Path) -> None:
    RasterSource(path)


def as_labels(path: str, folder: Path) -> None:
    raster = RasterSource(write_raster(folder / "raster.tif", textured_land()))
    read_annotation(path, "cover", raster, [], Listener().feedback)


@pytest.mark.parametrize(
    ("name", "read", "german"),
    [
        ("land.tif", as_raster, "kann nicht geöffnet werden: {path} hat kein Format, das geöffnet wird."),
        ("land.vrt", as_raster, "Das Raster {path} ist ein VRT, das nicht gelesen werden kann: das XML endet in Zeile 1,"),
        ("land.png", as_raster, "die PNG-Bibliothek meldet: "),
        ("labels.shp", as_labels, "kann nicht gelesen werden: {path} hat kein Format, das geöffnet wird."),
        ("labels.gpkg", as_labels, "die nicht gelesen werden kann: die Datei ist keine Datenbank."),
        ("labels.geojson", as_labels, "kann nicht gelesen werden: die GeoJSON-Datei ist nicht lesbar ("),
    ],
)
def test_the_reason_is_in_german(tmp_path: Path, name: str, read: Callable[[str, Path], None], german: str) -> None:
    path = damaged(tmp_path, name)
    with pytest.raises(InputError) as caught:
        read(path, tmp_path)
    catalogue = catalogue_of("de")
    assert catalogue is not None
    said = catalogue.translated(caught.value.what)
    assert said is not None and german.format(path=path) in said
    assert "might help" not in caught.value.what, "the hint is for those who program"


@pytest.mark.parametrize(
    ("said", "german"),
    [
        ("CURL error: Could not resolve host: nowhere.invalid", "der Server nowhere.invalid ist nicht zu finden"),
        (
            "CURL error: Failed to connect to 127.0.0.1 port 9 after 0 ms: Could not connect to server",
            "der Server 127.0.0.1 ist an Port 9 nicht zu erreichen (keine Verbindung, nach 0 ms)",
        ),
        ("HTTP response code: 404", "der Server antwortet mit dem HTTP-Code 404"),
    ],
)
def test_so_is_what_keeps_a_raster_on_a_server_from_being_read(said: str, german: str) -> None:
    catalogue = catalogue_of("de")
    assert catalogue is not None
    whole = catalogue.translated(f"The raster /vsicurl/http://server/land.tif cannot be opened: {said}.")
    assert whole == f"Das Raster /vsicurl/http://server/land.tif kann nicht geöffnet werden: {german}."
