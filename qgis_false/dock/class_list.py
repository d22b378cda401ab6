"""The list of classes in the dock: colour, key, name, number of labels, and how well each class is told apart."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from qgis.PyQt.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QIcon, QPixmap

from false_core.session_protocol import ClassScore, SessionScores
from qgis_false.dock.label_file import LabelClass
from qgis_false.translation import in_percent, tr

COLOUR_COLUMN, KEY_COLUMN, NAME_COLUMN, COUNT_COLUMN, ACCURACY_COLUMN = range(5)
COLUMNS = 5
NUMBER_KEYS = 9
SWATCH_PX = 16


class ClassList(QAbstractTableModel):
    """The classes as rows. Names and colours can be edited."""

    edited = pyqtSignal(int, str, str)
    """Code of a class that was renamed or recoloured, and its new name or its new colour; the other one is empty."""

    def __init__(self, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self.classes: List[LabelClass] = []
        self._counts: Dict[int, int] = {}
        self._scores: Dict[int, ClassScore] = {}

    def set_classes(self, classes: List[LabelClass]) -> None:
        """Show these classes."""
        self.beginResetModel()
        self.classes = list(classes)
        self.endResetModel()

    def set_counts(self, counts: Dict[int, int]) -> None:
        """Show these numbers of labels by code."""
        self._counts = counts
        self._tell(COUNT_COLUMN)

    def set_scores(self, scores: Optional[SessionScores]) -> None:
        """Show these scores, or none."""
        self._scores = {one.code: one for one in scores.classes} if scores is not None else {}
        self._tell(ACCURACY_COLUMN)

    def row_of(self, code: int) -> int:
        """Return the row of a class, or -1."""
        return next((row for row, one in enumerate(self.classes) if one.code == code), -1)

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - as Qt declares it.
        """Return the number of classes."""
        return 0 if parent.isValid() else len(self.classes)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - as Qt declares it.
        """Return the number of columns."""
        return COLUMNS

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what stands above a column."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return ("", f"1–{NUMBER_KEYS}", tr("Class"), "n", tr("Accuracy"))[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return {
                COUNT_COLUMN: tr("Number of labels"),
                ACCURACY_COLUMN: tr(
                    "Share of the labels of the class that the map shows as this class when it has not learned from them "
                    "(producer's accuracy), with the limits between which it lies in 95 of 100 cases."
                ),
            }.get(section)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        if not index.isValid() or index.row() >= len(self.classes):
            return None
        one, column = self.classes[index.row()], index.column()
        if role == Qt.ItemDataRole.DecorationRole and column == COLOUR_COLUMN:
            return _swatch(one.color)
        if role == Qt.ItemDataRole.EditRole:
            return {COLOUR_COLUMN: one.color, NAME_COLUMN: one.name}.get(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            if column in (COLOUR_COLUMN, NAME_COLUMN):
                return "\n".join((one.name, tr("Double click to change it.")))  # The name is cut in a narrow dock.
            return self.accuracy_in_words(one.code)
        if role == Qt.ItemDataRole.DisplayRole:
            return {
                KEY_COLUMN: str(index.row() + 1) if index.row() < NUMBER_KEYS else "",
                NAME_COLUMN: one.name,
                COUNT_COLUMN: str(self._counts.get(one.code, 0)),
                ACCURACY_COLUMN: self._accuracy(one.code),
            }.get(column)
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Rename or recolour a class."""
        if role != Qt.ItemDataRole.EditRole or not str(value).strip():
            return False
        text = str(value).strip()
        name = text if index.column() == NAME_COLUMN else ""
        color = QColor(text).name() if index.column() == COLOUR_COLUMN else ""
        self.edited.emit(self.classes[index.row()].code, name, color)
        return True

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return what can be done with a cell."""
        usual = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return usual | Qt.ItemFlag.ItemIsEditable if index.column() == NAME_COLUMN else usual

    def accuracy_in_words(self, code: int) -> str:
        """Return accuracy and interval of a class, or how many labels more would make it known."""
        score = self._scores.get(code)
        if score is not None and score.missing and score.accuracy is None:
            return tr("unknown, draw {number} more", number=score.missing)
        return self._accuracy(code)

    def _accuracy(self, code: int) -> str:
        """Return the same in as little room as can be."""
        score = self._scores.get(code)
        if score is None:
            return ""
        if score.accuracy is None or score.low is None or score.high is None:
            return tr("after {number} more", number=score.missing) if score.missing else tr("unknown")
        return f"{in_percent(score.accuracy)} ({100 * score.low:.0f}–{100 * score.high:.0f})"

    def _tell(self, column: int) -> None:
        if self.classes:
            self.dataChanged.emit(self.index(0, column), self.index(len(self.classes) - 1, column))


def _swatch(color: str) -> QIcon:
    """Return a colour to show in a row. In the row that is chosen Qt would tint it."""
    drawn = QPixmap(SWATCH_PX, SWATCH_PX)
    drawn.fill(QColor(color))
    swatch = QIcon(drawn)
    swatch.addPixmap(drawn, QIcon.Mode.Selected)
    return swatch
