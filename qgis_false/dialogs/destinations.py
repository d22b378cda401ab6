"""The default destinations of results: beside the raster they are made from, named after it, over nothing that is there."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import Iterator, Optional, Tuple

from qgis.core import QgsProject
from qgis.PyQt.QtCore import QStandardPaths

from qgis_false.layers.sources import is_temporary

OUTPUT_NAMES = {
    "classify": "map",
    "classifymany": "maps",
    "classifyareas": "areas",
    "editmap": "corrected",
    "polygonise": "polygons",
    "embed": "features",
    "comparemaps": "changes",
    "change": "change_map",
    "samplepoints": "sample_points",
    "suggestlabels": "places",
    "findsimilar": "similar_places",
    "outlinepoints": "outlines",
    "collectplaces": "places_to_learn_from",
    "exportonnx": "deepness",
}
"""Names of the outputs of algorithms in the names of files."""
EXAMPLE = "false_example"


def proposed(source: str, algorithm: str, output: str, ending: str) -> Optional[str]:
    """Return a path that is free for an output of an algorithm, or None where no folder is known to keep it in.

    Args:
        source: The file that it is made from, or nothing.
        output: The name of the output, in a model behind that of the step.
        ending: Ending of its file, with a dot; empty for a folder.
    """
    folder, stem = _place(source) if algorithm != "exampledata" else (documents(), EXAMPLE)
    if not folder:
        return None
    return str(free_path(folder / "_".join(filter(None, (stem, name_of_output(algorithm, output)))), ending))


def name_of_output(algorithm: str, output: str) -> str:
    """Return what an output of an algorithm is called in the name of its file."""
    name = output.lower().rpartition(":")[2]
    if name == "output":
        return OUTPUT_NAMES.get(algorithm, algorithm)
    if name == "report" and ":" not in output:
        return f"{algorithm}_report"
    return "" if algorithm == "exampledata" and name == "raster" else name


def numbered(start: Path, ending: str) -> Iterator[Path]:
    """Yield paths that begin with ``start``: without a number, and with 2, 3 and so on."""
    for number in itertools.count(1):
        yield start.parent / f"{start.name}{'' if number == 1 else f'_{number}'}{ending}"


def free_path(start: Path, ending: str) -> Path:
    """Return the first of the ``numbered`` paths at which there is nothing."""
    return next(path for path in numbered(start, ending) if not path.exists())


def _place(source: str) -> Tuple[Optional[Path], str]:
    """Return the folder and the first part of the name of what is made from ``source``."""
    path = source.split("|")[0]
    file = Path(path) if os.path.isabs(path) and os.path.isfile(path) else None
    stem = re.sub(r"\W+", "_", Path(path).stem).strip("_")
    if file is not None and os.access(file.parent, os.W_OK) and not is_temporary(path):
        return file.parent, file.stem
    home = QgsProject.instance().homePath()
    usable = bool(home) and os.access(home, os.W_OK) and bool(stem)
    return (Path(home) if usable else None), stem


def documents() -> Optional[Path]:
    """Return where to keep what belongs to no file: the folder of the project, or else of the user's documents."""
    places = QStandardPaths.StandardLocation
    usual = [QStandardPaths.writableLocation(one) for one in (places.DocumentsLocation, places.HomeLocation)]
    found = [one for one in (QgsProject.instance().homePath(), *usual) if one and os.access(one, os.W_OK)]
    return Path(found[0]) if found else None
