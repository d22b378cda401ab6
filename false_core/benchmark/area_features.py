"""Features of the areas of a task, pooled from what an encoder sees; without an encoder, of colours and texture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from false_core.areas.area_encoder import AREA_ZOOMS
from false_core.areas.classify_areas import SAMPLED_AREAS, opened_with_areas
from false_core.areas.kept_features import table_of_features
from false_core.areas.layer import AreaLayer
from false_core.areas.pooling import Pooling
from false_core.benchmark.encoders import ComparedEncoder, ReadyEncoder, count_of_parameters, mark_of_encoders
from false_core.benchmark.tasks import BenchmarkTask
from false_core.benchmark.timed_features import digest_of_array, features_kept_in, key_of_features
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import ClassifyAreas
from false_core.labels.annotation import Annotation
from false_core.models.area_classifier import FINEST_POOLED_STRIDE, AreaEncoder
from false_core.models.fused import HALF_MAX
from false_core.models.texture import LocalStatistics
from false_core.raster.classes import ClassTable, classes_from_values
from false_core.training.heads.folds import folds_of

TO_LEARN, TO_SCORE = "train", "test"
"""Values of the field that says what an area is for. Areas with another one are not used."""
AREA_FOLDS_TO_SCORE = (3, 4)
"""Folds of blocks of space, of the five that there are, that are scored where no field says it."""
_AREAS_SEED = 0
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SeenAreas:
    """Areas with a class, and what an encoder sees in each.

    Attributes:
        classes: Their classes.
        targets: Class of each, of shape (n,).
        shapes: Outlines in working pixels, of shape (n,).
        size: Width and height of the raster in working pixels.
        features: Pooled features, of shape (n, width).
        sample: Features of areas that say what is normal, of shape (m, width).
        is_learned, is_scored: Masks of the areas that may be drawn to learn from, and of those that are scored, each of
            shape (n,).
        seconds: Seconds that looking at them took.
        parameters: Number of the encoder's parameters.
        pixel_size: Side of a working pixel in units of the CRS.
    """

    classes: ClassTable
    targets: npt.NDArray[np.int64]
    shapes: npt.NDArray[np.object_]
    size: tuple[int, int]
    features: FloatArray
    sample: FloatArray
    is_learned: BoolArray
    is_scored: BoolArray
    seconds: float
    parameters: int
    pixel_size: float

    @property
    def facts(self) -> dict[str, Any]:
        """Facts of the task for the page."""
        return {
            "classes": [c.name for c in self.classes],
            "labels": int(self.is_learned.sum()),
            "scored": f"{int(self.is_scored.sum()):,} areas",
            "pixel_size": self.pixel_size,
        }


def see_areas(
    task: BenchmarkTask, encoder: ComparedEncoder, device: torch.device, folder: Path, feedback: Feedback
) -> SeenAreas:
    """Return the areas of a task as an encoder sees them.

    Args:
        folder: Folder that features are kept in.

    Raises:
        InputError: The areas cannot be read, lack a field, are of one class, or none is left to learn from or to score.
        ModelFileError: The encoder cannot look at the raster.
    """
    job = ClassifyAreas(task.raster, "", areas=task.labels, encoder=encoder.file or None)
    source, normalisation, layer = opened_with_areas(job, encoder.card, feedback)
    values = _values(task, layer, task.field)
    known = np.flatnonzero([value is not None for value in values])
    codes, found = classes_from_values([values[number] for number in known], [])
    if len(found) < 2:
        raise InputError(f"{task.name}: all areas are of one class.", "Choose the field that holds the classes.")
    index = {c.code: place for place, c in enumerate(found)}
    targets = np.array([index[codes[values[number]]] for number in known], np.int64)
    classes, shapes, size = ClassTable(tuple(found)), layer.shapes[known], (source.width, source.height)
    split = [_values(task, layer, task.split)[number] for number in known] if task.split else None
    networks = encoder.networks(source, normalisation, device, feedback)
    seen = _area_encoder(networks, len(source.bands)).to(device)
    key = key_of_features(source, normalisation, mark_of_encoders(networks), _digest(shapes))

    def look() -> dict[str, npt.NDArray[Any]]:
        pooling = Pooling(seen, source, normalisation, device, feedback)
        table = table_of_features(len(shapes), pooling.width, folder)
        for group in pooling.over(shapes):
            table[group.numbers] = group.features.clip(-HALF_MAX, HALF_MAX)
        return {"features": np.asarray(table)}

    with feedback.stage("Looking at the areas", 0.8):
        arrays, seconds = features_kept_in(folder, key, look)
    features = arrays["features"].astype(np.float32)
    valid = np.isfinite(features[:, 0])
    learned, scored = _parted(split, classes, shapes, targets, size)
    learned, scored = learned & valid, scored & valid
    if len(np.unique(targets[learned])) < 2 or not scored.any():
        raise InputError(
            f"{task.name}: there are too few areas to learn from and to score.",
            f"Classify more of them by hand, or mark them {TO_LEARN} and {TO_SCORE} in a field named by split.",
        )
    some = np.sort(np.random.default_rng(_AREAS_SEED).permutation(np.flatnonzero(valid))[:SAMPLED_AREAS])
    parameters, pixel = count_of_parameters(networks), source.working_pixel_size
    return SeenAreas(classes, targets, shapes, size, features, features[some], learned, scored, seconds, parameters, pixel)


class TexturedAreas(AreaEncoder):
    """Looks at areas without an encoder: at values, local means and local deviations of the bands.

    Args:
        bands: Number of input bands.
    """

    def __init__(self, bands: int) -> None:
        super().__init__((), (), AREA_ZOOMS, bands)
        self.statistics = LocalStatistics(bands)

    @property
    def strides(self) -> list[int]:
        """The working pixels per pixel of the only level."""
        return [FINEST_POOLED_STRIDE]

    @property
    def channels(self) -> list[int]:
        """The number of statistics."""
        return [self.statistics.channels]

    def levels(self, pixels: Tensor) -> list[Tensor]:
        """Return statistics (batch, channels, height, width) at their stride, of normalised pixels."""
        return [avg_pool2d(self.statistics(pixels), FINEST_POOLED_STRIDE)]


def _area_encoder(networks: list[ReadyEncoder], bands: int) -> AreaEncoder:
    if not networks:
        return TexturedAreas(bands).eval()
    backbones, fed = [one.backbone for one in networks], [one.of_photographs for one in networks]
    seen = AreaEncoder(backbones, fed, AREA_ZOOMS, bands)
    for own, one in zip(seen.encoders, networks):
        own.load_state_dict(one.network.state_dict())
    return seen.eval()


def _values(task: BenchmarkTask, layer: AreaLayer, field: str) -> list[Any]:
    """Return the values of a field, None where there is none."""
    if field not in layer.table.columns:
        fields = [str(name) for name in layer.table.columns if name != layer.table.geometry.name]
        raise InputError(
            f"{task.name}: the areas have no field {field!r}; they have {', '.join(fields) or 'none'}.", "Name one of these."
        )
    column = layer.table[field]
    return [None if missing else _plain(value) for value, missing in zip(column.tolist(), column.isna().tolist())]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (int, float)) else str(value)


def _parted(
    split: list[Any] | None,
    classes: ClassTable,
    shapes: npt.NDArray[np.object_],
    targets: npt.NDArray[np.int64],
    size: tuple[int, int],
) -> tuple[BoolArray, BoolArray]:
    """Return which areas are learned from and which are scored: as a field says, or blocks of space apart."""
    if split is not None:
        said = np.array([str(value) for value in split])
        return said == TO_LEARN, said == TO_SCORE
    folds = folds_of(Annotation(classes, shapes, targets, shapely.STRtree(shapes)), *size, _AREAS_SEED)
    scored = np.isin(folds, AREA_FOLDS_TO_SCORE)
    return ~scored, scored


def _digest(shapes: npt.NDArray[np.object_]) -> str:
    return digest_of_array(np.frombuffer(b"".join(shapely.to_wkb(shapes).tolist()), np.uint8))
