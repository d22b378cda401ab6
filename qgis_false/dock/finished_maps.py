"""The finished maps of a project: which there are, and what is run to correct or to compare them."""

from __future__ import annotations

from typing import Any, Dict, List

from qgis.core import QgsProcessingFeatureSourceDefinition, QgsProject, QgsRasterLayer, QgsVectorLayer

from qgis_false.dock.label_file import CLASS_FIELD
from qgis_false.layers import classes_of, raster_path


def map_layers() -> List[QgsRasterLayer]:
    """Return the layers of the project that are maps of ours, as they lie upon each other."""
    return [
        one
        for one in QgsProject.instance().layerTreeRoot().layerOrder()
        if isinstance(one, QgsRasterLayer) and one.providerType() == "gdal" and classes_of(raster_path(one))
    ]


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
