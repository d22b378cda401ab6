"""Tests lie where the module they test leads you to look: a folder of tests is one of the library or of the plugin."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = {"false_core": ROOT / "tests" / "core", "qgis_false": ROOT / "tests" / "plugin"}
TESTED_ELSEWHERE = {"false_core": {"reports"}, "qgis_false": set[str]()}
"""Rooms that are tested where they are used: what reports are built of, by the tests of each job's report."""
FOLDERS = sorted(
    {(program, file.parent.relative_to(tests)) for program, tests in TESTS.items() for file in tests.rglob("test_*.py")}
)


@pytest.mark.parametrize(("program", "folder"), FOLDERS, ids=str)
def test_a_folder_of_tests_is_a_folder_of_the_program(program: str, folder: Path) -> None:
    assert (ROOT / program / folder).is_dir(), f"{TESTS[program]}/{folder} tests no folder of {program}: move its files."


@pytest.mark.parametrize("program", TESTS)
def test_every_folder_of_a_program_has_tests(program: str) -> None:
    rooms = {file.parent.name for file in (ROOT / program).glob("*/__init__.py")}
    # What is in the folders of help pages is no code.
    with_code = {room for room in rooms if len([*(ROOT / program / room).glob("*.py")]) > 1}
    tested = {folder.parts[0] for one, folder in FOLDERS if one == program and folder.parts}
    assert with_code - tested == TESTED_ELSEWHERE[program], "Write a test_<module>.py in the folder of that name."


@pytest.mark.parametrize("program", TESTS)
def test_no_two_files_have_the_same_name(program: str) -> None:
    names = [file.name for file in TESTS[program].rglob("test_*.py")]
    assert len(names) == len(set(names)), "pytest could not tell them apart."


@pytest.mark.parametrize("room", sorted(file.parent.name for file in (ROOT / "qgis_false").glob("*/__init__.py")))
def test_a_test_of_one_module_of_the_plugin_is_in_the_folder_of_that_module(room: str) -> None:
    modules = {file.stem for file in (ROOT / "qgis_false" / room).rglob("*.py")}
    astray = [file.name for file in TESTS["qgis_false"].glob("test_*.py") if file.stem.removeprefix("test_") in modules]
    assert not astray, f"Move these to tests/plugin/{room}."
