"""What a raster of class codes says of its classes, whoever made it."""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from small_world import write_raster

from false_core.raster.carried_classes import read_carried_classes

NAMED = (
    "<PAMDataset><PAMRasterBand band='1'><CategoryNames>"
    "<Category></Category><Category>field</Category><Category>{}</Category>"
    "</CategoryNames></PAMRasterBand></PAMDataset>"
)


def codes(folder: Path) -> str:
    return write_raster(folder / "codes.tif", np.array([[[1, 2], [2, 1]]], np.uint8))


def test_names_of_another_program_are_taken_over_with_its_colours(tmp_path: Path) -> None:
    path = codes(tmp_path)
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {1: (255, 0, 0, 255), 2: (0, 0, 255, 255)})
        file.colorinterp = [ColorInterp.palette]
    Path(f"{path}.aux.xml").write_text(NAMED.format("water"), encoding="utf-8")
    assert [(c.code, c.name, c.color) for c in read_carried_classes(path).classes] == [
        (1, "field", "#ff0000"),
        (2, "water", "#0000ff"),
    ]


def test_a_file_beside_it_that_would_blow_up_is_not_believed(tmp_path: Path) -> None:
    # A "billion laughs": entities made of entities, 10 to the 11th in all.
    path = codes(tmp_path)
    entities = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
    bomb = f"<!DOCTYPE d [<!ENTITY a0 'ha'>{entities}]>" + NAMED.format("&a11;")
    Path(f"{path}.aux.xml").write_text(bomb, encoding="utf-8")
    assert read_carried_classes(path).classes == ()


def test_one_that_is_damaged_neither(tmp_path: Path) -> None:
    path = codes(tmp_path)
    Path(f"{path}.aux.xml").write_text(NAMED.format("water")[:90], encoding="utf-8")
    assert read_carried_classes(path).classes == ()


ROWS = ((1, "field", 255, 0, 0), (7, "open water", 0, 0, 255), (311, "forest", 0, 128, 0))


def table(columns: list[tuple[str, int, int]], rows: list[tuple[object, ...]], more: str = "") -> str:
    """Return an attribute table as GDAL writes it; columns by title, type and what they are used for."""
    defined = "".join(
        f'<FieldDefn index="{n}"><Name>{title}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        for n, (title, kind, usage) in enumerate(columns)
    )
    listed = "".join(f'<Row index="{n}">{"".join(f"<F>{cell}</F>" for cell in row)}</Row>' for n, row in enumerate(rows))
    return f'<GDALRasterAttributeTable tableType="thematic"{more}>{defined}{listed}</GDALRasterAttributeTable>'


def beside(path: str, text: str) -> None:
    Path(f"{path}.aux.xml").write_text(f'<PAMDataset><PAMRasterBand band="1">{text}</PAMRasterBand></PAMDataset>', "utf-8")


def test_an_attribute_table_gives_names_and_colours(tmp_path: Path) -> None:
    columns = [("Value", 0, 5), ("Kind", 2, 2), ("R", 0, 6), ("G", 0, 7), ("B", 0, 8)]
    beside(path := codes(tmp_path), table(columns, list(ROWS)))
    found = read_carried_classes(path).classes
    assert [(c.code, c.name, c.color) for c in found] == [
        (1, "field", "#ff0000"), (7, "open water", "#0000ff"), (311, "forest", "#008000")
    ]  # fmt: skip


def test_one_that_does_not_say_what_its_columns_are_for_goes_by_their_titles(tmp_path: Path) -> None:
    columns = [("OID", 0, 0), ("VALUE", 0, 0), ("COUNT", 0, 0), ("Note", 2, 0), ("Class_Name", 2, 0), ("Red", 1, 0),
               ("Green", 1, 0), ("Blue", 1, 0)]  # fmt: skip
    rows = [(n, code, 5, "x", name, r / 255, g / 255, b / 255) for n, (code, name, r, g, b) in enumerate(ROWS)]
    beside(path := codes(tmp_path), table(columns, rows))
    assert [(c.code, c.name, c.color) for c in read_carried_classes(path).classes][1:] == [
        (7, "open water", "#0000ff"), (311, "forest", "#008000")
    ]  # fmt: skip


def test_one_without_values_is_numbered_by_its_rows(tmp_path: Path) -> None:
    beside(path := codes(tmp_path), table([("Class_Names", 2, 2)], [("none",), ("field",), ("",)]))
    assert [(c.code, c.name) for c in read_carried_classes(path).classes] == [(0, "none"), (1, "field")]
    beside(path, table([("Class_Names", 2, 2)], [("a",), ("b",)], ' Row0Min="10" BinSize="10"'))
    assert [(c.code, c.name) for c in read_carried_classes(path).classes] == [(10, "a"), (20, "b")]


def test_one_of_steps_around_whole_numbers_names_these(tmp_path: Path) -> None:
    beside(path := codes(tmp_path), table([("Class", 2, 2)], [("field",), ("water",)], ' Row0Min="0.5" BinSize="1"'))
    assert [(c.code, c.name) for c in read_carried_classes(path).classes] == [(1, "field"), (2, "water")]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (' Row0Min="0" BinSize="1e308"', {0: "a"}),
        (' Row0Min="inf" BinSize="1"', {}),
        (' Row0Min="0" BinSize="nan"', {}),
        (' Row0Min="0" BinSize="0.5"', {0: "a", 1: "c"}),
        (' Row0Min="0" BinSize="1.0000000001"', {0: "a", 1: "b", 2: "c", 3: "d"}),
        (' Row0Min="0" BinSize="0.9999999999"', {0: "a", 1: "b", 2: "c", 3: "d"}),
    ],
)
def test_one_of_odd_steps_names_the_numbers_in_them(tmp_path: Path, steps: str, expected: dict[int, str]) -> None:
    beside(path := codes(tmp_path), table([("Class", 2, 2)], [("a",), ("b",), ("c",), ("d",)], steps))
    assert {c.code: c.name for c in read_carried_classes(path).classes} == expected


def test_one_of_numbers_alone_names_nothing(tmp_path: Path) -> None:
    beside(path := codes(tmp_path), table([("Value", 0, 5), ("Histogram", 0, 1)], [(1, 20), ("x", 4), (1.5, 2)]))
    assert read_carried_classes(path).classes == ()


def test_an_envi_header_gives_names_and_colours(tmp_path: Path) -> None:
    path = tmp_path / "codes.dat"
    with rasterio.open(path, "w", driver="ENVI", width=2, height=1, count=1, dtype="uint8") as file:
        file.write(np.array([[[1, 2]]], np.uint8))
    header = path.with_suffix(".hdr")
    body = header.read_text().replace("ENVI Standard", "ENVI Classification")
    names, colours = "{Unclassified, field, open water}", "{0,0,0, 240,200,60, 0,0,250}"
    header.write_text(f"{body}classes = 3\nclass names = {names}\nclass lookup = {colours}\n")
    in_windows = header.read_bytes().replace(b"field", b"\xc4cker")
    found = read_carried_classes(str(path)).classes
    assert [(c.code, c.name, c.color) for c in found] == [
        (0, "Unclassified", "#000000"), (1, "field", "#f0c83c"), (2, "open water", "#0000fa")
    ]  # fmt: skip
    header.write_bytes(in_windows)
    assert [c.name for c in read_carried_classes(str(path)).classes] == ["Unclassified", "Äcker", "open water"]


def test_a_file_of_erdas_gives_names(tmp_path: Path) -> None:
    beside(path := codes(tmp_path), table([("Value", 0, 5), ("Class_Names", 2, 2)], [(0, ""), (1, "field"), (2, "water")]))
    rasterio.shutil.copy(path, tmp_path / "codes.img", driver="HFA")
    assert [(c.code, c.name) for c in read_carried_classes(str(tmp_path / "codes.img")).classes] == [
        (1, "field"),
        (2, "water"),
    ]


def test_an_attribute_table_of_arcgis_lies_beside_the_raster(tmp_path: Path) -> None:
    path = codes(tmp_path)
    table = pd.DataFrame({"Value": [1, 7], "Count": [20.0, 4.0], "Class_Name": ["field", "open water"],
                          "Red": [255, 0], "Green": [0, 0], "Blue": [0, 255]})  # fmt: skip
    pyogrio.write_dataframe(table, tmp_path / "codes.tif.vat.dbf", driver="ESRI Shapefile")
    found = read_carried_classes(path).classes
    assert [(c.code, c.name, c.color) for c in found] == [(1, "field", "#ff0000"), (7, "open water", "#0000ff")]


@pytest.mark.skipif(os.name == "nt", reason="There are no pipes and no sparse files.")
@pytest.mark.parametrize("kind", ["query", "layer of a query", "pipe", "device", "as large as a disk"])
def test_what_has_its_name_and_is_another_file_is_passed_over(tmp_path: Path, kind: str) -> None:
    path, file = codes(tmp_path), tmp_path / "codes.tif.vat.dbf"
    endless = "WITH RECURSIVE r(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM r) SELECT value, 'a' AS name FROM r"
    (tmp_path / "secret.csv").write_text("value,name\n1,secret\n2,secret\n", encoding="utf-8")
    if kind == "query":
        with closing(sqlite3.connect(file)) as database, database:
            database.execute(f"CREATE VIEW v AS {endless} WHERE value < 0")
    elif kind == "layer of a query":
        file.write_text(
            f"<OGRVRTDataSource><OGRVRTLayer name='v'><SrcDataSource>{tmp_path}/secret.csv</SrcDataSource>"
            "<SrcSQL dialect='sqlite'>SELECT CAST(value AS INTEGER) AS value, name FROM secret</SrcSQL>"
            "</OGRVRTLayer></OGRVRTDataSource>",
            encoding="utf-8",
        )
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        one = pd.DataFrame({"Value": [1], "Class_Name": ["x" * 254], **{f"More{n}": ["x" * 254] for n in range(20)}})
        pyogrio.write_dataframe(one, file, driver="ESRI Shapefile")
        content = bytearray(file.read_bytes())
        content[4:8] = struct.pack("<I", 2**20)
        file.write_bytes(content)
        os.truncate(file, 2**33)
    assert read_carried_classes(path).classes == ()


def test_one_that_is_damaged_is_passed_over(tmp_path: Path) -> None:
    path = codes(tmp_path)
    (tmp_path / "codes.tif.vat.dbf").write_bytes(b"nonsense")
    assert read_carried_classes(path).classes == ()
