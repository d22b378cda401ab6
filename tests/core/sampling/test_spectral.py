"""Jitter changes light and sensor, not the ground, and knows nothing of red, green and blue."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from false_core.sampling.spectral import QUIET, SpectralJitter, torch_generator

each_number_of_bands = pytest.mark.parametrize("bands", [1, 2, 4, 11])
NOTHING = {"brightness": 0.0, "contrast": 0.0, "gamma": 0.0, "blur": 0.0, "drop": 0.0}


def only(**strength: float) -> SpectralJitter:
    """Return a jitter that does one thing."""
    return SpectralJitter(**{**NOTHING, **strength})


def crops(batch: int, bands: int, size: int = 12) -> Tensor:
    return torch.randn(batch, bands, size, size, generator=torch_generator(7))


class TestAnyNumberOfBands:
    @each_number_of_bands
    @pytest.mark.parametrize("jitter", [SpectralJitter(), QUIET], ids=["pretraining", "fine-tuning"])
    def test_every_crop_and_every_band_is_changed(self, jitter: SpectralJitter, bands: int) -> None:
        given = crops(6, bands)
        changed = jitter(given, torch_generator(0, 3))
        assert changed.shape == given.shape
        assert changed.isfinite().all()
        assert ((changed - given).abs().amax(dim=(2, 3)) > 1e-3).all()

    @each_number_of_bands
    def test_the_same_chance_gives_the_same_change(self, bands: int) -> None:
        given = crops(3, bands)
        one, two, other = (SpectralJitter()(given, torch_generator(0, step)) for step in (3, 3, 4))
        assert one.equal(two)
        assert not one.equal(other)

    @each_number_of_bands
    def test_no_band_is_brightened_more_than_another(self, bands: int) -> None:
        offset = only(brightness=0.3)(torch.zeros(4000, bands, 1, 1), torch_generator(1))[:, :, 0, 0]
        # A shared offset and one of its own, half as large.
        assert offset.std(dim=0).tolist() == pytest.approx([0.3 * math.sqrt(1.25)] * bands, rel=0.08)
        together = torch.corrcoef(offset.T).reshape(bands, bands)
        apart = ~torch.eye(bands, dtype=torch.bool)
        assert together[apart].tolist() == pytest.approx([1 / 1.25] * (bands * (bands - 1)), abs=0.05)

    @each_number_of_bands
    def test_no_band_is_stretched_more_than_another(self, bands: int) -> None:
        gain = only(contrast=0.2)(torch.ones(4000, bands, 1, 1), torch_generator(1))[:, :, 0, 0].log()
        assert gain.std(dim=0).tolist() == pytest.approx([0.2 * math.sqrt(1.25)] * bands, rel=0.08)

    @each_number_of_bands
    @pytest.mark.parametrize("strength", [{"gamma": 0.3}, {"blur": 1.0}], ids=["tone", "blur"])
    def test_tone_and_blur_treat_bands_alike(self, strength: dict[str, float], bands: int) -> None:
        given, order = crops(5, bands), torch.randperm(bands, generator=torch_generator(2))
        one, two = (only(**strength)(x, torch_generator(0)) for x in (given, given[:, order]))
        torch.testing.assert_close(one[:, order], two)


class TestEachChange:
    @pytest.mark.parametrize(("radius", "least"), [(3, 0.80), (6, 0.995)])
    def test_a_blur_has_the_width_it_says_where_its_kernel_is_wide_enough(self, radius: int, least: float) -> None:
        """A spot that is blurred with the widest Gaussians, of 2 pixels, has their variance."""
        spot = torch.zeros(400, 1, 31, 31)
        spot[:, :, 15, 15] = 1
        jitter = SpectralJitter(**{**NOTHING, "blur": 1.0}, radius=radius)
        changes = jitter.draw(400, 1, torch_generator(0))
        across = changes.apply(spot)[:, 0].sum(dim=1)
        widths = (across * (torch.arange(31) - 15.0).square()).sum(dim=1).sqrt()
        assert least - 0.01 < widths.max().item() / 2 < least + 0.06

    def test_without_strength_leaves_all_as_it_is(self) -> None:
        given = crops(3, 4)
        torch.testing.assert_close(only()(given, torch_generator(0)), given)

    def test_can_be_weaker_in_colour_with_as_much_blur(self) -> None:
        weak = SpectralJitter(brightness=0.3, contrast=0.2, gamma=0.1, blur=0.3, drop=0.5).scaled(0.5)
        assert weak == SpectralJitter(brightness=0.15, contrast=0.1, gamma=0.05, blur=0.3, drop=0.25)

    def test_a_tone_curve_keeps_the_order_of_values_and_its_ends(self) -> None:
        ramp = torch.linspace(-4, 4, 50).expand(8, 1, 1, 50)
        curves = only(gamma=0.5)(ramp, torch_generator(0))[:, 0, 0]
        assert (curves.diff(dim=1) > 0).all()
        torch.testing.assert_close(curves[:, [0, -1]], ramp[:, 0, 0, [0, -1]], atol=0.2, rtol=0)
        assert (curves[:, 25] - ramp[0, 0, 0, 25]).abs().max() > 0.3

    def test_blur_smooths_some_crops_and_keeps_what_is_even(self) -> None:
        given = crops(400, 2)
        roughness = only(blur=0.3)(given, torch_generator(0)).std(dim=(1, 2, 3)) / given.std(dim=(1, 2, 3))
        assert ((roughness < 0.95).float().mean().item()) == pytest.approx(0.3 * 0.87, abs=0.08), "the faintest do not show"
        assert (roughness <= 1 + 1e-5).all()
        even = torch.full((5, 3, 12, 12), 1.5)
        torch.testing.assert_close(only(blur=1.0)(even, torch_generator(0)), even)

    def test_blur_spreads_a_point_as_a_gaussian_does(self) -> None:
        point = torch.zeros(20, 1, 15, 15)
        point[:, :, 7, 7] = 1.0
        for spot in only(blur=1.0)(point, torch_generator(0))[:, 0]:
            assert spot.sum().item() == pytest.approx(1.0, abs=1e-5)
            torch.testing.assert_close(spot, spot.T)
            centre, step, two = spot[7, 7], spot[7, 8], spot[7, 9]
            # exp(-1 / 2s2) beside the centre, its fourth power one further; far less than rounding for the faintest.
            assert (two / centre).item() == pytest.approx((step / centre).item() ** 4, abs=1e-6)

    @pytest.mark.parametrize("bands", [3, 4, 11])
    def test_one_band_is_dropped_whichever_it_is(self, bands: int) -> None:
        lost = (only(drop=1.0)(torch.ones(2000, bands, 2, 2), torch_generator(0)) == 0).all(dim=(2, 3))
        assert (lost.sum(dim=1) == 1).all()
        assert lost.float().mean(dim=0).tolist() == pytest.approx([1 / bands] * bands, abs=0.04)

    @pytest.mark.parametrize("bands", [1, 2])
    def test_of_one_or_two_bands_none_is_dropped(self, bands: int) -> None:
        given = crops(50, bands)
        torch.testing.assert_close(only(drop=1.0)(given, torch_generator(0)), given)


class TestChance:
    def test_depends_on_every_number_and_on_their_order(self) -> None:
        drawn = {
            numbers: torch.rand(1, generator=torch_generator(*numbers)).item()
            for numbers in [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 1)]
        }
        assert len(set(drawn.values())) == len(drawn)
        assert torch.rand(1, generator=torch_generator(0, 1)).item() == drawn[0, 1]
