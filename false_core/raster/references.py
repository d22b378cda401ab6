"""The files that a raster refers to, looked at before GDAL follows them.

A raster names other files, and more lie beside it. A VRT is a text that names any number, anywhere, and any of these may be
a VRT again. That is what makes it useful, so it may name files outside its folder. Refused is only what cannot work, and
what a file should not be able to do: lead back to itself, multiply until it cannot be read, run a program or a query, ask a
server, or have any file of the computer shown as pixels. The same holds for masks and overviews beside a raster, for the
names that it carries as metadata, and for what lies in an archive.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import rasterio
import rasterio.errors
from rasterio._err import CPLE_BaseError

from false_core.errors import InputError
from false_core.untrusted import check_files_beside, check_is_file
from false_core.untrusted.databases import check_views, is_database
from false_core.untrusted.hdf5 import has_external_bytes, is_hdf5
from false_core.untrusted.names import check_name, files_named, is_on_network
from false_core.untrusted.stored import bytes_of, first_bytes, is_stored
from false_core.untrusted.xml_values import XmlError, XmlValue, XmlValues

MAX_VRT_LEVELS = 16
"""VRTs within VRTs."""
MAX_VRT_SOURCES = 10**8
"""Parts that a VRT may come to once those within it are counted out: a mosaic of a million images, several times over."""
LOOKED_INTO = 1000
"""Parts of one VRT that are looked into whatever they are called. Of more, those that are called .vrt: on a network drive a
look takes milliseconds, and a mosaic may have a hundred thousand parts."""
LONGEST_HEADER_FILE = 16_000_000
MOST_ENTRIES_LOOKED_AT = 1_000_000
_START = b"<vrtdataset"
_NAMES = {"sourcefilename", "sourcedataset", "dempath", "rpc_dem"}
_ENTRIES = {"mdi", "option", "argument", "item"}
"""Elements that hold a value under a name that is an attribute. Some such values are names of files that GDAL opens."""
_FILE_ENTRY = re.compile(
    r"overview_file|[xy]_dataset|rpc_dem|\w*dataset_filename(?:_\d+)?|\w*_filename(?:_\d+)?|cutline\w*ds", re.IGNORECASE
)
_KERNEL = "kernelfilteredsource"
_PROGRAMS = {"pixelfunctioncode", "pixelfunctionlanguage"}
_HARMLESS_OPTIONS = {
    "overview_level", "num_threads", "georef_sources", "sparse_ok", "honour_valid_range", "ignore_xy_axis_name_checks",
    "1bit_alpha_promotion", "use_rrd", "zoom_level", "raster_tiles", "assume_longlat",
}  # fmt: skip
_BESIDE = (".ovr", ".OVR", ".msk", ".MSK")
_BASE = ":::BASE:::"
_HEADERS = (".hdr", ".HDR", ".rdc", ".RDC", ".sgrd", ".SGRD")
_PIXELS_OF = {".grd": (".gri", ".GRI"), ".sgrd": (".sdat", ".SDAT")}
"""Endings of the file with the pixels, beside a header that is opened itself."""


@dataclass
class _Contents:
    """The files that a raster says it is made of.

    Attributes:
        references: Names of what it is made of, as often as they occur, and whether each is given relative to the raster.
        raw: The files that are to be read byte by byte.
        is_vrt: True where it is a VRT.
    """

    references: list[tuple[str, bool]] = field(default_factory=list)
    raw: list[tuple[str, bool]] = field(default_factory=list)
    is_vrt: bool = False


def check_references(name: str) -> list[str]:
    """Look through what is opened as ``name``, and what that leads to, and return the files of this computer among it.

    Masks and overviews beside a file are among them, but of a mosaic of more than a thousand parts not all parts.

    Raises:
        InputError: It leads back to itself, comes to more parts than can be read, or holds what is not followed.
    """
    known: dict[str, int] = {}
    if name.lstrip().startswith("<"):
        contents = _of_vrt("The raster", [name.encode("utf-8", "replace")])
        _check_contents(name, os.getcwd(), contents, (), known)
        return list(known)
    for file in files_named(name):
        if not is_on_network(file):
            _count(file, (), known)
    return list(known)


def check_metadata_of_raster(dataset: Any, path: str) -> None:
    """Look through what an open raster says of itself, before GDAL follows that: overviews elsewhere, places of pixels.

    Raises:
        InputError: As ``check_references``.
    """
    contents = _of_metadata(dataset, path)
    if dataset.driver == "VRT" and is_on_network(path):
        text = "".join(dataset.tags(ns="xml:VRT").values()) or "<VRTDataset/>"
        inside = _of_vrt(f"The raster {path}", [text.encode("utf-8", "replace")])
        contents.references += inside.references
        contents.raw += inside.raw
    _check_contents(path, os.path.dirname(path), contents, (), {})


def _count(path: str, above: tuple[str, ...], known: dict[str, int]) -> int:
    """Return how many parts ``path`` comes to; 1 where it is no VRT."""
    real = path if path.startswith("/vsi") else os.path.realpath(path)
    if real in above:
        raise InputError(
            f"The raster {above[0]} leads back to itself: {path} is a part of itself.",
            "Build the VRT again, from other files.",
        )
    if real in known:
        return known[real]
    if os.path.isdir(real):
        _check_links(real)
    if not is_stored(real):
        known[real] = 1
        return 1
    if len(above) >= MAX_VRT_LEVELS:
        raise InputError(
            f"The raster {above[0]} holds VRTs more than {MAX_VRT_LEVELS} levels deep.", "Translate it to GeoTIFF."
        )
    check_files_beside(path, "The raster")
    _check_header_beside(path, real)
    contents = _contents(real)
    total = _check_contents(real, os.path.dirname(real), contents, (*above, real), known)
    if above and not contents.is_vrt:  # Of the raster itself, whoever opens it looks.
        _check_contents(real, os.path.dirname(real), _of_metadata_inside(real), (*above, real), known)
    for place in {path, real}:
        for ending in _BESIDE:
            if is_stored(place + ending):
                _count(place + ending, (*above, real), known)
        _check_contents(real, os.path.dirname(real), _of_metadata_beside(place), (*above, real), known)
    if total > MAX_VRT_SOURCES:
        raise InputError(
            f"The raster {path} comes to {total:.3g} parts, as the VRTs in it hold each other many times over.",
            "Build one VRT from the images themselves.",
        )
    known[real] = total
    return total


def _check_contents(name: str, folder: str, contents: _Contents, above: tuple[str, ...], known: dict[str, int]) -> int:
    """Return how many parts ``contents`` come to."""
    for reference, is_relative in contents.raw:
        _check_raw(name, folder, reference, is_relative)
    references: dict[str, int] = {}
    for reference, is_relative in contents.references:
        check_name(reference, name)
        for file in files_named(reference):
            # What is no path by itself only GDAL can look up; joined to a folder it is no file.
            whole = os.path.join(folder, file) if is_relative else file
            references[whole] = references.get(whole, 0) + 1
    total = 1
    for number, (reference, times) in enumerate(references.items()):
        look = (number < LOOKED_INTO or reference.lower().endswith(".vrt")) and not is_on_network(reference)
        if look:
            check_is_file(reference, "The part")
        total += times * (_count(reference, above, known) if look else 1)
    return total


def _check_raw(name: str, folder: str, reference: str, is_relative: bool) -> None:
    whole = os.path.join(folder, reference) if is_relative else reference
    if folder.startswith("/vsi"):
        inside = os.path.normpath(whole).startswith(os.path.join(os.path.normpath(folder), ""))
    else:
        inside = os.path.realpath(whole).startswith(os.path.join(os.path.realpath(folder), "")) and "/vsi" not in reference
    if not inside:
        raise InputError(
            f"The raster {name} shows the bytes of {reference}, outside its own folder, as pixels, which is not done.",
            "Put that file beside it, if it is meant.",
        )


def _check_header_beside(path: str, real: str) -> None:
    """Refuse a link to any file with a header beside the link that says how its bytes are pixels."""
    if path.startswith("/vsi"):
        return
    base, ending = os.path.splitext(path)
    for pixels in (f"{base}{one}" for one in _PIXELS_OF.get(ending.lower(), ())):
        if os.path.islink(pixels):
            _check_raw(path, os.path.dirname(path), pixels, False)
    if not os.path.islink(path):
        return
    for header in (f"{base}{ending}" for base in (path, os.path.splitext(path)[0]) for ending in _HEADERS):
        if os.path.isfile(header) and os.path.dirname(os.path.realpath(header)) != os.path.dirname(real):
            _check_raw(path, os.path.dirname(path), path, False)


def _check_links(folder: str) -> None:
    """Refuse a raster that is a folder where a link in it leads out of it."""
    left, entries = [folder], 0
    while left:
        try:
            with os.scandir(left.pop()) as found:
                for entry in found:
                    entries += 1
                    if entry.is_symlink():
                        _check_raw(folder, folder, entry.path, False)
                    elif entry.is_dir():
                        left.append(entry.path)
        except OSError:
            continue
        if entries > MOST_ENTRIES_LOOKED_AT:
            return


def _contents(path: str) -> _Contents:
    """Return what the raster that is stored under ``path`` is made of, by what it says itself."""
    if path.startswith("/vsi"):
        return _read_contents(path)
    status = os.stat(path)
    return _known_contents(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _known_contents(path: str, *_version: int) -> _Contents:
    return _read_contents(path)


def _read_contents(path: str) -> _Contents:
    start = first_bytes(path)
    if _START in start.lower():
        return _of_vrt(f"The raster {path}", bytes_of(path))
    if is_database(path):
        check_views(path, whole=True)
    elif start.startswith(b"PCIDSK"):
        return _Contents(raw=[(name, True) for name in _channels_elsewhere(path)])
    elif b"datasetheader" in start.lower():
        return _Contents(raw=[(name, True) for name in _data_of_er_mapper(path)])
    elif is_hdf5(path) and has_external_bytes(path):
        raise InputError(
            f"The raster {path} shows the bytes of other files as pixels, which is not done.",
            "Copy its variables into one file, if you know where it comes from.",
        )
    return _Contents()


def _of_vrt(what: str, pieces: Iterator[bytes] | list[bytes]) -> _Contents:
    try:
        read = XmlValues(pieces, {*_NAMES, *_ENTRIES, "subclass", "ooi", "relativetovrt"})
    except XmlError as error:
        raise InputError(f"{what} is a VRT that cannot be read: {error}.", "Build it again.") from error
    if read.names & _PROGRAMS:
        raise InputError(
            f"{what} computes its pixels with a program in the file, which is not run.",
            "Translate it to GeoTIFF with GDAL, if you know where it comes from.",
        )
    if _KERNEL in read.names:
        raise InputError(
            f"{what} filters pixels by a kernel, with which GDAL crashes where something is missing.",
            "Translate it to GeoTIFF with GDAL, if you know where it comes from.",
        )
    is_raw = any(value.name == "subclass" and "raw" in value.text.lower() for value in read.values)
    contents = _Contents(is_vrt=True)
    for value in read.values:
        if value.name == "ooi" and value.attributes.get("key", set()) - {""}:
            _check_option(what, value)
        elif value.name in _NAMES or (value.name in _ENTRIES and _is_file_entry(value)):
            if "\ufffd" in value.text:
                raise InputError(f"{what} names a file by what is no UTF-8.", "Give that file another name.")
            # A band of raw bytes has no source around its name.
            raw = is_raw and value.name in _NAMES and value.inside[-1:] == ["vrtrasterband"]
            for is_relative in _relations(value):
                (contents.raw if raw else contents.references).append((value.text, is_relative))
    return contents


def _relations(value: XmlValue) -> set[bool]:
    """Return whether a name is relative to the VRT: both, where GDAL may take it for either. It is written in two ways."""
    said = {text.strip().lower() for text in value.attributes.get("relativetovrt", {""})}
    return {text not in ("", "0", "no", "off", "false") for text in said} | (
        {True, False} if said - {"", "0", "1", "no", "off", "false", "yes", "on", "true"} else set()
    )


def _check_option(what: str, value: XmlValue) -> None:
    for key in value.attributes["key"]:
        if key.strip().lower() not in _HARMLESS_OPTIONS:
            raise InputError(
                f"{what} opens its parts with the option {key}, which is not passed on.",
                "Build it without that.",
            )


def _is_file_entry(value: XmlValue) -> bool:
    keys = {key.strip() for attribute in ("key", "name") for key in value.attributes.get(attribute, set())}
    return any(_FILE_ENTRY.fullmatch(key) for key in keys)


def _of_metadata_beside(path: str) -> _Contents:
    """Return what the metadata that GDAL keeps beside a raster name: overviews elsewhere, and places of pixels."""
    beside = f"{path}.aux.xml"
    if not is_stored(beside):
        return _Contents()
    pieces = list(bytes_of(beside))
    try:
        values = XmlValues(pieces, _ENTRIES).values
    except XmlError as error:
        # GDAL may read what is no XML. Where it says nothing of files, what it says does not matter.
        if not _FILE_ENTRY.search(html.unescape(b"".join(pieces).decode("utf-8", "replace"))):
            return _Contents()
        raise InputError(f"{beside} cannot be read: {error}.", "Remove it, GDAL makes it again.") from error
    return _named([value.text for value in values if _is_file_entry(value)], os.path.dirname(path))


def _of_metadata_inside(path: str) -> _Contents:
    if path.startswith("/vsi"):
        return _metadata_of_file(path)
    status = os.stat(path)
    return _known_metadata(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4 * LOOKED_INTO)
def _known_metadata(path: str, *_version: int) -> _Contents:
    return _metadata_of_file(path)


def _metadata_of_file(path: str) -> _Contents:
    try:
        with rasterio.open(path) as dataset:
            return _of_metadata(dataset, path)
    except (
        rasterio.errors.RasterioError,
        CPLE_BaseError,
        ValueError,
        UnicodeError,
    ):  # Its reader says why.
        return _Contents()


def _of_metadata(dataset: Any, path: str) -> _Contents:
    entries = [entry for domain in ("OVERVIEWS", "GEOLOCATION") for entry in dataset.tags(ns=domain).items()]
    return _named([text for key, text in entries if _FILE_ENTRY.fullmatch(key)], os.path.dirname(path))


def _named(names: list[str], folder: str) -> _Contents:
    return _Contents([(os.path.join(folder, n[len(_BASE) :]) if n.startswith(_BASE) else n, False) for n in names])


def _channels_elsewhere(path: str) -> list[str]:
    """Return the files in which a raster of PCI says that its channels lie."""
    head = _head_of(path)
    try:
        block, channels = int(head[336:352]), int(head[376:384])
    except ValueError:
        return []
    names = []
    for number in range(min(channels, 65_536)):
        at = (block - 1) * 512 + number * 1024 + 64
        name = head[at : at + 64].split(b"\0")[0].strip().decode("utf-8", "replace")
        if name and not name.startswith(("/SIS=", "<uninitialized>")):
            names.append(name)
    return names


def _data_of_er_mapper(path: str) -> list[str]:
    text = _head_of(path).decode("utf-8", "replace")
    return [
        match[1] if match[1] is not None else match[2].strip()
        for match in re.finditer(r"datafile\s*=\s*(?:\"([^\"]*)\"|([^\r\n]*))", text, re.IGNORECASE)
    ]


def _head_of(path: str) -> bytes:
    head = b""
    for piece in bytes_of(path):
        head += piece
        if len(head) > LONGEST_HEADER_FILE:
            break
    return head
