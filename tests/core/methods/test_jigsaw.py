"""Jigsaw: cells lie where the numbers say, and a puzzle put together again is the view."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from false_core.methods.jigsaw import (
    Jigsaw,
    cut_cells,
    far_orders,
    in_order,
    normalised_cells,
    scores_of_orders,
    side_of_cells,
)
from false_core.methods.method import Views
from false_core.models.encoder import build_encoder
from false_core.presets import PRETRAIN


def numbers(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


class TestOrders:
    def test_of_four_cells_are_all_there_are(self) -> None:
        assert sorted(map(tuple, far_orders(4, 1000).tolist())) == sorted(itertools.permutations(range(4)))

    def test_are_different_and_each_is_the_farthest_from_those_before_it(self) -> None:
        orders = far_orders(5, 20)
        assert len(set(map(tuple, orders.tolist()))) == 20

        def distance(one: tuple[int, ...], before: np.ndarray) -> float:  # type: ignore[type-arg]
            return float(np.mean([sum(a != b for a, b in zip(one, other)) for other in before.tolist()]))

        for count in (1, 7, 19):
            taken = set(map(tuple, orders[:count].tolist()))
            best = max(distance(one, orders[:count]) for one in itertools.permutations(range(5)) if one not in taken)
            assert distance(tuple(orders[count].tolist()), orders[:count]) == pytest.approx(best)


class TestCells:
    @pytest.mark.parametrize("crop", [64, 128, 160, 224, 256, 384])
    def test_are_as_large_as_the_views_were_made_for(self, crop: int) -> None:
        views = Jigsaw.adapted(replace(PRETRAIN["quick"], crop_size=crop)).crop_size
        assert side_of_cells(views) == max(32, crop // 2 // 32 * 32)

    def test_lie_where_a_plain_loop_finds_them(self) -> None:
        pixels, chance = numbers(3, 2, 20, 20), numbers(3, 8)
        cells = cut_cells(pixels, 2, 7, chance)
        assert cells.shape == (3, 4, 2, 7, 7)
        for view, cell in itertools.product(range(3), range(4)):
            x, y = (min(3, math.floor(one * 4)) for one in chance[view, 2 * cell : 2 * cell + 2].tolist())
            left, top = 10 * (cell % 2) + x, 10 * (cell // 2) + y
            assert cells[view, cell].equal(pixels[view, :, top : top + 7, left : left + 7])

    def test_put_back_are_those_that_were_cut(self) -> None:
        cells = cut_cells(numbers(2, 1, 8, 8), 2, 4, numbers(2, 8))
        orders = torch.tensor([[2, 0, 3, 1], [3, 2, 1, 0]])
        assert in_order(in_order(cells, orders), orders.argsort(dim=1)).equal(cells)
        assert in_order(cells, orders)[0, 0].equal(cells[0, 2])

    def test_of_any_brightness_and_contrast_look_alike(self) -> None:
        cells = numbers(2, 4, 3, 16, 16)
        gain, offset = 5 + numbers(2, 4, 3, 1, 1), numbers(2, 4, 3, 1, 1)
        seen = normalised_cells(5 * cells)
        assert seen.mean(dim=(-2, -1)).abs().max().item() == pytest.approx(0, abs=1e-5)
        torch.testing.assert_close(normalised_cells(gain * cells + offset), seen, atol=0.01, rtol=0.01)
        assert normalised_cells(torch.full((1, 4, 3, 8, 8), 7.0)).abs().max() == 0


class TestScores:
    def test_of_an_order_are_those_of_its_neighbours_one_by_one(self) -> None:
        sides, orders = numbers(3, 4, 4, 5).double() - 0.5, torch.from_numpy(far_orders(4, 24)).long()
        found = scores_of_orders(sides, orders)
        for view, (number, order) in itertools.product(range(3), enumerate(orders.tolist())):

            def cosine(one: int, of: int, other: int, wanted: int, view: int = view, order: list[int] = order) -> float:
                # The cells that lie at these places of the view lie in the puzzle where the order has put them.
                first, second = (sides[view, order.index(cell)].numpy() for cell in (one, other))
                a, b = first[of], second[wanted]
                return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

            right, below, left, above = range(4)
            wanted = cosine(0, right, 1, left) + cosine(2, right, 3, left) + cosine(0, below, 2, above)
            wanted += cosine(1, below, 3, above)
            assert found[view, number].item() == pytest.approx(10 * wanted)

    def test_are_highest_for_the_order_of_a_puzzle_whose_neighbours_fit(self) -> None:
        """Each border within the view has a direction of its own, which both its cells know."""
        borders = torch.eye(8)
        in_view = torch.stack([
            torch.stack([borders[0], borders[2], borders[4], borders[5]]),
            torch.stack([borders[4], borders[3], borders[0], borders[5]]),
            torch.stack([borders[1], borders[6], borders[7], borders[2]]),
            torch.stack([borders[6], borders[7], borders[1], borders[3]]),
        ])  # fmt: skip
        orders = torch.from_numpy(far_orders(4, 24)).long()
        puzzles = in_order(in_view.expand(24, -1, -1, -1), orders)
        assert scores_of_orders(puzzles, orders).argmax(dim=1).equal(torch.arange(24))


class TestTheMethod:
    def method(self) -> Jigsaw:
        torch.manual_seed(0)
        settings = Jigsaw.adapted(replace(PRETRAIN["quick"], method="jigsaw", encoder="test_resnet", hidden=16))
        return Jigsaw(build_encoder("test_resnet", 2), settings)

    def test_who_knows_nothing_has_a_loss_of_the_logarithm_of_24(self) -> None:
        method = self.method()
        last = method.of_cell[-1]
        torch.nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        torch.nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        size = method.settings.crop_size
        views = Views(numbers(4, 2, size, size), numbers(4, 0, 2), torch.zeros(0, dtype=torch.long), chance=numbers(4, 9))
        outcome = method(views)
        assert outcome.loss.item() == pytest.approx(math.log(24), rel=1e-6)
        assert outcome.curves["orders told right"].item() in (0, 0.25, 0.5)

    def test_leaves_batch_norms_that_know_whole_views(self) -> None:
        method, size = self.method(), 76
        norm = next(module for module in method.encoder.modules() if isinstance(module, torch.nn.BatchNorm2d))
        seen: list[torch.Tensor] = []
        norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
        views = Views(
            3 * numbers(4, 2, size, size), numbers(4, 0, 2), torch.zeros(0, dtype=torch.long), chance=numbers(4, 9)
        )
        method(views).loss.backward()
        cells, whole = seen
        assert (cells.shape[0], whole.shape[0]) == (16, 4)
        torch.testing.assert_close(norm.running_mean, 0.1 * whole.mean(dim=(0, 2, 3)))
        assert norm.momentum == 0.1

    @pytest.mark.parametrize(("crop", "view"), [(64, 76), (160, 150), (128, 150), (224, 226)])
    def test_views_hold_cells_that_the_encoder_takes_and_gaps(self, crop: int, view: int) -> None:
        assert Jigsaw.adapted(replace(PRETRAIN["quick"], crop_size=crop)).crop_size == view
