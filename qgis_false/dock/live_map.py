"""The live map: the last picture of a session as a layer of the canvas, above the raster and its maps, below the labels.

It is a raster layer over a file in memory, so QGIS draws it as it draws any raster: in whatever CRS the canvas has, with
opacity, in its drawing threads. It belongs to the canvas and not to the project: no project is saved with a layer that the
next QGIS could not open.
"""

from __future__ import annotations

import itertools
import os
from typing import List, Optional, Sequence

from osgeo import gdal
from qgis.core import (
    QgsColorRampShader,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsDataProvider,
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsRasterShader,
    QgsRectangle,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal
from qgis.PyQt.QtGui import QColor

from false_core.session_protocol import (
    MAX_VIEW_PX,
    NO_CLASS,
    NO_PERCENT,
    SHOW_CHANGE,
    SHOW_CONFIDENCE,
    Picture,
    pixels_of,
)
from qgis_false.dock.label_file import LabelClass

ASK_AFTER_MS = 150
"""Wait after the last movement of the canvas."""
DIFFERENCE_COLOUR = "#ff00ff"
CONFIDENCE_COLOURS = ((0, "#7b3294"), (50, "#c2a5cf"), (75, "#f7f7f7"), (90, "#a6dba0"), (100, "#008837"))
"""Percent and colour, the same in every picture."""
_numbers = itertools.count()


class LiveMap(QObject):
    """Shows pictures of a raster on a canvas, and says what the canvas wants to see."""

    wanted = pyqtSignal()
    """Another view is to be asked for; see ``view``."""

    def __init__(self, canvas: QgsMapCanvas, raster: QgsRasterLayer, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._canvas, self._raster = canvas, raster
        self._crs: QgsCoordinateReferenceSystem = raster.crs()
        self._classes: Sequence[LabelClass] = ()
        self._visible, self._opacity = True, 0.6
        self._file = ""
        self.layer: Optional[QgsRasterLayer] = None
        self.picture: Optional[Picture] = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(ASK_AFTER_MS)
        self._later.timeout.connect(self.wanted)
        canvas.extentsChanged.connect(self._later.start)
        canvas.layersChanged.connect(self._join)

    def view(self) -> Optional[tuple]:
        """Return extent in the CRS of the raster, width and height of what the canvas shows of the raster, or None."""
        settings = self._canvas.mapSettings()
        seen = settings.visibleExtent()
        if self._crs.isValid() and settings.destinationCrs().isValid() and self._crs != settings.destinationCrs():
            way = QgsCoordinateTransform(settings.destinationCrs(), self._crs, QgsProject.instance().transformContext())
            try:
                seen = way.transformBoundingBox(seen)
            except QgsCsException:
                seen = self._raster.extent()
        size = settings.outputSize()
        if seen.isEmpty() or not seen.isFinite() or min(size.width(), size.height()) < 1:
            return None
        across, down = seen.width() / size.width(), seen.height() / size.height()
        shown = seen.intersect(self._raster.extent())
        if shown.isEmpty():
            return None
        width = min(MAX_VIEW_PX, max(1, round(shown.width() / across)))
        height = min(MAX_VIEW_PX, max(1, round(shown.height() / down)))
        return (shown.xMinimum(), shown.xMaximum(), shown.yMinimum(), shown.yMaximum()), width, height

    def show(self, picture: Picture) -> None:
        """Show a picture in place of the last one.

        Raises:
            ProtocolError: Its pixels are not those of a picture.
        """
        pixels = pixels_of(picture)
        before, self._file = self._file, f"/vsimem/false_live_{os.getpid()}_{next(_numbers)}.tif"
        xmin, xmax, ymin, ymax = picture.extent
        dataset = gdal.GetDriverByName("GTiff").Create(self._file, picture.width, picture.height, 1, gdal.GDT_Byte)
        dataset.SetGeoTransform((xmin, (xmax - xmin) / picture.width, 0, ymax, 0, -(ymax - ymin) / picture.height))
        band = dataset.GetRasterBand(1)
        band.SetNoDataValue(NO_PERCENT if picture.shows == SHOW_CONFIDENCE else NO_CLASS)
        band.WriteRaster(0, 0, picture.width, picture.height, pixels)
        dataset = band = None
        shows_other = self.picture is None or self.picture.shows != picture.shows
        self.picture = picture
        if self.layer is None:
            self.layer = QgsRasterLayer(self._file, "FALSE", "gdal")
            self.layer.setFlags(self.layer.flags() & ~QgsMapLayer.LayerFlag.Searchable)
        else:
            self.layer.setDataSource(self._file, "FALSE", "gdal", QgsDataProvider.ProviderOptions(), False)
        self.layer.setCrs(self._crs)
        if shows_other or before == "":
            self._style()
        if before:
            gdal.Unlink(before)  # A drawing thread that still reads it has it open.
            self.layer.triggerRepaint()
        self._join()

    def set_classes(self, classes: Sequence[LabelClass]) -> None:
        """Draw classes in these colours."""
        self._classes = list(classes)
        self._style()
        self._repaint()

    def set_opacity(self, opacity: float) -> None:
        """Draw with an opacity from 0 to 1."""
        self._opacity = opacity
        self._style()
        self._repaint()

    def set_visible(self, visible: bool) -> None:
        """Show it, or hide it."""
        self._visible = visible
        self._join()

    def remove(self) -> None:
        """Take it off the canvas for good."""
        self._canvas.extentsChanged.disconnect(self._later.start)
        self._canvas.layersChanged.disconnect(self._join)
        self._later.stop()
        self._visible = False
        self.clear()

    def clear(self) -> None:
        """Show no picture any more, until the next one."""
        # Forgotten first: the canvas says that its layers are others, and ``_join`` would put it back.
        layer, file = self.layer, self._file
        self.layer, self.picture, self._file = None, None, ""
        if layer is not None:
            self._canvas.setLayers([one for one in self._canvas.layers() if one is not layer])
        if file:
            gdal.Unlink(file)

    def _repaint(self) -> None:
        if self.layer is not None:
            self.layer.triggerRepaint()

    def _join(self) -> None:
        """Take the place above the raster and the rasters upon it, such as a map that was made of it, which would hide it.

        The canvas gets its layers anew whenever the layer tree changes.
        """
        if self.layer is None:
            return
        now = self._canvas.layers()
        wanted = [one for one in now if one.id() != self.layer.id()]
        if self._visible:
            ids = [one.id() for one in wanted]
            place = ids.index(self._raster.id()) if self._raster.id() in ids else len(ids)
            while place and isinstance(wanted[place - 1], QgsRasterLayer):
                place -= 1
            wanted.insert(place, self.layer)
        if [one.id() for one in now] != [one.id() for one in wanted]:
            self._canvas.setLayers(wanted)

    def _style(self) -> None:
        if self.layer is None or self.picture is None:
            return
        provider = self.layer.dataProvider()
        if self.picture.shows == SHOW_CONFIDENCE:
            ramp = QgsColorRampShader(0, 100, None, QgsColorRampShader.Type.Interpolated)
            ramp.setColorRampItemList(
                [
                    QgsColorRampShader.ColorRampItem(value, QColor(colour), f"{value} %")
                    for value, colour in CONFIDENCE_COLOURS
                ]
            )
            shader = QgsRasterShader(0, 100)
            shader.setRasterShaderFunction(ramp)
            renderer = QgsSingleBandPseudoColorRenderer(provider, 1, shader)
        else:
            entries: List[QgsPalettedRasterRenderer.Class] = (
                [QgsPalettedRasterRenderer.Class(1, QColor(DIFFERENCE_COLOUR), "")]
                if self.picture.shows == SHOW_CHANGE
                else [QgsPalettedRasterRenderer.Class(one.code, QColor(one.color), one.name) for one in self._classes]
            )
            renderer = QgsPalettedRasterRenderer(provider, 1, entries)
        self.layer.setRenderer(renderer)
        self.layer.setOpacity(self._opacity)


def in_crs_of_canvas(extent: QgsRectangle, crs: QgsCoordinateReferenceSystem, canvas: QgsMapCanvas) -> QgsRectangle:
    """Return an extent of the raster in the CRS of the canvas, as far as there is a way."""
    target = canvas.mapSettings().destinationCrs()
    if not crs.isValid() or not target.isValid() or crs == target:
        return extent
    try:
        return QgsCoordinateTransform(crs, target, QgsProject.instance().transformContext()).transformBoundingBox(extent)
    except QgsCsException:
        return extent
