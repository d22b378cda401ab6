"""The labels that a run learns from: a share of the digitised polygons, or a share of the patches that images are cut in."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.features
import shapely
from affine import Affine
from rasterio.enums import Resampling
from rasterio.windows import Window

from false_core.errors import InputError
from false_core.experiments.colour_truth import UNKNOWN_CODE
from false_core.experiments.config import TILES_ALONE
from false_core.experiments.dataset import Dataset, LabelledImage, read_codes
from false_core.experiments.partition import NO_PART, part_at, parts_of
from false_core.feedback import Feedback
from false_core.labels.annotation import Annotation
from false_core.labels.drawing import draw_shapes
from false_core.labels.reading import read_annotation
from false_core.outputs.publish import published
from false_core.raster.classes import ClassTable, LandCoverClass, read_legend
from false_core.raster.source import RasterSource
from false_core.synthetic.digitising import digitise
from false_core.synthetic.scene import Scene
from false_core.vector.polygon_file import CODE_FIELD

_MOST_PIXELS_TO_DRAW_ON = 4_000_000
"""Polygons are drawn on a thinned raster if there are more, as a person too draws on what the screen shows."""
_DRAWING_SEED = 0


@dataclass(frozen=True)
class RunLabels:
    """The labels that one run learns from.

    Attributes:
        raster: The raster they lie on.
        path: Label layer with the class codes in the field ``CODE_FIELD``.
        excluded: Labels whose pixels must not be scored, by the name of an image.
        inside: Area that alone is scored, in pixel coordinates of the raster; None: all of it, and further rasters.
        codes: Codes of the classes whose pixels alone are scored; None: of all classes.
    """

    raster: str
    path: str
    excluded: dict[str, Annotation]
    inside: Annotation | None = None
    codes: tuple[int, ...] | None = None


# --- one scene and its polygons --------------------------------------------------------------------------------------------


def scene_labels(dataset: Dataset, fraction: float, seed: int, feedback: Feedback) -> RunLabels:
    """Return a share of a scene's label polygons. None of its label polygons is scored, whatever the share.

    Args:
        dataset: A dataset of one training image, the scene.
        fraction: Share of the polygons of every class, at least one each. Those of a smaller share are among those of a
            larger one with the same seed.
        seed: Seed of the draw.
        feedback: The listener that is told what was repaired or left out.

    Raises:
        InputError: There are several training images, or the labels and the classes do not go together.
    """
    pair, source, every, annotation = _every_label(dataset, feedback)
    path = every
    if fraction < 1:
        path = dataset.folder / f"labels-{fraction}-seed{seed}.gpkg"
        _write_share(path, annotation, fraction, seed, source)
    return RunLabels(pair.image, str(path), {pair.name: annotation})


def labels_of_parts(dataset: Dataset, protocol: str, fraction: float, seed: int, feedback: Feedback) -> dict[str, RunLabels]:
    """Return by the name of each part of a scene what it is mapped from: its own labels, or those of all other parts.

    A label is of the part in which its centre lies. A part is left out where its labels are of fewer than two classes. With
    its own labels it is scored on the classes that these show: nobody can map what they were not told of.

    Args:
        dataset: A dataset of one training image, the scene.
        protocol: ``"tiles_alone"`` or ``"tiles_left_out"``.
        fraction: Share of the polygons of every class in what is learned from, at least one each.
        seed: Seed of the draw.
        feedback: The listener that is told what was left out.

    Raises:
        InputError: As for ``scene_labels``; or no part has labels.
    """
    pair, source, _, annotation = _every_label(dataset, feedback)
    parts = parts_of(dataset.spec, source, feedback)
    owner = part_at(parts, shapely.get_coordinates(shapely.centroid(annotation.shapes)))
    found = {}
    for number in range(len(parts.shapes)):
        chosen = owner == number if protocol == TILES_ALONE else (owner != number) & (owner != NO_PART)
        name = f"part {number + 1}"
        if len(np.unique(annotation.targets[chosen])) < 2:
            feedback.info(f"{dataset.spec.name}: {name} is left out: what it would learn from has fewer than two classes.")
            continue
        path = dataset.folder / f"labels-{protocol}-{number + 1}-{fraction}-seed{seed}.gpkg"
        _write_share(path, annotation.subset(chosen), fraction, seed, source)
        shown = np.unique(annotation.targets[chosen])
        codes = tuple(annotation.classes.classes[k].code for k in shown) if protocol == TILES_ALONE else None
        part = parts.subset(np.array([number]))
        found[name] = RunLabels(pair.image, str(path), {pair.name: annotation}, part, codes)
    if not found:
        raise InputError(f"{dataset.spec.name}: no part has labels of two classes.", "Choose larger parts.")
    return found


def _every_label(dataset: Dataset, feedback: Feedback) -> tuple[LabelledImage, RasterSource, Path, Annotation]:
    """Return the scene, and all of its labels as a layer and in pixel coordinates."""
    if len(dataset.train) != 1:
        raise InputError(
            f"{dataset.spec.name} has {len(dataset.train)} training images; the scene protocol takes one.",
            'Name it with train = ["..."], or choose the protocol "patches".',
        )
    pair = dataset.train[0]
    source = RasterSource(pair.image)
    every = dataset.folder / "labels.gpkg"
    if not every.is_file():
        shapes, codes = _given_labels(dataset, source, feedback) if dataset.spec.labels else _draw_labels(dataset, pair)
        _write_labels(every, shapes, codes, source)
    return pair, source, every, read_annotation(str(every), CODE_FIELD, source, read_legend(dataset.legend), Feedback())


def _write_share(path: Path, annotation: Annotation, fraction: float, seed: int, source: RasterSource) -> None:
    """Write a share of the labels of each class, unless it is there."""
    if not path.is_file():
        codes = np.array([c.code for c in annotation.classes])[annotation.targets]
        chosen = draw_shapes(codes, fraction, seed)
        _write_labels(path, annotation.shapes[chosen], codes[chosen], source)


def _given_labels(
    dataset: Dataset, source: RasterSource, feedback: Feedback
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.integer]]:
    """Return the labels of the config in pixel coordinates, and their codes in the truth."""
    annotation = read_annotation(dataset.spec.labels, dataset.spec.field, source, [], feedback)
    by_name = {c.name.casefold(): c.code for c in dataset.classes}
    by_code = {str(c.code): c.code for c in dataset.classes}
    # A field of text names classes, a field of whole numbers holds their codes.
    codes = [by_name.get(c.name.casefold(), by_code.get(c.name)) for c in annotation.classes]
    unknown = [c.name for c, code in zip(annotation.classes, codes) if code is None]
    if unknown:
        raise InputError(
            f"{dataset.spec.name}: the truth does not have the classes {', '.join(unknown)} of the labels; it has "
            f"{', '.join(f'{c.code} {c.name}' for c in dataset.classes)}.",
            "Write codes and names under [[datasets.classes]], or choose the field with the codes.",
        )
    return annotation.shapes, np.array(codes)[annotation.targets]


def _draw_labels(dataset: Dataset, pair: LabelledImage) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.integer]]:
    """Draw polygons inside objects of the truth, as a person would; in pixel coordinates."""
    with rasterio.open(pair.image) as image, rasterio.open(pair.truth) as truth:
        thinning = max(1.0, math.sqrt(image.width * image.height / _MOST_PIXELS_TO_DRAW_ON))
        height, width = math.ceil(image.height / thinning), math.ceil(image.width / thinning)
        bands = RasterSource(pair.image).bands
        look = image.read(bands, out_shape=(len(bands), height, width), resampling=Resampling.average, masked=True)
        codes = truth.read(1, out_shape=(height, width), resampling=Resampling.nearest, masked=True).filled(0)
        scale = Affine.scale(image.width / width, image.height / height)
    index = np.zeros(codes.shape, np.uint8)
    for number, c in enumerate(dataset.classes, start=1):
        index[codes == c.code] = number
    rng = np.random.default_rng(_DRAWING_SEED)
    polygons, numbers = digitise(Scene(_as_reflectance(look), index, 1.0), scale, dataset.spec.label_share, rng)
    by_number = np.array([0, *(c.code for c in dataset.classes)])
    return np.array(polygons, dtype=object), by_number[np.array(numbers, dtype=int)]


def _as_reflectance(pixels: np.ma.MaskedArray[Any, Any]) -> npt.NDArray[np.uint16]:
    """Return (bands, H, W) of any type with each band stretched over 1 to 10,000, and 0 for nodata."""
    values = np.ma.masked_invalid(pixels.astype(np.float64))
    low, high = values.min(axis=(1, 2), keepdims=True), values.max(axis=(1, 2), keepdims=True)
    stretched = 1 + 9999 * (values - low) / np.maximum(high - low, 1e-12)
    filled: npt.NDArray[np.float64] = np.ma.filled(stretched, 0)
    return filled.astype(np.uint16)


# --- images cut in patches -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Patch:
    """A rectangle of pixels of the ``image``-th training image."""

    image: int
    column: int
    row: int
    width: int
    height: int


def patch_labels(dataset: Dataset, size: int, fraction: float, seed: int) -> RunLabels:
    """Return a share of the patches that the training images are cut in, with the truth of each of their pixels.

    The labelled patches are put together in one raster, a patch width of nodata between them, so that none sees another.
    Labelled patches are not scored.

    Args:
        dataset: Its training images are cut.
        size: Side of a patch in pixels.
        fraction: Share of the patches, at least one. Those of a smaller share are among those of a larger one.
        seed: Seed of the draw.

    Raises:
        InputError: Images differ in their number of bands, or no pixel of the labelled patches has a known class.
    """
    patches = cut_patches(dataset.train, size)
    chosen = choose_patches(patches, fraction, seed)
    stem = dataset.folder / f"patches-{size}-{fraction}-seed{seed}"
    raster, path = stem.with_name(stem.name + ".tif"), stem.with_name(stem.name + ".gpkg")
    if not raster.is_file():
        _write_patches(raster, dataset.train, chosen, size)
    if not path.is_file():
        shapes, codes = _outlines(dataset, chosen, size)
        _write_labels(path, shapes, codes, RasterSource(str(raster)))
    excluded = {
        pair.name: _boxes([patch for patch in chosen if patch.image == number])
        for number, pair in enumerate(dataset.train)
        if any(patch.image == number for patch in chosen)
    }
    return RunLabels(str(raster), str(path), excluded)


def cut_patches(images: Sequence[LabelledImage], size: int) -> list[Patch]:
    """Cut images in patches of ``size`` x ``size`` pixels. The last of a row or column is moved in to stay whole."""
    patches = []
    for number, pair in enumerate(images):
        with rasterio.open(pair.image) as source:
            width, height = source.width, source.height
        w, h = min(size, width), min(size, height)
        corners = itertools.product(range(0, height, size), range(0, width, size))
        patches += [Patch(number, min(column, width - w), min(row, height - h), w, h) for row, column in corners]
    return patches


def choose_patches(patches: Sequence[Patch], fraction: float, seed: int) -> list[Patch]:
    """Return a share of ``patches``, at least one: the first ones of an order that depends on the seed alone."""
    order = np.random.default_rng(seed).permutation(len(patches))
    return [patches[index] for index in order[: max(1, round(fraction * len(patches)))]]


def _places(number: int, size: int) -> list[tuple[int, int]]:
    """Return where ``number`` patches go in the raster of labelled patches: column and row of each."""
    across = math.ceil(math.sqrt(number))
    return [(2 * size * (n % across), 2 * size * (n // across)) for n in range(number)]


def _write_patches(target: Path, images: Sequence[LabelledImage], patches: Sequence[Patch], size: int) -> None:
    across = math.ceil(math.sqrt(len(patches)))
    down = math.ceil(len(patches) / across)
    first = RasterSource(images[patches[0].image].image)
    with rasterio.open(first.path) as source:
        profile = {
            "driver": "GTiff", "width": size * (2 * across - 1), "height": size * (2 * down - 1), "count": source.count,
            "dtype": source.dtypes[0], "crs": source.crs, "tiled": True, "blockxsize": 256, "blockysize": 256,
            "compress": "deflate", "photometric": "minisblack", "alpha": "no", "bigtiff": "if_safer",
        }  # fmt: skip
        meanings, names = source.colorinterp, source.descriptions
    if first.georeferenced:  # For the size of its pixels. Where the patches lie means nothing.
        profile["transform"] = first.source_transform
    with (
        published(target) as (partial,),
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(partial, "w", **profile) as out,
    ):
        out.colorinterp, out.descriptions = meanings, names
        for patch, (column, row) in zip(patches, _places(len(patches), size)):
            pair = images[patch.image]
            with rasterio.open(pair.image) as source:
                if source.count != out.count:
                    raise InputError(f"{pair.name} has {source.count} band(s), {first.name} has {out.count}.")
                window = Window(patch.column, patch.row, patch.width, patch.height)
                place = Window(column, row, patch.width, patch.height)
                out.write(source.read(window=window), window=place)
                # Of the pixels in between nothing is ever written, so they stay invalid.
                out.write_mask(source.dataset_mask(window=window), window=place)


def _outlines(
    dataset: Dataset, patches: Sequence[Patch], size: int
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.integer]]:
    """Return the outlines of equal truth in the raster of labelled patches, in its pixel coordinates, and their codes."""
    wanted = np.array([c.code for c in dataset.classes])
    shapes: list[shapely.Geometry] = []
    found: list[int] = []
    for patch, (column, row) in zip(patches, _places(len(patches), size)):
        with rasterio.open(dataset.train[patch.image].truth) as truth:
            codes = read_codes(truth, Window(patch.column, patch.row, patch.width, patch.height))
        known = np.isin(codes, wanted) & (codes != UNKNOWN_CODE)
        outlines = rasterio.features.shapes(codes, mask=known, transform=Affine.translation(column, row))
        for outline, code in outlines:
            shapes.append(shapely.geometry.shape(outline))
            found.append(int(code))
    if not shapes:
        raise InputError(f"{dataset.spec.name}: the labelled patches hold no pixel of a known class.", "Label more of them.")
    return np.array(shapes, dtype=object), np.array(found)


def _boxes(patches: Sequence[Patch]) -> Annotation:
    """Return the ground of patches as labels of one class without a meaning."""
    shapes = np.array([shapely.box(p.column, p.row, p.column + p.width, p.row + p.height) for p in patches], dtype=object)
    ground = ClassTable((LandCoverClass(0, "labelled", "#000000"),))
    return Annotation(ground, shapes, np.zeros(len(shapes), np.int64), shapely.STRtree(shapes))


# --- label layers ----------------------------------------------------------------------------------------------------------


def _write_labels(
    target: Path, shapes: npt.NDArray[np.object_], codes: npt.NDArray[np.integer], source: RasterSource
) -> None:
    """Write shapes in pixel coordinates of ``source`` as a layer with their class codes."""
    a, b, c, d, e, f = source.transform[:6]
    on_map = shapely.transform(shapes, lambda xy: xy @ np.array([[a, d], [b, e]]) + np.array([c, f]))
    table = geopandas.GeoDataFrame({CODE_FIELD: codes.astype(int)}, geometry=on_map, crs=source.crs and source.crs.to_wkt())
    with published(target) as (partial,), warnings.catch_warnings():
        # A raster without a CRS has labels without one; that needs no warning.
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        table.to_file(partial, layer="labels", driver="GPKG", engine="pyogrio", VERSION="1.2")
