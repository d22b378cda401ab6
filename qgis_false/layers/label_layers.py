"""Label layers to a file that another process can open, where QGIS shows them."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeature,
    QgsFeatureIterator,
    QgsFeatureRequest,
    QgsField,
    QgsFields,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProcessingFeedback,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QMetaType

from qgis_false.layers.legend import LabelStyle
from qgis_false.layers.sources import gdal_option, is_null
from qgis_false.translation import failure, tr

KEY, GEOMETRY = "false_fid", "false_geometry"
"""Names of what the format adds to the fields of a layer."""
_TYPES = QMetaType.Type
_TEXT = _TYPES.QString
_PLAIN_TYPES = (
    *(_TYPES.Bool, _TYPES.Int, _TYPES.LongLong, _TYPES.Double, _TEXT, _TYPES.QDate, _TYPES.QDateTime, _TYPES.QByteArray),
)


def way_to_raster(
    source: QgsProcessingFeatureSource, raster: Optional[QgsRasterLayer], context: QgsProcessingContext
) -> Optional[QgsCoordinateTransform]:
    """Return how QGIS brings the labels to the CRS of the raster: by the operation that the project chose, and with the grid
    files that QGIS has. None where one of them has no CRS, or there is no raster yet.
    """
    if raster is None or not (raster.crs().isValid() and source.sourceCrs().isValid()):
        return None
    return QgsCoordinateTransform(source.sourceCrs(), raster.crs(), context.transformContext())


def write_labels(
    source: QgsProcessingFeatureSource,
    field: str,
    path: Path,
    feedback: QgsProcessingFeedback,
    way: Optional[QgsCoordinateTransform] = None,
    style: Optional[LabelStyle] = None,
) -> str:
    """Write geometry and class field of ``source`` as the GeoPackage ``path``, and return it as a text.

    Where ``field`` is empty, the geometry alone. What the user sees is what is written: the selection, the filter, edits
    that are not saved yet. Broken geometries are passed on as they are; the library repairs them. Features go through one
    by one, as a layer may not fit into memory.

    Args:
        way: Way of the labels to another CRS, see ``way_to_raster``. Without it they stay in their own CRS.
        style: Style by which QGIS shows them. It is shown each feature.

    Raises:
        ProcessingCancelled: The user wants to stop.
        QgsProcessingException: The field is not there, the source cannot be read, or the file cannot be written.
    """
    index = source.fields().lookupField(field) if field else -1
    if field and index < 0:
        names = ", ".join(f.name() for f in source.fields()) or tr("none")
        raise failure("The label layer has no field {field}. Its fields are: {names}.", field=field, names=names)
    fields = QgsFields()
    if field:
        class_field = QgsField(source.fields().at(index))
        class_field.setName(field)  # QGIS takes a name in other capitals too; the job says it as it was entered.
        fields.append(class_field)
    request = QgsFeatureRequest()
    request.setSubsetOfAttributes([*([index] if field else []), *(style.attributes if style else [])])
    # A feature may bring its own symbol, as in KML.
    request.setFlags(request.flags() | QgsFeatureRequest.Flag.EmbeddedSymbols)
    lost = 0

    def copies() -> Iterator[QgsFeature]:
        nonlocal lost
        for feature in _features(source, request, feedback):
            copy = QgsFeature(fields)
            if field:
                copy.setAttributes([feature.attributes()[index]])
            geometry = _straight(feature.geometry())
            if style:
                style.look_at(feature)
            try:
                if way and not geometry.isNull():
                    geometry.transform(way)
            except QgsCsException:
                lost += 1
                continue
            copy.setGeometry(geometry)
            yield copy

    _write(copies(), source, fields, way.destinationCrs() if way else source.sourceCrs(), path, feedback)
    if lost:
        feedback.pushWarning(
            tr(
                "{number} {number:label lies|labels lie} where the CRS of the raster does not reach. {number:It is|They "
                "are} left out.",
                number=lost,
            )
        )
    return str(path)


def write_with_fields(source: QgsProcessingFeatureSource, path: Path, feedback: QgsProcessingFeedback) -> str:
    """Write ``source`` with all its fields and in its own CRS as the GeoPackage ``path``, and return it as a text.

    No feature is left out, wherever it lies: what is made of the layer has all that the user sees in it. Values of kinds
    that the format does not know, such as lists, are written as texts.

    Raises:
        ProcessingCancelled: The user wants to stop.
        QgsProcessingException: The source cannot be read, or the file cannot be written.
    """
    fields, as_text, taken = QgsFields(), {}, {KEY, GEOMETRY}
    for place, own in enumerate(source.fields()):
        field = QgsField(own)
        if own.type() not in _PLAIN_TYPES:
            field, as_text[place] = QgsField(own.name(), type(own.type())(_TEXT)), own
        name, number = own.name(), 1
        while name.casefold() in taken:  # The format takes names that differ in capitals alone for one.
            number += 1
            name = f"{own.name()}_{number}"
        taken.add(name.casefold())
        field.setName(name)
        fields.append(field)

    def copies() -> Iterator[QgsFeature]:
        for feature in _features(source, QgsFeatureRequest(), feedback):
            copy = QgsFeature(fields)
            values = feature.attributes()
            for place, own in as_text.items():
                values[place] = None if is_null(values[place]) else own.displayString(values[place])
            copy.setAttributes(values)
            copy.setGeometry(_straight(feature.geometry()))
            yield copy

    _write(copies(), source, fields, source.sourceCrs(), path, feedback)
    return str(path)


def _features(
    source: QgsProcessingFeatureSource, request: QgsFeatureRequest, feedback: QgsProcessingFeedback
) -> QgsFeatureIterator:
    request.setFeedback(feedback)  # A server that is slow to give features is not waited for after a cancel.
    return source.getFeatures(request, QgsProcessingFeatureSource.Flag.FlagSkipGeometryValidityChecks)


def _write(
    features: Iterator[QgsFeature],
    source: QgsProcessingFeatureSource,
    fields: QgsFields,
    crs: QgsCoordinateReferenceSystem,
    path: Path,
    feedback: QgsProcessingFeedback,
) -> None:
    from qgis_false.environment.processes import ProcessingCancelled  # Not needed when QGIS starts.

    with _undated():
        writer = _label_writer(str(path), fields, source, crs)
        for feature in features:
            if feedback.isCanceled() or not writer.addFeature(feature):
                break
        if feedback.isCanceled():
            raise ProcessingCancelled(tr("Cancelled."))  # Some of the labels are not those that were asked for.
        if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
            raise failure("The labels cannot be written to {path}: {reason}.", path=path, reason=writer.errorMessage())
        del writer  # Only now the file is complete.


def _label_writer(
    path: str, fields: QgsFields, source: QgsProcessingFeatureSource, crs: QgsCoordinateReferenceSystem
) -> QgsVectorFileWriter:
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.fileEncoding, options.layerName = "GPKG", "UTF-8", "labels"
    # A field may well be called fid or geom, like those that the format adds by itself.
    options.layerOptions = [f"FID={KEY}", f"GEOMETRY_NAME={GEOMETRY}"]
    # Any geometry, so that a layer which mixes single and multi-part ones is passed on as it is.
    has_geometry = source.wkbType() != QgsWkbTypes.Type.NoGeometry
    kind = QgsWkbTypes.Type.Unknown if has_geometry else QgsWkbTypes.Type.NoGeometry
    transformations = QgsProcessingContext().transformContext()
    return QgsVectorFileWriter.create(path, fields, kind, crs, transformations, options)


@contextmanager
def _undated() -> Iterator[None]:
    """Leave the date out of what is written: the same labels give the same bytes, by which a training that was
    interrupted finds its checkpoint."""
    with gdal_option("OGR_CURRENT_DATE", "2000-01-01T00:00:00.000Z"):
        yield


def _straight(geometry: Any) -> Any:
    """Return ``geometry`` without curves, which other programs do not know."""
    if not geometry.isNull() and QgsWkbTypes.isCurvedType(geometry.wkbType()):
        geometry.convertToStraightSegment()
    return geometry
