"""Layers that are queries: views of a database, SQL in a VRT. Untrusted ones may never end, or do more than read."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from false_core.errors import InputError

QUERY_TIMEOUT_S = 20.0
"""Seconds that a view may take to give all its features."""
MAX_VRT_LEVELS_READ = 8
"""VRTs within VRTs."""
_DATABASE, _VRT = b"SQLite format 3\x00", b"<ogrvrtdatasource"
_SOURCE = re.compile(r"<srcdatasource[^>]*>([^<]*)<", re.IGNORECASE)
_QUERY = re.compile(r"<srcsql[\s>]", re.IGNORECASE)


def check_views(path: str) -> None:
    """Raise InputError where a view of a database takes too long to give its first feature: GDAL waits for it on opening.

    Anything that is no database passes.
    """
    with _views_of(path) as views:
        for view in views.names:
            # The name is quoted as SQL wants it.
            views.run(view, f"SELECT 1 FROM {_quoted(view)} LIMIT 1")  # nosec B608


def check_view(path: str, layer: str, most: int) -> None:
    """Raise InputError where ``layer`` is a view that gives more than ``most`` features, or takes too long.

    GDAL counts what a view gives before it reads the first of it. Tables pass.
    """
    with _views_of(path) as views:
        if layer not in views.names:
            return
        # The name is quoted as SQL wants it.
        found = views.run(layer, f"SELECT COUNT(*) FROM (SELECT 1 FROM {_quoted(layer)} LIMIT {most + 1})")  # nosec B608
    if found and found[0][0] > most:
        raise InputError(
            f"The layer {layer} of {path} is a query that gives more than {most:,} features.",
            "Save those you need as a layer of their own.",
        )


class _Views:
    """The views of a database that is open for reading, None where there is none, and how long they may take together."""

    def __init__(self, path: str, database: sqlite3.Connection | None) -> None:
        self._path, self._database, self._until = path, database, time.monotonic() + QUERY_TIMEOUT_S
        self.names: list[str] = []
        if database is not None:
            database.set_progress_handler(lambda: time.monotonic() > self._until, 100_000)
            self.names = [name for (name,) in self.run("", "SELECT name FROM sqlite_master WHERE type = 'view'")]

    def run(self, view: str, query: str) -> list[tuple[Any, ...]]:
        """Return what a query gives; nothing where it is damaged or not for SQLite alone: its reader says so."""
        assert self._database is not None
        try:
            return self._database.execute(query).fetchall()
        except sqlite3.Error as error:
            if time.monotonic() > self._until:
                raise InputError(
                    f"The layer {view} of {self._path} is a query that takes too long: more than {QUERY_TIMEOUT_S:.0f} s.",
                    "Save what it gives as a layer of its own.",
                ) from error
            return []


@contextmanager
def _views_of(path: str) -> Iterator[_Views]:
    if not _starts_with(path, _DATABASE):
        yield _Views(path, None)
        return
    with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as database:
        yield _Views(path, database)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def check_layer_vrt(path: str) -> None:
    """Raise InputError where ``path`` is a VRT of layers that holds a query, or another one that does.

    Anything else passes, unread.
    """
    # Each once: one that names itself often would be looked at for ever.
    level, seen = {os.path.realpath(path)}, set()
    for _ in range(MAX_VRT_LEVELS_READ + 1):  # Deeper ones GDAL refuses by itself.
        seen |= level
        level = {source for one in level if _starts_with(one, _VRT) for source in _sources_of(one)} - seen


def _sources_of(path: str) -> Iterator[str]:
    text = Path(path).read_bytes().decode("utf-8", "replace")
    if _QUERY.search(text):
        raise InputError(f"{path} holds a query, which is not run.", "Save what it gives as a layer of its own.")
    for source in _SOURCE.findall(text.replace("\0", "")):
        yield os.path.realpath(os.path.join(os.path.dirname(path), source.strip()))


def _starts_with(path: str, start: bytes) -> bool:
    try:
        with open(path, "rb") as stream:
            return os.path.isfile(path) and start.lower() in stream.read(1024).lower()
    except (OSError, ValueError):
        return False
