"""Tasks that are ready: of the generated scene, and of a folder of known data, as far as its files are there."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely

from false_core.benchmark.tasks import AREAS, CHANGE, LIKENESS, SEGMENTATION, BenchmarkTask
from false_core.benchmark.two_dates import generate_two_dates
from false_core.errors import InputError
from false_core.outputs.publish import published
from false_core.raster.grid import moved
from false_core.synthetic.classes import CLASSES
from false_core.synthetic.files import write_image, write_scene
from false_core.synthetic.scene import SCENE_NODATA

SIDE_OF_SCENE, SIDE_IN_SHORT = 1536, 1024
"""Pixels of the generated scene, and of the one that takes less time."""
SIDE_OF_TWO_DATES, SIDE_OF_TWO_DATES_IN_SHORT = 1024, 512
"""The same of the scene in two seasons."""
CELLS_OF_SCENE_PX = 32
LEAST_OF_ONE_CLASS = 0.8
"""Part of a cell of the generated scene that is of one class, where it is one to classify."""
FEWEST_CELLS_OF_A_CLASS = 12


def generated_tasks(folder: Path, is_quick: bool) -> list[BenchmarkTask]:
    """Return the tasks of a generated scene, and of another one that nobody has labels of; write them where they are not.

    Raises:
        OutputError: They cannot be written.
    """
    side = SIDE_IN_SHORT if is_quick else SIDE_OF_SCENE
    scenes = [folder / f"generated-{side}-{seed}" for seed in (0, 1)]
    for seed, scene in enumerate(scenes):
        if not (scene / "cells.gpkg").is_file():
            files = write_scene(scene, side, side, seed)
            _write_cells(files.truth, scene / "cells.gpkg")
    first, other = scenes
    raster, truth, cells = (str(first / name) for name in ("image.tif", "truth.tif", "cells.gpkg"))
    unseen = {"unseen_raster": str(other / "image.tif"), "unseen_truth": str(other / "truth.tif")}
    return [
        BenchmarkTask("generated scene", SEGMENTATION, raster, truth),
        BenchmarkTask("generated scene, another one", SEGMENTATION, raster, truth, **unseen),
        BenchmarkTask("generated cells", AREAS, raster, labels=cells, field="land_cover"),
        BenchmarkTask("generated cells, alike", LIKENESS, raster, labels=cells, field="land_cover"),
        _two_dates(folder, is_quick),
    ]


def tasks_of_data(folder: Path) -> list[BenchmarkTask]:
    """Return the tasks whose files lie in a folder of known data: one DeepGlobe scene, and UC Merced as a mosaic.

    Raises:
        InputError: There is none of them.
    """
    deepglobe, scenes = folder / "deepglobe", folder / "scenes"
    found = []
    raster, truth = deepglobe / "scene.tif", deepglobe / "scene_truth.tif"
    if raster.is_file() and truth.is_file():
        found.append(BenchmarkTask("DeepGlobe", SEGMENTATION, str(raster), str(truth)))
        unseen, unseen_truth = deepglobe / "unseen.tif", deepglobe / "unseen_truth.tif"
        if unseen.is_file() and unseen_truth.is_file():
            more = {"unseen_raster": str(unseen), "unseen_truth": str(unseen_truth)}
            found.append(BenchmarkTask("DeepGlobe, unseen tile", SEGMENTATION, str(raster), str(truth), **more))
    mosaic, cells = scenes / "mosaic.vrt", scenes / "cells_truth.gpkg"
    if mosaic.is_file() and cells.is_file():
        for name, kind in (("UC Merced", AREAS), ("UC Merced, alike", LIKENESS)):
            found.append(BenchmarkTask(name, kind, str(mosaic), labels=str(cells), field="scene", split="split"))
    if not found:
        raise InputError(
            f"{folder} holds no task that is known.",
            "It has deepglobe/scene.tif with scene_truth.tif, or scenes/mosaic.vrt with cells_truth.gpkg. Name data of "
            "your own as folders or in a TOML file.",
        )
    return found


def _two_dates(folder: Path, is_quick: bool) -> BenchmarkTask:
    """Return the task of a generated scene in two seasons with known change; write it where it is not."""
    side = SIDE_OF_TWO_DATES_IN_SHORT if is_quick else SIDE_OF_TWO_DATES
    place = folder / f"generated-dates-{side}"
    place.mkdir(parents=True, exist_ok=True)
    before, after, truth, cover = (place / f"{name}.tif" for name in ("before", "after", "truth", "land_cover"))
    if not cover.is_file():
        dates = generate_two_dates(side, side, seed=1)
        with published(before, after, truth, cover) as scratch:
            write_image(scratch[0], dates.before)
            write_image(scratch[1], dates.after)
            with rasterio.open(scratch[0]) as image:
                profile = {**image.profile, "count": 1, "dtype": "uint8", "nodata": None}
            for path, codes in ((scratch[2], dates.changed), (scratch[3], dates.before.truth)):
                with rasterio.open(path, "w", **profile) as file:
                    file.write(codes.astype(np.uint8), 1)
    return BenchmarkTask("generated change", CHANGE, str(before), str(truth), after=str(after), land_cover=str(cover))


def _write_cells(truth: Path, target: Path) -> None:
    """Write the cells of a scene that mostly show one class, with that class."""
    side = CELLS_OF_SCENE_PX
    with rasterio.open(truth) as file:
        codes, transform = file.read(1), file.transform
        crs = file.crs.to_wkt()
    rows, columns = codes.shape[0] // side, codes.shape[1] // side
    squares = codes[: rows * side, : columns * side].reshape(rows, side, columns, side).swapaxes(1, 2)
    names, boxes = [], []
    for c in CLASSES:
        assert c.code != SCENE_NODATA
        places = np.argwhere((squares == c.code).mean(axis=(2, 3)) >= LEAST_OF_ONE_CLASS)
        if len(places) >= FEWEST_CELLS_OF_A_CLASS:
            names += [c.name] * len(places)
            boxes += [shapely.box(x * side, y * side, (x + 1) * side, (y + 1) * side) for y, x in places.tolist()]
    on_map = shapely.transform(np.array(boxes, object), lambda xy: moved(transform, xy))
    table = geopandas.GeoDataFrame({"land_cover": names}, geometry=on_map, crs=crs)
    with published(target) as (partial,):
        table.to_file(partial, layer="cells", driver="GPKG", engine="pyogrio", VERSION="1.2")
