"""A generated scene as files: image, truth and labels; and images of any size for benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from false_core.synthetic.classes import CLASSES, NAMES
from false_core.synthetic.scene import BAND_NAMES, MIN_SCENE_SIDE_PX, SCENE_NODATA, Scene, generate

if TYPE_CHECKING:
    from affine import Affine
    from geopandas import GeoDataFrame

# rasterio and geopandas are imported where they are used: a scene in memory needs neither.

CRS = "EPSG:32633"
LAYER, LAND_COVER = "labels", "land_cover"
_UPPER_LEFT = (412_000.0, 5_430_000.0)
_TILED = {"driver": "GTiff", "crs": CRS, "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}


@dataclass(frozen=True)
class SceneFiles:
    """A scene on disk: image, truth and label polygons (layer ``labels``, fields ``code`` and ``land_cover``)."""

    image: Path
    truth: Path
    labels: Path


def write_scene(
    folder: str | Path, width: int = 1024, height: int = 1024, seed: int = 0, label_share: float = 0.01
) -> SceneFiles:
    """Generate a scene and write ``image.tif``, ``truth.tif`` and ``labels.gpkg`` into ``folder``.

    Args:
        folder: Folder to write to; made where it is missing. Files of these names are replaced.
        label_share: Share of the area that the label polygons cover, 0 to 1. Every class of the truth gets some.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = SceneFiles(folder / "image.tif", folder / "truth.tif", folder / "labels.gpkg")
    scene = generate(width, height, seed)
    write_image(files.image, scene)
    write_truth(files.truth, scene)
    files.labels.unlink(missing_ok=True)  # A GeoPackage would keep its other layers.
    # Version 1.2, which the GDAL of older QGIS releases knows too.
    labels_of(scene, label_share, seed).to_file(files.labels, layer=LAYER, driver="GPKG", engine="pyogrio", VERSION="1.2")
    return files


def write_image(path: Path, scene: Scene) -> None:
    """Write the image of a scene as a GeoTIFF."""
    height, width = scene.truth.shape
    with _create_image(path, width, height, _transform(scene.gsd)) as target:
        target.write(scene.image)


def write_truth(path: Path, scene: Scene) -> None:
    """Write the classes of a scene as a GeoTIFF, with their colours."""
    import rasterio

    height, width = scene.truth.shape
    with rasterio.open(
        path, "w", **_TILED, width=width, height=height, count=1, dtype="uint8", nodata=0, transform=_transform(scene.gsd)
    ) as target:
        target.write(scene.truth, 1)
        target.write_colormap(1, {c.code: (*bytes.fromhex(c.color[1:]), 255) for c in CLASSES})


def labels_of(scene: Scene, share: float, seed: int) -> GeoDataFrame:
    """Return label polygons on about ``share`` of a scene (0 to 1), with the fields ``code`` and ``land_cover``."""
    import geopandas

    from false_core.synthetic.digitising import digitise

    polygons, codes = digitise(scene, _transform(scene.gsd), share, np.random.default_rng((seed, 1)))
    fields = {"code": codes, LAND_COVER: [NAMES[code] for code in codes]}
    return geopandas.GeoDataFrame(fields, geometry=polygons, crs=CRS)


def write_large(path: str | Path, width: int, height: int, seed: int = 0, block: int = 2048) -> None:
    """Write an image of any size for benchmarks, holding one block in memory.

    One generated scene of ``block`` x ``block`` pixels is repeated, turned over at random. There is no truth.
    """
    from rasterio.windows import Window

    side = max(MIN_SCENE_SIDE_PX, min(block, max(width, height)))
    scene = generate(side, side, seed, gsd=0.5, border=False).image
    rng = np.random.default_rng(seed)
    with _create_image(Path(path), width, height, _transform(0.5)) as target:
        for row in range(0, height, side):
            for column in range(0, width, side):
                down, right = rng.choice((-1, 1), 2)
                part = scene[:, ::down, ::right][:, : height - row, : width - column]
                target.write(part, window=Window(column, row, part.shape[2], part.shape[1]))


def _transform(gsd: float) -> Affine:
    from affine import Affine

    return Affine(gsd, 0.0, _UPPER_LEFT[0], 0.0, -gsd, _UPPER_LEFT[1])


def _create_image(path: Path, width: int, height: int, transform: Affine) -> Any:
    """Open a new image for writing, with its bands named."""
    import rasterio
    from rasterio.enums import ColorInterp

    target = rasterio.open(
        path, "w", **_TILED, width=width, height=height, count=len(BAND_NAMES), dtype="uint16", nodata=SCENE_NODATA,
        transform=transform, predictor=2, zlevel=1, bigtiff="if_safer",
    )  # fmt: skip
    target.descriptions = BAND_NAMES
    target.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)
    return target
