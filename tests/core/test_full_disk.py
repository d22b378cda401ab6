"""A disk that is full, cannot be written to, or holds a file that is in use: said in a sentence, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rasterio
from small_disks import Disk, covered, disk_in_memory
from small_jobs import (
    ALL,
    SMALL_BATCHES,
    STEPS,
    TRAININGS,
    SmallJobs,
    checkpoints,
    goes_on,
    interrupt,
    output_of,
    step_of,
    undisturbed,
)
from small_world import Listener

from false_core.dispatch import run
from false_core.errors import OutputError
from false_core.events import Event, Progress
from false_core.jobs import Job, to_json
from false_core.outputs.publish import published

pytestmark = pytest.mark.thorough

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
from false_core.errors import FalseError
from false_core.jobs import from_json
from false_core.dispatch import run
try:
    run(from_json(sys.argv[1]))
except FalseError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 64 kB, with outputs of earlier jobs on it."""
    with disk_in_memory(tmp_path / "disk", "64k") as made:
        for name in ("e.safetensors", "m.safetensors", "map.tif"):
            (made.folder / name).write_text(f"the earlier {name}")
        yield made


def untouched(job: Job) -> bool:
    """Return whether an output is the earlier one."""
    return output_of(job).read_text() == f"the earlier {output_of(job).name}"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".strips")}


def write_new(targets: list[Path]) -> None:
    with published(*targets) as partial:
        for path in partial:
            path.write_text("new")


@pytest.mark.parametrize("name", TRAININGS)
class TestTooLittleRoomForAModel:
    def test_leaves_the_earlier_one_and_what_was_learned(
        self, small_jobs: SmallJobs, disk: Disk, cache: Path, tmp_path: Path, name: str
    ) -> None:
        job = small_jobs.make(name, disk.folder)
        wanted = undisturbed(job, tmp_path / "undisturbed")
        before = names(disk.folder)
        with pytest.raises(OutputError, match=r"safetensors cannot be written: .*Is the disk full\?"):
            run(job)
        assert untouched(job)
        assert names(disk.folder) == before
        assert [step_of(path) for path in checkpoints(cache)] == [STEPS]
        disk.remount("size=200m")
        assert f"Going on from step {STEPS}" in goes_on(job)
        assert output_of(job).read_bytes() == wanted
        assert names(disk.folder) == before
        assert not checkpoints(cache)

    def test_is_an_error_too_where_a_file_may_only_be_so_large(
        self, small_jobs: SmallJobs, tmp_path: Path, warm: list[str], name: str
    ) -> None:
        """The limit of a process stands for that of a user, a quota: the system answers in the same way."""
        if sys.platform == "win32":
            pytest.skip("Windows has no such limit")
        (tmp_path / "out").mkdir()
        job = small_jobs.make(name, tmp_path / "out")
        output_of(job).write_text("earlier")
        program = tmp_path / "program.py"
        program.write_text(SMALL_BATCHES + LIMITED)
        command = [*warm, str(program), to_json(job), "100000"]
        environment = {**os.environ, "FALSE_CACHE": str(tmp_path / "cache")}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert ended.returncode == 1
        assert "cannot be written" in ended.stderr.splitlines()[-1]
        assert "Traceback" not in ended.stderr
        assert output_of(job).read_text() == "earlier"
        assert len(list((tmp_path / "out").iterdir())) == 1


@pytest.mark.usefixtures("often")
class TestTooLittleRoomForACheckpoint:
    @pytest.mark.parametrize("name", TRAININGS)
    def test_is_said_and_the_training_goes_on(
        self, small_jobs: SmallJobs, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        job = small_jobs.make(name, tmp_path)
        wanted = undisturbed(job, tmp_path / "undisturbed")
        monkeypatch.setenv("FALSE_CACHE", str(disk.folder))
        said = goes_on(job)
        assert "The checkpoint cannot be written" in said
        assert "If the run is interrupted it starts again." in said
        assert output_of(job).read_bytes() == wanted
        assert not [path for path in disk.folder.rglob("*") if "checkpoints" in path.parts and path.is_file()]

    @pytest.mark.parametrize("name", TRAININGS)
    def test_leaves_the_one_before(
        self, small_jobs: SmallJobs, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        job = small_jobs.make(name, tmp_path)
        wanted = undisturbed(job, tmp_path / "undisturbed")
        interrupt(job, 1)
        (checkpoint,) = checkpoints(cache)
        size = checkpoint.stat().st_size
        with disk_in_memory(tmp_path / "disk", str(3 * size // 2)) as disk:
            monkeypatch.setenv("FALSE_CACHE", str(disk.folder))
            interrupt(job, 1)  # There is room for it, and no more.
            interrupt(job, STEPS)
            left = sorted((disk.folder / "checkpoints").glob("*.safetensors"))
            assert [step_of(path) for path in left] == [1]
            assert "Going on from step 1" in goes_on(job)
        assert output_of(job).read_bytes() == wanted


class TestTooLittleRoomForAMap:
    def test_is_an_error_at_every_size_and_what_fits_is_kept(
        self, small_jobs: SmallJobs, disk: Disk, tmp_path: Path
    ) -> None:
        """The disk grows bit by bit, so that it is full at another moment each time."""
        job = small_jobs.make("classify", disk.folder)
        wanted = undisturbed(job, tmp_path / "undisturbed")
        failures = []
        for kilobytes in range(16, 1000, 8):
            disk.remount(f"size={kilobytes}k")
            try:
                run(job)
            except OutputError as error:
                failures.append(str(error))
                assert untouched(job)
            else:
                break
        assert len(failures) > 3
        assert all("disk" in text or "No space left" in text for text in failures), set(failures)
        assert output_of(job).read_bytes() == wanted
        with rasterio.open(output_of(job)) as file:
            assert file.read(1).any()
        assert not [path for path in disk.folder.iterdir() if path.name.startswith(".")]


class TestAFolderThatCannotBeWrittenTo:
    @pytest.mark.parametrize("name", ALL)
    def test_is_said_before_the_work(self, small_jobs: SmallJobs, disk: Disk, name: str, listener: Listener) -> None:
        job = small_jobs.make(name, disk.folder)
        disk.remount("ro")
        with pytest.raises(OutputError, match="cannot be written to: Read-only file system. Choose another one."):
            run(job, listener)
        assert not listener.all(Progress)
        assert untouched(job)

    @pytest.mark.parametrize("name", ALL)
    def test_any_more_keeps_what_is_done(
        self, small_jobs: SmallJobs, disk: Disk, cache: Path, tmp_path: Path, name: str
    ) -> None:
        job = small_jobs.make(name, disk.folder)
        wanted = undisturbed(job, tmp_path / "undisturbed")
        disk.remount("size=200m")

        def lock(event: Event) -> None:
            if isinstance(event, Progress) and event.stage.startswith("Writing"):
                disk.remount("ro")

        with pytest.raises(OutputError, match="Read-only file system"):
            run(job, lock)
        assert untouched(job)
        disk.remount("rw")
        assert "Going on " in goes_on(job)
        assert output_of(job).read_bytes() == wanted

    @pytest.mark.parametrize("name", ALL)
    def test_for_checkpoints_is_no_reason_to_stop(
        self, small_jobs: SmallJobs, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        disk.remount("ro")
        monkeypatch.setenv("FALSE_CACHE", str(disk.folder / "cache"))
        job = small_jobs.make(name, tmp_path)
        said = goes_on(job)
        assert output_of(job).stat().st_size
        assert ("The checkpoint cannot be written" in said) == (name in TRAININGS)


class TestAnOutputInUse:
    @pytest.mark.parametrize("name", ALL)
    def test_stays_as_it_is_and_what_is_done_is_kept(
        self, small_jobs: SmallJobs, cache: Path, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "out").mkdir()
        job = small_jobs.make(name, tmp_path / "out")
        wanted = undisturbed(job, tmp_path / "undisturbed")
        target = output_of(job)
        target.write_text("earlier")
        style = target.with_suffix(".qml")
        style.write_text("earlier style")
        (tmp_path / "held").write_text("held")
        with covered(target, tmp_path / "held"):
            with pytest.raises(OutputError, match="cannot be replaced: Device or resource busy. Close the programs"):
                run(job)
            assert target.read_text() == "held"
        assert target.read_text() == "earlier"
        assert style.read_text() == "earlier style"
        assert not [path for path in target.parent.iterdir() if path.suffix == ".partial"]
        assert "Going on " in goes_on(job)
        assert target.read_bytes() == wanted

    def test_by_somebody_who_reads_it_is_read_to_its_end(self, tmp_path: Path) -> None:
        if os.name == "nt":
            pytest.skip("on Windows a file that is open is not replaced")
        target = tmp_path / "map.tif"
        target.write_text("earlier")
        with target.open() as reader, published(target) as (partial,):
            partial.write_text("new")
        with target.open() as reader:
            with published(target) as (partial,):
                partial.write_text("newer")
            assert reader.read() == "new"
        assert target.read_text() == "newer"

    def test_of_several_gives_back_those_that_were_replaced(self, tmp_path: Path) -> None:
        """A map with the names of another one would be worse than none."""
        targets = [tmp_path / name for name in ("map.tif", "map.tif.aux.xml", "map.qml")]
        for target in targets[:2]:
            target.write_text(f"earlier {target.name}")
        targets[2].mkdir()
        with pytest.raises(OutputError, match="map.qml cannot be replaced"):
            write_new(targets)
        assert [target.read_text() for target in targets[:2]] == ["earlier map.tif", "earlier map.tif.aux.xml"]
        assert sorted(tmp_path.iterdir()) == sorted(targets)
