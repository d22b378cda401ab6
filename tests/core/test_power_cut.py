"""The power fails: what the disk holds at that moment is copied, mounted as after a restart, and looked at."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_disks import Disk, disk_in_file

from false_core.outputs import publish
from false_core.outputs.publish import published

pytestmark = pytest.mark.thorough

SIZE = 300_000
# Without what ext4 does by itself for programs that forget to wait for the disk, and with its journal written every second.
BARE = ",noauto_da_alloc,commit=1"

WRITES_ON = """
import os, sys
from pathlib import Path
from false_core.outputs.publish import published
folder, count = map(Path, sys.argv[1:])
for number in range(1, 1000):
    with published(folder / "map.tif", folder / "map.qml") as partial:
        for path in partial:
            path.write_bytes(f"{number:08d}".encode() * (300_000 // 8))
    (count.parent / "next").write_text(str(number))
    os.replace(count.parent / "next", count)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with disk_in_file(tmp_path / "disk", tmp_path / "image", BARE) as made:
        yield made


def version(number: int) -> bytes:
    return f"{number:08d}".encode() * (SIZE // 8)


def write(disk: Disk, number: int) -> None:
    with published(disk.folder / "map.tif", disk.folder / "map.qml") as partial:
        for path in partial:
            path.write_bytes(version(number))


def after_the_cut(image: Path) -> list[bytes]:
    """Return what map and style hold when the copy of a disk is mounted."""
    with disk_in_file(image.with_suffix(".mounted"), image) as copy:
        return [(copy.folder / name).read_bytes() for name in ("map.tif", "map.qml")]


def whole(content: bytes) -> int:
    """Return which version it is, all of it."""
    number = int(content[:8]) if content else -1
    assert content == version(number), f"{len(content)} bytes, which begin with {content[:8]!r}"
    return number


class TestAPowerCut:
    def test_takes_nothing_back_that_was_published(self, disk: Disk, tmp_path: Path) -> None:
        for number in range(3):
            write(disk, number)
            shutil.copy(tmp_path / "image", tmp_path / f"cut{number}")
        for number in range(3):
            assert [whole(content) for content in after_the_cut(tmp_path / f"cut{number}")] == [number, number]

    def test_leaves_one_whole_version_or_the_other_at_any_moment(self, disk: Disk, tmp_path: Path) -> None:
        count, image = tmp_path / "count", tmp_path / "image"
        count.write_text("0")
        write(disk, 0)
        writer = subprocess.Popen([sys.executable, "-c", WRITES_ON, str(disk.folder), str(count)])
        cuts = []
        try:
            while len(cuts) < 12:
                time.sleep(0.01 + 0.05 * len(cuts) / 12)
                # Held still, as a copy takes some time.
                writer.send_signal(signal.SIGSTOP)
                time.sleep(0.02)
                done = int(count.read_text())
                if done:
                    cuts.append((tmp_path / f"cut{len(cuts)}", done))
                    shutil.copy(image, cuts[-1][0])
                writer.send_signal(signal.SIGCONT)
        finally:
            writer.kill()
            writer.wait()
        assert cuts[-1][1] > 3
        for copy, done in cuts:
            for content in after_the_cut(copy):
                assert done <= whole(content) <= done + 1

    def test_would_leave_an_empty_file_if_the_disk_were_not_waited_for(
        self, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Shows that the two above can fail."""
        write(disk, 0)
        monkeypatch.setattr(publish, "fsync_path", lambda _: None)
        write(disk, 1)
        time.sleep(3)  # The journal has the new name by now, and not what it stands for.
        shutil.copy(tmp_path / "image", tmp_path / "cut")
        contents = after_the_cut(tmp_path / "cut")
        assert any(content not in (version(0), version(1)) for content in contents)

    def test_leaves_a_scratch_folder_that_the_next_run_removes(self, disk: Disk, tmp_path: Path) -> None:
        with published(disk.folder / "map.tif") as (partial,):
            partial.write_bytes(version(1))
            publish.fsync_path(partial)
            publish.fsync_path(partial.parent)
            publish.fsync_path(disk.folder)
            shutil.copy(tmp_path / "image", tmp_path / "cut")
        with disk_in_file(tmp_path / "after", tmp_path / "cut") as copy:
            assert [path.suffix for path in copy.folder.iterdir() if path.name != "lost+found"] == [".partial"]
            time.sleep(1.1)  # Younger, it might be about to be held.
            write(copy, 2)
            assert sorted(path.name for path in copy.folder.iterdir()) == ["lost+found", "map.qml", "map.tif"]
