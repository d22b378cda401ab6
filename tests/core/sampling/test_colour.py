"""Changes of colour as published are those of the libraries they were published with."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import ColorJitter, RandomApply, RandomGrayscale
from torchvision.transforms import functional as torchvision

from false_core.raster.statistics import Normalisation
from false_core.sampling.colour import (
    CONTRAST,
    GAIN,
    HUE,
    OFFSET,
    SATURATION,
    VIVIDNESS,
    BlackAndWhite,
    ColourChanges,
    PhotometricDistortion,
    SimCLRColour,
)
from false_core.sampling.spectral import SpectralJitter, torch_generator

UNIT = BlackAndWhite((0.0,) * 3, (1.0,) * 3)
THEIRS = {
    GAIN: torchvision.adjust_brightness,
    CONTRAST: torchvision.adjust_contrast,
    SATURATION: torchvision.adjust_saturation,
    HUE: torchvision.adjust_hue,
}


def images(count: int = 6, bands: int = 3) -> Tensor:
    return torch.rand(count, bands, 16, 16, generator=torch_generator(5))


def one_change(image: Tensor, kind: int, amount: float) -> Tensor:
    ends = BlackAndWhite((0.0,) * image.shape[1], (1.0,) * image.shape[1])
    batch = len(image)
    return ColourChanges.between(ends, torch.full((batch, 1), kind), torch.full((batch, 1), amount)).apply(image)


@pytest.mark.parametrize("amount", [0.2, 0.9, 1.0, 1.8])
@pytest.mark.parametrize("kind", [GAIN, CONTRAST, SATURATION])
def test_brightness_contrast_and_saturation_are_torchvision_s(kind: int, amount: float) -> None:
    given = images()
    torch.testing.assert_close(one_change(given, kind, amount), THEIRS[kind](given, amount), atol=2e-4, rtol=0)


@pytest.mark.parametrize("turns", [-0.2, -0.03, 0.0, 0.11, 0.2])
def test_hue_is_torchvision_s(turns: float) -> None:
    given = images()
    torch.testing.assert_close(one_change(given, HUE, turns), torchvision.adjust_hue(given, turns), atol=1e-5, rtol=0)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
def test_vividness_is_the_saturation_of_hsv_and_ends_at_1(factor: float) -> None:
    given = images(1)
    changed = one_change(given, VIVIDNESS, factor)[0].flatten(1).T
    for before, after in zip(given[0].flatten(1).T.tolist(), changed.tolist()):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb(hue, min(1.0, factor * saturation), value), abs=1e-5)


def test_a_sequence_of_changes_is_done_one_after_the_other_crop_by_crop() -> None:
    given = images()
    changes = SimCLRColour(UNIT).draw(len(given), torch_generator(1))
    assert len({tuple(order) for order in changes.kinds.tolist()}) > 2, "every crop has an order of its own"
    for image, changed, kinds, amounts in zip(given, changes.apply(given), changes.kinds, changes.amounts):
        for kind, amount in zip(kinds.tolist(), amounts.tolist()):
            image = THEIRS[kind](image, amount)
        torch.testing.assert_close(changed, image, atol=1e-3, rtol=0)


@pytest.mark.thorough
def test_simclr_s_move_views_as_far_apart_as_torchvision_s() -> None:
    """Colours of a land: dull greens and browns, 40 of 255 around their means."""
    mean, std, count = torch.tensor([90.0, 100.0, 80.0]), 40.0, 300
    chance = torch_generator(0)
    shared, own = torch.randn(count, 1, 12, 12, generator=chance), torch.randn(count, 3, 12, 12, generator=chance)
    bytes_ = (mean[:, None, None] + std * (0.9 * shared + 0.43 * own)).clamp(0, 255)
    normalised = (bytes_ - mean[:, None, None]) / std
    ends = BlackAndWhite.of(Normalisation((0,) * 3, (255,) * 3, tuple(mean.tolist()), (std,) * 3), "uint8")
    ours = [SimCLRColour(ends).draw(count, torch_generator(n)).apply(normalised) for n in (1, 2)]
    torch.manual_seed(0)
    jitter, grey = RandomApply([ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8), RandomGrayscale(0.2)
    theirs = [torch.stack([grey(jitter(image / 255)) for image in bytes_]) * (255 / std) for _ in range(2)]

    def apart(views: list[Tensor]) -> float:
        return float((views[0] - views[1]).square().mean().sqrt())

    assert apart(ours) == pytest.approx(apart(theirs), rel=0.08)
    bands = SpectralJitter(blur=0.0)
    weaker = apart([bands(normalised.clone(), torch_generator(n)) for n in (1, 2)])
    assert 0.4 < weaker / apart(theirs) < 0.7, "what PretrainSettings.jitter says of the two"


def test_grey_comes_in_a_fifth_of_the_crops() -> None:
    changes = SimCLRColour(UNIT).draw(20_000, torch_generator(0))
    assert (changes.amounts[:, -1] == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    still = torch.tensor([{GAIN: 1.0, CONTRAST: 1.0, SATURATION: 1.0, HUE: 0.0}[k] for k in changes.kinds[:, 0].tolist()])
    assert (changes.amounts[:, 0] == still).float().mean().item() == pytest.approx(0.2, abs=0.01)


def test_photometric_distortion_draws_what_mmsegmentation_draws() -> None:
    changes = PhotometricDistortion(UNIT).draw(20_000, torch_generator(0))
    assert changes.kinds[0].tolist() == [OFFSET, GAIN, VIVIDNESS, HUE, GAIN]
    lowest, highest = changes.amounts.amin(dim=0), changes.amounts.amax(dim=0)
    np.testing.assert_allclose(lowest, [-32 / 255, 0.5, 0.5, -0.1, 0.5], atol=2e-3)
    np.testing.assert_allclose(highest, [32 / 255, 1.5, 1.5, 0.1, 1.5], atol=2e-3)
    applied = changes.amounts != torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(applied.float().mean(dim=0), [0.5, 0.25, 0.5, 0.5, 0.25], atol=0.015)
    assert not (applied[:, 1] & applied[:, 4]).any(), "contrast comes either before the colours or after them"


@pytest.mark.parametrize("bands", [1, 2, 4, 11])
def test_any_number_of_bands_has_brightness_contrast_and_saturation(bands: int) -> None:
    given = images(bands=bands)
    ends = BlackAndWhite((0.0,) * bands, (1.0,) * bands)
    changed = SimCLRColour(ends).draw(len(given), torch_generator(2)).apply(given)
    assert changed.isfinite().all()
    assert changed.amin() >= 0
    assert changed.amax() <= 1
    assert not torch.allclose(changed, given)
    torch.testing.assert_close(one_change(given, SATURATION, 0.0), given.mean(dim=1, keepdim=True).expand_as(given))
    torch.testing.assert_close(one_change(given, HUE, 0.2), given)


def test_black_and_white_are_those_of_the_file_or_the_percentiles_of_the_raster() -> None:
    normalisation = Normalisation((-50.0,), (350.0,), (100.0,), (50.0,))
    assert BlackAndWhite.of(normalisation, "uint8") == BlackAndWhite((-2.0,), (3.1,))
    assert BlackAndWhite.of(normalisation, "uint16") == BlackAndWhite((-1.0,), (3.0,))
