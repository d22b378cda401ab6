"""Known change on real texture: parts of a raster pasted elsewhere into a copy of it, which is then seen on another day.

    python benchmarks/pasted_change.py --raster scene.tif [--truth scene_truth.tif] [--seeds 0 1 2] [--side 1024]

For each seed a square of the raster is the date before. In the date after, parcels of it show what lies elsewhere in the
raster; with a truth only such as are of another class. Then all of the date after gets another gamma, other gains, browner
greens, unevenness of light, blur and noise. A row for each case and seed: F1 of the pasted area without labels, and false
alarms as a share of all pixels.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from scipy import ndimage
from scipy.spatial import cKDTree

from false_core.change.change_scores import ChangeScores, change_scores
from false_core.dispatch import run
from false_core.jobs import Change

Floats = NDArray[np.float64]
CASES = {
    "pasted": (0.08, (0, 0)),
    "little pasted": (0.01, (0, 0)),
    "shifted by 2 and 1 pixels": (0.08, (2, -1)),
    "light alone": (0.0, (0, 0)),
}
"""Share of the ground that changes, and the shift of the date after in rows and columns."""
PARCEL_PX, LEAST_PARCEL_PX2 = 90, 2_500
LEAST_OTHER = 0.85
"""Share of a parcel that must be of another class afterwards, where classes are known."""
TRIES = 30


@dataclass(frozen=True)
class Ground:
    """A raster of values between 0 and 1, and its classes: 0 everywhere where they are not known."""

    pixels: Floats
    classes: NDArray[np.uint8]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--raster", required=True)
    parser.add_argument("--truth")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--coarser", type=int, default=1, help="pixels that are averaged along each side first")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    asked = parser.parse_args()
    ground = _read(asked.raster, asked.truth, asked.coarser)
    print("| case | seed | F1 | precision | recall | false alarms |\n|---|---|---|---|---|---|")
    for case in asked.only:
        every = [_scores(ground, *CASES[case], asked.side, seed) for seed in asked.seeds]
        for name, some in [*((str(seed), [one]) for seed, one in zip(asked.seeds, every)), ("mean", every)]:
            cells = [f"{np.mean([getattr(one, key) for one in some]):.3f}" for key in ("f1", "precision", "recall")]
            alarms = np.mean([one.false_alarm_share for one in some])
            print("| " + " | ".join([case, name, *cells, f"{alarms:.2%}"]) + " |", flush=True)


def _read(raster: str, truth: str | None, coarser: int) -> Ground:
    with rasterio.open(raster) as file:
        size = file.height // coarser, file.width // coarser
        pixels = file.read(out_shape=(file.count, *size), resampling=Resampling.average).astype(np.float64)
    pixels /= np.quantile(pixels, 0.999, axis=(1, 2), keepdims=True)
    if truth is None:
        return Ground(pixels.clip(0, 1), np.zeros(size, np.uint8))
    with rasterio.open(truth) as file:
        return Ground(pixels.clip(0, 1), file.read(1, out_shape=size, resampling=Resampling.nearest))


def _scores(ground: Ground, share: float, shift: tuple[int, int], side: int, seed: int) -> ChangeScores:
    chance = np.random.default_rng(seed)
    height, width = ground.classes.shape
    row, column = (int(chance.integers(0, size - side + 1)) for size in (height, width))
    here = slice(row, row + side), slice(column, column + side)
    before = ground.pixels[(slice(None), *here)]
    after, changed = _pasted(ground, here, share, chance)
    after = np.roll(_another_day(after, chance), shift, axis=(1, 2))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, pixels in (("before", before), ("after", after)):
            _write(folder / f"{title}.tif", pixels)
        run(Change(str(folder / "before.tif"), str(folder / "after.tif"), str(folder / "change.tif")))
        with rasterio.open(folder / "change.tif") as file:
            return change_scores(file.read(1), changed)


def _pasted(
    ground: Ground, here: tuple[slice, slice], share: float, chance: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the pixels of a square in which parcels show what lies elsewhere, and which pixels changed."""
    pixels, classes = ground.pixels[(slice(None), *here)].copy(), ground.classes[here]
    parcels, changed = _parcels(classes.shape, chance), np.zeros(classes.shape, bool)
    for parcel in chance.permutation(int(parcels.max()) + 1):
        if changed.mean() >= share:
            break
        rows, columns = np.nonzero(parcels == parcel)
        if len(rows) < LEAST_PARCEL_PX2:
            continue
        for _ in range(TRIES):
            down, across = (
                int(chance.integers(0, n - np.ptp(at))) - at.min() for n, at in zip(ground.classes.shape, (rows, columns))
            )
            there = rows + down, columns + across
            old, new = classes[rows, columns], ground.classes[there]
            other = (new != old) & (new > 0) & (old > 0) if ground.classes.any() else np.ones(len(rows), bool)
            if other.mean() >= LEAST_OTHER:
                pixels[:, rows, columns] = ground.pixels[(slice(None), *there)]
                changed[rows, columns] = other
                break
    return pixels, changed


def _parcels(shape: tuple[int, int], chance: np.random.Generator) -> NDArray[np.int64]:
    """Return the number of the parcel of each pixel: cells of random points with crooked borders."""
    height, width = shape
    corners = np.mgrid[0:height:PARCEL_PX, 0:width:PARCEL_PX].reshape(2, -1).T
    middles = corners + chance.uniform(0, PARCEL_PX, corners.shape)
    places = np.mgrid[0:height, 0:width].astype(np.float64)
    for axis in range(2):
        crooked = ndimage.gaussian_filter(chance.normal(size=shape), PARCEL_PX / 6)
        places[axis] += PARCEL_PX / 8 * crooked / crooked.std()
    return np.asarray(cKDTree(middles).query(places.reshape(2, -1).T)[1].reshape(shape), np.int64)


def _another_day(pixels: Floats, chance: np.random.Generator) -> Floats:
    """Return pixels (bands, height, width) in another light and season: the second band is green, the first red."""
    bands, height, width = pixels.shape
    seen = pixels ** chance.uniform(0.75, 1.35)
    seen = seen * chance.uniform(0.8, 1.2, (bands, 1, 1)) + chance.uniform(-0.04, 0.06, (bands, 1, 1))
    if bands >= 3:
        green = (2 * seen[1] - seen[0] - seen[2]).clip(0, 0.3)
        seen[0] += 0.6 * green
        seen[1] -= 0.3 * green
    seen = np.stack([ndimage.gaussian_filter(band, chance.uniform(0.4, 0.9)) for band in seen])
    light = ndimage.zoom(chance.normal(size=(4, 4)), (height / 4, width / 4), order=3)
    return np.asarray((seen + chance.normal(0, 0.012, seen.shape)) * (1 + 0.04 * light), np.float64)


def _write(path: Path, pixels: Floats) -> None:
    count, height, width = pixels.shape
    place = rasterio.Affine(1, 0, 412_000, 0, -1, 5_430_000)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=count,
        dtype="uint8",
        crs="EPSG:32633",
        transform=place,
        nodata=0,
    ) as file:
        file.write((255 * pixels).clip(1, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
