"""The first page of the dock: what is missing before a raster can be labelled, and how to get it."""

from __future__ import annotations

from typing import Callable, Optional

from qgis.core import QgsMapLayer, QgsMapLayerProxyModel, QgsRasterLayer
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import QUrl, pyqtSignal
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QPushButton, QVBoxLayout, QWidget

from qgis_false.dock.finished_maps import class_rasters
from qgis_false.dock.line import Line
from qgis_false.environment.interpreters import NoEnvironment, find_interpreter
from qgis_false.help import help_page
from qgis_false.layers.sources import raster_layers
from qgis_false.translation import tr


class FirstPage(QWidget):
    """Asks for the compute environment, then for a raster.

    Args:
        run_algorithm: Opens the dialog of an algorithm.
    """

    begun = pyqtSignal(object)
    """The raster that is to be labelled."""

    def __init__(self, run_algorithm: Callable[[str], None]) -> None:
        super().__init__()
        self._run_algorithm = run_algorithm
        layout = QVBoxLayout(self)
        self.missing = Line()
        layout.addWidget(self.missing)
        self.set_up = QPushButton(tr("Set up..."))
        self.set_up.clicked.connect(lambda: self._open("setupenvironment"))
        layout.addWidget(self.set_up)
        self._raster = QgsMapLayerComboBox()
        self._raster.setFilters(QgsMapLayerProxyModel.Filter.RasterLayer)
        self._raster.layerChanged.connect(lambda _: self.show_what_is_missing())
        self._raster.activated.connect(self._keep_choice)
        self._chosen = ""
        """Id of the layer that a person has chosen."""
        layout.addWidget(self._raster)
        self.begin = QPushButton(tr("Label this raster"))
        self.begin.clicked.connect(self._begin)
        layout.addWidget(self.begin)
        self.example = QPushButton(tr("Try it with example data..."))
        self.example.clicked.connect(lambda: self._open("exampledata"))
        layout.addWidget(self.example)
        self.tutorial = QPushButton(tr("Your first map"))
        self.tutorial.setToolTip(tr("From an image to a map, step by step, with pictures."))
        self.tutorial.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(help_page("first_steps"))))
        layout.addWidget(self.tutorial)
        layout.addStretch()

    def propose(self, active: Optional[QgsMapLayer]) -> None:
        """Propose the raster that is active, unless a person has chosen one. A map of ours is not proposed."""
        raster = self.raster()
        if not self.isVisible() or (raster is not None and raster.id() == self._chosen):
            return  # Before each raster is opened.
        maps = class_rasters()
        images = [one for one in raster_layers() if one not in maps]
        if images and not (raster in images and active not in images):
            self._raster.setLayer(active if active in images else images[0])

    def raster(self) -> Optional[QgsRasterLayer]:
        """Return the raster that is chosen."""
        return self._raster.currentLayer()

    def show_what_is_missing(self) -> bool:
        """Show it, or that nothing is but a raster. Return whether there is a compute environment."""
        try:
            find_interpreter()
            problem = ""
        except NoEnvironment as error:
            needs = tr("Set up... downloads 0.5 GB, or 3 GB where there is an NVIDIA GPU, and takes some minutes.")
            problem = f"{error.problem}\n\n{needs}"
        has_raster = self.raster() is not None
        self.set_up.setVisible(bool(problem))
        for widget in (self._raster, self.begin):
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
        return not problem

    def say(self, text: str) -> None:
        """Say why a raster cannot be labelled."""
        self.missing.setText(text)

    def _begin(self, *_: object) -> None:
        self._chosen = ""
        self.begun.emit(self.raster())

    def _keep_choice(self, *_: object) -> None:
        raster = self.raster()
        self._chosen = raster.id() if raster is not None else ""

    def _open(self, algorithm: str) -> None:
        self._run_algorithm(algorithm)
        self.show_what_is_missing()
