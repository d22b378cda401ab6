"""Jobs on a device that is not the CPU, as tests with a GPU and without one run them."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import geopandas
import numpy as np
import rasterio
from session_client import codes_of
from session_here import SessionHere
from small_world import FROM_NOTHING, GRID, HEIGHT, WIDTH, on_map, pixel_box, textured_land, write_labels, write_raster

from false_core.benchmark.two_dates import generate_two_dates
from false_core.dispatch import run
from false_core.events import Message
from false_core.jobs import Change, Classify, ClassifyAreas, CollectPlaces, FindSimilar, Pretrain
from false_core.session_protocol import (
    Learned,
    Outline,
    Outlined,
    Save,
    Saved,
    Score,
    SessionScores,
    Suggest,
    SuggestedPlaces,
)
from false_core.synthetic.files import LAND_COVER, labels_of, write_image


def pixels_of(path: Path) -> np.ndarray:
    """Return the pixels of a raster."""
    with rasterio.open(path) as file:
        pixels: np.ndarray = file.read()
        return pixels


def alike(path: Path, other: Path) -> float:
    """Return the share of pixels that two rasters have in common."""
    return float((pixels_of(path) == pixels_of(other)).mean())


def pretrains(device: str, method: str, steps: int, land: str, folder: Path) -> None:
    """Pretrain with a method, and have its report made."""
    encoder = folder / "e.safetensors"
    run(
        Pretrain(
            (land,), str(encoder), method=method, steps=steps, report=str(folder / "report.html"), batch_size=8,
            **{**FROM_NOTHING, "device": device},
        )
    )  # fmt: skip
    assert encoder.stat().st_size > 0


def works_with_areas(device: str, folder: Path) -> None:
    """Classify areas, find others like some of them, and collect places of which gradients tell most."""
    raster = write_raster(folder / "land.tif", textured_land(400, 300), nodata=0)
    boxes = [on_map(pixel_box(20 + 40 * column, 20 + 40 * row, 36, 36)) for row in range(6) for column in range(9)]
    names = [("a", "b", "c")[number % 9 // 3] for number in range(len(boxes))]
    every, some = (write_labels(folder / f"{of}.gpkg", names[:of], boxes[:of]) for of in (len(boxes), 9))
    found = folder / "out.gpkg"
    run(ClassifyAreas(raster, str(found), areas=every, labels=some, field="cover", device=device))
    assert (geopandas.read_file(found, layer="out")["class"] == names).mean() > 0.9
    assert run(FindSimilar((raster,), some, str(folder / "alike.gpkg"), cell=32.0, device=device))["places"] > 0
    places = str(folder / "places.gpkg")
    assert run(CollectPlaces((raster,), places, size=32.0, count=5, choice="gradients", device=device))["places"] == 5


def finds_change(device: str, folder: Path) -> None:
    """Find change as the CPU finds it, and from what to what, too."""
    dates = generate_two_dates(192, 192, seed=3, changing=0.1, gsd=0.9)
    before, after, labels = (str(folder / name) for name in ("before.tif", "after.tif", "labels.gpkg"))
    write_image(Path(before), dates.before)
    write_image(Path(after), dates.after)
    labels_of(dates.before, 0.02, 1).to_file(labels)
    for where, name in ((device, "there.tif"), ("cpu", "here.tif")):
        run(Change(before, after, str(folder / name), device=where))
    assert alike(folder / "there.tif", folder / "here.tif") > 0.97
    # Fine-tuning shows that every head is fitted there.
    with patch("false_core.change.date_classes.HEAD_OF_DATES", "texture"):
        run(Change(before, after, str(folder / "pairs.tif"), labels=labels, field=LAND_COVER, device=device))
    assert pixels_of(folder / "pairs.tif").any()


def labels_in_a_session(device: str, land: str, folder: Path) -> None:
    """Label a raster in a session, whose views show what a map by the saved model shows."""
    extent = (GRID.c, GRID.c + WIDTH, GRID.f - HEIGHT, GRID.f)
    places = [(20 + 55 * number, 25 + 40 * row) for number in range(3) for row in range(2)]
    boxes = [(n, 1 + n // 2, on_map(pixel_box(*place, 12, 12))) for n, place in enumerate(places)]
    with SessionHere() as session:
        session.open(land, ((1, "field"), (2, "forest"), (3, "water")), device=device)
        session.label(*boxes)
        session.answer(Learned, labels=6)
        told = [one.text for _, one in session.said if isinstance(one, Message)]
        assert device == "cpu" or any(text.startswith("The network computes in ") for text in told)
        session.until_idle()
        picture = codes_of(session.picture(number=session.view(extent, WIDTH, HEIGHT)))
        session.picture(number=session.view(extent, WIDTH, HEIGHT, "confidence"))
        session.ask(Score)
        session.answer(SessionScores)
        session.ask(Outline, x=GRID.c + 60, y=GRID.f - 60)
        assert session.answer(Outlined).wkb
        session.ask(Suggest, places=2)
        session.answer(SuggestedPlaces)
        session.ask(Save, path=str(folder / "live.safetensors"))
        session.answer(Saved)
    run(Classify(land, str(folder / "live.safetensors"), str(folder / "map.tif"), device=device))
    assert (pixels_of(folder / "map.tif")[0] == picture).mean() > 0.99
