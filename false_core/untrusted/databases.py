"""Databases of SQLite, as a GeoPackage is one. Their views are queries, which may never end, or do more than read; so are
computed columns of tables, and a virtual table may show any other file of the computer."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from false_core.errors import InputError, OutputError
from false_core.untrusted.stored import bytes_of, first_bytes

QUERY_TIMEOUT_S = 20.0
"""Seconds that a view may take to give all its features."""
MOST_ROWS = 2_000_000
"""Rows of a view that something else than labels is read from."""
LARGEST_VALUE = 200_000_000
"""Bytes, or letters, that one value of a view may have."""
LARGEST_RESULT = 1_000_000_000
"""Bytes, or letters, that all values of a view may have."""
REMEDY_FOR_QUERIES = "Save what it gives as a layer of its own, in a file of its own."
_DATABASE = b"SQLite format 3\x00"
_READ_WHOLE = re.compile(
    r"(gpkg|rtree|idx|sqlite|views|virts|rl2map|se|iso)_.*|(geometry_columns|spatial_ref_sys|vector_layers|raster_).*|"
    r"layer_styles|metadata|tiles|map|images|qgis_projects",
    re.IGNORECASE | re.DOTALL,
)
"""Tables that GDAL itself reads. Where one of them is a view, it is tried to its end."""
_COMPUTED = 2
"""Flags of SQLite for a column whose values are not stored."""
_VIRTUAL = re.compile(rb"\s*cr\w*\b(?:\s|/\*.*?\*/|--[^\n]*\n)+virtual\b", re.IGNORECASE | re.DOTALL)
_NAME = rb"(?:\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|`[^`]*`|\[[^\]]*\]|[\w$\x80-\xff]+)"
_MODULE = re.compile(
    rb"\s*create\s+virtual\s+table\s+(?:if\s+not\s+exists\s+)?%b(?:\s*\.\s*%b)?\s*\busing\s+[\"'`\[]?(\w+)\b"
    % (_NAME, _NAME),
    re.IGNORECASE,
)
_MODULES = {
    *("rtree", "rtree_i32", "geopoly", "fts3", "fts4", "fts5", "fts4aux", "fts5vocab"),
    *("virtualspatialindex", "virtualelementary", "virtualknn", "virtualknn2", "virtualfdo", "virtualgpkg"),
}
"""Modules that make virtual tables of nothing but the database itself."""
_FUNCTIONS = {
    *("abs", "avg", "ceil", "ceiling", "char", "coalesce", "concat", "concat_ws", "count", "cume_dist", "date", "datetime"),
    *("degrees", "dense_rank", "exp", "first_value", "floor", "format", "glob", "group_concat", "hex", "ifnull", "iif"),
    *("if", "instr", "json", "json_array", "json_array_length", "json_each", "json_extract", "json_group_array"),
    *("json_group_object", "json_object", "json_quote", "json_tree", "json_type", "json_valid", "julianday", "lag"),
    *("last_value", "lead", "length", "like", "likelihood", "likely", "ln", "log", "log10", "log2", "lower", "ltrim"),
    *("match", "max", "min", "mod", "nth_value", "ntile", "nullif", "octet_length", "percent_rank", "pi", "pow", "power"),
    *("printf", "quote", "radians", "rank", "replace", "round", "row_number", "rtrim", "sign", "sqrt", "strftime"),
    *("string_agg", "substr", "substring", "subtype", "sum", "time", "timediff", "total", "trim", "trunc", "typeof"),
    *("unhex", "unicode", "unixepoch", "unlikely", "upper", "->", "->>"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "regexp"),
}
"""Functions that give the same whoever asks, and whenever. A view that calls another one may end here and not in GDAL."""
_OF_SPATIALITE = re.compile(r"no such function: (xb_\w+|getmimetype|getfontfamily|isfont\w+|isvalidfont)", re.IGNORECASE)
"""Functions in the views that SpatiaLite puts into every database of its own. GDAL cannot run these views either."""
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}


def is_database(name: str) -> bool:
    """Return whether a database is stored under ``name``."""
    return first_bytes(name).startswith(_DATABASE)


def check_views(name: str, whole: bool = False) -> None:
    """Find out whether GDAL can open what is stored under ``name``. Anything that is no database passes.

    A table with computed columns is tried as a view is.

    Args:
        whole: Try every view to its end, as tiles of a raster may be in any. Of layers one row is enough.

    Raises:
        InputError: A view takes too long, gives too much, or cannot be tried; a virtual table may show other files.
    """
    with _views_of(name) as views:
        views.check_virtual_tables()
        for view in views.names:
            most = MOST_ROWS if whole or _READ_WHOLE.fullmatch(view) else 0
            if views.count(view, most + 1, is_opening=True) > most > 0:
                raise InputError(f"{name} holds a query, {view}, that gives more than {most:,} rows.", REMEDY_FOR_QUERIES)


def check_view(name: str, layer: str, most: int) -> None:
    """Raise InputError where ``layer`` is a view that gives more than ``most`` rows, or takes too long. Tables pass."""
    with _views_of(name) as views:
        for view in views.names:
            if view.lower() == layer.lower() and views.count(view, most + 1) > most:
                raise InputError(
                    f"The layer {layer} of {name} is a query that gives more than {most:,} features.",
                    "Save those you need as a layer of their own.",
                )


class _DatabaseViews:
    """The views of a database that is open for reading, None where there is none, and how long they may take together."""

    def __init__(self, name: str, database: Optional[sqlite3.Connection]) -> None:
        self._name, self._database, self._until = name, database, time.monotonic() + QUERY_TIMEOUT_S
        self._unknown, self._recurses = "", False
        self.names: List[str] = []
        self._kept: List[Tuple[str, str, Optional[bytes]]] = []
        if database is None:
            return
        database.set_progress_handler(lambda: time.monotonic() > self._until, 100_000)
        try:
            self._kept = database.execute("SELECT type, name, CAST(sql AS BLOB) FROM sqlite_master").fetchall()
        except sqlite3.Error as error:  # A newer SQLite may read it all the same, with what nobody has looked at.
            raise InputError(
                f"{name} cannot be opened, as it is a database that cannot be read: {error}.",
                "It may be damaged. Save it again, as a GeoPackage.",
            ) from error
        named = [(kind, name, sql or b"") for kind, name, sql in self._kept if isinstance(name, str)]
        self.names = [name for kind, name, sql in named if kind == "view" or (kind == "table" and self._computes(name, sql))]
        database.set_authorizer(self._authorise)

    def _computes(self, table: str, sql: bytes) -> bool:
        assert self._database is not None
        if not re.search(rb"\bas\b", sql, re.IGNORECASE):
            return False
        try:
            columns = self._database.execute(f"PRAGMA table_xinfo({_quoted(table)})").fetchall()
        except sqlite3.Error:
            return False
        return any(hidden == _COMPUTED for *_, hidden in columns)

    def check_virtual_tables(self) -> None:
        """Raise InputError where a table is made by what may read other files, as SpatiaLite can."""
        for _, name, sql in self._kept:
            if sql and _VIRTUAL.match(sql):
                module = _MODULE.match(sql)
                if module is None or module[1].decode("ascii", "replace").lower() not in _MODULES:
                    raise InputError(
                        f"{self._name} holds a table, {name}, that may show other files of the computer.",
                        "Save the layers that are meant in a file of their own.",
                    )

    def count(self, view: str, most: int, is_opening: bool = False) -> int:
        """Return how many rows a view gives, all columns computed, up to ``most``; no layer is read where ``is_opening``."""
        assert self._database is not None
        self._unknown, self._recurses, count, size, largest = "", False, 0, 0, 0
        try:
            # Row by row: what is computed is not kept. The name is quoted as SQL wants it.
            columns = self._database.execute(f"SELECT * FROM {_quoted(view)} LIMIT 0").description  # nosec B608
            # Their lengths, as large values need not be read for that.
            lengths = ", ".join(f"length({_quoted(column)})" for column, *_ in columns)
            for row in self._database.execute(f"SELECT {lengths} FROM {_quoted(view)}"):  # nosec B608
                count += 1
                size += sum(length for length in row if length)
                largest = max(largest, *(length or 0 for length in row))
                if count >= most or size > LARGEST_RESULT or largest > LARGEST_VALUE:
                    break
        except (sqlite3.Error, OverflowError, UnicodeError, MemoryError) as error:
            if time.monotonic() > self._until:
                raise InputError(
                    f"The layer {view} of {self._name} is a query that takes too long: more than {QUERY_TIMEOUT_S:.0f} s.",
                    REMEDY_FOR_QUERIES,
                ) from error
            if is_opening and _OF_SPATIALITE.match(str(error)):
                return 0
            why = f"it needs {self._unknown}" if self._unknown else str(error) or "it makes something too large"
            raise self._untried(view, why) from error
        if size > LARGEST_RESULT or largest > LARGEST_VALUE:
            most_of = (
                f"{LARGEST_RESULT / 1e9:.0f} GB" if size > LARGEST_RESULT else f"{LARGEST_VALUE / 1e6:.0f} MB in one value"
            )
            raise InputError(
                f"The layer {view} of {self._name} is a query that gives more than {most_of}.", REMEDY_FOR_QUERIES
            )
        if self._recurses:
            raise self._untried(view, "it repeats itself, which ends or not by how it is asked")
        return count

    def _untried(self, view: str, why: str) -> InputError:
        return InputError(
            f"The layer {view} of {self._name} is a query that cannot be tried before it is run: {why}.", REMEDY_FOR_QUERIES
        )

    def _authorise(self, action: int, first: Optional[str], second: Optional[str], *_: Optional[str]) -> int:
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _FUNCTIONS:
            self._unknown = f"the function {second}"
        elif action == sqlite3.SQLITE_READ and (first or "").lower().startswith("pragma_"):
            self._unknown = f"the table {first}"
        elif action == sqlite3.SQLITE_RECURSIVE:
            self._recurses = True
            return sqlite3.SQLITE_OK
        elif action in _READING or action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY


@contextmanager
def _views_of(name: str) -> Iterator[_DatabaseViews]:
    if not is_database(name):
        yield _DatabaseViews(name, None)
    elif name.startswith("/vsi"):
        with ExitStack() as stack:
            try:
                unpacked = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="false-"))) / "database"
                with unpacked.open("wb") as file:
                    for piece in bytes_of(name):
                        file.write(piece)
            except OSError as error:
                raise OutputError(
                    f"{name} cannot be unpacked to be looked through: {error.strerror}.",
                    "Make room in the folder for temporary files, which the variable TMPDIR names, or unpack it yourself.",
                ) from error
            with _opened(unpacked) as database:
                yield _DatabaseViews(name, database)
    else:
        with _opened(Path(name)) as database:
            yield _DatabaseViews(name, database)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        yield database


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
