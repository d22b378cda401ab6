"""A job in a file, to be run elsewhere: written with all that would be gone by then, and read again for its results."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Tuple

from qgis.core import QgsProcessingContext, QgsProcessingException, QgsProcessingFeedback, QgsProcessingUtils

from false_core import jobs
from false_core.errors import FalseError
from qgis_false import settings
from qgis_false.compute.path_mapping import PathMapping, parse_mapping, paths_of
from qgis_false.parameter_names import label_and_name
from qgis_false.tasks import EXPORT_NAME
from qgis_false.translation import failure, tr
from qgis_false.whole_file import write_whole

SUFFIX = "_files"


def files_folder(target: str) -> Path:
    """Return the folder for what goes with the job in the file ``target``: beside it, and named after it."""
    path = Path(target)
    return path.with_name(path.stem + SUFFIX)


@contextmanager
def files_folder_for(target: str) -> Iterator[Path]:
    """Give the folder for what goes with the job in the file ``target``. It goes again where it stays empty, or the export
    fails.

    Raises:
        QgsProcessingException: It cannot be made, or ``target`` is a temporary file.
    """
    if _is_temporary(target):
        raise failure("{name} is a temporary file. Name one that stays.", name=EXPORT_NAME.upper())
    folder = files_folder(target)
    was_there = folder.is_dir()
    try:
        # Not through a link that somebody else has put there.
        if folder.is_symlink():
            raise failure("The folder {path} is a link. Choose another name for the exported job.", path=folder)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise failure("The folder {path} cannot be made: {reason}.", path=folder, reason=error.strerror or error) from error
    try:
        yield folder
    except BaseException:
        if not was_there:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def export(job: jobs.Job, target: str, folder: Path, feedback: QgsProcessingFeedback) -> jobs.Job:
    """Write ``job`` to the JSON file ``target`` with the paths that the path mapping gives it.

    Returns:
        The job with the paths of this computer. Outputs that would have been temporary lie in ``folder``.

    Raises:
        QgsProcessingException: An input would be gone when QGIS ends or would be replaced, or the file cannot be written.
    """
    fleeting = [
        path for name, path in paths_of(job) if not jobs.parameters(job)[name].kind.is_output and _is_temporary(path)
    ]
    if fleeting:
        raise failure(
            "A temporary file of QGIS cannot go with an exported job, as it is gone when QGIS ends: {paths}. Save it "
            "elsewhere, and choose that.",
            paths=", ".join(fleeting),
        )
    named = [path.partition("|")[0] for _, path in paths_of(job)]
    if any(os.path.realpath(path) == os.path.realpath(target) or _is_same_file(path, target) for path in named):
        raise failure("{path} is a file of the job itself. Choose another name for the exported job.", path=target)
    kept = _with_lasting_outputs(job, folder)
    for name, path in jobs.outputs(kept).items():
        if path != getattr(job, name):
            feedback.pushInfo(
                tr("{name} was to be a temporary file. It goes to {path}.", name=label_and_name(job, name), path=path)
            )
    mapping = parse_mapping(settings.PATHS.value())
    try:
        write_whole(target, json.dumps(json.loads(jobs.to_json(mapping.job_there(kept))), indent=2) + "\n")
    except OSError as error:
        raise failure(
            "The job cannot be written to {path}: {reason}.", path=target, reason=error.strerror or error
        ) from error
    feedback.pushInfo(tr("The job is in {path}. Nothing was run.", path=target))
    if kept == job and not any(folder.iterdir()):
        folder.rmdir()
    else:
        feedback.pushInfo(tr("What goes with it is in {folder}: keep the two together.", folder=folder))
    feedback.pushInfo(tr("Run it with: {command}", command=f'false-core run "{mapping.there(target)}"'))
    return kept


def made_by(target: str, mapping: PathMapping, feedback: QgsProcessingFeedback) -> Tuple[jobs.Job, List[str]]:
    """Return the job in the file ``target`` with the paths of this computer, and the names of the outputs that are there.

    Raises:
        QgsProcessingException: The file holds no job, or an output that it must have made is not there.
    """
    try:
        job = mapping.job_here(jobs.from_file(target))
    except FalseError as error:
        raise QgsProcessingException(str(error)) from error
    optional = {field.name for field in dataclasses.fields(job) if field.default is None}
    found, written = [], jobs.outputs(job)
    for name, path in written.items():
        if os.path.exists(path):
            found.append(name)
            if os.path.getmtime(path) < os.path.getmtime(target):
                feedback.pushWarning(tr("{path} is older than the job: perhaps another run made it.", path=path))
        elif name not in optional:
            raise failure(
                "{name} is not there: {path}. Either the job is not finished, or its files have another path here: say "
                "so as path mapping.",
                name=label_and_name(job, name),
                path=path,
            )
        else:
            feedback.pushWarning(tr("{name} is not there: {path}.", name=label_and_name(job, name), path=path))
    if not found:
        why = tr("Nothing that the job {path} makes is there.", path=target)
        raise QgsProcessingException(why if written else tr("The job {path} makes no files.", path=target))
    return job, found


def forget_layers(job: jobs.Job, context: QgsProcessingContext) -> None:
    """Have Processing not load the outputs of ``job``, which are not there."""
    written = set(jobs.outputs(job).values())
    left = {
        source: details
        for source, details in context.layersToLoadOnCompletion().items()
        if os.path.abspath(source) not in written
    }
    context.setLayersToLoadOnCompletion(left)


def _with_lasting_outputs(job: jobs.Job, folder: Path) -> jobs.Job:
    moved = {
        name: str(folder / f"{name}{Path(path).suffix}") for name, path in jobs.outputs(job).items() if _is_temporary(path)
    }
    return dataclasses.replace(job, **moved)


def _is_same_file(path: str, other: str) -> bool:
    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)


def _is_temporary(path: str) -> bool:
    """Return whether ``path`` lies in the folder that QGIS removes when it ends."""
    folder = os.path.realpath(QgsProcessingUtils.tempFolder())
    return os.path.realpath(path).startswith(folder + os.sep)
