"""The file of a label layer: which layer of it is meant, and its features as a table."""

from __future__ import annotations

import os
from typing import Any

import geopandas
import pyogrio
import pyogrio.errors

from false_core.errors import InputError
from false_core.labels.queries import check_layer_vrt, check_view, check_views
from false_core.untrusted import check_is_file, check_unpacked

MOST_FEATURES = 2_000_000
"""The number of features that a label layer may have."""


def read_table(path: str, field: str | None) -> geopandas.GeoDataFrame:
    file, _, options = path.partition("|")
    layer = next((o[len("layername=") :] for o in options.split("|") if o.lower().startswith("layername=")), None)
    if not file.startswith("/vsi") and not os.path.exists(file):
        raise InputError(f"The label file {file} does not exist.")
    check_is_file(file, "The label file")
    check_unpacked(file)
    check_layer_vrt(file)
    check_views(file)
    try:
        # QGIS keeps styles in a table of the file itself, which is no layer to choose from.
        layers = [str(name) for name in pyogrio.list_layers(file)[:, 0] if name != "layer_styles"]
        if not layers:
            raise InputError(f"{file} holds no layer.", "Choose a file with points, lines or polygons.")
        layer = layers[0] if layer is None and len(layers) == 1 else layer
        if layer is None:
            raise InputError(
                f"{file} holds {len(layers)} layers: {', '.join(layers)}.", f"Name one: {file}|layername={layers[0]}"
            )
        if layer not in layers:
            raise InputError(f"{file} has no layer {layer!r}; it has {', '.join(layers)}.")
        check_view(file, layer, MOST_FEATURES)
        about = pyogrio.read_info(file, layer=layer)
        fields, kinds = list(about["fields"]), list(about["ogr_types"])
        if field is not None and field not in fields:
            raise InputError(f"The labels have no field {field!r}.", f"They have {', '.join(fields) or 'no field at all'}.")
        columns = [field] if field is not None else []
        # One more than may be: a layer can be a query that never ends.
        table = geopandas.read_file(
            file, layer=layer, columns=columns, rows=MOST_FEATURES + 1, engine="pyogrio", on_invalid="ignore"
        )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError, UnicodeError) as error:
        raise InputError(
            f"The label file {file} cannot be read: {error}.", "It may be damaged or of an unknown kind."
        ) from error
    if field is not None and field in table:
        table[field] = _dates_as_texts(table[field], dict(zip(fields, kinds))[field])
    if not isinstance(table, geopandas.GeoDataFrame):
        raise InputError(f"{file} holds a table without geometries.", "Choose a layer of points, lines or polygons.")
    if len(table) > MOST_FEATURES:
        raise InputError(
            f"{file} holds more than {MOST_FEATURES:,} features; labels are read as a whole.", "Choose fewer of them."
        )
    return table


def _dates_as_texts(values: Any, kind: str) -> Any:
    """Return dates and times as ISO 8601 writes them, and as QGIS says them: no class depends on how a table holds them."""
    if kind == "OFTDate":
        return values.map(lambda value: None if value != value else str(value)[:10], na_action="ignore")
    if kind == "OFTDateTime":
        return values.map(lambda value: value.isoformat(), na_action="ignore")
    return values
