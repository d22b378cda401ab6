"""The style of the confidence of a map: half-transparent over the map, and the darker the less sure the model is.

The scale is 0 to 100 % for every map, so that two maps can be compared.
"""

from __future__ import annotations

from typing import List

from qgis.core import (
    QgsColorRampShader,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsRasterShader,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtGui import QColor

from qgis_false.layers.result_metadata import ResultLayer

OPACITY_STEPS = ((0, 235), (25, 215), (50, 170), (75, 90), (100, 0))
"""Confidence in percent, and how opaque the layer is there."""
OVERLAY_COLOUR = (59, 15, 112)


class ConfidenceStyle(ResultLayer):
    """Draws a confidence layer when it arrives in the project, and puts it over the map."""

    def postProcessLayer(self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> None:
        super().postProcessLayer(layer, context, feedback)
        if not isinstance(layer, QgsRasterLayer):
            return
        draw_as_overlay(layer)
        name = layer.id()
        QTimer.singleShot(0, lambda: to_top(name))  # When all layers of the run have arrived.


def draw_as_overlay(layer: QgsRasterLayer) -> None:
    """Draw a layer of confidence as one that lies half-transparent over the map."""
    ramp = QgsColorRampShader(0, 100, None, QgsColorRampShader.Type.Interpolated)
    items = [QgsColorRampShader.ColorRampItem(at, QColor(*OVERLAY_COLOUR, alpha), f"{at} %") for at, alpha in OPACITY_STEPS]
    ramp.setColorRampItemList(items)
    shader = QgsRasterShader(100)
    shader.setRasterShaderFunction(ramp)
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1, shader)
    renderer.setClassificationMin(0)
    renderer.setClassificationMax(100)
    layer.setRenderer(renderer)
    layer.triggerRepaint()


def to_top(layer_id: str) -> None:
    """Put a layer over all others of its group."""
    node = QgsProject.instance().layerTreeRoot().findLayer(layer_id)
    if node is not None and node.parent().children()[0] is not node:
        group = node.parent()
        group.insertChildNode(0, node.clone())
        group.removeChildNode(node)


_STYLES: List[ConfidenceStyle] = []
"""Styles that stay alive, as in ``layers``: QGIS keeps a bare pointer to a post-processor, or deletes it after the run."""


def confidence_style() -> ConfidenceStyle:
    """Return a post-processor for one layer of one run."""
    _STYLES[:] = [style for style in _STYLES if not sip.isdeleted(style)]
    _STYLES.append(ConfidenceStyle())
    return _STYLES[-1]
