"""The dock itself: a first page where something is missing, and the page to work on, made of panels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from qgis.core import Qgis, QgsProcessingException, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.gui import QgsDockWidget
from qgis.PyQt.QtCore import QEvent, QObject, Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from qgis_false.dock.first_page import FirstPage
from qgis_false.dock.keys import CanvasKeys
from qgis_false.dock.label_file import RASTER_PROPERTY, label_file_of, label_layer
from qgis_false.dock.labelling import Labelling
from qgis_false.dock.line import Line
from qgis_false.dock.panels.classes import ClassesPanel
from qgis_false.dock.panels.drawing import DrawingPanel
from qgis_false.dock.panels.encoder import EncoderPanel
from qgis_false.dock.panels.live_map import LiveMapPanel
from qgis_false.dock.panels.next_places import NextPlacePanel
from qgis_false.dock.panels.panel import box, row
from qgis_false.dock.panels.samples import SamplesPanel
from qgis_false.dock.panels.whole_maps import WholeMapsPanel
from qgis_false.dock.project_state import EncoderChoice, forget_work, remembered_work
from qgis_false.dock.rescue_file import LabelsElsewhere
from qgis_false.dock.session_process import session_command
from qgis_false.help import help_page
from qgis_false.layers.sources import raster_path
from qgis_false.translation import tr

FIRST_PAGE, WORK_PAGE = range(2)
SELECTING = "mActionSelect"
"""Beginning of the names of the actions of QGIS that select with the mouse."""


class LabelDock(QgsDockWidget):
    """*FALSE: label and map*.

    Attributes:
        work: The work on a raster, None where there is none.
        pages: The first page and the page to work on.

    Args:
        iface: The desktop application.
        run_algorithm: Opens the dialog of an algorithm.
        command: Command line that a session is started with.
    """

    def __init__(
        self,
        iface: Any,
        run_algorithm: Callable[[str], None],
        command: Callable[[], Sequence[str]] = session_command,
    ) -> None:
        super().__init__(tr("FALSE: label and map"), iface.mainWindow())
        self.setObjectName("false_label_dock")
        self._canvas, self._messages, self._command = iface.mapCanvas(), iface.messageBar(), command
        self.work: Optional[Labelling] = None
        self._keys: Optional[CanvasKeys] = None
        self.first_page = FirstPage(run_algorithm)
        self.first_page.begun.connect(self.start)
        self.encoder, self.classes, self.drawing = EncoderPanel(), ClassesPanel(), DrawingPanel(self._canvas)
        self.next_place, self.live_map = NextPlacePanel(self._canvas), LiveMapPanel()
        self.whole_maps, self.samples = WholeMapsPanel(), SamplesPanel(self._canvas, run_algorithm)
        # The drawing comes before the classes, which tell it what is drawn.
        self._panels = (
            self.encoder, self.drawing, self.classes, self.next_place, self.live_map, self.whole_maps, self.samples
        )  # fmt: skip
        for panel in self._panels:
            panel.said.connect(self._say)
        self.classes.chosen.connect(self.drawing.draw_as)
        self.classes.model_chosen.connect(self.encoder.take_model)
        self.whole_maps.encoder_made.connect(self.encoder.take_encoder)
        self.whole_maps.map_shown.connect(self.live_map.give_way)
        self.whole_maps.map_shown.connect(self.samples.hide_map)
        self.samples.filling_in.connect(self.live_map.hide_map)
        self.samples.grown.connect(lambda: area.ensureWidgetVisible(self.samples))
        self.pages = QStackedWidget()
        self.pages.addWidget(self.first_page)
        self.pages.addWidget(self._work_page())
        area = QScrollArea()
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidgetResizable(True)
        area.setWidget(self.pages)
        area.setMinimumWidth(self.pages.minimumSizeHint().width() + area.verticalScrollBar().sizeHint().width())
        self.setWidget(area)
        self._scrolls = PageScrolls(self)
        for kind in (QComboBox, QAbstractSpinBox, QSlider):
            for widget in self.pages.findChildren(kind):
                widget.installEventFilter(self._scrolls)
        self._canvas.currentLayerChanged.connect(self.first_page.propose)
        self.visibilityChanged.connect(self._on_visibility)
        self.closed.connect(self.stop)  # What is open again finds its work in the project.
        QgsProject.instance().readProject.connect(self._on_project)
        QgsProject.instance().cleared.connect(self.stop)
        self._show_page(FIRST_PAGE)
        self.first_page.show_what_is_missing()

    def _work_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        self._raster_line = Line()
        other = QToolButton()
        other.setText("…")
        other.setToolTip(tr("Label another raster"))
        other.clicked.connect(self._leave)
        about = QToolButton()
        about.setText("?")
        about.setToolTip(tr("Help"))
        about.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(help_page("label_and_map"))))
        layout.addLayout(row(self._raster_line, other, about))
        layout.addWidget(self.encoder)
        self.status = Line()
        self.status.setMinimumHeight(2 * self.status.fontMetrics().lineSpacing())  # So that nothing jumps below it.
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self.status)
        self.again = QPushButton(tr("Start again"))
        self.again.setToolTip(tr("Ends the session and begins another one. No label is lost."))
        self.again.clicked.connect(lambda: self.work and self.work.session.restart())
        self.again.hide()
        layout.addWidget(self.again)
        layout.addWidget(box(tr("Classes"), self.classes))
        layout.addWidget(box(tr("Draw"), self.drawing, self.next_place))
        layout.addWidget(box(tr("Live map"), self.live_map))
        layout.addWidget(box(tr("When you like what you see"), self.whole_maps, self.samples))
        layout.addStretch()
        return page

    def start(
        self,
        raster: Optional[QgsRasterLayer],
        labels: Optional[QgsVectorLayer] = None,
        encoder_choice: Optional[EncoderChoice] = None,
    ) -> None:
        """Label a raster. Its labels are looked for beside it, and made there where there are none."""
        self.stop()
        if raster is None:
            return
        try:
            labels = _labels_of(raster) if labels is None else labels
        except QgsProcessingException as error:
            self.first_page.say(str(error))
            return
        file = Path(labels.source().split("|")[0])
        shown = file.name if str(file.parent) == os.path.dirname(raster_path(raster)) else str(file)
        self._raster_line.setText(tr("{raster}, labels in {file}", raster=raster.name(), file=shown))
        self._raster_line.setToolTip(str(file))
        self.work = work = Labelling(self._canvas, raster, labels, encoder_choice or EncoderChoice(), self._command, self)
        work.said.connect(self._say)
        work.taken_up.connect(lambda told: self._messages.pushMessage("FALSE", told, Qgis.MessageLevel.Info, 0))
        work.waits_elsewhere.connect(self._offer_labels_elsewhere)
        work.closed.connect(self.stop)
        for panel in self._panels:
            panel.begin(work)
        self._keys = self._keys_of_canvas()
        work.begin()
        self._show_page(WORK_PAGE)

    def stop(self, *_: object) -> None:
        """End the session. The labels are in their file."""
        work, self.work = self.work, None
        if work is not None:
            for panel in self._panels:
                panel.end()
            if self._keys is not None:
                self._keys.remove()
            self._keys = None
            work.close()
            work.deleteLater()
        self._show_page(FIRST_PAGE)
        self.first_page.propose(self._canvas.currentLayer())
        self.first_page.show_what_is_missing()

    def shut(self) -> None:
        """End everything, as the plugin or QGIS ends."""
        self.stop()
        QgsProject.instance().readProject.disconnect(self._on_project)
        QgsProject.instance().cleared.disconnect(self.stop)
        self._canvas.currentLayerChanged.disconnect(self.first_page.propose)

    def _keys_of_canvas(self) -> CanvasKeys:
        """Return what the keys do: while sample points are filled in they are for these, else for drawing."""
        drawing, samples = self.drawing, self.samples
        return CanvasKeys(
            self._canvas,
            lambda: samples.queue is not None or drawing.is_drawing(),
            self._is_selecting,
            lambda number: samples.answer(number) if samples.queue is not None else self.classes.choose(number),
            {
                "complete": drawing.complete,
                "cancel": lambda: samples.leave() if samples.queue is not None else drawing.cancel(),
                "remove": lambda: samples.visit_previous() if samples.queue is not None else drawing.remove(),
                "undo": drawing.undo,
                "redo": drawing.redo,
                "next_place": lambda: samples.visit_next() if samples.queue is not None else self.next_place.visit_next(),
                "pass_over": samples.pass_over,
            },
            self,
        )

    def _is_selecting(self) -> bool:
        """Return whether labels are selected with a tool of QGIS, and are not edited there: then its keys do nothing."""
        tool, layer = self._canvas.mapTool(), self._canvas.currentLayer()
        is_ours = self.work is not None and layer is self.work.labels and not layer.isEditable()
        action = tool.action() if is_ours and tool is not None else None
        return action is not None and action.objectName().startswith(SELECTING)

    def _show_page(self, shown: int) -> None:
        """Show a page at its own height, whatever the other one needs."""
        usual, none = QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored
        for number in (FIRST_PAGE, WORK_PAGE):
            self.pages.widget(number).setSizePolicy(usual, usual if number == shown else none)
        self.pages.setCurrentIndex(shown)

    def _leave(self) -> None:
        forget_work()
        self.stop()

    def _on_visibility(self, visible: bool) -> None:
        if visible and self.work is None:
            self.first_page.propose(self._canvas.currentLayer())
            self._go_on()

    def _on_project(self, *_: object) -> None:
        self.stop()
        if self.isVisible():
            self._go_on()

    def _go_on(self) -> None:
        """Take up what the project remembers."""
        known = remembered_work() if self.first_page.show_what_is_missing() else None
        if known is not None:
            self.start(known.raster, known.labels, known.encoder_choice)

    def _offer_labels_elsewhere(self, waiting: LabelsElsewhere) -> None:
        """Say what waits in a file of another computer, with a button that takes it up."""
        text = tr(
            "{number} {number:label waits|labels wait} in {path} for a QGIS on the computer {host}. Take {number:it|them} "
            "up if that QGIS is gone.",
            number=waiting.number, path=waiting.path, host=waiting.host,
        )  # fmt: skip
        item = self._messages.createMessage("FALSE", text)
        button = QPushButton(tr("Take them up"))
        button.clicked.connect(lambda: self.work and self.work.take_up_rescued([waiting.path]))
        button.clicked.connect(lambda: self._messages.popWidget(item))
        item.layout().addWidget(button)
        self._messages.pushWidget(item, Qgis.MessageLevel.Warning, 0)

    def _say(self, text: str, attention: bool) -> None:
        if self.work is None:  # A run has ended for which nobody has waited here.
            level = Qgis.MessageLevel.Warning if attention else Qgis.MessageLevel.Success
            self._messages.pushMessage("FALSE", text, level, 0)
            return
        self.status.setText(text)
        self.status.setStyleSheet("color: #b00020;" if attention else "")
        self.again.setVisible(self.work is not None and self.work.session.needs_restart)


class PageScrolls(QObject):
    """Has the wheel scroll the page also where it turns over a widget whose value it would change unnoticed."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Leave the wheel to what is around the widget."""
        if event.type() != QEvent.Type.Wheel:
            return False
        event.ignore()
        return True


def _labels_of(raster: QgsRasterLayer) -> QgsVectorLayer:
    """Return the label layer of a raster, in the project. It is made where there is none."""
    path = label_file_of(raster)
    for one in QgsProject.instance().mapLayers().values():
        if isinstance(one, QgsVectorLayer) and Path(one.source().split("|")[0]) == path:
            return one
    layer = label_layer(path, raster.crs())
    layer.setCustomProperty(RASTER_PROPERTY, raster_path(raster))
    QgsProject.instance().addMapLayer(layer, False)
    QgsProject.instance().layerTreeRoot().insertLayer(0, layer)
    return layer
