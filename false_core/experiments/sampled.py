"""A head fitted to kept features, and asked at random pixels instead of on a whole map: seconds instead of minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from false_core import jobs
from false_core.accuracy.metrics import confusion_matrix, score
from false_core.experiments.baselines import Baseline
from false_core.experiments.config import COORDINATES, VALUES
from false_core.experiments.dataset import LabelledImage
from false_core.experiments.kept_features import KeptFeatures
from false_core.experiments.results import ChosenHead
from false_core.experiments.scoring import ScoredPixels, Tally
from false_core.feedback import Feedback
from false_core.labels.reading import read_annotation
from false_core.models.fused import TEXTURE, known_parts
from false_core.raster.classes import ClassTable, read_legend
from false_core.raster.source import RasterSource
from false_core.raster.working_grid import at_resolution_of_model
from false_core.sampling.labelled import LabelledRaster
from false_core.training.heads.choice import HeadCandidate
from false_core.training.heads.fit import Fitted, HeadRequest, fit_head
from false_core.training.heads.fits import balanced_counts
from false_core.training.heads.samples import FeatureSampler, FloatArray, LabelledPoints, labelled_points
from false_core.training.reading_labels import labelled_raster
from false_core.training.start import Start, begin, frozen_encoders, smoothing_px

Answers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WantedFeatures:
    """The features of a scene that all cells of an experiment ask for, so that they are computed together.

    Attributes:
        folder: Folder that features are kept in.
        encoders: True where any head looks at encoders.
        label_files: Label layers that cells learn from, with the class codes in the field ``field``.
        field: The field that holds the classes.
        pixels: Pixels of the scene that are scored.
    """

    folder: Path
    encoders: bool
    label_files: Sequence[str]
    field: str
    pixels: ScoredPixels


@dataclass(frozen=True)
class Asked:
    """A raster whose pixels a model is asked about.

    Attributes:
        name: Name of the score.
        pair: The raster and its truth.
        pixels: The pixels.
    """

    name: str
    pair: LabelledImage
    pixels: ScoredPixels


@dataclass(frozen=True)
class Answered:
    """The scores of a head.

    Attributes:
        tallies: Tallies by the name of what was asked.
        choices: HeadCandidate that was chosen, by the same name, and how well each does there. Of *auto* only.
        estimate: The accuracy that the labels promise, with its limits; empty where it is not known.
        facts: Pixel size and number of labels.
    """

    tallies: dict[str, Tally]
    choices: dict[str, ChosenHead]
    estimate: dict[str, float]
    facts: dict[str, object]


class SampledRun:
    """Fits a head, or a baseline, to the labels of a scene.

    Args:
        job: The job that would make the model. Its model is not written.
        classes: The classes of the truth.
        wanted: Features that other cells will ask for.
        feedback: It is told how far the work is.
    """

    def __init__(self, job: jobs.Finetune, classes: ClassTable, wanted: WantedFeatures, feedback: Feedback) -> None:
        self._job, self._classes, self._wanted, self._feedback = job, classes, wanted, feedback
        self._kept: KeptFeatures | None = None
        with feedback.stage("Reading the labels", 0.1):
            self._start: Start = begin(job, feedback)
            self._raster: LabelledRaster = labelled_raster(self._start, feedback)
        with feedback.stage("Fitting", 0.8):
            self._fitted = self._fit()
        self._codes = [c.code for c in self._raster.annotation.classes]

    def answers(self, asked: Sequence[Asked]) -> Answered:
        """Return what the head says of pixels of the scene and of other rasters."""
        comparison = self._fitted.comparison
        tallies, choices = {}, {}
        for one in asked:
            features, points = self._features(one)
            confusions = {
                candidate.name: self._confusion(self._said_by(candidate, features), points.targets)
                for candidate in comparison.candidates
            }
            tallies[one.name] = Tally(confusions[comparison.chosen.name], len(one.pixels.targets) - len(points.targets), 0)
            if len(comparison.candidates) > 1:
                scores = {name: score(confusion).miou for name, confusion in confusions.items()}
                choices[one.name] = ChosenHead(comparison.chosen.name, scores)
        return Answered(tallies, choices, self._estimate(), self._facts())

    def answers_of_baseline(self, method: str, asked: Sequence[Asked]) -> Answered:
        """Return what a baseline says that learns from the same pixels; coordinates say nothing of another raster."""
        points = self._fitted.classifiers.points
        kept = self._source()
        statistics, _ = kept.at(points)
        counts = balanced_counts(points, len(self._codes))
        tallies = {}
        for one in asked:
            if method == COORDINATES and one.pair.image != self._raster.source.path:
                continue
            features, seen = self._features(one)
            known, new = (
                (points.positions, seen.positions) if method == COORDINATES else (statistics[TEXTURE], features[TEXTURE])
            )
            if method == VALUES:
                # They stand before what was made of them.
                known, new = (own[:, : kept.sampler.parts.statistics.components] for own in (known, new))
            baseline = Baseline(np.asarray(known, np.float32), points.targets, counts, self._job.seed)
            said = baseline.answers(np.asarray(new, np.float32))
            tallies[one.name] = Tally(self._confusion(said, seen.targets), len(one.pixels.targets) - len(seen.targets), 0)
        return Answered(tallies, {}, {}, self._facts())

    def _fit(self) -> Fitted:
        start, raster = self._start, self._raster
        encoders, _ = frozen_encoders(self._job, start.base, raster.source, self._feedback)
        smoothing = smoothing_px(self._job, raster.source)
        asked = HeadRequest(self._job.head, smoothing, self._job.seed, self._job.unlabelled)
        return fit_head(asked, encoders, raster, start.device, self._feedback, self._keep)

    def _keep(self, sampler: FeatureSampler) -> KeptFeatures:
        names = known_parts(sampler.parts.zooms) if self._wanted.encoders else ()
        self._kept = KeptFeatures(sampler, self._wanted.folder, names, self._ahead)
        return self._kept

    def _source(self) -> KeptFeatures:
        assert self._kept is not None
        return self._kept

    def _ahead(self, source: RasterSource) -> npt.NDArray[np.float64]:
        """Return the positions of a scene that any cell with this seed will ask for."""
        legend = read_legend(self._job.legend)
        positions = [self._wanted.pixels.middles / source.factor]
        for path in self._wanted.label_files:
            annotation = read_annotation(path, self._wanted.field, source, legend, Feedback())
            positions.append(labelled_points(annotation, self._job.seed).positions)
        return np.concatenate(positions)

    def _features(self, one: Asked) -> tuple[Mapping[str, FloatArray], LabelledPoints]:
        """Return features of the pixels of a raster that have data, and those pixels."""
        kept, source = self._source(), self._raster.source
        if one.pair.image != source.path:
            source = at_resolution_of_model(
                RasterSource(one.pair.image, source.bands),
                source.working_pixel_size,
                source.working_ground_distance,
                Feedback(),
            )
            kept = kept.on(source, one.pixels.middles / source.factor)
        pixels = one.pixels
        points = LabelledPoints(pixels.middles / source.factor, np.zeros(len(pixels.targets), np.int64), pixels.targets)
        return kept.at(points)

    def _said_by(self, candidate: HeadCandidate, features: Mapping[str, FloatArray]) -> Answers:
        found: Answers = self._fitted.classifiers.log_probabilities(candidate, features).argmax(axis=1)
        return found

    def _confusion(self, said: Answers, targets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return a confusion matrix over the classes of the truth, of answers that are classes of the labels."""
        number_of = {c.code: number for number, c in enumerate(self._classes)}
        index = np.array([number_of[code] for code in self._codes])
        return confusion_matrix(targets, index[said], len(self._classes))

    def _estimate(self) -> dict[str, float]:
        accuracy = self._fitted.accuracy
        if accuracy.value is None or accuracy.low is None or accuracy.high is None:
            return {}
        return {"oa": accuracy.value, "oa_low": accuracy.low, "oa_high": accuracy.high}

    def _facts(self) -> dict[str, object]:
        source, targets = self._raster.source, self._raster.annotation.targets
        labels = {str(code): int((targets == number).sum()) for number, code in enumerate(self._codes)}
        return {"preset": self._start.preset, "pixel_size": source.working_pixel_size, "labels": labels}


def in_part(pixels: ScoredPixels, part: object) -> ScoredPixels:
    """Return the pixels whose middles lie in a polygon in pixel coordinates."""
    return pixels.subset(np.asarray(shapely.contains_xy(part, *pixels.middles.T)))
