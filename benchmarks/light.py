"""Encoders that see through light by the colours of other places, or do not: MoCo without them, and with them (STICL).

    python benchmarks/light.py --data scenes [--seeds 5] [--steps 250] [--shares 0 0.1 0.5]

The folder holds ``mosaic.vrt`` and ``cells_truth.gpkg``, as the task *UC Merced* of ``false-core benchmark`` has them. The
mosaic is averaged to 64 pixels a cell, and its eastern half gets another light: darker, redder and hazier. Encoders are
pretrained on both halves, without labels; each share of the patches has one view in the colours of the other half. Then the
cells of the western half that are there to learn from classify the cells to score of both halves, by features of the encoder
alone. A row says how much better the unseen half is classified than without other colours, seed by seed, and the standard
error of that.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.enums import Resampling

from false_core.dispatch import run
from false_core.jobs import ClassifyAreas, Pretrain

FACTOR = 4
"""Pixels of the mosaic per pixel along each axis."""
GAINS, GAMMA, HAZE = (0.85, 0.72, 0.62), 1.3, 0.08
"""The other light: what each band is multiplied with, what its values are raised to, and what is added, of 1."""


@dataclass(frozen=True)
class Halves:
    """The mosaic in two lights, and its western and its eastern half by themselves."""

    whole: str
    parts: tuple[str, str]


def main() -> None:
    """Print a row for each share of the patches."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.1, 0.5])
    parser.add_argument("--backbone", default="resnet10t")
    parser.add_argument("--weights", default="none")
    asked = parser.parse_args()
    cells = geopandas.read_file(asked.data / "cells_truth.gpkg")
    print("| share in other colours | seeds | seen half | unseen half | better than without | standard error |")
    print("|---|---|---|---|---|---|")
    plain: npt.NDArray[np.float64] | None = None
    with tempfile.TemporaryDirectory() as folder:
        halves = _halves(asked.data, Path(folder))
        for share in asked.shares:
            runs = [_scores(halves, cells, share, seed, asked, Path(folder)) for seed in range(asked.seeds)]
            seen, unseen = np.array(runs).T
            plain = unseen if plain is None else plain
            gain = unseen - plain
            error = gain.std(ddof=1) / len(gain) ** 0.5 if len(gain) > 1 else float("nan")
            print(
                f"| {share:g} | {len(runs)} | {seen.mean():.3f} | {unseen.mean():.3f} | {gain.mean():+.3f} | {error:.3f} |",
                flush=True,
            )


def _halves(data: Path, folder: Path) -> Halves:
    """Write the mosaic in two lights."""
    with rasterio.open(data / "mosaic.vrt") as dataset:
        height, width = dataset.height // FACTOR, dataset.width // FACTOR
        pixels = dataset.read(out_shape=(dataset.count, height, width), resampling=Resampling.average)
        profile = {"driver": "GTiff", "count": dataset.count, "dtype": "uint8", "crs": dataset.crs, "tiled": True}
        grid = dataset.transform * Affine.scale(FACTOR)
    middle = width // 2
    east = np.array(GAINS)[:, None, None] * (pixels[..., middle:] / 255.0) ** GAMMA + HAZE
    pixels[..., middle:] = (255 * east).clip(0, 255).round()
    parts = {"whole": slice(0, width), "west": slice(0, middle), "east": slice(middle, width)}
    for name, columns in parts.items():
        part = pixels[..., columns]
        placed = grid * Affine.translation(columns.start, 0)
        with rasterio.open(
            folder / f"{name}.tif", "w", **profile, transform=placed, height=height, width=part.shape[2]
        ) as target:
            target.write(part)
    whole, west, east_file = (str(folder / f"{name}.tif") for name in parts)
    return Halves(whole, (west, east_file))


def _scores(
    halves: Halves, cells: geopandas.GeoDataFrame, share: float, seed: int, asked: argparse.Namespace, folder: Path
) -> tuple[float, float]:
    """Return the overall accuracies on the seen and on the unseen half with an encoder of its own."""
    encoder, labels, areas, output = (
        str(folder / name) for name in ("encoder.safetensors", "labels.gpkg", "cells.gpkg", "classified.gpkg")
    )
    run(
        Pretrain(
            halves.parts, encoder, preset="quick", method="moco", weights=asked.weights, backbone=asked.backbone, seed=seed,
            steps=asked.steps, batch_size=asked.batch_size, transfer=share,
        )
    )  # fmt: skip
    with rasterio.open(halves.parts[0]) as west:
        is_west = cells.geometry.centroid.x < west.bounds.right
    cells[is_west & (cells["split"] == "train")][["scene", "geometry"]].to_file(labels)
    cells[["cell", "geometry"]].to_file(areas)
    run(ClassifyAreas(halves.whole, output, areas=areas, labels=labels, field="scene", encoder=encoder, weights="none"))
    found = geopandas.read_file(output, layer=Path(output).stem).set_index("cell")["class"]
    right = found.loc[cells["cell"]].to_numpy() == cells["scene"].to_numpy()
    scored = (cells["split"] == "test").to_numpy()
    return float(right[scored & is_west].mean()), float(right[scored & ~is_west].mean())


if __name__ == "__main__":
    main()
