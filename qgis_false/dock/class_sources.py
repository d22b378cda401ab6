"""The sources of classes: the style of a layer, whose labels may come along, or a text file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsExpressionContext,
    QgsFeatureRequest,
    QgsGeometry,
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsRendererRange,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from false_core.session_protocol import MAX_CODE
from qgis_false.dock.label_file import CLASS_COLOURS, LabelClass
from qgis_false.layers.class_field import class_field_of, name_as_compared
from qgis_false.layers.legend import BY_RULES, CATEGORISED, GRADUATED, innermost, style_of
from qgis_false.layers.symbol_colour import colour_of
from qgis_false.translation import failure


def layers_with_classes() -> List[QgsMapLayer]:
    """Return the layers of the project whose style may show classes: vectors by a field, rasters by their values."""
    return sorted(filter(_may_show_classes, QgsProject.instance().mapLayers().values()), key=lambda one: str(one.name()))


def _may_show_classes(layer: QgsMapLayer) -> bool:
    if isinstance(layer, QgsRasterLayer):
        return isinstance(layer.renderer(), QgsPalettedRasterRenderer)
    return isinstance(layer, QgsVectorLayer) and bool(_field_of_style(layer))


def _field_of_style(layer: QgsVectorLayer) -> str:
    """Return the field whose values the style of a layer shows as classes; nothing where it shows none."""
    renderer = layer.renderer() and innermost(layer.renderer())
    if renderer is None or renderer.type() not in (CATEGORISED, GRADUATED, BY_RULES):
        return ""
    attribute = renderer.classAttribute() if renderer.type() != BY_RULES else ""
    return attribute if layer.fields().lookupField(attribute) >= 0 else class_field_of(layer)


def classes_of_style(layer: QgsMapLayer, known: Sequence[LabelClass]) -> Tuple[List[LabelClass], Dict[str, int]]:
    """Return the classes that there are with those of the style of a layer, and the code of each value that it shows.

    What has the name of a class that is known is that class.

    Raises:
        QgsProcessingException: The style shows no classes, or too many.
    """
    offered, values = (_of_raster(layer), []) if isinstance(layer, QgsRasterLayer) else _of_field(layer)
    if not offered:
        raise failure("The layer {layer} has no style that shows classes.", layer=layer.name())
    classes, codes = joined_classes(known, offered)
    return classes, {value: code for alike, code in zip(values, codes) for value in alike}


def _of_raster(layer: QgsRasterLayer) -> List[LabelClass]:
    renderer = layer.renderer()
    entries = renderer.classes() if isinstance(renderer, QgsPalettedRasterRenderer) else []
    return [LabelClass(_own_code(one.value), one.label.strip() or str(one.value), one.color.name()) for one in entries]


def _of_field(layer: QgsVectorLayer) -> Tuple[List[LabelClass], List[List[str]]]:
    """Return the classes that vectors show, and the values of each."""
    field = _field_of_style(layer)
    renderer = layer.renderer() and innermost(layer.renderer())
    if field and renderer.type() == GRADUATED and layer.fields().lookupField(renderer.classAttribute()) >= 0:
        return _of_ranges(layer, field, renderer.ranges())
    style = style_of(layer, field)
    if style is None:
        return [], []
    for feature in layer.getFeatures():
        style.look_at(feature)
    offered, values = [], []
    for entry in style.entries(QgsProcessingFeedback(False)):
        alike = entry.value if isinstance(entry.value, (list, tuple)) else [entry.value]
        offered.append(LabelClass(_own_code(alike[0]) if len(alike) == 1 else 0, entry.name, entry.color or ""))
        values.append([str(one) for one in alike])
    return offered, values


def _of_ranges(
    layer: QgsVectorLayer, field: str, ranges: Sequence[QgsRendererRange]
) -> Tuple[List[LabelClass], List[List[str]]]:
    """Return a class for each range of a field, as the legend has it, and the values in it. Of several the first counts."""
    index = layer.fields().lookupField(field)
    request = QgsFeatureRequest().setSubsetOfAttributes([index]).setFlags(QgsFeatureRequest.Flag.NoGeometry)
    found = {one.attribute(index) for one in layer.getFeatures(request)}
    within: List[List[Any]] = [[] for _ in ranges]
    for value in sorted(one for one in found if isinstance(one, (int, float))):
        place = next((at for at, one in enumerate(ranges) if one.lowerValue() <= value <= one.upperValue()), None)
        if place is not None:
            within[place].append(value)
    offered = []
    for one, values in zip(ranges, within):
        name = one.label().strip() or f"{one.lowerValue():g} - {one.upperValue():g}"
        colour = colour_of(one.symbol(), QgsExpressionContext()) or ""
        offered.append(LabelClass(_own_code(values[0]) if len(values) == 1 else 0, name, colour))
    return offered, [[str(one) for one in values] for values in within]


def _own_code(value: object) -> int:
    return int(value) if isinstance(value, int) or (isinstance(value, float) and value.is_integer()) else 0


def labelled_shapes(layer: QgsVectorLayer, codes: Dict[str, int], target: QgsVectorLayer) -> List[Tuple[QgsGeometry, int]]:
    """Return the shapes of a layer in the CRS of another one, each with the code of its value. Others are left out."""
    field = _field_of_style(layer)
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
        QgsProcessingException: The file cannot be read, or holds none or too many.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise failure("The classes cannot be read from {path}: {reason}.", path=path, reason=error) from error
    offered = []
    delimiter = max(",;\t", key=text.count)
    for row in csv.reader(text.splitlines(), delimiter=delimiter):
        cells = [cell.strip() for cell in row if cell.strip()]
        own = int(cells.pop(0)) if len(cells) > 1 and cells[0].isdigit() else 0
        colour = QColor(cells[1]) if len(cells) > 1 else QColor()
        if cells:
            offered.append(LabelClass(own, cells[0], colour.name() if colour.isValid() else ""))
    classes, _ = joined_classes(known, offered)
    if len(classes) == len(known):
        raise failure("There is no new class in {path}. Write one name per line, with a colour if you like.", path=path)
    return classes


def joined_classes(known: Sequence[LabelClass], offered: Sequence[LabelClass]) -> Tuple[List[LabelClass], List[int]]:
    """Return the classes that there are with those that are offered, and the code of each of the latter.

    What has the name of a class that is known is that class. A code that is taken, or none, becomes a free one.

    Raises:
        QgsProcessingException: They are more than a map holds.
    """
    classes, codes = list(known), []
    for one in offered:
        found = named(one.name, classes)
        if found is None:
            if len(classes) == MAX_CODE:
                raise failure("A map holds {number} classes at most, and these are more.", number=MAX_CODE)
            found = LabelClass(free_code(classes, one.code), one.name, one.color or _colour(len(classes)))
            classes.append(found)
        codes.append(found.code)
    return classes, codes


def named(name: str, classes: Sequence[LabelClass]) -> Optional[LabelClass]:
    """Return the class of a name, or else of one that is spelled nearly so, or None."""
    alike = [one for one in classes if name_as_compared(one.name) == name_as_compared(name)]
    return next((one for one in alike if one.name == name), alike[0] if alike else None)


def free_code(classes: Sequence[LabelClass], wanted: object = None) -> int:
    """Return the code that is wanted, where it is one and free, or else the next one."""
    used = {one.code for one in classes}
    if isinstance(wanted, int) and 1 <= wanted <= MAX_CODE and wanted not in used:
        return wanted
    code = max(used, default=0) + 1
    return code if code <= MAX_CODE else next(one for one in range(1, MAX_CODE + 2) if one not in used)


def _colour(number: int) -> str:
    return CLASS_COLOURS[number % len(CLASS_COLOURS)]
