"""Pretraining teaches something: probes do well above the untrained encoder on a generated scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import interpolate

from false_core import jobs
from false_core.dispatch import run
from false_core.inference.features import FINEST_LEVEL
from false_core.jobs import Pretrain
from false_core.models.encoder import build_encoder
from false_core.models.model_file import load_weights, read_card
from false_core.raster.source import RasterSource
from false_core.sampling.spectral import SpectralJitter, torch_generator
from false_core.synthetic import SceneFiles, write_scene

pytestmark = pytest.mark.thorough

SIDE, BLOCK = 384, 48
PER_CLASS, TESTED_PER_CLASS = 40, 300
PROBES = {"knn": KNeighborsClassifier(10, metric="cosine"), "linear": LogisticRegression(C=0.01, max_iter=500)}
OTHER_LIGHT = SpectralJitter(brightness=0.3, contrast=0.2, gamma=0.0, blur=0.0, drop=0.0)
LIGHTS = 4


@dataclass(frozen=True)
class Scores:
    """Balanced accuracy by probe: on the raster as it is, and as it would look in other lights, on average."""

    same_light: dict[str, float]
    other_light: dict[str, float]


def pretrained(scene: SceneFiles, folder: Path, method: str, seed: int, steps: int = 120) -> Scores:
    encoder = str(folder / f"{method}.safetensors")
    run(
        Pretrain(
            (str(scene.image),),
            encoder,
            preset="quick",
            backbone="resnet10t",
            weights="none",
            device="cpu",
            method=method,
            steps=steps,
            batch_size=16,
            seed=seed,
        )
    )
    return probe(encoder, scene)


def probe(path: str, scene: SceneFiles) -> Scores:
    """Fit probes to the features of labelled pixels, and ask them about pixels of other parts of the scene."""
    with rasterio.open(scene.truth) as file:
        truth = file.read(1)
    generator = np.random.default_rng(0)
    row, column = np.indices(truth.shape)
    tested = (row // BLOCK + column // BLOCK) % 2 == 1
    known, asked = draw(truth, ~tested, PER_CLASS, generator), draw(truth, tested, TESTED_PER_CLASS, generator)
    pictures = in_all_lights(path, str(scene.image))
    examples = at_pixels(pictures[0], truth.shape, known)
    questions = [at_pixels(features, truth.shape, asked) for features in pictures]
    scores = Scores({}, {})
    for name, classifier in PROBES.items():
        fitted = make_pipeline(StandardScaler(), classifier).fit(examples, truth.flat[known])
        accuracy = [balanced_accuracy_score(truth.flat[asked], fitted.predict(one)) for one in questions]
        scores.same_light[name], scores.other_light[name] = accuracy[0], float(np.mean(accuracy[1:]))
    return scores


def draw(truth: np.ndarray, part: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return up to ``count`` pixels of each class in a part of the scene, as flat indices."""
    classes = np.unique(truth[truth > 0])
    return np.concatenate([generator.permutation(np.flatnonzero((truth == k) & part))[:count] for k in classes])


def in_all_lights(path: str, image: str) -> list[torch.Tensor]:
    """Return the features (channels, height, width) of the whole raster, as it is and in other lights."""
    card, source = read_card(path), RasterSource(image)
    encoder = build_encoder(card.encoder, len(card.bands))
    load_weights(path, encoder)
    encoder.eval()
    pixels = torch.from_numpy(card.normalisation.apply(source.read(source.window_of(None))))[None]
    with torch.no_grad():
        return [
            of_all_levels(encoder(picture)[FINEST_LEVEL:])
            for picture in (pixels, *(OTHER_LIGHT(pixels, torch_generator(99, light)) for light in range(LIGHTS)))
        ]


def of_all_levels(levels: list[torch.Tensor]) -> torch.Tensor:
    """Return the features of all levels of one image at the size of the finest of them."""
    size = levels[0].shape[-2:]
    return torch.cat([interpolate(level, size, mode="bilinear", align_corners=False)[0] for level in levels])


def at_pixels(features: torch.Tensor, shape: tuple[int, int], pixels: np.ndarray) -> np.ndarray:
    """Return the features of pixels, of shape (pixels, channels); those of the cell that each lies in."""
    row, column = np.array(np.unravel_index(pixels, shape)) // (shape[0] // features.shape[1])
    return features.numpy()[:, row, column].T


@dataclass(frozen=True)
class World:
    """A scene, and how an encoder that was not trained does on it."""

    scene: SceneFiles
    untrained: Scores


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    scene = write_scene(folder, SIDE, SIDE, seed=0)
    return World(scene, pretrained(scene, folder, "random", seed=0))


def test_pretraining_on_a_scene_does_well_above_the_untrained_encoder(world: World, tmp_path: Path) -> None:
    """The untrained encoder sees colour, which tells much of the scene apart as long as the light stays the same.

    Where the light changes, its features change too, and what was learned from labels in one light fails in another. That
    a place stays the same in any light is what pretraining learns.
    """
    untrained, trained = world.untrained, pretrained(world.scene, tmp_path, "false", seed=0, steps=40)
    for name in PROBES:
        assert trained.same_light[name] > untrained.same_light[name] - 0.01, name
    # On this scene kNN gained 13 points and the linear probe 9, and 3 each in the same light. On three scenes, after 120
    # steps and each with a seed of its own, they gained 12 to 14 and 6 to 8, and in the same light 2 to 4 and 1 to 3.
    assert trained.other_light["knn"] > untrained.other_light["knn"] + 0.08
    assert trained.other_light["linear"] > untrained.other_light["linear"] + 0.03


@pytest.mark.slow
@pytest.mark.parametrize("method", jobs.CALIBRATED)
def test_so_do_the_other_methods_of_the_group_by_nearest_neighbours(method: str, world: World, tmp_path: Path) -> None:
    trained = pretrained(world.scene, tmp_path, method, seed=0)
    # On this scene they gained 10 to 15 points in other lights, and 3 to 4 in the same one.
    assert trained.other_light["knn"] > world.untrained.other_light["knn"] + 0.05
    assert trained.same_light["knn"] > world.untrained.same_light["knn"] - 0.01
