"""What is normal in a raster: robust statistics per band, from a sample of windows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.raster.source import FloatArray, RasterSource, Window

SAMPLE_WINDOWS = 64
SAMPLE_SIDE = 192
CLIP_PERCENTILES = (0.5, 99.5)
HEADROOM = 0.5
"""How far beyond the percentiles values are kept, as a share of the range between them."""

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Normalisation:
    """Brings each band to about zero mean and unit deviation. Travels in the model file.

    Attributes:
        low, high: Per band, the values between which pixels are kept as they are; beyond, they are clipped.
        mean, deviation: Per band, of the sample within those limits.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def apply(self, pixels: FloatArray) -> FloatArray:
        """Normalise (bands, height, width); invalid values, NaN, become 0, which is the mean of the band."""
        column = (slice(None), None, None)
        low, high, mean, deviation = (
            np.array(values, np.float32)[column] for values in (self.low, self.high, self.mean, self.deviation)
        )
        out = np.clip(pixels, low, high)
        out -= mean
        out /= deviation
        np.copyto(out, 0, where=np.isnan(out))
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists for the model file."""
        return {key: list(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Normalisation:
        """Read what ``to_dict`` wrote."""
        return cls(**{key: tuple(float(v) for v in body[key]) for key in ("low", "high", "mean", "deviation")})


def measure(sources: Sequence[RasterSource], windows: Sequence[Window], feedback: Feedback) -> Normalisation:
    """Measure the bands of ``sources`` within ``windows`` (one per source), all rasters together.

    Only a sample is read, spread evenly, so the cost does not grow with the raster.

    Raises:
        InputError: There is no valid pixel.
    """
    sample: list[FloatArray] = []
    for source, window in zip(sources, windows):
        sample += _sample(source, window, max(1, SAMPLE_WINDOWS // len(sources)), feedback)
    if not sample:
        names = ", ".join(source.name for source in sources)
        raise InputError(f"There is no valid pixel in {names}.", "Everything is nodata or masked; check the nodata value.")
    values = np.concatenate(sample, axis=1)
    low, high, mean, deviation = [], [], [], []
    for number, band in enumerate(values):
        # In double precision, as the square of a large float32 is infinite.
        band = band[np.isfinite(band)].astype(np.float64)
        if not band.size:
            raise InputError(
                f"Band {sources[0].bands[number]} has no valid pixel in {sources[0].name}.", "Leave that band out."
            )
        bottom, top = np.percentile(band, CLIP_PERCENTILES)
        margin = HEADROOM * (top - bottom)
        kept = np.clip(band, bottom - margin, top + margin)
        low.append(max(float(bottom - margin), -LARGEST))
        high.append(min(float(top + margin), LARGEST))
        mean.append(float(kept.mean()))
        # A band without any variation says nothing; 1 keeps it at zero instead of dividing by zero.
        deviation.append(float(kept.std()) or 1.0)
    return Normalisation(tuple(low), tuple(high), tuple(mean), tuple(deviation))


def _sample(source: RasterSource, window: Window, number: int, feedback: Feedback) -> list[FloatArray]:
    """Return the valid pixels of about ``number`` small windows, as arrays of shape (bands, pixels)."""
    columns = -(-window.width // SAMPLE_SIDE)
    tiles = columns * -(-window.height // SAMPLE_SIDE)
    # One tile out of each of equal parts, at random within it: a fixed step could fall on the same column every time.
    parts = np.linspace(0, tiles, min(number, tiles) + 1).astype(int)
    spread = dict.fromkeys(np.random.default_rng(0).integers(parts[:-1], parts[1:]).tolist())
    # Where all of them are nodata, everything else until something valid turns up.
    others = (tile for tile in range(tiles) if tile not in spread)
    found: list[FloatArray] = []
    for tile in itertools.chain(spread, others):
        if found and tile not in spread:
            break
        feedback.stop_if_cancelled()
        pixels = source.read(_tile(window, tile % columns, tile // columns)).reshape(len(source.bands), -1)
        valid = pixels[:, np.isfinite(pixels).any(axis=0)]
        if valid.size:
            found.append(valid)
    return found


def _tile(window: Window, column: int, row: int) -> Window:
    x, y = window.column + column * SAMPLE_SIDE, window.row + row * SAMPLE_SIDE
    right, bottom = window.column + window.width, window.row + window.height
    return Window(x, y, min(SAMPLE_SIDE, right - x), min(SAMPLE_SIDE, bottom - y))
