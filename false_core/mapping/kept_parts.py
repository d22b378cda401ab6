"""The parts of a map that are finished, beside the map to be: what a job that was interrupted goes on with.

They lie in a hidden folder named after everything that decides what is in them. Each is a folder of its own that appears at
once, when the disk has it, and says which bytes it must consist of. Processes that make a map together meet here too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from false_core import __version__
from false_core.errors import InputError, OutputError
from false_core.locks import FolderLock, is_abandoned
from false_core.mapping.map_overview import MapOverview, Piece
from false_core.mapping.parts import Part
from false_core.publish import FINISHED, KEPT_ENDING, settle

KEPT_DAYS = 30
MAP, CONFIDENCE = "map.tif", "confidence.tif"
"""Layers, as they are called in a part. One that is missing there holds nothing but nodata."""
_SEEN, _CONTENTS, _GIVEN_UP = "seen.safetensors", "contents.json", "given-up.json"
_READ_AT_ONCE = 1 << 20


class KeptParts:
    """The folder with the finished parts of a map.

    Args:
        output: The map.
        decisive: Whatever decides its pixels. Parts made with anything else are not found.
    """

    def __init__(self, output: str, decisive: Sequence[Any]) -> None:
        text = json.dumps([decisive, __version__], sort_keys=True, default=str)
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        target = Path(output)
        self._start = f".{target.name[:40]}."
        self.path = target.parent / f"{self._start}{name}{KEPT_ENDING}"
        self._hold: FolderLock | None = None

    def open(self) -> None:
        """Make the folder where it is not there yet.

        Raises:
            OutputError: It cannot be made.
        """
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path.parent} cannot be written to: {error.strerror}.") from error

    def hold(self) -> None:
        """Keep other jobs out that make the same map in the same place.

        Raises:
            OutputError: One is at it.
        """
        try:
            self._hold = FolderLock(self.path)
        except BlockingIOError as error:
            raise OutputError(
                "Another process is making this very map right now.", "Wait until it is done, or choose another file."
            ) from error

    def agreed_on(self, what: str, number: int) -> int:
        """Return a number on which all processes, and all runs, of this job agree: the one that was named first."""
        path = self.path / f"{what.replace(' ', '-')}.json"
        proposal = self.path / f"proposal-{secrets.token_hex(4)}"
        try:
            proposal.write_text(json.dumps(number), encoding="utf-8")
            with contextlib.suppress(FileExistsError):
                os.link(proposal, path)  # Fails where there is one, unlike renaming.
            agreed = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # A file system without links, for one.
            return number
        finally:
            proposal.unlink(missing_ok=True)
        return agreed if isinstance(agreed, int) and agreed > 0 else number

    def folder(self, part: Part) -> Path:
        """Return where a part lies once it is finished."""
        return self.path / f"{FINISHED}{part.number:06d}"

    def scratch(self, part: Part) -> Path:
        """Make the folder in which a part is written."""
        scratch = self.path / f"unfinished-{part.number:06d}-{secrets.token_hex(4)}"
        try:
            scratch.mkdir()
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written to: {error.strerror}.") from error
        return scratch

    def finish(self, part: Part, scratch: Path, piece: Piece) -> None:
        """Turn what was written into a finished part, once the disk has it.

        Raises:
            OutputError: The disk is full.
        """
        try:
            tensors: dict[str, Any] = {"pixels": piece.pixels, "map": piece.map, "image": piece.image}
            safetensors.numpy.save_file(tensors, scratch / _SEEN)
            contents = {path.name: digest_of(path) for path in sorted(scratch.iterdir())}
            (scratch / _CONTENTS).write_text(json.dumps(contents), encoding="utf-8")
            for path in scratch.iterdir():
                settle(path)
            settle(scratch)
            # Whoever made the same part in the meantime made the same bytes.
            if not self.is_finished(part):
                self.forget(part)  # What is left of one that was being removed when its process was killed.
                scratch.rename(self.folder(part))
            settle(self.path)
        except (OSError, safetensors.SafetensorError) as error:
            raise OutputError(f"A part of the map cannot be written: {error}.", "Is the disk full?") from error

    def give_up(self, life: str, error: InputError) -> None:
        """Leave word that a part will not come because of the raster, for whoever waits for it in this life of the job."""
        note = {"life": life, "what": error.what, "remedy": error.remedy}
        with contextlib.suppress(OSError):  # Then nobody can write here, which is a failure of its own.
            partial = self.path / f"given-up-{secrets.token_hex(4)}"
            partial.write_text(json.dumps(note), encoding="utf-8")
            os.replace(partial, self.path / _GIVEN_UP)

    def raise_if_given_up(self, life: str) -> None:
        """Raise InputError where a process has left word that a part will not come."""
        try:
            note = json.loads((self.path / _GIVEN_UP).read_text(encoding="utf-8"))
            said = InputError(str(note["what"]), str(note["remedy"])) if note["life"] == life else None
        except (OSError, ValueError, KeyError, TypeError):
            return
        if said is not None:
            raise said

    def is_finished(self, part: Part) -> bool:
        """Return whether a part is there, undamaged or not."""
        return (self.folder(part) / _CONTENTS).is_file()

    def is_damaged(self, part: Part) -> bool:
        """Return whether a finished part consists of other bytes than were written."""
        folder = self.folder(part)
        try:
            contents = json.loads((folder / _CONTENTS).read_text(encoding="utf-8"))
            return (
                not isinstance(contents, dict)
                or _SEEN not in contents
                or any(digest_of(folder / str(name)) != digest for name, digest in contents.items())
            )
        except (OSError, ValueError):
            return True

    def forget(self, part: Part) -> None:
        """Remove a part."""
        shutil.rmtree(self.folder(part), ignore_errors=True)

    def layer(self, part: Part, name: str) -> Path | None:
        """Return the file of a finished part, None where it holds nothing but nodata."""
        path = self.folder(part) / name
        return path if path.exists() else None

    def put_into(self, overview: MapOverview, parts: Iterable[Part]) -> None:
        """Put together what finished parts look like from afar."""
        for part in parts:
            seen = safetensors.numpy.load_file(self.folder(part) / _SEEN)
            overview.put(part.window, Piece(seen["pixels"], seen["map"], seen["image"]))

    def close(self, done: bool, others: bool) -> None:
        """Let the folder go.

        Args:
            done: Whether the map is. Then the folder is removed.
            others: Whether other processes may be writing into it. If not it is also removed where no part is finished.
        """
        if done:
            shutil.rmtree(self.path, ignore_errors=True)
            self._remove_what_nobody_came_back_for()
        elif not others and not any(self.path.glob(f"{FINISHED}*")):
            shutil.rmtree(self.path, ignore_errors=True)
        if self._hold:
            self._hold.release()

    def _remove_what_nobody_came_back_for(self) -> None:
        # Of this map, which is there now, and of any other in the folder after some time.
        for other in self.path.parent.iterdir():
            with contextlib.suppress(OSError):
                if not (other.name.startswith(".") and other.name.endswith(KEPT_ENDING) and other.is_dir()):
                    continue
                same = other.name.startswith(self._start) and len(other.name) == len(self.path.name)
                old = time.time() - other.stat().st_mtime > KEPT_DAYS * 86400
                if (same or old) and is_abandoned(other):
                    shutil.rmtree(other)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()
