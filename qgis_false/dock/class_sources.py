"""The sources of classes: the style of a layer, whose labels may come along, or a text file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsProcessingFeedback,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from false_core.session_protocol import MAX_CODE
from qgis_false.dock.label_file import CLASS_COLOURS, LabelClass
from qgis_false.layers.legend import style_of
from qgis_false.translation import failure


def layers_with_classes() -> List[QgsVectorLayer]:
    """Return the layers of the project that are styled by categories of a field."""
    found = [one for one in QgsProject.instance().mapLayers().values() if isinstance(one, QgsVectorLayer)]
    return sorted(
        (one for one in found if isinstance(one.renderer(), QgsCategorizedSymbolRenderer)), key=lambda one: str(one.name())
    )


def classes_of_style(layer: QgsVectorLayer, known: Sequence[LabelClass]) -> Tuple[List[LabelClass], Dict[str, int]]:
    """Return the classes that there are with those of the style of a layer, and the code of each value of its field.

    What has the name of a class that is known is that class.
    """
    field = layer.renderer().classAttribute()
    style = style_of(layer, field)
    if style is None:
        raise failure("The layer {layer} has no style that shows classes.", layer=layer.name())
    for feature in layer.getFeatures():
        style.look_at(feature)
    entries = style.entries(QgsProcessingFeedback(False))
    classes, codes = list(known), {}
    for entry in entries:
        values = entry.value if isinstance(entry.value, (list, tuple)) else [entry.value]
        found = next((one for one in classes if one.name == entry.name), None)
        if found is None:
            own = values[0] if len(values) == 1 else None
            found = LabelClass(free_code(classes, own), entry.name, entry.color or _colour(len(classes)))
            classes.append(found)
        codes.update({str(value): found.code for value in values})
    return classes, codes


def labelled_shapes(layer: QgsVectorLayer, codes: Dict[str, int], target: QgsVectorLayer) -> List[Tuple[QgsGeometry, int]]:
    """Return the shapes of a layer in the CRS of another one, each with the code of its value. Others are left out."""
    field = layer.renderer().classAttribute()
    way = QgsCoordinateTransform(layer.crs(), target.crs(), QgsProject.instance().transformContext())
    found = []
    for feature in layer.getFeatures():
        code = codes.get(str(feature.attribute(field)).strip())
        geometry = feature.geometry()
        if code is None or geometry.isEmpty():
            continue
        try:
            geometry.transform(way)
        except QgsCsException:
            continue
        found.append((geometry, code))
    return found


def classes_in_text(path: str, known: Sequence[LabelClass]) -> List[LabelClass]:
    """Return the classes that there are with those of a text file.

    Each line is a name, or a name and a colour, or a code, a name and a colour, with commas, semicolons or tabs in between.

    Raises:
        QgsProcessingException: The file cannot be read, or holds none.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise failure("The classes cannot be read from {path}: {reason}.", path=path, reason=error) from error
    classes = list(known)
    delimiter = max(",;\t", key=text.count)
    for row in csv.reader(text.splitlines(), delimiter=delimiter):
        cells = [cell.strip() for cell in row if cell.strip()]
        own = int(cells.pop(0)) if len(cells) > 1 and cells[0].isdigit() else None
        if not cells or any(one.name == cells[0] for one in classes):
            continue
        colour = QColor(cells[1]) if len(cells) > 1 else QColor()
        code = free_code(classes, own)
        classes.append(LabelClass(code, cells[0], colour.name() if colour.isValid() else _colour(len(classes))))
    if len(classes) == len(known):
        raise failure("There is no new class in {path}. Write one name per line, with a colour if you like.", path=path)
    return classes


def free_code(classes: Sequence[LabelClass], wanted: object = None) -> int:
    """Return the code that is wanted, where it is one and free, or else the next one."""
    used = {one.code for one in classes}
    if isinstance(wanted, int) and 1 <= wanted <= MAX_CODE and wanted not in used:
        return wanted
    code = max(used, default=0) + 1
    return code if code <= MAX_CODE else next(one for one in range(1, MAX_CODE + 2) if one not in used)


def _colour(number: int) -> str:
    return CLASS_COLOURS[number % len(CLASS_COLOURS)]
