"""Local statistics are those of scipy, and random features know the scale of what they are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from false_core.models.texture import SCALES, LocalStatistics, RandomFeatures, smoothed, statistics_of

WIDER = 1.25**0.5
"""Windows of more than a pixel are taken on a coarser grid. Means of its cells, and the way back from them, widen them."""
TOLERANCE = 0.02
"""Of the standard deviation of the image, root mean square, away from the edges."""


def image(bands: int = 1, height: int = 96, width: int = 131) -> np.ndarray:
    """Return bands of noise on waves, each with mean 0 and standard deviation 1."""
    chance = np.random.default_rng(bands)
    row, column = np.mgrid[:height, :width]
    waves = [np.sin(row / (5 + band)) + np.cos(column / (9 - band % 4)) for band in range(bands)]
    pixels = np.stack(waves) + chance.normal(0, 0.7, (bands, height, width))
    pixels -= pixels.mean(axis=(1, 2), keepdims=True)
    return np.asarray(pixels / pixels.std(axis=(1, 2), keepdims=True), np.float32)


def statistics(pixels: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return np.asarray(LocalStatistics(len(pixels))(torch.from_numpy(pixels)[None])[0])


def test_means_and_standard_deviations_are_those_of_scipy() -> None:
    pixels = image(1, 211, 250)
    found = statistics(pixels)
    assert len(found) == statistics_of(1) == 1 + 2 * len(SCALES)
    np.testing.assert_array_equal(found[0], pixels[0])
    inside = (slice(64, -64), slice(64, -64))
    values = pixels[0].astype(float)
    for number, scale in enumerate(SCALES):
        width = scale * (WIDER if scale > 1 else 1)
        mean, square = (ndimage.gaussian_filter(v, width, mode="nearest", truncate=3) for v in (values, values**2))
        std = np.sqrt(np.maximum(square - mean**2, 0))
        for name, own, theirs in (("mean", found[1 + 2 * number], mean), ("std", found[2 + 2 * number], std)):
            difference = np.sqrt(np.square(own - theirs)[inside].mean())
            assert difference < (1e-5 if scale == 1 else TOLERANCE), (scale, name)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e3])
def test_a_constant_image_has_its_value_everywhere_and_no_deviation(value: float) -> None:
    found = statistics(np.full((1, 40, 50), value, np.float32))
    np.testing.assert_allclose(found[[0, *range(1, len(found), 2)]], value, rtol=1e-5)
    # In single precision the square of a large mean leaves a little.
    np.testing.assert_allclose(found[2::2], 0, atol=2e-3 * abs(value) + 1e-6)


def test_bands_do_not_touch_each_other() -> None:
    both = image(2)
    found = statistics(both).reshape(1 + 2 * len(SCALES), 2, *both.shape[1:])
    for band in range(2):
        np.testing.assert_allclose(found[:, band], statistics(both[band : band + 1]), atol=1e-5)


def test_many_bands_are_mixed_to_a_few() -> None:
    pixels = image(11)
    layer = LocalStatistics(11)
    assert layer.channels == statistics_of(6)
    mixing = torch.randn(6, 11, generator=torch.Generator().manual_seed(3))
    layer.mixing.copy_(mixing)
    with torch.inference_mode():
        found = layer(torch.from_numpy(pixels)[None])[0]
    mixed = np.einsum("cb,bhw->chw", mixing.numpy(), pixels)
    np.testing.assert_allclose(found[:6], mixed, atol=1e-4)
    np.testing.assert_allclose(found, statistics(mixed.astype(np.float32)), atol=1e-3)


@pytest.mark.parametrize("std", [0.5, 1, 3, 8, 20, 200])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (64, 97)])
def test_a_mean_keeps_size_and_range(std: float, size: tuple[int, int]) -> None:
    values = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    means = smoothed(values, std)
    assert means.shape == values.shape
    assert means.min() >= values.min() - 1e-5 and means.max() <= values.max() + 1e-5


def test_a_mean_moves_nothing() -> None:
    """A blob stays where it is, and keeps its sum, also on the coarser grid."""
    row, column = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    blob = torch.exp(-((row - 127.5).square() + (column - 120).square()) / 200)
    for std in (1, 4, 12):
        found = smoothed(blob[None, None], std)[0, 0]
        torch.testing.assert_close(found.sum(), blob.sum(), rtol=1e-3, atol=0)
        torch.testing.assert_close((found * row).sum() / found.sum(), torch.tensor(127.5), rtol=0, atol=0.05)
        torch.testing.assert_close((found * column).sum() / found.sum(), torch.tensor(120.0), rtol=0, atol=0.05)


def test_random_features_standardise_what_they_are_made_of() -> None:
    """The same statistics in other units give the same features."""
    generator = torch.Generator().manual_seed(0)
    plain = torch.randn(500, 7, generator=generator)
    mean, std = torch.linspace(-50, 50, 7), torch.logspace(-3, 3, 7)
    features, of_other_units = RandomFeatures(7, 3, 64), RandomFeatures(7, 3, 64)
    features.draw(torch.zeros(7), torch.ones(7), torch.Generator().manual_seed(5))
    of_other_units.draw(mean, std, torch.Generator().manual_seed(5))
    others = plain * std + mean
    torch.testing.assert_close(of_other_units(others), features(plain), rtol=1e-2, atol=2e-2)
    torch.testing.assert_close(of_other_units(others[:, :3]), features(plain[:, :3]), rtol=1e-2, atol=2e-2)


def test_random_features_are_positive_parts_of_about_unit_variance() -> None:
    features = RandomFeatures(30, 3, 4000)
    features.draw(torch.zeros(30), torch.ones(30), torch.Generator().manual_seed(1))
    found = features(torch.randn(200, 30, generator=torch.Generator().manual_seed(2)))
    assert found.shape == (200, 4000) and bool((found >= 0).all())
    # Projections and offsets are normal with variance 1 each: half of the mean of the square of their sum, 2.
    assert 0.9 < float(found.square().mean()) < 1.1
    assert 0.45 < float((found > 0).float().mean()) < 0.55


def test_random_features_are_the_same_for_the_same_seed_only() -> None:
    drawn = [RandomFeatures(3, 1, 16) for _ in range(3)]
    for layer, seed in zip(drawn, (1, 1, 2)):
        layer.draw(torch.zeros(3), torch.ones(3), torch.Generator().manual_seed(seed))
    assert drawn[0].directions.equal(drawn[1].directions) and drawn[0].offsets.equal(drawn[1].offsets)
    assert not drawn[0].directions.equal(drawn[2].directions)


def test_random_features_of_the_values_alone_change_their_course_among_these() -> None:
    """Wherever the other statistics lie: local deviations are never near 0."""
    mean, std = torch.tensor([5.0, 5.0] + [8.0] * 40), torch.tensor([2.0, 2.0] + [0.5] * 40)
    layer, generator = RandomFeatures(42, 2, 2000), torch.Generator().manual_seed(0)
    layer.draw(mean, std, generator)
    values = torch.randn(4000, 2, generator=generator) * std[:2] + mean[:2]
    share = (layer(values) > 0).float().mean(dim=0)
    # Where a projection and its offset are normal, 13 % lie more than 2.3 deviations away, which is 1 % of the values.
    assert float(((share > 0.01) & (share < 0.99)).float().mean()) > 0.8
