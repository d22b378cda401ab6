"""No input is written over, however it is named: by another name of the same file, as a part, in an archive, beside another.

Only outputs that are there already can be inputs, and only those with certain endings can become a part of one, so that
looking costs nothing for most new ones.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from false_core import jobs
from false_core.errors import FalseError, InputError, OutputError
from false_core.outputs.sidecars import is_sidecar, may_be_sidecar, sidecars_of
from false_core.untrusted.names import is_on_network

MOST_OPENED = 100
"""Rasters of one job that are opened for what GDAL says they are made of. Names are looked into in all of them."""
LOOKED_AT = 1000
"""Names in one file that are looked up. Of more, those that are called like an output: each look takes a moment on a network
drive."""
LARGEST_MOSAIC = 100_000_000
"""Bytes of a VRT that is looked through."""
MOST_LEVELS = 32
"""VRTs within VRTs."""
_WITHIN = re.compile(r"/vsi|vrt://", re.IGNORECASE)
_VRT = re.compile(rb"<(?:vrtdataset|ogrvrt|gdaltileindexdataset)", re.IGNORECASE)
_NUMBERS = re.compile(r"[-+0-9.eE,\s]*")
_TEXTS = re.compile(r"""<!\[CDATA\[([^\]]*)\]\]>|>([^<]+)<|=\s*"([^"<]*)"|=\s*'([^'<]*)'""")
_ARCHIVES = re.compile(r"/vsi(?:zip|tar|gzip|7z|rar)(?:_streaming)?/")
_FileId = tuple[int, int]


def protect_inputs(asked: jobs.Job, job: jobs.Job, more: Iterable[Path] = ()) -> None:
    """Find out whether an output would replace something that a job reads.

    Args:
        asked: The job with names that stand for rasters, such as text files.
        job: The job with the rasters themselves.
        more: Files that it writes into a folder.

    Raises:
        OutputError: One would.
    """
    files = {
        path: jobs.name_for_user(job, name)
        for name, path in jobs.outputs(job).items()
        if not jobs.parameters(job)[name].kind.is_folder
    }
    files |= {str(path): jobs.name_for_user(job, "output") for path in more}
    guard = _OverwriteCheck(files)
    if not guard.has_targets:
        return
    from false_core.raster.source import RasterSource  # Only here: a job with new outputs does not wait for it.

    opened = 0
    for one in (asked, job):
        for name, parameter in jobs.parameters(one).items():
            for path in parameter.kind.paths(getattr(one, name)) if parameter.kind.is_input else []:
                what = "raster" if parameter.kind.is_raster else name
                guard.check(path, what)
                if one is job and os.path.isdir(path):
                    guard.check_folder(path, what)
                if one is job and parameter.kind.is_raster and opened < MOST_OPENED and not is_on_network(path):
                    opened += 1
                    with suppress(FalseError):  # The job says so itself.
                        guard.check_files(path, what, RasterSource(path).files)


class _OverwriteCheck:
    """Compares files with those that would be replaced, and with those that would come to be a part of one.

    Args:
        files: Files that would be written, with the names of their parameters.
    """

    def __init__(self, files: dict[str, str]) -> None:
        written = {path: name for path, name in files.items() if os.path.lexists(path)}
        self._new = [path for path in map(Path, files) if str(path) not in written and may_be_sidecar(path)]
        self._targets = _by_id((path, name) for path, name in written.items())
        self._beside = _by_id(
            (str(path), name)
            for written_path, name in written.items()
            for path in sidecars_of(written_path)
            if path.suffix.lower() not in (".qml", ".qmd")
        )
        self._names = {Path(path).name for path in written}
        self._seen: set[str] = set()

    @property
    def has_targets(self) -> bool:
        """Return whether there is anything to compare with."""
        return bool(self._targets or self._new)

    def check(self, path: str, what: str) -> None:
        """Raise OutputError where the input ``path``, or what it names, is about to be replaced."""
        if len(_WITHIN.findall(path)) > MOST_LEVELS:
            raise InputError(
                f"The name of the {what} has more than {MOST_LEVELS} files within each other.", "Name the file."
            )
        for file in [file for name in _without_options(path) for file in files_in_name(name, "")]:
            hit = self._hit(file, self._targets) or self._hit(file, self._beside)
            if hit:
                raise OutputError(f"{hit[1]} would overwrite an input: {hit[0]}, named as {what}.", "Choose another file.")
            self._check_beside(file, path, what)
            self._check_parts(file, path, what, 0)
        if path[:1] in "<{":
            self._look_into(path, "", path, what, 0)

    def check_folder(self, path: str, what: str) -> None:
        """Do the same where an input is a folder, as in some formats."""
        for target, _ in self._targets.values():
            if any(os.path.samefile(path, parent) for parent in Path(os.path.realpath(target)).parents):
                raise _part(target, path, what)

    def check_files(self, path: str, what: str, files: Iterable[str]) -> None:
        """Do the same for the files that GDAL says a raster is made of."""
        self._compare([file for named in files for file in files_in_name(named, "")], path, what)

    def _check_parts(self, file: str, path: str, what: str, level: int) -> None:
        """Look through the sidecars of a file, and through what it names if it is a VRT, and those within that."""
        real = os.path.realpath(file)
        if real in self._seen or level > MOST_LEVELS:
            return
        self._seen.add(real)
        self._compare([str(sidecar) for sidecar in sidecars_of(file)], path, what)
        self._look_into(_text_of_vrt(real), os.path.dirname(real), path, what, level)

    def _look_into(self, text: str, folder: str, path: str, what: str, level: int) -> None:
        for number, word in enumerate(dict.fromkeys(_words(text))):
            name = os.path.basename(word)
            if number < LOOKED_AT or self._is_called_like_output(name) or name.lower().endswith(".vrt"):
                files = list(files_in_name(word, folder))
                self._compare(files, path, what)
                for file in files:
                    self._check_parts(file, path, what, level + 1)

    def _compare(self, files: Iterable[str], path: str, what: str) -> None:
        for number, file in enumerate(files):
            if number < LOOKED_AT or self._is_called_like_output(os.path.basename(file)):
                hit = self._hit(file, self._targets)
                if hit:
                    raise _part(hit[0], path, what)
                self._check_beside(file, path, what)

    def _is_called_like_output(self, name: str) -> bool:
        stem = os.path.splitext(name)[0]
        return name in self._names or any(new.name.startswith(stem) for new in self._new)

    def _check_beside(self, file: str, path: str, what: str) -> None:
        """Raise OutputError where a new output would belong to ``file`` by its name."""
        for new in self._new:
            if is_sidecar(new, Path(file)):
                raise _part(str(new), path, what)

    def _hit(self, file: str, known: Mapping[_FileId, tuple[str, str]]) -> tuple[str, str] | None:
        found = _file_id(file)
        return known.get(found) if found else None


def _without_options(path: str) -> list[str]:
    """Return ``path``, and what is left of it without what may stand behind bars: a layer, a CRS. Names hold bars too."""
    pieces = path.split("|")[:16]
    return [path, *("|".join(pieces[:number]) for number in range(1, len(pieces)))]


def _part(target: str, path: str, what: str) -> OutputError:
    return OutputError(f"{target} is a part of the {what} {Path(path).name or path}.", "Choose another file.")


def _by_id(files: Iterable[tuple[str, str]]) -> dict[_FileId, tuple[str, str]]:
    return {found: (path, name) for path, name in files if (found := _file_id(path))}


def files_in_name(name: str, folder: str) -> Iterator[str]:
    """Yield the files on this computer that a name as GDAL takes it stands for, as far as the name says.

    Args:
        folder: Folder in which relative names begin.
    """
    whole = os.path.join(folder, name)
    if _exists(whole):
        yield whole
        return
    if folder and _exists(name):
        yield name
        return
    if name[:1] in "<{":
        for word in _words(name):
            if word[:1] not in "<{":
                yield from files_in_name(word, folder)
    elif archive := _ARCHIVES.match(name):
        rest = name[archive.end() :]
        inner = rest[1:].partition("}")[0] if rest.startswith("{") else rest
        if inner.startswith("/vsi"):
            yield from files_in_name(inner, folder)
        else:
            parents = [inner, *map(str, Path(inner).parents)]
            yield from (os.path.join(folder, one) for one in parents if os.path.isfile(os.path.join(folder, one)))
    elif name.startswith("/vsisubfile/"):
        yield from files_in_name(name.partition(",")[2], folder)
    elif name.startswith("/vsi"):
        rest = re.sub(r"^/vsi\w+[/?]", "", name)
        yield from files_in_name(rest, folder) if rest != name else ()
        for value in re.findall(r"(?:file|url)=([^&,]+)", name):
            yield from files_in_name(unquote(value), folder)
    elif name.lower().startswith("vrt://"):
        yield from files_in_name(unquote(name[6:].partition("?")[0]), folder)
        yield from files_in_name(name[6:].partition("?")[0], folder)
    elif ":" in name:
        yield from _in_subdataset(name, folder)


def _in_subdataset(name: str, folder: str) -> Iterator[str]:
    """Yield the files in a name such as ``NETCDF:"a.nc":band`` or ``GTIFF_DIR:1:a.tif``."""
    yield from (os.path.join(folder, one) for one in re.findall(r'"([^"]+)"', name) if _exists(os.path.join(folder, one)))
    parts = name.split(":")[:16]
    for first in range(1, len(parts)):
        for last in range(first + 1, len(parts) + 1):
            one = os.path.join(folder, ":".join(parts[first:last]).strip("\"'"))
            if _exists(one):
                yield one
    rest = name.partition(":")[2].strip("\"'")
    if rest.startswith("/vsi") or rest.lower().startswith("vrt://"):
        yield from files_in_name(rest, folder)


def _words(text: str) -> Iterator[str]:
    """Yield all texts in XML or JSON that may be names of files, nothing where it is neither."""
    words: Iterable[str] = ()
    found: list[str] = []
    if text.startswith("{"):
        words = found
        with suppress(ValueError, RecursionError):
            json.loads(text, object_pairs_hook=lambda pairs: found.extend(one for _, one in pairs if isinstance(one, str)))
    elif text:
        # Not parsed: GDAL reads much that is no XML.
        words = (html.unescape("".join(groups)) for groups in _TEXTS.findall(text))
    for word in words:
        word = word.strip()
        if 0 < len(word) <= 65536 and not _NUMBERS.fullmatch(word):
            yield word


def _text_of_vrt(path: str) -> str:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > LARGEST_MOSAIC:
            return ""
        with open(path, "rb") as stream:
            start = stream.read(4096)
            return (start + stream.read()).decode("utf-8", "replace") if _VRT.search(start) else ""
    except OSError:
        return ""


def _exists(path: str) -> bool:
    try:
        return os.path.exists(path) and not os.path.isdir(path)
    except ValueError:
        return False


def _file_id(path: str | os.PathLike[str]) -> _FileId | None:
    """Return what is the same for all names of one file, None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
