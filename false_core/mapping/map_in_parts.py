"""A map in the making: its parts, computed here and elsewhere, until all are there; then one file, or tiles.

What is finished stays where a job ends early, and the same job goes on with it.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import nn

from false_core.distributed import Share, World
from false_core.errors import Cancelled, InputError
from false_core.feedback import Feedback
from false_core.mapping.kept_parts import CONFIDENCE, MAP, KeptParts
from false_core.mapping.map_overview import MapOverview
from false_core.mapping.part_maker import NO_CONFIDENCE, Sheet, make_parts
from false_core.mapping.parts import Part, cut_into_parts, own_share
from false_core.models.model_file import ModelCard
from false_core.raster.cog import Piece, write_cog
from false_core.raster.file_state import Stamp, stamp_of, stamp_of_raster, was_changed
from false_core.raster.map_file import RasterFile
from false_core.raster.mosaic import ENDING, Mosaic
from false_core.raster.source import RasterSource, Window
from false_core.raster.tiles import TilePlan

LOOK_AGAIN_S = 0.2
BYTES_PER_PIXEL = {MAP: 0.05, CONFIDENCE: 0.5}
"""Of a layer in its file: twice what a generated scene took. What a network makes of noise takes more."""
WORTH_SAYING = 2e9
"""Bytes."""
MANY_PIXELS = 40_000_000_000
"""In one file. The map is one of several GB then, and its description, which is read first, one of several MB."""


@dataclass(frozen=True)
class Layer:
    """A raster that is written.

    Attributes:
        name: In the parts.
        nodata: Value without data.
        target: Where it goes.
    """

    name: str
    nodata: int
    target: str


@dataclass(frozen=True)
class Beginning:
    """What all processes know of the beginning of a job.

    Attributes:
        life: A word that no other run of the job has.
        stamps: What the outputs were like, by path, as ``stamp_of`` tells it.
    """

    life: str
    stamps: dict[str, Stamp]

    @classmethod
    def of(cls, outputs: Iterable[str], world: World) -> Beginning:
        """Find out. To be called by all processes."""

        def look() -> list[Any]:
            return [secrets.token_hex(8), {output: [list(stamp) for stamp in stamp_of([output])] for output in outputs}]

        life, stamps = world.agreed(look)
        return cls(life, {output: [tuple(stamp) for stamp in found] for output, found in stamps.items()})

    def was_written(self, output: str) -> bool:
        """Return whether an output is another one than it was."""
        return stamp_of([output]) != self.stamps.get(output)


class MapInParts:
    """A map in the making. To be entered while it is worked on.

    Args:
        card: What goes into the network and comes out of it.
        source: The raster on its working grid.
        area: The part of it that is mapped, in working pixels.
        output, confidence: Where the map goes, and the confidence if it is wanted.
        decisive: Whatever decides the map besides what is given here.
        beginning: What all processes know of the beginning of the job.
        share: Which of them this is.
        turn: The process that gets the first parts.
    """

    def __init__(
        self,
        card: ModelCard,
        source: RasterSource,
        area: Window,
        output: str,
        confidence: str | None,
        decisive: Sequence[Any],
        beginning: Beginning,
        share: Share,
        turn: int = 0,
    ) -> None:
        plan = TilePlan.for_area(area, len(card.classes), source.factor)
        native = _native(area, source)
        self.sheet = Sheet(card, source, native, plan, bool(confidence))
        self.parts = cut_into_parts(plan, source.factor, native.width, native.height, len(card.classes))
        self.layers = [Layer(MAP, card.classes.nodata, output)]
        if confidence:
            self.layers.append(Layer(CONFIDENCE, NO_CONFIDENCE, confidence))
        self._share = share
        self._makers = {
            part.number: (rank + turn) % share.world
            for rank in range(share.world)
            for part in own_share(self.parts, Share(rank, share.world))
        }
        self.own = [part for part in self.parts if self._makers[part.number] == share.rank]
        self._stamp = stamp_of_raster(source.files)
        self._beginning = beginning
        windows = [(part.window, part.rows, part.columns) for part in self.parts]
        self._kept = KeptParts(
            output, [decisive, self._stamp, asdict(plan), source.factor, source.bands, bool(confidence), windows]
        )
        self._made: set[int] = set()
        self._done = False

    def __enter__(self) -> MapInParts:
        if self._share.rank == 0:
            self._kept.open()
            self._kept.hold()
        elif self._has_come_too_late():
            self.own.clear()
        elif self.own:
            self._kept.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._share.rank == 0:
            self._kept.close(self._done, self._share.world > 1)
        elif isinstance(error, InputError):
            self._kept.give_up(self._beginning.life, error)

    def missing(self, feedback: Feedback) -> list[Part]:
        """Return what of that is not there from an earlier run."""
        found = [part for part in self.own if self._kept.is_finished(part)]
        damaged = [part for part in found if self._kept.is_damaged(part)]
        for part in damaged:
            self._kept.forget(part)
        if damaged:
            feedback.warn(f"{len(damaged)} part(s) of an interrupted run are damaged. They are computed again.")
        self._made = {part.number for part in found if part not in damaged}
        if self._made:
            feedback.info(f"Going on with {len(self._made)} of {len(self.own)} parts from an interrupted run.")
        return [part for part in self.own if part.number not in self._made]

    def check_space(self, feedback: Feedback) -> None:
        """Say how much disk it takes, where that is much or more than there is."""
        pixels = self.sheet.native.width * self.sheet.native.height
        # The parts, then the smaller versions, then the file made of both.
        needed = pixels * (7 / 3) * sum(BYTES_PER_PIXEL[layer.name] for layer in self.layers)
        free = shutil.disk_usage(self._kept.path).free
        text = f"The map may take {needed / 1e9:,.1f} GB of disk while it is made, and {free / 1e9:,.1f} GB are free"
        if free < needed:
            feedback.warn(f"{text}. Should the disk fill up, what is finished is kept, and the same job goes on with it.")
        elif needed > WORTH_SAYING:
            feedback.info(f"{text}.")
        if pixels > MANY_PIXELS and not self._mosaic(self.layers[0]):
            feedback.info(
                f"{pixels:,} pixels in one file are slow to copy and to read over a network. With a name that ends in "
                f"{ENDING} the map becomes tiles."
            )

    def compute(self, network: nn.Module, device: torch.device, parts: Sequence[Part], feedback: Feedback) -> None:
        """Compute parts of it.

        Args:
            network: Gives class scores for normalised pixels, as ``build_segmenter`` describes it.
            device: Where the network is.
            parts: Those of this process that are missing.
            feedback: Told how far it is.

        Raises:
            OutputError: The disk is full.
        """
        try:
            make_parts(self.sheet, network, device, parts, self._kept, feedback)
        except Cancelled:
            finished = sum(map(self._kept.is_finished, self.parts))
            if finished:
                feedback.info(
                    f"{finished} of {len(self.parts)} parts of the map are finished. They lie in {self._kept.path} for the "
                    "same job to go on with. Delete that folder if you do not want them."
                )
            raise
        self._made |= {part.number for part in parts}

    @property
    def is_complete(self) -> bool:
        """Whether all parts are there, those of other processes too."""
        return not self._awaited()

    def wait(self, feedback: Feedback) -> None:
        """Wait for the parts of the other processes.

        Raises:
            InputError: One of them could not read the raster.
            FalseError: One of them has failed otherwise, or was lost.
        """
        while awaited := self._awaited():
            feedback.advance(len(self.parts) - len(awaited), len(self.parts))
            self._kept.raise_if_given_up(self._beginning.life)
            time.sleep(LOOK_AGAIN_S)

    def overview(self) -> MapOverview:
        """Return what the map looks like from afar, and how much of it got which class.

        Raises:
            InputError: The raster was changed meanwhile, or there is no valid pixel.
        """
        source, native = self.sheet.source, self.sheet.native
        if was_changed(source.files, self._stamp):
            self._done = True  # The parts are of no use any more.
            raise InputError(f"{source.name} was changed while it was classified.", "Start the job again.")
        overview = MapOverview(Window(0, 0, native.width, native.height), self.sheet.card.classes)
        self._kept.put_into(overview, self.parts)
        if not overview.classified:
            self._done = True
            raise InputError(
                f"There is no valid pixel in {source.name} within the extent.", "Check the extent and the nodata value."
            )
        return overview

    def assemble(self, layer: Layer, path: Path, feedback: Feedback) -> None:
        """Put a layer together.

        Args:
            layer: One of ``layers``.
            path: Scratch path of the file, in a folder for it alone. Those of ``beside`` are written there too.
            feedback: Told how far it is.

        Raises:
            OutputError: The disk is full.
        """
        native = self.sheet.native
        mosaic = self._mosaic(layer)
        described = path.with_name(f"described_{layer.name}")
        place = Window(native.column, native.row, 1, 1)
        with RasterFile(described, self.sheet.source, place, layer.nodata) as file:
            if layer.name == MAP:
                file.set_classes(self.sheet.card.classes)
        pieces = [Piece(part.window, self._kept.layer(part, layer.name)) for part in self.parts]
        if mosaic:
            mosaic.write(path, pieces, feedback)
            mosaic.move(path)
        else:
            write_cog(path, described, pieces, Window(0, 0, native.width, native.height), feedback)
        described.unlink()

    def beside(self, layer: Layer) -> list[str]:
        """Return the files that are written beside that of a layer, and belong to it."""
        mosaic = self._mosaic(layer)
        return [str(mosaic.item)] if mosaic else []

    def done(self) -> None:
        """The map is where it belongs: its parts are not needed any more."""
        self._done = True
        for layer in self.layers:
            mosaic = self._mosaic(layer)
            if mosaic:
                mosaic.remove_earlier()

    def _mosaic(self, layer: Layer) -> Mosaic | None:
        """Return the mosaic that a layer becomes, None where it becomes one file."""
        target = Path(layer.target)
        if target.suffix.lower() != ENDING:
            return None
        classes = self.sheet.card.classes if layer.name == MAP else None
        return Mosaic(self.sheet.source, self.sheet.native, layer.nodata, classes, target, self._kept.path.name)

    def _has_come_too_late(self) -> bool:
        """Return whether the first process has put the map together, of parts from an earlier run, before this came."""
        return not self._kept.path.exists() and self._beginning.was_written(self.layers[0].target)

    def _awaited(self) -> list[Part]:
        missing = []
        for part in self.parts:
            if part.number in self._made:
                continue
            if self._kept.is_finished(part) and not self._kept.is_damaged(part):
                self._made.add(part.number)
            else:
                missing.append(part)
        return missing


def _native(area: Window, source: RasterSource) -> Window:
    """Return ``area`` in pixels of the file; the last working pixels may reach beyond it."""
    f = source.factor
    column, row = area.column * f, area.row * f
    right = min((area.column + area.width) * f, source.native_width)
    bottom = min((area.row + area.height) * f, source.native_height)
    return Window(column, row, right - column, bottom - row)
