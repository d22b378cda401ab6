"""Classifying many rasters with one model: a folder of maps, one for each."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
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
    rasters = list(dict.fromkeys(job.rasters))
    for raster in rasters:
        if os.path.realpath(Path(raster).parent) == folder:
            raise OutputError(f"The maps would mix with the rasters in {folder}.", "Choose another folder for the maps.")
    return {raster: Path(job.output) / f"{name}{ENDING}" for raster, name in zip(rasters, _names(rasters))}


def _names(rasters: Sequence[str]) -> list[str]:
    """Return a name for the map of each raster: the raster's own. Where several have it, with as many of the folders before
    it as it takes to tell them apart: STAC items often have a folder each, with a file of the same name."""
    parts = [[*Path(raster).parts[:-1], Path(raster).stem] for raster in rasters]
    depths = [1] * len(rasters)
    while True:
        names = [_plain("_".join(part[-depth:])) for part, depth in zip(parts, depths)]
        times = Counter(map(str.casefold, names))
        twins = [number for number, name in enumerate(names) if times[name.casefold()] > 1]
        longer = [number for number in twins if depths[number] < len(parts[number])]
        if not twins:
            return names
        if not longer:
            raise InputError(
                f"Two rasters are called {parts[twins[0]][-1]}, and their maps would have the same name.",
                "Give each a name of its own, or map them in two runs.",
            )
        for number in longer:
            depths[number] += 1


def _plain(name: str) -> str:
    """Return a name without signs that a file's name cannot hold on every system."""
    return re.sub(r'[<>:"/\\|?*\0]', "_", name)
