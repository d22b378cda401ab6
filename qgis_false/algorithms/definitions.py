"""What Processing shows and accepts for each parameter of a job, made from the job's own declaration."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, Type

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
from false_core.jobs import Parameter
from qgis_false import tasks
from qgis_false.translation import tr

YES, NO = "yes", "no"
"""The answers to a flag that may also be left to the preset."""


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a job class, with what a definition needs to know about it.

    Attributes:
        default: The job's, or None where it has none.
        optional: Whether it may be left empty.
    """

    job: Type[Any]
    name: str
    parameter: Parameter
    default: Any
    optional: bool

    @property
    def processing_name(self) -> str:
        """Name of the Processing parameter."""
        return self.name.upper()

    @property
    def layer(self) -> Field:
        """The field of the same job that names the layer which this one, a class field, bands or an extent, belongs to."""
        return shown_fields(self.job)[self.parameter.of.upper()]

    @property
    def label(self) -> str:
        """The label with its unit."""
        label = tr(self.parameter.label)
        return f"{label} ({tr(self.parameter.unit)})" if self.parameter.unit else label


def shown_fields(job: Type[Any]) -> Dict[str, Field]:
    """Return the fields of ``job`` that a person sets, by Processing name, in the order of declaration."""
    shown = {}
    for field in dataclasses.fields(job):
        parameter = field.metadata["parameter"]
        if parameter.dialog:
            default = None if field.default is dataclasses.MISSING else field.default
            shown[field.name.upper()] = Field(job, field.name, parameter, default, field.default in (None, ()))
    return shown


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


def the_only(job: Type[Any], kind: str) -> str:
    """Return the Processing name of the one field of ``kind``, or nothing where there is none or several."""
    names = [name for name, field in shown_fields(job).items() if field.parameter.kind == kind]
    return names[0] if len(names) == 1 else ""


def definition(field: Field) -> QgsProcessingParameterDefinition:
    """Return the Processing parameter for ``field``."""
    made = _BUILDERS[field.parameter.kind](field)
    made.setHelp(tr(field.parameter.help))
    if field.parameter.advanced:
        made.setFlags(made.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    return made


def _raster(field: Field) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterRasterLayer(field.processing_name, field.label, optional=field.optional)


def _rasters(field: Field) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterMultipleLayers(
        field.processing_name, field.label, QgsProcessing.SourceType.TypeRaster, optional=field.optional
    )


def _vector(field: Field) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterFeatureSource(
        field.processing_name, field.label, [QgsProcessing.SourceType.TypeVectorAnyGeometry], optional=field.optional
    )


def _field(field: Field) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterField(
        field.processing_name, field.label, parentLayerParameterName=field.layer.processing_name, optional=field.optional
    )


def _model(field: Field) -> QgsProcessingParameterDefinition:
    # With the second filter any file may be named: the library says better than QGIS what is wrong with it.
    pattern = f"FALSE {field.parameter.of or 'model'} (*.{jobs.MODEL_FILES});;{tr('All files (*)')}"
    return QgsProcessingParameterFile(field.processing_name, field.label, optional=field.optional, fileFilter=pattern)


def _any_file(field: Field) -> QgsProcessingParameterDefinition:
    # A file widget, whose line also takes a name where one may be given. Without "All files" QGIS would refuse it.
    pattern = f"{_files_of(field)};;{tr('All files (*)')}" if field.parameter.of else tr("All files (*)")
    return QgsProcessingParameterFile(field.processing_name, field.label, optional=field.optional, fileFilter=pattern)


def _bands(field: Field) -> QgsProcessingParameterDefinition:
    if field.layer.parameter.kind == jobs.RASTER:
        return QgsProcessingParameterBand(
            field.processing_name, field.label, parentLayerParameterName=field.layer.processing_name,
            optional=field.optional, allowMultiple=True,
        )  # fmt: skip
    return QgsProcessingParameterString(
        field.processing_name, tr("{label}, as 1,2,3", label=field.label), optional=field.optional
    )


def _extent(field: Field) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterExtent(field.processing_name, field.label, optional=field.optional)


def _choice(field: Field) -> QgsProcessingParameterDefinition:
    return _enum(field, field.parameter.choices)


def _number(field: Field) -> QgsProcessingParameterDefinition:
    types = {jobs.INTEGER: QgsProcessingParameterNumber.Type.Integer, jobs.NUMBER: QgsProcessingParameterNumber.Type.Double}
    number = QgsProcessingParameterNumber(
        field.processing_name, field.label, types[field.parameter.kind], field.default, field.optional
    )
    if field.parameter.minimum is not None:
        number.setMinimum(field.parameter.minimum)
    if field.parameter.maximum is not None:
        number.setMaximum(field.parameter.maximum)
        if field.parameter.kind == jobs.NUMBER:
            # Shares, thresholds and temperatures: six digits would make the arrows useless.
            number.setMetadata({"widget_wrapper": {"decimals": 3}})
    return number


def _flag(field: Field) -> QgsProcessingParameterDefinition:
    if field.optional:
        # A check box has no third state for "from the preset".
        return _enum(field, (YES, NO))
    return QgsProcessingParameterBoolean(field.processing_name, field.label, field.default)


def _text(field: Field) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterString(field.processing_name, field.label, field.default, optional=field.optional)


def _new_model(field: Field) -> QgsProcessingParameterDefinition:
    return _new_file(field, f"FALSE {field.name} (*.{jobs.MODEL_FILES})")


def _new_report(field: Field) -> QgsProcessingParameterDefinition:
    # Made unless somebody says no: it is how a run is understood, and costs next to nothing.
    return QgsProcessingParameterFileDestination(
        field.processing_name, field.label, tr("HTML files (*.html)"), optional=field.optional, createByDefault=True
    )


def _new_raster(field: Field) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterRasterDestination(
        field.processing_name, field.label, optional=field.optional, createByDefault=not field.optional
    )


def _new_vector(field: Field) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterVectorDestination(
        field.processing_name, field.label, optional=field.optional, createByDefault=not field.optional
    )


def _new_table(field: Field) -> QgsProcessingParameterDefinition:
    return _new_file(field, tr("CSV files (*.csv)"))


def _new_other_file(field: Field) -> QgsProcessingParameterDefinition:
    return _new_file(field, _files_of(field))


def _files_of(field: Field) -> str:
    extension = field.parameter.of
    return tr("{kind} files (*.{extension})", kind=extension.upper(), extension=extension)


def _new_file(field: Field, pattern: str) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterFileDestination(
        field.processing_name, field.label, pattern, optional=field.optional, createByDefault=not field.optional
    )


def _new_folder(field: Field) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterFolderDestination(field.processing_name, field.label, optional=field.optional)


def _enum(field: Field, choices: Any) -> QgsProcessingParameterDefinition:
    # Static strings, so that names work on the command line and in scripts, and survive a new choice.
    return QgsProcessingParameterEnum(
        field.processing_name, field.label, list(choices), defaultValue=field.default, optional=field.optional,
        usesStaticStrings=True,
    )  # fmt: skip


_BUILDERS: Dict[str, Callable[[Field], QgsProcessingParameterDefinition]] = {
    jobs.RASTER: _raster, jobs.RASTERS: _rasters, jobs.VECTOR: _vector, jobs.FIELD: _field, jobs.MODEL: _model,
    jobs.BANDS: _bands, jobs.EXTENT: _extent, jobs.CHOICE: _choice, jobs.INTEGER: _number, jobs.NUMBER: _number,
    jobs.NUMBER_OR_WORD: _text, jobs.FLAG: _flag, jobs.TEXT: _text, jobs.FILE: _any_file, jobs.FILE_OR_NAME: _any_file,
    jobs.NEW_MODEL: _new_model, jobs.NEW_REPORT: _new_report, jobs.NEW_RASTER: _new_raster,
    jobs.NEW_VECTOR: _new_vector, jobs.NEW_TABLE: _new_table, jobs.NEW_FILE: _new_other_file,
    jobs.NEW_FOLDER: _new_folder,
}  # fmt: skip
