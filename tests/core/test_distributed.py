"""Several processes do one job together, as torchrun starts them, and it comes to what one alone makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from training_steps import account, account_file

from false_core import jobs
from false_core.distributed import ALONE, Share, share
from false_core.errors import RequestError

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 300


def torchrun(processes: int, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in several processes on this computer, and wait for them."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run([*launcher, *command], env=environment, capture_output=True, text=True, timeout=LONG_S)


class TestShares:
    @pytest.mark.parametrize("world", [1, 2, 3, 7])
    @pytest.mark.parametrize("count", [7, 8, 100])
    def test_are_as_even_as_can_be_and_make_the_whole(self, world: int, count: int) -> None:
        things = list(range(count))
        shares = [things[Share(rank, world).of(count)] for rank in range(world)]
        assert [thing for one in shares for thing in one] == things
        assert max(map(len, shares)) - min(map(len, shares)) <= 1

    def test_without_torchrun_there_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
            monkeypatch.delenv(name, raising=False)
        assert share() == Share(0, 1, 0)

    @pytest.mark.parametrize(("rank", "world"), [("2", "2"), ("-1", "2"), ("one", "2")])
    def test_that_cannot_be_are_refused(self, rank: str, world: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", world)
        with pytest.raises(RequestError):
            share()


@pytest.fixture(scope="module", params=[2, 4])
def accounts(request: pytest.FixtureRequest, land: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Have processes train together, and return where they wrote down how."""
    folder = tmp_path_factory.mktemp("accounts")
    done = torchrun(request.param, str(ROOT / "tests/core/training_steps.py"), land, str(folder))
    assert done.returncode == 0, done.stderr
    assert len(list(folder.iterdir())) == request.param * len(jobs.METHODS)
    return folder


class TestPretraining:
    @pytest.mark.parametrize("method", jobs.METHODS)
    def test_in_several_processes_is_that_of_one_at_every_step(self, method: str, accounts: Path, land: str) -> None:
        """Loss, gradients, statistics of batch norms, clusters of PCL: in every process."""
        alone = list(account(method, land, ALONE))
        assert method != "pcl" or alone[-1]["state clustered"]
        for rank in range(len(list(accounts.glob(f"{method} *")))):
            told = safetensors.torch.load_file(account_file(accounts, method, rank))
            assert len(told) == sum(map(len, alone))
            for number, step in enumerate(alone):
                for name, wanted in step.items():
                    torch.testing.assert_close(
                        told[f"{number} {name}"], wanted, rtol=1e-5, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}"
                    )
