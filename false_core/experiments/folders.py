"""Public datasets as they are distributed: which files are the images, what their colours mean, who trains and who tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from false_core.errors import InputError, RequestError
from false_core.experiments.config import DEEPGLOBE, PAIR, DatasetSpec, RasterPair
from false_core.raster.classes import ClassTable, LandCoverClass

BLACK = "#000000"
POTSDAM_CLASSES = ClassTable(
    (
        LandCoverClass(1, "impervious surface", "#ffffff"),
        LandCoverClass(2, "building", "#0000ff"),
        LandCoverClass(3, "low vegetation", "#00ffff"),
        LandCoverClass(4, "tree", "#00ff00"),
        LandCoverClass(5, "car", "#ffff00"),
        LandCoverClass(6, "clutter/background", "#ff0000"),
    )
)
OUTSIDE_CLASS = LandCoverClass(7, "outside", BLACK)
"""The value that images are filled up with, where they are."""
DEEPGLOBE_CLASSES = ClassTable(
    (
        LandCoverClass(1, "urban", "#00ffff"),
        LandCoverClass(2, "agriculture", "#ffff00"),
        LandCoverClass(3, "rangeland", "#ff00ff"),
        LandCoverClass(4, "forest", "#00ff00"),
        LandCoverClass(5, "water", "#0000ff"),
        LandCoverClass(6, "barren", "#ffffff"),
    )
)
"""Black, unknown, is no class unless the config makes it one."""

# fmt: off
POTSDAM_TRAIN = (
    "2_10", "2_11", "2_12", "3_10", "3_11", "3_12", "4_10", "4_11", "4_12", "5_10", "5_11", "5_12",
    "6_7", "6_8", "6_9", "6_10", "6_11", "6_12", "7_7", "7_8", "7_9", "7_10", "7_11", "7_12",
)
POTSDAM_TEST = (
    "2_13", "2_14", "3_13", "3_14", "4_13", "4_14", "4_15", "5_13", "5_14", "5_15", "6_13", "6_14", "6_15", "7_13",
)
# fmt: on
"""Names of the tiles, as the benchmark published them."""
_POTSDAM_IMAGES = ("2_Ortho_RGB", "4_Ortho_RGBIR", "3_Ortho_IRRG")
_POTSDAM_TRUTHS = ("5_Labels_all", "5_Labels_all_noBoundary")
_SPLIT_SEED = 0


@dataclass(frozen=True)
class DatasetFiles:
    """The files of a dataset.

    Attributes:
        train: Images, with their truth, that are learned from.
        test: Images, with their truth, that are only mapped and scored.
        classes: Empty where they are the codes that the truth holds.
        colour_coded: True where the truth shows classes by their colours; otherwise it holds codes.
        pad: See ``DatasetSpec``.
    """

    train: tuple[RasterPair, ...]
    test: tuple[RasterPair, ...]
    classes: ClassTable
    colour_coded: bool
    pad: int = 0


def find_dataset_files(spec: DatasetSpec) -> DatasetFiles:
    """Find the files of a dataset.

    Raises:
        InputError: A folder or a file is missing.
        RequestError: The config names images that are not there, or one as both train and test.
    """
    if spec.kind == PAIR:
        assert spec.pair is not None
        for pair in (spec.pair, *spec.transfer):
            for file in (pair.image, pair.truth):
                if not file.is_file():
                    raise InputError(f"{spec.name}: {file} does not exist.")
        return DatasetFiles((spec.pair,), spec.transfer, spec.classes, colour_coded=False)
    assert spec.folder is not None
    if not spec.folder.is_dir():
        raise InputError(f"{spec.name}: the folder {spec.folder} does not exist.")
    if spec.kind == DEEPGLOBE:
        found = _deepglobe(spec.folder)
        train, test = _split_by_seed(spec, [pair.name for pair in found])
        classes = spec.classes or DEEPGLOBE_CLASSES
    else:
        found = _potsdam(spec, spec.folder)
        there = [pair.name for pair in found]
        train = spec.train or tuple(name for name in POTSDAM_TRAIN if name in there and name not in spec.test)
        test = spec.test or tuple(name for name in POTSDAM_TEST if name in there and name not in spec.train)
        classes = spec.classes or ClassTable((*POTSDAM_CLASSES, OUTSIDE_CLASS) if spec.pad else tuple(POTSDAM_CLASSES))
    return DatasetFiles(_chosen(spec, found, train, "train"), _chosen(spec, found, test, "test"), classes, True, spec.pad)


def _potsdam(spec: DatasetSpec, folder: Path) -> list[RasterPair]:
    """Return the images of ISPRS Potsdam by their numbers, such as ``2_10``."""
    images = _subfolder(folder, (spec.images,) if spec.images else _POTSDAM_IMAGES)
    truths = _subfolder(folder, (spec.truths,) if spec.truths else _POTSDAM_TRUTHS)
    pairs = []
    for image in sorted(images.glob("top_potsdam_*.tif")):
        match = re.fullmatch(r"top_potsdam_(\d+_\d+)_[A-Z]+", image.stem)
        if match:
            found = [truths / f"top_potsdam_{match[1]}_label{end}.tif" for end in ("", "_noBoundary")]
            truth = next((file for file in found if file.is_file()), None)
            if truth is None:
                raise InputError(f"{image.name} has no truth: there is no {found[0].name} in {truths}.")
            pairs.append(RasterPair(match[1], image, truth))
    if not pairs:
        raise InputError(f"There is no top_potsdam_X_Y_RGB.tif in {images}.", "Unpack the images into it.")
    return pairs


def _subfolder(folder: Path, names: Sequence[str]) -> Path:
    found = next((folder / name for name in names if (folder / name).is_dir()), None)
    if found is None:
        raise InputError(f"{folder} has no folder {' or '.join(names)}.", "Unpack the dataset as it was distributed.")
    return found


def _deepglobe(folder: Path) -> list[RasterPair]:
    """Return the tiles of DeepGlobe land cover that have a mask, by their numbers. The others were never published."""
    inner = folder / "train" if (folder / "train").is_dir() else folder
    pairs = []
    for image in sorted(inner.glob("*_sat.jpg")):
        name = image.stem.removesuffix("_sat")
        mask = inner / f"{name}_mask.png"
        if mask.is_file():
            pairs.append(RasterPair(name, image, mask))
    if not pairs:
        raise InputError(
            f"There is no NUMBER_sat.jpg with its NUMBER_mask.png in {inner}.", "Unpack the training set into it."
        )
    return pairs


def _split_by_seed(spec: DatasetSpec, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split tiles for which no split was published. The same names are always split alike."""
    free = [name for name in names if name not in spec.train and name not in spec.test]
    if spec.test:
        return spec.train or tuple(free), spec.test
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(free))
    number = max(1, round(spec.test_share * len(free))) if free else 0
    test = tuple(sorted(free[index] for index in order[:number]))
    return spec.train or tuple(name for name in free if name not in test), test


def _chosen(spec: DatasetSpec, pairs: Iterable[RasterPair], names: Sequence[str], what: str) -> tuple[RasterPair, ...]:
    by_name = {pair.name: pair for pair in pairs}
    absent = [name for name in names if name not in by_name]
    if absent:
        raise RequestError(f"{spec.name} has no image {', '.join(absent)}.", f"It has {', '.join(by_name)}.")
    both = set(spec.train) & set(spec.test)
    if both:
        raise RequestError(f"{spec.name}: {', '.join(sorted(both))} cannot both train and test.")
    if what == "train" and not names:
        raise InputError(f"{spec.name} has no image to learn from.", "Name some with train = [...].")
    return tuple(by_name[name] for name in names)
