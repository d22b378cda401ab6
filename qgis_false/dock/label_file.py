"""The GeoPackage in which labels are kept: where it lies, how it is made, and its classes, which are its style.

The style is the only list of the classes. So whatever a person changes in QGIS's own window of styles counts here, and the
file, in which it is stored, brings it to any other project.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from osgeo import gdal
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsEditorWidgetSetup,
    QgsExpressionContext,
    QgsFillSymbol,
    QgsProcessingException,
    QgsProject,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtGui import QColor

from false_core.session_protocol import MAX_CODE
from qgis_false.dialogs.destinations import documents, numbered
from qgis_false.dock.busy_file import PATIENCE_MS, check_not_busy, quiet_gdal
from qgis_false.layers.sources import gdal_option, is_temporary, raster_path
from qgis_false.layers.symbol_colour import colour_of
from qgis_false.translation import failure

CLASS_FIELD = "class"
"""The field with the code of the class."""
LABELS_TABLE = "labels"
STYLE_NAME = "labels"
STORED_PROPERTY = "false/classes_in_file"
"""Property of a layer, which its project saves with its style."""
RASTER_PROPERTY = "false/labels_of"
"""Property of a layer: the raster that it was made for."""
FILL_ALPHA = 70
"""Opacity of a label, up to 255: what lies below it stays visible."""
OUTLINE_DARKER = 170
CLASS_COLOURS = (
    "#e6194b", "#3cb44b", "#ffd419", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#808000", "#9a6324",
    "#800000", "#469990", "#000075", "#a9a9a9", "#aaffc3",
)  # fmt: skip
"""Colours for classes that are made without one. Many who see few colours tell them apart too."""


@dataclass(frozen=True)
class LabelClass:
    """A class of labels: its code in the field, its name and its colour, ``#rrggbb``."""

    code: int
    name: str
    color: str


def file_beside(raster: QgsRasterLayer, ending: str) -> Path:
    """Return the name of a file of a raster: in its folder, or in that of the project where that one is read-only.

    A raster in the folder for temporary files, which QGIS removes when it ends, has its files in that of the project too, or
    else in that of the user's documents. They are called after its layer.
    """
    source = raster_path(raster)
    stem, folder = Path(source).stem or "raster", Path(source).parent
    is_lost = is_temporary(source)
    if is_lost:
        stem = re.sub(r"\W+", "_", raster.name()).strip("_") or "raster"
    if is_lost or not folder.is_dir() or not os.access(folder, os.W_OK):
        folder = documents() or Path.home()
    return folder / f"{stem}{ending}"


def label_file_of(raster: QgsRasterLayer) -> Path:
    """Return the file of the labels of a raster, which may not be there yet. Other labels under its name are left alone."""
    project, source, start = QgsProject.instance(), raster_path(raster), file_beside(raster, "_labels")
    is_lost = is_temporary(source)
    at_home = Path.home() / f"{start.name}.gpkg"  # Where earlier versions kept them.
    is_moved = not is_lost and not project.homePath() and start.parent != Path(source).parent
    if is_moved and _is_for_labels(at_home):
        return at_home
    known = {Path(one.source().split("|")[0]): one for one in project.mapLayers().values()}
    for path in numbered(start, ".gpkg"):
        if not path.exists():
            break
        # Only its layer tells what a temporary raster has had for labels: the names of such layers come again and again.
        is_other = is_lost and (path not in known or known[path].customProperty(RASTER_PROPERTY, source) != source)
        if not is_other and _is_for_labels(path):
            break
    return path


def _is_for_labels(path: Path) -> bool:
    """Return whether a file holds labels, or is one of which nobody can tell."""
    return path.exists() and (_holds_labels(_opened(path)) or not QgsVectorLayer(str(path), "", "ogr").isValid())


def _opened(path: Path, table: str = LABELS_TABLE) -> QgsVectorLayer:
    return QgsVectorLayer(f"{path}|layername={table}", path.stem, "ogr")


def _holds_labels(layer: QgsVectorLayer) -> bool:
    place = layer.fields().lookupField(CLASS_FIELD) if layer.isValid() else -1
    return place >= 0 and layer.fields().at(place).isNumeric()


def label_layer(path: Path, crs: QgsCoordinateReferenceSystem, table: str = LABELS_TABLE) -> QgsVectorLayer:
    """Return the layer of labels in a file. The file is made where there is none.

    Args:
        path: Path of the file.
        crs: CRS of the labels where it is made.
        table: Name of the layer in the file.

    Raises:
        QgsProcessingException: The file cannot be made, or holds something else.
    """
    if not path.exists():
        try:
            _make_file(path, crs, table)
        except OSError as error:
            raise failure("The labels cannot be written to {path}: {reason}.", path=path, reason=error) from error
    layer = _opened(path, table)
    if not _holds_labels(layer):
        raise failure(
            "{path} holds no labels of FALSE: no layer {layer} with a field {field}. Choose another file.",
            path=path, layer=table, field=CLASS_FIELD,
        )  # fmt: skip
    return layer


def _make_file(path: Path, crs: QgsCoordinateReferenceSystem, table: str) -> None:
    """Make a file without labels. It appears whole, as another QGIS may be waiting for it, and never in place of one.

    Raises:
        OSError: It cannot be made.
    """
    # By the word for a type: the types themselves are other ones under Qt 6.
    fields = QgsVectorLayer(f"NoGeometry?field={CLASS_FIELD}:integer", "", "memory").fields()
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.fileEncoding, options.layerName = "GPKG", "UTF-8", table
    # Not by ``tempfile``: where a folder refuses on Windows, it takes each of its names for taken, and tries for hours.
    folder = path.parent / f".labels_{os.getpid()}_{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        made = folder / path.name
        writer = QgsVectorFileWriter.create(
            str(made), fields, QgsWkbTypes.Type.MultiPolygon, crs, QgsCoordinateTransformContext(), options
        )
        if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
            raise OSError(writer.errorMessage())
        del writer  # Only now the file is complete.
        try:
            os.link(made, path)
        except OSError:  # Another QGIS was quicker, or there are no hard links here.
            if not path.exists():
                with suppress(FileExistsError):
                    made.rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # A virus scanner may hold it. The labels are in their place.


def classes_of_labels(layer: QgsVectorLayer) -> List[LabelClass]:
    """Return the classes that the style of a label layer shows."""
    renderer = layer.renderer()
    if not isinstance(renderer, QgsCategorizedSymbolRenderer) or renderer.classAttribute() != CLASS_FIELD:
        return []
    found = []
    for category in renderer.categories():
        code = category.value()
        if isinstance(code, str) and code.isdigit():
            code = int(code)
        if isinstance(code, int) and 1 <= code <= MAX_CODE:
            colour = colour_of(category.symbol(), QgsExpressionContext()) or CLASS_COLOURS[len(found) % len(CLASS_COLOURS)]
            found.append(LabelClass(code, category.label() or str(code), colour))
    return found


def show_classes(layer: QgsVectorLayer, classes: Sequence[LabelClass]) -> None:
    """Style a label layer by its classes, and offer them in its forms. ``store_classes`` keeps both in the file."""
    categories = []
    for one in classes:
        fill = QColor(one.color)
        fill.setAlpha(FILL_ALPHA)
        drawn = {
            "color": f"{fill.red()},{fill.green()},{fill.blue()},{fill.alpha()}",
            "outline_color": QColor(one.color).darker(OUTLINE_DARKER).name(),  # Seen on a map in the same colour, too.
            "outline_width": "0.5",
        }
        categories.append(QgsRendererCategory(one.code, QgsFillSymbol.createSimple(drawn), one.name))
    layer.setRenderer(QgsCategorizedSymbolRenderer(CLASS_FIELD, categories))
    _offer_classes(layer)
    _show_style(layer)


def store_classes(layer: QgsVectorLayer) -> None:
    """Keep the classes of a label layer, which are its style, in its file.

    Raises:
        QgsProcessingException: The file does not take them.
    """
    _offer_classes(layer)
    check_not_busy(layer.source())
    # Taken away first: QGIS would ask whether it may be written over.
    for number in layer.listStylesInDatabase()[1]:
        is_away, reason = layer.deleteStyleFromDatabase(number)
        if not is_away:
            raise _not_stored(layer, reason)
    reason = layer.saveStyleToDatabase(STYLE_NAME, "", True, "")
    if reason:
        raise _not_stored(layer, reason)


def _not_stored(layer: QgsVectorLayer, reason: str) -> QgsProcessingException:
    path = layer.source().split("|")[0]
    return failure("The classes cannot be written to {path}: {reason}. It is tried again.", path=path, reason=reason)


def _offer_classes(layer: QgsVectorLayer) -> None:
    listed = [{one.name: str(one.code)} for one in classes_of_labels(layer)]
    layer.setEditorWidgetSetup(layer.fields().lookupField(CLASS_FIELD), QgsEditorWidgetSetup("ValueMap", {"map": listed}))


def classes_in_file(layer: QgsVectorLayer, taken_over: bool = False) -> List[LabelClass]:
    """Return the classes that the file of a label layer holds, whoever has put them there.

    Args:
        layer: The labels.
        taken_over: True where the layer takes over the style in the file, unless there is none.
    """
    read = None if taken_over else _READ.get(layer.source())
    styles = _styles_in_file(layer.source())  # Before the classes: what is written in between is read another time.
    if read is not None and (styles is None or (styles and read[0] == styles)):
        return list(read[1])
    with gdal_option("SQLITE_BUSY_TIMEOUT", str(PATIENCE_MS)):
        stored = QgsVectorLayer(layer.source(), "", "ogr")
    classes = classes_of_labels(stored) if stored.isValid() else []
    _READ.clear()
    if classes:
        _READ[layer.source()] = styles or (), list(classes)
    if classes and taken_over:
        field = layer.fields().lookupField(CLASS_FIELD)
        layer.setRenderer(stored.renderer().clone())
        layer.setEditorWidgetSetup(field, stored.editorWidgetSetup(field))
        _show_style(layer)
    return classes


_READ: Dict[str, Tuple[Tuple[str, ...], List[LabelClass]]] = {}
"""The source of the label layer whose file was read last, the styles that it held, and its classes.

To open a layer takes five times as long as to ask whether the same styles are there.
"""


def _styles_in_file(source: str) -> Optional[Tuple[str, ...]]:
    """Return all that decides which style QGIS finds in a GeoPackage, or nothing where it cannot be told so quickly.

    None stands for a file that another program holds, so that nobody can read it. Where the file holds no style of the
    table, a file of styles beside it may decide.
    """
    path, _, table = source.partition("|layername=")
    if not path.lower().endswith(".gpkg"):
        return ()
    with quiet_gdal():
        try:
            with gdal_option("SQLITE_BUSY_TIMEOUT", str(PATIENCE_MS)):
                file = gdal.OpenEx(path, gdal.OF_VECTOR, ["GPKG"])
            found = []
            for question in ("PRAGMA schema_version", "SELECT * FROM layer_styles"):
                answer = file.ExecuteSQL(question)
                found += [(row.items(), row.ExportToJson()) for row in answer]
                file.ReleaseResultSet(answer)
        except RuntimeError as error:
            return None if "locked" in str(error) else ()  # There is no such table.
    is_styled = any(values.get("f_table_name") == table for values, _ in found)
    return tuple(row for _, row in found) if is_styled else ()


def note_stored_classes(layer: QgsVectorLayer, classes: Sequence[LabelClass]) -> None:
    """Note in a label layer what its file holds. So another time it can be told what has been changed, and where."""
    text = json.dumps([astuple(one) for one in classes])
    if layer.customProperty(STORED_PROPERTY, "") != text:
        layer.setCustomProperty(STORED_PROPERTY, text)


def classes_when_stored(layer: QgsVectorLayer) -> List[LabelClass]:
    """Return the classes that the file of a label layer held when the layer last knew, or none."""
    try:
        return [LabelClass(*one) for one in json.loads(layer.customProperty(STORED_PROPERTY, ""))]
    except (TypeError, ValueError):
        return []


def merged_classes(
    own: Sequence[LabelClass], before: Sequence[LabelClass], stored: Sequence[LabelClass]
) -> List[LabelClass]:
    """Return the classes of a layer and those of its file in one list, where both may have been changed.

    What was changed in the layer counts. What was not is as in the file, and what is new in the file is added.

    Args:
        own: The classes of the layer.
        before: The classes when both were last the same.
        stored: The classes in the file. Where there are none, nobody has changed them.
    """
    if not stored:
        return list(own)
    was, now = ({one.code: one for one in classes} for classes in (before, stored))
    merged = [now.get(one.code) if one == was.get(one.code) else one for one in own]
    known = {one.code for one in own} | set(was)
    return [one for one in merged if one is not None] + [one for one in stored if one.code not in known]


def _show_style(layer: QgsVectorLayer) -> None:
    layer.triggerRepaint()
    layer.emitStyleChanged()
