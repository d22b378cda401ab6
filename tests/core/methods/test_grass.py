"""GraSS: after a warm-up every batch is looked at twice, the second time at what the gradients point at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from false_core.methods.fncc import fncc_loss
from false_core.methods.grass import CELL, GraSS, attention, strongest_regions
from false_core.methods.method import Views
from false_core.methods.simclr import nt_xent
from false_core.models.encoder import build_encoder
from false_core.presets import BOTH, IMAGE, POINTS, PRETRAIN
from false_core.training.gradient_cache import accumulate_gradients

SETTINGS = replace(PRETRAIN["quick"], hidden=16, dimensions=8, method="grass", level=IMAGE)
WHOLE = [-1.0, -1.0, 1.0, 1.0]


def naive_attention(features: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Channel weights are spatially pooled gradients; the map is the channel mean of weight x feature, by its maximum."""
    out = []
    for view, gradient_of_view in zip(features, gradients):
        total = np.zeros(view.shape[1:])
        for channel, gradient in zip(view, gradient_of_view):
            total += gradient.mean() * channel
        total /= len(view)
        out.append(total / abs(total.max()))
    return np.stack(out)


def naive_region(attention: np.ndarray) -> list[int]:
    """The bounding box of the region of the highest value, among those above half-way between the lowest and the highest."""
    above = attention >= (attention.min() + attention.max()) / 2
    regions, _ = scipy.ndimage.label(above, np.ones((3, 3)))
    strongest = regions[np.unravel_index(attention.argmax(), attention.shape)]
    rows, columns = scipy.ndimage.find_objects(regions)[strongest - 1]
    return [columns.start, rows.start, columns.stop, rows.stop]


def some_views(pairs: int = 6, size: int = 64, points: int = 5, seed: int = 0) -> Views:
    chance = torch.Generator().manual_seed(seed)
    positions = 2 * torch.rand(2 * pairs, points, 2, generator=chance) - 1
    kept = torch.tensor([row for row in range(pairs * points) if row % points])
    pixels = torch.randn(2 * pairs, 2, size, size, generator=chance)
    return Views(pixels, positions, torch.cat([kept, kept + pairs * points]))


def new(level: str = IMAGE, warmed_up: bool = True, **more: object) -> GraSS:
    torch.manual_seed(0)
    method = GraSS(build_encoder("test_resnet", 2), replace(SETTINGS, level=level, **more))  # type: ignore[arg-type]
    method.after_step(int(warmed_up), 1)
    return method


class TestAttention:
    def test_is_that_of_a_plain_loop_up_to_a_factor(self) -> None:
        chance = np.random.default_rng(0)
        features, gradients = chance.normal(size=(5, 7, 3, 4)) ** 2, chance.normal(size=(5, 7, 3, 4))
        found = attention(torch.from_numpy(features), torch.from_numpy(gradients)).numpy()
        wanted = naive_attention(features, gradients)
        for one, other in zip(found, wanted):
            if other.max() > 0:
                np.testing.assert_allclose(one, other)
            assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(1)

    def test_is_not_turned_upside_down_where_all_of_it_is_below_0(self) -> None:
        features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], dtype=torch.float64)
        found = attention(features, -torch.ones_like(features))
        assert found.flatten().argmax() == 0 and found.flatten().argmin() == 3

    def test_survives_slopes_that_half_precision_can_hardly_hold(self) -> None:
        features = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        gradients = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
        wanted = attention(features, gradients)
        torch.testing.assert_close(attention(features, gradients * 1e-20), wanted)
        assert attention(features, torch.zeros_like(gradients)).isfinite().all()


class TestRegions:
    @pytest.mark.parametrize("seed", range(5))
    def test_are_those_of_another_library(self, seed: int) -> None:
        noise = np.random.default_rng(seed).normal(size=(20, 14, 17))
        smooth = scipy.ndimage.gaussian_filter(noise, (0, 1.2, 1.2))
        found = strongest_regions(torch.from_numpy(smooth))
        assert found.tolist() == [naive_region(one) for one in smooth]
        sizes = (found[:, 2:] - found[:, :2]).prod(dim=1)
        assert sizes.unique().numel() > 5

    def test_follow_a_spiral_to_its_end(self) -> None:
        side = 31
        spiral = torch.zeros(side, side)
        x = y = 0
        step, turns = side - 1, [(1, 0), (0, 1), (-1, 0), (0, -1)]
        spiral[0, 0] = 1.5
        for turn in range(13):
            dx, dy = turns[turn % 4]
            for _ in range(step):
                x, y = x + dx, y + dy
                spiral[y, x] = 1.0
            step -= 2 * (turn % 2) if turn else 0
        assert strongest_regions(spiral[None])[0].tolist() == naive_region(spiral.numpy())

    def test_of_a_view_that_is_the_same_all_over_are_all_of_it(self) -> None:
        assert strongest_regions(torch.ones(1, 5, 6))[0].tolist() == [0, 0, 6, 5]

    def test_touching_at_a_corner_are_one_as_published(self) -> None:
        cells = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 1.9, 0.0]]])
        assert strongest_regions(cells)[0].tolist() == [0, 0, 2, 2]


class TestFocus:
    def focus(self, peak: tuple[int, int], size: int = 128, level: str = IMAGE) -> Tensor:
        """Return what is looked at where one of the coarsest features alone speaks for itself."""
        method = new(level)
        views = some_views(pairs=1, size=size)
        features = torch.zeros(2, 4, size // 32, size // 32)
        features[:, :, peak[1], peak[0]] = 1.0
        return method.focus(views, features, torch.ones_like(features))

    @pytest.mark.parametrize(("peak", "wanted"), [((0, 0), [0, 0, 32, 32]), ((2, 1), [64, 32, 96, 64])])
    def test_is_on_the_feature_that_matters(self, peak: tuple[int, int], wanted: list[int]) -> None:
        left, top, right, bottom = ((self.focus(peak)[0] + 1) * 64).tolist()
        assert np.abs(np.array([left, top, right, bottom]) - wanted).max() <= 2 * CELL
        assert left >= 0 and top >= 0

    def test_is_at_least_a_cell_and_never_outside(self) -> None:
        method, views = new(), some_views(pairs=40)
        chance = torch.Generator().manual_seed(0)
        features, gradients = (torch.randn(80, 6, 2, 2, generator=chance) for _ in range(2))
        sides = method.focus(views, features, gradients)
        assert sides.abs().max() <= 1
        assert ((sides[:, 2:] - sides[:, :2]) * 32 >= CELL - 1e-4).all()

    def test_cuts_out_the_part_and_enlarges_it(self) -> None:
        method, views = new(), some_views(pairs=2)
        assert method.focused(views, torch.tensor([WHOLE] * 4)).pixels.shape == views.pixels.shape
        torch.testing.assert_close(method.focused(views, torch.tensor([WHOLE] * 4)).pixels, views.pixels, rtol=0, atol=1e-4)
        quarter = method.focused(views, torch.tensor([[-1.0, 0.0, 0.0, 1.0]] * 4)).pixels
        lower_left = torch.nn.functional.interpolate(views.pixels[:, :, 32:, :32], (64, 64), mode="nearest")
        torch.testing.assert_close(quarter, lower_left, rtol=0, atol=1e-4)

    def test_moves_points_along_and_keeps_those_that_both_parts_hold(self) -> None:
        method = new(POINTS)
        points = torch.tensor([[[-0.5, 0.5], [0.5, 0.5], [0.9, -0.9]]]).repeat(2, 1, 1)
        views = Views(torch.randn(2, 2, 64, 64), points, torch.tensor([0, 1, 3, 4]))
        focus = torch.tensor([[-1.0, 0.0, 1.0, 1.0], [0.0, -1.0, 1.0, 1.0]])
        seen = method.focused(views, focus)
        # The third point was not seen before; the first one is not in the second part.
        assert seen.kept.tolist() == [1, 4]
        torch.testing.assert_close(seen.points[0, 1], torch.tensor([0.5, 0.0]))
        torch.testing.assert_close(seen.points[1, 1], torch.tensor([0.0, 0.5]))
        ramp = torch.linspace(-1, 1, 64)
        there = torch.stack([ramp.repeat(64, 1), ramp[:, None].repeat(1, 64)])[None].repeat(2, 1, 1, 1)
        seen = method.focused(replace(views, pixels=there), focus)
        for row, view in ((1, 0), (4, 1)):
            place = seen.points.flatten(0, 1)[row][None, None, None]
            value = torch.nn.functional.grid_sample(seen.pixels[view : view + 1], place, align_corners=False).flatten()
            torch.testing.assert_close(value, torch.tensor([0.5, 0.5]), atol=0.03, rtol=0)

    def test_leaves_views_whole_whose_parts_share_no_point(self) -> None:
        method, views = new(POINTS), some_views(pairs=1, size=128)
        features = torch.zeros(2, 4, 4, 4)
        features[0, :, 0, 0] = features[1, :, 3, 3] = 1.0
        apart = replace(views, points=torch.tensor([[[-0.9, -0.9]], [[-0.9, -0.9]]]), kept=torch.tensor([0, 1]))
        assert method.focus(apart, features, torch.ones_like(features)).tolist() == [WHOLE, WHOLE]
        assert method.focus(views, features, torch.ones_like(features)).shape == (2, 4)
        assert new(IMAGE).focus(apart, features, torch.ones_like(features)).tolist() != [WHOLE, WHOLE]


class TestAStep:
    @pytest.mark.thorough
    @pytest.mark.parametrize("false_negatives", [False, True])
    @pytest.mark.parametrize("level", [IMAGE, POINTS, BOTH])
    def test_trains_on_the_parts_that_the_gradients_of_the_whole_batch_choose(
        self, level: str, false_negatives: bool
    ) -> None:
        method, views = new(level, false_negatives=false_negatives, threshold=0.0).eval(), some_views()
        s = method.settings

        def loss(embeddings: dict[str, Tensor]) -> Tensor:
            each = [
                fncc_loss(e, s.temperature, s.threshold) if false_negatives else nt_xent(e, s.temperature).loss
                for e in embeddings.values()
            ]
            return torch.stack(each).mean()

        # As it is described: back to the last feature map, here through the whole network.
        features = method.encoder(views.pixels)
        features[-1].retain_grad()
        torch.autograd.backward(loss(method.heads(features, views.points, views.kept)))
        assert features[-1].grad is not None
        focus = method.focus(views, features[-1].detach(), features[-1].grad)
        wanted = loss(method.embed(method.focused(views, focus)))
        method.zero_grad()
        outcome = accumulate_gradients(method, [lambda: views])
        torch.testing.assert_close(outcome.loss, wanted)
        assert all(p.grad is not None for p in method.heads.parameters())  # type: ignore[union-attr]

    def test_looks_once_until_the_warm_up_is_over(self) -> None:
        method = new(warmed_up=False)
        looks = []
        for step in range(8):
            looks.append(method.looks_twice)
            method.after_step(step + 1, 8)
        assert looks == [False] * 2 + [True] * 6

    def test_lets_batch_norms_see_the_second_look_alone(self) -> None:
        method = new(POINTS).train()
        accumulate_gradients(method, [some_views])
        norms = [m for m in method.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        assert {int(norm.num_batches_tracked) for norm in norms if norm.num_batches_tracked is not None} == {1}

    @pytest.mark.thorough
    def test_goes_through_the_encoder_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        method, seen = new(), []
        method.encoder.register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
        accumulate_gradients(method, [some_views])
        assert seen == [False, True]


@pytest.mark.thorough
def test_the_report_shows_attention_and_crops(report_of: Callable[..., str]) -> None:
    html = report_of("grass", steps=4)
    figure = html[html.index("<h2>Where the gradients look</h2>") :]
    figure = figure[: figure.index("</svg>")]
    # View, attention over the view, and crop of each of 4 patches.
    assert figure.count("data:image/png;base64") == 4 * 4
