"""The file of a label layer: which layer of it is meant, and its features as a table."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import shapely

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.labels.encodings import guess_encoding
from false_core.labels.layer_path import LayerPath
from false_core.labels.layer_sources import check_sources, nothing_left_beside
from false_core.labels.surfaces import shapes_from_wkb
from false_core.raster.classes import LegendEntry
from false_core.raster.ground import is_placeholder
from false_core.untrusted import check_files_beside, check_is_file, check_unpacked
from false_core.untrusted.databases import QUERY_TIMEOUT_S, check_view, is_database
from false_core.untrusted.drivers import allow_by_list, is_allowed_driver, without_stderr
from false_core.untrusted.names import is_name_read_otherwise
from false_core.untrusted.network import CLOSED, names_address
from false_core.untrusted.stored import is_archive

allow_by_list()
with without_stderr():
    import pyogrio
    import pyogrio.errors
    import pyogrio.raw

MOST_FEATURES = 2_000_000
"""The number of features that a label layer may have."""
MOST_LAYERS = 10_000
"""The number of layers of a file that are looked through."""
FEATURES_TELLING_ENCODING = 2000
"""Features whose texts tell the encoding of a file that does not say it."""
_LARGEST_WHOLE_REAL = 2.0**53
"""Real numbers from here on leave out whole ones."""
_SILENT = (0, 87)
"""Marks of a shapefile that do not tell the encoding of its texts: none, and the one of "some Windows" (LDID)."""


@dataclass(frozen=True)
class _Layer:
    """The facts about the layer of a file before its features are read.

    Attributes:
        name: Its name.
        encoding: Encoding of its texts, where the file does not say it and it was guessed.
        query: Brings shapes that cannot be read as they are to polygons; empty where there is no need to.
        crs: CRS of the layer, which such a query leaves out.
    """

    name: str
    encoding: str | None = None
    query: str = ""
    crs: str | None = None


def read_table(path: str, field: str | None, feedback: Feedback) -> geopandas.GeoDataFrame:
    """Read a layer of labels as geometries with the values of one field.

    Args:
        path: Vector file, as ``LayerPath`` understands it.
        field: The field, or None for the geometries alone.

    Raises:
        InputError: The file, layer or field is missing, or cannot be read.
    """
    return _table(path, [] if field is None else [field], feedback)[0]


def read_named_table(path: str, field: str, feedback: Feedback) -> tuple[geopandas.GeoDataFrame, list[LegendEntry]]:
    """Read the same, and what the file itself calls the values of the field."""
    return _table(path, [field], feedback)


def read_layer(path: str, feedback: Feedback) -> geopandas.GeoDataFrame:
    """Read a layer as geometries with the values of all its fields. The rest is as for ``read_table``."""
    return _table(path, None, feedback)[0]


def _table(path: str, fields: list[str] | None, feedback: Feedback) -> tuple[geopandas.GeoDataFrame, list[LegendEntry]]:
    """Return a layer with some of its fields; None: with all. And what its file calls the values of these fields."""
    asked = LayerPath.parse(path)
    file = asked.file
    if not file.startswith("/vsi") and not os.path.exists(file):
        raise InputError(f"The label file {file} does not exist.")
    if os.path.lexists(file) and is_name_read_otherwise(file):
        raise InputError(
            f"The label file {file} cannot be opened under this name: semicolons, line breaks, tabs, two slashes at the "
            "start and the start of an address are not understood.",
            "Give it another name.",
        )
    check_is_file(file, "The label file")
    check_files_beside(file, "The label file")
    check_unpacked(file)
    check_sources(file)
    if file.lower().endswith((".osm", ".pbf", ".osm.bz2")) and not is_allowed_driver("OSM"):
        raise InputError(
            f"{file} is a raw extract of OpenStreetMap, which is not read.",
            "Open it in QGIS, and save the layer with the classes, such as multipolygons, as a GeoPackage. Or, where you "
            "trust it, name OSM in the variable FALSE_DRIVERS, or in Settings > Options > FALSE.",
        )
    try:
        with nothing_left_beside(file), _network_closed_for(file), warnings.catch_warnings():
            # Labels lie in a plane.
            warnings.filterwarnings("ignore", message="Measured", category=UserWarning)
            layer = _layer(asked)
            check_view(file, layer.name, MOST_FEATURES)
            # Before GDAL reads, which removes what SQLite leaves beside a database that it may only read.
            named = [entry for field in fields or () for entry in _names_in_file(file, layer.name, field)]
            about, shapes, values = _read(asked, layer, fields)
    except pyogrio.errors.GeometryError as error:
        raise InputError(
            f"{file} holds shapes of a kind that cannot be read: {error}.", "Save them as polygons, lines or points first."
        ) from error
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError, UnicodeError) as error:
        reason = str(error).partition("; It might help")[0].rstrip(".")  # A hint for those who program.
        remedy = "It may be damaged or of an unknown kind."
        if "SHAPE_RESTORE_SHX" in reason:
            reason = "its .shx file is missing"
            remedy = "A shapefile is several files, with the endings .shp, .shx, .dbf and .prj. Copy all of them."
        elif is_archive(file):
            remedy = (
                "It is an archive. Unpack it, or write /vsizip/, /vsitar/ or /vsigzip/ in front of its whole path, and "
                "behind it the name of the file inside."
            )
        raise InputError(f"The label file {file} cannot be read: {reason}.", remedy) from error
    if shapes is None:
        raise InputError(f"{file} holds a table without geometries.", "Choose a layer of points, lines or polygons.")
    if len(shapes) > MOST_FEATURES:
        raise InputError(
            f"{file} holds more than {MOST_FEATURES:,} features; labels are read as a whole.", "Choose fewer of them."
        )
    geometries, lost = shapes_from_wkb(shapes)
    if lost:
        feedback.warn(
            f"{lost} label shapes of {file} are of a kind that cannot be read, or damaged. They are left out; save them as "
            "polygons, lines or points."
        )
    place = next(name for name in ("geometry", *map("geometry_{}".format, range(1, len(values) + 1))) if name not in values)
    crs = about["crs"] or layer.crs
    table = geopandas.GeoDataFrame(
        {**values, place: geometries}, geometry=place, crs=None if is_placeholder(crs or "") else crs
    )
    if asked.dimension is not None:
        table = table[shapely.get_dimensions(geometries) == asked.dimension]
    texts = (str(text) for column in values for text in table[column].unique())
    strange = next((text for text in texts if not text.isascii()), "") if layer.encoding else ""
    if strange:
        feedback.warn(
            f"{file} does not say how its texts are encoded. They are taken to be {layer.encoding}, such as "
            f"{strange!r}. If that is wrong, write the name of the encoding into a file {Path(file).stem}.cpg beside it."
        )
    return table, named


@contextmanager
def _network_closed_for(file: str) -> Iterator[None]:
    """Keep pyogrio's GDAL from the network while a file on the disk is read, also in a job whose raster is remote."""
    closed = {} if names_address(file) else CLOSED
    pyogrio.set_gdal_config_options(closed)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(dict.fromkeys(closed))


def _layer(asked: LayerPath) -> _Layer:
    """Return the layer that is asked for, or the only one that has geometries."""
    file = asked.file
    try:
        listed = [(str(name), kind) for name, kind in pyogrio.list_layers(file)]
    except pyogrio.errors.GeometryError:
        listed = _layers_of_package(file)
    names = [name for name, _ in listed]
    if not names:
        raise InputError(f"{file} holds no layer.", "Choose a file with points, lines or polygons.")
    name = asked.layer
    if name is None and asked.number is not None:
        if asked.number >= len(names):
            raise InputError(
                f"{file} has no layer of the number {asked.number}; it has {len(names)}, counted from 0: {', '.join(names)}."
            )
        name = names[asked.number]
    # QGIS keeps projects and styles in tables of the file itself, which are no layers to choose from.
    shown = [one for one, kind in listed if kind is not None and one not in ("layer_styles", "qgis_projects")] or names
    if name is None and len(shown) > 1:
        raise InputError(f"{file} holds {len(shown)} layers: {', '.join(shown)}.", f"Name one: {file}|layername={shown[0]}")
    name = shown[0] if name is None else name
    if name not in names:
        raise InputError(f"{file} has no layer {name!r}; it has {', '.join(shown)}.")
    try:
        about = pyogrio.read_info(file, layer=name)
    except pyogrio.errors.GeometryError:
        return _surfaces(file, name)
    return _Layer(name, _guessed_encoding(file, name, about))


def _read(asked: LayerPath, layer: _Layer, wanted: list[str] | None) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    """Return what GDAL knows of a layer, its geometries as well-known binary, None where it has none, and its values."""
    options: dict[str, Any] = {"encoding": layer.encoding, "layer": layer.name}
    if layer.query:
        options = {"sql": layer.query + (f" WHERE {asked.subset}" if asked.subset else ""), "sql_dialect": "OGRSQL"}
        # Only to know the fields: there may be no information of such a layer.
        about = pyogrio.raw.read(asked.file, read_geometry=False, max_features=0, **options)[0]
    else:
        options["where"] = asked.subset
        about = pyogrio.read_info(asked.file, layer=layer.name, encoding=layer.encoding)
    fields = [str(name) for name in about["fields"]]
    for field in wanted or ():
        if field not in fields:
            raise InputError(
                f"The labels have no field {field!r}.",
                f"They have {', '.join(fields)}."
                if fields
                else "They have no field at all. Those of a shapefile are in its .dbf file, which may be missing.",
            )
    try:
        # One more than may be: a layer can be a query that never ends. Times of one that is written again keep their zones.
        about, _, shapes, values = pyogrio.raw.read(
            asked.file, columns=wanted, max_features=MOST_FEATURES + 1, datetime_as_string=wanted is None, **options
        )
    except (ValueError, pyogrio.errors.DataLayerError) as error:
        if not asked.subset or isinstance(error, UnicodeError):
            raise
        raise InputError(
            f"The filter of the label file {asked.file} cannot be used: {asked.subset} ({error}).",
            "It is a condition as behind WHERE, such as \"cover\" <> 'water'.",
        ) from error
    kinds = list(zip(map(str, about["fields"]), values, map(str, about["ogr_types"]), map(str, about["ogr_subtypes"])))
    convert = _dates_as_texts if wanted else _as_written_again
    columns = {name: convert(pd.Series(own), kind) for name, own, kind, _ in kinds}
    # Where some are missing, the others are read as real numbers.
    for name, own, kind, subtype in kinds:
        if own.dtype.kind != "f" or kind not in ("OFTInteger", "OFTInteger64"):
            continue
        if subtype == "OFSTBoolean":
            columns[name] = columns[name].astype("boolean")
        else:
            columns[name] = _whole_numbers(asked, options, name, columns[name])
    return about, shapes, columns


def _whole_numbers(asked: LayerPath, options: dict[str, Any], name: str, values: Any) -> Any:
    """Return whole numbers as such, which are read as real ones where some are missing. Those do not hold long keys."""
    found = values.astype("Int64")
    if values.abs().max() >= _LARGEST_WHOLE_REAL and "sql" not in options and '"' not in name:
        where = '"?" IS NOT NULL'.replace("?", name)
        where = "(?) AND ".replace("?", asked.subset) + where if asked.subset else where
        known = pyogrio.raw.read(asked.file, columns=[name], read_geometry=False, **{**options, "where": where})[3][0]
        if len(known) == int(values.notna().sum()):
            found[values.notna()] = known
    return found


def _names_in_file(file: str, layer: str, field: str) -> list[LegendEntry]:
    """Return what a file itself calls the values of a field: a GeoPackage may hold a list of them, as QGIS shows too."""
    if not os.path.isfile(file) or not is_database(file):
        return []
    try:
        found = _ask_package(
            file,
            "SELECT value, listed.description FROM gpkg_data_columns JOIN gpkg_data_column_constraints AS listed "
            "USING (constraint_name) WHERE constraint_type = 'enum' AND lower(table_name) = lower(?) "
            "AND lower(column_name) = lower(?)",
            layer,
            field,
        )
    except pyogrio.errors.GeometryError:  # There is no such list.
        return []
    return [LegendEntry(str(value), str(name), None) for value, name in found if value is not None and name]


def _layers_of_package(file: str) -> list[tuple[str, str | None]]:
    """Return the layers of a GeoPackage, one of which is of a kind that its reader does not know."""
    rows = _ask_package(
        file, "SELECT table_name, data_type FROM gpkg_contents WHERE data_type IN ('features', 'attributes')"
    )
    return [(str(name), "Unknown" if kind == "features" else None) for name, kind in rows]


def _surfaces(file: str, layer: str) -> _Layer:
    """Return a layer of a GeoPackage with the query that gives its surfaces as polygons."""
    found = _ask_package(
        file,
        "SELECT column_name, definition FROM gpkg_geometry_columns JOIN gpkg_spatial_ref_sys USING (srs_id) "
        "WHERE table_name = ?",
        layer,
    )
    column, crs = found[0] if found else ("geom", None)
    # Names are quoted as SQL wants them.
    names = [str(name).replace("\\", "\\\\").replace('"', '\\"') for name in (column, layer)]
    query = 'SELECT CAST("{}" AS GEOMETRY(MULTIPOLYGON)), * FROM "{}"'.format(*names)  # nosec B608
    return _Layer(layer, query=query, crs=None if crs in (None, "undefined") else str(crs))


def _ask_package(file: str, query: str, *values: str) -> list[tuple[Any, ...]]:
    try:
        with closing(sqlite3.connect(f"{Path(file).absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            until = time.monotonic() + QUERY_TIMEOUT_S  # A file from anywhere may hold views in place of these tables.
            database.set_progress_handler(lambda: time.monotonic() > until, 100_000)
            return database.execute(query, values).fetchmany(MOST_LAYERS)
    except sqlite3.Error as error:
        raise pyogrio.errors.GeometryError("surfaces (TIN) outside a GeoPackage") from error


def _guessed_encoding(file: str, layer: str, about: dict[str, Any]) -> str | None:
    """Return the likely encoding of a shapefile that does not say it, and None for any other."""
    if about["driver"] != "ESRI Shapefile" or (about["encoding"] != "ISO-8859-1" and not _is_silent(file)):
        return None
    # GDAL takes such texts to be Latin-1, in which every byte is a letter.
    about, _, _, columns = pyogrio.raw.read(file, layer=layer, read_geometry=False, max_features=FEATURES_TELLING_ENCODING)
    texts = [str(name) for name in about["fields"]]
    texts += [str(value) for column in columns if column.dtype == object for value in column if isinstance(value, str)]
    try:
        return guess_encoding([text.encode("latin-1") for text in sorted(set(texts))])
    except UnicodeEncodeError:
        return None  # It was another encoding after all.


def _is_silent(file: str) -> bool:
    """Return whether a shapefile on the disk says nothing of the encoding, but for the mark of "some Windows"."""
    if any(Path(file).with_suffix(ending).exists() for ending in (".cpg", ".CPG", ".cst")):
        return False
    for ending in (".dbf", ".DBF"):
        try:
            with Path(file).with_suffix(ending).open("rb") as table:
                return table.read(30)[-1] in _SILENT
        except (OSError, IndexError, ValueError):
            continue
    return False


def _as_written_again(values: Any, kind: str) -> Any:
    """Return the values of a field as they can be written into any format."""
    if kind == "OFTDateTime":
        texts = values.dropna()
        zones = {text[-6:] if re.search(r"[+-]\d\d:\d\d$", text) else text[-1] == "Z" for text in texts}
        try:
            return pd.to_datetime(values, format="ISO8601", utc=len(zones) > 1)
        except ValueError:  # Years that pandas before 3 does not hold, such as 9999 for what has no end: as texts.
            return values
    if kind.endswith("List"):  # As GDAL writes a list where a format has none.
        return values.map(lambda value: json.dumps(value.tolist(), ensure_ascii=False), na_action="ignore")
    return values


def _dates_as_texts(values: Any, kind: str) -> Any:
    """Return dates and times as ISO 8601 writes them, and as QGIS says them: no class depends on how a table holds them."""
    if kind == "OFTDate":
        return values.map(lambda value: None if value != value else str(value)[:10], na_action="ignore")
    if kind == "OFTDateTime":
        return values.map(lambda value: value.isoformat(), na_action="ignore")
    return values
