"""The context that a model needs around a pixel: what the border of a tile changes, by the distance from it.

    python benchmarks/context.py model.safetensors raster.tif

A window is computed twice: as a part of a larger tile, and as a tile of its own that begins some pixels later. By the
distance from the border of the second it gives the mean and the 99th percentile of the largest difference of a class
probability, and the share of pixels whose class differs.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse

import numpy as np
import torch

from false_core.feedback import Feedback
from false_core.mapping.raster_for_model import open_for_model
from false_core.models.from_file import segmenter_from
from false_core.models.header import SEGMENTER
from false_core.models.model_file import read_card
from false_core.models.segmenter import class_probabilities
from false_core.raster.source import Window

LARGE, SMALL, SHIFT = 1280, 640, 256
"""Multiples of the strides of all models."""
DISTANCES = (0, 8, 16, 24, 32, 48, 64, 96, 128, 192)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What the border of a tile changes.")
    parser.add_argument("model")
    parser.add_argument("raster")
    parser.add_argument("--windows", type=int, default=6)
    choice = parser.parse_args()
    card = read_card(choice.model, SEGMENTER)
    source = open_for_model(choice.raster, choice.model, card, Feedback())
    network = segmenter_from(choice.model, card)
    chance = np.random.default_rng(0)
    places = [
        [int(chance.integers(0, max(1, side - LARGE))) for side in (source.width, source.height)]
        for _ in range(choice.windows)
    ]
    differences, changed = [], []
    for column, row in places:
        raw = source.read(Window(column, row, LARGE, LARGE))
        pixels = torch.from_numpy(card.normalisation.apply(raw))[None]
        part = slice(SHIFT, SHIFT + SMALL)
        whole = class_probabilities(network, pixels)[0][:, part, part]
        alone = class_probabilities(network, pixels[:, :, part, part])[0]
        # Distance from the left border, in the rows that are far from the upper and lower one.
        middle = slice(SMALL // 2 - 32, SMALL // 2 + 32)
        differences.append((whole - alone).abs().amax(dim=0)[middle].numpy())
        changed.append((whole.argmax(dim=0) != alone.argmax(dim=0))[middle].numpy())
    difference, other = np.concatenate(differences), np.concatenate(changed)
    print(f"{card.encoder} with {'a linear head' if card.head else card.decoder}, {choice.windows} windows")
    print(f"{'distance px':>12s} {'mean':>8s} {'99th pc':>8s} {'class differs':>14s}")
    for distance in DISTANCES:
        near = slice(distance, distance + 8)
        values = difference[:, near]
        print(f"{distance:12d} {values.mean():8.4f} {np.percentile(values, 99):8.4f} {100 * other[:, near].mean():12.2f} %")


if __name__ == "__main__":
    main()
