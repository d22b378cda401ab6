"""Random patches of rasters, each seen twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from false_core.distributed import WHOLE_JOB, Share
from false_core.presets import IMAGE
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window
from false_core.raster.statistics import MeasuredRasters
from false_core.sampling.cache import CHUNK_PX, CPU, ChunkCache, Chunks, Region, chunk_bytes
from false_core.sampling.geocentric import GeocentricPositions
from false_core.sampling.geometry import (
    Placement,
    matched_points,
    random_placement,
    resized_crops,
    sampling_maps,
    window_side,
)
from false_core.sampling.loading import side_stream
from false_core.sampling.spectral import SpectralChanges, SpectralJitter, torch_generator
from false_core.sampling.style import SAMPLES, ColourSamples, StyleTransfers

Positions = npt.NDArray[np.float64]

FEWEST_VALID = 0.6
"""Share of a patch's central part that must be valid."""
ATTEMPTS = 16
AHEAD = 2
"""Chunks read before their turn, each in a thread of its own."""


@dataclass(frozen=True)
class SamplingRequirements:
    """What a method asks of the sampler beside two views of random patches.

    Attributes:
        margin: Least distance of points from the edges of both views, in pixels of the view.
        neighbours: Patches drawn in the neighbourhood of one that was drawn anywhere, 0: all are drawn anywhere. They follow
            it in the batch.
        reach: Radius of the neighbourhood, in widths of a view.
        chance: Numbers from 0 to 1 for each view, for what the method leaves to chance.
    """

    margin: float = 2.0
    neighbours: int = 0
    reach: float = 1.0
    chance: int = 0


NO_REQUIREMENTS = SamplingRequirements()


@dataclass(frozen=True)
class EmbeddingPositions:
    """Where embeddings lie.

    Attributes:
        rasters: Number of the raster of each, of shape (n,).
        pixels: Pixel coordinates in it, of shape (n, 2), x first; (0, 0) is the upper left corner of the raster.
        views: Row of the view of each among the (2 * batch) stacked views, of shape (n,).
        patches: Row of the patch of each in the batch, of shape (n,).
    """

    rasters: npt.NDArray[np.int64]
    pixels: Positions
    views: npt.NDArray[np.int64]
    patches: npt.NDArray[np.int64]


@dataclass(frozen=True)
class ViewPairs:
    """A batch of patches and how their two views lie in them.

    Attributes:
        rasters: Number of the raster that each patch is from, of shape (batch,).
        centres: Centres of the source windows in pixel coordinates of their rasters, of shape (batch, 2), x first.
        size: Side of a view in pixels.
        windows: Normalised source pixels, float16 of shape (batch, bands, side, side).
        first, second: Placements of the two views.
        points: For the first and the second view, positions both see, of shape (batch, points, 2) from -1 to 1.
        seen: Which of them both views really see, of shape (batch, points).
        ground: Where the centres of the windows and then the points lie on the ground, in one frame for all batches, of
            shape (batch, 1 + points, 3), in widths of a view.
        share: Which of the patches of a larger batch these are.
        whole: Patches of that batch.
        chance: What the method asked for, see ``SamplingRequirements``, of shape (2 * batch, numbers), first views first.
        styles: Which patches get other colours in their second view.
    """

    rasters: npt.NDArray[np.int64]
    centres: Positions
    size: int
    windows: Tensor
    first: Placement
    second: Placement
    points: tuple[Tensor, Tensor]
    seen: Tensor
    ground: Tensor
    share: slice
    whole: int
    chance: Tensor
    styles: StyleTransfers | None = None

    @property
    def kept(self) -> Tensor:
        """Rows of the flattened (2 * batch * points) that both views see, those of the first views before the second's."""
        return _kept(self.seen)

    def positions(self, level: str) -> EmbeddingPositions:
        """Return where the embeddings of a level lie.

        Args:
            level: ``"image"``: the centres of the views, first views before second views. ``"points"``: the points that both
                views see, in the order of ``kept``.
        """
        if level == IMAGE:
            return self._positions(np.zeros((2, len(self.centres), 1, 2)))
        within = torch.stack(self.points).numpy().astype(np.float64) * (self.size / 2)
        every, kept = self._positions(within), self.kept.numpy()
        return EmbeddingPositions(every.rasters[kept], every.pixels[kept], every.views[kept], every.patches[kept])

    def _positions(self, within: Positions) -> EmbeddingPositions:
        """Return where points lie; ``within`` is (2, batch, points, 2), in pixels from the centres of the views."""
        _, batch, points, _ = within.shape
        offsets = [placement.to_window(one) for placement, one in zip((self.first, self.second), within)]
        positions = np.stack(offsets) + self.centres[:, None]
        views = np.repeat(np.arange(2 * batch), points)
        return EmbeddingPositions(self.rasters[views % batch], positions.reshape(-1, 2), views, views % batch)


@dataclass(frozen=True)
class RawViews:
    """What becomes two views of each of B patches once it is on the device. All that is random about them is in it.

    Attributes:
        windows: Normalised source pixels, float16 of shape (B, bands, side, side).
        maps: Where the two views lie in them, as ``resample_crops`` wants it, of shape (B, 2, 2, 3).
        changes: The changes of the 2B views, the first views before the second views.
        points: Positions in the views, of shape (2B, points, 2).
        kept: See ``ViewPairs``.
        seen: Which points both views see, of shape (B, points), in memory.
        ground, chance, styles: See ``ViewPairs``.
    """

    windows: Tensor
    maps: Tensor
    changes: SpectralChanges
    points: Tensor
    kept: Tensor
    seen: BoolArray
    ground: Tensor
    chance: Tensor
    styles: StyleTransfers | None

    @classmethod
    def of(cls, pairs: ViewPairs, jitter: SpectralJitter, seed: int, step: int) -> RawViews:
        """Return the views of ``pairs`` with changes that depend on the seed, the step and their place in the batch."""
        bands, side = pairs.windows.shape[1:3]
        changes = jitter.draw(2 * pairs.whole, bands, torch_generator(seed, step))
        if len(pairs.windows) < pairs.whole:
            changes = changes.picked(partial(_of_both, patches=pairs.share))
        return cls(
            windows=pairs.windows,
            maps=sampling_maps(pairs.first, pairs.second, side=side, size=pairs.size),
            changes=changes,
            points=torch.cat(pairs.points),
            kept=pairs.kept,
            seen=pairs.seen.numpy(),
            ground=pairs.ground,
            chance=pairs.chance,
            styles=pairs.styles,
        )

    def part(self, patches: slice) -> RawViews:
        """Return the views of some of the patches."""
        of_both = partial(_of_both, patches=patches)
        seen = self.seen[patches]
        # The rows are found in memory, so that the CPU need not wait for the device.
        kept = _kept(torch.from_numpy(seen)).to(self.kept.device, non_blocking=True)
        changes = self.changes.picked(of_both)
        return RawViews(
            windows=self.windows[patches],
            maps=self.maps[patches],
            changes=changes,
            points=of_both(self.points),
            kept=kept,
            seen=seen,
            ground=self.ground[patches],
            chance=of_both(self.chance),
            styles=self.styles.part(patches) if self.styles else None,
        )


@dataclass(frozen=True)
class _Patch:
    """One patch: the number of its raster, column and row of its upper left corner, and the chunks under it."""

    raster: int
    corner: tuple[int, int]
    region: Region


@dataclass(frozen=True)
class PatchDraw:
    """Which patches are drawn.

    Attributes:
        batch_size: Patches of a batch.
        crop_size: Side of a view in pixels.
        scales: Smallest and largest zoom of a view, working pixels per pixel of the view.
        points: Points that both views of a patch see.
        seed: Source of all chance.
        patch_size: Side of the patches that views are cut out of by ``resized_crops``; 0: views are zoomed by ``scales``,
            and turned by any angle.
        transfer: Share of the patches whose second view gets the colours of another patch.
    """

    batch_size: int
    crop_size: int
    scales: tuple[float, float]
    points: int
    seed: int
    patch_size: int = 0
    transfer: float = 0.0


class PatchSampler:
    """Draws batches of view pairs from rasters of any size. Batch n depends on the seed and n alone.

    Rasters that do not fit the budget are visited chunk by chunk in random order: a moving set of chunks is in memory, each
    decoded once per pass, ahead of its turn, and used for many patches. Each place in a batch has chunks of its own to
    choose from: a process that fills some places of every batch reads some of the chunks.

    Args:
        rasters: What patches are drawn from.
        draw: Which patches are drawn.
        budget: Bytes that chunks may take in memory.
        device: Where chunks are kept.
        requirements: What the method asks of its patches.
        styles: Rasters that other colours are taken from. Without any, they are those of patches of ``rasters``, of another
            one where there are several.
    """

    def __init__(
        self,
        rasters: MeasuredRasters,
        draw: PatchDraw,
        budget: int,
        device: torch.device = CPU,
        requirements: SamplingRequirements = NO_REQUIREMENTS,
        styles: Sequence[RasterSource] = (),
    ) -> None:
        sources = rasters.sources
        self._areas, self._draw, self._requirements = rasters.areas, draw, requirements
        self._ground = GeocentricPositions(sources)
        self._width = draw.crop_size * self._ground.pixel_size()
        kept = Chunks(budget, len(sources[0].bands))
        self._caches = [ChunkCache(source, rasters.normalisation, kept, device) for source in sources]
        self._styles = [ChunkCache(source, rasters.normalisation, kept, device) for source in styles]
        self._farthest = draw.crop_size / 4
        self._side = draw.patch_size or window_side(draw.crop_size, draw.scales[1], self._farthest)
        self._chunks = Shuffled(rasters.middles, draw.seed)
        # A patch reaches into up to three neighbours of its chunk, so a quarter of what fits is in use at a time.
        self._active = min(len(self._chunks), max(1, budget // chunk_bytes(len(sources[0].bands)) // 4))
        self._kinds = min(self._active, draw.batch_size)
        # Where there is room for more than the chunks in use, the ones after them are read in the meantime.
        streams = self._active < len(self._chunks) and self._active > AHEAD
        self._readers = ThreadPoolExecutor(AHEAD, "chunks") if streams else None

    def batch(self, number: int, share: Share = WHOLE_JOB) -> ViewPairs:
        """Return batch ``number``, counted from 0, or one process's share of it."""
        draw, whole = self._draw, self._draw.batch_size
        mine = share.of(whole)
        self._read_ahead(number, mine)
        patches = [self._patch_at(number, place) for place in range(mine.start, mine.stop)]
        with side_stream(self._caches[0].device):
            windows = self._caches[0].blank(len(patches), self._side, self._side)
            for patch, window in zip(patches, windows):
                patch.region.copy_to(window)
        generator = np.random.default_rng([draw.seed, number])
        first, second = self._placement(generator), self._placement(generator)
        one, two, seen = matched_points(first, second, draw.crop_size, draw.points, self._requirements.margin, generator)
        # Of the whole batch, so that it does not matter how it is shared.
        chance = np.random.default_rng([draw.seed, number, whole, 1]).random((2, whole, self._requirements.chance))
        first = first.part(mine)
        rasters = np.array([patch.raster for patch in patches])
        centres = np.array([patch.corner for patch in patches]) + self._side / 2
        offsets = first.to_window(one[mine] * (draw.crop_size / 2)).astype(np.float64)
        ground = self._ground.around(rasters, centres, offsets) / self._width
        return ViewPairs(
            rasters=rasters,
            centres=centres,
            size=draw.crop_size,
            windows=windows,
            first=first,
            second=second.part(mine),
            points=(torch.from_numpy(one[mine]), torch.from_numpy(two[mine])),
            seen=torch.from_numpy(seen[mine]),
            ground=torch.from_numpy(ground.astype(np.float32)),
            share=mine,
            whole=whole,
            chance=torch.from_numpy(chance[:, mine].astype(np.float32)).flatten(0, 1),
            styles=self._transfers(number, mine, patches, windows),
        )

    def _placement(self, generator: np.random.Generator) -> Placement:
        draw = self._draw
        if draw.patch_size:
            return resized_crops(draw.batch_size, draw.patch_size, draw.crop_size, generator)
        return random_placement(draw.batch_size, draw.scales, self._farthest, generator)

    def ground(self, raster: int, centre: tuple[float, float], side: int) -> FloatArray:
        """Return the normalised pixels (bands, side, side) of a raster around a place, 0 where invalid."""
        column, row = (round(value - side / 2) for value in centre)
        return self._caches[raster].read(Window(column, row, side, side))[0]

    def _patch_at(self, number: int, place: int) -> _Patch:
        """Return the patch for a place in a batch: one drawn anywhere, or of the neighbourhood of the last one that was."""
        middle_place = place - place % (1 + self._requirements.neighbours)
        middle = self._patch(number, middle_place, self._anywhere)
        if place == middle_place:
            return middle
        return self._patch(number, place, lambda generator, *_: self._near(middle, generator))

    def _anywhere(self, generator: np.random.Generator, number: int, place: int) -> tuple[int, int, int]:
        """Return a raster, and the column and row of a pixel of it."""
        source, area = self._chunks[self._chunk(number, place, generator)]
        column = area.column + int(generator.integers(area.width))
        return source, column, area.row + int(generator.integers(area.height))

    def _near(self, middle: _Patch, generator: np.random.Generator) -> tuple[int, int, int]:
        """Return the same for a pixel around a patch: anywhere in the disc around it, as far as that is inside."""
        area = self._areas[middle.raster]
        radius = self._requirements.reach * self._draw.crop_size * math.sqrt(generator.uniform())
        angle = generator.uniform(0, 2 * math.pi)
        column, row = (corner + self._side // 2 for corner in middle.corner)
        column = round(min(max(column + radius * math.cos(angle), area.column), area.column + area.width - 1))
        row = round(min(max(row + radius * math.sin(angle), area.row), area.row + area.height - 1))
        return middle.raster, column, row

    def _patch(
        self, number: int, place: int, draw: Callable[[np.random.Generator, int, int], tuple[int, int, int]]
    ) -> _Patch:
        """Return the best of a few patches around pixels that are drawn: the first that is valid enough."""
        generator = np.random.default_rng([self._draw.seed, number, place])
        best: tuple[float, _Patch] | None = None
        for _ in range(ATTEMPTS):
            source, column, row = draw(generator, number, place)
            column, row = column - self._side // 2, row - self._side // 2
            region = self._caches[source].look_at(Window(column, row, self._side, self._side))
            share = _central_share(region.valid(), self._draw.crop_size)
            if best is None or share > best[0]:
                best = share, _Patch(source, (column, row), region)
            if share >= FEWEST_VALID:
                break
        assert best is not None
        return best[1]

    def _chunk(self, number: int, place: int, generator: np.random.Generator) -> int:
        """Return one of the chunks in use that belong to a place in a batch.

        Each batch lets one chunk go and takes up the next one of the shuffled order. Every chunk belongs to one place, or
        where there are fewer chunks than places, to some places in a row.
        """
        kind = place * self._kinds // self._draw.batch_size
        first = number + (kind - number) % self._kinds
        count = -(-(number + self._active - first) // self._kinds)
        return (first + self._kinds * int(generator.integers(count))) % len(self._chunks)

    def _transfers(self, number: int, mine: slice, patches: Sequence[_Patch], windows: Tensor) -> StyleTransfers | None:
        """Draw which of the patches get other colours in their second view, and whose."""
        rows, pairs = [], []
        for row, place in enumerate(range(mine.start, mine.stop) if self._draw.transfer else ()):
            # Beside the numbers that the patch itself is drawn with.
            generator = np.random.default_rng([self._draw.seed, number, place, 1])
            own = patches[row].region.valid()
            if generator.random() < self._draw.transfer and own.any():
                pixels, valid = self._other_patch(number, patches[row].raster, generator)
                if valid.any():
                    rows.append(row)
                    pairs.append((_drawn(windows[row], own, generator), _drawn(pixels, valid, generator)))
        return StyleTransfers.between(rows, pairs)

    def _other_patch(self, number: int, raster: int, generator: np.random.Generator) -> tuple[Tensor, BoolArray]:
        """Return the pixels (bands, side, side) and the validity of a patch to take colours from."""
        cache, area = self._other_area(number, raster, generator)
        column = area.column + int(generator.integers(area.width)) - self._side // 2
        row = area.row + int(generator.integers(area.height)) - self._side // 2
        with side_stream(cache.device):
            region = cache.look_at(Window(column, row, self._side, self._side))
            pixels = cache.blank(1, self._side, self._side)[0]
            region.copy_to(pixels)
        return pixels, region.valid()

    def _other_area(self, number: int, raster: int, generator: np.random.Generator) -> tuple[ChunkCache, Window]:
        """Return a raster and a part of it to take colours from: of another raster, where there is one."""
        if self._styles:
            cache = self._styles[int(generator.integers(len(self._styles)))]
            return cache, cache.source.window_of(None)
        for _ in range(ATTEMPTS):
            source, area = self._chunks[(number + int(generator.integers(self._active))) % len(self._chunks)]
            if source != raster or len(self._caches) == 1:
                break
        return self._caches[source], area

    def _read_ahead(self, number: int, mine: slice) -> None:
        coming = number + self._active
        places = {place * self._kinds // self._draw.batch_size for place in range(mine.start, mine.stop)}
        if self._readers and coming % self._kinds in places:
            source, area = self._chunks[coming % len(self._chunks)]
            self._readers.submit(self._caches[source].look_at, area)


def _of_both(views: Tensor, patches: slice) -> Tensor:
    """Return the rows of some patches, where the first views are stacked on the second views."""
    return views.view(2, len(views) // 2, *views.shape[1:])[:, patches].flatten(0, 1)


def _kept(seen: Tensor) -> Tensor:
    kept = seen.flatten().nonzero()[:, 0]
    return torch.cat([kept, kept + seen.numel()])


def _drawn(pixels: Tensor, valid: BoolArray, generator: np.random.Generator) -> ColourSamples:
    """Return some valid pixels, in random order and some of them several times, of shape (m, bands)."""
    places = generator.choice(np.flatnonzero(valid), SAMPLES)
    drawn: ColourSamples = pixels.flatten(1)[:, torch.from_numpy(places).to(pixels.device)].T.float().cpu().numpy()
    return drawn


class Shuffled:
    """The parts of all areas that lie in each chunk, in random order. Thousands of rasters have too many for a list.

    Args:
        areas: Numbers of rasters with windows of them.
    """

    def __init__(self, areas: Sequence[tuple[int, Window]], seed: int) -> None:
        self._areas = areas
        self._counts = [len(_spans(a.row, a.height)) * len(_spans(a.column, a.width)) for _, a in areas]
        self._ends = np.cumsum(self._counts)
        self._order = np.random.default_rng(seed).permutation(int(self._ends[-1]))

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, position: int) -> tuple[int, Window]:
        """Return the raster and the part at ``position`` of the order."""
        place = int(self._order[position])
        entry = int(np.searchsorted(self._ends, place, side="right"))
        (number, area), square = self._areas[entry], place - (int(self._ends[entry]) - self._counts[entry])
        columns = _spans(area.column, area.width)
        column, row = columns[square % len(columns)], _spans(area.row, area.height)[square // len(columns)]
        x0, y0 = max(area.column, column * CHUNK_PX), max(area.row, row * CHUNK_PX)
        right, bottom = area.column + area.width, area.row + area.height
        return number, Window(x0, y0, min(right, (column + 1) * CHUNK_PX) - x0, min(bottom, (row + 1) * CHUNK_PX) - y0)


def _spans(start: int, length: int) -> range:
    """Return the numbers of the chunks, along an axis, that a part of it lies in."""
    return range(start // CHUNK_PX, -(-(start + length) // CHUNK_PX))


def _central_share(valid: BoolArray, size: int) -> float:
    margin = max(0, (valid.shape[0] - size) // 2)
    centre: npt.NDArray[np.bool_] = valid[margin : valid.shape[0] - margin, margin : valid.shape[1] - margin]
    return float(centre.mean())
