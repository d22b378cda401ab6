"""Structures from bytes: VRTs, GeoPackages and headers of models that hang together, each byte of an input one choice.

Changing bytes of a file seldom gives another file that is read. So the bytes choose how a file is built instead: which
elements a VRT has and how they are spelled, which views a GeoPackage has and what they ask, which words of the description
of a model hold which values.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

DEEPEST = 4


class Choices:
    """Takes the bytes of an input one after another; once they are used up, the first of everything is chosen."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, below: int) -> int:
        byte = self._data[self._at] if self._at < len(self._data) else 0
        self._at += 1
        return byte % below

    def one(self, of: Sequence[T]) -> T:
        return of[self.number(len(of))]

    def some(self, make: Callable[[], str], most: int = 3) -> str:
        return "".join(make() for _ in range(self.number(most + 1)))


def spelled(word: str, choices: Choices) -> str:
    """Return ``word`` as GDAL knows it too: in other capitals, or in a namespace."""
    return choices.one((word, word, word.lower(), word.upper(), f"a:{word}"))


def text(words: str, choices: Choices) -> str:
    """Return a text as XML may write it."""
    how = choices.number(7)
    if how == 1:
        return "".join(f"&#{ord(sign)};" for sign in words)
    if how == 2:
        return f"<![CDATA[{words}]]>"
    if how == 3:
        return f"{words[:2]}<!-- x -->{words[2:]}"
    escaped = words.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return f"\n {escaped} " if how == 4 else escaped


def _element(kind: str, inside: str, choices: Choices, /, **attributes: str) -> str:
    tag = spelled(kind, choices)
    said = "".join(f' {spelled(key, choices)}="{value}"' for key, value in attributes.items())
    return f"<{tag}{said}>{inside}</{tag}>"


def _name(choices: Choices, names: Sequence[str]) -> str:
    lead = choices.one(("", "", "", "/vsizip/", "/vsisparse/", "/vsicurl/http://127.0.0.1:9/", "vrt://", 'NETCDF:"', "<"))
    return lead + choices.one(names) + choices.one(("", "", "", "/../x", "?bands=1", '":x', "\ufffd"))


def raster_vrt(choices: Choices, names: Sequence[str], depth: int = 0) -> str:
    """Return a VRT of rasters called ``names``, and of other things."""

    def source() -> str:
        kind = choices.one(("SimpleSource", "ComplexSource", "KernelFilteredSource", "ArraySource", "Overview"))
        name = _element("SourceFilename", text(_name(choices, names), choices), choices, relativeToVRT=choices.one("01"))
        more = choices.one(
            ("", "<SourceBand>1</SourceBand>", "<OpenOptions><OOI key='PRELUDE_STATEMENTS'>x</OOI></OpenOptions>")
        )
        return _element(kind, name + more, choices)

    def band() -> str:
        subclass = choices.one(("", "VRTRawRasterBand", "VRTDerivedRasterBand", "VRTSourcedRasterBand", "vrtrawrasterband"))
        raw = _element("SourceFilename", text(_name(choices, names), choices), choices) if choices.number(3) == 1 else ""
        code = "<PixelFunctionCode>x</PixelFunctionCode>" if choices.number(9) == 1 else ""
        attributes = {"dataType": choices.one(("Byte", "CFloat64", "x")), "band": choices.one(("1", "2", "0"))}
        if subclass:
            attributes["subClass"] = subclass
        return _element("VRTRasterBand", raw + code + choices.some(source), choices, **attributes)

    def metadata() -> str:
        key = choices.one(("OVERVIEW_FILE", "X_DATASET", "a"))
        entry = _element("MDI", text(_name(choices, names), choices), choices, key=key)
        return _element("Metadata", entry, choices, domain=choices.one(("", "OVERVIEWS", "GEOLOCATION")))

    inner = raster_vrt(choices, names, depth + 1) if depth < DEEPEST and choices.number(8) == 1 else ""
    doctype = "<!DOCTYPE x>" if choices.number(20) == 1 else ""
    size = choices.one(("64", "0", "-1", "2147483647"))
    body = choices.some(metadata, 1) + choices.some(band) + inner
    return f'{doctype}<VRTDataset rasterXSize="{size}" rasterYSize="64">{body}</VRTDataset>'


def layer_vrt(choices: Choices, names: Sequence[str], depth: int = 0) -> str:
    """Return a VRT of layers in files called ``names``."""

    def layer() -> str:
        relative = choices.one(("1", "0"))
        source = _element("SrcDataSource", text(_name(choices, names), choices), choices, relativeToVRT=relative)
        more = choices.one(
            ("", "<SrcLayer>labels</SrcLayer>", "<SrcSQL>SELECT 1</SrcSQL>", "<LayerSRS>EPSG:32633</LayerSRS>",
             "<GeometryField encoding='PointFromColumns' x='x' y='y'/>", "<SrcRegion>POINT(0 0)</SrcRegion>")
        )  # fmt: skip
        inner = layer() if choices.number(6) == 1 else ""
        kind = choices.one(("OGRVRTLayer", "OGRVRTUnionLayer", "OGRVRTWarpedLayer"))
        return _element(kind, source + more + inner, choices, name=choices.one(("a", "labels", "")))

    return f"<OGRVRTDataSource>{choices.some(layer)}</OGRVRTDataSource>"


def query(choices: Choices, depth: int = 0) -> str:
    """Return a query that a view may be made of."""
    table = choices.one(("labels", "labels", "v0", "gpkg_contents", "nowhere", "pragma_table_list", "json_each('[1,2]')"))
    column = choices.one(("*", "fid, geom, cover", "1 AS fid, geom, ST_MinX(geom) AS cover", "random() AS fid, geom",
        "fid, geom, upper(cover) AS cover", "fid, geom, zeroblob(9) AS cover", "count(*) AS fid, geom, cover"))  # fmt: skip
    where = choices.one(("", " WHERE fid > 1", " WHERE cover LIKE '%a%'", " WHERE 0", " ORDER BY random()", " LIMIT 3"))
    if depth < DEEPEST and choices.number(4) == 1:
        return f"SELECT * FROM ({query(choices, depth + 1)}){where}"
    if depth < DEEPEST and choices.number(6) == 1:
        return f"{query(choices, depth + 1)} UNION ALL {query(choices, depth + 1)}"
    loop = choices.one(("", "", "", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) "))
    return f"{loop}SELECT {column} FROM {table}{', n' if loop else ''}{where}"


def geopackage(choices: Choices, path: Path, good: Path) -> None:
    """Write a GeoPackage that is ``good`` with views in it."""
    shutil.copy(good, path)
    with closing(sqlite3.connect(path)) as database:
        for number in range(1 + choices.number(3)):
            name = choices.one((f"v{number}", "gpkg_extensions", "layer_styles", "GPKG_ogr_contents", 'a"b', "ü"))
            quoted = '"' + name.replace('"', '""') + '"'
            try:
                if name.lower().startswith("gpkg") and choices.number(2):
                    database.execute(f"ALTER TABLE {quoted} RENAME TO kept{number}")
                database.execute(f"CREATE VIEW {quoted} AS {query(choices)}")
                database.execute(
                    "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES (?, ?, ?, 32633)",
                    (name, choices.one(("features", "attributes", "tiles", "x")), name),
                )
                database.execute(
                    "INSERT INTO gpkg_geometry_columns SELECT ?, column_name, geometry_type_name, srs_id, z, m "
                    "FROM gpkg_geometry_columns WHERE table_name = 'labels'", (name,),
                )  # fmt: skip
            except sqlite3.Error:  # Not everything that can be said is SQL.
                continue
        database.commit()


def header(choices: Choices, good: dict[str, Any], key: str) -> bytes:
    """Return the header of a model that is ``good`` with some of its words changed."""
    changed = json.loads(json.dumps(good))
    description = json.loads(changed["__metadata__"][key])
    for _ in range(1 + choices.number(4)):
        target = choices.one((description, description, changed["__metadata__"], changed))
        while isinstance(target, dict) and choices.number(2) and any(isinstance(v, dict) for v in target.values()):
            target = choices.one([value for value in target.values() if isinstance(value, dict)])
        words = sorted(target)
        word = choices.one(words) if words else "x"
        value = choices.one((None, True, 0, -1, 2**63, 1e308, "", "x" * 300, "\x1b[2J", "../../x", [], {}, [1] * 50))
        if choices.number(5) == 1:
            target.pop(word, None)
        else:
            target[word] = value
    metadata = changed.get("__metadata__")
    if isinstance(metadata, dict):
        metadata[key] = json.dumps(description)
    return json.dumps(changed).encode()
