"""The dialog of every algorithm of ours: that of Processing, which also offers to mend what keeps it from running."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Optional

from processing.gui.AlgorithmDialog import AlgorithmDialog
from processing.gui.AlgorithmDialogBase import AlgorithmDialogBase
from processing.tools.dataobjects import createContext
from qgis.core import (
    Qgis,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputHtml,
)
from qgis.PyQt.QtWidgets import QDialogButtonBox, QFileDialog, QMessageBox, QPushButton, QWidget

from qgis_false.dialogs.cancelled_run import CancelledRunFeedback
from qgis_false.dialogs.environment import OPTIONS, offer_in_bar, offer_in_box
from qgis_false.dialogs.panel import FalsePanel
from qgis_false.dialogs.trial import MOST_TRIAL_PX, TRIAL_STEPS
from qgis_false.tasks import EXPORT_PARAMETER
from qgis_false.translation import tr


class FalseDialog(AlgorithmDialog):  # type: ignore[misc]
    """Opens also where there is no compute environment yet, and has the buttons that lead to one."""

    def __init__(self, algorithm: QgsProcessingAlgorithm, parent: Optional[QWidget] = None) -> None:
        super().__init__(algorithm, False, parent)
        self._is_estimating = False
        self._buttons_beside_run: List[QPushButton] = []
        if algorithm.can_be_estimated():
            tip = tr("Find out how long this takes, and how much memory and disk, without doing it. It takes some seconds.")
            self._buttons_beside_run.append(self._add_button(tr("Estimate"), tip, self._estimate))
        if algorithm.can_be_tried():
            tip = tr(
                "Does it on the part of the raster that the map shows, in about a minute: at most {pixels} pixels "
                "across, and {steps} steps of a training. Its results are temporary; what is entered here stays.",
                pixels=MOST_TRIAL_PX,
                steps=TRIAL_STEPS,
            )
            self._buttons_beside_run.append(self._add_button(tr("Try it small"), tip, self._try_small))
        missing = algorithm.what_is_missing()
        if missing:
            for button in offer_in_bar(self.messageBar(), missing):
                button.clicked.connect(self._look_again)
        if EXPORT_PARAMETER in self.mainWidget().wrappers:
            tip = self.algorithm().parameterDefinition(EXPORT_PARAMETER).help()
            self._add_button(tr("Export the job..."), tip, self._export)

    def _add_button(self, text: str, tip: str, do: Callable[..., None]) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(do)
        hidden = [one for one in self.buttonBox().buttons() if one.isHidden()]
        # With this role it stands on the left, as that for a batch does.
        self.buttonBox().addButton(button, QDialogButtonBox.ButtonRole.ResetRole)
        for one in hidden:  # Qt shows all buttons when one is added, such as that which leads back from the log.
            one.hide()
        return button

    def getParametersPanel(self, algorithm: QgsProcessingAlgorithm, parent: QWidget) -> FalsePanel:
        return FalsePanel(parent, algorithm)

    def runAlgorithm(self) -> None:
        self._is_estimating = False  # One that was refused leaves it behind.
        if not self._can_compute():
            return
        self._run()

    def _run(self) -> None:
        self.mainWidget().propose_destinations()  # A name that was free when the dialog was opened may be taken by now.
        if self._is_meant():
            super().runAlgorithm()

    def _can_compute(self) -> bool:
        """Return whether all is there to compute with. Where it is not, the user is offered to mend that."""
        missing = self.algorithm().what_is_missing()
        if missing:
            offer_in_box(self, missing)
            self._look_again()
        return not missing

    def _estimate(self, *_: Any) -> None:
        """Run the algorithm as one that says what its job costs. The run takes a copy of it when it starts."""
        if not self._can_compute():
            return
        self._is_estimating = self.algorithm().only_estimates = True
        try:
            super().runAlgorithm()
        finally:
            self.algorithm().only_estimates = False

    def _try_small(self, *_: Any) -> None:
        """Run the algorithm on a part of the raster. The run takes a copy of it when it starts."""
        self._is_estimating = False
        panel = self.mainWidget()
        if not panel.can_be_tried():
            self.messageBar().clearWidgets()
            said = tr("A part can be tried where a raster of this computer or a layer comes first, and without stages.")
            self.messageBar().pushMessage("", said, level=Qgis.MessageLevel.Warning, duration=10)
            return
        if not self._can_compute() or not self._is_meant():
            return
        self.algorithm().is_trial = panel.is_trial = True
        try:
            super().runAlgorithm()
        finally:
            self.algorithm().is_trial = panel.is_trial = False

    def blockAdditionalControlsWhileRunning(self) -> None:
        super().blockAdditionalControlsWhileRunning()
        for button in self._buttons_beside_run:
            button.setEnabled(False)

    def resetAdditionalGui(self) -> None:
        super().resetAdditionalGui()
        for button in self._buttons_beside_run:
            button.setEnabled(True)

    def createFeedback(self) -> QgsProcessingFeedback:
        self._inner_feedback = super().createFeedback()
        return CancelledRunFeedback(self._inner_feedback)

    def finish(
        self, successful: bool, results: Dict[str, Any], context: QgsProcessingContext, feedback: Any, **named: Any
    ) -> None:
        errors = [one for one in getattr(feedback, "errors", ()) if OPTIONS in one]  # QGIS ends them with one of its own.
        if errors and not successful:
            self.messageBar().clearWidgets()
            offer_in_bar(self.messageBar(), errors[-1], tr("This did not end well"))
        if self._is_estimating:
            self._is_estimating = False
            self.resetGui()  # There are no results, and the dialog stays for the run itself.
            return
        if not successful:  # Processing would say that the algorithm has finished, and has made reports.
            self.setExecuted(True)
            self.setResults(results)
            self.algorithmFinished.emit(False, results)
            self.resetGui()
            return
        self._name_reports()
        super().finish(successful, results, context, feedback, **named)
        self.mainWidget().propose_destinations()

    def _export(self) -> None:
        """Ask for a file, and write the job to it instead of running it."""
        pattern = tr("{kind} files (*.{extension})", kind="JSON", extension="json")
        path, _ = QFileDialog.getSaveFileName(self, tr("Export the job"), "", pattern)
        if path:
            panel = self.mainWidget()
            panel.wrappers[EXPORT_PARAMETER].setParameterValue(path, panel.processing_context)
            self._run()  # Whether or not anything can be computed here.
            panel.wrappers[EXPORT_PARAMETER].setParameterValue(None, panel.processing_context)

    def _name_reports(self) -> None:
        """Have the Results Viewer call a report after what it is of."""
        reports = [one for one in self.algorithm().outputDefinitions() if isinstance(one, QgsProcessingOutputHtml)]
        title = re.sub(r"^\d+\. ", "", self.algorithm().displayName())
        for report in reports:
            parts = (title, *([report.description()] if len(reports) > 1 else []))
            report.setDescription(": ".join(filter(None, (", ".join(parts), self.mainWidget().subject()))))

    def _is_meant(self) -> bool:
        """Ask where something is probably not meant."""
        try:
            parameters = self.createProcessingParameters()
        except (AlgorithmDialogBase.InvalidParameterValue, AlgorithmDialogBase.InvalidOutputExtension):
            return True  # The run says what is wrong.
        warnings = self.algorithm().warnings(parameters, createContext())
        if not warnings:
            return True
        question = "\n\n".join([*warnings, tr("Go on all the same?")])
        buttons = QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No
        answer = QMessageBox.question(self, tr("Is this meant?"), question, buttons, QMessageBox.StandardButton.No)
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _look_again(self, *_: Any) -> None:
        """Take the message away once it is no longer true."""
        if not self.algorithm().what_is_missing():
            self.messageBar().clearWidgets()
