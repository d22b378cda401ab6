"""Ctrl-C ends everything: the command with exit code 1, the compute process, and what it was writing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from qgis_profile import LIMIT_S, SHORT_PRETRAINING, interrupt, wait_until


@pytest.fixture(scope="session")
def profile(plain_profile):
    """The processes themselves are looked at here."""
    return plain_profile


def children_of(process_id: int) -> list[int]:
    """Return the direct children of a process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue  # It is gone by now.
        if f"\nPPid:\t{process_id}\n" in text:
            found.append(int(status.parent.name))
    return found


def started_for_the_job(process_id: int) -> list[int]:
    """Return the direct children of a QGIS but the one that looks after the others."""
    return [one for one in children_of(process_id) if b"watchdog.py" not in Path(f"/proc/{one}/cmdline").read_bytes()]


def lives(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


@pytest.fixture
def training(profile, scene, tmp_path):
    """A pretraining that would go on for hours, caught when it is at work."""
    process, said = profile.start(
        "false:pretrain",
        RASTERS=scene.image,
        ENCODER=tmp_path / "e.safetensors",
        **{**SHORT_PRETRAINING, "STEPS": 1_000_000},
    )
    try:
        wait_until(lambda: any("Pretraining" in line for line in said), process)
        (worker,) = started_for_the_job(process.pid)
        yield process, worker, said
    finally:
        process.kill()
        process.wait(LIMIT_S)


def test_ctrl_c_ends_the_command_and_the_compute_process(training, tmp_path):
    process, worker, said = training
    assert interrupt(process) == 1
    assert not lives(worker)
    wait_until(lambda: any("Cancelled" in line for line in said))
    assert not any("Traceback" in line for line in said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="reads /proc")
def test_children_are_found(tmp_path):
    """The test above would pass without a compute process, were it not for this."""
    assert os.getpid() in children_of(os.getppid())
