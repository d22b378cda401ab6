"""A raster as a folder of cloud-optimised GeoTIFFs, with a VRT that shows them as one and a STAC item that describes them.

For what is too large for one file to be handled well: tiles can be copied, replaced and read one by one. A VRT, and not
GDAL's tile index (GTI), as that takes GDAL 3.9, and QGIS 3.22 brings 3.6.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from affine import Affine
from rasterio.warp import transform_geom

from false_core.feedback import Feedback
from false_core.outputs.publish import fsync_path, make_own_folder
from false_core.raster.classes import ClassTable
from false_core.raster.cog import StripFile, add_colours, simple_source, write_cog
from false_core.raster.map_file import CLASSES_TAG, FILE_BLOCK_PX, RasterFile
from false_core.raster.opening import GDAL_ERRORS
from false_core.raster.source import RasterSource, Window

VRT_ENDING = ".vrt"
MAP_TILE_PX = 64 * FILE_BLOCK_PX
"""Pixels along each side: 10^9 in a tile, and hundreds of tiles in a map of 10^11 to 10^12."""
_STAC = "1.1.0"
_EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
)


@dataclass(frozen=True)
class Mosaic:
    """The map that is to become tiles.

    Attributes:
        source: The raster it goes with: same grid, CRS and georeferencing.
        area: The window of it that is covered, in pixels of the raster's file.
        nodata: Value of pixels without a result.
        classes: The classes of a map, None for other rasters.
        target: The VRT to be.
        key: Different for different content. Tiles of another mosaic are never mixed with these.
    """

    source: RasterSource
    area: Window
    nodata: int
    classes: ClassTable | None
    target: Path
    key: str

    @property
    def folder(self) -> Path:
        """The folder of the tiles."""
        return self.target.with_name(f"{self._start}{hashlib.sha256(self.key.encode()).hexdigest()[:8]}")

    @property
    def item(self) -> Path:
        """The path of the STAC item."""
        return self.target.with_suffix(".stac.json")

    def write(self, vrt: Path, strips: Sequence[StripFile], feedback: Feedback) -> None:
        """Write tiles into a folder beside ``vrt``, and ``vrt`` and the item as they will be in the end."""
        folder = vrt.parent / self.folder.name
        folder.mkdir()
        tiles = list(self._tiles())
        for done, (name, window) in enumerate(tiles):
            feedback.advance(done, len(tiles))
            described = folder / "described"
            corner = Window(self.area.column + window.column, self.area.row + window.row, 1, 1)
            with RasterFile(described, self.source, corner, self.nodata) as file:
                if self.classes:
                    file.set_classes(self.classes)
            write_cog(folder / name, described, strips, window, feedback)
            described.unlink()
        vrt.write_bytes(self._vrt(tiles))
        (vrt.parent / self.item.name).write_text(
            json.dumps(self._item(tiles), ensure_ascii=False, indent=1), encoding="utf-8"
        )

    def move(self, vrt: Path) -> None:
        """Move the tiles to where they belong. The VRT that refers to them comes after them.

        Raises:
            OSError: They cannot be moved.
            OutputError: Their folder was made by another user.
        """
        make_own_folder(self.folder)
        made = vrt.parent / self.folder.name
        for tile in sorted(made.iterdir()):
            fsync_path(tile)
            os.replace(tile, self.folder / tile.name)
        fsync_path(self.folder)

    def remove_earlier(self) -> None:
        """Remove the tiles of earlier mosaics of the same name, to which no VRT refers any more."""
        for other in self.target.parent.iterdir():
            is_ours = other.name.startswith(self._start) and len(other.name) == len(self.folder.name)
            if is_ours and other != self.folder and not other.is_symlink():
                for tile in other.glob("tile_*_*.tif*"):  # With what GDAL and QGIS have put beside them.
                    tile.unlink()
                with contextlib.suppress(OSError):  # Another program put something else there.
                    other.rmdir()

    @property
    def _start(self) -> str:
        return f"{self.target.stem}_tiles_"

    def _tiles(self) -> Iterator[tuple[str, Window]]:
        for row in range(0, self.area.height, MAP_TILE_PX):
            for column in range(0, self.area.width, MAP_TILE_PX):
                size = min(MAP_TILE_PX, self.area.width - column), min(MAP_TILE_PX, self.area.height - row)
                yield f"tile_{row // MAP_TILE_PX}_{column // MAP_TILE_PX}.tif", Window(column, row, *size)

    @property
    def _transform(self) -> Affine:
        return self.source.source_transform * Affine.translation(self.area.column, self.area.row)

    def _vrt(self, tiles: Sequence[tuple[str, Window]]) -> bytes:
        root = ET.Element("VRTDataset", rasterXSize=str(self.area.width), rasterYSize=str(self.area.height))
        if self.source.crs:
            ET.SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = self.source.crs.to_wkt()
        if self.source.georeferenced or self.area.column or self.area.row:
            ET.SubElement(root, "GeoTransform").text = ", ".join(map(repr, self._transform.to_gdal()))
        if self.classes:
            metadata = ET.SubElement(root, "Metadata")
            listed = json.dumps(self.classes.to_list(), ensure_ascii=False)
            ET.SubElement(metadata, "MDI", key=CLASSES_TAG).text = listed
        band = ET.SubElement(
            root, "VRTRasterBand", dataType="Byte", band="1", blockXSize=str(FILE_BLOCK_PX), blockYSize=str(FILE_BLOCK_PX)
        )
        ET.SubElement(band, "NoDataValue").text = str(self.nodata)
        if self.classes:
            self._add_classes(band, self.classes)
        for name, window in tiles:
            whole = Window(0, 0, window.width, window.height)
            simple_source(band, f"{self.folder.name}/{name}", window, whole, whole, relative=True)
        written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=False)
        return written

    def _add_classes(self, band: ET.Element, classes: ClassTable) -> None:
        colours = {c.code: (*bytes.fromhex(c.color[1:]), 255) for c in classes}
        add_colours(band, {**colours, self.nodata: (0, 0, 0, 0)})
        names = {c.code: c.name for c in classes}
        categories = ET.SubElement(band, "CategoryNames")
        for code in range(max(names) + 1):
            ET.SubElement(categories, "Category").text = names.get(code, "")

    def _item(self, tiles: Sequence[tuple[str, Window]]) -> dict[str, Any]:
        """Return a STAC item. Its date is that of the raster, so that the same job gives the same item."""
        properties: dict[str, Any] = {
            "datetime": _date_of(self.source),
            "proj:shape": [self.area.height, self.area.width],
            "proj:transform": list(self._transform)[:6],
        }
        if self.source.crs:
            authority = self.source.crs.to_authority()
            properties["proj:code"] = ":".join(authority) if authority else None
            if not authority:
                properties["proj:wkt2"] = self.source.crs.to_wkt()
        band: dict[str, Any] = {"name": "1", "data_type": "uint8", "nodata": self.nodata}
        if self.classes:
            band["classification:classes"] = [
                {"value": c.code, "name": f"class_{c.code}", "title": c.name, "color_hint": c.color[1:].upper()}
                for c in self.classes
            ]
        assets: dict[str, Any] = {
            "map": {"href": f"./{self.target.name}", "type": "application/x-gdal-vrt", "roles": ["data"], "bands": [band]}
        }
        for name, window in tiles:
            assets[Path(name).stem] = {
                "href": f"./{self.folder.name}/{name}",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                "proj:shape": [window.height, window.width],
                "proj:transform": list(self._transform * Affine.translation(window.column, window.row))[:6],
            }
        geometry = self._footprint()
        return {
            "type": "Feature",
            "stac_version": _STAC,
            "stac_extensions": list(_EXTENSIONS),
            "id": self.target.stem,
            "geometry": geometry,
            **({"bbox": _box(geometry)} if geometry else {}),
            "properties": properties,
            "links": [],
            "assets": assets,
        }

    def _footprint(self) -> dict[str, Any] | None:
        """Return the corners in degrees, None where it is unknown where the raster lies."""
        if self.source.crs is None:
            return None
        width, height = self.area.width, self.area.height
        ring = [self._transform * corner for corner in ((0, 0), (0, height), (width, height), (width, 0), (0, 0))]
        try:
            outline: dict[str, Any] = transform_geom(
                self.source.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=7
            )
        except (*GDAL_ERRORS, ValueError):  # A local CRS, of a building site for example.
            return None
        return outline


def _box(geometry: dict[str, Any]) -> list[float]:
    xs, ys = zip(*((point[0], point[1]) for point in geometry["coordinates"][0]))
    return [min(xs), min(ys), max(xs), max(ys)]


def _date_of(source: RasterSource) -> str:
    seconds = 0.0
    for file in source.files[:1]:
        with contextlib.suppress(OSError):
            seconds = os.stat(file).st_mtime
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
