"""The state of a file: whether it is remote, and its signature: size and date, or what a server calls it."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from false_core.untrusted.names import is_on_network, is_served
from false_core.untrusted.stored import gdal_library

FileSignature = list[tuple[str, int, int]]

MAX_REMOTE_FILES = 100
"""The number of files of one raster that servers are asked about. More, as of a large mosaic, would take too long."""
_SIGNS = {"sig", "signature", "x-amz-signature", "x-goog-signature"}
_SIGNATURES = re.compile(
    r"x-(amz|goog)-.*|awsaccesskeyid|googleaccessid|signature|expires|key-pair-id|policy|"
    r"sig|sv|ss|srt|sp|se|st|spr|sr|si|sip|sdd|skoid|sktid|skt|ske|sks|skv|saoid|suoid|scid"
)
"""Parameters of addresses that are signed for S3, Google Cloud Storage, CloudFront and Azure."""


def signature_of(files: Iterable[str]) -> FileSignature:
    """Return what tells whether files were changed: sizes and dates, those of its archive for a file in one.

    Files that the system does not know are left out.
    """
    signatures = []
    for file in files:
        with contextlib.suppress(OSError):
            status = os.stat(_stored_in(file))
            signatures.append((file, status.st_size, status.st_mtime_ns))
    return signatures


def raster_signature(files: Sequence[str]) -> FileSignature:
    """Return the same for the files of one raster, also of those on servers, by what these say about them."""
    remote = [file for file in files if is_served(file)]
    states = [(unsigned(file), state_of(file)) for file in remote] if len(remote) <= MAX_REMOTE_FILES else []
    numbers = [(file, 0, int(hashlib.sha256(state.encode()).hexdigest()[:12], 16)) for file, state in states if state]
    return signature_of(files) + numbers


def was_changed(files: Sequence[str], signature: FileSignature) -> bool:
    """Return whether ``files`` are not what they were when ``signature`` was taken of them by ``raster_signature``.

    A server that does not say what it has now is taken to have what it had.
    """
    now = raster_signature(files)
    known = {file for file, _, _ in now}
    return now != [one for one in signature if one[0] in known or not is_served(one[0])]


def states_of(files: Sequence[str]) -> list[str] | None:
    """Return a text for each file that changes when the file does, or None where one has no such text."""
    states = []
    for file in files:
        state = state_of(file)
        if state is None:
            return None
        states.append(f"{unsigned(file)} {state}")
    return states


def state_of(file: str) -> str | None:
    """Return the size of a file and its date or its ETag, or None where it cannot be told whether it changes.

    A file in an archive is as old as its archive. On the network, one request asks for both.
    """
    if is_served(file):
        return _state_on_server(file)
    if "/vsi" in file and is_on_network(file):
        return None
    try:
        status = os.stat(_stored_in(file))
    except OSError:
        return None
    return f"{status.st_size} {status.st_mtime_ns}"


def _stored_in(file: str) -> str:
    """Return the archive that holds a file, where that is one of this computer; otherwise the file itself."""
    if not file.startswith("/vsi") or is_on_network(file):
        return file
    # Such as /vsizip//folder/archive.zip/inside.tif, with braces around the archive or without.
    rest = Path(re.sub(r"^(/vsi\w+/)+|[{}]", "", file))
    return next((str(part) for part in [rest, *rest.parents] if part.is_file()), file)


def unsigned(path: str) -> str:
    """Return an address without its signature, which is another one every time it is asked for."""
    parts = urlsplit(path) if "?" in path and is_on_network(path) else None
    if parts is None:
        return path
    asked = parse_qsl(parts.query, keep_blank_values=True)
    if not any(name.lower() in _SIGNS for name, _ in asked):
        return path
    kept = [(name, value) for name, value in asked if not _SIGNATURES.fullmatch(name.lower())]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def _state_on_server(file: str) -> str | None:
    headers = _headers(file)
    changed = headers.get("etag") or headers.get("last-modified")
    # GDAL asks S3 for the first bytes, as the signature of an address may not allow to ask for the headers alone.
    size = headers.get("content-range", "").rpartition("/")[2] or headers.get("content-length", "")
    return f"{size} {changed}" if changed else None


def _headers(file: str) -> dict[str, str]:
    """Return what the server says about a file, names in small letters; nothing where it does not answer."""
    gdal = gdal_library()
    if gdal is None:
        return {}
    found = gdal.VSIGetFileMetadata(os.fsencode(file), b"HEADERS", None)
    if not found:
        return {}
    try:
        headers, number = {}, 0
        entries = ctypes.cast(found, ctypes.POINTER(ctypes.c_char_p))
        while entries[number]:
            name, _, value = (entries[number] or b"").decode("latin-1").partition("=")
            headers[name.lower()] = value.strip()
            number += 1
        return headers
    finally:
        gdal.CSLDestroy(found)


def clear_remote_cache(files: Iterable[str]) -> None:
    """Have GDAL drop what it remembers of files on servers, which it takes to be the same as long as it runs."""
    gdal = gdal_library()
    for file in files if gdal else ():
        if is_served(file):
            gdal.VSICurlPartialClearCache(os.fsencode(file))
