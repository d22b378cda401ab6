"""The wait of a person who labels while the map learns, measured through the protocol that the dock in QGIS speaks.

    python benchmarks/session.py --raster scene.tif --labels scene_labels.gpkg --field code [--view 1200 800]
    python benchmarks/session.py --large      a generated raster of 20,000 x 20,000 pixels, and labels drawn at random

All labels but ten are there when the session is opened, as in a project that is opened again, but nothing is kept from
before. The view shows as many pixels of the file as it has itself. Then, one after the other: the ten labels, each until
the new picture is complete; pans to places that were not looked at yet; a view of the whole raster, and one more label; a
score, places to label next, an outline. Features of the rest of the raster are computed in between, as they are in use.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core")]

from session_client import SessionClient  # noqa: E402 - in a folder of its own.

from false_core.session_protocol import (  # noqa: E402
    Learned,
    Opened,
    Outline,
    Outlined,
    Save,
    Saved,
    Score,
    SessionScores,
    Suggest,
    SuggestedPlaces,
)
from false_core.synthetic import write_large  # noqa: E402

DRAWN, PANS, PAUSE_S = 10, 5, 1.0
PROMISED = {"first picture": 10.0, "new label, median": 1.0, "new label, 95 %": 2.0, "pan, slowest": 3.0, "memory": 1.5}
"""Seconds, and GB of memory."""


def main() -> int:
    """Measure and print a table. Return 1 where something took longer than is promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raster")
    parser.add_argument("--labels")
    parser.add_argument("--field", default="code")
    parser.add_argument("--view", type=int, nargs=2, default=(1200, 800), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--large", type=int, nargs="?", const=20_000, help="side of a generated raster in pixels")
    options = parser.parse_args()
    if not options.large and not (options.raster and options.labels):
        parser.error("name a raster and labels, or say --large")
    with tempfile.TemporaryDirectory() as folder:
        if options.large:
            raster = str(Path(folder) / "large.tif")
            write_large(raster, options.large, options.large)
            labels = _random_labels(raster)
        else:
            raster = options.raster
            labels = _read(options.labels, options.field, raster)
        found = _measure(raster, labels, tuple(options.view), folder)
    table = Table("", "measured", "promised")
    late = 0
    for name, value in found.items():
        bar = PROMISED.get(name)
        late += bar is not None and value > bar
        unit = "GB" if name.startswith("memory") else "s"
        table.add_row(name, f"{value:.2f} {unit}", "" if bar is None else f"{bar:g} {unit}")
    Console().print(table)
    return min(1, late)


def _measure(
    raster: str, labels: list[tuple[int, int, shapely.Geometry]], size: tuple[int, int], folder: str
) -> dict[str, float]:
    codes = sorted({code for _, code, _ in labels})
    with rasterio.open(raster) as file:
        bounds, pixel = file.bounds, file.res[0]
    width, height = size[0] * pixel, size[1] * pixel
    # Spread over the list, so that every class is there from the start.
    drawn = labels[:: max(1, len(labels) // DRAWN)][:DRAWN]
    first = [label for label in labels if label not in drawn]
    found: dict[str, float] = {}
    began = time.monotonic()

    with SessionClient(FALSE_CACHE=folder) as session:

        def waited(wait: Callable[[], object]) -> float:
            start = time.monotonic()
            wait()
            return time.monotonic() - start

        def view_at(x: float, y: float) -> int:
            return session.view((x - width / 2, x + width / 2, y - height / 2, y + height / 2), *size)

        session.open(raster, [(code, f"class {code}") for code in codes])
        asked = session.label(*first)
        middle = drawn[0][2].centroid
        number = view_at(middle.x, middle.y)
        session.answer(Opened)
        found["open"] = time.monotonic() - began
        session.picture(number=number)
        found["first picture"] = time.monotonic() - began
        found["all labels learned"] = session.when(Learned, number=asked, waiting=0) - began
        times = []
        for label in drawn:
            number = view_at(label[2].centroid.x, label[2].centroid.y)
            session.picture(number=number)
            time.sleep(PAUSE_S)  # A person draws.
            start = time.monotonic()
            asked = session.label(label)
            session.picture(asked, number=number)
            times.append(time.monotonic() - start)
        found["new label, median"] = float(np.median(times))
        found["new label, 95 %"] = float(np.percentile(times, 95))
        chance = np.random.default_rng(0)
        pans = []
        for x, y in chance.uniform((bounds.left, bounds.bottom), (bounds.right, bounds.top), (PANS, 2)):
            number = view_at(x, y)
            pans.append(waited(partial(session.picture, number=number)))
        found["pan, slowest"] = max(pans)
        found["memory"] = session.peak_gb()
        number = session.view((bounds.left, bounds.right, bounds.bottom, bounds.top), *size)
        found["whole raster"] = waited(lambda: session.picture(number=number, patience_s=1200))
        x, y = middle.x, middle.y
        asked = session.label((10**6, drawn[0][1], shapely.box(x, y, x + 20 * pixel, y + 20 * pixel)))
        found["whole raster after a label"] = waited(lambda: session.picture(asked, number=number, patience_s=1200))
        for name, kind, answer, values in (
            ("score", Score, SessionScores, {}),
            ("places to label next", Suggest, SuggestedPlaces, {}),
            ("outline", Outline, Outlined, {"x": x, "y": y}),
            ("outline, another reach", Outline, Outlined, {"x": x, "y": y, "reach": 0.4}),
            ("save", Save, Saved, {"path": str(Path(folder) / "live.safetensors")}),
        ):
            asked = session.ask(kind, **values)
            found[name] = waited(partial(session.answer, answer, number=asked))
        found["memory, after all"] = session.peak_gb()
    return found


def _read(path: str, field: str, raster: str) -> list[tuple[int, int, shapely.Geometry]]:
    with rasterio.open(raster) as file:
        table = geopandas.read_file(path)
        if file.crs and table.crs:
            table = table.to_crs(file.crs)
    return [(n, int(code), shape) for n, (code, shape) in enumerate(zip(table[field], table.geometry))]


def _random_labels(raster: str) -> list[tuple[int, int, shapely.Geometry]]:
    chance = np.random.default_rng(1)
    with rasterio.open(raster) as file:
        bounds, pixel = file.bounds, file.res[0]
    places = chance.uniform((bounds.left, bounds.bottom), (bounds.right, bounds.top), (60, 2))
    return [(n, 1 + n % 5, shapely.box(x, y, x + 60 * pixel, y + 40 * pixel)) for n, (x, y) in enumerate(places)]


if __name__ == "__main__":
    sys.exit(main())
