"""The widget and the reader of each kind of parameter in a dialog: a row for each kind there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Type

from qgis.core import QgsProcessingParameterDefinition

from false_core import jobs
from false_core.jobs import Kind
from qgis_false.algorithms import definitions, values
from qgis_false.algorithms.fields import Field, shown_fields
from qgis_false.algorithms.values import Request
from qgis_false.translation import tr


@dataclass(frozen=True)
class InDialog:
    """One kind of parameter in a dialog.

    Attributes:
        show: Returns the Processing parameter for a field.
        read: Returns the value that was entered, as the job holds it, or None where nothing was.
    """

    show: Callable[[Field], QgsProcessingParameterDefinition]
    read: Callable[[Request, Field], Any]


IN_DIALOG: Dict[Kind, InDialog] = {
    jobs.RASTER: InDialog(definitions.raster, values.raster),
    jobs.RASTERS: InDialog(definitions.rasters, values.rasters),
    jobs.VECTOR: InDialog(definitions.vector, values.vector),
    jobs.FIELD: InDialog(definitions.field_of_layer, values.class_field),
    jobs.MODEL: InDialog(definitions.model, values.file),
    jobs.BANDS: InDialog(definitions.bands, values.bands),
    jobs.EXTENT: InDialog(definitions.extent, values.extent),
    jobs.CHOICE: InDialog(definitions.choice, values.choice),
    jobs.INTEGER: InDialog(definitions.number, values.number),
    jobs.NUMBER: InDialog(definitions.number, values.number),
    jobs.NUMBER_OR_WORD: InDialog(definitions.text, values.number_or_word),
    jobs.FLAG: InDialog(definitions.flag, values.flag),
    jobs.TEXT: InDialog(definitions.text, values.text),
    jobs.FILE: InDialog(definitions.any_file, values.file),
    jobs.FILE_OR_NAME: InDialog(definitions.any_file, values.file_or_name),
    jobs.NEW_MODEL: InDialog(definitions.new_model, values.new_file),
    jobs.NEW_REPORT: InDialog(definitions.new_report, values.new_file),
    jobs.NEW_RASTER: InDialog(definitions.new_raster, values.new_raster),
    jobs.NEW_VECTOR: InDialog(definitions.new_vector, values.new_vector),
    jobs.NEW_TABLE: InDialog(definitions.new_table, values.new_file),
    jobs.NEW_FILE: InDialog(definitions.new_other_file, values.new_file),
    jobs.NEW_FOLDER: InDialog(definitions.new_folder, values.new_file),
}


def definition(field: Field) -> QgsProcessingParameterDefinition:
    """Return the Processing parameter for ``field``."""
    made = IN_DIALOG[field.parameter.kind].show(field)
    made.setHelp(tr(field.parameter.help))
    if field.parameter.advanced:
        made.setFlags(made.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    return made


def job_fields(request: Request, job: Type[Any]) -> Dict[str, Any]:
    """Return the fields of ``job`` that were entered. Layers that are not files are written to the folder of the request.

    Raises:
        QgsProcessingException: A layer cannot be opened, or is none that another program can read.
    """
    entered = {field.name: IN_DIALOG[field.parameter.kind].read(request, field) for field in shown_fields(job).values()}
    return {name: value for name, value in entered.items() if value is not None}
