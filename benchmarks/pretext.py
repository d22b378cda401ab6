"""The accuracy of scenes by encoders that learned without labels, beside that of one that was not trained.

    python benchmarks/pretext.py --data scenes [--methods random inpainting colourisation] [--seeds 3] [--steps 120]

The folder holds ``mosaic.vrt`` and ``cells_truth.gpkg``, squares with the fields ``scene`` and ``split`` (train, test). The
mosaic is averaged to 128 pixels a cell. Views lie around the middles of cells, as beyond its edge each has another one. Of
the features of a cell, means and deviations of the levels at strides of 8, 16 and 32 go to the classifier of *Classify
areas*, which learns from 5 cells of each class, four times others, and from all that are there to learn from.

A row says how much more of the test cells a method gets right than the encoder that was not trained, seed by seed, and the
standard error of that. ``--half`` scores every other test cell alone: what is chosen on one half is confirmed on the other.
``--results`` keeps each run in a file, and takes from there what was run before. ``--bfloat16`` trains and looks in short
numbers, which takes half the time on processors that were built for them.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import csv
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
import torch
from affine import Affine
from rasterio.enums import Resampling

from false_core.areas.area_encoder import AREA_ZOOMS
from false_core.areas.head import fit_area_head
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.models.area_classifier import AreaEncoder
from false_core.raster.classes import ClassTable, classes_from_values
from false_core.raster.statistics import Normalisation
from false_core.training.preparation import Pretraining
from false_core.training.trainer import LocalBatch

FACTOR = 2
"""Pixels of the mosaic per pixel along each axis."""
MIDDLE = 0.5
"""Side of the square in the middle of a cell around whose pixels views lie, in sides of the cell."""
LABELS, DRAWS = 5, 4
"""Cells of a class that are learned from, and how often others are."""
AT_A_TIME = 64
"""Cells that go through an encoder together."""
FIELDS = ("method", "seed", "five", "twenty", "dimensions", "first loss", "last loss")
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scenes:
    """Cells of the mosaic, learned from first.

    Attributes:
        mosaic, middles: Files: the mosaic on its coarser grid, and the places that views lie around.
        pixels: The pixels of each cell, of shape (n, bands, side, side).
        shapes: The squares of the cells, in pixels.
        targets: Class of each.
        rank: The number of each among the cells of its class to learn from, from 0; -1 for those that are scored.
        size: Width and height of the mosaic.
    """

    mosaic: str
    middles: str
    pixels: npt.NDArray[np.uint8]
    shapes: npt.NDArray[np.object_]
    targets: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    classes: ClassTable
    size: tuple[int, int]


def main() -> None:
    """Run what is lacking, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=["random", "inpainting", "colourisation", "jigsaw"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--backbone", default="resnet10t")
    parser.add_argument("--half", choices=["first", "second"])
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--results", type=Path)
    asked = parser.parse_args()
    rows = _rows_in(asked.results)
    with tempfile.TemporaryDirectory() as folder:
        scenes = _scenes(asked.data, asked.half, Path(folder))
        for seed in asked.seeds:
            for method in asked.methods:
                if (method, seed) not in rows:
                    rows[method, seed] = _scores(scenes, method, seed, asked)
                    _keep(asked.results, rows)
                    print(f"{method} {seed}: {rows[method, seed]}", flush=True)
    print("\n".join(_table(rows, asked.methods, asked.seeds)))


def _scenes(data: Path, half: str | None, folder: Path) -> Scenes:
    mosaic, middles = str(folder / "mosaic.tif"), str(folder / "middles.gpkg")
    with rasterio.open(data / "mosaic.vrt") as dataset:
        height, width = dataset.height // FACTOR, dataset.width // FACTOR
        pixels = dataset.read(out_shape=(dataset.count, height, width), resampling=Resampling.average)
        profile = {"driver": "GTiff", "count": dataset.count, "dtype": "uint8", "crs": dataset.crs, "tiled": True}
        grid = dataset.transform * Affine.scale(FACTOR)
    with rasterio.open(mosaic, "w", **profile, transform=grid, height=height, width=width) as target:
        target.write(pixels)
    cells = geopandas.read_file(data / "cells_truth.gpkg")
    own = geopandas.GeoDataFrame(geometry=cells.scale(MIDDLE, MIDDLE), crs=cells.crs)
    own.to_file(middles)
    learned, scored = (np.flatnonzero(cells["split"] == name) for name in ("train", "test"))
    scored = scored if half is None else scored[half == "second" :: 2]
    cells = cells.iloc[np.concatenate([learned, scored])]
    codes, found = classes_from_values(cells["scene"].tolist(), [])
    index = {c.code: place for place, c in enumerate(found)}
    targets = np.array([index[codes[value]] for value in cells["scene"]], np.int64)
    rank = np.full(len(cells), -1, np.int64)
    for one in range(len(found)):
        mine = np.flatnonzero(targets[: len(learned)] == one)
        rank[mine] = np.arange(len(mine))
    to_pixels = ~grid
    shapes = np.array([shapely.affinity.affine_transform(shape, to_pixels.to_shapely()) for shape in cells.geometry])
    left, top, right, _ = shapely.bounds(shapes).round().astype(np.int64).T
    side = int((right - left).min())
    cut = np.stack([pixels[:, y : y + side, x : x + side] for x, y in zip(left, top)])
    return Scenes(mosaic, middles, cut, shapes, targets, rank, ClassTable(tuple(found)), (width, height))


def _scores(scenes: Scenes, method: str, seed: int, asked: argparse.Namespace) -> dict[str, float]:
    """Return the accuracies with an encoder of its own, and what is worth knowing of its training."""
    with rasterio.open(scenes.mosaic) as mosaic:
        pixel = mosaic.res[0]
    job = Pretrain(
        (scenes.mosaic,), "", preset="quick", method=method, weights="none", backbone=asked.backbone, seed=seed,
        steps=asked.steps, batch_size=asked.batch_size, places=scenes.middles, pixel_size=pixel, device="cpu",
    )  # fmt: skip
    start = Pretraining.of(job, Feedback())
    trainer, sampler = start.trainer(start.settings, seed, Feedback()), start.sampler(start.settings, seed)
    if asked.bfloat16:
        trainer._precision = lambda: torch.autocast("cpu", torch.bfloat16)  # type: ignore[method-assign]
    losses = []
    for step in range(trainer.steps):
        pairs = sampler.batch(step)
        losses.append(float(trainer.train_on(LocalBatch(pairs, trainer.prepare(pairs, step)).views).loss.detach()))
    seen = AreaEncoder([start.settings.encoder], [False], AREA_ZOOMS, scenes.pixels.shape[1])
    seen.encoders[0].load_state_dict(trainer.encoder.state_dict())
    features = _pooled(seen.eval(), scenes.pixels, start.rasters.normalisation, asked.bfloat16)
    draws = [(scenes.rank >= LABELS * draw) & (scenes.rank < LABELS * (draw + 1)) for draw in range(DRAWS)]
    means = features[:, : sum(seen.channels)]
    return {
        "five": float(np.mean([_accuracy(scenes, features, draw) for draw in draws])),
        "twenty": _accuracy(scenes, features, scenes.rank >= 0),
        "dimensions": _dimensions(means),
        "first loss": float(np.mean(losses[:5])),
        "last loss": float(np.mean(losses[-10:])),
    }


def _pooled(encoder: AreaEncoder, pixels: npt.NDArray[np.uint8], normalisation: Normalisation, short: bool) -> FloatArray:
    """Return means, then deviations, of all levels, of shape (n, 2 * channels)."""
    found = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16) if short else nullcontext():
        mean, std = (torch.tensor(one).view(-1, 1, 1) for one in (normalisation.mean, normalisation.std))
        for start in range(0, len(pixels), AT_A_TIME):
            shown = (torch.from_numpy(pixels[start : start + AT_A_TIME]) - mean) / std
            levels = [level.float().flatten(2) for level in encoder.levels(shown.float())]
            statistics = [level.mean(dim=2) for level in levels] + [level.std(dim=2, correction=0) for level in levels]
            found.append(torch.cat(statistics, dim=1))
    return np.asarray(torch.cat(found).numpy(), np.float32)


def _accuracy(scenes: Scenes, features: FloatArray, learned: npt.NDArray[np.bool_]) -> float:
    scored = scenes.rank < 0
    head = fit_area_head(
        features[learned], scenes.targets[learned], scenes.shapes[learned], features, scenes.classes, scenes.size, 0
    )
    told = head.linear.log_probabilities(head.space.of(features[scored], alone=True)).argmax(axis=1)
    return float((told == scenes.targets[scored]).mean())


def _dimensions(means: FloatArray) -> float:
    """Return how many directions of the same variance would be as uneven (the exponential of the entropy of the shares)."""
    spread = np.linalg.svd((means - means.mean(axis=0)) / (means.std(axis=0) + 1e-6), compute_uv=False) ** 2
    shares = spread / spread.sum()
    return float(np.exp(-(shares * np.log(shares + 1e-12)).sum()))


def _rows_in(results: Path | None) -> dict[tuple[str, int], dict[str, float]]:
    if results is None or not results.exists():
        return {}
    with results.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["method"], int(row["seed"])): {name: float(row[name]) for name in FIELDS[2:]} for row in rows}


def _keep(results: Path | None, rows: dict[tuple[str, int], dict[str, float]]) -> None:
    if results is not None:
        with results.open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows({"method": method, "seed": seed, **row} for (method, seed), row in rows.items())


def _table(rows: dict[tuple[str, int], dict[str, float]], methods: list[str], seeds: list[int]) -> list[str]:
    heads = ("method", "5 a class", "more than untrained", "20 a class", "more than untrained", "dimensions")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for method in methods:
        cells = [method]
        for score in ("five", "twenty"):
            own, plain = (np.array([rows[name, seed][score] for seed in seeds]) for name in (method, "random"))
            gain = own - plain
            error = gain.std(ddof=1) / len(gain) ** 0.5 if len(gain) > 1 else float("nan")
            cells += [f"{own.mean():.3f}", "" if method == "random" else f"{gain.mean():+.3f} ± {error:.3f}"]
        cells.append(f"{np.mean([rows[method, seed]['dimensions'] for seed in seeds]):.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
