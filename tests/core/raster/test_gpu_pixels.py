"""Pixels that a GPU gets as the file stores them are those that the processor would have normalised, number for number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_world import write_raster

from false_core.raster import gpu_pixels
from false_core.raster.gpu_pixels import RawPixels, normalised_at, normalised_on, sent
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.sampling.loading import on_device
from false_core.sampling.style import StyleTransfers

CPU = torch.device("cpu")
NORMAL = Normalisation((3.0, 1.5), (240.0, 200.0), (100.3, 51.7), (51.1, 23.9))
WINDOWS = [Window(0, 0, 40, 30), Window(7, 5, 16, 8), Window(-9, -3, 30, 64), Window(90, 90, 8, 8)]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("nodata", [None, 7])
@pytest.mark.parametrize("factor", [1, 3])
def test_are_the_same_numbers(tmp_path: Path, dtype: str, nodata: int | None, factor: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 30, 40)).astype(dtype)
    pixels[0, :4, :9] = pixels[1, 2:8, 3:9] = 7
    if dtype.startswith("float"):
        pixels[1, 20, 5:9] = np.nan, np.inf, -np.inf, 0
    source = RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=nodata), factor=factor)
    for window in WINDOWS:
        raw, valid = source.read_with_validity(window)
        stored = source.read_as_stored(window)
        on_gpu = normalised_on(CPU, [RawPixels.of(stored, CPU)] * 2, NORMAL)
        expected = NORMAL.apply(raw)
        np.testing.assert_array_equal(on_gpu[1].numpy(), expected)
        np.testing.assert_array_equal(stored.with_nan(), raw)
        rows, columns = np.array([0, 3, 7]), np.array([7, 2, 2, 5])
        for pixels in (RawPixels.of(stored, CPU), on_gpu[0]):
            found = normalised_at(pixels, rows, columns, NORMAL)
            np.testing.assert_array_equal(found, expected[:, rows[:, None], columns])
        np.testing.assert_array_equal(stored.valid, valid)
        np.testing.assert_array_equal(stored.shows(), np.isfinite(raw).any(axis=0))
    stored = source.read_as_stored(WINDOWS[0])
    assert stored.pixels.dtype == (dtype if factor == 1 and dtype in ("uint8", "int16", "uint16") else "float32")


def test_of_a_batch_are_those_of_each(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 60_000, (2, 30, 40)).astype("uint16")
    source = RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=0))
    normal = Normalisation((0.0, 0.0), (65_535.0, 40_000.0), (30_000.0, 20_000.0), (9_000.0, 7_000.0))
    windows = [Window(-5, -5, 20, 20), Window(3, 3, 20, 20), Window(30, 20, 20, 20)]
    raw = [RawPixels.of(source.read_as_stored(window), CPU) for window in windows]
    assert [one.missing is None for one in raw] == [False, True, False]
    for found, window in zip(normalised_on(CPU, raw, normal), windows, strict=True):
        np.testing.assert_array_equal(found.numpy(), normal.apply(source.read(window)))


def test_copies_to_devices_other_than_cuda_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One to an Apple GPU that is not could read memory that was given back: it is then pixels of something else."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device, **named: asked.append(named) or tensor)
    sent(torch.ones(2), torch.device("mps"))
    on_device(StyleTransfers((), *torch.ones(4, 2)), torch.device("mps"))
    assert asked == [{}] * 5
    room = Path(gpu_pixels.__file__).parents[1]
    unwaited = {str(path.relative_to(room)) for path in room.rglob("*.py") if "non_blocking" in path.read_text("utf-8")}
    assert unwaited == {"raster/gpu_pixels.py", "mapping/classify/compute.py"}, "those for NVIDIA's GPUs"
