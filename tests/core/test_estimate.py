"""What a job costs is told before it starts, without doing any of it, and by the job itself where it takes long."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from small_world import Listener

from false_core import jobs
from false_core.computing import cost
from false_core.dispatch import run
from false_core.errors import RequestError
from false_core.jobs import Check, Classify, Estimate, Finetune, Pretrain

pytestmark = pytest.mark.thorough


@pytest.fixture(autouse=True)
def short_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cost, "TEST_S", 0.0)
    monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))


def small_pretraining(land: str, folder: Path, **named: Any) -> Pretrain:
    return Pretrain(
        (land,), str(folder / "e.safetensors"), preset="quick", backbone="resnet10t", weights="none", batch_size=8,
        device="cpu", **named,
    )  # fmt: skip


def estimated(job: jobs.Job, folder: Path, listener: Listener | None = None) -> dict[str, Any]:
    """Return what is estimated of a job, in a file, and see that nothing else is written."""
    folder.mkdir(exist_ok=True)
    file = folder / "job.json"
    file.write_text(jobs.to_json(job), encoding="utf-8")
    found = run(Estimate(str(file)), *([listener] if listener else []))
    assert list(folder.iterdir()) == [file]
    return found


@pytest.mark.parametrize("method", jobs.METHODS)
def test_a_pretraining_by_any_method(land: str, tmp_path: Path, method: str) -> None:
    folder = tmp_path / "work"
    job = small_pretraining(land, folder, method=method)
    found = estimated(job, folder)
    # The network of pca is a thirtieth of the others.
    assert found["seconds"] > 0 and found["memory_gb"] > 0.2 and found["disk_gb"] > (0 if method == "pca" else 0.01)


def test_twice_as_many_steps_take_twice_as_long(land: str, tmp_path: Path) -> None:
    folder = tmp_path / "work"

    def seconds(steps: int) -> float:
        job = small_pretraining(land, folder, steps=steps)
        return float(estimated(job, folder)["seconds"])

    first = seconds(20_000)  # The speed is remembered from here on.
    assert seconds(40_000) == pytest.approx(2 * first, rel=0.1)


@pytest.mark.parametrize("head", ["auto", "linear", "texture", "network"])
def test_a_fine_tuning_with_any_head(land: str, labels: str, encoder: str, tmp_path: Path, head: str) -> None:
    folder = tmp_path / "work"
    job = Finetune(land, labels, "cover", str(folder / "m.safetensors"), encoder, head=head, preset="quick", device="cpu")
    found = estimated(job, folder)
    assert found["seconds"] > 0 and found["memory_gb"] > 0.2


def test_a_map_of_either_kind_of_model(land: str, model: str, frozen_model: str, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    for one in (model, frozen_model):
        found = estimated(Classify(land, one, str(folder / "map.tif"), device="cpu"), folder)
        assert found["seconds"] > 0 and found["memory_gb"] > 0.2


def test_it_is_told_in_a_sentence(land: str, model: str, tmp_path: Path) -> None:
    listener = Listener()
    estimated(Classify(land, model, str(tmp_path / "work" / "map.tif"), device="cpu"), tmp_path / "work", listener)
    last = listener.infos.splitlines()[-1]
    assert last.startswith("This will take about ") and last.endswith(" GB of disk.")


def test_of_other_jobs_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="What check takes cannot be estimated. That is known of pretrain, finetune"):
        estimated(Check(), tmp_path / "work")


def test_a_file_that_holds_no_job_is_refused(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps({"job": "fly"}))
    with pytest.raises(RequestError, match="no job called 'fly'"):
        run(Estimate(str(tmp_path / "job.json")))


class TestAJobThatTakesLong:
    @pytest.fixture(autouse=True)
    def every_job_takes_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cost, "WORTH_TELLING_PIXELS", 0.0)

    def test_says_so_before_it_begins(self, land: str, labels: str, model: str, tmp_path: Path) -> None:
        for job in (
            small_pretraining(land, tmp_path, steps=2),
            Finetune(land, labels, "cover", str(tmp_path / "m.safetensors"), head="linear", preset="quick", device="cpu"),
            Classify(land, model, str(tmp_path / "map.tif"), device="cpu"),
        ):
            listener = Listener()
            run(job, listener)
            assert listener.infos.count("This will take about") == 1

    def test_learns_the_same_as_if_nothing_had_been_tested(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = small_pretraining(land, tmp_path, steps=3)
        run(job)
        told = safetensors.torch.load_file(job.encoder)
        monkeypatch.setattr(cost, "WORTH_TELLING_PIXELS", float("inf"))
        run(job)
        untold = safetensors.torch.load_file(job.encoder)
        assert all(told[name].equal(untold[name]) for name in untold)


def test_a_short_job_says_nothing(land: str, model: str, tmp_path: Path) -> None:
    listener = Listener()
    run(Classify(land, model, str(tmp_path / "map.tif"), device="cpu"), listener)
    assert "This will take about" not in listener.infos
