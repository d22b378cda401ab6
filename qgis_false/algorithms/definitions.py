"""The definition of each parameter of a job for Processing, made from the job's own declaration."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterBand,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from false_core import jobs
from qgis_false import tasks
from qgis_false.algorithms.fields import NO, YES, Field
from qgis_false.translation import tr


def export_definition() -> QgsProcessingParameterDefinition:
    """Return the parameter that has the job written to a file instead of run."""
    declared = tasks.EXPORT
    extension = tr("{kind} files (*.{extension})", kind=declared.of.upper(), extension=declared.of)
    made = QgsProcessingParameterFileDestination(
        tasks.EXPORT_NAME.upper(), tr(declared.label), extension, optional=True, createByDefault=False
    )
    made.setHelp(tr(declared.help))
    made.setFlags(made.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    return made


def _made(kind: Any, field: Field, *given: Any, **named: Any) -> QgsProcessingParameterDefinition:
    return kind(field.processing_name, field.label, *given, optional=field.optional, **named)


def raster(field: Field) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterRasterLayer, field)


def rasters(field: Field) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterMultipleLayers, field, QgsProcessing.SourceType.TypeRaster)


def vector(field: Field) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterFeatureSource, field, [QgsProcessing.SourceType.TypeVectorAnyGeometry])


def field_of_layer(field: Field) -> QgsProcessingParameterDefinition:
    # Optional, as the style of the layer mostly says which field it is.
    layer = field.layer.processing_name
    return QgsProcessingParameterField(field.processing_name, field.label, parentLayerParameterName=layer, optional=True)


def model(field: Field) -> QgsProcessingParameterDefinition:
    # With the second filter any file may be named: the library says better than QGIS what is wrong with it.
    pattern = f"FALSE {field.parameter.of or 'model'} (*.{jobs.MODEL_FILES});;{tr('All files (*)')}"
    return _made(QgsProcessingParameterFile, field, fileFilter=pattern)


def any_file(field: Field) -> QgsProcessingParameterDefinition:
    # A file widget, whose line also takes a name where one may be given. Without "All files" QGIS would refuse it.
    pattern = f"{_files_of(field)};;{tr('All files (*)')}" if field.parameter.of else tr("All files (*)")
    return _made(QgsProcessingParameterFile, field, fileFilter=pattern)


def bands(field: Field) -> QgsProcessingParameterDefinition:
    if field.layer.parameter.kind == jobs.RASTER:
        layer = field.layer.processing_name
        return _made(QgsProcessingParameterBand, field, parentLayerParameterName=layer, allowMultiple=True)
    label = tr("{label}, as 1,2,3", label=field.label)
    return QgsProcessingParameterString(field.processing_name, label, optional=field.optional)


def extent(field: Field) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterExtent, field)


def choice(field: Field) -> QgsProcessingParameterDefinition:
    return _enum(field, field.parameter.choices)


def number(field: Field) -> QgsProcessingParameterDefinition:
    types = {jobs.INTEGER: QgsProcessingParameterNumber.Type.Integer, jobs.NUMBER: QgsProcessingParameterNumber.Type.Double}
    number = _made(QgsProcessingParameterNumber, field, types[field.parameter.kind], field.default)
    if field.parameter.minimum is not None:
        number.setMinimum(field.parameter.minimum)
    if field.parameter.maximum is not None:
        number.setMaximum(field.parameter.maximum)
        if field.parameter.kind == jobs.NUMBER:
            # Shares, thresholds and temperatures: six digits would make the arrows useless.
            number.setMetadata({"widget_wrapper": {"decimals": 3}})
    return number


def flag(field: Field) -> QgsProcessingParameterDefinition:
    if field.optional:
        # A check box has no third state for "from the preset".
        return _enum(field, (YES, NO))
    return QgsProcessingParameterBoolean(field.processing_name, field.label, field.default)


def text(field: Field) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterString, field, field.default)


def new_model(field: Field) -> QgsProcessingParameterDefinition:
    return _new_file(field, f"FALSE {field.name} (*.{jobs.MODEL_FILES})")


def new_report(field: Field) -> QgsProcessingParameterDefinition:
    # Made unless the user says no: it is how a run is understood, and costs next to nothing.
    return _made(QgsProcessingParameterFileDestination, field, tr("HTML files (*.html)"), createByDefault=True)


def new_raster(field: Field) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterRasterDestination, field, createByDefault=not field.optional)


def new_vector(field: Field) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterVectorDestination, field, createByDefault=not field.optional)


def new_table(field: Field) -> QgsProcessingParameterDefinition:
    return _new_file(field, tr("CSV files (*.csv)"))


def new_other_file(field: Field) -> QgsProcessingParameterDefinition:
    return _new_file(field, _files_of(field))


def _files_of(field: Field) -> str:
    extension = field.parameter.of
    return tr("{kind} files (*.{extension})", kind=extension.upper(), extension=extension)


def _new_file(field: Field, pattern: str) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterFileDestination, field, pattern, createByDefault=not field.optional)


def new_folder(field: Field) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterFolderDestination, field)


def _enum(field: Field, choices: Any) -> QgsProcessingParameterDefinition:
    # Static strings, so that names work on the command line and in scripts, and survive a new choice.
    return _made(QgsProcessingParameterEnum, field, list(choices), defaultValue=field.default, usesStaticStrings=True)
