"""What belonged to a file that is replaced goes with it; what belongs to something else, or to a person, stays."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from small_world import Listener, on_map, pixel_box, write_labels, write_raster

from false_core.dispatch import run
from false_core.errors import OutputError
from false_core.jobs import Classify, Embed, Polygonise
from false_core.outputs.publish import check_destinations, published
from false_core.outputs.sidecars import is_style_of_user, sidecars_of, signed_style


def replaced(folder: Path, target: str, *beside: str, there: bool = True) -> list[str]:
    """Return what is left in ``folder`` of what lay beside a target when that was replaced."""
    for name in (*beside, *([target] if there else [])):
        (folder / name).write_bytes(b"old")
    with published(folder / target) as (partial,):
        partial.write_bytes(b"new")
    assert (folder / target).read_bytes() == b"new"
    return sorted(path.name for path in folder.iterdir() if path.name != target)


def write_two(target: Path, part: str) -> None:
    with published(target, with_sidecars=True) as (partial,):
        partial.touch()
        (partial.parent / part).write_text("new")


@pytest.mark.parametrize("there", [True, False], ids=["replaced", "deleted before"])
class TestWhatGoes:
    @pytest.mark.parametrize(
        "ending",
        [".aux.xml", ".ovr", ".OVR", ".msk", ".msk.ovr", ".ovr.ovr", ".ovr.aux.xml", ".msk.aux.xml", ".vat.dbf", ".xml"],
    )
    @pytest.mark.parametrize("target", ["map.tif", "map.vrt", "M a(p)[1].TIFF"])
    def test_behind_the_name_of_a_raster(self, tmp_path: Path, target: str, ending: str, there: bool) -> None:
        assert not replaced(tmp_path, target, target + ending, there=there)

    @pytest.mark.parametrize("ending", ["tfw", "tifw", "wld", "qmd", "TFW"])
    def test_of_the_same_stem_as_a_raster(self, tmp_path: Path, ending: str, there: bool) -> None:
        assert not replaced(tmp_path, "map.tif", f"map.{ending}", there=there)

    @pytest.mark.parametrize(
        "name", ["p.qix", "p.sbn", "p.sbx", "p.QIX", "p.qmd", "p.qpj", "p.shp.xml", "p.idm", "p.ind", "p.code.atx", "p.fbn"]
    )
    def test_of_a_shapefile(self, tmp_path: Path, name: str, there: bool) -> None:
        assert not replaced(tmp_path, "p.shp", name, there=there)

    @pytest.mark.parametrize(
        ("target", "name"),
        [("p.gpkg", "p.qmd"), ("p.gpkg", "p.gpkg-shm"), ("p.geojson", "p.qmd"), ("p.gml", "p.gfs"), ("t.csv", "t.csvt")],
    )
    def test_of_other_formats(self, tmp_path: Path, target: str, name: str, there: bool) -> None:
        assert not replaced(tmp_path, target, name, there=there)

    def test_pyramids_of_erdas(self, tmp_path: Path, there: bool) -> None:
        for ending in ("aux", "rrd"):
            (tmp_path / f"map.{ending}").write_bytes(b"EHFA_HEADER_TAG\0")
        assert not replaced(tmp_path, "map.tif", there=there)


def test_parts_of_a_shapefile_that_the_new_one_lacks_go(tmp_path: Path) -> None:
    assert not replaced(tmp_path, "p.shp", "p.prj", "p.cpg", "p.dbf")


class TestWhatStays:
    @pytest.mark.parametrize(
        "name",
        ["map.txt", "map2.tif.ovr", "other.qmd", "map.aux", "map.shp", "map.dbf", "map.tif.bak", "map.ovr", "xmap.qmd"],
    )
    def test_what_only_looks_alike(self, tmp_path: Path, name: str) -> None:
        assert replaced(tmp_path, "map.tif", name) == [name]

    @pytest.mark.parametrize(("target", "other", "name"), [
        ("map.tif", "map.shp", "map.qmd"), ("map.tif", "map.png", "map.wld"), ("p.gpkg", "p.tif", "p.qmd"),
        ("p.shp", "p.asc", "p.prj"),
    ])  # fmt: skip
    def test_what_may_be_of_something_else(self, tmp_path: Path, target: str, other: str, name: str) -> None:
        assert replaced(tmp_path, target, other, name) == sorted([other, name])

    def test_all_of_it_where_the_new_file_cannot_take_its_place(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("map.tif", "map.tif.ovr", "map.qmd"):
            (tmp_path / name).write_text(f"old {name}")
        from false_core.outputs import publish

        really = publish.os.replace

        def refuse(source: Path, target: Path) -> None:
            if Path(target) == tmp_path / "map.tif" and Path(source).name == "map.tif":
                raise PermissionError(13, "it is open")
            really(source, target)

        monkeypatch.setattr(publish.os, "replace", refuse)
        with (
            pytest.raises(OutputError, match="cannot be replaced: it is open"),
            published(tmp_path / "map.tif") as (partial,),
        ):
            partial.write_text("new")
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
            name: f"old {name}" for name in ("map.tif", "map.tif.ovr", "map.qmd")
        }


class TestADatabase:
    def test_open_and_changed_is_refused_before_the_work_and_after_it(self, tmp_path: Path) -> None:
        target = tmp_path / "p.gpkg"
        with closing(sqlite3.connect(target)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE t (a)")
            database.commit()
            before = target.read_bytes()
            with pytest.raises(OutputError, match=r"p.gpkg is open in another program and changed.*p.gpkg-wal"):
                check_destinations(Polygonise("map.tif", str(target)))
            with pytest.raises(OutputError, match="remove the layer in QGIS"), published(target) as (partial,):
                partial.write_bytes(b"new")
            assert target.read_bytes() == before
        check_destinations(Polygonise("map.tif", str(target)))

    @pytest.mark.parametrize("ending", ["-wal", "-journal"])
    @pytest.mark.parametrize("target", ["p.gpkg", "p.sqlite", "P.DB"])
    @pytest.mark.parametrize("there", [True, False])
    def test_with_changes_that_a_program_left_is_refused(
        self, tmp_path: Path, target: str, ending: str, there: bool
    ) -> None:
        (tmp_path / f"{target}{ending}").write_bytes(b"\x37\x7f\x06\x82" + bytes(28))
        if there:
            (tmp_path / target).write_bytes(b"old")
        with pytest.raises(OutputError, match="one ended before it was done"):
            check_destinations(Polygonise("map.tif", str(tmp_path / target)))

    @pytest.mark.parametrize("content", [b"", bytes(512)])
    def test_with_nothing_left_to_take_over_is_replaced(self, tmp_path: Path, content: bytes) -> None:
        for ending in ("-wal", "-journal"):
            (tmp_path / f"p.gpkg{ending}").write_bytes(content)
        assert not replaced(tmp_path, "p.gpkg", "p.gpkg-shm")

    def test_with_more_than_is_written_is_refused(self, tmp_path: Path) -> None:
        target = tmp_path / "p.gpkg"
        job = Polygonise("map.tif", str(target))
        write_labels(target, ["a"], [on_map(pixel_box(0, 0, 1, 1))], layer="p")
        check_destinations(job)
        write_labels(target, ["a"], [on_map(pixel_box(0, 0, 1, 1))], layer="drawn by hand")
        before = target.read_bytes()
        with pytest.raises(OutputError, match=r"p\.gpkg holds more than would be written again: drawn by hand, p"):
            check_destinations(job)
        assert target.read_bytes() == before

    def test_with_a_table_that_is_not_registered_is_refused(self, tmp_path: Path) -> None:
        target = tmp_path / "p.gpkg"
        write_labels(target, ["a"], [on_map(pixel_box(0, 0, 1, 1))], layer="p")
        with closing(sqlite3.connect(target)) as database, database:
            database.execute("CREATE TABLE notes (text TEXT)")
        with pytest.raises(OutputError, match=r"p, notes"):
            check_destinations(Polygonise("map.tif", str(target)))

    def test_without_layers_but_with_tables_is_refused(self, tmp_path: Path) -> None:
        target = tmp_path / "p.sqlite"
        with closing(sqlite3.connect(target)) as database, database:
            database.execute("CREATE TABLE notes (text TEXT)")
            database.execute("CREATE TABLE visits (day TEXT)")
        with pytest.raises(OutputError, match="notes, visits"):
            check_destinations(Polygonise("map.tif", str(target)))

    def test_with_a_project_of_qgis_is_refused(self, tmp_path: Path) -> None:
        target = tmp_path / "p.gpkg"
        write_labels(target, ["a"], [on_map(pixel_box(0, 0, 1, 1))], layer="p")
        with closing(sqlite3.connect(target)) as database, database:
            database.execute("CREATE TABLE qgis_projects (name TEXT PRIMARY KEY, metadata BLOB, content BLOB)")
            database.execute("INSERT INTO qgis_projects VALUES ('mine', '', '')")
        with pytest.raises(OutputError, match="p, qgis_projects"):
            check_destinations(Polygonise("map.tif", str(target)))

    @pytest.mark.parametrize("content", [b"SQLite format 3\0", b"no database", b""])
    def test_that_is_damaged_is_replaced(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "p.gpkg").write_bytes(content)
        check_destinations(Polygonise("map.tif", str(tmp_path / "p.gpkg")))

    def test_that_never_ends_is_not_waited_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("false_core.outputs.sidecars._LOOK_S", 0.2)
        with closing(sqlite3.connect(tmp_path / "p.gpkg")) as database, database:
            database.execute(
                "CREATE VIEW gpkg_contents AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                "SELECT i AS table_name FROM n WHERE i < 0"
            )
        check_destinations(Polygonise("map.tif", str(tmp_path / "p.gpkg")))


class TestParts:
    @pytest.mark.parametrize(
        ("target", "part"),
        [("p.shp", "p.dbf"), ("p.shp", "p.DBF"), ("p.shp", "p.prj"), ("p.tab", "p.map"), ("p.mif", "p.mid"),
         ("p.gml", "p.xsd")],
    )  # fmt: skip
    def test_that_are_no_part_are_not_written_over(self, tmp_path: Path, target: str, part: str) -> None:
        (tmp_path / part).write_text("mine")
        with pytest.raises(OutputError, match=rf"would overwrite .*{part}, which is there already and is no part of it"):
            check_destinations(Polygonise("map.tif", str(tmp_path / target)))
        with pytest.raises(OutputError, match="no part of it"):
            write_two(tmp_path / target, part)
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(part, "mine")]

    def test_of_the_map_as_tiles(self, tmp_path: Path) -> None:
        (tmp_path / "map.stac.json").write_text("mine")
        with pytest.raises(OutputError, match=r"map.stac.json, which is there already"):
            check_destinations(Classify("x.tif", "m.safetensors", str(tmp_path / "map.vrt")))

    def test_are_found_beside_what_is_read(self, tmp_path: Path) -> None:
        for name in ("scene.img", "scene.rrd", "scene.hdr", "scene.img.aux.xml", "scene.imgw", "scene.qml", "scene.html"):
            (tmp_path / name).touch()
        assert [path.name for path in sidecars_of(tmp_path / "scene.img")] == [
            "scene.hdr", "scene.img.aux.xml", "scene.imgw", "scene.qml", "scene.rrd",
        ]  # fmt: skip


class TestStyles:
    def test_of_ours_are_known(self, tmp_path: Path) -> None:
        style = tmp_path / "map.qml"
        assert not is_style_of_user(style)
        style.write_bytes(signed_style(b"<qgis/>"))
        assert not is_style_of_user(style)
        style.write_bytes(signed_style(b"<qgis/>").replace(b"qgis/", b"qgis a='1'/"))
        assert is_style_of_user(style)
        style.write_bytes(b"<qgis/>")
        assert is_style_of_user(style)

    def test_of_a_person_are_kept_and_that_is_said(self, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "one.tif", np.ones((1, 20, 20), np.uint8), nodata=0)
        heard = Listener()
        run(Polygonise(raster, str(tmp_path / "p.shp")), heard)
        assert "style" not in heard.infos
        (tmp_path / "p.qml").write_text("<qgis>mine</qgis>")
        run(Polygonise(raster, str(tmp_path / "p.shp")), heard)
        assert (tmp_path / "p.qml").read_text() == "<qgis>mine</qgis>"
        assert "The style p.qml was made or changed by a person, and is kept." in heard.infos

    def test_of_a_person_in_a_database_are_taken_over(self, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "one.tif", np.ones((1, 20, 20), np.uint8), nodata=0)
        target = tmp_path / "p.gpkg"

        def styles() -> list[tuple[str, bytes, int]]:
            with closing(sqlite3.connect(target)) as database:
                return database.execute(
                    "SELECT styleName, styleQML, useAsDefault FROM layer_styles WHERE f_table_name = 'p' ORDER BY id"
                ).fetchall()

        for _ in range(2):
            run(Polygonise(raster, str(target)))
            assert [(name, default) for name, _, default in styles()] == [("classes", 1)]
        with closing(sqlite3.connect(target)) as database, database:
            database.execute("UPDATE layer_styles SET useAsDefault = 0")
            database.execute(
                "INSERT INTO layer_styles (f_table_name, f_geometry_column, styleName, styleQML, useAsDefault) "
                "VALUES ('p', 'geom', 'mine', '<qgis>mine</qgis>', 1)"
            )
        for _ in range(2):
            run(Polygonise(raster, str(target)))
            assert [(name, default) for name, _, default in styles()] == [("classes", 0), ("mine", 1)]
            assert styles()[1][1] == "<qgis>mine</qgis>"

    @pytest.mark.thorough
    def test_of_a_map_go_with_it_where_features_take_its_place(self, land: str, model: str, tmp_path: Path) -> None:
        target = str(tmp_path / "map.tif")
        run(Classify(land, model, target, device="cpu"))
        assert {"map.qml", "map.tif.aux.xml"} < {path.name for path in tmp_path.iterdir()}
        run(Embed(land, model, target, device="cpu"))
        assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]


class TestAsSeen:
    def test_polygons_are_found_by_the_new_ones_place(self, tmp_path: Path) -> None:
        one = write_raster(
            tmp_path / "one.tif", np.kron([[1, 2], [3, 4]], np.ones((40, 40))).astype("uint8")[None], nodata=0
        )
        codes = np.random.default_rng(1).integers(1, 4, (16, 16))
        two = write_raster(tmp_path / "two.tif", np.kron(codes, np.ones((5, 5))).astype("uint8")[None], nodata=0)
        shapes = tmp_path / "p.shp"
        run(Polygonise(one, str(shapes)))
        (tmp_path / "p.qix").write_bytes(b"SQT\x01\x01\0\0\0" + bytes(24))
        run(Polygonise(two, str(shapes)))
        box = on_map(pixel_box(50, 50, 20, 20)).bounds
        alone = str(tmp_path / "alone.shp")
        run(Polygonise(two, alone))
        assert len(geopandas.read_file(shapes, bbox=box)) == len(geopandas.read_file(alone, bbox=box)) > 1

    @pytest.mark.thorough
    def test_a_map_is_the_new_one_at_every_scale(self, land: str, model: str, tmp_path: Path) -> None:
        target = tmp_path / "map.tif"
        shutil.copy(land, target)
        with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(target, "r+") as file:
            file.build_overviews([2, 4], Resampling.nearest)
        assert (tmp_path / "map.tif.ovr").exists()
        run(Classify(land, model, str(target), device="cpu"))
        with rasterio.open(target) as file:
            assert not file.overviews(1)
            small = file.read(1, out_shape=(30, 42))
            assert set(np.unique(small)) <= set(np.unique(file.read(1)))
