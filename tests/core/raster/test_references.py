"""What a raster is made of is looked through in bounds; the zoo has what it must not be made of."""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from small_world import write_raster

from false_core.errors import InputError
from false_core.raster.references import check_references
from false_core.raster.source import RasterSource
from false_core.untrusted.databases import check_views


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    source = b"<SimpleSource><SourceFilename>\xff.tif</SourceFilename></SimpleSource>"
    (tmp_path / "a.vrt").write_bytes(b"<VRTDataset><VRTRasterBand>" + source + b"</VRTRasterBand></VRTDataset>")
    with pytest.raises(InputError, match="no UTF-8"):
        check_references(str(tmp_path / "a.vrt"))


def test_what_unpacks_to_more_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.vrt", "<VRTDataset>" + " " * 9000 + "</VRTDataset>")
    monkeypatch.setattr("false_core.untrusted.stored.LARGEST_UNPACKED", 10)
    with pytest.raises(InputError, match="unpacks to more than"):
        check_references(f"/vsizip/{tmp_path}/a.zip/a.vrt")


def test_a_format_that_gdal_has_and_the_list_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_raster(tmp_path / "a.tif", np.ones((1, 8, 8), np.uint8))
    monkeypatch.setattr("false_core.raster.opening.is_allowed_driver", lambda name: False)
    with pytest.raises(InputError, match="of the format GTiff, beside the usual ones"):
        RasterSource(path)


def test_a_view_of_more_rows_than_tiles_are_read_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(tmp_path / "a.gpkg")) as database, database:
        database.executescript("CREATE TABLE t (i); INSERT INTO t VALUES (1), (2); CREATE VIEW v AS SELECT i FROM t;")
    check_views(str(tmp_path / "a.gpkg"), whole=True)
    monkeypatch.setattr("false_core.untrusted.databases.MOST_ROWS", 1)
    with pytest.raises(InputError, match="gives more than 1 rows"):
        check_views(str(tmp_path / "a.gpkg"), whole=True)


def test_a_folder_that_is_named_thousands_of_times_is_looked_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr("false_core.raster.references._check_links", looked.append)
    monkeypatch.chdir(tmp_path)
    check_references("NETCDF:" + '""a' * 1000)
    assert looked == [str(tmp_path.resolve())]
