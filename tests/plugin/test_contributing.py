"""The algorithm that CONTRIBUTING.md adds to a copy of this repository is in the toolbox, with its dialog and its icon."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from guide import Copy  # noqa: E402 - it lies beside the folders of tests.


@pytest.mark.thorough
def test_the_new_algorithm_passes_the_tests_that_the_guide_promises(qgis_app, tmp_path):
    copy = Copy(tmp_path / "copy")
    copy.follow("A new algorithm")
    copy.test("algorithms/test_parameters.py", "test_icons.py", chosen="bandstats or every_job or left_over", room="plugin")
