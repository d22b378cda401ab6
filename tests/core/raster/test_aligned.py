"""Codes are looked up at the same place on the ground, however longitudes are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from small_world import Listener, write_raster

from false_core.raster.aligned import AlignedCodes
from false_core.raster.source import RasterSource, Window


@pytest.mark.parametrize(("theirs", "ours"), [(-170.0, 190.0), (190.0, -170.0), (190.0, 190.0)])
def test_longitudes_to_180_and_to_360_degrees_are_the_same(
    tmp_path: Path, listener: Listener, theirs: float, ours: float
) -> None:
    codes = np.random.default_rng(0).integers(1, 5, (1, 20, 30)).astype("uint8")
    paths = [
        write_raster(tmp_path / f"{name}.tif", codes, crs="EPSG:4326", transform=Affine(1e-3, 0, left, 0, -1e-3, 10))
        for name, left in (("theirs", theirs), ("ours", ours))
    ]
    with AlignedCodes(paths[0], RasterSource(paths[1]), listener.feedback) as aligned:
        found, valid = aligned.read(Window(0, 0, 30, 20))
    assert valid.all()
    np.testing.assert_array_equal(found, codes[0])


def test_a_map_in_metres_finds_codes_that_are_counted_to_360_degrees(tmp_path: Path, listener: Listener) -> None:
    codes = np.full((1, 400, 400), 3, "uint8")
    degrees = Affine(1e-3, 0, 188.8, 0, -1e-3, 10.2)
    path = write_raster(tmp_path / "theirs.tif", codes, crs="EPSG:4326", transform=degrees)
    metres = write_raster(
        tmp_path / "ours.tif", np.ones((1, 9, 9), "uint8"), crs="EPSG:32602", transform=Affine(100, 0, 5e5, 0, -100, 1.11e6)
    )
    with AlignedCodes(path, RasterSource(metres), listener.feedback) as aligned:
        found, valid = aligned.read(Window(0, 0, 9, 9))
    assert valid.all()
    assert (found == 3).all()
