"""The names and colours of classes that a raster carries, whoever made it."""

from __future__ import annotations

import math
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import rasterio
import rasterio.shutil
from rasterio.io import MemoryFile

from false_core.errors import InputError
from false_core.jobs import raster_name
from false_core.raster.classes import MOST_CLASSES, ClassTable, LandCoverClass, default_colour
from false_core.raster.map_file import CLASSES_TAG
from false_core.raster.opening import GDAL_ERRORS
from false_core.raster.written_numbers import number_in
from false_core.untrusted import on_one_line, parse_json
from false_core.untrusted.drivers import without_stderr
from false_core.untrusted.stored import first_bytes

MAX_DESCRIPTION_BYTES = 2**26
"""A raster with a longer description, such as a table of millions of rows, is taken to carry no names."""
MOST_TABLE_ROWS = 65_536
"""Rows of an attribute table beside a raster that are read."""
LARGEST_TABLE = 64_000_000
"""Bytes of a table beside a raster that is read."""
ROUNDED_STEP = 1e-6
"""Distance from a whole number that the start of a step may have by rounding."""
_DBASE = struct.Struct("<B3xIHH")
"""The start of a dBASE table: version, number of records, length of the header and of a record."""
_DBASE_VERSIONS = {0x03, 0x04, 0x05, 0x30, 0x83, 0x8B, 0xF5}
_LARGEST_CODE = 2**31
_INTEGER, _REAL, _TEXT = "0", "1", "2"
_NAME, _LOWEST, _RED, _GREEN, _BLUE, _VALUE = "2", "3", "6", "7", "8", "5"
"""Types of columns and what they are used for, as GDAL numbers them (GDALRATFieldType, GDALRATFieldUsage)."""
_VALUE_COLUMNS = ("value", "code", "class_code", "classvalue", "pixelvalue", "raster value", "id")
_NAME_COLUMNS = ("class_names", "class_name", "classname", "class", "name", "label", "category", "description", "landcover")
"""Titles of columns where nothing says what they are used for, as in the tables that ArcGIS writes. The first counts."""


@dataclass(frozen=True)
class CarriedClasses:
    """The names and colours that a raster carries for its codes.

    Attributes:
        classes: Classes with a name, in the order of their codes.
        colours: The colours that it has for codes, ``#rrggbb``, also of those without a name.
    """

    classes: tuple[LandCoverClass, ...]
    colours: dict[int, str]


def read_carried_classes(path: str) -> CarriedClasses:
    """Return the classes that a raster carries.

    Maps of ours have them in a tag of the file. Of any other raster GDAL knows the names of its categories (an ENVI header,
    an ``.aux.xml``, an ERDAS file), its attribute table and its colour table. An attribute table of ArcGIS lies beside it.

    Raises:
        InputError: It cannot be read.
    """
    with _readable(raster_name(path).path) as dataset:
        tag = dataset.tags().get(CLASSES_TAG)
        if tag:
            try:
                classes = ClassTable.from_list(parse_json(tag)).classes
                return CarriedClasses(classes, {c.code: c.color for c in classes})
            except (ValueError, TypeError, KeyError):
                pass  # A tag of another program: the names that GDAL knows count.
        band = _described(dataset)
    if band is None:
        return CarriedClasses((), {})
    names = {code: element.text or "" for code, element in enumerate(band.findall("CategoryNames/Category"))}
    colours = {
        code: "#{:02x}{:02x}{:02x}".format(*(int(element.get(part, "0")) & 255 for part in ("c1", "c2", "c3")))
        for code, element in enumerate(band.findall("ColorTable/Entry"))
    }
    table = _table_in(band) or _table_beside(raster_name(path).path)
    if table is not None:
        named, coloured = _named_and_coloured(table)
        names, colours = {**named, **{code: name for code, name in names.items() if name.strip()}}, {**colours, **coloured}
    written = {code: on_one_line(name) for code, name in names.items()}
    classes = tuple(
        LandCoverClass(code, " ".join(name.split()), colours.get(code) or default_colour(abs(code) % MOST_CLASSES))
        for code, name in sorted(written.items())
        if name.strip()
    )
    return CarriedClasses(classes, colours)


@contextmanager
def _readable(path: str) -> Iterator[rasterio.DatasetReader]:
    try:
        with rasterio.open(path) as dataset:
            yield dataset
    except (*GDAL_ERRORS, ValueError) as error:
        raise InputError(f"The raster {path} cannot be read: {error}.") from error


def _described(dataset: rasterio.DatasetReader) -> ET.Element | None:
    """Return what GDAL knows of the first band, in the words of a VRT: rasterio itself hands on no names and no tables."""
    with MemoryFile(ext=".vrt") as memory:
        try:
            rasterio.shutil.copy(dataset, memory.name, driver="VRT")
        except (*GDAL_ERRORS, ValueError):
            return None  # What cannot be described can still be read.
        if len(memory) > MAX_DESCRIPTION_BYTES:
            return None
        written = memory.read()
    try:
        text = written.decode("utf-8")
    except UnicodeDecodeError:  # GDAL hands names on as a header has them, such as one from Windows.
        text = written.decode("cp1252", "replace")
    try:
        # GDAL has written it, so it holds no document type and no entities of its own.
        return ET.fromstring(text).find("VRTRasterBand[@band='1']")  # nosec B314
    except ET.ParseError:
        return None


@dataclass(frozen=True)
class _Table:
    """A raster attribute table.

    Attributes:
        columns: Title in small letters, type and use of each.
        rows: The cells of each row as texts.
        first, step: The value of the first row, and from one to the next, where no column holds it.
    """

    columns: list[tuple[str, str | None, str | None]]
    rows: list[list[str]]
    first: float = 0.0
    step: float = 1.0

    def code_of_row(self, index: int) -> float | None:
        """Return the first whole number in the step that a row without a value is: 1 where it is from 0.5 to 1.5."""
        start, end = (self.first + self.step * at - ROUNDED_STEP for at in (index, index + 1))
        return float(math.ceil(start)) if math.isfinite(start) and math.ceil(start) < end else None


def _table_in(band: ET.Element) -> _Table | None:
    """Return the attribute table that GDAL knows of."""
    table = band.find("GDALRasterAttributeTable")
    if table is None:
        return None
    columns = [
        (column.findtext("Name", "").strip().lower(), column.findtext("Type"), column.findtext("Usage"))
        for column in table.findall("FieldDefn")
    ]
    rows = [[cell.text or "" for cell in row.findall("F")] for row in table.findall("Row")]
    return _Table(columns, rows, number_in(table.get("Row0Min")) or 0.0, number_in(table.get("BinSize")) or 1.0)


def _table_beside(path: str) -> _Table | None:
    """Return the attribute table of ArcGIS, a ``.vat.dbf`` beside the raster, which QGIS shows and older GDALs pass over."""
    file = f"{path}.vat.dbf"
    if not _is_small_table(first_bytes(file)):
        return None
    with without_stderr():
        import pyogrio.errors
        import pyogrio.raw
    try:
        about, _, _, values = pyogrio.raw.read(file, read_geometry=False, max_features=MOST_TABLE_ROWS)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError, ValueError):
        return None  # Damaged, or not for us: the raster is what counts.
    kinds = {"i": _INTEGER, "u": _INTEGER, "f": _REAL}
    columns: list[tuple[str, str | None, str | None]] = [
        (str(title).strip().lower(), kinds.get(column.dtype.kind, _TEXT), None)
        for title, column in zip(about["fields"], values)
    ]
    return _Table(columns, [["" if cell is None else str(cell) for cell in row] for row in zip(*values)])


def _is_small_table(start: bytes) -> bool:
    """Return whether a file that starts so is a dBASE table to read: under this name GDAL opens whatever it holds."""
    if len(start) <= 32:
        return False
    version, records, header, length = _DBASE.unpack_from(start)
    # With a zero among its first bytes it is no text, of which GDAL would look for another format's words.
    is_table = version in _DBASE_VERSIONS and header > 32 and length > 0 and 0 in start[_DBASE.size : 32]
    return is_table and min(records, MOST_TABLE_ROWS) * length <= LARGEST_TABLE


def _named_and_coloured(table: _Table) -> tuple[dict[int, str], dict[int, str]]:
    """Return the names and the colours in a raster attribute table, by code."""
    columns = table.columns
    value_at = _column(columns, (_VALUE, _LOWEST), _VALUE_COLUMNS, (_INTEGER, _REAL))
    name_at = _column(columns, (_NAME,), _NAME_COLUMNS, (_TEXT,))
    parts_at = [_column(columns, (usage,), (title,), (_INTEGER, _REAL)) for usage, title in _PARTS_OF_COLOURS]
    names, colours = {}, {}
    for index, cells in enumerate(table.rows):
        value = table.code_of_row(index) if value_at is None else number_in(_cell(cells, value_at))
        if value is None or not value.is_integer() or abs(value) > _LARGEST_CODE:
            continue
        if name_at is not None:
            names[int(value)] = _cell(cells, name_at)
        parts = [None if at is None else number_in(_cell(cells, at)) for at in parts_at]
        scale = 255 if all(at is not None and columns[at][1] == _REAL for at in parts_at) else 1
        whole = [round(part * scale) for part in parts if part is not None and 0 <= part * scale <= 255]
        if len(whole) == 3:
            colours[int(value)] = "#{:02x}{:02x}{:02x}".format(*whole)
    return names, colours


_PARTS_OF_COLOURS = ((_RED, "red"), (_GREEN, "green"), (_BLUE, "blue"))


def _column(
    columns: list[tuple[str, str | None, str | None]],
    usages: tuple[str, ...],
    titles: tuple[str, ...],
    types: tuple[str, ...],
) -> int | None:
    """Return the number of the column that says it is used so, or is called so, or None. A text is any column of text."""
    for usage in usages:
        for index, column in enumerate(columns):
            if column[2] == usage:
                return index
    for title in titles:
        for index, column in enumerate(columns):
            if column[0] == title and column[1] in types:
                return index
    if types == (_TEXT,):
        return next((index for index, column in enumerate(columns) if column[1] == _TEXT), None)
    return None


def _cell(cells: list[str], index: int) -> str:
    return cells[index] if index < len(cells) else ""
