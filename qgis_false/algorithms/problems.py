"""Says what is wrong with the values of a run before it starts. QGIS itself says "Incorrect parameter value for X"."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Type

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingUtils,
    QgsProperty,
)

from false_core import jobs
from qgis_false import tasks
from qgis_false.algorithms.fields import NO, YES, Field, shown_fields
from qgis_false.layers.class_field import class_field_of, fields_of_classes
from qgis_false.layers.sources import as_it_is, is_null, layer_of, value_stands_for_rasters
from qgis_false.parameter_names import with_labels_and_names
from qgis_false.translation import tr


def problems(job: Type[Any], parameters: Dict[str, Any], context: QgsProcessingContext) -> List[str]:
    """Return one sentence for each value that cannot be used, as far as that can be seen without opening data."""
    found = []
    for name, field in shown_fields(job).items():
        value = parameters.get(name)
        if _is_empty(value) and field.parameter.kind == jobs.FIELD:
            found += _field_problems(field, parameters, context)
        elif _is_empty(value):
            if not field.optional and field.default is None:
                found.append(tr("{name} is missing.", name=field.label_and_name))
        elif field.parameter.kind.is_input and field.parameter.kind.layer:
            found += [
                f"{field.label_and_name}: {_why_not(source)}"
                for source in _sources(value)
                if not _opens(source, field, context)
            ]
        elif field.parameter.kind.is_number and not isinstance(value, QgsProperty):
            found += _number_problems(field, value)
        elif field.parameter.kind in (jobs.CHOICE, jobs.FLAG) and isinstance(value, str):
            choices = field.parameter.choices or (YES, NO)
            if value not in choices:
                names = ", ".join(choices)
                found.append(
                    tr("{name} must be one of {names}; it is {value}.", name=field.label_and_name, names=names, value=value)
                )
        elif field.parameter.kind.is_output:
            found += _folder_problems(field.label_and_name, value)
    export = tasks.EXPORT_NAME.upper()
    found += _folder_problems(export, parameters.get(export))
    return found or _missing_together(job, parameters)


def with_names_of_rasters(job: Type[Any], parameters: Dict[str, Any], context: QgsProcessingContext) -> List[str]:
    """Return the parameters whose value holds a name that stands for rasters. QGIS's own check knows layers only."""
    return [
        name
        for name, field in shown_fields(job).items()
        if field.parameter.kind.is_raster
        and any(value_stands_for_rasters(source, context) for source in _sources(parameters.get(name)))
    ]


def _field_problems(field: Field, parameters: Dict[str, Any], context: QgsProcessingContext) -> List[str]:
    """Return what is wrong where no class field was given: nothing where the label layer says itself which one it is."""
    layer = layer_of(parameters.get(field.layer.processing_name), context)
    if layer is None or class_field_of(layer):
        return []
    names = ", ".join(fields_of_classes(layer) or [one.name() for one in layer.fields()])
    return [
        tr(
            "{name} is missing. It may be one of {names}. Where the layer is styled by its classes, that field is taken.",
            name=field.label_and_name, names=names,
        )
    ]  # fmt: skip


def _missing_together(job: Type[Any], parameters: Dict[str, Any]) -> List[str]:
    """Return what the job says about parameters that need, or exclude, each other."""
    fields = shown_fields(job)
    given = [
        field.name
        for name, field in fields.items()
        if not _is_empty(parameters.get(name))
        or (field.parameter.kind == jobs.FIELD and not _is_empty(parameters.get(field.layer.processing_name)))
    ]
    with jobs.parameters_named_by(jobs.BY_LABEL):
        problem = jobs.missing_together(job, given)
    return [with_labels_and_names(job, " ".join(problem))] if problem else []


def _is_empty(value: Any) -> bool:
    return is_null(value) or value == "" or value == []


def _sources(value: Any) -> List[str]:
    """Return the texts in ``value`` that name layers. Layers themselves are open already."""
    if isinstance(value, QgsProcessingFeatureSourceDefinition):
        value = value.source
    if isinstance(value, QgsProperty):
        value = value.staticValue()
    values = value if isinstance(value, (list, tuple)) else [value]
    return [one for one in values if isinstance(one, str)]


def _opens(source: str, field: Field, context: QgsProcessingContext) -> bool:
    """Return whether QGIS can open ``source``, or need not. A layer stays in the context, where the run finds it again."""
    if field.parameter.kind.is_raster and value_stands_for_rasters(source, context):
        return True
    hints = QgsProcessingUtils.LayerHint
    hint = hints.Raster if field.parameter.kind.is_raster else hints.Vector
    with as_it_is(source):
        return QgsProcessingUtils.mapLayerFromString(source, context, True, hint) is not None


def _why_not(source: str) -> str:
    path = source.split("|")[0]
    if os.path.isabs(path) and not os.path.exists(path):
        return tr("there is no file {path}.", path=path)
    return tr("{source} is no layer that can be opened. The file may be damaged, or of another kind.", source=source)


def _number_problems(field: Field, value: Any) -> List[str]:
    name, low, high = field.label_and_name, field.parameter.minimum, field.parameter.maximum
    try:
        number = float(value)
    except (TypeError, ValueError):
        return [tr("{name} must be a number; it is {value}.", name=name, value=value)]
    if field.parameter.kind == jobs.INTEGER and not number.is_integer():
        return [tr("{name} must be a whole number; it is {value}.", name=name, value=value)]
    if not (low is None or number >= low) or not (high is None or number <= high):
        limits = [
            tr("at least {limit}", limit=f"{low:.15g}") if low is not None else "",
            tr("at most {limit}", limit=f"{high:.15g}") if high is not None else "",
        ]
        both = tr(" and ").join(filter(None, limits))
        return [tr("{name} must be {limits}; it is {value}.", name=name, limits=both, value=value)]
    return []


def _folder_problems(name: str, value: Any) -> List[str]:
    """QGIS makes folders that are missing, also those that are a slip of the pen."""
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        value = value.sink.staticValue()
    folder = os.path.dirname(os.path.abspath(value)) if isinstance(value, str) and os.path.isabs(value) else ""
    if folder and not os.path.isdir(folder):
        what = tr("there is no folder {folder}. Create it, or choose another one.", folder=folder)
        return [f"{name}: {what}"]
    return []
