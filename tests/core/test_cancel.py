"""Nothing hung: a job that is cancelled ends soon, in whatever stage it is, and leaves no half of anything."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cancel_stages import PATIENCE_S, STAGES, STARTED, Stage, World, cancelled_in, ended_well, make_inputs
from web_folder import STUCK, WAITING, WebFolder, served

pytestmark = pytest.mark.thorough

LIMIT_S = 10.0
"""Users are promised 2 s, and ``benchmarks/cancelling.py`` measures them. Here much else may run on the computer."""
# The last stage of each job, with most to tidy up, is cancelled always. The others show the same once more.
ALL = [
    pytest.param(job, stage, id=f"{job}: {stage.title}", marks=[] if stage is stages[-1] else pytest.mark.slow)
    for job, stages in STAGES.items()
    for stage in stages
]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFolder]:
    with served(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, web: WebFolder) -> dict[str, str]:
    return make_inputs(tmp_path_factory.mktemp("inputs"), web)


@pytest.fixture
def world(land: str, labels: str, encoder: str, model: str, inputs: dict[str, str], web: WebFolder, tmp_path: Path) -> World:
    for name in (STUCK, WAITING):
        (web.folder / name).unlink(missing_ok=True)
    (tmp_path / "out").mkdir()
    return World(land, labels, encoder, model, out=tmp_path / "out", web=web, **inputs)


def left_in(folder: Path) -> list[str]:
    """Return the files that are left, but for finished parts of a map, with which the same job goes on."""
    left = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]
    return sorted(name for name in left if ".strips/" not in name)


@pytest.mark.parametrize(("job", "stage"), ALL)
def test_every_stage_can_be_cancelled(world: World, tmp_path: Path, warm: list[str], job: str, stage: Stage) -> None:
    # Only one of them is about how a process starts.
    ended = cancelled_in(stage, world, tmp_path / "cache", [sys.executable] if stage.name == STARTED else warm)
    assert ended_well(ended, stage), ended
    assert ended.seconds < LIMIT_S
    left = left_in(world.out)
    assert not [name for name in left if ".partial/" in name]
    if ended.code:
        assert not left


class TestCtrlC:
    """The command line: exit code 3, the reason in one line, no traceback, nothing left."""

    def ended(self, arguments: list[str], world: World, until: str, again: bool = False) -> tuple[int, str]:
        """Start the command in a terminal, press Ctrl-C when it shows ``until``. Return its exit code and what it said.

        Args:
            arguments: What stands behind ``false-core``.
            world: Its inputs.
            until: What it shows then. Empty: when it waits for the server.
            again: Press it again and again, until the command has ended.
        """
        ours, theirs = os.openpty()
        variables = {"FALSE_CACHE": str(world.out.parent / "cache"), "FALSE_DISK_GB": "0", "no_proxy": "127.0.0.1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "false_core", *arguments], stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True, env={**os.environ, **variables, "COLUMNS": "200", "TERM": "xterm"},
        )  # fmt: skip
        os.close(theirs)
        said: list[str] = []
        reader = threading.Thread(target=self.read, args=(ours, said), daemon=True)
        reader.start()
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not (until in "".join(said) if until else world.web.is_waited_for()):
                assert process.poll() is None, said[-5:]
                assert time.monotonic() < deadline, said[-5:]
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            deadline = time.monotonic() + LIMIT_S
            while again and process.poll() is None and time.monotonic() < deadline:
                process.send_signal(signal.SIGINT)
                time.sleep(0.001)
            code = process.wait(LIMIT_S)
            reader.join(LIMIT_S)
            return code, "".join(said)
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    def read(self, terminal: int, said: list[str]) -> None:
        with contextlib.suppress(OSError):  # That is how a terminal ends.
            while text := os.read(terminal, 4096):
                said.append(text.decode("utf-8", "replace"))

    def check(self, code: int, said: str, world: World) -> None:
        assert code == 3, said[-300:]
        assert "Cancelled." in said
        assert "Traceback" not in said
        assert not left_in(world.out)

    @pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
    def test_while_it_trains(self, world: World, again: bool) -> None:
        encoder = str(world.out / "e.safetensors")
        arguments = ["pretrain", "--rasters", world.land, "--encoder", encoder, "--preset", "quick", "--steps", "1000000"]
        self.check(*self.ended([*arguments, "--batch-size", "2", "--device", "cpu"], world, "Pretraining", again), world)

    def test_while_it_waits_for_a_server(self, world: World) -> None:
        world.web.answer_no_more()
        output = str(world.out / "map.tif")
        arguments = ["classify", "--raster", world.web.path("wide.tif"), "--model", world.model, "--output", output]
        self.check(*self.ended(arguments, world, ""), world)
