"""Names in a file from somebody: what may be followed, and which files they come to."""

from __future__ import annotations

import os
import re
from typing import Iterator, List

from false_core.errors import InputError
from false_core.settings import allowed_drivers

_NETWORK = re.compile(r"/vsi(?:curl|s3|gs|az|adls|oss|swift|hdfs|webhdfs)(?:_streaming)?(?=[/?]|$)", re.IGNORECASE)
_VIRTUAL = re.compile(r"(?:^|(?<=[/\":{,]))/vsi([a-z0-9_]+)(?=[/?]|$)", re.IGNORECASE)
_IN_HDF5 = re.compile(r"^(HDF5(?:Image)?:.*)(?<!http)(?<!https)(?<!ftp)://[^:]*$", re.IGNORECASE | re.DOTALL)
"""The name of a variable of an HDF5 file, which begins with the letters of an address."""
_ARCHIVES = {"zip", "tar", "gzip", "7z", "rar"}
_SUBDATASET = re.compile(r"(\w[\w+.-]+):(.*)", re.DOTALL)
_SCHEME = re.compile(r"(file|zip|tar|gzip)(?:\+file)?://(.*)", re.DOTALL | re.IGNORECASE)
_MOST_COLONS = 8
_READ_OTHERWISE = re.compile(
    r"[\t\r\n]|;[^/]*$|^//|^(?:file|zip|tar|gzip|https?|ftp|s3|gs|az|adls?|hdfs|webhdfs)(?:\+\w+)*:", re.IGNORECASE
)
"""In such names of files pyogrio sees the parts of an address, and drops some: it would open another file."""


def is_on_network(name: str) -> bool:
    """Return whether what GDAL opens as ``name`` is asked of a server. A mounted share looks like a disk."""
    asked = _IN_HDF5.sub(r"\1", name.replace("vrt://", ""))
    return _NETWORK.search(name) is not None or "://" in asked or name.startswith("\\\\")


def is_served(name: str) -> bool:
    """Return whether ``name`` is a file that GDAL asks a server for, and not what lies in one or is described by it."""
    return _NETWORK.match(name) is not None


def is_name_read_otherwise(path: str) -> bool:
    """Return whether pyogrio would take the name of a file on the disk for that of another one."""
    return _READ_OTHERWISE.search(path) is not None


def check_name(name: str, owner: str) -> None:
    """Find out whether the file ``owner`` may lead to ``name``: another file, also in an archive.

    Raises:
        InputError: It is an address, of which the user has not said that files may lead there; or no name of a file, but a
            raster or a layer written out, or a virtual file of GDAL's that shows bytes of any file or waits for some.
    """
    if name.lstrip()[:1] in ("<", "{") or "<" in name:
        raise InputError(
            f"The file {owner} holds another file written into a name, which is not opened.",
            "Save that beside it.",
        )
    if is_on_network(name) and not is_on_network(owner):
        asked = _NETWORK.findall(name)
        allowed = {word.strip("/").lower() for word in allowed_drivers()}
        if not asked or not {word.strip("/").lower() for word in asked} <= allowed:
            prefix = f"{asked[0]}/" if asked else "/vsicurl/"
            raise InputError(
                f"The file {owner} leads to {name}, which would be read over the network: files on the disk ask no server.",
                f"Where you trust it, name {prefix} in the variable FALSE_DRIVERS, or in Settings > Options > FALSE.",
            )
    for kind in _VIRTUAL.findall(name):
        if kind.lower() not in _ARCHIVES and not is_on_network(f"/vsi{kind}/"):
            raise InputError(f"The file {owner} leads to {name}, which is not opened.", "A file may lead to other files.")


def files_named(name: str) -> List[str]:
    """Return what ``name`` may be in GDAL: a file, or the file in the name of a subdataset, however it is written."""
    scheme = _SCHEME.fullmatch(name)
    if scheme:
        kind, (archive, _, inside) = scheme[1].lower(), scheme[2].partition("!")
        return [archive if kind == "file" else f"/vsi{kind}/{archive}{inside}"]
    if name.lower().startswith("vrt://"):
        return files_named(name[6:].partition("?")[0])
    match = _SUBDATASET.fullmatch(name)
    # A letter before a colon is a drive.
    if not match or os.path.exists(name):
        return [name]
    quoted = re.findall(r'"([^"]*)"', match[2])
    return quoted or list(dict.fromkeys(_between_colons(match[2])))


def _between_colons(text: str) -> Iterator[str]:
    """Yield what stands between any two colons: names may hold some, and numbers stand before and behind them."""
    parts = text.split(":")[:_MOST_COLONS]
    for start in range(len(parts)):
        for end in range(start + 1, len(parts) + 1):
            yield ":".join(parts[start:end])
