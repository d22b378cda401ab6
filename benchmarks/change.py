"""Known change in the generated scene at two seasons: how much of it is found, and how much the season alone looks like it.

    python benchmarks/change.py [--seeds 0 1 2] [--side 1024] [--labels 20] [--only "two seasons" "other sensor"]

A row for each case and seed, then the mean of each case: F1 of the changed area, and false alarms as a share of all pixels,
without labels and with so many label polygons of the first date.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from false_core.benchmark.two_dates import TwoDates, generate_two_dates
from false_core.change.change_scores import ChangeScores, change_scores
from false_core.dispatch import run
from false_core.jobs import Change
from false_core.synthetic.files import LAND_COVER, labels_of, write_image
from false_core.synthetic.scene import Scene

Image = NDArray[np.uint16]
CLOUDED = 0.15
"""Share of the second date that clouds hide."""
LABELLED_SHARE = 0.05
"""Share of the scene on which polygons are drawn; those that count are chosen among these."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    asked = parser.parse_args()
    print("| case | seed | labels | F1 | precision | recall | false alarms | seconds |\n|---|---|---|---|---|---|---|---|")
    found: dict[tuple[str, int], list[ChangeScores]] = {}
    for case in asked.only:
        for seed in asked.seeds:
            dates = generate_two_dates(asked.side, asked.side, seed, changing=0.0 if case == "season alone" else 0.08)
            for labels in (0, asked.labels):
                began = time.perf_counter()
                scores = _scores(dates, CASES[case](dates.after.image, np.random.default_rng(seed)), labels, seed)
                found.setdefault((case, labels), []).append(scores)
                _row(case, str(seed), labels, [scores], f"{time.perf_counter() - began:.0f}")
    for (case, labels), every in found.items():
        _row(case, "mean", labels, every, "")


def _row(case: str, seed: str, labels: int, scores: Sequence[ChangeScores], seconds: str) -> None:
    values = [np.mean([getattr(one, name) for one in scores]) for name in ("f1", "precision", "recall", "false_alarm_share")]
    cells = [f"{value:.3f}" for value in values[:3]]
    print("| " + " | ".join([case, seed, str(labels), *cells, f"{values[3]:.2%}", seconds]) + " |", flush=True)


def _scores(dates: TwoDates, after: Image, labels: int, seed: int) -> ChangeScores:
    """Return the scores of one run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_image(folder / "before.tif", dates.before)
        write_image(folder / "after.tif", Scene(after, dates.after.truth, dates.after.gsd))
        job = Change(str(folder / "before.tif"), str(folder / "after.tif"), str(folder / "change.tif"))
        if labels:
            _draw(dates.before, labels, seed).to_file(folder / "labels.gpkg")
            job = Change(job.before, job.after, job.output, labels=str(folder / "labels.gpkg"), field=LAND_COVER)
        run(job)
        with rasterio.open(job.output) as file:
            return change_scores(file.read(1), dates.changed)


def _draw(scene: Scene, number: int, seed: int) -> geopandas.GeoDataFrame:
    """Return so many label polygons, as many of each class as of any other."""
    drawn = labels_of(scene, LABELLED_SHARE, seed).sample(frac=1, random_state=seed)
    turn = drawn.groupby(LAND_COVER).cumcount()
    return drawn.iloc[np.argsort(turn.to_numpy(), kind="stable")[:number]]


def _shifted(image: Image, chance: np.random.Generator) -> Image:
    return np.asarray(np.roll(image, (2, -1), axis=(1, 2)), np.uint16)


def _other_sensor(image: Image, chance: np.random.Generator) -> Image:
    gain, offset = chance.uniform(0.7, 1.3, (4, 1, 1)), chance.uniform(0, 300, (4, 1, 1))
    seen = gain * image + offset + chance.normal(0, 30, image.shape)
    return np.where(image > 0, seen.clip(1, 65_535), 0).astype(np.uint16)


def _clouded(image: Image, chance: np.random.Generator) -> Image:
    clouds = ndimage.gaussian_filter(chance.normal(size=image.shape[1:]), 30)
    return np.where(clouds > np.quantile(clouds, 1 - CLOUDED), 0, image).astype(np.uint16)


CASES: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "two seasons": lambda image, chance: image,
    "season alone": lambda image, chance: image,
    "shifted by 2 and 1 pixels": _shifted,
    "other sensor": _other_sensor,
    "clouds as nodata": _clouded,
    "all of these": lambda image, chance: _clouded(_other_sensor(_shifted(image, chance), chance), chance),
}


if __name__ == "__main__":
    main()
