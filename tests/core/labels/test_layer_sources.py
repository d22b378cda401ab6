"""The file of labels is looked through before GDAL opens it, in bounds, and what cannot be looked through is refused."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import pytest

from false_core.errors import InputError
from false_core.labels import layer_sources
from false_core.labels.layer_sources import check_sources


def _archive(path: Path, *names: str) -> str:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        for name in names:
            archive.writestr(name, "a")
    return str(path)


def test_an_archive_of_many_files_or_of_two_that_are_called_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="holds two files of one name"):
        check_sources(_archive(tmp_path / "two.zip", "a.gpkg", "a.gpkg"))
    monkeypatch.setattr(layer_sources, "MOST_ARCHIVED", 1)
    with pytest.raises(InputError, match="holds more than 1 files"):
        check_sources(_archive(tmp_path / "many.zip", "a.gpkg", "b.gpkg"))


def test_what_begins_as_an_archive_and_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(InputError, match="is an archive that cannot be read"):
        check_sources(str(tmp_path / "a.zip"))


def test_json_that_is_too_long_or_that_two_readers_read_differently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.geojson"
    path.write_text('{"link" "a"}')
    with pytest.raises(InputError, match="is JSON that cannot be read"):
        check_sources(str(path))
    monkeypatch.setattr(layer_sources, "_LONGEST_JSON", 10)
    with pytest.raises(InputError, match="is longer than"):
        check_sources(str(path))


def test_a_layer_written_out_in_place_of_a_name() -> None:
    with pytest.raises(InputError, match="XML instead of the name"):
        check_sources("<OGRVRTDataSource/>")
