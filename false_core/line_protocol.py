"""Messages between two programs: dataclasses, written as one JSON object per line and read back within their types.

``events`` and ``session_protocol`` say which messages there are. Standard library only, Python 3.9: the QGIS plugin imports
this module too.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from typing import Any, Dict, Iterable, Type, Union, get_args, get_origin, get_type_hints

from false_core.untrusted import parse_json

_SHOWN = 200
"""Characters of a line that an error shows."""


class ProtocolError(ValueError):
    """A line that is none of the messages that may come."""


class Vocabulary:
    """The messages that may come over one line protocol.

    Each is a dataclass of texts, numbers, dictionaries, tuples of these and of further dataclasses. Its name in lower case
    stands in the line under ``tag``.

    Args:
        tag: The key of the name of a message.
        kinds: The dataclasses.
        longest: Characters of the longest line.
    """

    def __init__(self, tag: str, kinds: Iterable[Type[Any]], longest: int) -> None:
        self.tag, self.longest = tag, longest
        self._kinds = {kind.__name__.lower(): kind for kind in kinds}

    def encode(self, message: Any) -> str:
        """Return a message as one line of JSON, without the line break.

        Numbers that are not finite become null, so that the line is JSON every reader accepts.
        """
        body: Dict[str, Any] = {self.tag: type(message).__name__.lower()}
        for key, value in dataclasses.asdict(message).items():
            body[key] = _finite(value)
        return json.dumps(body, ensure_ascii=True, allow_nan=False)

    def decode(self, line: str) -> Any:
        """Return the message written in a line.

        Raises:
            ProtocolError: The line is not JSON, not one of these messages, or a field is missing, unknown or of the wrong
                type.
        """
        if len(line) > self.longest:
            raise ProtocolError(f"a line of {len(line)} characters is no {self.tag}")
        try:
            body = parse_json(line, finite=True)
        except ValueError as error:
            raise ProtocolError(f"not JSON: {line[:_SHOWN]!r}") from error
        kind = self._kinds.get(str(body.pop(self.tag, ""))) if isinstance(body, dict) else None
        if kind is None:
            raise ProtocolError(f"no {self.tag} that is known: {line[:_SHOWN]!r}")
        return _built(kind, body)


def _built(kind: Type[Any], body: Dict[str, Any]) -> Any:
    """Return the dataclass ``kind`` with the fields in ``body``."""
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values = {}
    for name, value in body.items():
        if name not in fields:
            raise ProtocolError(f"{kind.__name__} has no field {name!r}")
        if value is None and fields[name].metadata.get("gap"):
            value = math.nan
        else:
            value = _checked(hints[name], value, f"{kind.__name__}.{name}")
        values[name] = value
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise ProtocolError(str(error)) from error


def _checked(hint: Any, value: Any, where: str) -> Any:
    """Return a value as its type wants it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Union:
        return None if value is None else _checked(arguments[0], value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_checked(arguments[0], item, where) for item in value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return _built(hint, value)
    if origin is dict and isinstance(value, dict):
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if (
        (hint is str and isinstance(value, str))
        or (hint is bool and isinstance(value, bool))
        or (hint is int and is_number and isinstance(value, int))
        or (hint is float and is_number)
    ):
        return value
    raise ProtocolError(f"{where} cannot be {_short(value)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
