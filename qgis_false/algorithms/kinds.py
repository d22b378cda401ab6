"""The entry of each kind of parameter in a dialog, and how what was entered becomes a field of the job.

Layers become files, and extents meet the CRS of the raster.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Type, Union

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
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
    QgsProcessingUtils,
    QgsProperty,
    QgsRasterLayer,
)

from false_core import jobs
from false_core.jobs import Kind
from qgis_false import tasks
from qgis_false.algorithms.fields import NO, YES, Field, classified, shown_fields
from qgis_false.layers import class_styles, label_layers, sources
from qgis_false.layers.confidence_style import confidence_style
from qgis_false.layers.legend import LabelStyle
from qgis_false.translation import failure, tr


@dataclass(frozen=True)
class Request:
    """One run of an algorithm: its values as Processing hands them over, and where temporary files may go.

    Attributes:
        class_field: The field of the label layer that holds the classes, also where none was entered.
        style: Style by which QGIS shows the labels, where the job wants to know.
    """

    algorithm: QgsProcessingAlgorithm
    parameters: Dict[str, Any]
    context: QgsProcessingContext
    feedback: QgsProcessingFeedback
    folder: Path
    class_field: str = ""
    style: Optional[LabelStyle] = None

    def raw(self, field: Field) -> Any:
        """Return the value as it was entered, or None where nothing was."""
        value = self.parameters.get(field.processing_name)
        if isinstance(value, QgsProcessingOutputLayerDefinition):
            # So the table of a batch says that a layer was left out.
            empty = value.sink.valueAsString(self.context.expressionContext(), "")[0] == ""
            return None if empty else value
        return None if sources.is_null(value) or value == "" else value


@dataclass(frozen=True)
class InDialog:
    """One kind of parameter in a dialog.

    Attributes:
        show: Returns the Processing parameter for a field.
        read: Returns the value that was entered, as the job holds it, or None where nothing was.
    """

    show: Callable[[Field], QgsProcessingParameterDefinition]
    read: Callable[[Request, Field], Any]


def definition(field: Field) -> QgsProcessingParameterDefinition:
    """Return the Processing parameter for ``field``."""
    made = IN_DIALOG[field.parameter.kind].show(field)
    if made.defaultValue() is None and field.default not in (None, ()):
        made.setDefaultValue(list(field.default) if isinstance(field.default, tuple) else field.default)
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


def _read_raster(request: Request, field: Field) -> Optional[str]:
    named = _read_rasters(request, field) if request.raw(field) is not None else None
    return named[0] if named else None


def _read_rasters(request: Request, field: Field) -> Optional[List[str]]:
    if field.optional and not request.raw(field):
        return None
    return [one if isinstance(one, str) else sources.name_in_job(one, request.feedback) for one in _imagery(request, field)]


def _imagery(request: Request, field: Field) -> List[Union[str, QgsRasterLayer]]:
    """Return what was entered, in its order: layers, and names that stand for rasters, which the library looks into."""
    entered = request.raw(field)
    if field.parameter.kind == jobs.RASTER and not sources.value_stands_for_rasters(entered, request.context):
        return [_raster_layer(request, field.processing_name)]
    entered = [entered] if isinstance(entered, str) or not isinstance(entered, (list, tuple)) else entered
    named = [sources.value_stands_for_rasters(one, request.context) for one in entered]
    opened = iter(_opened(request, field, [one for one, name in zip(entered, named) if not name]))
    return [sources.path_of_name(one) if name else next(opened) for one, name in zip(entered, named)]


def _raster_layer(request: Request, name: str) -> QgsRasterLayer:
    entered = request.parameters.get(name)
    with sources.as_it_is(entered if isinstance(entered, str) else ""):
        layer = request.algorithm.parameterAsRasterLayer(request.parameters, name, request.context)
    if layer is None:
        raise QgsProcessingException(request.algorithm.invalidRasterError(request.parameters, name))
    return layer


def _opened(request: Request, field: Field, entered: List[Any]) -> List[QgsRasterLayer]:
    if not entered:
        return []
    parameters = {**request.parameters, field.processing_name: entered}
    found = request.algorithm.parameterAsLayerList(parameters, field.processing_name, request.context)
    if len(found) < len(entered):
        # Processing leaves out what it cannot open. A job must not quietly learn from less than was asked for.
        texts = [one for one in entered if isinstance(one, str)]
        lost = [text for text in texts if QgsProcessingUtils.mapLayerFromString(text, request.context) is None]
        raise failure("Not a raster that can be opened: {names}.", names=", ".join(lost) or entered)
    return found


def _read_vector(request: Request, field: Field) -> Optional[str]:
    if request.raw(field) is None:
        return None
    source = request.algorithm.parameterAsSource(request.parameters, field.processing_name, request.context)
    if source is None:
        raise QgsProcessingException(request.algorithm.invalidSourceError(request.parameters, field.processing_name))
    path = request.folder / f"{field.name}.gpkg"
    if field.parameter.keeps_fields:
        return label_layers.write_with_fields(source, path, request.feedback)
    # Before there is a layer of it, as for a folder of rasters, the library finds the way to its CRS.
    placed = request.raw(field.layer) is not None
    raster = _imagery(request, field.layer)[0] if placed else None
    way = label_layers.way_to_raster(source, raster if isinstance(raster, QgsRasterLayer) else None, request.context)
    if field.processing_name != classified(field.job):
        return label_layers.write_labels(source, "", path, request.feedback, way)
    return label_layers.write_labels(source, request.class_field, path, request.feedback, way, request.style)


def _show_field_of_layer(field: Field) -> QgsProcessingParameterDefinition:
    # Optional, as the style of the layer mostly says which field it is.
    layer = field.layer.processing_name
    return QgsProcessingParameterField(field.processing_name, field.label, parentLayerParameterName=layer, optional=True)


def _show_model(field: Field) -> QgsProcessingParameterDefinition:
    # With the second filter any file may be named: the library says better than QGIS what is wrong with it.
    pattern = f"FALSE {field.parameter.of or 'model'} (*.{jobs.MODEL_FILES});;{tr('All files (*)')}"
    return _made(QgsProcessingParameterFile, field, fileFilter=pattern)


def _show_any_file(field: Field) -> QgsProcessingParameterDefinition:
    # A file widget, whose line also takes a name where one may be given. Without "All files" QGIS would refuse it.
    pattern = f"{_files_of(field)};;{tr('All files (*)')}" if field.parameter.of else tr("All files (*)")
    return _made(QgsProcessingParameterFile, field, fileFilter=pattern)


def _read_file(request: Request, field: Field) -> Optional[str]:
    path = request.algorithm.parameterAsFile(request.parameters, field.processing_name, request.context)
    return os.path.abspath(path) if path else None


def _read_file_or_name(request: Request, field: Field) -> Optional[str]:
    entered = _read_text(request, field)
    return os.path.abspath(entered) if entered and os.path.exists(entered) else entered


def _show_bands(field: Field) -> QgsProcessingParameterDefinition:
    if field.layer.parameter.kind == jobs.RASTER:
        layer = field.layer.processing_name
        return _made(QgsProcessingParameterBand, field, parentLayerParameterName=layer, allowMultiple=True)
    label = tr("{label}, as 1,2,3", label=field.label)
    shown = ",".join(map(str, field.default or ())) or None
    return QgsProcessingParameterString(field.processing_name, label, shown, optional=field.optional)


def _read_bands(request: Request, field: Field) -> Optional[Any]:
    entered = request.raw(field)
    if entered is None:
        return None
    parts = entered.replace(";", ",").split(",") if isinstance(entered, str) else entered
    return [_as_number(part) for part in (parts if isinstance(parts, (list, tuple)) else [parts])]


def _read_extent(request: Request, field: Field) -> Optional[str]:
    if request.raw(field) is None:
        return None
    values, name, context = request.parameters, field.processing_name, request.context
    layer = _imagery(request, field.layer)[0]
    if isinstance(layer, str):  # There is no layer whose CRS it could be brought to.
        extent = request.algorithm.parameterAsExtent(values, name, context)
        text = sources.coded_extent(extent, request.algorithm.parameterAsExtentCrs(values, name, context).authid())
    else:
        extent = request.algorithm.parameterAsExtent(values, name, context, layer.crs())
        text = sources.extent_text(extent, layer)
    if extent.isEmpty():
        raise failure(
            "The extent {extent} cannot be read or is empty. Write it as xmin,xmax,ymin,ymax [EPSG:code].",
            extent=request.raw(field),
        )
    return text


def _read_choice(request: Request, field: Field) -> Optional[str]:
    return request.algorithm.parameterAsEnumString(request.parameters, field.processing_name, request.context) or None


def _show_flag(field: Field) -> QgsProcessingParameterDefinition:
    if field.optional:
        # A check box has no third state for "from the preset".
        return _enum(field, (YES, NO))
    return QgsProcessingParameterBoolean(field.processing_name, field.label)


def _read_flag(request: Request, field: Field) -> Optional[bool]:
    if not field.optional:
        return request.algorithm.parameterAsBoolean(request.parameters, field.processing_name, request.context)
    answer = _read_choice(request, field)
    return None if answer is None else answer == YES


def _enum(field: Field, choices: Any) -> QgsProcessingParameterDefinition:
    # Static strings, so that names work on the command line and in scripts, and survive a new choice.
    return _made(QgsProcessingParameterEnum, field, list(choices), usesStaticStrings=True)


def _show_number(field: Field) -> QgsProcessingParameterDefinition:
    types = {jobs.INTEGER: QgsProcessingParameterNumber.Type.Integer, jobs.NUMBER: QgsProcessingParameterNumber.Type.Double}
    number = _made(QgsProcessingParameterNumber, field, types[field.parameter.kind])
    if field.parameter.minimum is not None:
        number.setMinimum(field.parameter.minimum)
    if field.parameter.maximum is not None:
        number.setMaximum(field.parameter.maximum)
        if field.parameter.kind == jobs.NUMBER:
            # Shares, thresholds and temperatures: six digits would make the arrows useless.
            number.setMetadata({"widget_wrapper": {"decimals": 3}})
    return number


def _read_number(request: Request, field: Field) -> Any:
    entered = request.raw(field)
    if isinstance(entered, QgsProperty):
        entered = request.algorithm.parameterAsDouble(request.parameters, field.processing_name, request.context)
    return _as_number(entered)


def _as_number(entered: Any) -> Any:
    """Return a number where one was entered, also as text. Anything else is passed on: the library names what it expects."""
    try:
        number = float(entered)
    except (TypeError, ValueError):
        return entered
    return int(number) if number.is_integer() else number


def _show_text(field: Field) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterString, field)


def _read_text(request: Request, field: Field) -> Optional[str]:
    return request.algorithm.parameterAsString(request.parameters, field.processing_name, request.context).strip() or None


def _read_new_raster(request: Request, field: Field) -> Optional[str]:
    if request.raw(field) is None:
        return None
    return os.path.abspath(_output_layer(request, field))


def _read_new_vector(request: Request, field: Field) -> Optional[str]:
    if request.raw(field) is None:
        return None
    path = _output_layer(request, field)
    if not os.path.isabs(path):
        raise failure("{name} must be a file, for example a GeoPackage; it is {path}.", name=field.label_and_name, path=path)
    return path


def _output_layer(request: Request, field: Field) -> str:
    """Return where a layer goes, and have it drawn as it says itself when it arrives, if it does."""
    path = request.algorithm.parameterAsOutputLayer(request.parameters, field.processing_name, request.context)
    if request.context.willLoadLayerOnCompletion(path):
        details = request.context.layerToLoadOnCompletionDetails(path)
        if field.name == "confidence":
            details.setPostProcessor(confidence_style())
        elif field.name in request.algorithm.STYLED:
            details.setPostProcessor(class_styles.class_style())
    return path


def _new_layer(kind: Any, field: Field) -> QgsProcessingParameterDefinition:
    return _made(kind, field, createByDefault=not field.optional)


def _new_file(field: Field, pattern: str, is_usual: bool = False) -> QgsProcessingParameterDefinition:
    return _made(QgsProcessingParameterFileDestination, field, pattern, createByDefault=is_usual or not field.optional)


def _read_new_file(request: Request, field: Field) -> Optional[str]:
    if request.raw(field) is None:
        return None
    return os.path.abspath(
        request.algorithm.parameterAsFileOutput(request.parameters, field.processing_name, request.context)
    )


def _files_of(field: Field) -> str:
    extension = field.parameter.of
    return tr("{kind} files (*.{extension})", kind=extension.upper(), extension=extension)


def _made(kind: Any, field: Field, *given: Any, **named: Any) -> QgsProcessingParameterDefinition:
    return kind(field.processing_name, field.label, *given, optional=field.optional, **named)


IN_DIALOG: Dict[Kind, InDialog] = {
    jobs.RASTER: InDialog(lambda field: _made(QgsProcessingParameterRasterLayer, field), _read_raster),
    jobs.RASTERS: InDialog(
        lambda field: _made(QgsProcessingParameterMultipleLayers, field, QgsProcessing.SourceType.TypeRaster), _read_rasters
    ),
    jobs.VECTOR: InDialog(
        lambda field: _made(QgsProcessingParameterFeatureSource, field, [QgsProcessing.SourceType.TypeVectorAnyGeometry]),
        _read_vector,
    ),
    jobs.FIELD: InDialog(_show_field_of_layer, lambda request, field: request.class_field or _read_text(request, field)),
    jobs.MODEL: InDialog(_show_model, _read_file),
    jobs.BANDS: InDialog(_show_bands, _read_bands),
    jobs.EXTENT: InDialog(lambda field: _made(QgsProcessingParameterExtent, field), _read_extent),
    jobs.CHOICE: InDialog(lambda field: _enum(field, field.parameter.choices), _read_choice),
    jobs.INTEGER: InDialog(_show_number, _read_number),
    jobs.NUMBER: InDialog(_show_number, _read_number),
    jobs.NUMBER_OR_WORD: InDialog(_show_text, lambda request, field: _as_number(_read_text(request, field))),
    jobs.FLAG: InDialog(_show_flag, _read_flag),
    jobs.TEXT: InDialog(_show_text, _read_text),
    jobs.FILE: InDialog(_show_any_file, _read_file),
    jobs.FILE_OR_NAME: InDialog(_show_any_file, _read_file_or_name),
    jobs.NEW_MODEL: InDialog(lambda field: _new_file(field, f"FALSE {field.name} (*.{jobs.MODEL_FILES})"), _read_new_file),
    # Made unless the user says no: it is how a run is understood, and costs next to nothing.
    jobs.NEW_REPORT: InDialog(lambda field: _new_file(field, tr("HTML files (*.html)"), True), _read_new_file),
    jobs.NEW_RASTER: InDialog(lambda field: _new_layer(QgsProcessingParameterRasterDestination, field), _read_new_raster),
    jobs.NEW_VECTOR: InDialog(lambda field: _new_layer(QgsProcessingParameterVectorDestination, field), _read_new_vector),
    jobs.NEW_TABLE: InDialog(lambda field: _new_file(field, tr("CSV files (*.csv)")), _read_new_file),
    jobs.NEW_FILE: InDialog(lambda field: _new_file(field, _files_of(field)), _read_new_file),
    jobs.NEW_FOLDER: InDialog(lambda field: _made(QgsProcessingParameterFolderDestination, field), _read_new_file),
}
