"""The name of a parameter in messages: the word of the place where a person gives its value.

That is its label in a dialog and its option in a shell; in JSON and Python, and unless another is asked for, its name.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, List

from false_core.jobs.job import parameters

BY_NAME, BY_OPTION, BY_LABEL = "name", "option", "label"
"""The words of JSON and Python, of a shell, and of a dialog."""
_words: List[str] = [BY_NAME]


@contextmanager
def parameters_named_by(words: str) -> Iterator[None]:
    """Use these words meanwhile, in the whole process: it has one door through which it was asked."""
    _words.append(words)
    try:
        yield
    finally:
        _words.remove(words)


def name_for_user(job: Any, name: str) -> str:
    """Return what the parameter ``name`` of a job, or of its class, is called."""
    if _words[-1] == BY_OPTION:
        return f"--{name.replace('_', '-')}"
    if _words[-1] == BY_LABEL:
        return quoted_label(parameters(job)[name].label)
    return name


def quoted_label(label: str) -> str:
    """Return how the label of a parameter stands in a message, so that it is told from the words around it."""
    return f"“{label}”"
