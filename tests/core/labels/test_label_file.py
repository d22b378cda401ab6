"""The file of a label layer is read as QGIS reads it: its filter, its only layer, its surfaces, its texts."""

from __future__ import annotations

import os
import sqlite3
import struct
import subprocess
import sys
import tempfile
import zipfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import geopandas
import pyogrio
import pyogrio.errors
import pytest
import shapely
from small_disks import disk_in_memory
from small_world import CRS, Listener, pixel_box, write_labels

from false_core.errors import InputError, OutputError
from false_core.labels.label_file import read_table

A, B, C = pixel_box(10, 10, 10, 10), pixel_box(40, 20, 20, 5), pixel_box(70, 60, 5, 5)


@pytest.fixture
def read(listener: Listener) -> Any:
    """Return a function that reads the values of the field ``cover`` at a path."""
    return lambda path: read_table(str(path), "cover", listener.feedback)["cover"].tolist()


class TestThePath:
    """It is what QGIS shows as the source of a layer."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        return write_labels(tmp_path / "l.gpkg", ["field", "wood|land", "water"], [A, shapely.Point(1, 1), C], layer="l")

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("behind", "values"),
        [("", ["field", "wood|land", "water"]), ("|layername=l", ["field", "wood|land", "water"]),
         ("|layerid=0", ["field", "wood|land", "water"]),
         ("|LayerName=l|subset=\"cover\" <> 'water'", ["field", "wood|land"]),
         ("|subset=cover = 'wood|land'", ["wood|land"]), ("|layername=l|geometrytype=Polygon", ["field", "water"]),
         ("|geometrytype=MultiPolygon25D|subset=cover like 'w%' or \"cover\" = 'select'", ["water"]),
         ("|layername=l|geometrytype=PointZ|uniqueGeometryType=yes", ["wood|land"]),
         ("|subset=", ["field", "wood|land", "water"]),
         ("|subset=cover like 'w%'|layername=l|geometrytype=Polygon", ["water"]),
         ("|geometrytype=Point|subset=cover = 'wood|land' or cover = '|layerid=3'|layerid=0", ["wood|land"]),
         ("|layerid=9|layername=l|subset=\"cover\" = 'water'", ["water"]),
         ("|subset=cover = 'nothing'", [])],
    )  # fmt: skip
    def test_says_which_features_count(self, path: str, read: Any, behind: str, values: list[str]) -> None:
        assert read(path + behind) == values

    @pytest.mark.parametrize(
        "behind",
        [
            "|option:LIST_ALL_TABLES=YES",
            "|authcfg=abc",
            "|layerid=x",
            "|geometrytype=Tube",
            "|x",
            "|subset=cover = 'x'|option:A=1",
            "|subset=cover = 'x'|subset=fid = 1",
        ],
    )
    def test_what_is_not_understood_is_refused(self, path: str, read: Any, behind: str) -> None:
        with pytest.raises(InputError, match="behind the label file .* is not understood"):
            read(path + behind)

    @pytest.mark.parametrize(
        "condition",
        ["SELECT * FROM l", "fid IN (SELECT fid FROM l)", "1; DROP TABLE l", "(with a as (values(1)) x)", "1 --"],
    )
    def test_a_filter_that_is_a_query_is_refused(self, path: str, read: Any, condition: str) -> None:
        with pytest.raises(InputError, match="is a query, which is not run"):
            read(f"{path}|subset={condition}")

    @pytest.mark.parametrize("condition", ["nowhere = 1", "cover ="])
    def test_a_filter_that_makes_no_sense_is_refused(self, path: str, read: Any, condition: str) -> None:
        with pytest.raises(InputError, match="The filter of the label file .* cannot be used"):
            read(f"{path}|subset={condition}")

    def test_a_layer_of_another_number_is_refused(self, path: str, read: Any) -> None:
        with pytest.raises(InputError, match=r"no layer of the number 7; it has 1, counted from 0: l\."):
            read(f"{path}|layerid=7")

    def test_a_layer_by_its_number(self, path: str, read: Any) -> None:
        write_labels(Path(path), ["other"], [A], layer="m")
        assert read(f"{path}|layerid=1") == ["other"]


@pytest.mark.thorough
class TestTablesBesideTheLayer:
    @pytest.mark.parametrize("table", ["qgis_projects", "layer_styles", "notes"])
    def test_do_not_count_as_layers(self, tmp_path: Path, read: Any, table: str) -> None:
        path = write_labels(tmp_path / "l.gpkg", ["a", "b"], [A, B])
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(f"CREATE TABLE {table} (name TEXT PRIMARY KEY, metadata BLOB, content BLOB)")
            if table == "notes":
                database.execute("INSERT INTO gpkg_contents (table_name, data_type) VALUES ('notes', 'attributes')")
        assert read(path) == ["a", "b"]


def test_a_view_of_a_geopackage_is_a_layer(tmp_path: Path, read: Any) -> None:
    path = write_labels(tmp_path / "l.gpkg", ["a", "b", "c"], [A, B, C], layer="base")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE VIEW some AS SELECT fid AS OGC_FID, geom, cover FROM base WHERE cover <> 'b'")
        database.execute("INSERT INTO gpkg_contents (table_name, data_type, srs_id) VALUES ('some', 'features', 32633)")
        database.execute("INSERT INTO gpkg_geometry_columns VALUES ('some', 'geom', 'POLYGON', 32633, 0, 0)")
    assert read(f"{path}|layername=some") == ["a", "c"]


def surface(shape: shapely.Polygon, kind: int, z: bool = True, order: str = "<") -> bytes:
    """Return a rectangle as a TIN (16), a polyhedral surface (15), a triangle (17) or a collection of a TIN (7)."""
    a, b, c, d = list(shape.exterior.coords)[:4]

    def written(number: int, body: bytes) -> bytes:
        return struct.pack(f"{order}BI", order == "<", number + (1000 if z else 0)) + body

    def ring(*corners: tuple[float, ...]) -> bytes:
        points = b"".join(struct.pack(f"{order}{3 if z else 2}d", *corner[:2], *([5.0] if z else [])) for corner in corners)
        return struct.pack(f"{order}II", 1, len(corners)) + points

    first, second = ring(a, b, c, a), ring(a, c, d, a)
    if kind == 17:
        return written(17, first)
    if kind == 7:
        return written(7, struct.pack(f"{order}I", 1) + surface(shape, 16, z, order))
    part = 17 if kind == 16 else 3
    return written(kind, struct.pack(f"{order}I", 2) + written(part, first) + written(part, second))


def with_surfaces(path: str, shapes: dict[int, bytes], name: str = "") -> str:
    """Put surfaces in place of the geometries of some features of a GeoPackage, and call its layer by their kind."""
    with closing(sqlite3.connect(path)) as database, database:
        table, column, srs = database.execute("SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns").fetchone()
        for trigger in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute('DROP TRIGGER "{}"'.format(trigger[0].replace('"', '""')))
        for fid, body in shapes.items():
            blob = b"GP\0\x01" + struct.pack("<i", srs) + body
            quoted = table.replace('"', '""')
            database.execute(f'UPDATE "{quoted}" SET "{column}" = ? WHERE fid = ?', (blob, fid))
        if name:
            database.execute("UPDATE gpkg_geometry_columns SET geometry_type_name = ?, z = 2", (name,))
    return path


class TestSurfaces:
    """Building outlines are handed on as TIN, as polyhedral surfaces and as multipatch shapefiles."""

    @pytest.mark.thorough
    @pytest.mark.parametrize("kind", [7, 15, 16])
    @pytest.mark.parametrize("z", [False, True])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_are_polygons(self, tmp_path: Path, listener: Listener, kind: int, z: bool, order: str) -> None:
        path = write_labels(tmp_path / "l.gpkg", ["a", "b", "c"], [A, shapely.MultiPolygon([B]), shapely.Point(1, 1)])
        table = read_table(with_surfaces(path, {1: surface(A, kind, z, order)}), "cover", listener.feedback)
        assert table["cover"].tolist() == ["a", "b", "c"]
        assert shapely.equals(shapely.unary_union(shapely.force_2d(table.geometry.iloc[0])), A)
        assert not listener.warnings

    @pytest.mark.thorough
    @pytest.mark.parametrize("name", ["TIN", "POLYHEDRALSURFACE", "TRIANGLE"])
    def test_of_a_layer_that_holds_nothing_else_too(self, tmp_path: Path, listener: Listener, name: str) -> None:
        kind = {"TIN": 16, "POLYHEDRALSURFACE": 15, "TRIANGLE": 17}[name]
        path = write_labels(tmp_path / "l.gpkg", ["a", "b"], [A, B], layer='odd "name')
        with_surfaces(path, {1: surface(A, kind), 2: surface(B, kind)}, name)
        table = read_table(path, "cover", listener.feedback)
        assert table["cover"].tolist() == ["a", "b"]
        assert table.crs == CRS
        share = 0.5 if name == "TRIANGLE" else 1
        assert table.area.tolist() == pytest.approx([share * A.area, share * B.area])
        assert read_table(f"{path}|subset=cover = 'b'", "cover", listener.feedback)["cover"].tolist() == ["b"]
        assert len(read_table(path, None, listener.feedback)) == 2
        with pytest.raises(InputError, match=r"no field 'klass'.*They have cover"):
            read_table(path, "klass", listener.feedback)

    def test_what_still_cannot_be_read_is_counted(self, tmp_path: Path, listener: Listener) -> None:
        path = write_labels(tmp_path / "l.gpkg", ["a", "b", "c"], [A, B, C])
        open_ring = struct.pack("<BIII8d", 1, 3, 1, 4, 0, 0, 1, 0, 1, 1, 0, 1)
        table = read_table(with_surfaces(path, {2: open_ring, 3: open_ring}), "cover", listener.feedback)
        assert table.geometry.notna().tolist() == [True, False, False]
        assert "2 label shapes of" in listener.warnings

    def test_in_another_format_that_its_reader_does_not_know_are_refused(
        self, tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "l.fgb"
        geopandas.GeoDataFrame({"cover": ["a", "b"]}, geometry=[A, B], crs=CRS).to_file(path)

        def unknown(*_: Any, **__: Any) -> None:
            raise pyogrio.errors.GeometryError("Geometry type is not supported: 1016")

        monkeypatch.setattr(pyogrio, "list_layers", unknown)
        with pytest.raises(InputError, match="shapes of a kind that cannot be read: surfaces"):
            read(path)


class TestTextsOfUnknownEncoding:
    @pytest.mark.parametrize(
        ("names", "encoding"),
        [(["Äcker", "Forêt", "Gewässer"], "cp1252"), (["поле", "лес", "вода"], "cp1251"), (["农田", "森林", "水体"], "gbk"),
         (["Äcker", "лес", "水体"], "utf-8"), (["łąka", "las", "woda"], "cp1250"), (["Été", "Pré", "île"], "cp1252")],
    )  # fmt: skip
    @pytest.mark.parametrize("mark", [0, pytest.param(87, marks=pytest.mark.thorough)])
    def test_are_guessed_and_it_is_said(
        self, tmp_path: Path, read: Any, listener: Listener, names: list[str], encoding: str, mark: int
    ) -> None:
        self.shapefile(tmp_path, names, encoding, mark)
        assert read(tmp_path / "l.shp") == names
        assert "does not say how its texts are encoded" in listener.warnings
        assert next(name for name in names if not name.isascii()) in listener.warnings

    @pytest.mark.parametrize(
        ("names", "encoding", "spellings"),
        [(["поле", "лес", "вода"], "cp1251", ["1251", "CP1251", "windows-1251", "ANSI 1251"]),
         (["农田", "森林", "水体"], "gbk", ["GBK", "936", "CP936", "GB2312"]),
         (["Äcker", "Forêt", "Gewässer"], "cp1252", ["1252", "CP1252", "ISO-8859-1"])],
    )  # fmt: skip
    def test_are_as_the_file_beside_says_however_it_spells_that(
        self, tmp_path: Path, read: Any, listener: Listener, names: list[str], encoding: str, spellings: list[str]
    ) -> None:
        self.shapefile(tmp_path, names, encoding, None)
        for spelling in spellings:
            (tmp_path / "l.cpg").write_text(spelling)
            assert read(tmp_path / "l.shp") == names, spelling
        assert not listener.warnings

    def test_so_are_names_of_fields(self, tmp_path: Path, listener: Listener) -> None:
        self.shapefile(tmp_path, ["a", "b", "c"], "cp1252", 0, "Größe")
        assert read_table(str(tmp_path / "l.shp"), "Größe", listener.feedback)["Größe"].tolist() == ["a", "b", "c"]

    @pytest.mark.parametrize("kept", [True, False])
    def test_nothing_is_said_where_there_is_nothing_to_guess(
        self, tmp_path: Path, read: Any, listener: Listener, kept: bool
    ) -> None:
        names = ["Äcker", "Wald", "Moor"] if kept else ["field", "forest", "water"]
        self.shapefile(tmp_path, names, "cp1252", None if kept else 0)
        assert read(tmp_path / "l.shp") == names
        assert not listener.warnings

    @staticmethod
    def shapefile(folder: Path, names: list[str], encoding: str, mark: int | None, field: str = "cover") -> None:
        """Write a shapefile that says its encoding, or that has but a ``mark`` in its table."""
        table = geopandas.GeoDataFrame({field: names}, geometry=[A, B, C], crs=CRS)
        table.to_file(folder / "l.shp", engine="pyogrio", encoding=encoding)
        if mark is not None:
            (folder / "l.cpg").unlink()
            body = bytearray((folder / "l.dbf").read_bytes())
            body[29] = mark
            (folder / "l.dbf").write_bytes(body)


def test_nothing_is_left_beside_gml_whatever_it_is_called(tmp_path: Path, read: Any) -> None:
    geopandas.GeoDataFrame({"cover": ["field", "water"]}, geometry=[A, C], crs=CRS).to_file(tmp_path / "l.gml")
    for beside in (".xsd", ".gfs"):
        (tmp_path / "l.gml").with_suffix(beside).unlink(missing_ok=True)
    (tmp_path / "l.gml").rename(tmp_path / "l.dat")
    assert read(tmp_path / "l.dat") == ["field", "water"]
    assert [path.name for path in tmp_path.iterdir()] == ["l.dat"]


def test_measures_along_lines_are_no_reason_to_warn(tmp_path: Path, read: Any, recwarn: pytest.WarningsRecorder) -> None:
    geopandas.GeoDataFrame({"cover": ["field", "water"]}, geometry=[A, C], crs=CRS).to_file(tmp_path / "l.shp")
    # Without the measures themselves, which may be left out.
    for ending in ("shp", "shx"):
        content = bytearray((tmp_path / f"l.{ending}").read_bytes())
        at = [32, *range(108, len(content), 8 + 128)] if ending == "shp" else [32]
        for place in at:
            assert content[place] == 5
            content[place] = 25
        (tmp_path / f"l.{ending}").write_bytes(content)
    assert read(tmp_path / "l.shp") == ["field", "water"]
    assert not [warning for warning in recwarn if "Measured" in str(warning.message)]


@pytest.mark.parametrize("name", ["a;b.gpkg", "a\nb.gpkg", "a\tb.gpkg", "zip:a.gpkg"])
def test_no_other_file_is_read_than_the_one_that_is_named(
    tmp_path: Path, read: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(write_labels(tmp_path / "right.gpkg", ["field", "water"], [A, C])).rename(tmp_path / name)
    for other in ("a", "ab.gpkg", "a.gpkg"):  # What pyogrio takes these names for.
        write_labels(tmp_path / other, ["wrong", "file"], [A, C])
    with pytest.raises(InputError, match="cannot be opened under this name"):
        read(name)


def test_two_slashes_at_the_start_are_no_server(tmp_path: Path, read: Any) -> None:
    with pytest.raises(InputError, match="cannot be opened under this name"):
        read("/" + write_labels(tmp_path / "l.gpkg", ["field", "water"], [A, C]))


@pytest.mark.parametrize("room", ["40k", "none"])
def test_an_archive_that_finds_no_room_to_be_looked_through_is_said(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    package = write_labels(tmp_path / "l.gpkg", ["field", "water"], [A, C])
    with zipfile.ZipFile(tmp_path / "l.gpkg.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(package, "l.gpkg")
    with ExitStack() as stack:
        disk = tmp_path / "none" if room == "none" else stack.enter_context(disk_in_memory(tmp_path / "disk", room)).folder
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with pytest.raises(OutputError, match=r"cannot be unpacked to be looked through: No s.* the variable TMPDIR"):
            read_table(str(tmp_path / "l.gpkg.zip"), "cover", listener.feedback)
        assert room == "none" or not list(disk.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert len(read_table(str(tmp_path / "l.gpkg.zip"), "cover", listener.feedback)) == 2


EXTRACT = """<?xml version="1.0"?><osm version="0.6">
<node id="1" lat="49" lon="13"/><node id="2" lat="49" lon="13.1"/><node id="3" lat="49.1" lon="13"/>
<way id="4"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/><tag k="landuse" v="forest"/></way></osm>"""


@pytest.mark.parametrize("name", ["town.osm", "town.osm.pbf", "town.pbf", "TOWN.OSM"])
def test_a_raw_extract_of_openstreetmap_is_to_be_saved_as_a_layer(name: str, tmp_path: Path, listener: Listener) -> None:
    (tmp_path / name).write_text(EXTRACT, "utf-8")
    with pytest.raises(InputError, match="is a raw extract of OpenStreetMap") as refused:
        read_table(str(tmp_path / name), None, listener.feedback)
    assert "as a GeoPackage" in str(refused.value) and "name OSM in the variable FALSE_DRIVERS" in str(refused.value)


@pytest.mark.thorough
def test_a_raw_extract_is_read_where_the_user_allows_its_driver(tmp_path: Path) -> None:
    """In another process: drivers are chosen when GDAL is loaded."""
    (tmp_path / "town.osm").write_text(EXTRACT, "utf-8")
    read = (
        "import sys; from false_core.feedback import Feedback; from false_core.labels.label_file import read_table\n"
        "print(read_table(sys.argv[1], 'landuse', Feedback())['landuse'].tolist())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", read, f"{tmp_path / 'town.osm'}|layername=multipolygons"],
        capture_output=True, text=True, check=True, env={**os.environ, "FALSE_DRIVERS": "OSM"},
    )  # fmt: skip
    assert answer.stdout.split("\n")[0] == "['forest']"
