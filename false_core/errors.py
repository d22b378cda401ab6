"""The errors of the library, said so that a person can act on it.

    FalseError               exit code 1, unless another one is given
        RequestError         2: the job is malformed
        InputError           a raster, labels or what they contain cannot be used
            ModelFileError   a file is no model of ours, is damaged, or was made for other data
        OutputError          a result cannot be written
        DeviceError          the device is missing or does not work
        OutOfMemoryError     too little memory
        ProcessLostError     one of several processes is gone
        Cancelled            3: the user asked the job to stop

Standard library only, Python 3.9: the QGIS plugin imports this module too.
"""

from __future__ import annotations

from typing import Iterator, Tuple, Type

from false_core.redaction import without_secrets

MAX_ERROR_CHARACTERS = 2000
"""Characters of each part of an error. Names and values in it may come from files of any size."""
_LOOKED_THROUGH = 50_000
"""Characters of a text in which secrets are looked for: before its middle is left out, as that may cut one in two."""


class FalseError(Exception):
    """Base of every error this library raises on purpose.

    What would move the cursor of a terminal, such as an escape sequence in the name of a class, is left out, as are
    passwords and keys, and what is too long to be read is shortened in its middle.

    Args:
        what: Description of what is wrong, in one or two sentences, with the names and numbers that matter.
        remedy: Advice for the reader. May be empty where ``what`` already gives it.

    Attributes:
        code: Short stable name of the kind of error, sent across the process border.
        exit_code: Exit code of the worker and the command line.
    """

    code = "error"
    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what, self.remedy = presentable(what), presentable(remedy)
        super().__init__(f"{self.what} {self.remedy}".strip())

    def __reduce__(self) -> Tuple[Type[FalseError], Tuple[str, str]]:
        """Return how it is made again in another process, which would take the whole text for ``what`` otherwise."""
        return type(self), (self.what, self.remedy)


class RequestError(FalseError):
    """The job itself is malformed: an unknown field, a value out of range, a missing parameter."""

    code = "request"
    exit_code = 2


class InputError(FalseError):
    """A raster, a label layer or what they contain cannot be used."""

    code = "input"


class ModelFileError(InputError):
    """A file is not a model of ours, is damaged, or was made for other data."""

    code = "model"


class OutputError(FalseError):
    """A result cannot be written where it was asked for."""

    code = "output"


class DeviceError(FalseError):
    """The requested device is not there or does not work."""

    code = "device"


class OutOfMemoryError(FalseError):
    """The computer or the GPU has too little memory for the job as it is."""

    code = "memory"


class ProcessLostError(FalseError):
    """One of several processes that do a job together is gone: killed, or its computer was switched off."""

    code = "process"

    def __init__(
        self,
        what: str = "A process of the job was lost: it was killed, or its computer cannot be reached.",
        remedy: str = "Run the job again: it goes on where it was. torchrun does so by itself with --max-restarts.",
    ) -> None:
        super().__init__(what, remedy)


class Cancelled(FalseError):
    """The user asked the job to stop. Nothing is wrong."""

    code = "cancelled"
    exit_code = 3

    def __init__(self, what: str = "Cancelled.", remedy: str = "") -> None:
        super().__init__(what, remedy)


def failure_of_code(code: str, what: str, remedy: str) -> FalseError:
    """Return the error of a kind, as another process told of it. A kind that is not known is a plain ``FalseError``."""
    return next((kind for kind in _kinds(FalseError) if kind.code == code), FalseError)(what, remedy)


def _kinds(kind: Type[FalseError]) -> Iterator[Type[FalseError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def printable(text: str) -> str:
    """Return ``text`` without what would move the cursor of a terminal, or turn what follows around. Lines stay lines."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


def presentable(text: str, most: int = MAX_ERROR_CHARACTERS) -> str:
    """Return ``text`` as it may be shown and kept: without secrets, without what moves a cursor, and not too long."""
    return printable(_shortened(without_secrets(_shortened(text, _LOOKED_THROUGH)), most))


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"
