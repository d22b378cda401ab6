"""Where the memory does not hold a batch, it goes through the networks in parts, and every patch still meets all others."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from small_world import FROM_NOTHING, Listener
from torch import Tensor, nn

from false_core import jobs
from false_core.computing.distributed import World
from false_core.dispatch import run
from false_core.errors import OutOfMemoryError
from false_core.events import Metric
from false_core.jobs import Pretrain
from false_core.methods.method import Method, Views
from false_core.methods.registry import METHOD_CLASSES, build_method
from false_core.models.encoder import build_encoder
from false_core.presets import BOTH, IMAGE, POINTS, PRETRAIN
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.sampling.geometry import resample, resample_crops
from false_core.sampling.spectral import SpectralJitter, torch_generator
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews
from false_core.training.gradient_cache import accumulate_gradients
from false_core.training.trainer import Trainer

pytestmark = pytest.mark.thorough

PATCHES, POINTS_EACH = 7, 5
UNEVEN = (slice(0, 3), slice(3, 4), slice(4, 7))
each_method = pytest.mark.parametrize("name", jobs.METHODS)


def new(name: str, level: str, confidence: float | str = 1.0, **more: Any) -> Method:
    """Return a method whose batch norms stand still, in double precision."""
    torch.manual_seed(0)
    settings = replace(
        PRETRAIN["quick"],
        encoder="test_resnet",
        hidden=16,
        dimensions=8,
        outputs=32,
        threshold=-1.0,
        method=name,
        level=level,
        confidence=confidence,
        **more,
    )
    settings = METHOD_CLASSES[name].adapted(settings)
    return build_method(build_encoder(settings.encoder, 2), settings).double().eval()


def some_views(size: int = 32) -> tuple[Views, list[Views]]:
    """Return views of noise, whole and in parts. Which points are seen differs from patch to patch."""
    chance = torch.Generator().manual_seed(3)
    pixels = torch.randn(2, PATCHES, 2, size, size, generator=chance, dtype=torch.float64)
    points = 2 * torch.rand(2, PATCHES, POINTS_EACH, 2, generator=chance, dtype=torch.float64) - 1
    seen = torch.rand(PATCHES, POINTS_EACH, generator=chance) < 0.7
    local = torch.randn(4, PATCHES, 2, 32, 32, generator=chance, dtype=torch.float64)
    numbers = torch.rand(2, PATCHES, 9, generator=chance, dtype=torch.float64)
    ground = 3 * torch.rand(PATCHES, 1 + POINTS_EACH, 3, generator=chance, dtype=torch.float64)

    def of(patches: slice) -> Views:
        rows = [index for index, is_seen in enumerate(seen[patches].flatten().tolist()) if is_seen]
        other = seen[patches].numel()
        kept = torch.tensor(rows + [other + row for row in rows])
        return Views(
            pixels[:, patches].flatten(0, 1),
            points[:, patches].flatten(0, 1),
            kept,
            ground[patches],
            numbers[:, patches].flatten(0, 1),
            local[:, patches].flatten(0, 1),
        )

    return of(slice(0, PATCHES)), [of(part) for part in UNEVEN]


def gradients(method: Method) -> dict[str, Tensor]:
    return {name: p.grad for name, p in method.named_parameters() if p.grad is not None}


class TestGradients:
    @each_method
    @pytest.mark.parametrize("level", [IMAGE, POINTS, BOTH])
    def test_of_a_batch_in_parts_are_those_of_the_whole_batch(self, name: str, level: str) -> None:
        whole, parts = some_views(size=64 if name == "jigsaw" else 32)
        one, other = new(name, level), new(name, level)
        wanted = accumulate_gradients(one, [lambda: whole])
        outcome = accumulate_gradients(other, [partial(copy.copy, part) for part in parts])
        torch.testing.assert_close(outcome.loss, wanted.loss)
        for curve, value in wanted.curves.items():
            torch.testing.assert_close(outcome.curves[curve], value)
        torch.testing.assert_close(gradients(other), gradients(one), rtol=1e-6, atol=1e-9)
        assert bool(gradients(one)) == METHOD_CLASSES[name].by_gradients

    def test_hold_for_adaptive_confidence_too(self) -> None:
        whole, parts = some_views()
        one, other = new("false", POINTS, "adaptive"), new("false", POINTS, "adaptive")
        accumulate_gradients(one, [lambda: whole])
        accumulate_gradients(other, [partial(copy.copy, part) for part in parts])
        torch.testing.assert_close(gradients(other), gradients(one), rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize("name", jobs.CALIBRATED)
    def test_hold_with_false_negatives_in_other_methods(self, name: str) -> None:
        whole, parts = some_views()
        one, other = (new(name, BOTH, false_negatives=True) for _ in range(2))
        wanted = accumulate_gradients(one, [lambda: whole])
        outcome = accumulate_gradients(other, [partial(copy.copy, part) for part in parts])
        torch.testing.assert_close(outcome.loss, wanted.loss)
        torch.testing.assert_close(gradients(other), gradients(one), rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize("false_negatives", [False, True])
    @pytest.mark.parametrize("level", [IMAGE, POINTS, BOTH])
    def test_hold_where_a_batch_is_looked_at_twice(self, level: str, false_negatives: bool) -> None:
        whole, parts = some_views(size=64)
        once, one, other = (new("grass", level, false_negatives=false_negatives) for _ in range(3))
        untouched = accumulate_gradients(once, [lambda: whole]).loss
        for method in (one, other):
            method.after_step(1, 1)
            assert method.looks_twice
        wanted = accumulate_gradients(one, [lambda: whole])
        outcome = accumulate_gradients(other, [partial(copy.copy, part) for part in parts])
        assert not torch.isclose(wanted.loss, untouched), "it looked at something else the second time"
        torch.testing.assert_close(outcome.loss, wanted.loss)
        torch.testing.assert_close(gradients(other), gradients(one), rtol=1e-6, atol=1e-9)

    def test_are_not_those_of_parts_by_themselves(self) -> None:
        whole, parts = some_views()
        one, other = new("simclr", IMAGE), new("simclr", IMAGE)
        accumulate_gradients(one, [lambda: whole])
        for part in parts:
            accumulate_gradients(other, [partial(copy.copy, part)])
        name = "heads.image.layers.2.weight"
        assert not torch.allclose(gradients(other)[name] / len(parts), gradients(one)[name], rtol=0.05)

    def test_reach_all_weights_in_mixed_precision(self) -> None:
        _, parts = some_views()
        method = new("false", BOTH).float()
        floats = [replace(part, pixels=part.pixels.float(), points=part.points.float()) for part in parts]
        accumulate_gradients(
            method, [partial(copy.copy, part) for part in floats], partial(torch.autocast, "cpu", torch.bfloat16)
        )
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in method.heads.parameters())  # type: ignore[union-attr]

    def test_let_batch_norms_see_every_part_once(self) -> None:
        _, parts = some_views()
        method = new("false", POINTS).train()
        accumulate_gradients(method, [partial(copy.copy, part) for part in parts])
        norms = [module for module in method.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        assert {int(norm.num_batches_tracked) for norm in norms if norm.num_batches_tracked is not None} == {len(parts)}


class TestViewsInParts:
    def test_are_the_rows_of_the_whole(self, land: str) -> None:
        source = RasterSource(land)
        plain = Normalisation((0.0,) * 4, (255.0,) * 4, (90.0,) * 4, (40.0,) * 4)
        sampler = PatchSampler(
            MeasuredRasters([source], [source.window_of(None)], plain),
            PatchDraw(PATCHES, 32, (0.7, 1.4), POINTS_EACH, 0),
            10**7,
        )
        pairs, jitter = sampler.batch(0), SpectralJitter()
        views = RawViews.of(pairs, jitter, 4, 2)

        def made(raw: RawViews) -> Tensor:
            return raw.changes.apply(resample_crops(raw.windows, raw.maps, 32))

        plainly = torch.cat([resample(pairs.windows, placement, 32) for placement in (pairs.first, pairs.second)])
        torch.testing.assert_close(made(views), jitter(plainly, torch_generator(4, 2)))
        parts = [views.subset(part) for part in UNEVEN]
        for half in (0, 1):
            torch.testing.assert_close(torch.cat([made(p).chunk(2)[half] for p in parts]), made(views).chunk(2)[half])
            kept = torch.cat([p.points.flatten(0, 1)[p.kept].chunk(2)[half] for p in parts])
            torch.testing.assert_close(kept, views.points.flatten(0, 1)[views.kept].chunk(2)[half])


class TestTooLittleMemory:
    @pytest.fixture
    def refused(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
        """Let no more than 6 views through an encoder; return how many those were that were refused.

        Of jigsaw each view is four cells, and of last there are as many times more small crops: so more go through.
        """
        times = 4 if re.search("jigsaw|last", request.node.name) else 1
        refused: list[int] = []
        real = nn.Module.__call__

        def watched(self: nn.Module, *given: Any, **named: Any) -> Any:
            if hasattr(self, "out_channels") and hasattr(self, "output_stride") and len(given[0]) > 6 * times:
                refused.append(len(given[0]) // times)
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return real(self, *given, **named)

        monkeypatch.setattr(nn.Module, "__call__", watched)
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
        return refused

    def job(self, land: str, folder: Path, name: str, **more: Any) -> Pretrain:
        settings = {**FROM_NOTHING, "batch_size": 10, **more}
        return Pretrain((land,), str(folder / "e.safetensors"), method=name, steps=3, **settings)

    @each_method
    def test_halves_what_goes_through_together_says_so_once_and_goes_on(
        self, land: str, tmp_path: Path, listener: Listener, refused: list[int], name: str
    ) -> None:
        run(self.job(land, tmp_path, name), listener)
        # Of these the encoder that is trained sees one view of each patch.
        one_view = name in ("pcl", "moco", "sticl")
        assert refused == ([10] if one_view else [20, 10])
        assert listener.warnings.count("does not hold a batch of 10 patches") == 1
        assert f"{5 if one_view else 3} at a time" in listener.warnings
        assert max(event.step for event in listener.all(Metric)) == max(3, METHOD_CLASSES[name].fewest_steps)

    def test_is_remembered_for_these_settings_alone(
        self, land: str, tmp_path: Path, listener: Listener, refused: list[int]
    ) -> None:
        run(self.job(land, tmp_path, "false"))
        refused.clear()
        run(self.job(land, tmp_path, "false"), listener)
        assert not refused
        assert "3 at a time" in listener.infos
        assert "does not hold" not in listener.warnings
        run(self.job(land, tmp_path, "false", batch_size=4))
        assert refused == [8]

    def test_of_one_of_several_processes_ends_all_and_is_remembered_for_the_next_start(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener, refused: list[int]
    ) -> None:
        """The others are in the middle of a step. Here they are none, but this process does not know."""
        monkeypatch.setattr(World, "is_shared", True)
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        try:
            with pytest.raises(OutOfMemoryError, match="does not hold 10 patches at a time. Run the job again: it goes on"):
                run(self.job(land, tmp_path, "false"))
            refused.clear()
            with pytest.raises(OutOfMemoryError, match="does not hold 6 patches at a time"):
                run(self.job(land, tmp_path, "false"))
            assert refused == [10]
            run(self.job(land, tmp_path, "false"), listener)
        finally:
            dist.destroy_process_group()
        assert "3 at a time" in listener.infos

    def test_for_the_first_step_of_the_optimiser_is_answered_too(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener
    ) -> None:
        """Adam makes its moments there. They fit once fewer patches have gone through together."""
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
        tried: list[int] = []
        real = Trainer._make_room_for_first_step

        def room(trainer: Trainer) -> None:
            if not trainer.optimiser.state:
                tried.append(trainer.patches_at_a_time)
                if trainer.patches_at_a_time > 3:
                    raise RuntimeError("CUDA error: out of memory")
            real(trainer)

        monkeypatch.setattr(Trainer, "_make_room_for_first_step", room)
        run(self.job(land, tmp_path, "false"), listener)
        assert tried == [10, 5, 3]
        assert "3 at a time" in listener.warnings
        assert max(event.step for event in listener.all(Metric)) == 3

    def test_for_a_single_patch_ends_the_job(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: list[int]
    ) -> None:
        def never(*_: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory.")

        monkeypatch.setattr(Method, "forward", never)
        monkeypatch.setattr("false_core.methods.method.ProjectedMethod.embed", never)
        with pytest.raises(OutOfMemoryError, match="smaller batch size"):
            run(self.job(land, tmp_path, "false"))
