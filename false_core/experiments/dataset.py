"""A dataset made ready: images with truth in class codes, whatever it looked like before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window

from false_core.errors import InputError
from false_core.experiments.colour_truth import UNKNOWN_CODE, write_codes, write_tiled
from false_core.experiments.config import DatasetSpec, RasterPair
from false_core.experiments.folders import DatasetFiles, find_dataset_files
from false_core.feedback import Feedback
from false_core.outputs.publish import published
from false_core.raster.classes import ClassTable, classes_from_values
from false_core.raster.opening import open_checked_raster

_STRIP = 1024
_SLOW_TO_SEEK = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class LabelledImage:
    """One raster and its truth.

    Attributes:
        name: Its name in tables.
        image: Path of the raster.
        truth: Path of a raster of class codes on the same pixels. What is no code of a class is unknown.
    """

    name: str
    image: str
    truth: str


@dataclass(frozen=True)
class Dataset:
    """A dataset made ready.

    Attributes:
        spec: Entry of the config that names it.
        classes: Its classes.
        train, test: Its images.
        folder: Folder for the files that are made of it.
        legend: Path of a legend with the names and colours of the classes, for fine-tuning.
    """

    spec: DatasetSpec
    classes: ClassTable
    train: tuple[LabelledImage, ...]
    test: tuple[LabelledImage, ...]
    folder: Path
    legend: str


def dataset_fingerprint(spec: DatasetSpec) -> dict[str, Any]:
    """Return what tells a dataset from another of the same name: sizes of its files, and a hash of its labels.

    Dates are left out, as copying a dataset to another machine changes them.

    Raises:
        InputError, RequestError: As ``find_dataset_files``.
    """
    found = find_dataset_files(spec)
    files = [file for pair in (*found.train, *found.test) for file in (pair.image, pair.truth)]
    sizes = [[file.name, file.stat().st_size] for file in files]
    inputs: dict[str, Any] = {"files": hashlib.sha256(json.dumps(sizes).encode()).hexdigest()[:16]}
    if spec.labels:
        path = Path(spec.labels.partition("|")[0])
        try:
            inputs["labels"] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        except OSError as error:
            raise InputError(f"{spec.name}: the labels {path} cannot be read: {error.strerror}.") from error
    return inputs


def prepare(spec: DatasetSpec, output: Path, feedback: Feedback) -> Dataset:
    """Make a dataset ready. What was made before is used again; nothing is written beside the dataset's own files.

    Args:
        spec: The dataset.
        output: Folder of the experiment.
        feedback: The listener that is told what takes time.

    Raises:
        InputError: Files are missing or cannot be read, or a raster and its truth differ in size.
    """
    found = find_dataset_files(spec)
    mark = hashlib.sha256(json.dumps([spec.as_written, dataset_fingerprint(spec)]).encode()).hexdigest()[:8]
    folder = output / "datasets" / f"{spec.name}-{mark}"
    folder.mkdir(parents=True, exist_ok=True)
    for pair in (*found.train, *found.test):
        _check_size(pair)
    train = tuple(_labelled_image(pair, found, folder, learned_from=True, feedback=feedback) for pair in found.train)
    test = tuple(_labelled_image(pair, found, folder, learned_from=False, feedback=feedback) for pair in found.test)
    classes = found.classes or _classes_in(train)
    legend = folder / "legend.json"
    with published(legend) as (partial,):
        entries = [{"value": c.code, "name": c.name, "color": c.color} for c in classes]
        partial.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
    return Dataset(spec, classes, train, test, folder, str(legend))


def _check_size(pair: RasterPair) -> None:
    sizes = []
    for file in (pair.image, pair.truth):
        with open_checked_raster(str(file)) as source:
            sizes.append((source.width, source.height))
    if sizes[0] != sizes[1]:
        shown = " and ".join(f"{width} x {height}" for width, height in sizes)
        raise InputError(
            f"{pair.image.name} and its truth {pair.truth.name} are not of the same size: {shown} pixels.",
            "Bring the truth onto the pixels of the raster.",
        )


def _labelled_image(
    pair: RasterPair, found: DatasetFiles, folder: Path, learned_from: bool, feedback: Feedback
) -> LabelledImage:
    image, truth = pair.image, pair.truth
    if found.colour_coded:
        truth = folder / "truth" / f"{pair.name}.tif"
        if not truth.is_file():
            feedback.info(f"Reading the truth of {pair.name}.")
            truth.parent.mkdir(exist_ok=True)
            write_codes(pair.truth, truth, found.classes, found.pad)
    if found.pad or (learned_from and image.suffix.lower() in _SLOW_TO_SEEK):
        image = folder / "images" / f"{pair.name}.tif"
        if not image.is_file():
            image.parent.mkdir(exist_ok=True)
            write_tiled(pair.image, image, found.pad)
    return LabelledImage(pair.name, str(image), str(truth))


def _classes_in(images: tuple[LabelledImage, ...]) -> ClassTable:
    """Return the codes that occur in the truth; 0 and nodata are taken for unknown."""
    found: set[int] = set()
    for pair in images:
        with rasterio.open(pair.truth) as source:
            for row in range(0, source.height, _STRIP):
                strip = Window(0, row, source.width, min(_STRIP, source.height - row))
                found |= set(np.unique(read_codes(source, strip)).tolist())
    found -= {0, UNKNOWN_CODE}
    if len(found) < 2:
        raise InputError("The truth holds fewer than two class codes from 1 to 254.", "Write the classes into the config.")
    return ClassTable(tuple(classes_from_values(sorted(found), [])[1]))


def read_codes(truth: Any, window: Window) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the codes in a window of an open truth as uint8 (height, width); ``UNKNOWN_CODE`` where there is none."""
    values = truth.read(1, window=window)
    known = (truth.read_masks(1, window=window) > 0) & (values >= 0) & (values < UNKNOWN_CODE)
    if not np.issubdtype(values.dtype, np.integer):
        known &= values == np.floor(values)
    return np.where(known, values, UNKNOWN_CODE).astype(np.uint8)
