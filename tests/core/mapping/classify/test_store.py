"""All who make a map agree on numbers in the folder of its strips, whatever the file system can do."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from false_core.computing.distributed import ALONE
from false_core.feedback import Feedback
from false_core.jobs import Classify
from false_core.mapping.classify.classify import Classification
from false_core.mapping.classify.store import DIGITS, JobStart, StripStore


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)


@pytest.fixture
def store(tmp_path: Path) -> StripStore:
    store = StripStore(str(tmp_path / "map.tif"), [])
    store.open()
    return store


def test_a_number_is_what_was_named_first(store: StripStore) -> None:
    assert store.number(DIGITS) == 0
    assert [store.put_if_absent(DIGITS, digits) for digits in (8, 24)] == [8, 8]
    assert store.number(DIGITS) == 8


@pytest.mark.usefixtures("no_links")
def test_a_number_is_what_was_named_first_where_there_are_no_links(store: StripStore) -> None:
    test_a_number_is_what_was_named_first(store)


@pytest.mark.thorough
@pytest.mark.usefixtures("no_links")
def test_a_number_is_agreed_on_though_who_began_to_write_it_was_killed(store: StripStore) -> None:
    (store.path / f"{DIGITS}.json").touch()
    assert [store.put_if_absent(DIGITS, digits) for digits in (8, 24)] == [8, 8]
    assert [path.name for path in store.path.iterdir() if path.name.startswith("proposal")] == []


def test_strips_of_another_precision_are_not_gone_on_with(
    land: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is named: auto asks for what the variable says."""
    job = Classify(land, model, str(tmp_path / "map.tif"), device="cpu")
    folders: list[list[str]] = []
    for asked, variable in (("auto", ""), ("auto", "float32"), ("float32", "")):
        monkeypatch.setenv("FALSE_PRECISION", variable)
        start = JobStart.of([job.output], ALONE)
        with Classification(replace(job, precision=asked), start, ALONE.share, Feedback(), computes=False):
            folders.append([path.name for path in tmp_path.iterdir()])
    assert folders[0] != folders[1] == folders[2]
