"""What of ``qgis.gui`` the plugin's own windows are made of, on PyQt6. ``qgis.core`` says what every other name is."""

import enum

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QIcon
from PyQt6.QtWidgets import QComboBox, QDockWidget, QHBoxLayout, QLineEdit, QToolButton, QWidget

import qgis.core


class QgsOptionsPageWidget(QWidget):
    """A page of the options."""


class QgsOptionsWidgetFactory:
    """What makes a page of the options when they are opened."""

    def __init__(self, title: str, icon: QIcon) -> None:
        self._title, self._icon = title, icon

    def title(self) -> str:
        return self._title

    def icon(self) -> QIcon:
        return self._icon


class QgsDockWidget(QDockWidget):
    """A dock."""

    closed = pyqtSignal()


class QgsMapLayerComboBox(QComboBox):
    """A list of layers. There are none."""

    layerChanged = pyqtSignal(object)

    def setFilters(self, filters: object) -> None:
        pass

    def currentLayer(self) -> None:
        return None


class QgsFileWidget(QWidget):
    """A field for a path with a button beside it."""

    class StorageMode(enum.Enum):
        GetFile = 0
        GetDirectory = 1

    fileChanged = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._line, button = QLineEdit(), QToolButton()
        button.setText("…")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        layout.addWidget(button)
        self._line.textChanged.connect(self.fileChanged)

    def setStorageMode(self, mode: StorageMode) -> None:
        assert isinstance(mode, self.StorageMode)

    def setFilePath(self, path: str) -> None:
        self._line.setText(path)

    def filePath(self) -> str:
        return self._line.text()


def __getattr__(name: str) -> type:
    return getattr(qgis.core, name)
