"""From single labelled pixels to the map on a small raster of 224 narrow bands, beside logistic regression and a forest.

    python benchmarks/narrow_bands.py FOLDER [--seeds 1] [--only noisy]

Rasters have 160 x 192 pixels. Nine of their bands are empty, and 24 pixels of each class that is not rare are labelled.
Three kinds of ground are generated: fields with spectra of their own, the same with much more noise, and ground of which
nothing but the spectrum tells the class, in blocks of 2 x 2 pixels without order. The table has the overall accuracy of all
pixels without a label: of the map by the defaults, and of the bands under logistic regression, with the better of two
penalties, and under 200 trees. Seconds are those of fine-tuning and classifying with their starts, in processes of their
own. "missed" marks more than a minute of processor time, and a map below logistic regression. Takes scikit-learn.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from kinds_of_rasters import NARROW_BANDS, ORIGIN, bands_of, single_pixels
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from false_core.synthetic.scene import Scene, generate

HEIGHT, WIDTH, GSD = 160, 192, 3.0
EMPTY = (104, 105, 106, 107, 150, 151, 152, 219, 220)
"""Numbers of the bands, from 0, that hold nothing, as those in which water vapour absorbs the light."""
FIELDS, NOISY, WITHOUT_ORDER = "fields", "noisy fields", "without order"
MORE_NOISE = 2_500.0
BLOCK, CLASSES = 2, 6
GOAL_S = 60.0


def main() -> None:
    """Write the rasters, map them and print the table."""
    parser = argparse.ArgumentParser(description="Narrow bands and single labelled pixels.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--only", default="", help="part of the name of the kinds of ground to map")
    choice = parser.parse_args()
    print("| ground        | seed | default | logistic regression | forest | seconds | of processor |")
    for ground in (FIELDS, NOISY, WITHOUT_ORDER):
        for seed in choice.seeds if choice.only in ground else ():
            map_one(choice.folder.resolve() / f"{ground.replace(' ', '_')}_{seed}", ground, seed)


def map_one(folder: Path, ground: str, seed: int) -> None:
    """Map one raster and print its row."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels, truth, labelled = write_raster(folder, ground, seed)
    wall, before = time.perf_counter(), os.times()
    made = [f"--model={folder / 'model.safetensors'}", f"--raster={folder / 'raster.tif'}"]
    _false_core("finetune", *made, f"--labels={folder / 'labels.gpkg'}", "--field=code")
    _false_core("classify", *made, f"--output={folder / 'map.tif'}")
    wall, after = time.perf_counter() - wall, os.times()
    with rasterio.open(folder / "map.tif") as file:
        found = {"default": file.read(1)}
    bands = pixels.reshape(len(pixels), -1).T.astype(np.float64)
    known = labelled.ravel()
    regressions = [make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=500)) for c in (1.0, 0.01)]
    forest = RandomForestClassifier(200, random_state=0)
    scored = (truth > 0) & ~labelled
    told: list[float] = []
    for classifier in (*regressions, forest):
        answers = classifier.fit(bands[known], truth.ravel()[known]).predict(bands).reshape(truth.shape)
        told.append(float((answers == truth)[scored].mean()))
    own = float((found["default"] == truth)[scored].mean())
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    verdict = "" if own >= max(told[:-1]) and cpu <= GOAL_S else " missed"
    figures = f"{own:7.3f} | {max(told[:-1]):19.3f} | {told[-1]:6.3f} | {wall:7.0f} | {cpu:12.1f}"
    print(f"| {ground:13s} | {seed:4d} | {figures} |{verdict}", flush=True)


def write_raster(
    folder: Path, ground: str, seed: int
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Write a raster and its labels. Return its bands, the truth, and which pixels are labelled."""
    chance = np.random.default_rng(seed)
    scene = generate(WIDTH, WIDTH, seed + 50, gsd=GSD)
    if ground == WITHOUT_ORDER:
        scene = _without_order(scene, chance)
    pixels, _ = bands_of(scene, NARROW_BANDS, chance)
    if ground == NOISY:
        pixels = (pixels + chance.normal(0, MORE_NOISE, pixels.shape)).clip(1, 65535).astype(np.uint16)
    pixels, truth = pixels[:, :HEIGHT], scene.truth[:HEIGHT]
    pixels[:, truth == 0] = 0
    pixels[list(EMPTY)] = 0
    transform = Affine(GSD, 0, ORIGIN[0], 0, -GSD, ORIGIN[1])
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": len(pixels), "dtype": "uint16", "crs": "EPSG:32633",
        "transform": transform,
    }  # fmt: skip
    with rasterio.open(folder / "raster.tif", "w", **profile) as file:
        file.write(pixels)
    shapes, codes = single_pixels(truth, transform, chance)
    table = geopandas.GeoDataFrame({"code": codes}, geometry=shapes, crs="EPSG:32633")
    table.to_file(folder / "labels.gpkg", driver="GPKG")
    labelled = np.zeros(truth.shape, bool)
    for shape in shapes:
        column, row = ~transform * (shape.centroid.x, shape.centroid.y)
        labelled[int(row), int(column)] = True
    return pixels, truth, labelled


def _without_order(scene: Scene, chance: np.random.Generator) -> Scene:
    """Return ground of the same size whose classes lie without order, in light that says nothing of them."""
    rows, columns = (side // BLOCK for side in scene.truth.shape)
    truth = chance.integers(1, CLASSES + 1, (rows, columns)).repeat(BLOCK, 0).repeat(BLOCK, 1).astype(np.uint8)
    return replace(scene, truth=truth, image=chance.normal(1500, 300, scene.image.shape).clip(1).astype(np.uint16))


def _false_core(*words: str) -> None:
    command: Sequence[str] = (sys.executable, "-m", "false_core", *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
