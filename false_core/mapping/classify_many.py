"""Classifying many rasters with one model: a folder of maps, one for each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from false_core.errors import InputError, OutputError
from false_core.feedback import Feedback
from false_core.jobs import Classify, ClassifyMany
from false_core.mapping.classify import classify

ENDING = "_classified.tif"
"""After the name of the raster, in the name of its map."""


def classify_many(job: ClassifyMany, feedback: Feedback) -> dict[str, Any]:
    """Run a ``ClassifyMany`` job: write one map after the other. Return its results by name.

    Raises:
        InputError: None of the rasters could be mapped, or two maps would have the same name.
        OutputError: The folder is one of those with the rasters, or it cannot be written.
    """
    targets = _targets(job)
    Path(job.output).mkdir(exist_ok=True)
    problems: list[InputError] = []
    for number, (raster, target) in enumerate(targets.items()):
        title = f"{number + 1} of {len(targets)}, {Path(raster).name}"
        part = feedback.part(title, number / len(targets), 1 / len(targets))
        try:
            classify(Classify(raster, job.model, str(target), device=job.device), part)
        except InputError as error:
            problems.append(error)
            feedback.warn(f"{Path(raster).name} is left out. {error}")
    if len(problems) == len(targets):
        raise problems[0]
    return {"maps": len(targets) - len(problems), "left_out": len(problems)}


def _targets(job: ClassifyMany) -> dict[str, Path]:
    """Return where the map of each raster goes."""
    folder = os.path.realpath(job.output)
    targets: dict[str, Path] = {}
    for raster in dict.fromkeys(job.rasters):
        if os.path.realpath(Path(raster).parent) == folder:
            raise OutputError(f"The maps would mix with the rasters in {folder}.", "Choose another folder for the maps.")
        target = Path(job.output) / f"{Path(raster).stem}{ENDING}"
        if target in targets.values():
            raise InputError(
                f"Two rasters are called {Path(raster).stem}, and their maps would have the same name.",
                "Give each a name of its own, or map them in two runs.",
            )
        targets[raster] = target
    return targets
