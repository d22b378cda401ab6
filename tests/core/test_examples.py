"""The examples of the loss and the raster give what they say. That of ``false_core.run`` needs a trained model."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
from small_world import write_raster

WITH_EXAMPLES = ("false_core.methods.fncc", "false_core.raster.source")


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_give_what_they_say(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example may read ``land.tif``, of 64 x 48 pixels and 3 bands."""
    write_raster(tmp_path / "land.tif", np.ones((3, 48, 64), np.uint8))
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted and not result.failed
