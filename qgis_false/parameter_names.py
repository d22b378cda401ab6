"""The name of a parameter in messages: by its label, which dialogs show, and by the name that scripts and models give."""

from __future__ import annotations

from typing import Any

from false_core import jobs
from qgis_false.translation import tr


def label_and_name(job: Any, name: str) -> str:
    """Return what a parameter of a job or task, or of its class, is called."""
    return f"{jobs.quoted_label(tr(jobs.parameters(job)[name].label))} ({name.upper()})"


def with_labels_and_names(job: Any, text: str) -> str:
    """Return a message of the library with its parameters as ``label_and_name`` calls them."""
    for name, parameter in jobs.parameters(job).items():
        text = text.replace(jobs.quoted_label(parameter.label), label_and_name(job, name))
    return text
