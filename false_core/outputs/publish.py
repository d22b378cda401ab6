"""Outputs appear whole or not at all.

A file is written under a hidden name in the folder it belongs to, and renamed over its final name when it is complete and
the disk has it. What belonged to the one it replaces goes with that (``false_core.outputs.sidecars``). What a process that
was killed left behind is removed by the next one that writes the same output. Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from false_core import jobs
from false_core.errors import OutputError
from false_core.outputs.hidden_names import FINISHED_STRIP, STRIPS_ENDING, UNFINISHED_ENDING, start_of
from false_core.outputs.locks import FolderLock, NameLock, is_abandoned
from false_core.outputs.sidecars import check_replaceable, check_sidecars, is_sidecar, layer_that_is_folder, left_over
from false_core.settings import cache_folder

_NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}
LONGEST_OUTPUT_NAME = 220
"""Bytes of the name of an output. Most systems allow 255, and what comes to lie beside it is called by more letters."""
_unfinished: set[Path] = set()
strips_folders: set[Path] = set()
"""Folders of strips of the maps that this process puts together."""


@contextmanager
def published(*targets: str | os.PathLike[str], with_sidecars: bool = False) -> Iterator[list[Path]]:
    """Give one scratch path per target; on leaving without an error, move each scratch file to its target.

    With sidecars, what was written beside the scratch files, such as the other files of a Shapefile, goes along.

    The scratch paths lie in a new hidden folder beside the first target, and keep the names of the targets, so that
    drivers which go by the file extension, and files that refer to each other, work as they will in the end.

    Raises:
        OutputError: A target cannot be written, or is a database that is open and changed.
    """
    finals = [Path(target) for target in targets]
    with scratch_folder(finals[0].parent, finals[0].name) as scratch:
        partial = [scratch / final.name for final in finals]
        try:
            yield partial
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise _unwritable(finals[0], error) from error
        sidecars = sorted(path for path in scratch.iterdir() if path not in partial) if with_sidecars else []
        moves = list(zip([*sidecars, *partial], [*(finals[0].parent / sidecar.name for sidecar in sidecars), *finals]))
        for source, final in moves:
            try:
                # Readable for all who may read new files here, even if the writer made it private, as safetensors does.
                source.chmod(scratch.stat().st_mode & 0o666)
                fsync_path(source)
            except OSError as error:
                raise _unwritable(final, error) from error
        new = [final for _, final in moves]
        for final in finals:
            check_replaceable(final)
            check_sidecars(final, set(new) - set(finals))
        _replace_all(moves, [path for final in finals for path in left_over(final, new)], scratch)
        for folder in {final.parent for final in finals}:
            fsync_path(folder)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror}.", "Is the disk full?")


def _replace_all(moves: Sequence[tuple[Path, Path]], gone: Sequence[Path], scratch: Path) -> None:
    """Remove files, and move others to their final names. Where one cannot be, all get back what they were before."""
    earlier: list[tuple[Path, Path]] = []
    # What goes first: had only the new file appeared, it would be read with what belonged to the old one.
    steps = [*((None, path) for path in gone), *moves]
    for number, (source, final) in enumerate(steps):
        before = scratch / f"before-{number}"
        try:
            if source is not None:
                with contextlib.suppress(OSError):  # Not there, no file, or on a file system without links.
                    os.link(final, before)
                os.replace(source, final)
            elif os.path.lexists(final):
                os.replace(final, before)
        except OSError as error:
            for other, content in reversed(earlier):
                with contextlib.suppress(OSError):
                    os.replace(content, other)
            raise OutputError(
                f"{final} cannot be replaced: {error.strerror}.", "Close the programs that have it open, then try again."
            ) from error
        if os.path.lexists(before):
            earlier.append((final, before))


@contextmanager
def locked_outputs(job: jobs.Job) -> Iterator[None]:
    """Keep other jobs of this user from writing the same files while this one is at work.

    Folders are left out: several jobs may write into one.

    Raises:
        OutputError: Another job is about to write one of them.
    """
    folder = cache_folder() / "held"
    with contextlib.ExitStack() as stack:
        for name, path in jobs.outputs(job).items():
            if jobs.parameters(job)[name].kind.is_folder:
                continue
            target = os.path.normcase(os.path.realpath(path))
            try:
                folder.mkdir(parents=True, exist_ok=True)
                hold = NameLock(folder / hashlib.sha256(os.fsencode(target)).hexdigest()[:32])
            except BlockingIOError as error:
                raise OutputError(
                    f"Another job is about to write {path}.", "Wait until it is done, or choose another file."
                ) from error
            except OSError:  # No such folder can be made, or its file system has no locks. Each file is whole all the same.
                continue
            stack.callback(hold.release)
        yield


@contextmanager
def scratch_folder(folder: Path, name: str) -> Iterator[Path]:
    """Make a hidden folder for what becomes ``name`` in ``folder``, and remove it in the end.

    Removes first what processes left there that were killed while they wrote the same.

    Raises:
        OutputError: ``folder`` cannot be written to.
    """
    start = start_of(name)
    scratch = folder / f"{start}{secrets.token_hex(4)}{UNFINISHED_ENDING}"
    try:
        for left in folder.iterdir():
            if left.name.startswith(start) and left.name.endswith(UNFINISHED_ENDING) and len(left.name) == len(scratch.name):
                discard_abandoned(left)
        scratch.mkdir()
        hold = FolderLock(scratch)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written to: {error.strerror}.") from error
    try:
        with unfinished(scratch):
            yield scratch
    finally:
        hold.release()


@contextmanager
def unfinished(scratch: Path) -> Iterator[None]:
    """Remove a folder in the end, and also where the process ends itself before that."""
    _unfinished.add(scratch)
    try:
        yield
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        _unfinished.discard(scratch)


def make_own_folder(folder: Path) -> None:
    """Make a folder whose name can be foreseen, or take the one that this user has made before.

    Raises:
        OutputError: Something else is there: a link, or a folder of another user, who could say what becomes of the output.
        OSError: It cannot be made.
    """
    try:
        folder.mkdir()
        return
    except FileExistsError:
        found = os.lstat(folder)
    # What this user is called on this file system: not every network drive calls them as the system does.
    with tempfile.TemporaryFile(dir=folder.parent) as probe:
        mine = os.fstat(probe.fileno()).st_uid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != mine:
        raise OutputError(
            f"{folder} was made by another user, or is no folder.", "Remove it, or choose another name or folder."
        )


def discard_abandoned(folder: Path) -> None:
    """Remove a hidden folder in which a process was writing that was killed."""
    if is_abandoned(folder):
        shutil.rmtree(folder, ignore_errors=True)


def fsync_path(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder, so that a power cut does not take them back.

    Raises:
        OSError: The disk has no room for it.
    """
    folder = path.is_dir()
    if folder and os.name == "nt":
        return  # Windows has no such thing for folders.
    descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot do it for folders.
        if not (folder and error.errno in (errno.EINVAL, errno.ENOTSUP)):
            raise
    finally:
        os.close(descriptor)


def discard_unfinished() -> None:
    """Remove what is being written right now. For a process that is about to end itself."""
    scratches = list(_unfinished)
    for scratch in scratches:
        shutil.rmtree(scratch, ignore_errors=True)
    parents = {scratch.parent for scratch in scratches if scratch.parent.name.endswith(STRIPS_ENDING)}
    for folder in parents | strips_folders:
        discard_without_strips(folder)


def discard_without_strips(folder: Path) -> None:
    """Remove the folder with the finished strips of a map where none of them is finished yet."""
    if not any(folder.glob(f"{FINISHED_STRIP}*")):
        shutil.rmtree(folder, ignore_errors=True)


def check_destinations(job: jobs.Job) -> None:
    """Find out before the work, not after it, whether every output of ``job`` can be written.

    Raises:
        OutputError: A folder is missing or not writable, a target is not on a disk, is a folder or a device, is one of
            the inputs or of the other outputs, or a database that is open and changed or holds more than is written.
    """
    inputs = [os.path.realpath(path) for path in _input_files(job)]
    declared = jobs.parameters(job)
    files = {
        jobs.name_for_user(job, one): path for one, path in jobs.outputs(job).items() if not declared[one].kind.is_folder
    }
    for parameter, path in jobs.outputs(job).items():
        if len(os.fsencode(Path(path).name)) > LONGEST_OUTPUT_NAME:
            name = jobs.name_for_user(job, parameter)
            raise OutputError(
                f"The name of {name} is too long: {Path(path).name[:40]}... Files beside it have longer ones.",
                f"Choose one of at most {LONGEST_OUTPUT_NAME} bytes: so many plain letters, or a third of that in Chinese.",
            )
    _check_apart(files)
    for parameter, path in jobs.outputs(job).items():
        name, target = jobs.name_for_user(job, parameter), Path(path)
        if re.match(r"/vsi|\w{2,}://", path):  # C:// is a drive of Windows.
            raise OutputError(f"{name} is not on a disk: {path}.", "Choose a file on a disk, and copy it there afterwards.")
        try:
            os.fsencode(path).decode("utf-8")
        except UnicodeError as error:
            raise OutputError(f"The name of {name} is not text in UTF-8: {path}.", "Choose another name.") from error
        is_folder = declared[parameter].kind.is_folder
        folder = target if is_folder and target.is_dir() else target.parent
        if not folder.is_dir():
            raise OutputError(f"The folder of {name}, {folder}, does not exist.", "Create it, or choose another one.")
        if is_folder and target.is_file():
            raise OutputError(f"{name} is a file: {target}.", "Name a folder.")
        if target.is_dir() and not is_folder:
            raise OutputError(f"{name} is a folder: {target}.", "Name a file in it.")
        if target.exists() and not (target.is_dir() or target.is_file()):
            raise OutputError(f"{name} is a pipe or a device: {target}.", "Name a file.")
        around = layer_that_is_folder(target if is_folder else target.parent)
        if around is not None:
            raise OutputError(
                f"{name} would lie in {around}, which is a raster or a geodatabase as a whole: {target}.",
                "Choose another folder.",
            )
        if os.path.realpath(path) in inputs:
            raise OutputError(f"{name} would overwrite an input: {target}.", "Choose another file.")
        if not is_folder and any(is_sidecar(target, Path(file)) for file in inputs):
            # Also where nothing is there yet: it would change how the input is read.
            raise OutputError(f"{name} would be a part of an input: {target}.", "Choose another name.")
        if not is_folder:
            check_replaceable(target)
        try:
            # Has no name where the system can do that, so that nothing stays where the process is killed.
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise OutputError(
                f"The folder of {name}, {folder}, cannot be written to: {error.strerror}.", "Choose another one."
            ) from error


def _check_apart(written: Mapping[str, str]) -> None:
    """Raise OutputError where two outputs are one file, or one would be written beside the other as a part of it."""
    for (name, path), (other, beside) in itertools.permutations(written.items(), 2):
        first, second = Path(path), Path(beside)
        same = os.path.normcase(os.path.realpath(path)) == os.path.normcase(os.path.realpath(beside))
        if same or (first.exists() and second.exists() and first.samefile(second)):
            raise OutputError(f"{name} and {other} are the same file: {path}.", "Choose another name for one of them.")
        if is_sidecar(first, second):
            raise OutputError(f"{name} would be a part of {other}: {path}.", "Choose another name for one of them.")


def _input_files(job: jobs.Job) -> Iterator[str]:
    for name, parameter in jobs.parameters(job).items():
        for path in parameter.kind.paths(getattr(job, name)) if parameter.kind.is_input else []:
            yield path
            yield path.partition("|")[0]  # Of labels, without the name of the layer.
