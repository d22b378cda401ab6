"""The result of a cell as a small JSON file. Everything in the tables can be computed from these."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from false_core.experiments.cells import Cell
from false_core.experiments.scoring import Tally
from false_core.outputs.publish import published
from false_core.raster.classes import ClassTable


@dataclass(frozen=True)
class ChosenHead:
    """The candidate that the head *auto* chose, and the score of each.

    Attributes:
        chosen: Its name.
        scores: mIoU by the name of each candidate, each fitted to the same features and scored on the same pixels.
    """

    chosen: str
    scores: dict[str, float]

    @property
    def regret(self) -> float:
        """By how much the best candidate is better than the chosen one."""
        return max(self.scores.values()) - self.scores[self.chosen]


@dataclass(frozen=True)
class RunResult:
    """The result of a cell.

    Attributes:
        cell: The cell that was run.
        classes: The classes of the confusion matrices.
        tallies: Tallies by the name of the raster that was scored.
        seconds: Seconds by stage: ``pretrain``, ``finetune``, ``classify``. Of a stage that was interrupted and resumed,
            those since it was resumed last. Of pretraining, those it took when the encoder was made, for whichever cell.
        held_out: Scores that fine-tuning reported from labels it had not learned from, by name.
        facts: Facts about the run: ``version``, ``preset``, ``device``, ``pixel_size``, ``label_shapes`` and such.
        inputs: Signatures of the inputs that tell the dataset from another of the same name.
        choices: Choices of the head *auto*, by the name of the raster.
    """

    cell: Cell
    classes: ClassTable
    tallies: dict[str, Tally]
    seconds: dict[str, float]
    held_out: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, ChosenHead] = field(default_factory=dict)


def write_result(path: Path, result: RunResult) -> None:
    """Write a result, whole or not at all."""
    body = {
        "cell": result.cell.to_dict(),
        "classes": result.classes.to_list(),
        "rasters": {
            name: {"confusion": t.confusion.tolist(), "without_data": t.without_data, "labelled": t.labelled}
            for name, t in result.tallies.items()
        },
        "seconds": {stage: round(seconds, 2) for stage, seconds in result.seconds.items()},
        "held_out": result.held_out,
        "facts": result.facts,
        "inputs": result.inputs,
        "choices": {name: dataclasses.asdict(choice) for name, choice in result.choices.items()},
    }
    with published(path) as (partial,):
        partial.write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")


def read_result(path: Path) -> RunResult | None:
    """Read a result; None where there is none, or none that can be read: its cell is run again then."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        classes = ClassTable.from_list(body["classes"])
        tallies = {
            name: Tally(np.array(t["confusion"], np.int64), int(t["without_data"]), int(t["labelled"]))
            for name, t in body["rasters"].items()
        }
        if any(tally.confusion.shape != (len(classes), len(classes)) for tally in tallies.values()):
            return None
        choices = {name: ChosenHead(str(c["chosen"]), dict(c["scores"])) for name, c in body["choices"].items()}
        cell = Cell.from_dict(body["cell"])
        held_out = body["held_out"] if "held_out" in body else body["held_back"]  # Its name in earlier results.
        return RunResult(cell, classes, tallies, body["seconds"], held_out, body["facts"], body["inputs"], choices)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
