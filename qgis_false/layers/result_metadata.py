"""The metadata of a layer, under Information in its properties: which algorithm made it, of what, and when."""

from __future__ import annotations

import re
import time
from typing import Dict, Optional

from qgis.core import (
    QgsApplication,
    QgsLayerMetadata,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
)

import false_core
from false_core import jobs
from false_core.redaction import without_secrets
from qgis_false.translation import tr

KEYWORDS_OF_MAKER = "FALSE"
"""Vocabulary of the keyword that names the algorithm which made a layer."""
MOST_FILES = 5
"""Files that are named of one parameter, such as of the rasters that a map is made of."""


class ResultLayer(QgsProcessingLayerPostProcessorInterface):
    """Tells a layer of a run what made it, when the layer arrives in the project."""

    metadata: Optional[QgsLayerMetadata] = None

    def postProcessLayer(self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> None:
        if self.metadata is not None:
            layer.setMetadata(self.metadata)


def metadata_of(job: jobs.Job) -> QgsLayerMetadata:
    """Return what is said of the layers that a job makes."""
    inputs = {}
    for name, parameter in jobs.parameters(job).items():
        if not parameter.kind.is_output and parameter.dialog:
            paths = list(parameter.kind.paths(getattr(job, name)))
            # The file alone: an address may hold a password.
            files = [_file_name(path) for path in paths[:MOST_FILES]] + ["..."] * (len(paths) > MOST_FILES)
            if files:
                inputs[parameter.label] = ", ".join(files)
    return layer_metadata(job.NAME, inputs)


def layer_metadata(algorithm: str, inputs: Dict[str, str]) -> QgsLayerMetadata:
    """Return what is said of layers that an algorithm has made now.

    Args:
        algorithm: Its name.
        inputs: The names of the files that it was made of, by the label of the parameter.
    """
    known = QgsApplication.processingRegistry().algorithmById(f"false:{algorithm}")
    made = tr(
        "Made on {date} by {algorithm} of FALSE {version}.",
        date=time.strftime("%Y-%m-%d %H:%M"),
        algorithm=re.sub(r"^\d+\. ", "", known.displayName()) if known is not None else algorithm,
        version=false_core.__version__,
    )
    said = QgsLayerMetadata()
    said.setType("dataset")
    said.setAbstract("\n".join([made, *(f"{tr(label)}: {files}" for label, files in inputs.items())]))
    said.addHistoryItem(made)
    said.addKeywords(KEYWORDS_OF_MAKER, [algorithm])
    return said


def is_made_by(algorithm: str, layer: QgsMapLayer) -> bool:
    """Return whether the metadata of a layer say that an algorithm has made it."""
    return algorithm in layer.metadata().keywords(KEYWORDS_OF_MAKER)


def _file_name(path: str) -> str:
    plain = jobs.raster_name(path).path.partition("|")[0]
    plain = without_secrets(plain.partition("?")[0] if plain.startswith("/vsi") else plain)
    return plain.replace("\\", "/").rstrip("/").rpartition("/")[2]
