"""Sidecar files: what belongs to a raster or a vector layer by its name alone, whoever made it.

Overviews, masks, spatial indexes, attribute tables, changes that a database has not taken over yet. Where a file is
replaced, those of the old one would be taken for those of the new one. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
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
"""What belongs to a file whose name differs in the ending alone, by the ending of the file."""
_BEHIND_RASTER = r"(?:\.(?:ovr|msk|aux|rrd|xml|aux\.xml|vat\.dbf|vat\.cpg))+"
_BEHIND_SHAPES = r"(?:\.xml|\.dbf\.xml)"
_UNFINISHED = ("-wal", "-journal")
_BEHIND_DATABASE = r"-(?:wal|shm|journal)"
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
    ending = path.suffix.lower()
    with_raster = "" if ending in _STEM_ENDINGS and ending not in _RASTERS else _BEHIND_RASTER
    behind = _BEHIND_DATABASE if ending in _DATABASES else _BEHIND_SHAPES if ending == ".shp" else with_raster
    names = [re.escape(path.name) + f"(?:{behind})"] if behind else []
    # Of what is read, any raster may be: their georeferences end in many ways.
    endings = (*_STEM_ENDINGS.get(ending, ("hdr", "aux", "rrd", r"\w{1,3}w", "wld", "prj")), _METADATA, _STYLE)
    names.append(re.escape(path.stem) + rf"\.(?:{'|'.join(endings)})")
    if ending == ".shp":
        names.append(re.escape(path.stem) + r"\.[^.]+\.atx")
    # GDAL minds no capitals in endings, where the system does not.
    pattern = re.compile("|".join(names), re.IGNORECASE | re.DOTALL)
    found = []
    for name in _names_in(path.parent):
        same = name.startswith((path.name, path.stem)) and name != path.name
        if same and pattern.fullmatch(name) and not os.path.isdir(path.parent / name):
            found.append(path.parent / name)
    return sorted(found)


def left_over(file: Path, replaced: Iterable[Path]) -> list[Path]:
    """Return what belonged to the ``file`` that was there, or is no longer there, and would not fit the new one.

    Args:
        replaced: What is written beside it.
    """
    if not _has_sidecars(file):
        return []
    kept = {path.name for path in replaced}
    return [path for path in sidecars_of(file) if path.name not in kept and _goes_with(path, file)]


def check_replaceable(file: Path) -> None:
    """Find out whether ``file`` can be replaced, or come to be, with all that belongs to it.

    Raises:
        OutputError: It is a database that is open and changed, or beside it lies what is a part of no file yet.
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
    check_parts(file, sidecars_of(file))


def check_parts(file: Path, parts: Iterable[Path]) -> None:
    """Raise OutputError where a part of ``file``, which is not there yet, would replace what belongs to something else."""
    for part in parts if not os.path.lexists(file) else ():
        if _ending_of(part, file) in _CONTENT and os.path.lexists(part):
            raise OutputError(
                f"{file} would overwrite {part}, which is there already and is no part of it.",
                f"Move {part.name} away, or choose another name.",
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
    signature = _SIGNED.search(content)
    return not signature or hashlib.sha256(content[: signature.start()]).hexdigest()[:16] != signature[1].decode()


def styles_kept(file: Path) -> list[Path]:
    """Return the style of a person beside ``file``, which stays when the file is replaced, in a list; or none."""
    # QGIS reads a style in a database first, and where something else has the name, the style may be that one's.
    if not _has_sidecars(file) or file.suffix.lower() in _DATABASES or any(_other_datasets(file)):
        return []
    return [path for path in sidecars_of(file) if path.suffix.lower() == f".{_STYLE}" and is_style_of_user(path)]


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
