"""The kinds of value that a parameter of a job can hold. All that the library has to know of a kind is one row here.

Jobs are checked, published, recorded and found again by these rows, and the help pages are written from them.
``qgis_false/algorithms/kinds.py`` adds how a dialog shows a kind and how what was entered is read.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from false_core.jobs.extent import parse_extent

MODEL_FILES = "safetensors"
RASTER_LAYER, VECTOR_LAYER = "raster", "vector"
Paths = Tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of value.

    Attributes:
        name: The name of the constant that holds the kind, in small letters.
        words: Description of the value, in a few words for the help pages. They are translated.
        problem: Returns what is wrong with a value of a parameter, as the end of a sentence that starts with the name of the
            parameter, or nothing.
        example: Returns a value that is admitted, for the help pages and for tests.
        type: The Python type of a value, without ``Optional``. The command line reads it.
        is_input: True where the value names files that the job reads and must not write.
        is_output: True where the value names a file that the job writes, or a folder of them.
        is_many: True where the value is a tuple.
        is_number: True where the value is a number, which may have a range.
        is_folder: True where the value names a folder, into which several jobs may write at a time.
        may_be_a_name: True where the value may also be a name of something that is no file, such as weights to download.
        layer: Kind of layer that the value is to QGIS: ``RASTER_LAYER``, ``VECTOR_LAYER``, or empty where it is no layer. A
            raster that is read is told from another one by its size and date, because it is large; any other input by its
            content.
        ending: The usual ending of the file, or empty where the parameter says it.
    """

    name: str
    words: str
    problem: Callable[[Parameter, Any], str]
    example: Callable[[Parameter], Any]
    type: Any = str
    is_input: bool = False
    is_output: bool = False
    is_many: bool = False
    is_number: bool = False
    is_folder: bool = False
    may_be_a_name: bool = False
    layer: str = ""
    ending: str = ""

    @property
    def is_path(self) -> bool:
        """Return whether the value names files or folders, read or written."""
        return self.is_input or self.is_output

    @property
    def is_raster(self) -> bool:
        """Return whether the value names rasters that are read."""
        return self.is_input and self.layer == RASTER_LAYER

    def paths(self, value: Any) -> List[str]:
        """Return the paths that ``value`` holds, none where it is empty or names no files."""
        if not self.is_path or not value:
            return []
        return list(value) if self.is_many else [value]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a job, as every front end needs to know it.

    Attributes:
        kind: One of the kinds below.
        label: A few words, for a dialog.
        help: One or two sentences in plain words.
        unit: Unit of the value, or empty.
        minimum, maximum: Range of a number, both ends included.
        choices: Admitted values of a choice; of a number or word, the words.
        of: Parameter with the layer of a field, bands or an extent; raster that a vector layer lies on; content of a model:
            ``"encoder"``, ``"segmenter"``, or empty where it may be either; extension of a file.
        advanced: Folded away in dialogs.
        keeps_fields: True for a vector layer whose own fields, and every feature of it, belong to what is made of it.
        dialog: True where a person sets it in QGIS; False where the plugin knows the value itself.
    """

    kind: Kind
    label: str
    help: str
    unit: str = ""
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    choices: Tuple[str, ...] = ()
    of: str = ""
    advanced: bool = False
    keeps_fields: bool = False
    dialog: bool = True

    @property
    def example(self) -> Any:
        """A value that is admitted."""
        return self.kind.example(self)


def parameter(kind: Kind, label: str, help: str, default: Any = dataclasses.MISSING, **more: Any) -> Any:
    """Return a field of a job. Without a default, a value must be given; ``more`` goes to ``Parameter``."""
    return dataclasses.field(default=default, metadata={"parameter": Parameter(kind, label, help, **more)})


def _text(parameter: Parameter, value: Any) -> str:
    return "" if isinstance(value, str) and _is_usable_text(value) else "must be a text that is not empty"


def _choice(parameter: Parameter, value: Any) -> str:
    problem = _text(parameter, value)
    return problem or ("" if value in parameter.choices else f"must be one of {', '.join(parameter.choices)}")


def _extent(parameter: Parameter, value: Any) -> str:
    problem = _text(parameter, value)
    if not problem:
        parse_extent(value)  # Says what is wrong better than the end of a sentence could.
    return problem


def _rasters(parameter: Parameter, value: Any) -> str:
    if not _is_tuple_of(str, value):
        return "must be a list of paths"
    return "" if all(map(_is_usable_text, value)) else "must not hold an empty path"


def _bands(parameter: Parameter, value: Any) -> str:
    if not _is_tuple_of(int, value):
        return "must be a list of whole numbers"
    return "must be different numbers from 1 upwards" if min(value, default=1) < 1 or len(set(value)) < len(value) else ""


def _is_tuple_of(wanted: type, value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(v, wanted) and not isinstance(v, bool) for v in value)


def _flag(parameter: Parameter, value: Any) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


def _integer(parameter: Parameter, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not abs(value) <= sys.float_info.max:
        return "must be a whole number"
    return _out_of_range(parameter, value)


def _number(parameter: Parameter, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        return "must be a number"
    return _out_of_range(parameter, value)


def _number_or_word(parameter: Parameter, value: Any) -> str:
    if isinstance(value, str):
        return "" if value in parameter.choices else f"must be a number or {' or '.join(parameter.choices)}"
    return _number(parameter, value)


def _out_of_range(parameter: Parameter, value: float) -> str:
    if parameter.minimum is not None and value < parameter.minimum:
        return f"must be at least {parameter.minimum:.15g}"
    if parameter.maximum is not None and value > parameter.maximum:
        return f"must be at most {parameter.maximum:.15g}"
    return ""


def _is_usable_text(text: str) -> bool:
    """Return whether ``text`` says something and the system could take it as a path."""
    try:
        return bool(text.strip()) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _file_name(parameter: Parameter) -> str:
    stem = re.sub(r"\W+", "_", parameter.label.lower()).strip("_")
    ending = parameter.kind.ending or (parameter.of if parameter.kind.is_path else "")
    return f"{stem}.{ending}" if ending else stem


def _lowest(parameter: Parameter) -> float:
    return parameter.minimum or 0.0


RASTER = Kind("raster", "a raster", _text, _file_name, is_input=True, layer=RASTER_LAYER, ending="tif")
RASTERS = Kind(
    "rasters", "one or more rasters", _rasters, lambda parameter: ("raster_1.tif", "raster_2.tif"), Paths,
    is_input=True, is_many=True, layer=RASTER_LAYER, ending="tif",
)  # fmt: skip
VECTOR = Kind("vector", "a vector layer", _text, _file_name, is_input=True, layer=VECTOR_LAYER, ending="gpkg")
FIELD = Kind("field", "a field", _text, lambda parameter: "land_cover")
MODEL = Kind("model", "a model file", _text, _file_name, is_input=True, ending=MODEL_FILES)
BANDS = Kind("bands", "band numbers", _bands, lambda parameter: (1, 2, 3), Tuple[int, ...], is_many=True)
EXTENT = Kind("extent", "an extent", _extent, lambda parameter: "412000,413000,5429000,5430000 [EPSG:32633]")
CHOICE = Kind("choice", "a choice", _choice, lambda parameter: parameter.choices[0])
INTEGER = Kind("integer", "a whole number", _integer, lambda parameter: int(_lowest(parameter)), int, is_number=True)
NUMBER = Kind("number", "a number", _number, _lowest, float, is_number=True)
NUMBER_OR_WORD = Kind(
    "number_or_word", "a number or a word", _number_or_word, lambda parameter: parameter.choices[0], Union[float, str]
)
FLAG = Kind("flag", "yes or no", _flag, lambda parameter: True, bool)
TEXT = Kind("text", "a text", _text, _file_name)
FILE = Kind("file", "a file", _text, _file_name, is_input=True)
FILE_OR_NAME = Kind("file_or_name", "a file or a name", _text, _file_name, is_input=True, may_be_a_name=True)
NEW_MODEL = Kind("new_model", "a new model file", _text, _file_name, is_output=True, ending=MODEL_FILES)
NEW_REPORT = Kind("new_report", "a new HTML file", _text, _file_name, is_output=True, ending="html")
NEW_RASTER = Kind("new_raster", "a new raster", _text, _file_name, is_output=True, layer=RASTER_LAYER, ending="tif")
NEW_VECTOR = Kind("new_vector", "a new vector layer", _text, _file_name, is_output=True, layer=VECTOR_LAYER, ending="gpkg")
NEW_TABLE = Kind("new_table", "a new table", _text, _file_name, is_output=True, ending="csv")
NEW_FILE = Kind("new_file", "a new file", _text, _file_name, is_output=True)
NEW_FOLDER = Kind("new_folder", "a new folder", _text, _file_name, is_output=True, is_folder=True)

KINDS: Dict[str, Kind] = {kind.name: kind for kind in list(vars().values()) if isinstance(kind, Kind)}
"""Every kind by its name."""
