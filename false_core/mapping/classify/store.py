"""The finished strips of a map, beside the map to be: what a job that was interrupted goes on with.

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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from false_core import __version__
from false_core.computing.distributed import World
from false_core.errors import InputError, OutputError
from false_core.mapping.classify.plan import Strip
from false_core.mapping.map_overview import MapOverview, StripOverview
from false_core.outputs.hidden_names import EARLIER_STRIPS_ENDING, FINISHED_STRIP, STRIPS_ENDING, start_of
from false_core.outputs.locks import FolderLock, is_abandoned
from false_core.outputs.publish import discard_without_strips, fsync_path, make_own_folder, strips_folders, unfinished
from false_core.raster.file_state import FileSignature, signature_of

STORED_DAYS = 30
TILES_AT_A_TIME = "tiles at a time"
"""The name of a number that is found by taking the time, and that all processes agree on."""
DIGITS = "digits"
"""The name of the binary digits of the numbers that the network computes with, on which all agree too."""
INT8_NETWORK = "int8 network"
"""The name of the number of all that decides which network in int8 is made of a model, on which all agree as well."""
MAP_LAYER, CONFIDENCE_LAYER = "map.tif", "confidence.tif"
"""Layers, as their files are called in a strip. One that is missing there holds nothing but nodata."""
_SEEN, _CONTENTS, _FAILED = "seen.safetensors", "contents.json", "failed.json"
_FILES = {MAP_LAYER, CONFIDENCE_LAYER, _SEEN, _CONTENTS}
_READ_AT_ONCE = 1 << 20
_LOOKS = 20


@dataclass(frozen=True)
class JobStart:
    """The facts about the start of a job that all processes know.

    Attributes:
        run_id: A word that no other run of the job has.
        signatures: Signatures of the outputs at the start, by path, as ``signature_of`` returns them.
    """

    run_id: str
    signatures: dict[str, FileSignature]

    @classmethod
    def of(cls, outputs: Iterable[str], world: World) -> JobStart:
        """Find out. To be called by all processes."""

        def look() -> list[Any]:
            return [
                secrets.token_hex(8),
                {output: [list(signature) for signature in signature_of([output])] for output in outputs},
            ]

        run_id, signatures = world.broadcast_object(look)
        return cls(run_id, {output: [tuple(signature) for signature in found] for output, found in signatures.items()})

    def was_written(self, output: str) -> bool:
        """Return whether an output is another one than it was."""
        return signature_of([output]) != self.signatures.get(output)


class StripStore:
    """The folder with the finished strips of a map.

    Args:
        decisive: Everything that decides its pixels. Strips made with anything else are not found.
    """

    def __init__(self, output: str, decisive: Sequence[Any]) -> None:
        name = digest_of_values([decisive, __version__])[:16]
        target = Path(output)
        self._start = start_of(target.name)
        self.path = target.parent / f"{self._start}{name}{STRIPS_ENDING}"
        self._lock: FolderLock | None = None

    def open(self) -> None:
        """Make the folder where it is not there yet.

        Raises:
            OutputError: It cannot be made, or another user has made it.
        """
        try:
            make_own_folder(self.path)
        except OSError as error:
            raise OutputError(f"{self.path.parent} cannot be written to: {error.strerror}.") from error

    def lock(self) -> None:
        """Lock the folder, to keep other jobs out that make the same map in the same place.

        Raises:
            OutputError: One is at it.
        """
        try:
            self._lock = FolderLock(self.path)
            strips_folders.add(self.path)
        except BlockingIOError as error:
            raise OutputError(
                "Another process is making this very map right now.", "Wait until it is done, or choose another file."
            ) from error

    def put_if_absent(self, what: str, number: int) -> int:
        """Return a number on which all processes, and all runs, of this job agree: the one that was named first."""
        path = self._number_file(what)
        proposal = self.path / f"proposal-{secrets.token_hex(4)}"
        text = json.dumps(number)
        try:
            proposal.write_text(text, encoding="utf-8")
            try:
                os.link(proposal, path)  # Fails where there is one, unlike renaming.
            except FileExistsError:
                pass
            except OSError:  # A file system without links, for one.
                with contextlib.suppress(FileExistsError), open(path, "x", encoding="utf-8") as file:
                    file.write(text)
            if not _number_in(path):  # Who began to write it was killed.
                proposal.replace(path)
            return _number_in(path) or number
        except OSError:
            return number
        finally:
            proposal.unlink(missing_ok=True)

    def number(self, what: str) -> int:
        """Return what was agreed on, or 0 where nothing was."""
        return _number_in(self._number_file(what))

    def _number_file(self, what: str) -> Path:
        return self.path / f"{what.replace(' ', '-')}.json"

    def folder(self, strip: Strip) -> Path:
        """Return where a strip lies once it is finished."""
        return self.path / f"{FINISHED_STRIP}{strip.number:06d}"

    def scratch(self, strip: Strip) -> Path:
        """Make the folder in which a strip is written."""
        scratch = self.path / f"unfinished-{strip.number:06d}-{secrets.token_hex(4)}"
        try:
            scratch.mkdir()
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written to: {error.strerror}.") from error
        return scratch

    def finish(self, strip: Strip, scratch: Path, overview: StripOverview) -> None:
        """Turn what was written into a finished strip, once the disk has it.

        Raises:
            OutputError: The disk is full.
        """
        try:
            tensors: dict[str, Any] = {"pixels": overview.pixels, "map": overview.map, "image": overview.image}
            safetensors.numpy.save_file(tensors, scratch / _SEEN)
            contents = {path.name: digest_of(path) for path in sorted(scratch.iterdir())}
            (scratch / _CONTENTS).write_text(json.dumps(contents), encoding="utf-8")
            self._keep(strip, scratch)
        except (OSError, safetensors.SafetensorError) as error:
            raise _unwritable(error) from error

    def files(self, strip: Strip) -> dict[str, bytes]:
        """Return what a finished strip consists of, for another store."""
        return {path.name: path.read_bytes() for path in self.folder(strip).iterdir()}

    def receive(self, strip: Strip, files: Mapping[str, bytes]) -> None:
        """Store a strip that was finished in another store, from what ``files`` returned there.

        Raises:
            OutputError: The disk is full.
        """
        scratch = self.scratch(strip)
        with unfinished(scratch):
            try:
                for name in _FILES & files.keys():
                    (scratch / name).write_bytes(files[name])
                self._keep(strip, scratch)
            except OSError as error:
                raise _unwritable(error) from error

    def _keep(self, strip: Strip, scratch: Path) -> None:
        for path in scratch.iterdir():
            fsync_path(path)
        fsync_path(scratch)
        # A process that made the same strip in the meantime made the same bytes.
        if not self.is_finished(strip):
            self.remove(strip)  # What is left of one that was being removed when its process was killed.
            scratch.rename(self.folder(strip))
        fsync_path(self.path)

    def report_failure(self, run_id: str, error: InputError) -> None:
        """Leave word that a strip will not come because of the raster, for the process of this run that waits for it."""
        note = {"run": run_id, "what": error.what, "remedy": error.remedy}
        with contextlib.suppress(OSError):  # Then no process can write here, which is a failure of its own.
            partial = self.path / f"failed-{secrets.token_hex(4)}"
            partial.write_text(json.dumps(note), encoding="utf-8")
            os.replace(partial, self.path / _FAILED)

    def raise_reported_failure(self, run_id: str) -> None:
        """Raise InputError where a process has left word that a strip will not come."""
        try:
            note = json.loads((self.path / _FAILED).read_text(encoding="utf-8"))
            said = InputError(str(note["what"]), str(note["remedy"])) if note["run"] == run_id else None
        except (OSError, ValueError, KeyError, TypeError):
            return
        if said is not None:
            raise said

    def is_finished(self, strip: Strip) -> bool:
        """Return whether a strip is there, undamaged or not."""
        return (self.folder(strip) / _CONTENTS).is_file()

    def has_changed(self, strip: Strip) -> bool:
        """Return whether a finished strip consists of other bytes than were written."""
        folder = self.folder(strip)
        try:
            contents = json.loads((folder / _CONTENTS).read_text(encoding="utf-8"))
            return (
                not isinstance(contents, dict)
                or _SEEN not in contents
                or any(digest_of(folder / str(name)) != digest for name, digest in contents.items())
            )
        except (OSError, ValueError):
            return True

    def remove(self, strip: Strip) -> None:
        """Remove a strip."""
        shutil.rmtree(self.folder(strip), ignore_errors=True)

    def layer(self, strip: Strip, name: str) -> Path | None:
        """Return the file of a finished strip, None where it holds nothing but nodata."""
        path = self.folder(strip) / name
        return path if path.exists() else None

    def add_to(self, overview: MapOverview, strips: Iterable[Strip]) -> None:
        """Put together what finished strips look like from afar."""
        for strip in strips:
            seen = safetensors.numpy.load_file(self.folder(strip) / _SEEN)
            overview.put(strip.window, StripOverview(seen["pixels"], seen["map"], seen["image"]))

    def close(self, done: bool, others: bool) -> None:
        """Unlock the folder, and remove it where it is of no more use.

        Args:
            done: True where the map is finished. Then the folder is removed.
            others: True where other processes may be writing into it. If not it is also removed where no strip is finished.
        """
        if done:
            shutil.rmtree(self.path, ignore_errors=True)
            self._remove_abandoned()
        elif not others:
            discard_without_strips(self.path)
        strips_folders.discard(self.path)
        if self._lock:
            self._lock.release()

    def _remove_abandoned(self) -> None:
        # Of this map, which is there now, and of any other in the folder after some time.
        for other in self.path.parent.iterdir():
            with contextlib.suppress(OSError):
                endings = (STRIPS_ENDING, EARLIER_STRIPS_ENDING)
                if not (other.name.startswith(".") and other.name.endswith(endings) and other.is_dir()):
                    continue
                same = other.name.startswith(self._start) and len(other.stem) == len(self.path.stem)
                old = time.time() - other.stat().st_mtime > STORED_DAYS * 86400
                if (same or old) and is_abandoned(other):
                    shutil.rmtree(other)


def _number_in(path: Path) -> int:
    """Return the number in a file, or 0 where there is none after a second: without links a file is there before it."""
    for _ in range(_LOOKS):
        if not path.exists():
            break
        with contextlib.suppress(OSError, ValueError):
            number = json.loads(path.read_text(encoding="utf-8"))
            return number if isinstance(number, int) and number > 0 else 0
        time.sleep(1 / _LOOKS)
    return 0


def _unwritable(error: Exception) -> OutputError:
    return OutputError(f"A strip of the map cannot be written: {error}.", "Is the disk full?")


def digest_of_values(values: Sequence[Any]) -> str:
    """Return the SHA-256 of what decides something."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()
