"""The style of a vector layer of ours in QGIS: colours, names, and what may be entered in its form."""

from __future__ import annotations

import os
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from false_core.errors import OutputError
from false_core.language.catalogue import localised
from false_core.outputs.sidecars import STYLES_TABLE, is_signed_style, is_style_of_user, signed_style
from false_core.raster.classes import LandCoverClass
from false_core.vector.layer_file import GEOPACKAGE, driver_of

_TABLE_OF_STYLES = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))
"""
_MOST_STYLES = 100
TO_DO, DONE = "255,0,200,255", "0,200,80,255"
"""Colours of points and places where something is to be done, and where it is done: red, green, blue, opacity. Land
cover has neither."""


def keep_style(style: bytes, scratch: Path, path: str, raster: str) -> None:
    """Put a style where QGIS looks for it when it opens a layer.

    A GeoPackage holds its style itself; beside any other file lies one of the same name that ends in ``.qml``, unless QGIS
    would take it for that of the raster the layer was made from, or a person has made one.

    Args:
        style: QML, as the functions below write it.
        scratch: The file with the layer, as long as it is not published.
        path: The path of the file in the end.

    Raises:
        OutputError: It cannot be written.
    """
    beside, of_raster = Path(path).with_suffix(".qml"), Path(raster).with_suffix(".qml")
    if driver_of(path) == GEOPACKAGE:
        _keep_in_package(signed_style(style), scratch, Path(path))
    elif os.path.realpath(beside) != os.path.realpath(of_raster) and not is_style_of_user(beside):
        scratch.with_suffix(".qml").write_bytes(signed_style(style))


def _keep_in_package(style: bytes, package: Path, earlier: Path) -> None:
    """Write a style into a GeoPackage, and those that a person has kept in the one that it replaces."""
    kept = _styles_of_user(earlier)
    try:
        with closing(sqlite3.connect(package)) as database, database:
            table, column = database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchone()
            database.execute(_TABLE_OF_STYLES)
            database.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, 'attributes', ?)",
                (STYLES_TABLE, STYLES_TABLE),
            )
            theirs_is_default = any(one.is_default for one in kept)
            ours = _KeptStyle("classes", style.decode(), "", not theirs_is_default, "Classes of the map")
            for one in (ours, *kept):
                database.execute(
                    "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
                    "styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', ?, ?, ?, ?, ?, ?, ?, '')",
                    (table, column, one.name, one.qml, one.sld, int(one.is_default), one.description),
                )
    except sqlite3.Error as error:
        raise OutputError(f"{package.name} cannot be written: {error}.", "Is the disk full?") from error


@dataclass(frozen=True)
class _KeptStyle:
    """A style in a GeoPackage."""

    name: str
    qml: str
    sld: str
    is_default: bool
    description: str


def _styles_of_user(package: Path) -> list[_KeptStyle]:
    """Return the styles in a GeoPackage that FALSE did not write, or that were changed since."""
    try:
        if not package.is_file():
            return []
        with closing(sqlite3.connect(f"{package.absolute().as_uri()}?immutable=1", uri=True)) as database:
            if database.execute("SELECT type FROM sqlite_master WHERE name = ?", (STYLES_TABLE,)).fetchone() != ("table",):
                return []
            rows = database.execute(
                "SELECT styleName, styleQML, styleSLD, useAsDefault, description FROM layer_styles LIMIT ?", (_MOST_STYLES,)
            ).fetchall()
    except sqlite3.Error:
        return []
    found = [_KeptStyle(str(a or ""), str(b or ""), str(c or ""), bool(d), str(e or "")) for a, b, c, d, e in rows]
    return [one for one in found if not is_signed_style(one.qml.encode("utf-8", "replace"))]


def style_of_classes(field: str, classes: Sequence[LandCoverClass], named: bool = False) -> bytes:
    """Return a style that draws polygons with the names and colours of their classes.

    Args:
        field: Name of the field with the code of the class, or where it is ``named``, its name.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    categories, symbols = _categorized(root, field)
    for number, c in enumerate(classes):
        value = c.name if named else str(c.code)
        ET.SubElement(categories, "category", symbol=str(number), value=value, label=c.name, render="true")
        color = ",".join(map(str, (*bytes.fromhex(c.color[1:]), 255)))
        # An outline of the same colour, as between two areas without one the background would shine through.
        drawn = {"color": color, "style": "solid", "outline_color": color, "outline_style": "solid", "outline_width": "0.1"}
        _symbol(symbols, number, "fill", "SimpleFill", {**drawn, "outline_width_unit": "MM", "joinstyle": "bevel"})
    return _text(root)


def style_of_labels(field: str, classes: Sequence[LandCoverClass]) -> bytes:
    """Return a style for label polygons by the names of their classes: outlines, so that the ground shows, and a form that
    offers the classes."""
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology|Fields|Forms")
    _choices_in_form(root, field, [c.name for c in classes])
    categories, symbols = _categorized(root, field)
    for number, c in enumerate(classes):
        ET.SubElement(categories, "category", symbol=str(number), value=c.name, label=c.name, render="true")
        red, green, blue = bytes.fromhex(c.color[1:])
        drawn = {"color": f"{red},{green},{blue},80", "style": "solid", "outline_color": f"{red},{green},{blue},255"}
        outline = {"outline_style": "solid", "outline_width": "0.6", "outline_width_unit": "MM", "joinstyle": "round"}
        _symbol(symbols, number, "fill", "SimpleFill", {**drawn, **outline})
    return _text(root)


def style_of_points_to_fill_in(field: str, names: Sequence[str]) -> bytes:
    """Return a style for points without a class: rings, so that the pixel shows, and a form that offers the classes."""
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology|Fields|Forms")
    _choices_in_form(root, field, names)
    # Words and not true or false: QGIS compares the categories as text, in SQL too.
    state = f"CASE WHEN coalesce(\"{field}\", '') = '' THEN 'to do' ELSE 'done' END"
    categories, symbols = _categorized(root, state)
    for number, (value, label, color) in enumerate(
        (("to do", localised(f"no {field} yet"), TO_DO), ("done", localised(f"{field} filled in"), DONE))
    ):
        ET.SubElement(categories, "category", symbol=str(number), value=value, label=label, render="true")
        ring = {"name": "circle", "color": "0,0,0,0", "outline_color": color, "outline_width": "0.6", "size": "5"}
        _symbol(symbols, number, "marker", "SimpleMarker", {**ring, "outline_width_unit": "MM", "size_unit": "MM"})
    return _text(root)


def style_of_places(number: str, reason: str) -> bytes:
    """Return a style for places to look at: outlines, so that the ground shows, with two fields as their labels."""
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology|Labeling", labelsEnabled="1")
    renderer = ET.SubElement(root, "renderer-v2", {"type": "singleSymbol", "symbollevels": "0", "enableorderby": "0"})
    outline = {"style": "no", "outline_color": TO_DO, "outline_style": "solid", "outline_width": "0.8"}
    drawn = {**outline, "outline_width_unit": "MM", "joinstyle": "miter"}
    _symbol(ET.SubElement(renderer, "symbols"), 0, "fill", "SimpleFill", drawn)
    labeling = ET.SubElement(root, "labeling", type="simple")
    settings = ET.SubElement(labeling, "settings", calloutType="simple")
    said = f'"{number}" || \'. \' || "{reason}"'
    text = {"fieldName": said, "isExpression": "1", "fontSize": "9", "fontSizeUnit": "Point", "textColor": "20,20,20,255"}
    style = ET.SubElement(settings, "text-style", {**text, "fontWeight": "75", "textOpacity": "1"})
    halo = {"bufferDraw": "1", "bufferSize": "1", "bufferSizeUnits": "MM", "bufferColor": "255,255,255,230"}
    ET.SubElement(style, "text-buffer", {**halo, "bufferOpacity": "1"})
    ET.SubElement(settings, "text-format", {"autoWrapLength": "28", "multilineAlign": "0"})
    ET.SubElement(settings, "placement", {"placement": "1", "quadOffset": "4", "polygonPlacementFlags": "3"})
    ET.SubElement(settings, "rendering", {"drawLabels": "1", "displayAll": "1", "obstacle": "0"})
    return _text(root)


def _choices_in_form(root: ET.Element, field: str, names: Sequence[str]) -> None:
    configuration = ET.SubElement(ET.SubElement(root, "fieldConfiguration"), "field", name=field)
    options = ET.SubElement(ET.SubElement(configuration, "editWidget", type="ValueMap"), "config")
    choices = _option(_option(options), "map", "List")
    for name in names:
        _option(_option(choices), name, "QString", name)


def _categorized(root: ET.Element, expression: str) -> tuple[ET.Element, ET.Element]:
    """Add a renderer for each value of a field or an expression, and return what its categories and symbols go into."""
    kind = {"type": "categorizedSymbol", "attr": expression, "symbollevels": "0", "enableorderby": "0"}
    renderer = ET.SubElement(root, "renderer-v2", kind)
    return ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")


def _symbol(symbols: ET.Element, number: int, kind: str, layer: str, drawn: Mapping[str, str]) -> None:
    symbol = ET.SubElement(symbols, "symbol", type=kind, name=str(number), alpha="1", clip_to_extent="1")
    only = ET.SubElement(symbol, "layer", {"class": layer, "enabled": "1", "locked": "0", "pass": "0"})
    for key, value in drawn.items():
        ET.SubElement(only, "prop", k=key, v=value)


def _option(parent: ET.Element, name: str = "", kind: str = "Map", value: str = "") -> ET.Element:
    """Add a value as QGIS writes them; without a name, an entry of a list."""
    given = {key: text for key, text in (("name", name), ("type", kind), ("value", value)) if text}
    return ET.SubElement(parent, "Option", given)


def _text(root: ET.Element) -> bytes:
    return ET.tostring(root, encoding="unicode").encode()
