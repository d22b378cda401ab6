"""How well areas are classified from a few labels: several draws of so many a class, scored on cells kept for that.

    python benchmarks/areas.py --data scenes [--budgets 1 5 20] [--encoder encoder.safetensors]

The folder holds ``mosaic.vrt``, ``cells_truth.gpkg`` with the fields ``cell``, ``scene`` and ``split`` (``train`` or
``test``), and ``split.csv`` with the ``rank`` of each cell to learn from: a draw of k a class takes
ranks 1 to k, the next k + 1 to 2k.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import geopandas
import pandas as pd

from false_core.dispatch import run
from false_core.jobs import ClassifyAreas

MOST_DRAWS = 4


def main() -> None:
    """Print a row for each budget."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--budgets", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--encoder")
    asked = parser.parse_args()
    cells = geopandas.read_file(asked.data / "cells_truth.gpkg")
    ranks = pd.read_csv(asked.data / "split.csv").set_index("cell")["rank"]
    rank = cells["cell"].map(ranks)
    print("| labels a class | draws | overall accuracy | std | seconds of the first draw |\n|---|---|---|---|---|")
    for budget in asked.budgets:
        scores, seconds = [], []
        for draw in range(min(MOST_DRAWS, int(rank[cells["split"] == "train"].max()) // budget)):
            labels = cells[(cells["split"] == "train") & (rank > draw * budget) & (rank <= (draw + 1) * budget)]
            began = time.perf_counter()
            scores.append(_accuracy(asked.data, labels[["scene", "geometry"]], cells, asked.encoder))
            seconds.append(time.perf_counter() - began)
        std = float(pd.Series(scores).std(ddof=0))
        print(
            f"| {budget} | {len(scores)} | {sum(scores) / len(scores):.3f} | {std:.3f} | {seconds[0]:.0f} |",
            flush=True,
        )


def _accuracy(data: Path, labels: geopandas.GeoDataFrame, truth: geopandas.GeoDataFrame, encoder: str | None) -> float:
    """Return the share of cells to score that get their class from ``labels``."""
    with tempfile.TemporaryDirectory() as folder:
        given, output = Path(folder) / "labels.gpkg", Path(folder) / "classified.gpkg"
        labels.to_file(given)
        truth[["cell", "geometry"]].to_file(areas := Path(folder) / "cells.gpkg")
        run(
            ClassifyAreas(
                str(data / "mosaic.vrt"), str(output), areas=str(areas), labels=str(given), field="scene", encoder=encoder
            )
        )
        found = geopandas.read_file(output, layer=output.stem).set_index("cell")["class"]
    scored = truth[truth["split"] == "test"]
    return float((found.loc[scored["cell"]].to_numpy() == scored["scene"].to_numpy()).mean())


if __name__ == "__main__":
    main()
