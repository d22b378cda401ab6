"""Checks of the inputs of a job before torch is loaded, which takes seconds: a slip of the pen is told at once.

What can be seen in a moment is looked at here: that files are there, that GDAL opens rasters and labels, that the labels
have the field, that a model is of the right kind, and that a new layer is of a format that holds it. The job itself finds
the rest.
"""

from __future__ import annotations

from false_core import jobs
from false_core.feedback import Feedback
from false_core.models.header import check_model

RASTERS_LOOKED_AT = 100


def check_inputs(job: jobs.Job) -> None:
    """Look at the rasters, labels and models of a job. Addresses are left out: a server may be slow.

    Raises:
        InputError: A raster or labels cannot be read, or the labels have no such field.
        ModelFileError: A model is missing, none of ours, or of the other kind.
        OutputError: No format that keeps shapes with their classes has the ending of a new layer.
    """
    declared = jobs.parameters(job)
    for name, parameter in declared.items():
        paths = parameter.kind.paths(getattr(job, name))[:RASTERS_LOOKED_AT]
        near = [path for path in paths if not jobs.is_address(path)]
        if parameter.kind == jobs.MODEL:
            for path in near:
                check_model(path, parameter.of or None)
        elif parameter.kind.is_raster:
            _check_rasters(near)
        elif parameter.kind == jobs.VECTOR:
            fields = [one for one, other in declared.items() if other.kind == jobs.FIELD and other.of == name]
            _check_labels(near, getattr(job, fields[0]) if fields else None)
        elif parameter.kind == jobs.NEW_VECTOR:
            _check_new_layers(paths)


def _check_new_layers(paths: list[str]) -> None:
    from false_core.vector.layer_file import driver_of

    for path in paths:
        driver_of(path)


def _check_rasters(paths: list[str]) -> None:
    from false_core.raster.source import RasterSource

    for path in paths:
        RasterSource(path)


def _check_labels(paths: list[str], field: str | None) -> None:
    from false_core.labels.label_file import read_table

    silent = Feedback(lambda event: None)  # What it warns of, the job will say.
    for path in paths:
        read_table(path, field, silent)
