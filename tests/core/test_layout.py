"""Tests lie where the module that they test leads you to look: a folder of tests is a folder of the library."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests" / "core"
FOLDERS = sorted({file.parent.relative_to(TESTS) for file in TESTS.rglob("test_*.py")} - {Path()})


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_a_folder_of_tests_is_a_folder_of_the_library(folder: Path) -> None:
    assert (ROOT / "false_core" / folder).is_dir(), f"tests/core/{folder} tests no folder of false_core: move its files."


def test_every_folder_of_the_library_has_tests() -> None:
    rooms = {file.parent.name for file in (ROOT / "false_core").glob("*/__init__.py")}
    tested = {folder.parts[0] for folder in FOLDERS}
    # What these hold is tested where it is used: reports by the reports of each job, layers by the jobs that write them.
    assert rooms - tested <= {"reports", "vector"}, "Write tests/core/<folder>/test_<module>.py."


def test_no_two_files_have_the_same_name() -> None:
    names = [file.name for file in TESTS.rglob("test_*.py")]
    assert len(names) == len(set(names)), "pytest could not tell them apart."
