"""The classes: how many labels each has, how well it is told apart, and which of them is drawn."""

from __future__ import annotations

from typing import Any, Dict, List

from qgis.core import QgsMapLayer, QgsVectorLayer, QgsWkbTypes
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QFileDialog,
    QHeaderView,
    QInputDialog,
    QMenu,
    QMessageBox,
    QPushButton,
    QTableView,
    QToolButton,
)

from qgis_false.dock.class_list import COLOUR_COLUMN, NAME_COLUMN, ClassList
from qgis_false.dock.class_sources import classes_in_text, classes_of_style, labelled_shapes, layers_with_classes
from qgis_false.dock.label_file import LabelClass
from qgis_false.dock.labelling import Labelling
from qgis_false.dock.panels.panel import Panel, row
from qgis_false.translation import tr

TABLE_PX, COLUMN_PX = 120, 20


class ClassesPanel(Panel):
    """The list of classes, and what changes it.

    Attributes:
        model: Rows that the list shows.
    """

    chosen = pyqtSignal(object)
    """The ``LabelClass`` that is drawn from now on, None where there are no classes."""
    model_chosen = pyqtSignal(str)
    """A model file whose classes are wanted."""

    def __init__(self) -> None:
        super().__init__()
        self._code = 0
        self.model = ClassList(self)
        self.model.edited.connect(self._edit)
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(22)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMinimumSectionSize(COLUMN_PX)
        header.setSectionResizeMode(
            NAME_COLUMN, QHeaderView.ResizeMode.Stretch
        )  # Of a narrow dock a name is cut, no number.
        self.table.setMinimumHeight(TABLE_PX)
        self.table.setMaximumHeight(2 * TABLE_PX)
        self.table.selectionModel().currentRowChanged.connect(lambda now, _: self._choose_row(now.row()))
        self.table.doubleClicked.connect(self._edit_colour)
        self.rows.addWidget(self.table)
        add, remove, more = QPushButton(tr("Add...")), QPushButton(tr("Remove...")), QToolButton()
        add.clicked.connect(self._add)
        remove.setToolTip(tr("Takes the class away. Its labels become labels of another one, or go too."))
        remove.clicked.connect(self.remove)
        self.rows.addLayout(row(add, remove, more))
        menu = QMenu(more)
        menu.addAction(tr("A layer of the project..."), self._take_from_layer)
        menu.addAction(tr("A text file..."), self._take_from_text)
        menu.addAction(tr("A model file..."), self._take_from_model).setObjectName("classes_of_model")
        more.setText(tr("From..."))
        more.setToolTip(tr("Takes the classes from a layer, a text file or a model."))
        more.setMenu(menu)
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    def begin(self, work: Labelling) -> None:
        """Show the classes of the labels."""
        super().begin(work)
        work.label_classes.changed.connect(self._show_classes)
        work.watch.changed.connect(lambda _: self.model.set_counts(work.watch.counts()))
        work.conversation.scored.connect(self.model.set_scores)
        self.model.set_scores(None)
        self._show_classes()

    def choose(self, number: int) -> bool:
        """Draw the class of a row, counted from 1. Return whether there is one."""
        if self.work is None or number > len(self.work.classes):
            return False
        self.table.selectRow(number - 1)
        self._choose_row(number - 1)
        return True

    def take(self, layer: QgsMapLayer, with_labels: bool) -> None:
        """Take the classes of the style of a layer, and its shapes as labels if wanted."""
        if self.work is not None:
            codes: Dict[str, int] = {}

            def with_those_of_layer(known: List[LabelClass]) -> List[LabelClass]:
                classes, found = classes_of_style(layer, known)
                codes.update(found)
                return classes

            self.work.label_classes.change(with_those_of_layer)
            if with_labels:
                self.work.edits.add(labelled_shapes(layer, codes, self.work.labels))

    def remove(self, *_: object) -> None:
        """Take the class that is chosen away, after asking what becomes of its labels."""
        work, place = self.work, self.model.row_of(self._code)
        if work is None or place < 0:
            return
        one = work.classes[place]
        others = [other for other in work.classes if other.code != one.code]
        if not work.watch.counts().get(one.code):
            work.label_classes.change(lambda known: [other for other in known if other.code != one.code])
            return
        names = [*(other.name for other in others), tr("(remove its labels)")]
        title, asked = tr("Remove a class"), tr("The labels of {name} become labels of", name=one.name)
        name, entered = QInputDialog.getItem(self, title, asked, names, 0, False)
        if entered:
            other = names.index(name)
            into = others[other].code if other < len(others) else None
            self.attempt(lambda: work.remove_class(one.code, into))

    def _show_classes(self) -> None:
        if self.work is None:
            return
        self.model.set_classes(self.work.classes)
        self.model.set_counts(self.work.watch.counts())
        place = max(0, self.model.row_of(self._code))
        if self.work.classes:
            self.table.selectRow(place)
            self._choose_row(place)
        else:
            self.chosen.emit(None)

    def _choose_row(self, place: int) -> None:
        if self.work is not None and 0 <= place < len(self.work.classes):
            one = self.work.classes[place]
            self._code = one.code
            self.chosen.emit(one)

    def _add(self) -> None:
        if self.work is None:
            return
        name, entered = QInputDialog.getText(self, tr("New class"), tr("Name"))
        if entered and name.strip():
            self.attempt(lambda: self._draw_new(name.strip()))

    def _draw_new(self, name: str) -> None:
        if self.work is not None:
            self._code = self.work.label_classes.add(name).code
            self._show_classes()

    def _edit(self, code: int, name: str, color: str) -> None:
        work = self.work
        if work is not None:
            self.attempt(lambda: work.label_classes.edit(code, name, color))

    def _edit_colour(self, index: Any) -> None:
        if index.column() == COLOUR_COLUMN:
            colour = QColorDialog.getColor(QColor(index.data(Qt.ItemDataRole.EditRole)), self)
            if colour.isValid():
                self.model.setData(index, colour.name())

    def _take_from_layer(self) -> None:
        work = self.work
        if work is None:
            return
        layers = [one for one in layers_with_classes() if one.id() != work.labels.id()]
        if not layers:
            self.said.emit(tr("No layer of the project has a style that shows classes."), True)
            return
        layer = self.ask_for_layer(tr("Classes of a layer"), tr("Layer"), layers)
        if layer is None:
            return
        buttons = QMessageBox.StandardButton
        answer = buttons.No
        if isinstance(layer, QgsVectorLayer) and layer.geometryType() == QgsWkbTypes.GeometryType.PolygonGeometry:
            asked = tr("Take its {number} {number:shape as a label|shapes as labels} too?", number=layer.featureCount())
            answer = QMessageBox.question(self, tr("Classes of a layer"), asked, buttons.Yes | buttons.No)
        self.attempt(lambda: self.take(layer, answer == buttons.Yes))

    def _take_from_text(self) -> None:
        work = self.work
        path, _ = QFileDialog.getOpenFileName(self, tr("Classes of a text file"), "", "*.txt *.csv *.tsv")
        if path and work is not None:
            self.attempt(lambda: work.label_classes.change(lambda known: classes_in_text(path, known)))

    def _take_from_model(self) -> None:
        path = self.ask_for_file(tr("Model file"))
        if path:
            self.model_chosen.emit(path)
