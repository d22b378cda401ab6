"""The values that the user entered, read back as the fields of a job: layers become files, extents meet the raster's CRS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingUtils,
    QgsProperty,
    QgsRasterLayer,
)

from false_core import jobs
from qgis_false import label_layers, layers
from qgis_false.algorithms.fields import YES, Field, classified
from qgis_false.confidence_style import confidence_style
from qgis_false.legend import LabelStyle
from qgis_false.translation import failure


@dataclass(frozen=True)
class Request:
    """One run of an algorithm: its values as Processing hands them over, and where temporary files may go.

    Attributes:
        class_field: The field of the label layer that holds the classes, also where none was entered.
        style: How QGIS shows the labels, where the job wants to know.
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
        return None if layers.is_null(value) or value == "" else value


def raster(request: Request, field: Field) -> Optional[str]:
    named = rasters(request, field) if request.raw(field) is not None else None
    return named[0] if named else None


def rasters(request: Request, field: Field) -> Optional[List[str]]:
    if field.optional and not request.raw(field):
        return None
    return [one if isinstance(one, str) else layers.name_in_job(one, request.feedback) for one in _imagery(request, field)]


def _imagery(request: Request, field: Field) -> List[Union[str, QgsRasterLayer]]:
    """Return what was entered, in its order: layers, and names that stand for rasters, which the library looks into."""
    entered = request.raw(field)
    if field.parameter.kind == jobs.RASTER and not layers.value_stands_for_rasters(entered, request.context):
        return [_raster_layer(request, field.processing_name)]
    entered = [entered] if isinstance(entered, str) or not isinstance(entered, (list, tuple)) else entered
    named = [layers.value_stands_for_rasters(one, request.context) for one in entered]
    opened = iter(_opened(request, field, [one for one, name in zip(entered, named) if not name]))
    return [layers.path_of_name(one) if name else next(opened) for one, name in zip(entered, named)]


def _raster_layer(request: Request, name: str) -> QgsRasterLayer:
    entered = request.parameters.get(name)
    with layers.as_it_is(entered if isinstance(entered, str) else ""):
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


def vector(request: Request, field: Field) -> Optional[str]:
    if request.raw(field) is None:
        return None
    source = request.algorithm.parameterAsSource(request.parameters, field.processing_name, request.context)
    if source is None:
        raise QgsProcessingException(request.algorithm.invalidSourceError(request.parameters, field.processing_name))
    # Before there is a layer of it, as for a folder of rasters, the library finds the way to its CRS.
    placed = request.raw(field.layer) is not None
    raster = _imagery(request, field.layer)[0] if placed else None
    way = label_layers.way_to_raster(source, raster if isinstance(raster, QgsRasterLayer) else None, request.context)
    path = request.folder / f"{field.name}.gpkg"
    if field.processing_name != classified(field.job):
        return label_layers.write_labels(source, "", path, request.feedback, way)
    return label_layers.write_labels(source, request.class_field, path, request.feedback, way, request.style)


def class_field(request: Request, field: Field) -> Optional[str]:
    return request.class_field or text(request, field)


def file(request: Request, field: Field) -> Optional[str]:
    path = request.algorithm.parameterAsFile(request.parameters, field.processing_name, request.context)
    return os.path.abspath(path) if path else None


def file_or_name(request: Request, field: Field) -> Optional[str]:
    entered = text(request, field)
    return os.path.abspath(entered) if entered and os.path.exists(entered) else entered


def bands(request: Request, field: Field) -> Optional[Any]:
    entered = request.raw(field)
    if entered is None:
        return None
    parts = entered.replace(";", ",").split(",") if isinstance(entered, str) else entered
    return [_as_number(part) for part in (parts if isinstance(parts, (list, tuple)) else [parts])]


def extent(request: Request, field: Field) -> Optional[str]:
    if request.raw(field) is None:
        return None
    values, name, context = request.parameters, field.processing_name, request.context
    layer = _imagery(request, field.layer)[0]
    if isinstance(layer, str):  # There is no layer whose CRS it could be brought to.
        extent = request.algorithm.parameterAsExtent(values, name, context)
        text = layers.coded_extent(extent, request.algorithm.parameterAsExtentCrs(values, name, context).authid())
    else:
        extent = request.algorithm.parameterAsExtent(values, name, context, layer.crs())
        text = layers.extent_text(extent, layer)
    if extent.isEmpty():
        raise failure(
            "The extent {extent} cannot be read or is empty. Write it as xmin,xmax,ymin,ymax [EPSG:code].",
            extent=request.raw(field),
        )
    return text


def number(request: Request, field: Field) -> Any:
    entered = request.raw(field)
    if isinstance(entered, QgsProperty):
        entered = request.algorithm.parameterAsDouble(request.parameters, field.processing_name, request.context)
    return _as_number(entered)


def number_or_word(request: Request, field: Field) -> Any:
    return _as_number(text(request, field))


def _as_number(entered: Any) -> Any:
    """Return a number where one was entered, also as text. Anything else is passed on: the library names what it expects."""
    try:
        number = float(entered)
    except (TypeError, ValueError):
        return entered
    return int(number) if number.is_integer() else number


def choice(request: Request, field: Field) -> Optional[str]:
    return request.algorithm.parameterAsEnumString(request.parameters, field.processing_name, request.context) or None


def flag(request: Request, field: Field) -> Optional[bool]:
    if not field.optional:
        return request.algorithm.parameterAsBoolean(request.parameters, field.processing_name, request.context)
    answer = choice(request, field)
    return None if answer is None else answer == YES


def text(request: Request, field: Field) -> Optional[str]:
    return request.algorithm.parameterAsString(request.parameters, field.processing_name, request.context).strip() or None


def new_file(request: Request, field: Field) -> Optional[str]:
    if request.raw(field) is None:
        return None
    return os.path.abspath(
        request.algorithm.parameterAsFileOutput(request.parameters, field.processing_name, request.context)
    )


def new_raster(request: Request, field: Field) -> Optional[str]:
    if request.raw(field) is None:
        return None
    return os.path.abspath(_output_layer(request, field))


def new_vector(request: Request, field: Field) -> Optional[str]:
    if request.raw(field) is None:
        return None
    path = _output_layer(request, field)
    if not os.path.isabs(path):
        raise failure("{name} must be a file, for example a GeoPackage; it is {path}.", name=field.said, path=path)
    return path


def _output_layer(request: Request, field: Field) -> str:
    """Return where a layer goes, and have it drawn as it says itself when it arrives, if it does."""
    path = request.algorithm.parameterAsOutputLayer(request.parameters, field.processing_name, request.context)
    if request.context.willLoadLayerOnCompletion(path):
        details = request.context.layerToLoadOnCompletionDetails(path)
        if field.name == "confidence":
            details.setPostProcessor(confidence_style())
        elif field.name in request.algorithm.STYLED:
            details.setPostProcessor(layers.class_style())
    return path
