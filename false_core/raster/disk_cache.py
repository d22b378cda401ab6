"""Bytes on the disk under a key, within a limit: the least recently used ones go first.

Any number of processes of one computer may use the same folder. There is no index and no lock: an entry is a file, which
appears whole or not at all, and its date says when it was last used. Entries are spread over shares of the limit by their
keys, so that making room looks at one share only. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from false_core.errors import OutputError
from false_core.outputs.publish import published

MAGIC = b"FALSE\x01\r\n"
SHARE_BYTES = 256_000_000
"""The least number of bytes of the limit that are looked after together."""
MOST_SHARES = FOLDERS = 256
ENTRIES_OF_A_SHARE = 4
"""Entries that a share holds at least. A larger one is not kept: it would drive out all others."""
LEAST_FREE = 1_000_000_000
"""Bytes that stay free on the disk, whatever the limit."""
ABANDONED_S = 3600.0
"""The age from which on an unfinished file is taken for abandoned."""


@dataclass(frozen=True)
class DiskCache:
    """A folder of entries.

    Args:
        folder: Path of the folder, which is made where need be.
        limit: Bytes of all entries together. Several processes that write at the same moment may exceed it by what they
            write, until the next entry is written.
    """

    folder: Path
    limit: int

    def get(self, key: str) -> bytes | None:
        """Return what was put under ``key``, or None. A damaged entry is removed."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:  # Not there, or just removed.
            return None
        head, body = content[: len(MAGIC) + 4], content[len(MAGIC) + 4 :]
        if head != MAGIC + _checksum(body):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):  # Removed meanwhile, or held by another program.
            os.utime(path)
        return body

    def put(self, key: str, content: bytes) -> None:
        """Keep ``content`` under ``key``, a hexadecimal number. Where that cannot be written a warning says so."""
        path, size = self._path(key), len(content) + len(MAGIC) + 4
        if size > self._share_bytes // ENTRIES_OF_A_SHARE:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._make_room(int(path.parent.name, 16), size)
            if shutil.disk_usage(path.parent).free < LEAST_FREE + size:
                return
            with published(path) as (partial,):
                partial.write_bytes(MAGIC + _checksum(content) + content)
        except (OSError, OutputError) as error:
            reason = getattr(error.__cause__ or error, "strerror", None) or error
            warnings.warn(f"The disk cache {self.folder} cannot be written to: {reason}.", RuntimeWarning, stacklevel=2)

    @property
    def _shares(self) -> int:
        return max(1, min(MOST_SHARES, self.limit // SHARE_BYTES))

    @property
    def _share_bytes(self) -> int:
        return self.limit // self._shares

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _make_room(self, number: int, size: int) -> None:
        """Remove what was not used for longest from the share with folder ``number``, so that ``size`` more fits."""
        share = number * self._shares // FOLDERS
        entries = sorted(self._entries(share), key=lambda entry: entry.stat().st_mtime_ns)
        total = size + sum(entry.stat().st_size for entry in entries)
        for entry in entries:
            if total <= self._share_bytes:
                break
            try:
                os.unlink(entry)
            except FileNotFoundError:  # Another process was faster.
                pass
            except OSError:  # Another process reads it just now, where that keeps it there.
                continue
            total -= entry.stat().st_size

    def _entries(self, share: int) -> Iterator[os.DirEntry[str]]:
        """Yield the entries of a share. What a process left unfinished when it was killed is removed."""
        for number in range(FOLDERS):
            if number * self._shares // FOLDERS != share:
                continue
            try:
                found = list(os.scandir(self.folder / f"{number:02x}"))
            except OSError:  # Nothing was put there yet.
                continue
            for entry in found:
                with contextlib.suppress(OSError):
                    if entry.is_file() and entry.stat():  # Which is remembered.
                        yield entry
                    elif time.time() - entry.stat().st_mtime > ABANDONED_S:
                        shutil.rmtree(entry, ignore_errors=True)


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "little")
