"""Bytes kept on the disk within a limit, by any number of processes, and never given back other than they were."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from false_core.raster import disk_cache
from false_core.raster.disk_cache import DiskCache

ENTRY = 1000


def key(number: object) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def put(cache: DiskCache, *numbers: int) -> None:
    for number in numbers:
        cache.put(key(number), bytes([number % 256]) * ENTRY)
        time.sleep(0.02)  # The date of a file is only that exact.


class TestAnEntry:
    def test_comes_back_as_it_was(self, tmp_path: Path) -> None:
        cache = DiskCache(tmp_path / "made" / "where it is not", 10**6)
        assert cache.get(key(1)) is None
        cache.put(key(1), b"one")
        cache.put(key(2), b"")
        assert (cache.get(key(1)), cache.get(key(2))) == (b"one", b"")
        cache.put(key(1), b"another")
        assert DiskCache(cache.folder, 10**6).get(key(1)) == b"another"

    @pytest.mark.parametrize("damage", ["cut off", "emptied", "changed", "another file"])
    def test_that_is_damaged_is_dropped(self, tmp_path: Path, damage: str) -> None:
        cache = DiskCache(tmp_path, 10**6)
        cache.put(key(1), bytes(range(256)))
        (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
        content = bytearray(file.read_bytes())
        if damage == "changed":
            content[100] ^= 1
        file.write_bytes({"cut off": content[:-9], "emptied": b"", "changed": content, "another file": b"x" * 99}[damage])
        assert cache.get(key(1)) is None
        assert not file.exists()


class TestTheLimit:
    def test_is_held_by_dropping_what_was_not_used_for_longest(self, tmp_path: Path) -> None:
        cache = DiskCache(tmp_path, 5 * (ENTRY + 20))
        put(cache, 1, 2, 3, 4, 5)
        assert cache.get(key(1)) is not None
        time.sleep(0.02)
        put(cache, 6, 7)
        assert [number for number in range(1, 8) if cache.get(key(number)) is not None] == [1, 4, 5, 6, 7]
        assert size_of(tmp_path) <= cache.limit

    @pytest.mark.thorough
    def test_counts_for_large_caches_share_by_share(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(disk_cache, "SHARE_BYTES", 20 * ENTRY)
        cache = DiskCache(tmp_path, 200 * ENTRY)
        for number in range(1000):
            cache.put(key(number), bytes(ENTRY))
            assert number % 50 or size_of(tmp_path) <= cache.limit
        assert 0.7 * cache.limit < size_of(tmp_path) <= cache.limit

    def test_leaves_no_room_for_what_would_drive_out_all_else(self, tmp_path: Path) -> None:
        cache = DiskCache(tmp_path, 10_000)
        put(cache, 1)
        cache.put(key(2), bytes(5000))
        assert cache.get(key(1)) is not None
        assert cache.get(key(2)) is None

    def test_is_not_the_only_one_as_the_disk_must_not_fill_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(disk_cache, "LEAST_FREE", 2**62)
        cache = DiskCache(tmp_path, 10**6)
        put(cache, 1)
        assert cache.get(key(1)) is None
        assert size_of(tmp_path) == 0


class TestWhatElseIsInTheFolder:
    def test_what_a_killed_process_left_is_removed_once_it_is_old(self, tmp_path: Path) -> None:
        cache = DiskCache(tmp_path, 10**6)
        folder = tmp_path / key(1)[:2]
        for name, age in (("old", 2 * disk_cache.ABANDONED_S), ("new", 0.0)):
            (folder / f".{name}.partial").mkdir(parents=True)
            (folder / f".{name}.partial" / "x").touch()
            os.utime(folder / f".{name}.partial", (time.time() - age,) * 2)
        put(cache, 1)
        assert [path.name for path in folder.glob(".*")] == [".new.partial"]

    def test_a_folder_that_cannot_be_written_to_costs_a_warning_and_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        cache = DiskCache(tmp_path / "file", 10**6)
        with pytest.warns(RuntimeWarning, match="disk cache .*file cannot be written to"):
            cache.put(key(1), b"x")
        assert cache.get(key(1)) is None


BUSY = """
import random, sys, time
from pathlib import Path
from false_core.raster.disk_cache import DiskCache
folder, seed, limit, most = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), 60
sys.path.insert(0, sys.argv[4])
from test_disk_cache import ENTRY, key
chance, cache, hits = random.Random(seed), DiskCache(folder, limit), 0
ends = time.monotonic() + 3
while time.monotonic() < ends:
    number = chance.randrange(most)
    wanted = bytes([number]) * ENTRY
    found = cache.get(key(number))
    assert found in (None, wanted), "another entry, or half of one"
    hits += found is not None
    if found is None:
        cache.put(key(number), wanted)
assert hits, "what the others wrote is of use"
"""


@pytest.mark.thorough
def test_several_processes_share_it(tmp_path: Path) -> None:
    limit = 30 * ENTRY
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", BUSY, str(tmp_path)]
    busy = [subprocess.Popen([*command, str(seed), str(limit), here], stderr=subprocess.PIPE) for seed in range(4)]
    largest = 0
    while any(process.poll() is None for process in busy):
        sizes = []
        for file in tmp_path.glob("*/*"):
            try:
                sizes.append(file.stat().st_size if file.is_file() else 0)
            except FileNotFoundError:
                continue
        largest = max(largest, sum(sizes))
        time.sleep(0.05)
    for process in busy:
        said = process.communicate()[1].decode()
        assert process.returncode == 0, said
    assert 0 < largest <= limit + len(busy) * (ENTRY + 20), "by no more than what is written at that moment"
    assert not list(tmp_path.rglob("*.partial"))
