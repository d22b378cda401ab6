"""Small disks for tests, in memory or in a file, mounted where the system allows it.

Elsewhere the tests that need them say why they do not run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Disk:
    """A mounted disk."""

    folder: Path

    def remount(self, options: str) -> None:
        """Change its size, or whether it can be written to: ``size=100m``, ``ro``, ``rw``."""
        _mount("-o", f"remount,{options}", str(self.folder))


@contextmanager
def disk_in_memory(folder: Path, size: str) -> Iterator[Disk]:
    """Mount a disk of a size such as ``100k``, which really is full when it is full."""
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield Disk(folder)


@contextmanager
def disk_in_file(folder: Path, image: Path, options: str = "") -> Iterator[Disk]:
    """Mount the ext4 file system in a file, which is made where it is missing."""
    if not image.exists():
        image.write_bytes(b"")
        with image.open("r+b") as file:
            file.truncate(16 << 20)
        _run("mke2fs", "-q", "-t", "ext4", str(image))
    with _mounted(folder, "-t", "ext4", "-o", f"loop{options}", str(image)):
        yield Disk(folder)


@contextmanager
def covered(file: Path, by: Path) -> Iterator[None]:
    """Mount a file over another one: it cannot be replaced then, as one that a program on Windows has open."""
    with _mounted(file, "--bind", str(by)):
        yield


@contextmanager
def _mounted(at: Path, *what: str) -> Iterator[None]:
    if not at.exists():
        at.mkdir()
    _mount(*what, str(at))
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)


def _mount(*arguments: str) -> None:
    _run("mount", *arguments)


def _run(*command: str) -> None:
    if sys.platform != "linux":
        pytest.skip("mounts a disk, which is written for Linux")
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip(f"there is no {command[0]}")
    if done.returncode:
        pytest.skip(f"a disk cannot be mounted here: {done.stderr.strip()}")
