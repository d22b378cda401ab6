"""Pretraining ends where its loss is flat: no sooner, at the same step when it is resumed, and not where steps are named."""

from __future__ import annotations

import dataclasses
import random
import threading
from pathlib import Path

import numpy as np
import pytest
from small_world import FROM_NOTHING

from false_core import presets
from false_core.dispatch import run
from false_core.errors import Cancelled
from false_core.events import Event, Message, Metric
from false_core.jobs import Pretrain
from false_core.training import pretrain
from false_core.training.flatness import FLAT_SHARE, LEAST_STEPS, LINE_POINTS, are_flat

STEPS = range(0, 300, 5)


def curve(fall_from: float, until: int, noise: float = 0.0) -> list[tuple[int, float]]:
    """Return a curve that falls in a straight line to 3 until a step, and is level from there."""
    chance = random.Random(0)
    return [(s, 3 + max(0.0, (fall_from - 3) * (1 - s / until)) + chance.gauss(0, noise)) for s in STEPS]


def ends(points: list[tuple[int, float]]) -> int | None:
    """Return the first step at which a curve is flat."""
    return next((points[n][0] for n in range(len(points)) if are_flat([points[: n + 1]])), None)


class TestACurveIsFlat:
    def test_soon_after_it_stopped_falling(self) -> None:
        end = ends(curve(5.0, until=150))
        assert end is not None and 150 < end <= 150 + 5 * LINE_POINTS

    def test_also_where_it_is_noisy(self) -> None:
        end = ends(curve(5.0, until=100, noise=0.05))
        assert end is not None and 90 < end <= 200

    def test_never_as_long_as_it_falls(self) -> None:
        assert ends(curve(5.0, until=1000)) is None

    def test_nor_where_it_rises_above_its_beginning(self) -> None:
        assert ends([(s, 3.0 + s) for s in STEPS]) is None

    def test_not_within_the_first_steps(self) -> None:
        assert ends(curve(5.0, until=1)) == LEAST_STEPS

    def test_as_a_fit_of_numpy_says(self) -> None:
        points = curve(5.0, until=120, noise=0.1)
        for n in range(LEAST_STEPS // 5 + 1, len(points) + 1):
            steps, values = np.array(points[n - LINE_POINTS : n]).T
            (slope, _), covariance = np.polyfit(steps, values, 1, cov=True)
            ahead = (covariance[0, 0] ** 0.5 - slope) * (steps[-1] - steps[0])
            assert are_flat([points[:n]]) == (ahead < FLAT_SHARE * (points[0][1] - values.mean()))

    def test_of_several_all_must_be(self) -> None:
        flat, falls = curve(5.0, until=50), curve(5.0, until=1000)
        assert are_flat([flat]) and not are_flat([flat, falls]) and not are_flat([])


@pytest.mark.thorough
class TestAPretraining:
    @pytest.fixture(autouse=True)
    def flat_at_ten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A preset of 30 steps that counts as flat at step 10, so that it ends after a tail of 3 more."""
        small = dataclasses.replace(presets.PRETRAIN["quick"], steps=30, batch_size=4, points=4)
        monkeypatch.setitem(presets.PRETRAIN, "quick", small)
        monkeypatch.setattr(pretrain, "are_flat", lambda curves: curves[0][-1][0] >= 10)

    def job(self, land: str, folder: Path, name: str, **more: object) -> Pretrain:
        return Pretrain((land,), str(folder / name), **FROM_NOTHING, **more)  # type: ignore[arg-type]

    def test_ends_with_its_rate_at_zero_and_says_why(self, land: str, tmp_path: Path) -> None:
        events: list[Event] = []
        report = tmp_path / "report.html"
        assert run(self.job(land, tmp_path, "e.safetensors", report=str(report)), events.append)["steps"] == 13
        rates = {e.step: e.value for e in events if isinstance(e, Metric) and e.name == "learning rate"}
        assert max(rates) == 13 and 0 < rates[13] < 0.4 * rates[10]
        assert any("ends at step 13 of 30" in e.text for e in events if isinstance(e, Message))
        assert "Training ended after 13 of 30 steps" in report.read_text(encoding="utf-8")

    def test_ends_at_the_same_step_when_it_is_resumed(self, land: str, tmp_path: Path) -> None:
        run(self.job(land, tmp_path, "whole.safetensors"))
        for cancelled_at in (5, 10):  # Before it is known to be flat, and in the tail.
            cancel = threading.Event()

            def end(event: Event, last: int = cancelled_at, cancel: threading.Event = cancel) -> None:
                if isinstance(event, Metric) and event.step == last:
                    cancel.set()

            with pytest.raises(Cancelled):
                run(self.job(land, tmp_path, "resumed.safetensors"), end, cancel)
        assert run(self.job(land, tmp_path, "resumed.safetensors"))["steps"] == 13
        whole, resumed = ((tmp_path / name).read_bytes() for name in ("whole.safetensors", "resumed.safetensors"))
        assert whole[-1_000_000:] == resumed[-1_000_000:]

    def test_does_all_steps_that_are_named(self, land: str, tmp_path: Path) -> None:
        assert run(self.job(land, tmp_path, "e.safetensors", steps=20))["steps"] == 20
