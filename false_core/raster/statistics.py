"""The statistics of a raster: robust statistics per band, from a sample of windows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from false_core.computing.threads import prefetch
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.raster.source import FloatArray, RasterSource, Window, names_of

SAMPLE_WINDOWS = 64
SAMPLE_SIDE = 192
LOOKED_AT_MOST = 200_000
"""Windows that are searched for a valid pixel: 7 billion pixels. A file may declare to be larger than can be read."""
MANY_RASTERS = SAMPLE_WINDOWS
"""Rasters, from which on not each of them is looked into."""
MANY_WINDOWS, MANY_SIDE = 256, 96
"""Windows and their side for many rasters: as many pixels as of few rasters, from more places."""
MOST_WINDOWS = 1024
"""Windows that are looked into while most of them turn out to be nodata."""
READERS = 8
"""Threads that read them: to read from a remote raster is to wait for a server."""
CLIP_PERCENTILES = (0.5, 99.5)
HEADROOM = 0.5
"""Share of the range between the percentiles by which values may lie beyond them."""

MAX_FLOAT32 = float(np.finfo(np.float32).max)

KEYS = {"low": "low", "high": "high", "mean": "mean", "std": "deviation"}
"""The keys under which a model file keeps the fields of a ``Normalisation``."""


@dataclass(frozen=True)
class Normalisation:
    """Brings each band to about zero mean and unit standard deviation. Travels in the model file.

    Attributes:
        low, high: Values per band between which pixels are kept as they are; beyond, they are clipped.
        mean, std: The mean and the standard deviation of each band, of the sample within those limits.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, pixels: FloatArray) -> FloatArray:
        """Normalise (bands, height, width); invalid values, NaN, become 0, which is the mean of the band."""
        column = (slice(None), None, None)
        low, high, mean, std = (
            np.array(values, np.float32)[column] for values in (self.low, self.high, self.mean, self.std)
        )
        out = np.clip(pixels, low, high)
        out -= mean
        out /= std
        np.copyto(out, 0, where=np.isnan(out))
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists for the model file."""
        return {KEYS[name]: list(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Normalisation:
        """Read what ``to_dict`` wrote."""
        return cls(**{name: tuple(float(v) for v in body[key]) for name, key in KEYS.items()})


@dataclass(frozen=True)
class MeasuredRasters:
    """Rasters to learn from together.

    Attributes:
        sources: The rasters on their working grids, with the same bands.
        areas: The window of each that may be used.
        normalisation: The normalisation of the bands of all.
        places: Numbers of rasters with windows of them within which patches have their middle; None: anywhere in the areas.
    """

    sources: Sequence[RasterSource]
    areas: Sequence[Window]
    normalisation: Normalisation
    places: Sequence[tuple[int, Window]] | None = None

    @property
    def middles(self) -> Sequence[tuple[int, Window]]:
        """Numbers of rasters with windows of them within which patches have their middle."""
        return list(enumerate(self.areas)) if self.places is None else self.places


def measure(sources: Sequence[RasterSource], windows: Sequence[Window], feedback: Feedback) -> Normalisation:
    """Measure the bands of ``sources`` within ``windows`` (one per source), all rasters together.

    Only a sample is read, spread evenly, so the cost grows neither with a raster nor with their number: of few rasters each
    gives as much, of many each pixel has the same chance.

    Raises:
        InputError: There is no valid pixel in all, or in one of the bands.
    """
    return measure_filled_bands(sources, windows, feedback).of_every_band(sources[0])


@dataclass(frozen=True)
class MeasuredBands:
    """The bands that are not nodata everywhere, by their indices among the bands of the rasters, from 0.

    Attributes:
        filled: Their indices.
        constant: Bands that hold one value, all but the rarest pixels.
        normalisation: The statistics of those filled.
    """

    filled: tuple[int, ...]
    constant: tuple[int, ...]
    normalisation: Normalisation

    def unless_empty(self, sources: Sequence[RasterSource]) -> MeasuredBands:
        """Return the same; raise InputError where no band of the rasters holds a valid pixel."""
        if not self.filled:
            raise InputError(
                f"There is no valid pixel in {names_of(sources)}.", "Everything is nodata or masked; check the nodata value."
            )
        return self

    def of_every_band(self, source: RasterSource) -> Normalisation:
        """Return the statistics of all bands.

        Args:
            source: The first of the rasters.

        Raises:
            InputError: One of the bands holds no valid pixel.
        """
        empty = [band for index, band in enumerate(source.bands) if index not in self.filled]
        if empty:
            which = f"Band {empty[0]} has" if len(empty) == 1 else f"The bands {number_ranges(empty)} have"
            raise InputError(f"{which} no valid pixel in {source.name}.", "Leave out what holds nothing.")
        return self.normalisation

    def only(self, indices: Sequence[int]) -> Normalisation:
        """Return the statistics of the bands with some of the indices filled."""
        chosen = [self.filled.index(index) for index in indices]
        statistics = (getattr(self.normalisation, name) for name in KEYS)
        return Normalisation(*(tuple(values[number] for number in chosen) for values in statistics))


def measure_filled_bands(sources: Sequence[RasterSource], windows: Sequence[Window], feedback: Feedback) -> MeasuredBands:
    """Measure the bands that are not nodata everywhere, as ``measure`` does.

    Raises:
        InputError: There is no valid pixel.
    """
    return measure_any_bands(sources, windows, feedback).unless_empty(sources)


def measure_any_bands(sources: Sequence[RasterSource], windows: Sequence[Window], feedback: Feedback) -> MeasuredBands:
    """Measure the bands as ``measure_filled_bands`` does; without a valid pixel, none of them is filled."""
    sample = _sample_of_many(sources, windows, feedback) if len(sources) > MANY_RASTERS else []
    if not sample:
        for source, window in zip(sources, windows):
            sample += _sample(source, window, max(1, SAMPLE_WINDOWS // len(sources)), feedback)
            if sample and len(sources) > MANY_RASTERS:
                break
    if not sample:
        return MeasuredBands((), (), Normalisation((), (), (), ()))
    values = np.concatenate(sample, axis=1)
    filled: list[int] = []
    constant: list[int] = []
    low, high, mean, std = [], [], [], []
    for index, band in enumerate(values):
        # In double precision, as the square of a large float32 is infinite.
        band = band[np.isfinite(band)].astype(np.float64)
        if not band.size:
            continue
        filled.append(index)
        bottom, top = np.percentile(band, CLIP_PERCENTILES)
        margin = HEADROOM * (top - bottom)
        kept = np.clip(band, bottom - margin, top + margin)
        low.append(max(float(bottom - margin), -MAX_FLOAT32))
        high.append(min(float(top + margin), MAX_FLOAT32))
        mean.append(float(kept.mean()))
        # A band without any variation says nothing; 1 keeps it at zero instead of dividing by zero.
        std.append(float(kept.std()) or 1.0)
        constant += [index] if bottom == top else []
    statistics = Normalisation(tuple(low), tuple(high), tuple(mean), tuple(std))
    return MeasuredBands(tuple(filled), tuple(constant), statistics)


def number_ranges(numbers: Sequence[int]) -> str:
    """Return numbers as text, and three or more of them that follow one another as from and to."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [f"{run[0]:d} to {run[-1]:d}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(texts)


def _sample_of_many(sources: Sequence[RasterSource], windows: Sequence[Window], feedback: Feedback) -> list[FloatArray]:
    """Return the valid pixels of small windows, spread evenly over all rasters, as arrays of shape (bands, pixels)."""
    counts = [-(-window.width // MANY_SIDE) * -(-window.height // MANY_SIDE) for window in windows]
    ends = np.cumsum(counts)
    chance = np.random.default_rng(0)
    parts = np.linspace(0, ends[-1], min(MOST_WINDOWS, int(ends[-1])) + 1).astype(int)
    spread = chance.permutation(chance.integers(parts[:-1], parts[1:]))

    def read(position: int) -> FloatArray:
        number = int(np.searchsorted(ends, position, side="right"))
        window, tile = windows[number], position - (int(ends[number]) - counts[number])
        return _valid(sources[number], _tile(window, tile, MANY_SIDE))

    found: list[FloatArray] = []
    with closing(prefetch(read, spread.tolist(), 4 * READERS, READERS)) as ahead:
        for valid in ahead:
            feedback.stop_if_cancelled()
            if valid.size:
                found.append(valid)
            if len(found) == MANY_WINDOWS:
                break
    return found


def _sample(source: RasterSource, window: Window, number: int, feedback: Feedback) -> list[FloatArray]:
    """Return the valid pixels of about ``number`` small windows, as arrays of shape (bands, pixels)."""
    tiles = -(-window.width // SAMPLE_SIDE) * -(-window.height // SAMPLE_SIDE)
    # One tile out of each of equal parts, at random within it: a fixed step could fall on the same column every time.
    parts = np.linspace(0, tiles, min(number, tiles) + 1).astype(int)
    spread = dict.fromkeys(np.random.default_rng(0).integers(parts[:-1], parts[1:]).tolist())
    # Where all of them are nodata, everything else until something valid turns up.
    others = (tile for tile in range(tiles) if tile not in spread)
    found: list[FloatArray] = []
    for looked_at, tile in enumerate(itertools.chain(spread, others)):
        if found and tile not in spread:
            break
        if looked_at >= LOOKED_AT_MOST:
            raise InputError(
                f"{looked_at:,} pieces of {source.name} were looked at, and none holds a valid pixel.",
                "Name the extent that holds data.",
            )
        feedback.stop_if_cancelled()
        sampled = _tile(window, tile, SAMPLE_SIDE)
        if source.is_hole(sampled):
            continue
        valid = _valid(source, sampled)
        if valid.size:
            found.append(valid)
    return found


def _valid(source: RasterSource, window: Window) -> FloatArray:
    pixels = source.read(window).reshape(len(source.bands), -1)
    return pixels[:, np.isfinite(pixels).any(axis=0)]


def _tile(window: Window, number: int, side: int) -> Window:
    """Return a tile of a window that is cut into such of a given side, row by row."""
    columns = -(-window.width // side)
    x, y = window.column + number % columns * side, window.row + number // columns * side
    right, bottom = window.column + window.width, window.row + window.height
    return Window(x, y, min(side, right - x), min(side, bottom - y))
