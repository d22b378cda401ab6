"""The sources that the file of a label layer leads to, looked at before GDAL follows it: other files, queries, addresses."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from false_core.errors import InputError
from false_core.untrusted.databases import check_views
from false_core.untrusted.names import check_name, files_named, is_on_network
from false_core.untrusted.stored import bytes_of, first_bytes
from false_core.untrusted.xml_values import XmlError, XmlValues

MAX_VRT_LEVELS_READ = 8
"""VRTs within VRTs."""
MOST_ARCHIVED = 10_000
"""Files in an archive that is named as if it were a file of labels."""
_VRT = b"<ogrvrtdatasource"
_HARMLESS_OPTIONS = {
    "encoding", "autodetect_type", "autodetect_width", "autodetect_size_limit", "headers", "separator", "x_possible_names",
    "y_possible_names", "z_possible_names", "geom_possible_names", "keep_geom_columns", "empty_string_as_null",
    "merge_separator", "quoted_fields_as_string", "open_mode", "list_all_tables",
}  # fmt: skip
_CRS_BY_ADDRESS = {"link", "url"}
# Spelled out, or perhaps: nobody writes letters as numbers without a reason.
_PERHAPS_AN_ADDRESS = re.compile(rb'"(?:link|url)"|\\u00[2-7]', re.IGNORECASE)
_LONGEST_JSON = 1_000_000_000


def check_sources(name: str) -> None:
    """Look through what is opened as ``name``, and what that leads to. What names no other files passes.

    Raises:
        InputError: It holds a query that is not run or may never end, or leads where a file must not lead.
    """
    if name.lstrip().startswith("<"):
        raise InputError("The labels are XML instead of the name of a file.", "Save it as a file, and name that.")
    # Each once: one that names itself often would be looked at for ever.
    level, seen = {_real(file) for file in files_named(name)}, set()
    for depth in range(MAX_VRT_LEVELS_READ + 1):  # Deeper ones GDAL refuses by itself.
        seen |= level
        level = {source for one in sorted(level) for source in _sources_of(one, depth)} - seen


@contextmanager
def nothing_left_beside(name: str) -> Iterator[None]:
    """Remove what GDAL keeps for the next time beside a GML file, whatever that is called, where it was not there before."""
    beside = os.path.splitext(name)[0] + ".gfs"
    was_there = os.path.lexists(beside)
    try:
        yield
    finally:
        if not was_there:
            with suppress(OSError):
                os.unlink(beside)


def _sources_of(name: str, depth: int) -> Iterator[str]:
    """Yield what a file leads to. It is looked at itself as well."""
    if is_on_network(name) and depth:
        return
    start = first_bytes(name).lower()
    if _VRT in start:
        yield from _of_vrt(name)
        return
    check_views(name, whole=depth > 0)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[", b"loadgeojson(", b"jsonp(")):
        _check_json(name)
    yield from _in_archive(name)


def _in_archive(name: str) -> Iterator[str]:
    """Yield what GDAL finds where an archive is named as if it were a file."""
    if name.startswith("/vsi") or not first_bytes(name).startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(name) as archive:
            found = archive.infolist()
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{name} is an archive that cannot be read: {error}.", "Unpack it, or make it again.") from error
    if len(found) > MOST_ARCHIVED:
        raise InputError(f"{name} holds more than {MOST_ARCHIVED:,} files.", "Unpack it, and name the file that is meant.")
    if len({entry.filename for entry in found}) < len(found):
        raise InputError(f"{name} holds two files of one name.", "Unpack it, and name the file that is meant.")
    for entry in found:
        yield f"/vsizip/{{{name}}}/{entry.filename}"
        if not entry.flag_bits & 0x800 and not entry.filename.isascii():  # Read as the oldest encoding, for lack of a sign.
            yield f"/vsizip/{{{name}}}/{os.fsdecode(entry.filename.encode('cp437', 'replace'))}"


def _of_vrt(name: str) -> Iterator[str]:
    try:
        read = XmlValues(bytes_of(name), {"srcdatasource", "srcsql", "srclayer", "ooi"})
    except XmlError as error:
        raise InputError(f"{name} is a VRT that cannot be read: {error}.", "Build it again.") from error
    if "srcsql" in read.names:
        raise InputError(f"{name} holds a query, which is not run.", "Save what it gives as a layer of its own.")
    folder = os.path.dirname(name)
    for value in read.values:
        if value.name == "ooi":
            for key in value.attributes.get("key", set()):
                if key.strip().lower() not in _HARMLESS_OPTIONS:
                    raise InputError(
                        f"{name} opens its sources with the option {key}, which is not passed on.", "Build it without that."
                    )
        elif value.name == "srcdatasource":
            check_name(value.text, name)
            for file in files_named(value.text):
                # Relative to the VRT, or to the folder of the program: whatever it says, both are looked at.
                yield _real(os.path.join(folder, file))
                yield _real(file)


def _check_json(name: str) -> None:
    content = bytearray()
    suspicious = False
    for piece in bytes_of(name):
        suspicious = suspicious or _PERHAPS_AN_ADDRESS.search(bytes(content[-20:]) + piece) is not None
        content += piece
        if len(content) > _LONGEST_JSON:
            raise InputError(f"{name} is longer than {_LONGEST_JSON / 1e9:.0f} GB.", "Save it as a GeoPackage.")
    if not suspicious:
        return
    text = content.decode("utf-8", "replace")
    start, end = text.find("{"), text.rfind("}")
    try:
        held = json.loads(text[start : end + 1], strict=False, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is JSON that cannot be read: {error}.", "Save it again, as a GeoPackage.") from error
    if _names_address(held):
        raise InputError(
            f"The CRS of {name} is at an address, which would be read over the network: files on the disk ask no server.",
            "Save the labels again, in a CRS with a name.",
        )


def _names_address(value: Any, key: str = "") -> bool:
    """Return whether an object that a key ``crs`` leads to has a type that GDAL looks up at an address."""
    left: list[tuple[str, Any]] = [(key, value)]
    while left:
        name, one = left.pop()
        if not isinstance(one, list):
            continue
        pairs = [pair for pair in one if isinstance(pair, tuple)]
        if name.lower() == "crs":
            for inner, said in pairs:
                if inner.lower() == "type" and str(said).lower() in _CRS_BY_ADDRESS:
                    return True
        left += pairs
        left += [("", item) for item in one if isinstance(item, list)]
    return False


def _real(name: str) -> str:
    return name if name.startswith("/vsi") or "\0" in name else os.path.realpath(name)
