"""The dock itself: a first page where something is missing, and the page to work on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from qgis.core import (
    QgsGeometry,
    QgsMapLayerProxyModel,
    QgsPalettedRasterRenderer,
    QgsProcessingException,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsDockWidget, QgsMapLayerComboBox
from qgis.PyQt.QtCore import Qt, QUrl
from qgis.PyQt.QtGui import QColor, QDesktopServices
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QColorDialog,
    QComboBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QInputDialog,
    QLabel,
    QMenu,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSlider,
    QSpinBox,
    QStackedWidget,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from false_core.session_protocol import NO_CLASS, SHOW_CHANGE, SHOW_CLASSES, SHOW_CONFIDENCE, Outlined, Place
from qgis_false.dialogs.destinations import proposed
from qgis_false.dock.background_run import BackgroundRun
from qgis_false.dock.class_list import COLOUR, NAME, ClassList
from qgis_false.dock.class_sources import classes_in_text, classes_of_style, labels_of, layers_with_classes
from qgis_false.dock.drawing import DEFAULT_STROKE_PX, LabelTool, OutlineTool, PointTool, PolygonTool, StrokeTool
from qgis_false.dock.finished_maps import assessed_by, compared_with, corrected_by, map_layers
from qgis_false.dock.keys import CanvasKeys
from qgis_false.dock.label_file import beside, label_layer
from qgis_false.dock.labelling import Labelling
from qgis_false.dock.live_map import CHANGED_COLOUR, CONFIDENCE_COLOURS
from qgis_false.dock.places import PlaceQueue
from qgis_false.dock.project_state import Looks, forget_work, remembered_work
from qgis_false.dock.sample_queue import SampleQueue, point_layers
from qgis_false.dock.session_process import session_command
from qgis_false.environment.interpreters import NoEnvironment, find_interpreter
from qgis_false.help import help_page
from qgis_false.layers import as_it_is, classes_of, raster_path
from qgis_false.made_files import ENCODER, SEGMENTER, remember
from qgis_false.result_metadata import metadata
from qgis_false.result_names import name_of_layer
from qgis_false.translation import tr

TABLE_PX, COLUMN_PX = 120, 20
FEWEST_POINTS = 2
"""Sample points that are filled in, from which on it is said how good the map is."""
ENCODER_GENERAL, ENCODER_FILE, MODEL_FILE = range(3)


class LabelDock(QgsDockWidget):
    """*FALSE: label and map*.

    Args:
        iface: The desktop application.
        run_algorithm: Opens the dialog of an algorithm.
        command: What a session is started with.
    """

    def __init__(
        self,
        iface: Any,
        run_algorithm: Callable[[str], None],
        command: Callable[[], Sequence[str]] = session_command,
    ) -> None:
        super().__init__(tr("FALSE: label and map"), iface.mainWindow())
        self.setObjectName("false_label_dock")
        self._iface, self._run_algorithm, self._command = iface, run_algorithm, command
        self._canvas = iface.mapCanvas()
        self.work: Optional[Labelling] = None
        self.places: Optional[PlaceQueue] = None
        self._keys: Optional[CanvasKeys] = None
        self._tools: Dict[str, LabelTool] = {}
        self._code = 0
        self._run: Optional[BackgroundRun] = None
        self._estimate: Optional[BackgroundRun] = None
        self._estimated_map: Optional[QgsRasterLayer] = None
        self.samples: Optional[SampleQueue] = None
        self._pages = QStackedWidget()
        self._pages.addWidget(self._first_page())
        self._pages.addWidget(self._work_page())
        area = QScrollArea()
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidgetResizable(True)
        area.setWidget(self._pages)
        area.setMinimumWidth(self._pages.minimumSizeHint().width() + area.verticalScrollBar().sizeHint().width())
        self.setWidget(area)
        self.visibilityChanged.connect(self._on_visibility)
        self.closed.connect(self.stop)  # What is open again finds its work in the project.
        QgsProject.instance().readProject.connect(self._on_project)
        QgsProject.instance().cleared.connect(self.stop)
        self._show_what_is_missing()

    # --- Pages ----------------------------------------------------------------------------------------------------------

    def _first_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        self.missing = QLabel()
        self.missing.setWordWrap(True)
        layout.addWidget(self.missing)
        self.set_up = QPushButton(tr("Set up..."))
        self.set_up.clicked.connect(lambda: self._after(lambda: self._run_algorithm("setupenvironment")))
        layout.addWidget(self.set_up)
        self._first_raster = _raster_box()
        self._first_raster.layerChanged.connect(lambda _: self._show_what_is_missing())
        layout.addWidget(self._first_raster)
        self.begin = QPushButton(tr("Label this raster"))
        self.begin.clicked.connect(lambda: self.start(self._first_raster.currentLayer()))
        layout.addWidget(self.begin)
        self.example = QPushButton(tr("Try it with example data..."))
        self.example.clicked.connect(lambda: self._after(lambda: self._run_algorithm("exampledata")))
        layout.addWidget(self.example)
        layout.addStretch()
        return page

    def _after(self, do: Callable[[], None]) -> None:
        do()
        self._show_what_is_missing()

    def _work_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        self.raster_line = QLabel()
        self.raster_line.setWordWrap(True)
        other = QToolButton()
        other.setText("…")
        other.setToolTip(tr("Label another raster"))
        other.clicked.connect(self._leave)
        about = QToolButton()
        about.setText("?")
        about.setToolTip(tr("Help"))
        about.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(help_page("label_and_map"))))
        layout.addLayout(_row(self.raster_line, other, about))
        self.looks = QComboBox()
        self.looks.addItems([tr("General encoder"), tr("Encoder file..."), tr("Model file...")])
        self.looks.setToolTip(tr("What looks at the raster: the general encoder alone, with one of your own, or a model."))
        self.looks.activated.connect(self._choose_looks)
        layout.addLayout(_row(QLabel(tr("Encoder")), self.looks))
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setMinimumHeight(2 * self.status.fontMetrics().lineSpacing())  # So that nothing jumps below it.
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self.status)
        self.again = QPushButton(tr("Start again"))
        self.again.setToolTip(tr("Ends the session and begins another one. No label is lost."))
        self.again.clicked.connect(lambda: self.work and self.work.restart())
        self.again.hide()
        layout.addWidget(self.again)
        layout.addWidget(self._class_box())
        layout.addWidget(self._tool_box())
        layout.addWidget(self._map_box())
        layout.addWidget(self._run_box())
        layout.addStretch()
        return page

    def _class_box(self) -> QGroupBox:
        box = QGroupBox(tr("Classes"))
        layout = QVBoxLayout(box)
        self.class_list = ClassList(self)
        self.class_list.edited.connect(lambda classes: self.work and self.work.set_classes(classes))
        self.table = QTableView()
        self.table.setModel(self.class_list)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(22)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMinimumSectionSize(COLUMN_PX)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)  # Of a narrow dock a name is cut, no number.
        self.table.setMinimumHeight(TABLE_PX)
        self.table.setMaximumHeight(2 * TABLE_PX)
        self.table.selectionModel().currentRowChanged.connect(lambda now, _: self._choose_row(now.row()))
        self.table.doubleClicked.connect(self._edit_colour)
        layout.addWidget(self.table)
        add, remove, more = QPushButton(tr("Add...")), QPushButton(tr("Remove...")), QToolButton()
        add.clicked.connect(self._add_class)
        remove.setToolTip(tr("Takes the class away. Its labels become labels of another one, or go too."))
        remove.clicked.connect(self._remove_class)
        layout.addLayout(_row(add, remove, more))
        menu = QMenu(more)
        self._fill_import_menu(menu)
        more.setText(tr("From..."))
        more.setToolTip(tr("Takes the classes from a layer, a text file or a model."))
        more.setMenu(menu)
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        return box

    def _fill_import_menu(self, menu: QMenu) -> None:
        menu.addAction(tr("A layer of the project..."), self._take_classes_of_layer)
        menu.addAction(tr("A text file..."), self._take_classes_of_text)
        menu.addAction(tr("A model file..."), self._take_classes_of_model).setObjectName("classes_of_model")

    def _take_classes_of_layer(self) -> None:
        work = self.work
        if work is None:
            return
        layers = [one for one in layers_with_classes() if one.id() != work.labels.id()]
        if not layers:
            self._say(tr("No layer of the project is styled by the categories of a field."), True)
            return
        names = [f"{number}. {one.name()}" for number, one in enumerate(layers, 1)]
        name, entered = QInputDialog.getItem(self, tr("Classes of a layer"), tr("Layer"), names, 0, False)
        if not entered:
            return
        layer = layers[names.index(name)]
        asked = tr("Take its {number} shapes as labels too?", number=layer.featureCount())
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(self, tr("Classes of a layer"), asked, buttons.Yes | buttons.No)
        self._try(lambda: self.take_classes(layer, answer == buttons.Yes))

    def take_classes(self, layer: QgsVectorLayer, with_labels: bool) -> None:
        """Take the classes of the style of a layer, and its shapes as labels if wanted."""
        if self.work is not None:
            classes, codes = classes_of_style(layer, self.work.classes)
            self.work.set_classes(classes)
            if with_labels:
                self.work.edits.add(labels_of(layer, codes, self.work.labels))

    def _take_classes_of_text(self) -> None:
        work = self.work
        path, _ = QFileDialog.getOpenFileName(self, tr("Classes of a text file"), "", "*.txt *.csv *.tsv")
        if path and work is not None:
            self._try(lambda: work.set_classes(classes_in_text(path, work.classes)))

    def _take_classes_of_model(self) -> None:
        if self.work is not None:
            path = self._ask_for_file(tr("Model file"))
            if path:
                self.looks.setCurrentIndex(MODEL_FILE)
                self.work.reopen(Looks(model=path), adopt_classes=True)

    def _ask_for_file(self, title: str) -> str:
        folder = str(beside(self.work.raster, "").parent) if self.work is not None else ""
        return str(QFileDialog.getOpenFileName(self, title, folder, "*.safetensors")[0])

    def _tool_box(self) -> QGroupBox:
        box = QGroupBox(tr("Draw"))
        layout = QVBoxLayout(box)
        self.tool_buttons: Dict[str, QToolButton] = {}
        shown = (
            ("polygon", tr("Polygon"), tr("Click each corner. Enter or a right click completes the polygon.")),
            ("stroke", tr("Stroke"), tr("Hold the button and draw as with a brush.")),
            ("point", tr("Point"), tr("Click: one pixel becomes a label.")),
            ("outline", tr("Outline"), tr("Click: what is like it is outlined. The wheel says how far. Enter accepts it.")),
        )
        buttons: List[QWidget] = []
        for name, text, tip in shown:
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.clicked.connect(lambda _, name=name: self.use_tool(name))
            self.tool_buttons[name] = button
            buttons.append(button)
        layout.addLayout(_row(*buttons))
        self.stroke_width = QSpinBox()
        self.stroke_width.setRange(2, 200)
        self.stroke_width.setValue(DEFAULT_STROKE_PX)
        self.stroke_width.setSuffix(" px")
        self.stroke_width.setToolTip(tr("Pixels on the screen."))
        self.stroke_width.valueChanged.connect(self._set_stroke_width)
        layout.addLayout(_row(QLabel(tr("Width of a stroke")), self.stroke_width))
        self.undo, self.redo = QPushButton(tr("Undo")), QPushButton(tr("Redo"))
        self.undo.setToolTip("Ctrl+Z")
        self.redo.setToolTip("Ctrl+Y")
        self.undo.clicked.connect(self._undo)
        self.redo.clicked.connect(self._redo)
        layout.addLayout(_row(self.undo, self.redo))
        self.next_place = QPushButton(tr("Next place"))
        self.next_place.setToolTip(tr("Zooms to where a label would teach most. Key N."))
        self.next_place.clicked.connect(self.go_to_next_place)
        self.place_line = QLabel()
        self.place_line.setWordWrap(True)
        layout.addWidget(self.next_place)
        layout.addWidget(self.place_line)
        return box

    def _map_box(self) -> QGroupBox:
        box = QGroupBox(tr("Live map"))
        layout = QVBoxLayout(box)
        self.visible = QCheckBox(tr("Show"))
        self.visible.setChecked(True)
        self.visible.toggled.connect(lambda on: self.work and self.work.live.set_visible(on))
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(60)
        self.opacity.setToolTip(tr("Opacity"))
        self.opacity.valueChanged.connect(lambda value: self.work and self.work.live.set_opacity(value / 100))
        layout.addLayout(_row(self.visible, self.opacity))
        self.shows = QComboBox()
        for text, what in (
            (tr("Classes"), SHOW_CLASSES), (tr("Confidence"), SHOW_CONFIDENCE), (tr("What changed last"), SHOW_CHANGE)
        ):  # fmt: skip
            self.shows.addItem(text, what)
        self.shows.currentIndexChanged.connect(lambda _: self.work and self.work.show_as(self.shows.currentData()))
        layout.addWidget(self.shows)
        self.colour_key = QLabel()
        layout.addWidget(self.colour_key)
        self.shows.currentIndexChanged.connect(self._show_colour_key)
        return box

    def _show_colour_key(self, *_: object) -> None:
        """Say what colours mean that the list of classes does not explain."""
        colours: List[Tuple[str, str]] = []
        if self.shows.currentData() == SHOW_CONFIDENCE:
            colours = [(f"{percent} %", colour) for percent, colour in CONFIDENCE_COLOURS]
        elif self.shows.currentData() == SHOW_CHANGE:
            colours = [(tr("another class than before"), CHANGED_COLOUR)]
        shown = [f'<font color="{colour}">&#9632;</font> {text}' for text, colour in colours]
        self.colour_key.setText("&nbsp; ".join(shown))

    def _run_box(self) -> QGroupBox:
        box = QGroupBox(tr("When you like what you see"))
        layout = QVBoxLayout(box)
        self.make_map, self.improve = QPushButton(tr("Make the map")), QPushButton(tr("Improve it"))
        self.make_map.setToolTip(tr("Saves the model beside the raster, and maps the whole raster with it."))
        self.make_map.clicked.connect(self._save_model)
        self.improve.setToolTip(
            tr("Pretrains an encoder on this raster in the background, minutes to hours long, and goes on with it then.")
        )
        self.improve.clicked.connect(self._improve)
        layout.addLayout(_row(self.make_map, self.improve))
        self.finished = QToolButton()
        self.finished.setText(tr("A finished map..."))
        self.finished.setToolTip(tr("Corrects a map of the project by labels, or compares it with another one."))
        self.finished.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.finished)
        menu.addAction(tr("Overwrite it by the labels..."), self._correct)
        menu.addAction(tr("Compare it with another one..."), self._compare)
        self.finished.setMenu(menu)
        layout.addWidget(self.finished)
        self.check = QPushButton(tr("Fill in sample points..."))
        self.check.setToolTip(
            tr("Goes from one sample point to the next: 1 to 9 say its class, 0 that nobody can tell, Del goes back.")
        )
        self.check.clicked.connect(self._choose_samples)
        self.sample_line, self.estimate_line = QLabel(), QLabel()
        layout.addWidget(self.check)
        for line in (self.sample_line, self.estimate_line):
            line.setWordWrap(True)
            layout.addWidget(line)
        self.progress = QProgressBar()
        self.progress.hide()
        self.cancel = QPushButton(tr("Cancel"))
        self.cancel.clicked.connect(lambda: self._run and self._run.cancel())
        self.cancel.hide()
        layout.addLayout(_row(self.progress, self.cancel))
        return box

    # --- Beginning and ending -------------------------------------------------------------------------------------------

    def start(
        self, raster: Optional[QgsRasterLayer], labels: Optional[QgsVectorLayer] = None, looks: Optional[Looks] = None
    ) -> None:
        """Label a raster. Its labels are looked for beside it, and made there where there are none."""
        self.stop()
        if raster is None:
            return
        try:
            if labels is None:
                labels = self._labels_of(raster)
        except QgsProcessingException as error:
            self.missing.setText(str(error))
            return
        looks = looks or Looks()
        self.work = work = Labelling(self._canvas, raster, labels, looks, self._command, self)
        file = Path(labels.source().split("|")[0])
        is_beside = str(file.parent) == os.path.dirname(raster_path(raster))
        shown = file.name if is_beside else str(file)
        self.raster_line.setText(tr("{raster}, labels in {file}", raster=raster.name(), file=shown))
        self.raster_line.setToolTip(str(file))
        self.looks.setCurrentIndex(MODEL_FILE if looks.model else ENCODER_FILE if looks.encoder else ENCODER_GENERAL)
        self._tools = {
            "polygon": PolygonTool(self._canvas),
            "stroke": StrokeTool(self._canvas),
            "point": PointTool(self._canvas, work.pixel_at),
            "outline": OutlineTool(self._canvas),
        }
        for name, tool in self._tools.items():
            tool.drawn.connect(self._add_label)
            tool.activated.connect(lambda name=name: self.tool_buttons[name].setChecked(True))
            tool.deactivated.connect(lambda name=name: self.tool_buttons[name].setChecked(False))
        self._tools["outline"].asked.connect(work.outline)
        self._set_stroke_width(self.stroke_width.value())
        self.places = PlaceQueue(self._canvas, raster.crs())
        self._keys = CanvasKeys(
            self._canvas,
            lambda: self.samples is not None or self._canvas.mapTool() in self._tools.values(),
            self._press_number,
            {
                "complete": lambda: self._tool() and self._tool().complete(),
                "give_up": self._give_up,
                "remove": self._remove,
                "undo": self._undo,
                "redo": self._redo,
                "next_place": self.go_to_next_place,
                "pass_over": self._pass_over,
            },
            self,
        )
        work.said.connect(self._say)
        work.classes_changed.connect(self._show_classes)
        work.counted.connect(lambda: self.class_list.set_counts(work.watch.counts()))
        work.scored.connect(self.class_list.set_scores)
        work.places_found.connect(self._on_places)
        work.outlined.connect(self._on_outlined)
        work.edits.edited.connect(self._show_undo)
        work.saved.connect(self._on_saved)
        work.closed.connect(self.stop)
        work.live.set_opacity(self.opacity.value() / 100)
        work.live.set_visible(self.visible.isChecked())
        self.shows.setCurrentIndex(0)
        self.class_list.set_scores(None)
        self._show_classes()
        self._show_undo()
        self._pages.setCurrentIndex(1)

    def stop(self, *_: object) -> None:
        """End the session. The labels are in their file."""
        self._leave_samples()
        work, self.work = self.work, None
        if work is not None:
            for tool in self._tools.values():
                self._canvas.unsetMapTool(tool)
                tool.dispose()
            self._tools = {}
            if self._keys is not None:
                self._keys.remove()
            if self.places is not None:
                self.places.dispose()
            work.close()
            work.deleteLater()
        self._keys, self.places = None, None
        self._show_what_is_missing()

    def _leave(self) -> None:
        forget_work()
        self.stop()

    def _labels_of(self, raster: QgsRasterLayer) -> QgsVectorLayer:
        path = beside(raster, "_labels.gpkg")
        for one in QgsProject.instance().mapLayers().values():
            if isinstance(one, QgsVectorLayer) and Path(one.source().split("|")[0]) == path:
                return one
        layer = label_layer(path, raster.crs())
        QgsProject.instance().addMapLayer(layer, False)
        QgsProject.instance().layerTreeRoot().insertLayer(0, layer)
        return layer

    def _show_what_is_missing(self) -> None:
        self._pages.setCurrentIndex(0)
        try:
            find_interpreter()
            problem = ""
        except NoEnvironment as error:
            problem = str(error)
        has_raster = self._first_raster.currentLayer() is not None
        self.set_up.setVisible(bool(problem))
        for widget in (self._first_raster, self.begin):
            widget.setVisible(not problem and has_raster)
        self.example.setVisible(not problem)
        self.missing.setText(
            problem
            or (
                tr("Choose the raster that you want a map of.")
                if has_raster
                else tr("Add a raster to the project: the image that you want a map of. Or begin with example data.")
            )
        )

    def _on_visibility(self, visible: bool) -> None:
        if visible and self.work is None:
            self._show_what_is_missing()
            self._go_on()

    def _on_project(self, *_: object) -> None:
        self.stop()
        if self.isVisible():
            self._go_on()

    def _go_on(self) -> None:
        """Take up what the project remembers."""
        known = remembered_work()
        if known is not None and self.set_up.isHidden():
            self.start(known.raster, known.labels, known.looks)

    def shut(self) -> None:
        """End everything, as the plugin or QGIS ends."""
        self.stop()
        QgsProject.instance().readProject.disconnect(self._on_project)
        QgsProject.instance().cleared.disconnect(self.stop)

    # --- Classes --------------------------------------------------------------------------------------------------------

    def _show_classes(self) -> None:
        if self.work is None:
            return
        self.class_list.set_classes(self.work.classes)
        self.class_list.set_counts(self.work.watch.counts())
        row = self.class_list.row_of(self._code)
        if self.work.classes:
            self.table.selectRow(max(0, row))
        self._choose_row(max(0, row))

    def _choose_row(self, row: int) -> None:
        if self.work is not None and 0 <= row < len(self.work.classes):
            chosen = self.work.classes[row]
            self._code = chosen.code
            for tool in self._tools.values():
                tool.set_colour(chosen.color)

    def _press_number(self, number: int) -> bool:
        if self.work is None or number > len(self.work.classes):
            return False
        if self.samples is not None:
            samples, name = self.samples, self.work.classes[number - 1].name
            self._try(lambda: samples.answer(name))
            self._estimate_accuracy()
            self._show_samples(samples.visit_next())
            return True
        self.table.selectRow(number - 1)
        self._choose_row(number - 1)
        return True

    def _add_class(self) -> None:
        if self.work is None:
            return
        name, entered = QInputDialog.getText(self, tr("New class"), tr("Name"))
        if entered and name.strip():
            self._code = self.work.add_class(name.strip()).code
            self._show_classes()

    def _remove_class(self) -> None:
        """Take the class that is chosen away, after asking what becomes of its labels."""
        work, row = self.work, self.class_list.row_of(self._code)
        if work is None or row < 0:
            return
        one = work.classes[row]
        if not work.watch.counts().get(one.code):
            work.set_classes([other for other in work.classes if other.code != one.code])
            return
        others = [other for other in work.classes if other.code != one.code]
        names = [*(other.name for other in others), tr("(remove its labels)")]
        title, asked = tr("Remove a class"), tr("The labels of {name} become labels of", name=one.name)
        name, entered = QInputDialog.getItem(self, title, asked, names, 0, False)
        if entered:
            place = names.index(name)
            into = others[place].code if place < len(others) else None
            self._try(lambda: work.remove_class(one.code, into))

    def _edit_colour(self, index: Any) -> None:
        if index.column() == COLOUR:
            colour = QColorDialog.getColor(QColor(index.data(Qt.ItemDataRole.EditRole)), self)
            if colour.isValid():
                self.class_list.setData(index, colour.name())

    # --- Drawing --------------------------------------------------------------------------------------------------------

    def use_tool(self, name: str) -> None:
        """Draw with a tool from now on."""
        self._canvas.setMapTool(self._tools[name])
        self._canvas.setFocus()

    def _tool(self) -> Optional[LabelTool]:
        tool = self._canvas.mapTool()
        return tool if isinstance(tool, LabelTool) else None

    def _set_stroke_width(self, width: int) -> None:
        if self._tools:
            self._tools["stroke"].width_px = width

    def _add_label(self, shape: QgsGeometry) -> None:
        work = self.work
        if work is None:
            return
        if not self._code:
            self._say(tr("Add a class first."), True)
            return
        crs = self._canvas.mapSettings().destinationCrs()
        self._try(lambda: work.add_label(shape, crs, self._code))

    def _give_up(self) -> bool:
        if self.samples is not None:
            self._leave_samples()
            return True
        tool = self._tool()
        if tool is None or not tool.is_drawing():
            return False
        tool.give_up()
        return True

    def _remove(self) -> bool:
        """Take back a step of what is drawn; or else remove the labels that are selected. Among sample points: go back."""
        if self.samples is not None:
            self.samples.visit_previous()
            return True
        tool = self._tool()
        if tool is not None and tool.is_drawing():
            tool.step_back()
            return True
        chosen = self.work.labels.selectedFeatureIds() if self.work is not None else []
        if chosen and self.work is not None:
            work = self.work
            self._try(lambda: work.edits.remove(chosen))
        return bool(chosen)

    def _undo(self, *_: object) -> None:
        tool = self._tool()
        if tool is not None and tool.is_drawing():
            tool.step_back()
        elif self.work is not None:
            self._try(self.work.edits.undo)

    def _redo(self, *_: object) -> None:
        if self.work is not None:
            self._try(self.work.edits.redo)

    def _show_undo(self, *_: object) -> None:
        self.undo.setEnabled(self.work is not None and self.work.edits.can_undo())
        self.redo.setEnabled(self.work is not None and self.work.edits.can_redo())

    def _on_outlined(self, answer: Outlined) -> None:
        if self.work is None or not answer.wkb:
            return
        shape = QgsGeometry()
        shape.fromWkb(bytes.fromhex(answer.wkb))
        there = self.work.from_raster(shape, self._canvas.mapSettings().destinationCrs())
        if there is not None:
            self._tools["outline"].show_outline(there)

    # --- Places ---------------------------------------------------------------------------------------------------------

    def go_to_next_place(self, *_: object) -> None:
        """Show the next place of the queue. An empty queue is filled first."""
        if self.samples is not None:
            self._show_samples(self.samples.visit_next())
            return
        if self.work is None or self.places is None:
            return
        place = self.places.visit_next()
        if place is None:
            self.place_line.setText(tr("Looking for places..."))
            self.work.suggest()
        else:
            self._show_place(place)

    def _on_places(self, places: Sequence[Place]) -> None:
        if self.places is None:
            return
        self.places.fill(places)
        place = self.places.visit_next()
        if place is None:
            self.place_line.setText(tr("No place is known yet. It takes a map."))
        else:
            self._show_place(place)

    def _show_place(self, place: Place) -> None:
        if self.work is None or self.places is None:
            return
        names = {one.code: one.name for one in self.work.classes}
        counted = tr("{number} of {total}:", number=self.places.number, total=self.places.total)
        if NO_CLASS in (place.likely, place.second):
            self.place_line.setText(f"{counted} {names.get(place.likely, '')}".strip())
        else:
            likely, second = names.get(place.likely, ""), names.get(place.second, "")
            self.place_line.setText(counted + " " + tr("{likely} or {second}?", likely=likely, second=second))

    # --- Sample points --------------------------------------------------------------------------------------------------

    def _choose_samples(self) -> None:
        if self.samples is not None:
            self._leave_samples()
            return
        layers = point_layers()
        if not layers:
            self.sample_line.setText(
                tr("No layer of the project holds sample points. Sample points to assess a map draws them.")
            )
            return
        names = [f"{number}. {one.name()}" for number, one in enumerate(layers, 1)]
        name, entered = (names[0], True)
        if len(layers) > 1:
            name, entered = QInputDialog.getItem(self, tr("Sample points"), tr("Layer"), names, 0, False)
        if entered:
            self.fill_in(layers[names.index(name)])

    def fill_in(self, layer: QgsVectorLayer) -> None:
        """Go through the sample points of a layer. The map is hidden meanwhile, so that nobody is led by it."""
        if self.work is None:
            return
        self.work.live.set_visible(False)
        self.samples = SampleQueue(self._canvas, layer)
        self.check.setText(tr("Stop filling in"))
        maps = map_layers()
        self._estimated_map = self._ask_for_map(tr("Of which map are these points?"), maps) if maps else None
        self._estimate_accuracy()
        self._canvas.setFocus()
        self._show_samples(self.samples.visit_next())

    def _show_samples(self, there_is_one: bool) -> None:
        if self.samples is None:
            return
        counted = tr("{number} of {total} points are filled in.", number=self.samples.filled, total=self.samples.total)
        passed = len(self.samples.passed)
        told = tr("Of {number} nobody can tell.", number=passed) if passed else ""
        end = "" if there_is_one else tr("There are no more. Assess a map takes them now.")
        self.sample_line.setText(" ".join(filter(None, (counted, told, end))))

    def _estimate_accuracy(self) -> None:
        """Have the library say how good the map is by the points so far. Points that come in meanwhile count next time."""
        samples, the_map = self.samples, self._estimated_map
        if samples is None or the_map is None or self._estimate is not None or samples.filled < FEWEST_POINTS:
            return
        self._estimate = BackgroundRun("assess", assessed_by(samples.layer, the_map), self)
        filled = samples.filled
        self._estimate.ended.connect(lambda well, results, _: self._show_estimate(filled, results if well else {}))
        self._estimate.start()

    def _show_estimate(self, filled: int, results: Dict[str, Any]) -> None:
        self._estimate = None
        if self.samples is None:
            return
        known = [results.get(name) for name in ("ADJUSTED_OA", "ADJUSTED_OA_ERROR")]
        accuracy, half_width = (one if isinstance(one, float) else float("nan") for one in known)
        if accuracy == accuracy and half_width == half_width:
            told = tr("By {number} points {accuracy} ± {error} of the map are right, in 95 of 100 cases.",
                      number=filled, accuracy=f"{accuracy:.1%}", error=f"{half_width:.1%}")  # fmt: skip
        else:
            told = tr("How good the map is can be told from two points in each class on.")
        self.estimate_line.setText(told)
        if self.samples.filled > filled and results:
            self._estimate_accuracy()

    def _pass_over(self) -> bool:
        samples = self.samples
        if samples is None:
            return False
        self._try(samples.pass_over)
        self._show_samples(samples.visit_next())
        return True

    def _leave_samples(self) -> None:
        if self.samples is not None:
            self.samples.dispose()
            self.samples = None
            self.estimate_line.clear()
            self.check.setText(tr("Fill in sample points..."))
            if self.work is not None:
                self.work.live.set_visible(self.visible.isChecked())

    # --- Whole maps and encoders ----------------------------------------------------------------------------------------

    def _new_file(self, algorithm: str, output: str, ending: str) -> str:
        """Return a free name for what is made of the raster."""
        source = raster_path(self.work.raster) if self.work is not None else ""
        return proposed(source, algorithm, output, ending) or str(beside(self.work.raster, f"_{output}{ending}"))

    def _save_model(self) -> None:
        if self.work is not None and self._run is None:
            self.work.save_model(Path(self._new_file("finetune", "model", ".safetensors")))

    def _on_saved(self, path: str) -> None:
        """The model is there: the whole raster is mapped with it."""
        if self.work is None:
            return
        remember(SEGMENTER, path, [raster_path(self.work.raster)])
        output = self._new_file("classify", "output", ".tif")
        self._begin_run("classify", {"RASTER": self.work.raster.id(), "MODEL": path, "OUTPUT": output})

    def _improve(self) -> None:
        if self.work is not None and self._run is None:
            encoder = self._new_file("pretrain", "encoder", ".safetensors")
            self._begin_run("pretrain", {"RASTERS": [self.work.raster.id()], "ENCODER": encoder})

    def _begin_run(self, name: str, values: Dict[str, Any]) -> None:
        self._run = BackgroundRun(name, values, self)
        self._run.progressed.connect(lambda percent: self.progress.setValue(round(percent)))
        self._run.ended.connect(self._on_run_end)
        self.progress.setValue(0)
        self._show_run()
        self._run.start()

    def _show_run(self) -> None:
        for widget in (self.progress, self.cancel):
            widget.setVisible(self._run is not None)
        for widget in (self.make_map, self.improve, self.finished):
            widget.setEnabled(self._run is None)

    def _on_run_end(self, successful: bool, results: Dict[str, Any], said: str) -> None:
        run, self._run = self._run, None
        self._show_run()
        if run is None or self.work is None:
            return
        if not successful:
            last_line = said.rpartition("\n")[2]
            self._say(tr("Cancelled.") if run.is_cancelled else last_line or tr("It has failed."), not run.is_cancelled)
        elif run.name in ("classify", "editmap"):
            what = tr("Classified raster") if run.name == "classify" else tr("Corrected map")
            self._load_map(results["OUTPUT"], what, run)
        elif run.name == "comparemaps":
            self._load_map(results["OUTPUT"], tr("Where they differ"), run)
            self._say(
                tr("{percent} of the pixels changed. The report is in {path}.",
                   percent=f"{results['CHANGED']:.1%}", path=results["REPORT"]),
                False,
            )  # fmt: skip
        else:
            remember(ENCODER, results["ENCODER"], [raster_path(self.work.raster)])
            self.looks.setCurrentIndex(ENCODER_FILE)
            self.work.reopen(Looks(encoder=results["ENCODER"]))

    def _correct(self) -> None:
        """Let the labels that are selected, or all, overwrite a finished map."""
        the_map = self._ask_for_map(tr("Overwrite a map by the labels"), map_layers())
        if the_map is not None and self.work is not None:
            output = proposed(raster_path(the_map), "editmap", "output", ".tif") or str(beside(the_map, "_corrected.tif"))
            self._begin_run("editmap", corrected_by(self.work.labels, the_map, output))

    def _compare(self) -> None:
        """Compare two finished maps."""
        maps = map_layers()
        if len(maps) == 1:
            self._say(tr("There is only one map in the project. Make another one first."), True)
            return
        after = self._ask_for_map(tr("Which map is the later one?"), maps)
        before = self._ask_for_map(tr("With which map is it compared?"), [one for one in maps if one is not after])
        if after is not None and before is not None:
            output, report = (
                proposed(raster_path(after), "comparemaps", name, ending) or str(beside(after, f"_changes{ending}"))
                for name, ending in (("output", ".tif"), ("report", ".html"))
            )
            self._begin_run("comparemaps", compared_with(before, after, output, report))

    def _ask_for_map(self, title: str, maps: Sequence[QgsRasterLayer]) -> Optional[QgsRasterLayer]:
        """Return one of several maps; the only one without asking."""
        if not maps:
            self._say(tr("There is no finished map in the project. Make the map first."), True)
            return None
        if len(maps) == 1:
            return maps[0]
        names = [f"{number}. {one.name()}" for number, one in enumerate(maps, 1)]
        name, entered = QInputDialog.getItem(self, title, tr("Map"), names, 0, False)
        return maps[names.index(name)] if entered else None

    def _load_map(self, path: str, what: str, run: BackgroundRun) -> None:
        with as_it_is(path):
            layer = QgsRasterLayer(path, name_of_layer(what, self.work.raster.name() if self.work else ""))
        layer.setMetadata(metadata(run.name, run.inputs()))
        classes = classes_of(path)
        if classes:
            layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
        project = QgsProject.instance()
        project.addMapLayer(layer, False)
        node = project.layerTreeRoot().findLayer(self.work.raster.id()) if self.work is not None else None
        parent = node.parent() if node is not None else project.layerTreeRoot()
        parent.insertLayer(parent.children().index(node) if node is not None else 0, layer)
        self._say(tr("The map is in {path}.", path=path), False)

    # --- The rest -------------------------------------------------------------------------------------------------------

    def _choose_looks(self, index: int) -> None:
        if self.work is None:
            return
        if index == ENCODER_GENERAL:
            self.work.reopen(Looks())
            return
        title = tr("Encoder file") if index == ENCODER_FILE else tr("Model file")
        path = self._ask_for_file(title)
        if path:
            self.work.reopen(Looks(encoder=path) if index == ENCODER_FILE else Looks(model=path))
        else:
            looks = self.work.looks
            self.looks.setCurrentIndex(MODEL_FILE if looks.model else ENCODER_FILE if looks.encoder else ENCODER_GENERAL)

    def _say(self, text: str, attention: bool) -> None:
        self.status.setText(text)
        self.status.setStyleSheet("color: #b00020;" if attention else "")
        self.again.setVisible(self.work is not None and self.work.needs_restart)

    def _try(self, do: Callable[[], object]) -> None:
        try:
            do()
        except QgsProcessingException as error:
            self._say(str(error), True)
        self._show_undo()


def _row(*widgets: QWidget) -> QHBoxLayout:
    layout = QHBoxLayout()
    for widget in widgets:
        layout.addWidget(widget, 1 if isinstance(widget, (QLabel, QSlider)) else 0)
    return layout


def _raster_box() -> QgsMapLayerComboBox:
    box = QgsMapLayerComboBox()
    box.setFilters(QgsMapLayerProxyModel.Filter.RasterLayer)
    return box
