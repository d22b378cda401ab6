"""A page to print with a map: title, legend, scale bar, north arrow, date, CRS and author, as a PDF."""

from __future__ import annotations

import os
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsLayerTree,
    QgsLayoutExporter,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemPicture,
    QgsLayoutItemScaleBar,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsLegendRenderer,
    QgsLegendStyle,
    QgsMapLayerLegendUtils,
    QgsPrintLayout,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsSimpleLegendNode,
    QgsUnitTypes,
)
from qgis.PyQt.QtCore import QDate, QLocale
from qgis.PyQt.QtGui import QFont

from qgis_false.translation import failure, tr

MARGIN_MM, PAGE_WIDTH_MM, PAGE_HEIGHT_MM = 12.0, 297.0, 210.0
LEGEND_MM = 62.0
TITLE_MM, FOOT_MM = 16.0, 12.0
GAP_MM = 4.0
ROOM_AROUND = 1.02


def write_layout(layer: QgsRasterLayer, title: str, author: str, accuracy: str, path: Path) -> None:
    """Write the page of a map, A4 across. To be called in the main thread: a layout is a scene of Qt.

    Raises:
        QgsProcessingException: The PDF cannot be written.
    """
    project = QgsProject()
    project.setCrs(layer.crs())
    project.addMapLayer(layer)
    layout = QgsPrintLayout(project)
    layout.initializeDefaults()  # One page, A4 across.
    layout.setName(title)
    project.layoutManager().addLayout(layout)  # So that it goes before the project does.
    the_map = _map(layout, layer)
    _label(layout, title, 16, MARGIN_MM, MARGIN_MM, PAGE_WIDTH_MM - 2 * MARGIN_MM, TITLE_MM - GAP_MM, bold=True)
    _legend(layout, layer, the_map)
    _scale_bar(layout, the_map)
    _north_arrow(layout, the_map)
    _label(
        layout,
        _foot(layer, author, accuracy),
        8,
        MARGIN_MM,
        PAGE_HEIGHT_MM - MARGIN_MM - FOOT_MM + GAP_MM,
        PAGE_WIDTH_MM - 2 * MARGIN_MM,
        FOOT_MM - GAP_MM,
    )
    done = QgsLayoutExporter(layout).exportToPdf(str(path), QgsLayoutExporter.PdfExportSettings())
    if done != QgsLayoutExporter.ExportResult.Success or not os.path.isfile(path):
        raise failure("{path} cannot be written. Close the programs that have it open.", path=path)


def _map(layout: QgsPrintLayout, layer: QgsRasterLayer) -> QgsLayoutItemMap:
    item = QgsLayoutItemMap(layout)
    layout.addLayoutItem(item)
    width = PAGE_WIDTH_MM - 2 * MARGIN_MM - LEGEND_MM - GAP_MM
    height = PAGE_HEIGHT_MM - 2 * MARGIN_MM - TITLE_MM - FOOT_MM
    _place(item, MARGIN_MM, MARGIN_MM + TITLE_MM, width, height)
    item.setLayers([layer])
    item.setKeepLayerSet(True)
    item.setCrs(layer.crs())
    item.setFrameEnabled(True)
    # In the shape of the frame: QGIS otherwise changes that of the frame.
    extent = layer.extent()
    middle, larger = extent.center(), max(extent.width() / width, extent.height() / height) * ROOM_AROUND
    item.setExtent(QgsRectangle.fromCenterAndSize(middle, larger * width, larger * height))
    return item


def _legend(layout: QgsPrintLayout, layer: QgsRasterLayer, the_map: QgsLayoutItemMap) -> None:
    item = QgsLayoutItemLegend(layout)
    item.setAutoUpdateModel(False)
    tree: QgsLayerTree = item.model().rootGroup()
    tree.clear()
    node = tree.addLayer(layer)
    QgsLegendRenderer.setNodeLegendStyle(node, QgsLegendStyle.Style.Hidden)  # The title of the page says what it is.
    entries = item.model().layerLegendNodes(node)
    # The name of the band says nothing to a reader.
    classes = [number for number, entry in enumerate(entries) if not isinstance(entry, QgsSimpleLegendNode)]
    QgsMapLayerLegendUtils.setLegendNodeOrder(node, classes)
    item.model().refreshLayerLegend(node)
    item.setLinkedMap(the_map)
    item.setTitle(tr("Legend"))
    layout.addLayoutItem(item)
    _place(item, PAGE_WIDTH_MM - MARGIN_MM - LEGEND_MM, MARGIN_MM + TITLE_MM + 26, LEGEND_MM, 100)


def _scale_bar(layout: QgsPrintLayout, the_map: QgsLayoutItemMap) -> None:
    item = QgsLayoutItemScaleBar(layout)
    item.setStyle("Single Box")
    item.setLinkedMap(the_map)
    item.applyDefaultSize()
    layout.addLayoutItem(item)
    item.attemptMove(_point(PAGE_WIDTH_MM - MARGIN_MM - LEGEND_MM, PAGE_HEIGHT_MM - MARGIN_MM - FOOT_MM - 18))


def _north_arrow(layout: QgsPrintLayout, the_map: QgsLayoutItemMap) -> None:
    item = QgsLayoutItemPicture(layout)
    item.setPicturePath(_arrow())
    item.setLinkedMap(the_map)
    item.setNorthMode(QgsLayoutItemPicture.NorthMode.GridNorth)
    layout.addLayoutItem(item)
    _place(item, PAGE_WIDTH_MM - MARGIN_MM - LEGEND_MM, MARGIN_MM + TITLE_MM, 20, 22)


def _arrow() -> str:
    for folder in QgsApplication.svgPaths():
        file = Path(folder) / "arrows" / "NorthArrow_02.svg"
        if file.is_file():
            return str(file)
    return ":/images/north_arrows/layout_default_north_arrow.svg"


def _label(
    layout: QgsPrintLayout, text: str, points: int, left: float, top: float, width: float, height: float, bold: bool = False
) -> None:
    item = QgsLayoutItemLabel(layout)
    shown = text.replace("[%", "[ %")  # Names are no expressions.
    item.setText(shown)
    font = QFont(QgsApplication.font())
    font.setPointSize(points)
    font.setBold(bold)
    item.setFont(font)
    layout.addLayoutItem(item)
    _place(item, left, top, width, height)


def _foot(layer: QgsRasterLayer, author: str, accuracy: str) -> str:
    crs = layer.crs()
    name = f"{crs.authid()} {crs.description()}".strip()
    said = [
        QLocale(QgsApplication.locale()).toString(QDate.currentDate(), QLocale.FormatType.ShortFormat),
        author,
        tr("CRS: {crs}", crs=name) if name else "",
        tr("Overall accuracy: {accuracy}", accuracy=accuracy),
        "FALSE",
    ]
    return " · ".join(part for part in said if part)


def _place(item: object, left: float, top: float, width: float, height: float) -> None:
    item.attemptMove(_point(left, top))  # type: ignore[attr-defined]
    item.attemptResize(QgsLayoutSize(width, height, QgsUnitTypes.LayoutUnit.LayoutMillimeters))  # type: ignore[attr-defined]


def _point(left: float, top: float) -> QgsLayoutPoint:
    return QgsLayoutPoint(left, top, QgsUnitTypes.LayoutUnit.LayoutMillimeters)
