"""Puts the results of an experiment over shares of the labels into the page "How much should I label?".

    python tools/build_label_budget.py RESULTS_CSV [--area SHARE]

RESULTS_CSV is what ``false-core experiment`` wrote, for example for experiments/label_budget.toml. ``--area`` says what
share of the scene all label polygons together cover. Every number on the page comes from that file, of which a copy is kept
in docs/data. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "docs" / "data" / "label_budget.csv"
CURVE = ROOT / "docs" / "images" / "label_budget.svg"
TEXT = ROOT / "docs" / "includes" / "label_budget.md"
TITLES = {
    "false": "pretrained with FALSE",
    "simclr": "pretrained with SimCLR",
    "barlow_twins": "pretrained with Barlow Twins",
    "pcl": "pretrained with PCL",
    "random": "untrained encoder",
    "supervised": "without pretraining",
}
Key = tuple[str, str, str]
"""Scored raster, method, and whether the encoder was frozen."""


@dataclass(frozen=True)
class Point:
    """The results of the seeds of one method with one share of the labels; scores from 0 to 1."""

    fraction: float
    oa: list[float]
    miou: list[float]


def main() -> int:
    """Write copy, curve and text. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--area", type=float, default=0.04, help="share of the scene that all label polygons cover")
    arguments = parser.parse_args()
    with arguments.results.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    curves = read_curves(rows)
    if not curves:
        print(f"{arguments.results} holds no results.", file=sys.stderr)
        return 1
    for path in (DATA, CURVE, TEXT):
        path.parent.mkdir(parents=True, exist_ok=True)
    if arguments.results.resolve() != DATA:
        shutil.copyfile(arguments.results, DATA)
    draw(curves, arguments.area)
    TEXT.write_text(as_text(rows, curves, arguments.area), encoding="utf-8")
    for path in (DATA, CURVE, TEXT):
        print(path.relative_to(ROOT))
    return 0


def read_curves(rows: list[dict[str, str]]) -> dict[Key, list[Point]]:
    """Return the points of each curve, with a rising share of the labels."""
    found: dict[Key, dict[float, Point]] = defaultdict(dict)
    for row in rows:
        if row["method"] not in TITLES:  # What stands beside the figures to compare with.
            continue
        fraction = float(row["fraction"])
        point = found[row["raster"], row["method"], row["frozen"]].setdefault(fraction, Point(fraction, [], []))
        point.oa.append(float(row["oa"]))
        point.miou.append(float(row["miou"]))
    return {key: [points[fraction] for fraction in sorted(points)] for key, points in found.items()}


def title(key: Key) -> str:
    """Return what a curve is called."""
    _, method, frozen = key
    return TITLES.get(method, method) + (", encoder frozen" if frozen == "1" else "")


def draw(curves: dict[Key, list[Point]], area: float) -> None:
    """Draw mIoU against the share of the area that is labelled: a line through the means, a dot per seed."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "false"  # The same results give the same file.
    from matplotlib import pyplot as plt

    rasters = list(dict.fromkeys(raster for raster, _, _ in curves))
    figure, axes = plt.subplots(1, len(rasters), figsize=(6.2 * len(rasters), 4), layout="constrained", squeeze=False)
    for axis, raster in zip(axes[0], rasters):
        for key, points in curves.items():
            if key[0] != raster:
                continue
            shares = [100 * area * point.fraction for point in points]
            (line,) = axis.plot(shares, [statistics.fmean(point.miou) for point in points], label=title(key))
            for share, point in zip(shares, points):
                axis.plot([share] * len(point.miou), point.miou, "o", color=line.get_color(), markersize=4, alpha=0.6)
        axis.set(xscale="log", xlabel="share of the area that is labelled in %", ylabel="mIoU of the map", title=raster)
        ticks = sorted({100 * area * point.fraction for points in curves.values() for point in points})
        axis.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    figure.savefig(CURVE, metadata={"Date": None})
    plt.close(figure)


def as_text(rows: list[dict[str, str]], curves: dict[Key, list[Point]], area: float) -> str:
    """Return what was run, the picture and the table."""
    seeds = sorted({row["seed"] for row in rows}, key=int)
    presets = sorted({row["preset"] for row in rows})
    versions = sorted({row["version"] for row in rows})
    seconds = sum(float(row.get(f"seconds_{stage}") or 0) for row in _runs(rows) for stage in ("finetune", "classify"))
    lines = [
        "<!-- Written by tools/build_label_budget.py. -->",
        f"What was run: *{rows[0]['experiment']}*, preset {', '.join(presets)}, {len(seeds)} seed(s), version "
        f"{', '.join(versions)}; {len(_runs(rows))} runs, {seconds / 60:.0f} minutes of fine-tuning and classifying. All "
        f"label polygons together cover {100 * area:.2g} % of the scene; none of them is scored. The numbers are means over "
        "the seeds, with the lowest and the highest where there are several.",
        "",
        "![mIoU of the map against the share of the area that is labelled](images/label_budget.svg)",
        "",
    ]
    for raster in dict.fromkeys(raster for raster, _, _ in curves):
        own = {key: points for key, points in curves.items() if key[0] == raster}
        header = ["share of the polygons", "area labelled", *(f"{title(key)}: OA / mIoU" for key in own)]
        lines += [f"Scored on {raster}:", "", f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
        fractions = sorted({point.fraction for points in own.values() for point in points})
        for fraction in fractions:
            cells = []
            for points in own.values():
                point = next((one for one in points if one.fraction == fraction), None)
                cells.append(f"{_spread(point.oa)} / {_spread(point.miou)}" if point else "")
            lines.append(f"| {fraction:.3g} | {100 * area * fraction:.2g} % | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join([*lines, "[The results as CSV](data/label_budget.csv)", ""])


def _runs(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return a row per run: each is there once for every raster that was scored."""
    names = ("dataset", "method", "confidence", "seed", "fraction", "frozen")
    return list({tuple(row[name] for name in names): row for row in rows}.values())


def _spread(values: list[float]) -> str:
    mean = f"{statistics.fmean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    sys.exit(main())
