"""How often the places that are found for a few examples are of their kind: the precision of the first ten.

    python benchmarks/likeness.py --data scenes [--budgets 1 5] [--draws 1] [--encoder encoder.safetensors]

The folder is that of ``areas.py``. Examples are the cells to learn from; only cells to score in count as found. The first
search looks at the raster, all others take what it saw from the cache folder.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd

from false_core.dispatch import run
from false_core.jobs import FindSimilar

FIRST = 10


def main() -> None:
    """Print a row for each number of examples."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--budgets", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--encoder")
    asked = parser.parse_args()
    cells = geopandas.read_file(asked.data / "cells_truth.gpkg")
    rank = cells["cell"].map(pd.read_csv(asked.data / "split.csv").set_index("cell")["rank"])
    print("| examples | searches | precision of the first ten | worst kind | seconds of a search, median |")
    print("|---|---|---|---|---|")
    for budget in asked.budgets:
        found: dict[str, list[float]] = {}
        seconds = []
        for draw in range(asked.draws):
            learned = (cells["split"] == "train") & (rank > draw * budget) & (rank <= (draw + 1) * budget)
            for scene, examples in cells[learned].groupby("scene"):
                began = time.perf_counter()
                found.setdefault(str(scene), []).append(_precision(asked.data, examples, cells, asked.encoder))
                seconds.append(time.perf_counter() - began)
        means = {scene: float(np.mean(values)) for scene, values in found.items()}
        worst = min(means, key=lambda scene: means[scene])
        print(
            f"| {budget} | {len(seconds)} | {np.mean(list(means.values())):.3f} | {worst} {means[worst]:.2f} | "
            f"{np.median(seconds):.1f} |",
            flush=True,
        )


def _precision(data: Path, examples: geopandas.GeoDataFrame, truth: geopandas.GeoDataFrame, encoder: str | None) -> float:
    """Return the share of the first ten cells found, among those to score in, that are of the kind of the examples."""
    with tempfile.TemporaryDirectory() as folder:
        given, output = Path(folder) / "examples.gpkg", Path(folder) / "found.gpkg"
        examples[["geometry"]].to_file(given)
        run(FindSimilar((str(data / "mosaic.vrt"),), str(given), str(output), count=len(truth), encoder=encoder))
        found = geopandas.read_file(output, layer=output.stem).sort_values("rank")
    found["geometry"] = found.geometry.centroid
    of = geopandas.sjoin(found, truth[["scene", "split", "geometry"]]).sort_values("rank")
    first = of[of["split"] == "test"].head(FIRST)
    return float((first["scene"] == examples["scene"].iloc[0]).mean())


if __name__ == "__main__":
    main()
