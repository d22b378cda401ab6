"""An algorithm as a task of QGIS, beside which one goes on labelling."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProject,
)
from qgis.PyQt.QtCore import QObject, pyqtSignal


class BackgroundRun(QObject):
    """One run of an algorithm of FALSE. QGIS shows it among its tasks, where it can be cancelled too.

    Args:
        name: Name of the algorithm.
        values: Values of its parameters.
        only_estimates: True where it is only to say what it costs.
    """

    progressed = pyqtSignal(float)
    """The progress of the run, in percent."""
    ended = pyqtSignal(bool, dict, str)
    """The success of the run, its results, and what it said."""

    def __init__(
        self, name: str, values: Dict[str, Any], parent: Optional[QObject] = None, only_estimates: bool = False
    ) -> None:
        super().__init__(parent)
        self.name, self.values, self.only_estimates = name, values, only_estimates
        self._algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"false:{name}")
        self._algorithm.only_estimates = only_estimates  # The task takes a copy of it, which does as this one.
        self._context = QgsProcessingContext()
        self._context.setProject(QgsProject.instance())
        self._feedback = QgsProcessingFeedback()
        self._task = QgsProcessingAlgRunnerTask(self._algorithm, values, self._context, self._feedback)
        self._task.progressChanged.connect(self.progressed)
        self._task.executed.connect(self._on_end)
        self.is_cancelled = False

    def can_be_estimated(self) -> bool:
        """Return whether it can say what it costs before it is done."""
        return bool(self._algorithm.can_be_estimated())

    def inputs(self) -> Dict[str, str]:
        """Return what the layers and files are called that the run is made of, by the labels of its parameters."""
        found = {}
        for definition in self._algorithm.parameterDefinitions():
            value = self.values.get(definition.name())
            if isinstance(value, QgsProcessingFeatureSourceDefinition):
                value = value.source.staticValue()
            if isinstance(value, str) and not definition.isDestination():
                layer = QgsProject.instance().mapLayer(value)
                found[definition.description()] = layer.name() if layer is not None else os.path.basename(value)
        return found

    def start(self) -> None:
        """Begin. A run that cannot be prepared ends at once."""
        QgsApplication.taskManager().addTask(self._task)

    def cancel(self) -> None:
        """End it before it is done."""
        self.is_cancelled = True
        self._feedback.cancel()

    def _on_end(self, successful: bool, results: Dict[str, Any]) -> None:
        self.ended.emit(successful, results, self._feedback.textLog().strip())
