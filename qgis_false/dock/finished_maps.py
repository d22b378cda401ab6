"""The finished maps of a project: which there are, and what is run to correct or to compare them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence

from qgis.core import (
    QgsLayerTreeLayer,
    QgsLayerTreeNode,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)

from qgis_false.dock.label_file import CLASS_FIELD
from qgis_false.layers.class_styles import classes_of
from qgis_false.layers.result_metadata import is_made_by
from qgis_false.layers.sources import raster_layers, raster_path


def class_rasters() -> List[QgsRasterLayer]:
    """Return the rasters of the project that show classes of ours, as they lie upon each other: maps, and what changed."""
    return [one for one in raster_layers() if classes_of(raster_path(one))]


def map_layers() -> List[QgsRasterLayer]:
    """Return those that are maps."""
    return [one for one in class_rasters() if not is_made_by("comparemaps", one)]


def maps_of_points(points: QgsVectorLayer) -> List[QgsRasterLayer]:
    """Return the maps, the one first whose name the file of some sample points begins with, as it does by default."""
    file = Path(points.source().partition("|")[0]).name

    def likeness(the_map: QgsRasterLayer) -> int:
        stem = Path(raster_path(the_map)).stem
        return len(stem) if file.startswith(f"{stem}_") else 0

    return sorted(map_layers(), key=likeness, reverse=True)


def hide_layers(ids: Sequence[str]) -> List[str]:
    """Hide layers, as far as they are still there and shown. Return the ids of these."""
    nodes = map(QgsProject.instance().layerTreeRoot().findLayer, ids)
    shown = [node for node in nodes if node is not None and node.itemVisibilityChecked()]
    for node in shown:
        node.setItemVisibilityChecked(False)
    return [node.layerId() for node in shown]


def show_layers(ids: Sequence[str]) -> None:
    """Show layers again, as far as they are still there."""
    for node in map(QgsProject.instance().layerTreeRoot().findLayer, ids):
        if node is not None:
            node.setItemVisibilityChecked(True)


def add_above(layer: QgsRasterLayer, raster: QgsRasterLayer) -> None:
    """Add a layer to the project, above a raster and all rasters that lie upon it: what is new is what one wants to see."""
    project = QgsProject.instance()
    project.addMapLayer(layer, False)
    node = project.layerTreeRoot().findLayer(raster.id())
    parent = node.parent() if node is not None else project.layerTreeRoot()
    beside = parent.children()
    place = beside.index(node) if node is not None else 0
    while place and _is_raster(beside[place - 1]):
        place -= 1
    parent.insertLayer(place, layer)


def _is_raster(node: QgsLayerTreeNode) -> bool:
    return isinstance(node, QgsLayerTreeLayer) and isinstance(node.layer(), QgsRasterLayer)


def corrected_by(labels: QgsVectorLayer, the_map: QgsRasterLayer, output: str) -> Dict[str, Any]:
    """Return the parameters with which labels overwrite a map: those that are selected, or all where none is."""
    chosen = QgsProcessingFeatureSourceDefinition(labels.id(), labels.selectedFeatureCount() > 0)
    return {"MAP": the_map.id(), "PATCHES": chosen, "FIELD": CLASS_FIELD, "OUTPUT": output}


def compared_with(before: QgsRasterLayer, after: QgsRasterLayer, output: str, report: str) -> Dict[str, Any]:
    """Return the parameters with which two maps are compared."""
    return {"BEFORE": before.id(), "AFTER": after.id(), "OUTPUT": output, "REPORT": report}


def assessed_by(points: QgsVectorLayer, the_map: QgsRasterLayer) -> Dict[str, Any]:
    """Return the parameters with which sample points say how good a map is."""
    return {"MAP": the_map.id(), "REFERENCE": points.id(), "FIELD": CLASS_FIELD}
