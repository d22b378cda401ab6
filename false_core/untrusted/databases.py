"""Databases of SQLite, as a GeoPackage is one: their views are queries, which may never end, or do more than read."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Iterator, List, Optional

from false_core.errors import InputError
from false_core.untrusted.stored import first_bytes, pieces_of

QUERY_TIMEOUT_S = 20.0
"""Seconds that a view may take to give all its features."""
MOST_ROWS = 2_000_000
"""Rows of a view that something else than labels is read from."""
REMEDY_FOR_QUERIES = "Save what it gives as a layer of its own, in a file of its own."
_DATABASE = b"SQLite format 3\x00"
_READ_WHOLE = re.compile(
    r"(gpkg|rtree|idx|sqlite|views|virts|rl2map|se|iso)_.*|(geometry_columns|spatial_ref_sys|vector_layers|raster_).*|"
    r"layer_styles|metadata|tiles|map|images|qgis_projects",
    re.IGNORECASE | re.DOTALL,
)
"""Tables that GDAL itself reads. Where one of them is a view, it is tried to its end."""
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

    Args:
        whole: Try every view to its end, as tiles of a raster may be in any. Of layers one row is enough.

    Raises:
        InputError: A view takes too long, gives too much, or cannot be tried.
    """
    with _views_of(name) as views:
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


class _Views:
    """The views of a database that is open for reading, None where there is none, and how long they may take together."""

    def __init__(self, name: str, database: Optional[sqlite3.Connection]) -> None:
        self._name, self._database, self._until = name, database, time.monotonic() + QUERY_TIMEOUT_S
        self._unknown, self._recurses = "", False
        self.names: List[str] = []
        if database is None:
            return
        database.set_progress_handler(lambda: time.monotonic() > self._until, 100_000)
        try:
            kept = database.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
        except sqlite3.Error:  # No database, or a damaged one: its reader says so.
            return
        self.names = [view for (view,) in kept if isinstance(view, str)]
        database.set_authorizer(self._authorise)

    def count(self, view: str, most: int, is_opening: bool = False) -> int:
        """Return how many rows a view gives, all columns computed, up to ``most``; no layer is read where ``is_opening``."""
        assert self._database is not None
        self._unknown, self._recurses, count = "", False, 0
        try:
            # Row by row: what is computed is not kept. The name is quoted as SQL wants it.
            columns = self._database.execute(f"SELECT * FROM {_quoted(view)} LIMIT 0").description  # nosec B608
            # Their lengths, as large values need not be read for that.
            lengths = ", ".join(f"length({_quoted(column)})" for column, *_ in columns)
            for _ in self._database.execute(f"SELECT {lengths} FROM {_quoted(view)}"):  # nosec B608
                count += 1
                if count >= most:
                    break
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            if time.monotonic() > self._until:
                raise InputError(
                    f"The layer {view} of {self._name} is a query that takes too long: more than {QUERY_TIMEOUT_S:.0f} s.",
                    REMEDY_FOR_QUERIES,
                ) from error
            if is_opening and _OF_SPATIALITE.match(str(error)):
                return 0
            why = f"it needs {self._unknown}" if self._unknown else str(error)
            raise self._untried(view, why) from error
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
def _views_of(name: str) -> Iterator[_Views]:
    if not is_database(name):
        yield _Views(name, None)
    elif name.startswith("/vsi"):
        with tempfile.TemporaryDirectory(prefix="false-") as folder:
            unpacked = Path(folder) / "database"
            with unpacked.open("wb") as file:
                for piece in pieces_of(name):
                    file.write(piece)
            with _opened(unpacked) as database:
                yield _Views(name, database)
    else:
        with _opened(Path(name)) as database:
            yield _Views(name, database)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        yield database


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
