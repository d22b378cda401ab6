"""Maps and their polygons, drawn with the names and colours of their classes."""

from __future__ import annotations

import re
from typing import List

from osgeo import gdal
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFeatureRequest,
    QgsFillSymbol,
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsVectorLayer,
)
from qgis.PyQt import sip
from qgis.PyQt.QtGui import QColor

from false_core.untrusted import parse_json
from qgis_false.layers.result_metadata import ResultLayer
from qgis_false.layers.sources import raster_path

CLASSES_ITEM = "FALSE_CLASSES"
"""Metadata item of a classified raster: a JSON list of {code, name, color}."""
MOST_CLASSES = 254
"""Classes of a map."""
CODE_FIELD, NAME_FIELD, COLOR_FIELD = "code", "name", "color"
"""Fields of the polygons made from a map."""
_CODE = re.compile(r"-?[0-9]{1,9}(\.0)?")


def classes_of(path: str) -> List[QgsPalettedRasterRenderer.Class]:
    """Return the classes that a classified raster carries, to draw it with; empty where it carries none."""
    try:
        # As we write it: what was imported may be from anybody, and other drivers of GDAL do more than read.
        dataset = gdal.OpenEx(path, gdal.OF_RASTER, allowed_drivers=["GTiff", "VRT"])
    except RuntimeError:  # Newer QGIS, and other people's plugins, have GDAL raise what it otherwise tells by None.
        return []
    text = dataset.GetMetadataItem(CLASSES_ITEM) if dataset is not None else None
    try:
        return [
            QgsPalettedRasterRenderer.Class(int(entry["code"]), QColor(entry["color"]), str(entry["name"]))
            for entry in parse_json(text or "[]")
        ]
    except (ValueError, TypeError, KeyError, OverflowError):  # Another program's.
        return []


def categories_of(layer: QgsVectorLayer) -> List[QgsRendererCategory]:
    """Return the classes that polygons carry in their fields, to draw them with; empty where they carry none."""
    fields = [layer.fields().lookupField(name) for name in (CODE_FIELD, NAME_FIELD, COLOR_FIELD)]
    # Others may have fields of these names, with texts that would be read as expressions, or a value for each polygon.
    codes = layer.uniqueValues(fields[0], MOST_CLASSES + 1) if min(fields) >= 0 else set()
    if len(codes) > MOST_CLASSES or not all(_CODE.fullmatch(str(code)) for code in codes):
        return []
    made = []
    for code in sorted(codes):
        request = QgsFeatureRequest().setFilterExpression(f'"{CODE_FIELD}" = {code}').setLimit(1)
        request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
        for feature in layer.getFeatures(request):
            name, color = (feature.attribute(field) for field in fields[1:])
            # With an outline of the same colour: between two areas without one the background would shine through.
            drawn = {"color": str(color), "outline_color": str(color), "outline_width": "0.1"}
            made.append(QgsRendererCategory(code, QgsFillSymbol.createSimple(drawn), str(name)))
    return made


class ClassStyle(ResultLayer):
    """Draws a map, raster or polygons, with its own classes, and no others, when it arrives in the project.

    Any other vector layer gets the style that lies in its file or beside it, which Processing passes over.
    """

    def postProcessLayer(self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> None:
        super().postProcessLayer(layer, context, feedback)
        categories = categories_of(layer) if isinstance(layer, QgsVectorLayer) else []
        if categories:
            layer.setRenderer(QgsCategorizedSymbolRenderer(CODE_FIELD, categories))
            layer.triggerRepaint()
        elif isinstance(layer, QgsVectorLayer):
            layer.loadDefaultStyle()
        classes = classes_of(raster_path(layer)) if isinstance(layer, QgsRasterLayer) else []
        if classes:
            layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
            layer.triggerRepaint()


_STYLES: List[ClassStyle] = []
"""The post-processors in use. Some versions of QGIS keep a bare pointer to one, others delete it after the run."""


def class_style() -> ClassStyle:
    """Return a post-processor for one layer of one run."""
    _STYLES[:] = [style for style in _STYLES if not sip.isdeleted(style)]
    _STYLES.append(ClassStyle())
    return _STYLES[-1]
