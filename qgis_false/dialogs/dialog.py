"""The dialog of every algorithm of ours: that of Processing, which also offers to mend what keeps it from running."""

from __future__ import annotations

from typing import Any, Optional

from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import QgsProcessingAlgorithm
from qgis.PyQt.QtWidgets import QWidget

from qgis_false.dialogs.environment import offer_in_bar, offer_in_box


class FalseDialog(AlgorithmDialog):  # type: ignore[misc]
    """Opens also where there is no compute environment yet, and has the buttons that lead to one."""

    def __init__(self, algorithm: QgsProcessingAlgorithm, parent: Optional[QWidget] = None) -> None:
        super().__init__(algorithm, False, parent)
        missing = algorithm.what_is_missing()
        if missing:
            for button in offer_in_bar(self.messageBar(), missing):
                button.clicked.connect(self._look_again)

    def runAlgorithm(self) -> None:
        missing = self.algorithm().what_is_missing()
        if missing:
            offer_in_box(self, missing)
            self._look_again()
            return
        super().runAlgorithm()

    def _look_again(self, *_: Any) -> None:
        """Take the message away once it is no longer true."""
        if not self.algorithm().what_is_missing():
            self.messageBar().clearWidgets()
