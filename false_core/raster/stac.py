"""The rasters of a STAC file on disk: an item, an item collection, or a catalog or collection with links to such files.

Just the few fields of STAC 1.0 and 1.1 are read that lead to a raster (https://github.com/radiantearth/stac-spec). Nothing
in such a file is trusted: how large it is, how deep it nests, how many files it links to and where its assets may lie are
bounded. Nothing is read from the network here. Standard library only.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import url2pathname

from false_core.errors import InputError
from false_core.untrusted import check_is_file, parse_json
from false_core.untrusted.names import is_served

LARGEST_FILE = 200_000_000
"""Largest size of a STAC file in bytes. A file of 100,000 items has about half of that."""
MAX_STAC_FILES = 100_000
MAX_LINKS = 32
"""Links from a catalog to an item."""
ITEM, ITEMS, CATALOG, COLLECTION = "Feature", "FeatureCollection", "Catalog", "Collection"
BUCKETS = {"s3": "/vsis3/", "gs": "/vsigs/"}
_MEDIA_TYPES = ("application/x-hdf", "application/x-hdf5", "application/netcdf", "application/x-netcdf")
"""The media types of rasters, beside those of images."""
_ENDINGS = (".tif", ".tiff", ".jp2", ".vrt", ".img", ".png", ".jpg", ".jpeg")
"""The endings of rasters whose media type is not given."""
_PICTURES = {"thumbnail", "overview", "visual-thumbnail", "metadata"}
"""Roles of what is only to look at."""

Document = Mapping[str, Any]


def read_stac(file: str) -> Document | None:
    """Return the contents of a STAC file, or None where it is JSON of another kind.

    Raises:
        InputError: It cannot be read, is no JSON, is too large, or is a GeoJSON without assets.
    """
    check_is_file(file, "The file")
    try:
        if os.path.getsize(file) > LARGEST_FILE:
            raise InputError(
                f"{file} is larger than {LARGEST_FILE / 1e6:.0f} MB.", "Split it, or list the rasters in a text file."
            )
        document = parse_json(Path(file).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"The file {file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"{file} is not valid JSON: {error}.", "Write it again.") from error
    if not isinstance(document, dict):
        return None
    kind = document.get("type")
    if kind in (CATALOG, COLLECTION):
        return document
    if kind not in (ITEM, ITEMS):
        return None
    items = _items(document)
    if items and not any("assets" in item for item in items):
        raise InputError(f"{file} holds features without assets: it is no STAC file.", "Name the rasters themselves.")
    return document


def rasters_of_stac(file: str, document: Document, asset: str = "") -> Iterator[str]:
    """Yield what GDAL opens for each item, in the order of the file; of linked files, in the order of the links.

    An asset's relative address is looked up beside the file it stands in, then from the item's link to itself. One on the
    network becomes ``/vsicurl/...``, ``/vsis3/...`` or ``/vsigs/...``.

    Args:
        asset: Name of the asset to take. Empty: the only raster of an item, or the only one with the role ``data``.

    Raises:
        InputError: There is no item; an item has no such asset, none that is a raster, or several; an asset or a link
            leads nowhere, or to where nothing is read from.
    """
    waiting: list[tuple[str, Document | None, int]] = [(file, document, 0)]
    seen: set[str] = set()
    count = 0
    while waiting:
        path, found, depth = waiting.pop()
        place = os.path.realpath(path)
        if place in seen:  # Catalogs may link to each other.
            continue
        seen.add(place)
        if len(seen) > MAX_STAC_FILES or depth > MAX_LINKS:
            raise InputError(
                f"{file} leads to more than {MAX_STAC_FILES:,} files, or deeper than {MAX_LINKS} links.",
                "Name a part of it.",
            )
        found = found if found is not None else read_stac(path)
        if found is None:
            raise InputError(f"{path}, to which {file} leads, is no STAC file.")
        for item in _items(found):
            count += 1
            yield _raster_of(item, path, asset)
        if found.get("type") in (CATALOG, COLLECTION):
            waiting += [(linked, None, depth + 1) for linked in reversed(list(_linked(found, path)))]
    if not count:
        raise InputError(f"{file} leads to no item.", "Its links must be to files on this computer.")


def _items(document: Document) -> list[Document]:
    found = document.get("features") if document.get("type") == ITEMS else [document]
    items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    return [item for item in items if item.get("type") == ITEM]


def _linked(document: Document, file: str) -> Iterator[str]:
    """Yield the files that a catalog or collection leads to."""
    for href in _links(document, "item", "child"):
        path = _local(href, file)
        if path is None:
            raise InputError(
                f"{file} links to {_named(href)}, which is not on this computer.",
                "Download the catalog, or search it and save the items it finds in one file.",
            )
        if not os.path.isfile(path):
            raise InputError(f"{file} links to {path}, which does not exist.")
        yield path


def _links(document: Document, *relations: str) -> Iterator[str]:
    links = document.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") in relations and isinstance(link.get("href"), str):
            yield link["href"]


def _raster_of(item: Document, file: str, wanted: str) -> str:
    where = f"{file}, item {_named(item.get('id'))}"
    assets = item.get("assets")
    if not isinstance(assets, dict):
        raise InputError(f"{where} has no assets.")
    assets = {name: asset for name, asset in assets.items() if isinstance(asset, dict)}
    chosen = _chosen(assets, file, where, wanted)
    href = assets[chosen].get("href")
    if not isinstance(href, str) or not href:
        raise InputError(f"{where}: the asset {_named(chosen)} has no address.")
    return _located(href, item, file, f"{where}: the asset {_named(chosen)}")


def _chosen(assets: Mapping[str, Document], file: str, where: str, wanted: str) -> str:
    """Return the name of the asset to take."""
    if wanted:
        if wanted not in assets:
            raise InputError(f"{where} has no asset {wanted!r}.", f"It has {_listing(assets)}.")
        if not _is_raster(assets[wanted]):
            raise InputError(f"{where}: the asset {wanted!r} is no raster but {_named(assets[wanted].get('type'))}.")
        return wanted
    rasters = [name for name, asset in assets.items() if _is_raster(asset) and not _roles(asset) & _PICTURES]
    rasters = [name for name in rasters if "data" in _roles(assets[name])] or rasters
    if not rasters:
        raise InputError(f"{where} has no asset that is a raster.", f"It has {_listing(assets) or 'none at all'}.")
    if len(rasters) > 1:
        raise InputError(
            f"{where} has {len(rasters)} rasters: {_listing(rasters)}.",
            f"Say which, as in {file}|asset={rasters[0][:40]}. Where each holds one band, make VRTs of them first.",
        )
    return rasters[0]


def _roles(asset: Document) -> set[str]:
    roles = asset.get("roles")
    return {role for role in roles if isinstance(role, str)} if isinstance(roles, list) else set()


def _is_raster(asset: Document) -> bool:
    kind = asset.get("type")
    if isinstance(kind, str) and kind.strip():
        kind = kind.partition(";")[0].strip().lower()
        return (kind.startswith("image/") and kind != "image/svg+xml") or kind in _MEDIA_TYPES
    href = asset.get("href")
    return isinstance(href, str) and _split(href).path.lower().endswith(_ENDINGS)


def _located(href: str, item: Document, file: str, what: str) -> str:
    """Return what GDAL opens for an asset's address."""
    if is_served(href):
        return href
    path = _local(href, file)
    if path is not None and os.path.exists(path):
        return path
    address = href if path is None else _from_itself(href, item)
    parts = _split(address)
    if parts.scheme in ("http", "https") and parts.netloc:
        return f"/vsicurl/{address}"
    if parts.scheme in BUCKETS and parts.netloc:
        return f"{BUCKETS[parts.scheme]}{parts.netloc}{parts.path}"
    if path is not None:
        raise InputError(f"{what} is {path}, which does not exist.", "Addresses are relative to the file they stand in.")
    raise InputError(f"{what} is at {_named(href)}.", "Read are files, and addresses of http, https, s3 and gs.")


def _local(href: str, file: str) -> str | None:
    """Return the path of an address in ``file`` that means a file on this computer, or None."""
    parts = _split(href)
    if parts.scheme == "file":
        return url2pathname(parts.path)
    if len(parts.scheme) > 1 or parts.netloc:  # A single letter is a drive.
        return None
    folder = os.path.dirname(file)
    path = os.path.normpath(os.path.join(folder, href))
    return path if os.path.exists(path) else os.path.normpath(os.path.join(folder, unquote(href)))


def _from_itself(href: str, item: Document) -> str:
    """Return a relative address as it is meant from where the item says that it lies, if that is on the network."""
    for own in map(_split, _links(item, "self")):
        if own.netloc:
            path = posixpath.normpath(posixpath.join("/", posixpath.dirname(own.path), href))
            return f"{own.scheme}://{own.netloc}{path}"
    return ""


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # Brackets that do not close, for example.
        return urlsplit("no-address:")


def _listing(names: Mapping[str, Document] | list[str]) -> str:
    shown = [_named(name) for name in list(names)[:10]]
    return ", ".join(shown) + (" ..." if len(names) > 10 else "")


def _named(text: Any) -> str:
    """Return an untrusted name for messages: short, and without what a terminal might obey."""
    return repr(text if isinstance(text, str) else "")[:60]
