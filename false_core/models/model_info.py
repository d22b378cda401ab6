"""About a model file: what it says of itself, as a report and as results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import safetensors

from false_core.errors import ModelFileError
from false_core.feedback import Feedback
from false_core.jobs import ModelInfo
from false_core.models.header import read_header
from false_core.models.label_crops import CROPS_PREFIX
from false_core.models.model_file import read_card
from false_core.models.model_report import model_report
from false_core.reports.page import write_report


def model_info(job: ModelInfo, feedback: Feedback) -> dict[str, Any]:
    """Run a ``ModelInfo`` job: write the report. Return its results by name."""
    with feedback.stage("Reading the model", 1.0):
        card = read_card(job.model)
        file = Path(job.model)
        weights, with_imagery = _count_weights(job.model), any(n.startswith(CROPS_PREFIX) for n in read_header(job.model))
        write_report(job.report, model_report(card, file.name, file.stat().st_size / 1e6, weights, with_imagery))
    return {"kind": card.kind, "classes": len(card.classes), "pixel_size": card.pixel_size, "encoder": card.encoder}


def _count_weights(path: str) -> int:
    """Return how many weights a model file holds. Its header says it; the numbers themselves are not read."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            names = [name for name in file.keys() if not name.startswith(CROPS_PREFIX)]  # noqa: SIM118 - it is no dict
            return sum(math.prod(file.get_slice(name).get_shape()) for name in names)
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged or cut off: {error}.", "Copy it again.") from error
