"""From finished strips to the map: waited for until all are there, those of other processes too, then one file, or tiles."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.mapping.classify.plan import NO_CONFIDENCE, MapPlan, Strip
from false_core.mapping.classify.store import CONFIDENCE_LAYER, MAP_LAYER, StripStore
from false_core.mapping.map_overview import MapOverview
from false_core.raster.cog import StripFile, write_cog
from false_core.raster.map_file import RasterFile
from false_core.raster.mosaic import VRT_ENDING, Mosaic
from false_core.raster.source import Window

POLL_STRIPS_S = 0.2
"""Seconds between two looks for the strips of other processes."""


@dataclass(frozen=True)
class Layer:
    """A raster that is written.

    Attributes:
        name: Its name in the strips.
        nodata: Value without data.
        target: File that the map becomes.
    """

    name: str
    nodata: int
    target: str

    @property
    def is_mosaic(self) -> bool:
        """Return whether it becomes tiles, and not one file."""
        return Path(self.target).suffix.lower() == VRT_ENDING


def layers_of(plan: MapPlan, output: str, confidence: str | None) -> list[Layer]:
    """Return the layers of a map, which comes first, and its confidence if it is wanted."""
    layers = [Layer(MAP_LAYER, plan.card.classes.nodata, output)]
    return [*layers, Layer(CONFIDENCE_LAYER, NO_CONFIDENCE, confidence)] if confidence else layers


class Assembly:
    """The strips of a map on their way into its files.

    Args:
        run_id: The run of the job, in which a process may report that a strip will not come.
    """

    def __init__(self, plan: MapPlan, store: StripStore, run_id: str) -> None:
        self._plan, self._store, self._run_id = plan, store, run_id
        self._there: set[int] = set()

    def add(self, strips: Iterable[Strip]) -> None:
        """Take note of strips that are known to be there."""
        self._there |= {strip.number for strip in strips}

    def awaited(self) -> list[Strip]:
        """Return the strips that are not there yet."""
        arrived = (strip for strip in self._plan.strips if strip.number not in self._there)
        self.add([strip for strip in arrived if self._store.is_finished(strip) and not self._store.has_changed(strip)])
        return [strip for strip in self._plan.strips if strip.number not in self._there]

    def wait(self, feedback: Feedback) -> None:
        """Wait for the strips of the other processes.

        Raises:
            InputError: One of them could not read the raster.
            FalseError: One of them has failed otherwise, or was lost.
        """
        strips = len(self._plan.strips)
        while awaited := self.awaited():
            feedback.advance(strips - len(awaited), strips)
            self._store.raise_reported_failure(self._run_id)
            time.sleep(POLL_STRIPS_S)

    def overview(self) -> MapOverview:
        """Return what the map looks like from afar, and how much of it got which class.

        Raises:
            InputError: There is no valid pixel.
        """
        window = self._plan.window
        overview = MapOverview(Window(0, 0, window.width, window.height), self._plan.card.classes)
        self._store.add_to(overview, self._plan.strips)
        if not overview.classified:
            raise InputError(
                f"There is no valid pixel in {self._plan.source.name} within the extent.",
                "Check the extent and the nodata value.",
            )
        return overview

    def write(self, layer: Layer, path: Path, feedback: Feedback) -> None:
        """Write a layer.

        Args:
            path: Scratch path of the file, in a folder for it alone. Those of ``beside`` are written there too.

        Raises:
            OutputError: The disk is full.
        """
        window, classes = self._plan.window, self._plan.card.classes
        files = [StripFile(strip.window, self._store.layer(strip, layer.name)) for strip in self._plan.strips]
        if layer.is_mosaic:
            mosaic = self._mosaic(layer)
            mosaic.write(path, files, feedback)
            mosaic.move(path)
            return
        # GDAL takes the CRS, nodata, colours and metadata of the map from a file of one pixel.
        described = path.with_name(f"described_{layer.name}")
        corner = Window(window.column, window.row, 1, 1)
        with RasterFile(described, self._plan.source, corner, layer.nodata) as file:
            if layer.name == MAP_LAYER:
                file.set_classes(classes)
        write_cog(path, described, files, Window(0, 0, window.width, window.height), feedback)
        described.unlink()

    def beside(self, layer: Layer) -> list[str]:
        """Return the files that are written beside that of a layer, and belong to it."""
        return [str(self._mosaic(layer).item)] if layer.is_mosaic else []

    def remove_earlier_tiles(self, layer: Layer) -> None:
        """Remove the tiles of earlier mosaics of the same name."""
        if layer.is_mosaic:
            self._mosaic(layer).remove_earlier()

    def _mosaic(self, layer: Layer) -> Mosaic:
        plan = self._plan
        classes = plan.card.classes if layer.name == MAP_LAYER else None
        return Mosaic(plan.source, plan.window, layer.nodata, classes, Path(layer.target), self._store.path.name)
