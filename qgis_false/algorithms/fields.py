"""The fields of a job that a person sets, with what a dialog has to know of each."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Type

from false_core.jobs import FIELD, Kind, Parameter
from qgis_false.parameter_names import label_and_name
from qgis_false.translation import tr

YES, NO = "yes", "no"
"""The answers to a flag that may also be left to the preset."""


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a job class, with what a definition needs to know about it.

    Attributes:
        default: The job's, or None where it has none.
        optional: True where it may be left empty.
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
    def label_and_name(self) -> str:
        """The name of it in messages."""
        return label_and_name(self.job, self.name)

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


def classified(job: Type[Any]) -> str:
    """Return the Processing name of the layer whose class field a job asks for, or nothing where it asks for none."""
    named = the_only(job, FIELD)
    return shown_fields(job)[named].layer.processing_name if named else ""


def the_only(job: Type[Any], kind: Kind) -> str:
    """Return the Processing name of the one field of ``kind``, or nothing where there is none or several."""
    names = [name for name, field in shown_fields(job).items() if field.parameter.kind == kind]
    return names[0] if len(names) == 1 else ""
