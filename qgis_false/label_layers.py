"""Label layers to a file that another process can open."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from osgeo import gdal
from qgis.core import (
    QgsFeature,
    QgsFeatureRequest,
    QgsField,
    QgsFields,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProcessingFeedback,
    QgsVectorFileWriter,
    QgsWkbTypes,
)

from qgis_false.translation import failure, tr

LABELS_FILE = "labels.gpkg"


def write_labels(source: QgsProcessingFeatureSource, field: str, folder: Path, feedback: QgsProcessingFeedback) -> str:
    """Write geometry and class field of ``source`` as a GeoPackage into ``folder`` and return the path.

    Where ``field`` is empty, the geometry alone. What the user sees is what is written: the selection, the filter, edits
    that are not saved yet. Broken geometries are passed on as they are; the library repairs them.

    Raises:
        ProcessingCancelled: The user wants to stop.
        QgsProcessingException: The field is not there, the source cannot be read, or the file cannot be written.
    """
    from qgis_false.environment.processes import ProcessingCancelled  # Not needed when QGIS starts.

    index = source.fields().lookupField(field) if field else -1
    if field and index < 0:
        names = ", ".join(f.name() for f in source.fields()) or tr("none")
        raise failure("The label layer has no field {field}. Its fields are: {names}.", field=field, names=names)
    fields = QgsFields()
    if field:
        class_field = QgsField(source.fields().at(index))
        class_field.setName(field)  # QGIS takes a name in other capitals too; the job says it as it was entered.
        fields.append(class_field)
    path = str(folder / LABELS_FILE)
    with _undated():
        writer = _label_writer(path, fields, source)
        request = QgsFeatureRequest().setSubsetOfAttributes([index] if field else [])
        request.setFeedback(feedback)  # A server that is slow to give features is not waited for after a cancel.
        for feature in source.getFeatures(request, QgsProcessingFeatureSource.Flag.FlagSkipGeometryValidityChecks):
            copy = QgsFeature(fields)
            if field:
                copy.setAttributes([feature.attributes()[index]])
            copy.setGeometry(_straight(feature.geometry()))
            if feedback.isCanceled() or not writer.addFeature(copy):
                break
        if feedback.isCanceled():
            raise ProcessingCancelled(tr("Cancelled."))  # Some of the labels are not those that were asked for.
        if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
            raise failure("The labels cannot be written to {path}: {reason}.", path=path, reason=writer.errorMessage())
        del writer  # Only now the file is complete.
    return path


def _label_writer(path: str, fields: QgsFields, source: QgsProcessingFeatureSource) -> QgsVectorFileWriter:
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.fileEncoding, options.layerName = "GPKG", "UTF-8", "labels"
    # A class field may well be called fid, like the key that the format adds by itself.
    options.layerOptions = ["FID=false_fid"]
    # Any geometry, so that a layer which mixes single and multi-part ones is passed on as it is.
    has_geometry = source.wkbType() != QgsWkbTypes.Type.NoGeometry
    kind = QgsWkbTypes.Type.Unknown if has_geometry else QgsWkbTypes.Type.NoGeometry
    transformations = QgsProcessingContext().transformContext()
    return QgsVectorFileWriter.create(path, fields, kind, source.sourceCrs(), transformations, options)


@contextmanager
def _undated() -> Iterator[None]:
    """Leave the date out of what is written: the same labels give the same bytes, by which a training that was
    interrupted finds its checkpoint."""
    gdal.SetThreadLocalConfigOption("OGR_CURRENT_DATE", "2000-01-01T00:00:00.000Z")
    try:
        yield
    finally:
        gdal.SetThreadLocalConfigOption("OGR_CURRENT_DATE", None)


def _straight(geometry: Any) -> Any:
    """Return ``geometry`` without curves, which other programs do not know."""
    if not geometry.isNull() and QgsWkbTypes.isCurvedType(geometry.wkbType()):
        geometry.convertToStraightSegment()
    return geometry
