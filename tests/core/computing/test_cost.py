"""A test of the computer is made once and remembered, leaves no trace in chance, and is told in plain words."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from false_core.computing import cost
from false_core.computing.cost import Cost, SpeedTest, run_by_turns
from false_core.feedback import Feedback

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALSE_CACHE", str(tmp_path))


class Clock:
    """A clock that only what is measured moves on."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (1, "5 seconds"), (12, "10 seconds"), (88, "90 seconds"), (91, "2 minutes"), (700, "12 minutes"),
        (5_390, "90 minutes"), (5_400, "1.5 hours"), (90_000, "25.0 hours"),
    ],
)  # fmt: skip
def test_a_time_is_told_no_finer_than_it_is_known(seconds: float, told: str) -> None:
    assert Cost(seconds, 1.24e9, 3e6).told() == f"This will take about {told}, 1.2 GB of memory and 0.1 GB of disk."


def test_the_first_time_does_not_count_and_the_rest_is_divided_by_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(cost, "time", clock)
    taken = iter([30.0, 0.5, 1.0, 0.75])

    def do() -> int:
        clock.now += next(taken)
        return 10

    assert SpeedTest("thing", CPU).run(lambda: do, Feedback()).seconds == pytest.approx((0.5 + 1.0 + 0.75) / 30)


def test_what_is_compared_takes_turns_and_a_busy_moment_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(cost, "time", clock)
    monkeypatch.setattr(cost, "TEST_S", 0.0)
    turns: list[str] = []

    def does(name: str, seconds: float) -> Callable[[], int]:
        def do() -> int:
            turns.append(name)
            clock.now += 50.0 if len(turns) == 5 else seconds
            return 1

        return do

    def make() -> list[Callable[[], int]]:
        return [does("long", 1.5), does("short", 1.0)]

    tests = [SpeedTest(name, CPU) for name in ("long", "short")]
    assert [speed.seconds for speed in run_by_turns(tests, make, Feedback())] == pytest.approx([1.5, 1.0])
    assert turns == ["long", "short"] * 4
    assert [speed.seconds for speed in run_by_turns(tests, make, Feedback())] == pytest.approx([1.5, 1.0])
    assert len(turns) == 8, "it is not remembered"


def test_it_is_remembered_for_what_decides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "TEST_S", 0.0)
    made: list[str] = []

    def test(what: str, *decisive: object) -> float:
        def make() -> object:
            made.append(what)
            return lambda: 1

        return SpeedTest(what, CPU, *decisive).run(make, Feedback()).seconds  # type: ignore[arg-type]

    assert test("thing", 3) == pytest.approx(test("thing", 3), abs=1e-9)
    assert made == ["thing"]
    test("thing", 4)
    test("other", 3)
    assert made == ["thing", "thing", "other"]


def test_chance_goes_on_as_if_there_had_been_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "TEST_S", 0.0)
    torch.manual_seed(7)
    undisturbed = torch.rand(3)
    torch.manual_seed(7)

    def draw() -> int:
        torch.manual_seed(99)
        return int(torch.rand(5).numel())

    SpeedTest("thing", CPU).run(lambda: draw, Feedback())
    assert torch.equal(torch.rand(3), undisturbed)


@pytest.mark.thorough
def test_memory_is_what_one_takes_beside_what_is_taken_once() -> None:
    before = cost.most_memory()
    megabytes, kept, filling = 200 if before else 0, [], []
    while before and cost.most_memory() == before:  # Up to the most that the process has had nothing would be seen.
        filling.append(torch.ones(10_000_000, dtype=torch.uint8))

    def take() -> int:
        if not kept:
            kept.append(torch.ones(megabytes, 1000, 1000, dtype=torch.uint8))
        time.sleep(0.01)  # As real steps do: the times of a million turns would take memory too.
        return 4

    found = SpeedTest("thing", CPU).run(lambda: take, Feedback(), fixed=40e6)
    assert found.memory == pytest.approx(max(1.0, (megabytes * 1e6 - 40e6) / 4), rel=0.3)
