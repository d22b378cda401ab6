"""What is painted comes from the features that are given, and of an autoencoder from the coarsest alone."""

from __future__ import annotations

import torch

from false_core.methods.autoencoder import Autoencoder
from false_core.methods.pretext import ViewPainter

CHANNELS = [2, 4, 4, 6, 6, 8]


def features(seed: int) -> list[torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return [torch.randn(2, channels, 64 >> level, 64 >> level, generator=chance) for level, channels in enumerate(CHANNELS)]


def test_an_autoencoder_paints_from_the_coarsest_features_alone() -> None:
    painter = ViewPainter(CHANNELS, 2, Autoencoder.joined).eval()
    one, other = features(0), features(1)
    painted = painter(one)
    assert painted.shape == one[0].shape
    assert painter([*other[:-1], one[-1]]).equal(painted)
    assert not painter([*one[:-1], other[-1]]).equal(painted)


def test_other_painters_join_two_more_levels() -> None:
    painter = ViewPainter(CHANNELS, 2).eval()
    one, other = features(0), features(1)
    changed = [
        not painter([*one[:level], other[level], *one[level + 1 :]]).equal(painter(one)) for level in range(len(CHANNELS))
    ]
    assert changed == [False, False, False, True, True, True]
