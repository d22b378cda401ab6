"""The base of the parts of the page to work on."""

from __future__ import annotations

from typing import Callable, Optional, Sequence, TypeVar

from qgis.core import QgsMapLayer, QgsProcessingException
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QFileDialog, QGroupBox, QHBoxLayout, QInputDialog, QLabel, QSlider, QVBoxLayout, QWidget

from qgis_false.dock.label_file import file_beside
from qgis_false.dock.labelling import Labelling
from qgis_false.translation import tr

AnyLayer = TypeVar("AnyLayer", bound=QgsMapLayer)


class Panel(QWidget):
    """A part of the page, which is there before and after the work on a raster.

    Attributes:
        work: The work on a raster, None where there is none.
        rows: The layout, from top to bottom.
    """

    said = pyqtSignal(str, bool)
    """The state of the work, for a person; whether it needs attention."""

    def __init__(self) -> None:
        super().__init__()
        self.work: Optional[Labelling] = None
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(0, 0, 0, 0)

    def begin(self, work: Labelling) -> None:
        """Take part in the work on a raster."""
        self.work = work

    def end(self) -> None:
        """Let go of it."""
        self.work = None

    def attempt(self, do: Callable[[], object]) -> None:
        """Do something, and say it where it fails."""
        try:
            do()
        except QgsProcessingException as error:
            self.said.emit(str(error), True)

    def ask_for_file(self, title: str) -> str:
        """Return the encoder or model that the user chooses; empty where none is chosen."""
        folder = str(file_beside(self.work.raster, "").parent) if self.work is not None else ""
        return str(QFileDialog.getOpenFileName(self, title, folder, "*.safetensors")[0])

    def ask_for_layer(self, title: str, kind: str, layers: Sequence[AnyLayer]) -> Optional[AnyLayer]:
        """Return the layer that the user chooses among some."""
        names = [f"{number}. {one.name()}" for number, one in enumerate(layers, 1)]
        name, entered = QInputDialog.getItem(self, title, kind, names, 0, False)
        return layers[names.index(name)] if entered else None

    def ask_for_map(self, title: str, maps: Sequence[AnyLayer]) -> Optional[AnyLayer]:
        """Return one of some finished maps; the only one without asking."""
        if not maps:
            self.said.emit(tr("There is no finished map in the project. Make the map first."), True)
            return None
        return maps[0] if len(maps) == 1 else self.ask_for_layer(title, tr("Map"), maps)


def row(*widgets: QWidget) -> QHBoxLayout:
    """Return widgets side by side. Texts and sliders take what room there is."""
    layout = QHBoxLayout()
    for widget in widgets:
        layout.addWidget(widget, 1 if isinstance(widget, (QLabel, QSlider)) else 0)
    return layout


def box(title: str, *panels: Panel) -> QGroupBox:
    """Return panels in a box with a title."""
    made = QGroupBox(title)
    layout = QVBoxLayout(made)
    for panel in panels:
        layout.addWidget(panel)
    return made
