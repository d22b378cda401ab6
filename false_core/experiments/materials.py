"""The datasets, labels and scored pixels of an experiment, the same ones for all cells that ask for them."""

from __future__ import annotations

from collections.abc import Sequence

from false_core import jobs
from false_core.experiments.config import PATCHES, SCENE, DatasetSpec, Experiment
from false_core.experiments.dataset import Dataset, LabelledImage, prepare
from false_core.experiments.labelling import RunLabels, labels_of_parts, patch_labels, scene_labels
from false_core.experiments.sampled import WantedFeatures
from false_core.experiments.scoring import ScoredPixels, draw_pixels
from false_core.feedback import Feedback
from false_core.vector.polygon_file import CODE_FIELD


class Materials:
    """The material that the cells of an experiment are run on."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._datasets: dict[str, Dataset] = {}
        self._pixels: dict[tuple[str, str], ScoredPixels] = {}

    def pixels_of(self, dataset: Dataset, pair: LabelledImage, labels: RunLabels) -> ScoredPixels:
        """Return the pixels of an image that are scored, the same ones for all cells."""
        key = dataset.spec.name, pair.name
        if key not in self._pixels:
            excluded = labels.excluded.get(pair.name)
            self._pixels[key] = draw_pixels(pair.truth, dataset.classes, excluded, self._experiment.scored_pixels)
        return self._pixels[key]

    def wanted_features(self, dataset: Dataset, seed: int, labels: RunLabels) -> WantedFeatures:
        """Return what all cells of a dataset and a seed ask of the features."""
        files = [
            own.path
            for protocol in self._experiment.protocols
            for fraction in self._experiment.fractions
            for own in self.labels_of(dataset, protocol, fraction, seed, Feedback()).values()
        ]
        looks_at_encoders = any(head not in (jobs.NETWORK_HEAD, "texture") for head in self._experiment.heads)
        pixels = self.pixels_of(dataset, dataset.train[0], labels)
        return WantedFeatures(self._experiment.output / "features", looks_at_encoders, files, CODE_FIELD, pixels)

    def dataset(self, spec: DatasetSpec, feedback: Feedback) -> Dataset:
        """Return a dataset, prepared once."""
        if spec.name not in self._datasets:
            self._datasets[spec.name] = prepare(spec, self._experiment.output, feedback)
        return self._datasets[spec.name]

    def labels_of(
        self, dataset: Dataset, protocol: str, fraction: float, seed: int, feedback: Feedback
    ) -> dict[str, RunLabels]:
        """Return what models learn from, by the name of the part that each of them is for."""
        if protocol == PATCHES:
            return {"": patch_labels(dataset, self._experiment.patch_size, fraction, seed)}
        if protocol == SCENE:
            return {"": scene_labels(dataset, fraction, seed, feedback)}
        return dict(labels_of_parts(dataset, protocol, fraction, seed, feedback))

    def scored_images(self, dataset: Dataset) -> Sequence[LabelledImage]:
        """Return what is mapped and scored. Of patches, the images they come from only where there are no others."""
        if self._experiment.on_patches:
            return dataset.test or dataset.train
        return (*dataset.train, *dataset.test)
