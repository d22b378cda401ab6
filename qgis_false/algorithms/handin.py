"""``false:handin``: put all that belongs to a map into one folder, with a page to print."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsRasterLayer,
)

from false_core import jobs
from qgis_false import settings
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm, Values
from qgis_false.layers import class_styles, sources
from qgis_false.translation import tr, with_decimal_sign

MAP_FILE, LAYOUT_FILE = "map.tif", "layout.pdf"
"""Names in the folder."""


class HandIn(JobAlgorithm):
    """The library fills the folder; the page to print is made here, where there is a QGIS."""

    JOB = jobs.HandIn
    TITLE = "Hand in a map"
    GROUP = groups.CHECK
    CARRIES_CLASSES = True
    TAGS = ("layout", "print", "PDF", "deliver", "report", "legend", "method", "area")

    def __init__(self) -> None:
        super().__init__()
        self._made: Dict[str, Any] = {}
        self._title = ""

    def carry_out(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Values:
        self._made = super().carry_out(parameters, context, feedback)
        layer = sources.layer_of(parameters.get("MAP"), context)
        self._title = self.parameterAsString(parameters, "TITLE", context) or (layer.name() if layer is not None else "")
        return self._made

    def postProcessAlgorithm(self, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Values:
        """Make the page. In the main thread, as a layout is a scene of Qt."""
        from qgis_false.layers.layout import write_layout  # Not needed when QGIS starts.

        if "OUTPUT" not in self._made or "ACCURACY" not in self._made:
            return {}  # Only exported.
        folder = Path(self._made["OUTPUT"])
        with sources.as_it_is(str(folder / MAP_FILE)):
            layer = QgsRasterLayer(str(folder / MAP_FILE), self._title or tr("Map"))
        class_styles.ClassStyle().postProcessLayer(layer, context, feedback)
        accuracy = str(self._made["ACCURACY"])
        words = tr("unknown") if accuracy == "unknown" else with_decimal_sign(accuracy)
        author = settings.for_the_library().get(settings.AUTHOR.variable, "")
        try:
            write_layout(layer, self._title or tr("Map"), author, words, folder / LAYOUT_FILE)
        except QgsProcessingException as error:
            feedback.pushWarning(str(error))  # All the rest is there.
        return {}
