"""The task kind *segmentation*: a linear head on what an encoder sees at labelled pixels, scored on random pixels."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
import torch

from false_core.accuracy.metrics import confusion_matrix, score
from false_core.benchmark.budgets import LabelDraw, draws_of
from false_core.benchmark.encoders import ComparedEncoder, count_of_parameters, mark_of_encoders
from false_core.benchmark.label_pool import LabelPool, pool_of
from false_core.benchmark.measurements import Measurement, TaskRun
from false_core.benchmark.settings import BenchmarkSettings
from false_core.benchmark.tasks import BenchmarkTask
from false_core.benchmark.timed_features import Arrays, digest_of_array, features_kept_in, key_of_features
from false_core.feedback import Feedback
from false_core.jobs import Finetune
from false_core.labels.annotation import Annotation
from false_core.models.fused import HALF_MAX, TEXTURE, FeatureParts
from false_core.raster.file_state import raster_signature
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation
from false_core.raster.working_grid import at_resolution_of_model
from false_core.training.heads.choice import HeadCandidate, candidates_for
from false_core.training.heads.fit import Classifiers, as_classifiers_see, mean_and_std, space_of_part, zooms_for
from false_core.training.heads.samples import FeatureSampler, FloatArray, LabelledPoints, labelled_points
from false_core.training.heads.spaces import names_in
from false_core.training.start import Start, measured_raster

PRESET_OF_GRID = "quick"
"""The preset on whose working grid rasters are looked at."""
_SEGMENTATION_SEED = 0
_SAMPLE, _LEARNED, _SCORED, _OWNERS = "sample ", "learned ", "scored ", "owners"


@dataclasses.dataclass(frozen=True)
class _Scene:
    """A raster to learn from and one to score on, as one encoder looks at them.

    Attributes:
        parts: The features, with the encoder's weights.
        candidate: The classifiers that are fitted.
        names: The parts that these take.
    """

    source: RasterSource
    scored_source: RasterSource
    normalisation: Normalisation
    parts: FeatureParts
    candidate: HeadCandidate
    names: tuple[str, ...]
    mark: list[str]


def measure_segmentation(
    task: BenchmarkTask, encoder: ComparedEncoder, settings: BenchmarkSettings, folder: Path, feedback: Feedback
) -> TaskRun:
    """Return what an encoder comes to on a segmentation.

    Args:
        folder: Folder that features are kept in.

    Raises:
        InputError, ModelFileError: The task cannot be read, or the encoder cannot look at its raster.
    """
    with feedback.stage("Reading the task", 0.1):
        pool = pool_of(task, settings.scored_pixels, feedback)
        draws = draws_of(pool.targets, pool.pixels, pool.known, settings.budgets, settings.draws)
        scene, parameters = _opened(task, encoder, pool, settings.device, feedback)
        factor = scene.source.factor
        points = [_points_of(pool, draw, factor, settings.points) for draw in draws]
        asked = np.concatenate([np.zeros((0, 2)), *(own.positions for own in points)])
        scored = pool.scored.middles / scene.scored_source.factor
        key = key_of_features(
            scene.source,
            scene.normalisation,
            raster_signature(scene.scored_source.files),
            scene.mark,
            *map(digest_of_array, (asked, scored)),
        )
    with feedback.stage("Looking at the raster", 0.6):
        arrays, seconds = features_kept_in(folder, key, lambda: _look(scene, asked, scored, settings.device, feedback))
    with feedback.stage("Fitting", 0.3):
        head = _Head(scene, arrays, pool, points)
        measurements = []
        for number, draw in enumerate(draws):
            feedback.advance(number, len(draws), "fits")
            measurements.append(head.measured(number, draw))
    facts = {
        "classes": [c.name for c in pool.classes],
        "labels": len(pool.targets),
        "scored": f"{len(pool.scored.targets):,} pixels",
        "pixel_size": scene.source.working_pixel_size,
    }
    return TaskRun(task.name, task.kind, encoder.name, tuple(measurements), seconds, parameters, facts)


def _opened(
    task: BenchmarkTask, encoder: ComparedEncoder, pool: LabelPool, device: torch.device, feedback: Feedback
) -> tuple[_Scene, int]:
    """Open the raster as an encoder looks at it. Return it with the number of parameters."""
    job = Finetune(task.raster, task.labels, task.field, "", encoder=encoder.file or None)
    start = Start(job, PRESET_OF_GRID, encoder.card, {}, device)
    source, normalisation = measured_raster(start, feedback)
    networks = encoder.networks(source, normalisation, device, feedback)
    zooms = tuple(zooms_for(source.width, source.height) for _ in networks)
    parts = FeatureParts([network.backbone for network in networks], zooms, len(source.bands)).eval()
    for module, network in zip(parts.encoders, networks):
        module.load_state_dict(network.network.state_dict())
    candidate = candidates_for("auto" if networks else "texture", zooms)[0]
    names = names_in([member.parts for member in candidate.members])
    scored_source = source
    if pool.scored_raster != task.raster:
        scored_source = at_resolution_of_model(
            RasterSource(pool.scored_raster, source.bands),
            source.working_pixel_size,
            source.working_ground_distance,
            feedback,
        )
    scene = _Scene(source, scored_source, normalisation, parts, candidate, names, mark_of_encoders(networks))
    return scene, count_of_parameters(networks)


def _points_of(pool: LabelPool, draw: LabelDraw, factor: int, most: int) -> LabelledPoints:
    """Return pixels under the labels of a draw, in working pixels."""
    shapes = shapely.transform(pool.outlines(draw.chosen), lambda xy: xy / factor)
    annotation = Annotation(pool.classes, shapes, pool.targets[draw.chosen], shapely.STRtree(shapes))
    points = labelled_points(annotation, draw.number)
    chosen = np.random.default_rng(draw.number).permutation(len(points.owners))[:most]
    return points.subset(np.sort(chosen))


def _look(
    scene: _Scene,
    asked: npt.NDArray[np.float64],
    scored: npt.NDArray[np.float64],
    device: torch.device,
    feedback: Feedback,
) -> Arrays:
    """Return features of random pixels and of those that are asked for, in half precision, with the numbers of the valid."""
    parts = scene.parts.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    sampler = FeatureSampler(parts, scene.names, scene.source, scene.normalisation, device, feedback)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        f"{_SAMPLE}{name}": _half(values) for name, values in sampler.adapt_to_raster(_SEGMENTATION_SEED).items()
    }
    for which, source, positions in ((_LEARNED, scene.source, asked), (_SCORED, scene.scored_source, scored)):
        numbered = LabelledPoints(positions, np.arange(len(positions)), np.zeros(len(positions), np.int64))
        features, seen = dataclasses.replace(sampler, source=source).at(numbered)
        arrays |= {f"{which}{name}": _half(values) for name, values in features.items()}
        arrays[f"{which}{_OWNERS}"] = seen.owners
    parts.cpu()
    return arrays


class _Head:
    """Fits classifiers to features that are at hand.

    Args:
        points: The labelled pixels of each draw, one after the other in the features.
    """

    def __init__(self, scene: _Scene, arrays: Arrays, pool: LabelPool, points: list[LabelledPoints]) -> None:
        self._scene, self._arrays, self._pool, self._points = scene, arrays, pool, points
        sample = self._features(_SAMPLE)
        if TEXTURE in sample:
            generator = torch.Generator().manual_seed(_SEGMENTATION_SEED)
            scene.parts.random_features.draw(*mean_and_std(sample[TEXTURE]), generator)
        self._spaces = {name: space_of_part(name, values) for name, values in sample.items()}
        self._ends = np.cumsum([0, *(len(own.owners) for own in points)])
        self._scored = self._features(_SCORED)
        self._targets = pool.scored.targets[arrays[f"{_SCORED}{_OWNERS}"]]

    def measured(self, number: int, draw: LabelDraw) -> Measurement:
        """Return the scores of the head that learns from a draw."""
        owners = self._arrays[f"{_LEARNED}{_OWNERS}"]
        rows = np.flatnonzero((owners >= self._ends[number]) & (owners < self._ends[number + 1]))
        points = self._points[number].subset(owners[rows] - self._ends[number])
        scene, classes = self._scene, len(self._pool.classes)
        learned = {
            name: as_classifiers_see(name, values, scene.parts) for name, values in self._features(_LEARNED, rows).items()
        }
        began = time.monotonic()
        classifiers = Classifiers(scene.parts, self._spaces, learned, points, classes)
        classifiers.of(scene.candidate)
        seconds = time.monotonic() - began
        said = classifiers.log_probabilities(scene.candidate, self._scored).argmax(axis=1)
        scores = score(confusion_matrix(self._targets, said, classes))
        found = {"miou": scores.miou, "oa": scores.oa, "macc": scores.macc}
        return Measurement(draw.budget, draw.number, len(draw.chosen), found, seconds)

    def _features(self, which: str, rows: npt.NDArray[np.intp] | slice = slice(None)) -> Mapping[str, FloatArray]:
        return {name: self._arrays[f"{which}{name}"][rows].astype(np.float32) for name in self._scene.names}


def _half(values: FloatArray) -> npt.NDArray[np.float16]:
    return np.clip(values, -HALF_MAX, HALF_MAX).astype(np.float16)
