"""The colour in which a symbol shows a feature."""

from __future__ import annotations

from typing import Iterator, Optional, Tuple

from qgis.core import (
    QgsExpressionContext,
    QgsLineSymbolLayer,
    QgsSimpleFillSymbolLayer,
    QgsSimpleMarkerSymbolLayer,
    QgsSymbol,
    QgsSymbolLayer,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor


def colour_of(symbol: QgsSymbol, context: QgsExpressionContext) -> Optional[str]:
    """Return the colour that one sees of a symbol, ``#rrggbb``, or None where one sees nothing.

    That is the uppermost fill. Where there is none, as in hollow polygons, it is the uppermost outline.

    Args:
        context: Expression context with the feature, from which a symbol may take its colours.
    """
    if symbol.opacity() == 0:
        return None
    pairs = list(_fills_and_outlines(symbol, context))
    for colours in zip(*pairs):
        seen = [colour for colour in colours if colour is not None and colour.alpha() > 0]
        if seen:
            return str(seen[0].name())
    return None


def _fills_and_outlines(
    symbol: QgsSymbol, context: QgsExpressionContext
) -> Iterator[Tuple[Optional[QColor], Optional[QColor]]]:
    """Give the colours of the fill and the outline of each layer of a symbol, the uppermost first."""
    for layer in reversed(symbol.symbolLayers()):
        if not layer.enabled():
            continue
        if isinstance(layer, QgsSimpleFillSymbolLayer):
            fill = (
                None if layer.brushStyle() == Qt.BrushStyle.NoBrush else _now(layer, "fillColor", layer.fillColor(), context)
            )
            yield fill, _outline(layer, context)
        elif isinstance(layer, QgsSimpleMarkerSymbolLayer):
            filled = QgsSimpleMarkerSymbolLayer.shapeIsFilled(layer.shape())
            yield (_now(layer, "fillColor", layer.fillColor(), context) if filled else None), _outline(layer, context)
        elif layer.subSymbol() is not None:
            yield from _fills_and_outlines(layer.subSymbol(), context)
        elif isinstance(layer, QgsLineSymbolLayer):
            yield None, _now(layer, "outlineColor", layer.color(), context)
        else:
            yield _now(layer, "fillColor", layer.color(), context), None


def _outline(layer: QgsSymbolLayer, context: QgsExpressionContext) -> Optional[QColor]:
    if layer.strokeStyle() == Qt.PenStyle.NoPen:
        return None
    return _now(layer, "outlineColor", layer.strokeColor(), context)


def _now(layer: QgsSymbolLayer, name: str, fixed: QColor, context: QgsExpressionContext) -> QColor:
    """Return a colour of a symbol layer: the one that the data define, or else the ``fixed`` one."""
    keys = [key for key, definition in QgsSymbolLayer.propertyDefinitions().items() if definition.name() == name]
    if not keys or not layer.dataDefinedProperties().isActive(keys[0]):
        return fixed
    return layer.dataDefinedProperties().valueAsColor(keys[0], context, fixed)[0]
