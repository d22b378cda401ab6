"""The rasters that a job names as its imagery: folders, patterns, text files and STAC, in an order that stays.

Here only names are looked at. Standard library, but for files of which GDAL alone knows whether they are a raster.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from false_core import jobs
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.raster.stac import rasters_of_stac, read_stac
from false_core.untrusted import check_is_file
from false_core.untrusted.drivers import without_stderr

RASTER_ENDINGS = (".tif", ".tiff", ".vrt", ".img", ".jp2")
"""The endings of what is taken for a raster in a folder. Anything else can be named by a pattern."""
LARGEST_LIST = 100_000_000
"""Bytes of a text file of paths. A larger one was named by mistake."""
ASSET = "|asset="
"""Separator between a STAC file and the name of the asset to take from each item."""


def with_rasters_found(job: jobs.Job, feedback: Feedback) -> jobs.Job:
    """Return ``job`` with paths of rasters in place of names that stand for some.

    Raises:
        InputError: As ``find_rasters``, or a name stands for several rasters where the job takes one.
    """
    found: dict[str, Any] = {}
    for name, parameter in jobs.parameters(job).items():
        value = getattr(job, name)
        if not parameter.kind.is_raster or not value:
            continue
        if parameter.kind.is_many:
            found[name] = tuple(find_rasters(value))
            if found[name] != value:
                feedback.info(f"{len(found[name]):,} raster(s) are meant by {_shortened(value)}.")
        elif value and jobs.stands_for_rasters(value):
            found[name] = _the_only(find_rasters([value]), name, value)
    return dataclasses.replace(job, **found) if found else job


def find_rasters(names: Sequence[str]) -> list[str]:
    """Return the rasters that are meant by ``names``, each once, in the order of the names.

    A name may be a raster or an address, which is passed on as it is; a folder, for the rasters that lie in it; a pattern
    with ``*``, ``?``, ``[...]`` and ``**``, or on a server and in an archive with ``*`` and ``**``; a text file with a name
    per line, relative to its own folder; or a STAC item, item collection, collection or catalog. What folders and patterns
    stand for is sorted by path, the others keep the order they are written in.

    Raises:
        InputError: Nothing matches, a text file names a raster that is not there, or a STAC item has no raster to read.
    """
    found: dict[str, str] = {}
    for name in names:
        for path in _rasters_of(name):
            found.setdefault(path if jobs.is_address(path) else os.path.normcase(os.path.realpath(path)), path)
    return list(found.values())


def _the_only(found: Sequence[str], parameter: str, name: str) -> str:
    if len(found) > 1:
        raise InputError(
            f"{name} stands for {len(found):,} rasters, and {parameter} is one.",
            "Name one of them, or make a mosaic of them first, for example with gdalbuildvrt.",
        )
    return found[0]


def _rasters_of(name: str) -> Iterator[str]:
    if not jobs.stands_for_rasters(name):
        yield name
    elif name.startswith("/vsi"):
        yield from _remote(name)
    elif os.path.isdir(name):
        yield from _in_folder(name)
    elif name.lower().endswith(jobs.LIST_ENDING):
        yield from _listed(name)
    elif name.partition(ASSET)[0].lower().endswith(jobs.STAC_ENDINGS):
        yield from _in_stac(name)
    else:
        yield from _matching(name)


def _in_folder(folder: str) -> Iterator[str]:
    found = _rasters_in(folder)
    if found:
        yield from found
    elif _opens(folder):  # Some formats are folders.
        yield folder
    else:
        raise InputError(
            f"There is no raster in the folder {folder}.",
            f"Rasters are what ends in {', '.join(RASTER_ENDINGS)}. For others, and for folders in it, write a pattern, "
            f"such as {os.path.join(folder, '**', '*.tif')}.",
        )


def _rasters_in(folder: str) -> list[str]:
    """Return the rasters that lie in ``folder`` itself, by name."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.name.lower().endswith(RASTER_ENDINGS) and e.name[0] != "." and e.is_file()]
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    return [os.path.join(folder, name) for name in sorted(names)]


def _matching(pattern: str) -> Iterator[str]:
    # Where the pattern itself says how the names end, it decides; *.* also matches what lies beside rasters.
    ends = re.search(r"\.\w+$", os.path.basename(pattern)) is not None
    found: list[str] = []
    for path in sorted(glob.iglob(pattern, recursive=True), key=lambda path: Path(path).parts):
        if not os.path.isdir(path):
            found += [path] if ends or path.lower().endswith(RASTER_ENDINGS) else []
        elif ends:  # The rasters of some formats are folders.
            found.append(path)
        else:
            found += _rasters_in(path)
    if not found:
        raise InputError(f"No raster matches {pattern}.", "Check the folder. Capitals and small letters may differ.")
    yield from found


def _remote(name: str) -> Iterator[str]:
    """Yield what a folder or a pattern stands for on a server or in an archive, where GDAL looks."""
    with without_stderr():
        import pyogrio  # Only here: a job that names its rasters plainly does not wait for it.

    folder = name.partition("*")[0].rpartition("/")[0] + "/"
    # As for those on a disk: where the pattern itself says how the names end, it decides; else it may match folders too.
    ends = re.search(r"\.\w+$", name.rpartition("/")[2]) is not None
    expression = _as_expression(name) + ("" if ends else "(?:/[^/]*)?") if "*" in name else _as_expression(f"{name}*")
    wanted = re.compile(expression)
    try:
        there = pyogrio.vsi_listtree(folder)
    except OSError:  # No such folder, as far as the server tells.
        there = []
    found = sorted(path for path in there if wanted.fullmatch(path) and (ends or path.lower().endswith(RASTER_ENDINGS)))
    if not found:
        raise InputError(
            f"No raster is found at {name}.",
            "Check the path and the credentials. Not every server lists its files: where it does not, write a text file "
            "with a path per line.",
        )
    yield from found


def _as_expression(pattern: str) -> str:
    """Return the regular expression for a pattern with ``*`` for a name or a part of it, and ``**/`` for any folders."""
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return "".join(signs.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*)", pattern))


def _listed(file: str) -> Iterator[str]:
    check_is_file(file, "The text file")
    if _opens(file):  # Some rasters are text files.
        yield file
        return
    folder, count = os.path.dirname(file), 0
    for number, line in _lines(file):
        name = line if jobs.is_address(line) else os.path.join(folder, line)
        if not jobs.stands_for_rasters(name):
            if not (jobs.is_address(name) or os.path.exists(jobs.raster_name(name).path)):
                raise InputError(
                    f"{file}, line {number}: there is no raster {name}.",
                    "Paths are relative to the folder of the text file.",
                )
            count += 1
            yield name
        elif name.lower().endswith(jobs.LIST_ENDING):
            raise InputError(f"{file}, line {number}: {name} is a text file again.", "Put all paths into one.")
        else:
            for path in _rasters_of(name):
                count += 1
                yield path
    if not count:
        raise InputError(f"{file} names no raster.", "Write one path per line.")


def _lines(file: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, with their numbers."""
    try:
        if os.path.getsize(file) > LARGEST_LIST:
            raise InputError(f"{file} is too large for a list of rasters.", "Name a text file with a path per line.")
        text = Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"The text file {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8.", "Save it in that encoding, one path per line.") from error
    if "\0" in text:
        raise InputError(f"{file} is no text file.", "Name a text file with a path per line.")
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line[:1] == line[-1:] == '"':
            line = line[1:-1].strip()
        if line and not line.startswith("#"):
            yield number, line


def _in_stac(name: str) -> Iterator[str]:
    file, _, asset = name.partition(ASSET)
    if not os.path.isfile(file):
        raise InputError(f"The file {file} does not exist.")
    document = read_stac(file)
    if document is None:
        yield file  # GDAL describes some rasters in JSON.
    else:
        yield from rasters_of_stac(file, document, asset)


def _opens(path: str) -> bool:
    # Only here: a job that names its rasters plainly does not wait for GDAL before it is checked.
    import rasterio

    from false_core.raster.opening import GDAL_ERRORS
    from false_core.raster.references import check_references

    check_references(path)
    try:
        rasterio.open(path).close()
    except GDAL_ERRORS:
        return False
    return True


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
