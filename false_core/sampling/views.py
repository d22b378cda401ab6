"""Random patches of rasters, each seen twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from false_core.computing.device import CPU
from false_core.computing.distributed import WHOLE_JOB, Share
from false_core.presets import IMAGE
from false_core.raster.gpu_pixels import sent
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window
from false_core.raster.statistics import MeasuredRasters
from false_core.sampling.cache import CHUNK_PX, NEIGHBOURHOOD, ChunkCache, SourceWindows, WholeNumbers, chunk_bytes
from false_core.sampling.geocentric import GeocentricPositions
from false_core.sampling.geometry import (
    Placement,
    matched_points,
    random_placement,
    resized_crops,
    sampling_maps,
    window_side,
)
from false_core.sampling.spectral import SpectralChanges, SpectralJitter, torch_generator
from false_core.sampling.style import SAMPLES, ColourSamples, StyleTransfers

Positions = npt.NDArray[np.float64]

FEWEST_VALID = 0.6
"""Share of a patch's central part that must be valid."""
ATTEMPTS = 16
LOCAL_SHARES = (0.05, 0.4)
"""The least and the largest share of the ground of a patch that a small crop covers, as published with DINO."""


@dataclass(frozen=True)
class SamplingRequirements:
    """The wishes of a method to the sampler beside two views of random patches.

    Attributes:
        margin: Least distance of points from the edges of both views, in pixels of the view.
        neighbours: Patches drawn in the neighbourhood of one that was drawn anywhere, 0: all are drawn anywhere. They follow
            it in the batch.
        reach: Radius of the neighbourhood, in widths of a view.
        chance: Numbers from 0 to 1 for each view, for what the method leaves to chance.
        local: Small crops of each patch beside its two views.
        local_size: Their side in their own pixels.
    """

    margin: float = 2.0
    neighbours: int = 0
    reach: float = 1.0
    chance: int = 0
    local: int = 0
    local_size: int = 0


NO_REQUIREMENTS = SamplingRequirements()


@dataclass(frozen=True)
class EmbeddingPositions:
    """The positions of embeddings.

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
        points: Positions that both views see, for the first and the second view, of shape (batch, points, 2) from -1 to 1.
        seen: Mask of the points that both views really see, of shape (batch, points).
        ground: Positions of the centres of the windows and then of the points on the ground, in one frame for all batches,
            of shape (batch, 1 + points, 3), in widths of a view.
        share: Share of a larger batch that these patches are.
        whole: Patches of that batch.
        chance: Random numbers that the method asked for, see ``SamplingRequirements``, of shape (2 * batch, numbers), first
            views first.
        styles: Transfers of colours to the second views of some patches.
        local: Placements of the small crops.
        local_size: Their side in pixels.
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
    local: tuple[Placement, ...] = ()
    local_size: int = 0

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
class RawSmallCrops:
    """The small crops of each of B patches before they are made, as ``RawViews`` becomes their views.

    Attributes:
        maps: Affine maps from the crops to the patches, of shape (B, crops, 2, 3).
        changes: The changes of all, the first crops of all patches before the second ones.
        size: Their side in pixels.
    """

    maps: Tensor
    changes: SpectralChanges
    size: int

    @classmethod
    def of(cls, pairs: ViewPairs, jitter: SpectralJitter, seed: int, step: int) -> RawSmallCrops | None:
        """Return the crops of ``pairs``, None where there are none."""
        if not pairs.local:
            return None
        bands, side = pairs.windows.shape[1:3]
        count = len(pairs.local)
        changes = jitter.draw(count * pairs.whole, bands, torch_generator(seed, step, count))
        changes = changes.picked(partial(_of_each, times=count, patches=pairs.share))
        return cls(sampling_maps(*pairs.local, side=side, size=pairs.local_size), changes, pairs.local_size)

    def subset(self, patches: slice) -> RawSmallCrops:
        """Return the crops of some of the patches."""
        changes = self.changes.picked(partial(_of_each, times=self.maps.shape[1], patches=patches))
        return RawSmallCrops(self.maps[patches], changes, self.size)


@dataclass(frozen=True)
class RawViews:
    """The source pixels of two views of each of B patches, before they are on the device. All that is random is in it.

    Attributes:
        windows: Normalised source pixels, float16 of shape (B, bands, side, side).
        maps: Affine maps from the two views to the windows, as ``resample_crops`` takes them, of shape (B, 2, 2, 3).
        changes: The changes of the 2B views, the first views before the second views.
        points: Positions in the views, of shape (2B, points, 2).
        kept: See ``ViewPairs``.
        seen: Mask of the points that both views see, of shape (B, points), in memory.
        ground, chance, styles: See ``ViewPairs``.
        local: Small crops, where the method asked for some.
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
    local: RawSmallCrops | None

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
            local=RawSmallCrops.of(pairs, jitter, seed, step),
        )

    def subset(self, patches: slice) -> RawViews:
        """Return the views of some of the patches."""
        of_both = partial(_of_both, patches=patches)
        seen = self.seen[patches]
        # The rows are found in memory, so that the CPU need not wait for the device.
        kept = sent(_kept(torch.from_numpy(seen)), self.kept.device)
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
            styles=self.styles.subset(patches) if self.styles else None,
            local=self.local.subset(patches) if self.local else None,
        )


@dataclass(frozen=True)
class _Patches:
    """Patches by their places in a batch.

    Attributes:
        rasters: Numbers of their rasters, of shape (n,).
        corners: Columns and rows of their upper left corners, of shape (n, 2).
    """

    rasters: WholeNumbers
    corners: WholeNumbers

    def at(self, places: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> _Patches:
        """Return some of the patches."""
        return _Patches(self.rasters[places], self.corners[places])

    def put(self, places: npt.NDArray[np.integer], patches: _Patches) -> None:
        """Put others in some places."""
        self.rasters[places], self.corners[places] = patches.rasters, patches.corners


@dataclass(frozen=True)
class PatchDraw:
    """The draw of patches.

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

    Rasters that do not fit the budget are visited chunk by chunk in random order: a moving set of chunks is in memory, with
    the neighbours that patches reach into, each decoded once per pass and used for many patches. Each place in a batch has
    chunks of its own to choose from: a process that fills some places of every batch reads some of the chunks.

    Args:
        rasters: Rasters that patches are drawn from.
        draw: Way of drawing patches.
        budget: Bytes that chunks may take in memory.
        device: Device that chunks are kept on.
        requirements: Requirements of the method on its patches.
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
        self._draw, self._requirements = draw, requirements
        self._areas = np.array([(area.column, area.row, area.width, area.height) for area in rasters.areas], np.int64)
        self._ground = GeocentricPositions(sources)
        self._width = draw.crop_size * self._ground.pixel_size()
        # Behind those that patches are drawn from, those that give colours.
        self._cache = ChunkCache([*sources, *styles], rasters.normalisation, budget, device)
        self._rasters, self._styles = len(sources), [source.window_of(None) for source in styles]
        self._farthest = draw.crop_size / 4
        self._side = draw.patch_size or window_side(draw.crop_size, draw.scales[1], self._farthest)
        self._chunks = Shuffled(rasters.middles, draw.seed)
        # Different patches of a chunk reach into different neighbours of it. With fewer in memory than all of these, what
        # was decoded is gone when it is needed again.
        in_memory = budget // chunk_bytes(len(sources[0].bands))
        self._active = min(len(self._chunks), max(1, in_memory // NEIGHBOURHOOD))
        self._kinds = min(self._active, draw.batch_size)

    def batch(self, number: int, share: Share = WHOLE_JOB) -> ViewPairs:
        """Return batch ``number``, counted from 0, or one process's share of it."""
        draw, whole = self._draw, self._draw.batch_size
        mine = share.of(whole)
        patches = self._patches(number, mine)
        under = self._cache.windows(patches.rasters, patches.corners, self._side, self._side)
        windows = under.pixels()
        generator = np.random.default_rng([draw.seed, number])
        first, second = self._placement(generator), self._placement(generator)
        one, two, seen = matched_points(first, second, draw.crop_size, draw.points, self._requirements.margin, generator)
        # Of the whole batch, so that it does not matter how it is shared.
        chance = np.random.default_rng([draw.seed, number, whole, 1]).random((2, whole, self._requirements.chance))
        local = self._local_placements(number)
        first = first.subset(mine)
        centres = patches.corners.astype(np.float64) + self._side / 2
        offsets = first.to_window(one[mine] * (draw.crop_size / 2)).astype(np.float64)
        ground = self._ground.around(patches.rasters, centres, offsets) / self._width
        return ViewPairs(
            rasters=patches.rasters,
            centres=centres,
            size=draw.crop_size,
            windows=windows,
            first=first,
            second=second.subset(mine),
            points=(torch.from_numpy(one[mine]), torch.from_numpy(two[mine])),
            seen=torch.from_numpy(seen[mine]),
            ground=torch.from_numpy(ground.astype(np.float32)),
            share=mine,
            whole=whole,
            chance=torch.from_numpy(chance[:, mine].astype(np.float32)).flatten(0, 1),
            styles=self._transfers(number, mine, patches.rasters, under, windows),
            local=tuple(placement.subset(mine) for placement in local),
            local_size=self._requirements.local_size,
        )

    def _placement(self, generator: np.random.Generator) -> Placement:
        draw = self._draw
        if draw.patch_size:
            return resized_crops(draw.batch_size, draw.patch_size, draw.crop_size, generator)
        return random_placement(draw.batch_size, draw.scales, self._farthest, generator)

    def _local_placements(self, number: int) -> list[Placement]:
        """Draw the small crops of a batch: each covers 0.05 to 0.4 of the ground of a patch, and lies within it."""
        draw, wanted = self._draw, self._requirements
        generator = np.random.default_rng([draw.seed, number, draw.batch_size, 2])
        if draw.patch_size:
            return [
                resized_crops(draw.batch_size, draw.patch_size, wanted.local_size, generator, LOCAL_SHARES)
                for _ in range(wanted.local)
            ]
        if not wanted.local:
            return []
        least, most = (math.sqrt(share) * draw.crop_size / wanted.local_size for share in LOCAL_SHARES)
        return [random_placement(draw.batch_size, (least, most), self._farthest, generator) for _ in range(wanted.local)]

    def ground(self, raster: int, centre: tuple[float, float], side: int) -> FloatArray:
        """Return the normalised pixels (bands, side, side) of a raster around a place, 0 where invalid."""
        column, row = (round(value - side / 2) for value in centre)
        return self._cache.read(Window(column, row, side, side), raster)[0]

    def _patches(self, number: int, mine: slice) -> _Patches:
        """Return the patches for some places in a batch: drawn anywhere, or around the last one before that was."""
        # Drawn for all places and all attempts, whichever are needed: that is what makes shares of a batch agree.
        chance = np.random.default_rng([self._draw.seed, number, 1]).random((self._draw.batch_size, ATTEMPTS, 3))
        places, group = np.arange(mine.start, mine.stop), 1 + self._requirements.neighbours
        middles = np.unique(places - places % group)
        anywhere = self._best(middles, lambda these, attempt: self._anywhere(number, these, chance[these, attempt]))
        beside = places[places % group > 0]
        found = _Patches(np.zeros(len(places), np.int64), np.zeros((len(places), 2), np.int64))
        at_middle = places % group == 0
        found.put(np.flatnonzero(at_middle), anywhere.at(np.searchsorted(middles, places[at_middle])))
        if beside.size:
            near = self._best(
                beside,
                lambda these, attempt: self._near(
                    anywhere.at(np.searchsorted(middles, these - these % group)), chance[these, attempt]
                ),
            )
            found.put(np.flatnonzero(~at_middle), near)
        return found

    def _best(self, places: WholeNumbers, draw: Callable[[WholeNumbers, int], _Patches]) -> _Patches:
        """Return for each place the best of a few patches that ``draw`` makes of it: the first that is valid enough.

        Args:
            draw: Given places and the number of the attempt.
        """
        best = draw(places, 0)
        shares = self._central_shares(best)
        for attempt in range(1, ATTEMPTS):
            poor = np.flatnonzero(shares < FEWEST_VALID)
            if not poor.size:
                break
            others = draw(places[poor], attempt)
            found = self._central_shares(others)
            better = found > shares[poor]
            best.put(poor[better], others.at(better))
            shares[poor[better]] = found[better]
        return best

    def _central_shares(self, patches: _Patches) -> npt.NDArray[np.float64]:
        """Return the share of valid pixels of the central part of each patch."""
        margin = max(0, (self._side - self._draw.crop_size) // 2)
        side = self._side - 2 * margin
        return self._cache.windows(patches.rasters, patches.corners + margin, side, side).valid_shares()

    def _anywhere(self, number: int, places: WholeNumbers, chance: Positions) -> _Patches:
        """Return patches around pixels of the chunks in use that belong to places in a batch.

        Each batch lets one chunk go and takes up the next one of the shuffled order. Every chunk belongs to one place, or
        where there are fewer chunks than places, to some places in a row.

        Args:
            chance: Numbers from 0 to 1, of shape (n, 3).
        """
        kind = places * self._kinds // self._draw.batch_size
        first = number + (kind - number) % self._kinds
        count = -(-(number + self._active - first) // self._kinds)
        chunk = first + self._kinds * (chance[:, 0] * count).astype(np.int64)
        rasters, areas = self._chunks.at(chunk % len(self._chunks))
        pixels = areas[:, :2] + (chance[:, 1:] * areas[:, 2:]).astype(np.int64)
        return _Patches(rasters, pixels - self._side // 2)

    def _near(self, middles: _Patches, chance: Positions) -> _Patches:
        """Return patches in the neighbourhood of others: anywhere in the disc around each, as far as that is inside."""
        areas = self._areas[middles.rasters]
        radius = self._requirements.reach * self._draw.crop_size * np.sqrt(chance[:, 0])
        angle = 2 * math.pi * chance[:, 1]
        away = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        half = self._side // 2
        pixels = np.clip(middles.corners + half + away, areas[:, :2], areas[:, :2] + areas[:, 2:] - 1)
        return _Patches(middles.rasters, np.rint(pixels).astype(np.int64) - half)

    def _transfers(
        self, number: int, mine: slice, rasters: WholeNumbers, seen: SourceWindows, windows: Tensor
    ) -> StyleTransfers | None:
        """Draw which of the patches get other colours in their second view, and whose.

        Args:
            rasters: Numbers of the patches' rasters.
            seen, windows: Their source windows, and the pixels of these.
        """
        chosen: list[tuple[int, np.random.Generator]] = []
        others: list[tuple[int, int, int]] = []
        for row, place in enumerate(range(mine.start, mine.stop) if self._draw.transfer else ()):
            # Beside the numbers that the patch itself is drawn with.
            generator = np.random.default_rng([self._draw.seed, number, place, 1])
            if generator.random() < self._draw.transfer:
                chosen.append((row, generator))
                others.append(self._other_patch(number, int(rasters[row]), generator))
        if not chosen:
            return None
        places = np.array(others, np.int64)
        coloured = self._cache.windows(places[:, 0], places[:, 1:], self._side, self._side)
        pixels = coloured.pixels()
        rows, patches, drawn = [], [], []
        for place, (row, generator) in enumerate(chosen):
            own, other = seen.valid(row), coloured.valid(place)
            if own.any() and other.any():
                rows.append(row)
                patches += [windows[row], pixels[place]]
                # Some valid pixels, in random order and some of them several times.
                drawn += [generator.choice(np.flatnonzero(valid), SAMPLES) for valid in (own, other)]
        if not rows:
            return None
        # One copy to the device and one from it, whatever their number.
        places_drawn = torch.from_numpy(np.stack(drawn)).to(pixels.device)
        both = torch.stack([patch.flatten(1)[:, some] for patch, some in zip(patches, places_drawn)])
        samples: list[ColourSamples] = [one.T for one in both.float().cpu().numpy()]
        return StyleTransfers.between(rows, list(zip(samples[::2], samples[1::2])))

    def _other_patch(self, number: int, raster: int, generator: np.random.Generator) -> tuple[int, int, int]:
        """Return the raster, and the upper left corner, of a patch to take colours from."""
        other, area = self._other_area(number, raster, generator)
        column = area.column + int(generator.integers(area.width)) - self._side // 2
        row = area.row + int(generator.integers(area.height)) - self._side // 2
        return other, column, row

    def _other_area(self, number: int, raster: int, generator: np.random.Generator) -> tuple[int, Window]:
        """Return a raster and a part of it to take colours from: of another raster, where there is one."""
        if self._styles:
            place = int(generator.integers(len(self._styles)))
            return self._rasters + place, self._styles[place]
        for _ in range(ATTEMPTS):
            position = (number + int(generator.integers(self._active))) % len(self._chunks)
            (source,), (area,) = (found.tolist() for found in self._chunks.at(np.array([position])))
            if source != raster or self._rasters == 1:
                break
        return source, Window(*area)


def _of_both(views: Tensor, patches: slice) -> Tensor:
    """Return the rows of some patches, where the first views are stacked on the second views."""
    return _of_each(views, 2, patches)


def _of_each(crops: Tensor, times: int, patches: slice) -> Tensor:
    """Return the rows of some patches, where the first crops are stacked on the second ones, and so on."""
    return crops.view(times, len(crops) // times, *crops.shape[1:])[:, patches].flatten(0, 1)


def _kept(seen: Tensor) -> Tensor:
    kept = seen.flatten().nonzero()[:, 0]
    return torch.cat([kept, kept + seen.numel()])


class Shuffled:
    """The windows of all areas within each chunk, in random order. Thousands of rasters have too many for a list.

    Args:
        areas: Numbers of rasters with windows of them.
    """

    def __init__(self, areas: Sequence[tuple[int, Window]], seed: int) -> None:
        self._rasters = np.array([raster for raster, _ in areas], np.int64)
        self._areas = np.array([(area.column, area.row, area.width, area.height) for _, area in areas], np.int64)
        self._start = self._areas[:, :2] // CHUNK_PX
        self._spans = -(-(self._areas[:, :2] + self._areas[:, 2:]) // CHUNK_PX) - self._start
        self._ends = np.cumsum(self._spans.prod(axis=1))
        self._order = np.random.default_rng(seed).permutation(int(self._ends[-1]))

    def __len__(self) -> int:
        return len(self._order)

    def at(self, positions: WholeNumbers) -> tuple[WholeNumbers, WholeNumbers]:
        """Return the rasters of windows by their positions in the order, and where they lie: (n, 4), as in ``Window``."""
        places = self._order[positions]
        entries = np.searchsorted(self._ends, places, side="right")
        areas, spans = self._areas[entries], self._spans[entries]
        squares = places - (self._ends[entries] - spans.prod(axis=1))
        corners = (self._start[entries] + np.stack([squares % spans[:, 0], squares // spans[:, 0]], axis=1)) * CHUNK_PX
        first = np.maximum(areas[:, :2], corners)
        last = np.minimum(areas[:, :2] + areas[:, 2:], corners + CHUNK_PX)
        return self._rasters[entries], np.concatenate([first, last - first], axis=1)
