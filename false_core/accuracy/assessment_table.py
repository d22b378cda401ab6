"""An assessment as a table: a row per class, with the confusion matrix and all that is known of the class."""

from __future__ import annotations

import csv
import math
from typing import Any

from false_core.accuracy.area_adjusted import WithInterval
from false_core.accuracy.assessment import Assessment
from false_core.errors import OutputError
from false_core.outputs.publish import published


def write_assessment_table(path: str, assessment: Assessment) -> None:
    """Write the table as CSV in UTF-8, whole or not at all. Shares are from 0 to 1; what is not known is empty.

    The columns ``mapped as ...`` hold the confusion matrix. An ``error`` is half the width of the 95 % interval.

    Raises:
        OutputError: It cannot be written, for example because the disk is full.
    """
    rows = table_rows(assessment)
    with published(path) as (partial,):
        try:
            with partial.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}.", "Is the disk full?") from error


def table_rows(assessment: Assessment) -> list[dict[str, Any]]:
    """Return the rows of the table, each with its columns in the same order."""
    a, scores = assessment, assessment.scores
    unit = a.unit.name.replace(" ", "_")
    whole = a.pixels * a.adjusted.covered * a.unit.per_pixel
    rows = []
    for k, c in enumerate(a.classes):
        row: dict[str, Any] = {"code": "" if c.code is None else c.code, "class": c.name}
        row |= {f"mapped as {_label(a, j)}": int(a.confusion[k, j]) for j in range(len(a.classes))}
        row |= {
            "reference_count": int(a.confusion[k].sum()),
            "mapped_count": int(a.confusion[:, k].sum()),
            "iou": scores.iou[k],
            "users_accuracy": scores.users[k],
            "producers_accuracy": scores.producers[k],
            "f1": scores.f1[k],
            "map_pixels": c.pixels,
            "map_share": c.pixels / a.pixels,
            **_columns("adjusted_users_accuracy", a.adjusted.users, k),
            **_columns("adjusted_producers_accuracy", a.adjusted.producers, k),
            **_columns("adjusted_share", a.adjusted.shares, k),
            f"map_area_{unit}": c.pixels * a.unit.per_pixel,
            **_columns(f"adjusted_area_{unit}", a.adjusted.shares, k, whole),
        }
        rows.append({name: _cell(value) for name, value in row.items()})
    return rows


def _columns(name: str, estimate: WithInterval, k: int, scale: float = 1.0) -> dict[str, float]:
    return {name: scale * float(estimate.value[k]), f"{name}_error": scale * float(estimate.error[k])}


def _label(assessment: Assessment, k: int) -> str:
    """Return the name of a class, with its code where another class has the same name."""
    c = assessment.classes[k]
    alone = sum(other.name == c.name for other in assessment.classes) == 1
    return c.name if alone else f"{c.name} ({c.code})"


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.10g}"
    return value
