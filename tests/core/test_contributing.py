"""The examples of CONTRIBUTING.md work as they stand on the page, and nothing else need be done."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from guide import ROOT, Copy
from small_world import write_raster


@pytest.fixture(scope="module")
def method(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("method") / "copy")
    copy.follow("A new method")
    return copy


@pytest.fixture(scope="module")
def algorithm(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("algorithm") / "copy")
    copy.follow("A new algorithm")
    return copy


@pytest.mark.thorough
def test_both_have_the_style_and_the_types_of_the_rest(tmp_path: Path) -> None:
    """To find out the types of torch takes mypy a minute where it has no cache of them: it is asked once.

    What ``make lint`` has found out helps only where mypy is asked in the same way.
    """
    copy, known_types = Copy(tmp_path / "copy"), tmp_path / "types"
    copy.follow("A new method")
    copy.follow("A new algorithm")
    in_the_same_way = (ROOT / ".mypy_cache").is_dir()
    if in_the_same_way:
        shutil.copytree(ROOT / ".mypy_cache", known_types)
    files = [name for name in dict.fromkeys(copy.changed) if name.endswith(".py")]
    copy.python("-m", "ruff", "check", "--no-cache", *files)
    copy.python("-m", "ruff", "format", "--no-cache", "--check", *files)
    checked = [name for name in files if name.startswith("false_core")]
    asked = () if in_the_same_way else ("--follow-imports=silent",)
    copy.python("-m", "mypy", *asked, "--cache-dir", str(known_types), *checked)


@pytest.mark.thorough
class TestTheNewMethod:
    def test_passes_the_tests_that_the_guide_promises(self, method: Copy) -> None:
        method.test("methods/test_methods.py", "methods/test_vicreg.py", chosen="vicreg or Registry")

    def test_can_be_asked_for(self, method: Copy) -> None:
        assert "vicreg" in method.python("-m", "false_core", "pretrain", "--help")


@pytest.mark.thorough
class TestTheNewAlgorithm:
    @pytest.mark.thorough
    def test_passes_the_tests_that_the_guide_promises(self, algorithm: Copy) -> None:
        algorithm.python("tools/build_help.py")
        ours = "bandstats or band_stats or stale or every_job or index or standard_library or python_3_9 or spells_out"
        files = ("jobs/test_kinds.py", "jobs/test_jobs.py", "test_help.py", "raster/test_band_stats.py")
        algorithm.test(*files, chosen=ours)

    @pytest.mark.thorough
    def test_runs_from_the_command_line(self, algorithm: Copy, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "land.tif", np.ones((2, 8, 8), np.float32))
        table = tmp_path / "bands.csv"
        algorithm.python("-m", "false_core", "bandstats", "--raster", raster, "--output", str(table))
        assert table.read_text("utf-8").split() == ["band,mean,standard_deviation", "1,1.0,0.0", "2,1.0,0.0"]

    def test_says_which_german_texts_are_missing(self, algorithm: Copy) -> None:
        said = algorithm.python("tools/build_translations.py", "--check", status=1)
        for text in ("Statistics of bands", "The raster whose bands are measured.", "Number of bands"):
            assert text in said
