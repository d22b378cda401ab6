"""Edits that wait while another program holds the label file. They are written, in their order, as soon as it lets go.

Until then their labels lie in a file of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, List, Optional

from qgis.core import QgsFeature, QgsProcessingException, QgsVectorLayer
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from qgis_false.dock.busy_file import FileIsBusy, check_not_busy
from qgis_false.dock.label_file import classes_of_labels
from qgis_false.dock.label_replacement import LabelReplacement
from qgis_false.dock.rescue_file import RescueFile
from qgis_false.translation import tr

TRY_AGAIN_MS = 1000


class WaitingEdits(QObject):
    """The edits of a label layer that are not in its file yet; each of them adds labels, and does nothing else.

    Attributes:
        edits: The edits, the oldest one first.
        problem: The problem that keeps them waiting, where it is another one than a file that is held; else empty.
        unsafe: The problem that keeps their labels out of a file of their own; else empty.

    Args:
        layer: The label layer.
        write: Writes an edit into the file, for which it waits for some milliseconds.
    """

    changed = pyqtSignal()
    """Others wait than before, or the file has let go."""

    def __init__(self, layer: QgsVectorLayer, write: Callable[[LabelReplacement, int], None], parent: QObject) -> None:
        super().__init__(parent)
        self.edits: List[LabelReplacement] = []
        self.problem = self.unsafe = ""
        self._layer, self._write = layer, write
        self._source = layer.source()  # Known also when the layer is gone.
        self._rescue = RescueFile(layer)
        self._classes = classes_of_labels(layer)
        self._try_again = QTimer(self)
        self._try_again.timeout.connect(self._write_all)

    def labels(self) -> List[QgsFeature]:
        """Return the labels that wait."""
        return [feature for exchange in self.edits for feature in exchange.after]

    @property
    def path(self) -> Optional[Path]:
        """The file in which they lie meanwhile, if there is one."""
        return self._rescue.path

    def append(self, exchange: LabelReplacement) -> None:
        """Have one more wait, which only adds labels."""
        self.edits.append(exchange)
        self._keep_them()

    def take_last(self) -> LabelReplacement:
        """Have the last one wait no more, and return it."""
        taken = self.edits.pop()
        self._keep_them()
        return taken

    def close(self) -> str:
        """Write what waits into the file, or leave it in another one where that does not take it. The layer may be gone.

        Returns:
            The words that a person has to read then, or nothing.

        Raises:
            QgsProcessingException: No file takes it.
        """
        self._try_again.stop()
        told = ""
        labels = self.labels()
        if labels:
            try:
                check_not_busy(self._source)
                LabelReplacement(QgsVectorLayer(self._source, "", "ogr"), [], labels).do()
                self._rescue.keep([], [])
            except QgsProcessingException as error:
                self._rescue.keep(labels, self._classes)
                told = tr(
                    "{number} {number:label is|labels are} not in {file}, but in {path}. {number:It is|They are} taken up "
                    "when this raster is labelled again. {reason}",
                    number=len(labels), file=Path(self._source.split("|")[0]).name, path=self._rescue.path, reason=error,
                )  # fmt: skip
            self._rescue.let_go()
            self.edits.clear()
            if not sip.isdeleted(self._layer):
                self._layer.triggerRepaint()
        return told

    def _write_all(self) -> None:
        try:
            while self.edits:
                self._write(self.edits[0], 0)
                del self.edits[0]
            problem = ""
        except QgsProcessingException as error:  # They wait on.
            problem = "" if isinstance(error, FileIsBusy) else str(error)
            if problem == self.problem:
                return
        self.problem = problem
        self._keep_them()

    def _keep_them(self) -> None:
        self._classes = classes_of_labels(self._layer) or self._classes
        try:
            self._rescue.keep(self.labels(), self._classes)
            self.unsafe = ""
        except QgsProcessingException as error:
            self.unsafe = str(error)
        if not self.edits:
            self._try_again.stop()
        elif not self._try_again.isActive():
            self._try_again.start(TRY_AGAIN_MS)
        self.changed.emit()
