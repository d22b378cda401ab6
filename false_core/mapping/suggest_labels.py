"""Suggestions for labelling: from a model and what is labelled so far to the few squares that would teach it most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import shapely
import torch
from torch import nn

from false_core import jobs
from false_core.computing.device import choose_device
from false_core.errors import InputError, OutputError
from false_core.feedback import Feedback
from false_core.inference.features import FEATURE_STRIDE
from false_core.jobs import SuggestLabels
from false_core.labels.reading import read_labelled_ground
from false_core.language.catalogue import localised
from false_core.mapping.candidates import MAX_CANDIDATE_SIDE, Candidates, Grid, find_candidates
from false_core.mapping.raster_for_model import open_for_model
from false_core.mapping.selection import ChosenSquare, choose_squares
from false_core.models.from_file import segmenter_from
from false_core.models.header import SEGMENTER
from false_core.models.model_file import ModelCard, read_card
from false_core.raster.grid import moved
from false_core.raster.in_words import length_in_words
from false_core.raster.source import RasterSource
from false_core.vector.layer_file import write_vector
from false_core.vector.layer_style import keep_style, style_of_places

PLACES_ALONG_A_PATCH = 2
"""A patch that the model was trained on is as many times as long as a square, where the job does not say how long."""
SUGGESTION_ENDINGS = (".gpkg", ".geojson")
"""The endings of formats that hold a reason of any length under a name of any length."""
DOUBTFUL = 0.2
"""Mean uncertainty above which a square is called uncertain."""


def suggest_labels(job: SuggestLabels, feedback: Feedback) -> dict[str, Any]:
    """Run a ``SuggestLabels`` job: write the squares. Return its results by name."""
    with feedback.stage("Starting", 0.05):
        if Path(job.output).suffix.lower() not in SUGGESTION_ENDINGS:
            raise OutputError(
                f"{job.output} is of no kind that can be written.",
                f"Its name must end in {' or '.join(SUGGESTION_ENDINGS)}.",
            )
        device = choose_device(job.device, feedback)
        card = read_card(job.model, SEGMENTER)
        source = open_for_model(job.raster, job.model, card, feedback)
        grid = _grid(job, card, source, feedback)
        labels = read_labelled_ground(job.labels, source, feedback) if job.labels else None
        network: nn.Module = segmenter_from(job.model, card)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with feedback.stage("Looking at the raster", 0.9):
        found = find_candidates(network, card, source, grid, labels, device, job.seed, feedback)
        if not found.seen:
            side = length_in_words(grid.side * source.working_pixel_size, source.crs)
            raise InputError(
                f"There is nothing to suggest in {source.name}: every square of {side} holds nodata or labels.",
                "Check the extent, or choose smaller squares.",
            )
        if found.seen > len(found.positions):
            feedback.info(
                f"{found.seen:,} squares could be suggested. {len(found.positions):,} of them are compared, drawn at "
                "random; the more uncertain a square, the likelier it is among them."
            )
    with feedback.stage("Choosing", 0.05):
        choices = choose_squares(found.uncertainty, found.features, found.positions, found.labelled, job.count)
        if len(choices) < job.count:
            feedback.warn(
                f"Only {len(choices)} of {job.count} places are suggested: there are no more that keep a distance. Choose "
                "smaller squares for more."
            )
        table = _table(choices, found, card, source, grid)
        style = style_of_places("rank", "reason")
        write_vector(job.output, table, "suggestions", lambda scratch: keep_style(style, scratch, job.output, job.raster))
    return {"suggested": len(choices)}


def _grid(job: SuggestLabels, card: ModelCard, source: RasterSource, feedback: Feedback) -> Grid:
    """Return the squares to choose from: their side is a multiple of ``FEATURE_STRIDE`` working pixels."""
    working = source.working_pixel_size
    wanted = card.patch_size / PLACES_ALONG_A_PATCH if job.size is None else job.size / working
    side = max(1, round(min(wanted, MAX_CANDIDATE_SIDE) / FEATURE_STRIDE)) * FEATURE_STRIDE
    if wanted > MAX_CANDIDATE_SIDE:
        feedback.warn(
            f"Squares are at most {MAX_CANDIDATE_SIDE} pixels of the model, "
            f"{length_in_words(MAX_CANDIDATE_SIDE * working, source.crs)}, long."
        )
    grid = Grid(source.window_of(jobs.parse_extent(job.extent) if job.extent else None), side)
    square = length_in_words(side * working, source.crs)
    if not (grid.columns and grid.rows):
        raise InputError(
            f"The extent is smaller than one square of {square}.",
            "Choose a larger extent or smaller squares.",
        )
    feedback.info(f"Looking at {grid.columns * grid.rows:,} squares of {square}.")
    return grid


def _table(
    choices: list[ChosenSquare], found: Candidates, card: ModelCard, source: RasterSource, grid: Grid
) -> geopandas.GeoDataFrame:
    """Return the squares with their attributes, in map coordinates."""
    indices = [choice.index for choice in choices]
    rows = [
        {
            "rank": rank,
            "score": round(choice.score, 4),
            "reason": localised(
                reason(
                    float(found.uncertainty[choice.index]),
                    found.probabilities[choice.index],
                    [c.name for c in card.classes],
                    _unlike(choice, rank, compared=len(found.labelled) > 0),
                )
            ),
            "uncertainty": round(float(found.uncertainty[choice.index]), 4),
        }
        for rank, choice in enumerate(choices, start=1)
    ]
    boxes = shapely.transform(grid.boxes(found.positions[indices]), lambda xy: moved(source.transform, xy))
    return geopandas.GeoDataFrame(rows, geometry=boxes, crs=source.crs.to_wkt() if source.crs else None)


def _unlike(choice: ChosenSquare, rank: int, compared: bool) -> str:
    """Return what a square is unlike, or nothing; ``compared`` says whether it was compared with labels."""
    if not choice.unlike:
        return ""
    if not compared:
        return "anything suggested before"
    return "anything labelled so far" if rank == 1 else "anything labelled or suggested so far"


def reason(uncertainty: float, probabilities: npt.NDArray[np.floating], names: Sequence[str], unlike: str) -> str:
    """Say in plain words why a square was chosen.

    Args:
        uncertainty: The uncertainty of the model in the square, on average, 0 to 1.
        probabilities: Probabilities of the classes, of shape (classes,).
        unlike: Name of what it is unlike, or nothing.
    """
    order = np.argsort(-probabilities, kind="stable")
    likeliest = names[order[0]]
    if uncertainty < DOUBTFUL or len(names) < 2:
        why = f"taken for {likeliest} ({probabilities[order[0]]:.2f})"
    else:
        second = names[order[1]]
        why = f"uncertain between {likeliest} and {second} ({probabilities[order[0]]:.2f} / {probabilities[order[1]]:.2f})"
    return f"{why}; unlike {unlike}" if unlike else why
