"""Sidecar files: what belongs to a raster or a vector layer by its name alone, whoever made it.

Overviews, masks, spatial indexes, attribute tables, changes that a database has not taken over yet. Where a file is
replaced, those of the old one would be taken for those of the new one. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from false_core.errors import OutputError

_RASTERS = (".tif", ".tiff", ".vrt")
_DATABASES = (".gpkg", ".sqlite", ".sqlite3", ".db", ".mbtiles")
_SHAPES = ("shx", "dbf", "prj", "cpg", "qpj", "qix", "sbn", "sbx", "fbn", "fbx", "ain", "aih", "ixs", "mxs", "idm", "ind")
_STEM_ENDINGS = {
    # With the georeference, where the file itself has none.
    ".tif": ("tfw", "tifw", "wld", "aux", "rrd"),
    ".tiff": ("tfw", "tiffw", "wld", "aux", "rrd"),
    ".vrt": ("aux", "rrd", "stac.json"),
    ".shp": (*_SHAPES, "cst", "dbt"),
    ".tab": ("dat", "map", "id", "ind"),
    ".mif": ("mid",),
    ".gml": ("xsd", "gfs"),
    ".csv": ("csvt",),
    **dict.fromkeys((*_DATABASES, ".geojson", ".json", ".kml", ".kmz", ".fgb", ".dxf", ".gpx"), ()),
}
"""Endings of the files that belong to a file of the same name, by the ending of that file."""
_ENDINGS = {
    "ovr", "msk", "xml", "hdr", "prj", "qml", "qmd", "atx",
    *(ending.rpartition(".")[2] for endings in _STEM_ENDINGS.values() for ending in endings),
}  # fmt: skip
_IN_FOLDERS = (".zgroup", ".zarray", "zarr.json", "a00000001.gdbtable", "hdr.adf")
"""Files that make a folder one raster or one geodatabase: of Zarr, Esri's geodatabases and its grids."""
_BEHIND_RASTER = r"(?:\.(?:ovr|msk|aux|rrd|xml|aux\.xml|vat\.dbf|vat\.cpg))+"
_BEHIND_SHAPES = r"(?:\.xml|\.dbf\.xml)"
_UNFINISHED = ("-wal", "-journal")
_BEHIND_DATABASE = r"-(?:wal|shm|journal)"
STYLES_TABLE = "layer_styles"
"""The table in which QGIS keeps the styles of a database."""
_SQLITE = b"SQLite format 3\0"
_LOOK_S = 5.0
"""Seconds for a look into a database."""
_METADATA, _STYLE = "qmd", "qml"
_CONTENT = {"dbf", "shx", "prj", "cpg", "dat", "map", "id", "mid", "xsd", "stac.json"}
"""Endings of what is a part of a layer where there is one, and a file of its own where there is none."""
_SHARED = {_METADATA, "wld", "aux", "rrd", "prj"}
"""Endings of what belongs to another file as well where one of that name is there."""
_DATASETS = {
    *_STEM_ENDINGS, ".img", ".jp2", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".asc", ".ers", ".bil", ".bsq", ".dat", ".nc",
}  # fmt: skip
_LARGEST_STYLE = 16_000_000
_SIGNED = re.compile(rb"<!-- FALSE ([0-9a-f]{16})[^>]*-->\s*\Z")


def sidecars_of(file: str | os.PathLike[str]) -> list[Path]:
    """Return the files beside ``file`` that belong to it by their names, a style for QGIS among them."""
    path = Path(file)
    pattern = _sidecar_names(path)
    names = [name for name in _names_in(path.parent) if _is_named_so(name, path, pattern)]
    return [path.parent / name for name in sorted(names) if not os.path.isdir(path.parent / name)]


def is_sidecar(path: Path, file: Path) -> bool:
    """Return whether ``path`` is, or would be, one of ``sidecars_of(file)``."""
    beside = os.path.realpath(path.parent) == os.path.realpath(file.parent)
    return beside and _is_named_so(path.name, file, _sidecar_names(file))


def may_be_sidecar(path: Path) -> bool:
    """Return whether a file of that name could be a sidecar of any other."""
    ending = path.suffix[1:].lower()
    return ending in _ENDINGS or re.fullmatch(r"\w{1,3}w", ending) is not None


def layer_that_is_folder(path: Path) -> Path | None:
    """Return the folder around ``path``, or at it, that is a raster or a geodatabase as a whole, None where none is.

    What somebody else puts into such a folder may be taken for a part of it.
    """
    whole = Path(os.path.realpath(path))
    return next(
        (folder for folder in (whole, *whole.parents) if any((folder / name).is_file() for name in _IN_FOLDERS)), None
    )


def _is_named_so(name: str, file: Path, pattern: re.Pattern[str]) -> bool:
    # Beginning as the file does, in capitals too: GDAL minds none in endings alone, where the system does not.
    return name != file.name and name.startswith((file.name, file.stem)) and pattern.fullmatch(name) is not None


def _sidecar_names(path: Path) -> re.Pattern[str]:
    ending = path.suffix.lower()
    with_raster = "" if ending in _STEM_ENDINGS and ending not in _RASTERS else _BEHIND_RASTER
    behind = _BEHIND_DATABASE if ending in _DATABASES else _BEHIND_SHAPES if ending == ".shp" else with_raster
    names = [re.escape(path.name) + f"(?:{behind})"] if behind else []
    # Of what is read, any raster may be: their georeferences end in many ways.
    endings = (*_STEM_ENDINGS.get(ending, ("hdr", "aux", "rrd", r"\w{1,3}w", "wld", "prj")), _METADATA, _STYLE)
    names.append(re.escape(path.stem) + rf"\.(?:{'|'.join(endings)})")
    if ending == ".shp":
        names.append(re.escape(path.stem) + r"\.[^.]+\.atx")
    return re.compile("|".join(names), re.IGNORECASE | re.DOTALL)


def left_over(file: Path, replaced: Iterable[Path]) -> list[Path]:
    """Return what belonged to the ``file`` that was there, or is no longer there, and would not fit the new one.

    Args:
        replaced: Files that are written beside it.
    """
    if not _has_sidecars(file):
        return []
    kept = {path.name for path in replaced}
    return [path for path in sidecars_of(file) if path.name not in kept and _goes_with(path, file)]


def check_replaceable(file: Path) -> None:
    """Find out whether ``file`` can be replaced, or come to be, with all that belongs to it.

    Raises:
        OutputError: It is a database that is open and changed, or holds more than one layer, or beside it lies what is a
            part of no file yet.
    """
    if not _has_sidecars(file):
        return
    for ending in _UNFINISHED if file.suffix.lower() in _DATABASES else ():
        beside = file.with_name(file.name + ending)
        if _is_in_use(beside):
            raise OutputError(
                f"{file} is open in another program and changed there, or one ended before it was done: {beside.name} "
                "beside it holds changes that are not in it yet.",
                "Save the edits and remove the layer in QGIS, or close the program that has it open, then try again. "
                f"If none has, move {file.name} and {beside.name} away together, or choose another name.",
            )
    held = _contents_of(file) if file.suffix.lower() in _DATABASES else []
    if len(held) > 1:
        raise OutputError(
            f"{file} holds more than would be written again: {', '.join(held[:10])}. All of that would be lost.",
            "Choose another name. Layers can be brought together in QGIS, with Package layers.",
        )
    check_sidecars(file, sidecars_of(file))


def check_sidecars(file: Path, sidecars: Iterable[Path]) -> None:
    """Raise OutputError where a part of ``file``, which is not there yet, would replace what belongs to something else."""
    for sidecar in sidecars if not os.path.lexists(file) else ():
        if _ending_of(sidecar, file) in _CONTENT and os.path.lexists(sidecar):
            raise OutputError(
                f"{file} would overwrite {sidecar}, which is there already and is no part of it.",
                f"Move {sidecar.name} away, or choose another name.",
            )


def signed_style(style: bytes) -> bytes:
    """Return a style for QGIS with a word at its end that tells it from one that a person made or changed."""
    digest = hashlib.sha256(style).hexdigest()[:16]
    return style + f"<!-- FALSE {digest}: a style that is not changed is replaced with the layer. -->".encode()


def is_style_of_user(path: Path) -> bool:
    """Return whether there is a style that FALSE did not write, or that was changed since."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_STYLE:
            return True
        content = path.read_bytes()
    except OSError:
        return os.path.lexists(path)
    return not is_signed_style(content)


def is_signed_style(content: bytes) -> bool:
    """Return whether a style is one of ``signed_style``, and not changed since."""
    signature = _SIGNED.search(content)
    if signature is None:
        return False
    return hashlib.sha256(content[: signature.start()]).hexdigest()[:16] == signature[1].decode()


def styles_kept(files: Iterable[Path]) -> list[str]:
    """Return a sentence for each style of a person beside ``files``, which stays when these are replaced."""
    found = []
    for file in files:
        # QGIS reads a style in a database first, and where something else has the name, the style may be that one's.
        if not _has_sidecars(file) or file.suffix.lower() in _DATABASES or any(_other_datasets(file)):
            continue
        found += [path for path in sidecars_of(file) if path.suffix.lower() == f".{_STYLE}" and is_style_of_user(path)]
    return [f"The style {one.name} was made or changed by a person, and is kept. Delete it for a new one." for one in found]


def _has_sidecars(file: Path) -> bool:
    return file.suffix.lower() in _STEM_ENDINGS


def _goes_with(path: Path, file: Path) -> bool:
    """Return whether a sidecar belongs to ``file`` and to nothing else, nor to its user."""
    ending = _ending_of(path, file)
    if path.name.startswith(file.name):
        return True
    if ending == _STYLE and is_style_of_user(path):
        return False
    if ending in ("aux", "rrd") and not _is_of_erdas(path):
        return False
    return ending not in _SHARED | {_STYLE} or not any(_other_datasets(file))


_OWN = {STYLES_TABLE, "qgis_projects", "spatial_ref_sys", "geometry_columns", "ogr_empty_table"}
"""Tables and views that programs keep in a database of layers for themselves."""


def _contents_of(database: Path) -> list[str]:
    """Return the names of layers and tables in a database of layers, and of projects of QGIS; none where it cannot be read.

    Styles are not counted.
    """
    try:
        with database.open("rb") as stream:
            if stream.read(len(_SQLITE)) != _SQLITE:
                return []
        address = f"{database.absolute().as_uri()}?immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as opened:
            until = time.monotonic() + _LOOK_S
            # What is called like a table of a GeoPackage may be a view that never ends.
            opened.set_progress_handler(lambda: time.monotonic() > until, 10_000)
            every = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') LIMIT 10000"
            tables = {str(name).lower() for (name,) in opened.execute(every)}
            if "gpkg_contents" in tables:
                query = "SELECT table_name FROM gpkg_contents ORDER BY table_name LIMIT 1000"
            elif "geometry_columns" in tables:
                query = "SELECT DISTINCT f_table_name FROM geometry_columns LIMIT 1000"
            else:
                query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' LIMIT 1000"
            found = [str(name) for (name,) in opened.execute(query)]
            if "gpkg_contents" in tables:  # What a person put in beside the layers need not be registered there.
                layers = {name.lower() for name in found}
                others = tables - layers - _OWN
                found += sorted(name for name in others if not name.startswith(("gpkg_", "rtree_", "sqlite_")))
            if "qgis_projects" in tables and opened.execute("SELECT 1 FROM qgis_projects LIMIT 1").fetchone():
                found.append("qgis_projects")
    except (OSError, sqlite3.Error):
        return []
    return [name for name in dict.fromkeys(found) if name != STYLES_TABLE]


def _ending_of(path: Path, file: Path) -> str:
    return path.name[len(file.stem) + 1 :].lower()


def _other_datasets(file: Path) -> Iterator[str]:
    for name in _names_in(file.parent):
        stem, ending = os.path.splitext(name)
        if stem == file.stem and ending.lower() in _DATASETS and name != file.name:
            yield name


def _is_in_use(beside: Path) -> bool:
    """Return whether changes wait in a file beside a database. An empty one, or one begun with zeros, holds none."""
    try:
        with beside.open("rb") as stream:
            return any(stream.read(8))
    except OSError:
        return os.path.lexists(beside)


def _is_of_erdas(path: Path) -> bool:
    """Return whether it is what GDAL writes under such a name: other programs have files that end so too."""
    try:
        with path.open("rb") as stream:
            return stream.read(15) == b"EHFA_HEADER_TAG"
    except OSError:
        return False


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
