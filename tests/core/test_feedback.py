"""Rate and time left are those of what is being done now, also where a run goes on that was interrupted."""

from __future__ import annotations

import pytest

from false_core import events, feedback
from false_core.feedback import Feedback


class Clock:
    """A clock that only the test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(feedback, "time", made)
    return made


def steps(clock: Clock, told: Feedback, first: int, until: int, total: int, seconds: float = 1.0) -> None:
    """Report before each of the steps ``first`` to ``until`` of ``total``, each of which takes ``seconds``."""
    for step in range(first, until + 1):
        told.advance(step * 32, total * 32, "patches")
        clock.now += seconds


class TestARunThatGoesOn:
    def test_counts_what_was_done_since_and_not_what_was_done_before(self, clock: Clock) -> None:
        said: list[events.Progress] = []
        told = Feedback(said.append)  # type: ignore[arg-type]
        with told.stage("Pretraining", 1.0):
            clock.now += 7  # Reading the checkpoint.
            steps(clock, told, 500, 510, 1000)
        rates = {event.rate for event in said if event.rate}
        assert rates == {"32 patches/s"}
        assert said[-2].fraction == pytest.approx(0.51)
        assert said[-2].eta_s == pytest.approx(490)

    def test_expects_the_stages_that_follow_at_its_pace(self, clock: Clock) -> None:
        said: list[events.Progress] = []
        told = Feedback(said.append)  # type: ignore[arg-type]
        with told.stage("Pretraining", 0.8):
            steps(clock, told, 500, 510, 1000)
        assert said[-2].eta_s == pytest.approx(490 + 1000 * 0.2 / 0.8)

    def test_of_several_jobs_counts_since_it_began(self, clock: Clock) -> None:
        """Six of ten maps were there already."""
        said: list[events.Progress] = []
        told = Feedback(said.append)  # type: ignore[arg-type]
        for number in (6, 7):
            part = told.part(f"map {number}", number / 10, 1 / 10)
            with part.stage("Classifying", 1.0):
                for done in range(10):
                    part.advance(done, 10, "tiles")
                    clock.now += 1
        assert said[-1].fraction == pytest.approx(0.8)
        assert said[-1].eta_s == pytest.approx(20)


def test_a_run_from_the_beginning_is_told_as_ever(clock: Clock) -> None:
    said: list[events.Progress] = []
    told = Feedback(said.append)  # type: ignore[arg-type]
    with told.stage("Pretraining", 0.5):
        steps(clock, told, 0, 100, 1000, seconds=0.5)
    assert said[-2].rate == "64 patches/s"
    assert said[-2].eta_s == pytest.approx(450 + 500)


@pytest.mark.parametrize(("seconds", "rate"), [(2.0, "0.5 tiles/s"), (30.0, "0.033 tiles/s"), (0.3, "3.3 tiles/s")])
def test_a_slow_run_has_a_rate_that_is_not_nought(clock: Clock, seconds: float, rate: str) -> None:
    said: list[events.Progress] = []
    told = Feedback(said.append)  # type: ignore[arg-type]
    with told.stage("Classifying", 1.0):
        for done in range(100):
            told.advance(done, 100, "tiles")
            clock.now += seconds
    assert {event.rate for event in said if event.rate} == {rate}


def test_too_early_nothing_is_told(clock: Clock) -> None:
    said: list[events.Progress] = []
    told = Feedback(said.append)  # type: ignore[arg-type]
    with told.stage("Pretraining", 1.0):
        told.advance(320, 3200, "patches")
        clock.now += 0.5
        told.advance(352, 3200, "patches")
    assert [event.eta_s for event in said] == [None] * 3


def test_what_each_of_many_parts_says_is_told_once_and_repetitions_within_a_part_stay() -> None:
    said: list[events.Event] = []
    told = Feedback(said.append)
    parts = []
    for number in range(3):
        parts.append(told.part(f"map {number}", number / 3, 1 / 3))
        parts[-1].info("The network computes in int8.")
        parts[-1].warn("There is no onnxruntime.")
        parts[-1].info(f"{number} of its pixels are empty.")
        for _ in range(2):
            parts[-1].info(f"Half of the batch {number}.")
    texts = [event.text for event in said if isinstance(event, events.Message)]
    assert [texts.count(one) for one in ("The network computes in int8.", "There is no onnxruntime.")] == [1, 1]
    assert [texts.count(f"{number} of its pixels are empty.") for number in range(3)] == [1, 1, 1]
    assert [texts.count(f"Half of the batch {number}.") for number in range(3)] == [2, 2, 2]
    assert told.warnings == ["There is no onnxruntime."]
    assert [part.warnings for part in parts] == [["There is no onnxruntime."]] * 3, "each report has its own"
