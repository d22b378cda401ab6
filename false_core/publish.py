"""Outputs appear whole or not at all.

A file is written under a hidden name in the folder it belongs to, and renamed over its final name when it is complete.
Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from false_core import jobs
from false_core.errors import OutputError

_unfinished: set[Path] = set()


@contextmanager
def published(*targets: str | os.PathLike[str], with_parts: bool = False) -> Iterator[list[Path]]:
    """Give one scratch path per target; on leaving without an error, move each scratch file to its target.

    With parts, what was written beside the scratch files, such as the other files of a Shapefile, goes along.

    The scratch paths lie in a new hidden folder beside the first target, and keep the names of the targets, so that
    drivers which go by the file extension, and files that refer to each other, work as they will in the end.

    Raises:
        OutputError: A target cannot be written.
    """
    finals = [Path(target) for target in targets]
    # Only the start of the name, as systems limit its length.
    scratch = finals[0].parent / f".{finals[0].name[:40]}.{secrets.token_hex(4)}.partial"
    try:
        scratch.mkdir()
    except OSError as error:
        raise OutputError(f"{finals[0].parent} cannot be written to: {error.strerror}.") from error
    _unfinished.add(scratch)
    try:
        partial = [scratch / final.name for final in finals]
        yield partial
        parts = sorted(path for path in scratch.iterdir() if path not in partial) if with_parts else []
        for source, final in zip([*parts, *partial], [*(finals[0].parent / part.name for part in parts), *finals]):
            try:
                # Readable for whoever may read new files here, also where the writer made it private, as safetensors does.
                source.chmod(scratch.stat().st_mode & 0o666)
                os.replace(source, final)
            except OSError as error:
                raise OutputError(
                    f"{final} cannot be replaced: {error.strerror}.", "Close the programs that have it open, then try again."
                ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        _unfinished.discard(scratch)


def discard_unfinished() -> None:
    """Remove what is being written right now. For a process that is about to end itself."""
    for scratch in list(_unfinished):
        shutil.rmtree(scratch, ignore_errors=True)


def check_destinations(job: jobs.Job) -> None:
    """Find out before the work, not after it, whether every output of ``job`` can be written.

    Raises:
        OutputError: A folder is missing or not writable, a target is a folder, or a target is one of the inputs.
    """
    inputs = [os.path.realpath(path) for path in _input_files(job)]
    for name, path in jobs.outputs(job).items():
        target = Path(path)
        is_folder = jobs.parameters(job)[name].kind == jobs.NEW_FOLDER
        folder = target if is_folder and target.is_dir() else target.parent
        if not folder.is_dir():
            raise OutputError(f"The folder of {name}, {folder}, does not exist.", "Create it, or choose another one.")
        if is_folder and target.is_file():
            raise OutputError(f"{name} is a file: {target}.", "Name a folder.")
        if target.is_dir() and not is_folder:
            raise OutputError(f"{name} is a folder: {target}.", "Name a file in it.")
        if os.path.realpath(path) in inputs:
            raise OutputError(f"{name} would overwrite an input: {target}.", "Choose another file.")
        probe = folder / f".{secrets.token_hex(8)}.probe"
        try:
            probe.touch()
        except OSError as error:
            raise OutputError(
                f"The folder of {name}, {folder}, cannot be written to: {error.strerror}.", "Choose another one."
            ) from error
        with contextlib.suppress(OSError):
            probe.unlink()


def _input_files(job: jobs.Job) -> Iterator[str]:
    for name, parameter in jobs.parameters(job).items():
        value = getattr(job, name)
        if parameter.kind == jobs.RASTERS:
            yield from value
        elif parameter.kind in (jobs.RASTER, jobs.VECTOR, jobs.MODEL, jobs.FILE, jobs.FILE_OR_NAME) and value:
            yield value
            yield value.partition("|")[0]  # Of labels, without the name of the layer.
