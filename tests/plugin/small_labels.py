"""Label layers in memory and in files, small enough to be drawn by hand."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsFeature, QgsGeometry, QgsProject, QgsVectorFileWriter, QgsVectorLayer


def memory_layer(kind: str = "Polygon", field: str = "class:string", crs: str = "EPSG:32633") -> QgsVectorLayer:
    layer = QgsVectorLayer(f"{kind}?crs={crs}&field={field}&field=other:integer", "labels", "memory")
    assert layer.isValid()
    return layer


def add(layer: QgsVectorLayer, wkt: str, *values: object) -> None:
    feature = QgsFeature(layer.fields())
    feature.setGeometry(QgsGeometry.fromWkt(wkt))
    for index, value in enumerate(values):
        feature.setAttribute(index, value)
    assert (layer.isEditable() and layer.addFeature(feature)) or layer.dataProvider().addFeatures([feature])[0]


def square(x: float) -> str:
    return f"Polygon(({x} 0, {x + 5} 0, {x + 5} 5, {x} 5, {x} 0))"


def saved(layer: QgsVectorLayer, path: Path, name: str = "labels") -> QgsVectorLayer:
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = name
    if path.exists():
        options.actionOnExistingFile = QgsVectorFileWriter.CreateOrOverwriteLayer
    error = QgsVectorFileWriter.writeAsVectorFormatV3(layer, str(path), QgsProject.instance().transformContext(), options)
    assert error[0] == QgsVectorFileWriter.NoError, error
    return QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
