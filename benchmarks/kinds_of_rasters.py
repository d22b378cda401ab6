"""Maps of rasters of other kinds with the head auto, beside what it compares and beside forests.

    python benchmarks/kinds_of_rasters.py FOLDER [--seeds 0 1] [--only "three bands"] [--pretrain 250]

Scenes are generated, as aerial images of 0.5 to 3 m, as satellite images of 5 and 10 m, and as 224 narrow bands with labels
of single pixels. Each is mapped with a tenth, a quarter and all of its label polygons, at least one of each class. The table
has the mean IoU of 20,000 random pixels outside all labels: of the candidate that is taken where nothing can be told, of
what auto took, of the best candidate, and of a forest on texture and one on the pixel's own values. The features are the
same for all of them. With ``--pretrain`` it has one column more: what auto took after as many steps of FALSE on the raster,
beside the general encoder. Takes scikit-learn. What was done stays in the folder, and a second call goes on with it.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from affine import Affine

from false_core.accuracy.metrics import score
from false_core.experiments.config import read_experiment
from false_core.experiments.results import read_result
from false_core.experiments.runner import run_experiment
from false_core.synthetic.classes import CLASSES
from false_core.synthetic.digitising import digitise
from false_core.synthetic.scene import BAND_NAMES, Scene, generate

NARROW_BANDS, PIXELS_OF_A_CLASS = 224, 24
FRACTIONS = (0.1, 0.25, 1.0)
ORIGIN = (412_000.0, 5_430_000.0)


@dataclass(frozen=True)
class Kind:
    """A kind of raster.

    Attributes:
        name: Its name in the table.
        side: Pixels on each side.
        gsd: Metres per pixel.
        bands: Number of bands: 3 or 4 of the scene as they are, more as mixtures of them, many as noisy spectra.
    """

    name: str
    side: int
    gsd: float
    bands: int


KINDS = (
    Kind("four bands at 0.5 m", 1024, 0.5, 4),
    Kind("three bands at 1 m", 800, 1.0, 3),
    Kind("three bands at 3 m", 600, 3.0, 3),
    Kind("four bands at 5 m", 512, 5.0, 4),
    Kind("ten bands at 10 m", 512, 10.0, 10),
    Kind("narrow bands", 176, 3.0, NARROW_BANDS),
)


def main() -> None:
    """Write the scenes, map them and print the table."""
    parser = argparse.ArgumentParser(description="The head auto on other kinds of rasters.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", default="", help="part of the name of the kinds to run")
    parser.add_argument("--pretrain", type=int, default=0, metavar="STEPS", help="steps of FALSE on each raster first")
    choice = parser.parse_args()
    kinds = [kind for kind in KINDS if choice.only in kind.name]
    head = {
        "name": "Kinds of rasters", "output": "results", "protocol": "scene", "heads": ["auto"], "weights": ["general"],
        "methods": ["supervised", *(["false"] if choice.pretrain else [])], "confidences": [1], "preset": "quick",
        "baselines": ["forest", "values"], "seeds": choice.seeds, "fractions": list(FRACTIONS), "device": "cpu",
    }  # fmt: skip
    lines = [f"{key} = {json.dumps(value)}" for key, value in head.items()]
    for kind in kinds:
        scene = choice.folder.resolve() / kind.name.replace(" ", "_")
        if not (scene / "labels.gpkg").exists():
            write_scene(scene, kind, KINDS.index(kind))
        spec = {"name": kind.name, "kind": "pair", "field": "code"}
        spec |= {key: str(scene / f"{key}.tif") for key in ("raster", "truth")} | {"labels": str(scene / "labels.gpkg")}
        lines += ["[[datasets]]", *(f"{key} = {json.dumps(value)}" for key, value in spec.items())]
        lines += [f"classes = [{', '.join(_class_in_toml(one.code, one.name, one.color) for one in CLASSES)}]"]
    config = choice.folder / "kinds.toml"
    if choice.pretrain:
        lines += ["[pretrain]", f"steps = {choice.pretrain}"]
    config.write_text("\n".join(lines), encoding="utf-8")
    experiment = read_experiment(config)
    summary = run_experiment(experiment)
    print_table([kind.name for kind in kinds], experiment.output / "cells")
    if summary.failed:
        raise SystemExit(f"Failed: {summary.failed}")


def _class_in_toml(code: int, name: str, colour: str) -> str:
    return f'{{ code = {code}, name = "{name}", color = "{colour}" }}'


def write_scene(folder: Path, kind: Kind, seed: int) -> None:
    """Write the raster, its truth and its labels."""
    folder.mkdir(parents=True, exist_ok=True)
    scene = generate(kind.side, kind.side, seed + 11, gsd=kind.gsd)
    chance = np.random.default_rng(seed)
    pixels, names = bands_of(scene, kind.bands, chance)
    transform = Affine(kind.gsd, 0, ORIGIN[0], 0, -kind.gsd, ORIGIN[1])
    common = {
        "driver": "GTiff", "width": kind.side, "height": kind.side, "crs": "EPSG:32633", "transform": transform, "nodata": 0,
    }  # fmt: skip
    with rasterio.open(folder / "raster.tif", "w", count=len(pixels), dtype="uint16", **common) as file:
        file.write(pixels)
        file.descriptions = names
    with rasterio.open(folder / "truth.tif", "w", count=1, dtype="uint8", **common) as file:
        file.write(scene.truth, 1)
    if kind.bands == NARROW_BANDS:
        shapes, codes = single_pixels(scene.truth, transform, chance)
    else:
        shapes, codes = digitise(scene, transform, 0.01, chance)
    geopandas.GeoDataFrame({"code": codes}, geometry=shapes, crs="EPSG:32633").to_file(folder / "labels.gpkg", driver="GPKG")


def bands_of(scene: Scene, bands: int, chance: np.random.Generator) -> tuple[npt.NDArray[np.uint16], tuple[str, ...]]:
    """Return the bands of a scene, or as many noisy mixtures of them, and their names."""
    if bands <= len(BAND_NAMES):
        return scene.image[:bands], BAND_NAMES[:bands]
    values, empty = scene.image.astype(np.float64), scene.truth == 0
    if bands == NARROW_BANDS:
        at = np.linspace(0, 1, bands)
        shares = np.exp(-np.square(at - np.array([0.55, 0.35, 0.15, 0.85])[:, None]) / 0.05)
        # Each class has a spectrum of its own beside the colours, and light and noise differ from pixel to pixel.
        own = np.stack([np.interp(at, np.linspace(0, 1, 9), chance.uniform(0.1, 1, 9)) for _ in range(256)])
        mixed = np.einsum("bhw,bc->chw", values / 3000, shares) + 0.35 * own[scene.truth].transpose(2, 0, 1)
        mixed = mixed * chance.normal(1, 0.12, scene.truth.shape) + chance.normal(0, 0.25, mixed.shape)
        mixed *= 3000
    else:
        mixed = np.einsum("bhw,bc->chw", values, chance.dirichlet(np.full(len(values), 0.6), bands).T)
        mixed *= chance.normal(1, 0.03, mixed.shape)
    found = mixed.clip(1, 65535).astype(np.uint16)
    found[:, empty] = 0
    return found, tuple(f"band {number}" for number in range(1, bands + 1))


def single_pixels(
    truth: npt.NDArray[np.uint8], transform: Affine, chance: np.random.Generator
) -> tuple[list[shapely.Polygon], list[int]]:
    """Return squares within random pixels of each class that is not rare, and their codes."""
    shapes, codes = [], []
    for code in np.unique(truth[truth > 0]):
        places = np.argwhere(truth == code)
        if len(places) < 3 * PIXELS_OF_A_CLASS:
            continue
        for row, column in chance.permutation(places)[:PIXELS_OF_A_CLASS]:
            corners = [transform * (column + x, row + y) for x, y in ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))]
            shapes.append(shapely.Polygon(corners))
            codes.append(int(code))
    return shapes, codes


def print_table(names: list[str], cells: Path) -> None:
    """Print the mean over the seeds of each figure, by kind and share of the labels."""
    found: dict[tuple[str, float], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted(cells.glob("*.json")):
        result = read_result(file)
        if result is None:
            continue
        cell, row = result.cell, found[result.cell.dataset, result.cell.fraction]
        (name,) = result.tallies
        miou = score(result.tallies[name].confusion).miou
        method = cell.variant.method
        row["auto" if method == "supervised" else method].append(miou)
        if method == "supervised" and name in result.choices:
            scores = result.choices[name].scores
            row["first"].append(next(iter(scores.values())))
            row["best"].append(max(scores.values()))
    columns = ["first", "auto", "best", "forest", "values"]
    if any("false" in row for row in found.values()):
        columns.append("false")
    print(f"| {'scene':20s} | labels | " + " | ".join(f"{name:6s}" for name in columns) + " |")
    for kind in names:
        for fraction in FRACTIONS:
            figures = [float(np.mean(found[kind, fraction][name] or [np.nan])) for name in columns]
            print(f"| {kind:20s} | {fraction:6.2f} | " + " | ".join(f"{figure:6.3f}" for figure in figures) + " |")


if __name__ == "__main__":
    main()
