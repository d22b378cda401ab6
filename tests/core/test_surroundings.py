"""Odd surroundings: streams that are closed, full or of another encoding, names that move a cursor, inputs that never end.

The work is done all the same, and the exit code is about the work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
from small_world import CRS, Listener, on_map, pixel_box, write_raster

from false_core import events, jobs
from false_core.cli import main
from false_core.dispatch import run
from false_core.errors import FalseError, InputError, OutputError, RequestError
from false_core.experiments.config import read_experiment
from false_core.jobs import Assess, Polygonise, Pretrain
from false_core.labels.label_file import read_table
from false_core.outputs.publish import check_destinations
from false_core.raster.imagery import find_rasters
from false_core.raster.source import RasterSource

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")


@pytest.fixture(scope="module")
def land_cover(tmp_path_factory: pytest.TempPathFactory) -> str:
    codes = np.kron([[1, 2], [3, 1]], np.ones((8, 8))).astype("uint8")[None]
    return write_raster(tmp_path_factory.mktemp("map") / "Łąka 地図.tif", codes, nodata=0)


@pytest.mark.thorough
@linux
class TestStreams:
    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("redirected", "environment"),
        [
            (">/dev/full", {}),
            ("2>/dev/full", {}),
            (">/dev/full 2>&1", {}),
            ("| cat", {"PYTHONIOENCODING": "cp1252"}),
            ("2>&1 | cat", {"PYTHONIOENCODING": "ascii:strict"}),
            (">/dev/full", {"PYTHONIOENCODING": "utf-16"}),
        ],
    )
    def test_do_not_decide_whether_the_work_is_done(
        self, warm: list[str], land_cover: str, tmp_path: Path, redirected: str, environment: dict[str, str]
    ) -> None:
        target = tmp_path / "Öd 地図.gpkg"
        words = [*warm, "-m", "false_core", "polygonise", "--map", land_cover, "--output", str(target)]
        done = subprocess.run(
            ["bash", "-c", f'set -o pipefail; "$@" {redirected}', "bash", *words],
            env={**os.environ, **environment}, capture_output=True,
        )  # fmt: skip
        assert (done.returncode, target.exists()) == (0, True), done
        assert b"Traceback" not in done.stdout + done.stderr

    @pytest.mark.thorough
    def test_may_all_be_closed(self, land_cover: str, tmp_path: Path) -> None:
        target = tmp_path / "p.gpkg"
        words = [sys.executable, "-m", "false_core", "polygonise", "--map", land_cover, "--output", str(target)]
        done = subprocess.run(["bash", "-c", '"$@" >&- 2>&- <&-', "bash", *words])
        assert (done.returncode, target.exists()) == (0, True)

    @pytest.mark.thorough
    @pytest.mark.parametrize("worker", [False, True], ids=["command", "compute process"])
    def test_of_another_encoding_do_not_change_the_names_of_files(
        self, land_cover: str, tmp_path: Path, worker: bool
    ) -> None:
        target = tmp_path / "Öd 地図.gpkg"
        plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        if worker:
            (tmp_path / "job.json").write_text(jobs.to_json(Polygonise(land_cover, str(target))))
            words = ["run", str(tmp_path / "job.json"), "--events"]
        else:
            words = ["polygonise", "--map", land_cover, "--output", str(target)]
        done = subprocess.run([sys.executable, "-m", "false_core", *words], env=plain, capture_output=True)
        assert (done.returncode, target.exists()) == (0, True), done

    @pytest.mark.thorough
    def test_a_reader_that_has_gone_is_no_error(self, warm: list[str]) -> None:
        command = " ".join(map(str, warm))
        done = subprocess.run(["bash", "-c", f"{command} -m false_core pretrain --help | head -1"], capture_output=True)
        assert not done.stderr

    @pytest.mark.thorough
    def test_of_the_compute_process_may_be_closed(self, land_cover: str, tmp_path: Path) -> None:
        target = tmp_path / "p.gpkg"
        words = ["bash", "-c", '"$@" >&- 2>&-', "bash", sys.executable, "-m", "false_core.worker"]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, text=True)
        assert process.stdin is not None
        process.stdin.write(jobs.to_json(Polygonise(land_cover, str(target))) + "\n")
        process.stdin.flush()
        assert process.wait(60) == 0
        process.stdin.close()
        assert target.exists()

    def test_a_failure_is_still_one(self, warm: list[str], tmp_path: Path) -> None:
        words = [*warm, "-m", "false_core", "polygonise", "--map", "nowhere.tif", "--output", str(tmp_path / "p.gpkg")]
        done = subprocess.run(["bash", "-c", '"$@" >/dev/full 2>/dev/full', "bash", *words])
        assert done.returncode == 1


class TestWarnings:
    @pytest.mark.thorough
    @pytest.mark.parametrize("door", ["command", "exported job", "compute process"])
    @pytest.mark.parametrize("option", ["error", "err::PendingDeprecationWarning,default"])
    def test_that_the_user_has_python_raise_stop_no_job(
        self, land_cover: str, tmp_path: Path, door: str, option: str
    ) -> None:
        target = tmp_path / "p.gpkg"
        job = tmp_path / "job.json"
        job.write_text(jobs.to_json(Polygonise(land_cover, str(target))) + "\n")
        words = {
            "command": "-m false_core polygonise --map {map} --output {target}",
            "exported job": "-m false_core run {job} --events",
            "compute process": "-m false_core.worker",
        }[door].format(map=land_cover.replace(" ", "\0"), target=target, job=job)
        with subprocess.Popen(
            [sys.executable, *(word.replace("\0", " ") for word in words.split())],
            env={**os.environ, "PYTHONWARNINGS": option}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            if door == "compute process":
                process.stdin.write(job.read_bytes())
                process.stdin.flush()
            assert (process.wait(60), target.exists()) == (0, True)

    def test_are_not_raised_in_processes_that_are_started_from_here(self) -> None:
        code = (
            "import os, subprocess, sys, warnings; from false_core.standard_streams import raise_no_warnings as f; f();"
            "warnings.warn('here'); print(os.environ['PYTHONWARNINGS'], sys.warnoptions, flush=True);"
            "subprocess.run([sys.executable, '-c', 'import warnings; warnings.warn(1)'], check=True)"
        )
        option = "error,ignore::FutureWarning,e::UserWarning"
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONWARNINGS": option}, capture_output=True, text=True
        )
        assert done.stdout == "ignore::FutureWarning ['ignore::FutureWarning']\n"
        assert "UserWarning: here" in done.stderr
        assert done.returncode == 0


class TestLimitsOfAProcess:
    @pytest.mark.thorough
    @linux
    def test_of_memory_that_is_too_little_to_load_torch_are_named(self) -> None:
        command = 'ulimit -v 1500000; exec "$0" -m false_core check'
        done = subprocess.run(["bash", "-c", command, sys.executable], capture_output=True, text=True)
        assert done.returncode == 1
        said = " ".join(done.stderr.split())
        assert "The memory that this process may take is too little to load what the job needs. Raise the limit" in said

    @pytest.mark.parametrize(
        ("problem", "said"),
        [
            (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "ulimit -v"),
            (ImportError("libtorch_cpu.so: cannot open shared object file: Cannot allocate memory"), "ulimit -v"),
            (OSError(24, "Too many open files"), "ulimit -n"),
            (RuntimeError("unable to open file <m> in read-only mode: Too many open files (24)"), "ulimit -n"),
        ],
    )
    def test_are_named_with_what_raises_them(
        self, land_cover: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception, said: str
    ) -> None:
        def fails(*_: object) -> None:
            raise problem

        monkeypatch.setattr("false_core.dispatch._do", fails)
        with pytest.raises(FalseError, match=said):
            run(Polygonise(land_cover, str(tmp_path / "p.gpkg")))

    @pytest.mark.parametrize("problem", [ImportError("No module named x"), OSError(2, "No such file or directory")])
    def test_are_not_blamed_for_anything_else(
        self, land_cover: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception
    ) -> None:
        def fails(*_: object) -> None:
            raise problem

        monkeypatch.setattr("false_core.dispatch._do", fails)
        with pytest.raises(type(problem)):
            run(Polygonise(land_cover, str(tmp_path / "p.gpkg")))


class TestNames:
    MOVES = "a\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"

    def test_that_move_a_cursor_are_printed_without_that(
        self, land_cover: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / f"{self.MOVES}[bold]"
        folder.mkdir()
        raster = write_raster(folder / f"{self.MOVES}.tif", np.ones((1, 20, 20), np.uint8), nodata=0)
        for arguments in (
            ["polygonise", "--map", raster, "--output", str(folder / "p.gpkg")],
            ["pretrain", "--rasters", str(folder), "--encoder", str(folder / "e"), "--device", self.MOVES],
        ):
            monkeypatch.setattr("sys.argv", ["false-core", *arguments])
            try:
                main()
            except SystemExit:
                pass
        said = "".join(capsys.readouterr())
        assert "[bold]" in said
        assert "raster(s) are meant by" in said
        assert not {character for character in said if not character.isprintable()} - {"\n"}

    def test_are_without_that_in_whatever_is_told(self) -> None:
        for event in (
            events.Message(events.INFO, self.MOVES),
            events.Progress(0.1, self.MOVES),
            events.Failed(self.MOVES, self.MOVES, "bug", self.MOVES),
        ):
            told = [value for value in vars(event).values() if isinstance(value, str)]
            assert all(text.isprintable() for text in told)
            assert events.decode(events.encode(event)) == event

    def test_of_any_length_are_told_in_a_line_that_is_read(self) -> None:
        assert events.decode(events.encode(events.Message(events.INFO, "x\U0001f600" * 1_000_000)))

    def test_of_outputs_that_are_no_text_are_refused(self, land_cover: str, tmp_path: Path) -> None:
        target = os.fsdecode(os.fsencode(tmp_path) + b"/p\xff.gpkg")
        with pytest.raises(OutputError, match="The name of output is not text in UTF-8"):
            check_destinations(Polygonise(land_cover, target))


class TestWhatNeverEnds:
    @pytest.fixture(params=["pipe", "device"])
    def endless(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        def make(name: str) -> str:
            path = tmp_path / name
            if request.param == "pipe":
                os.mkfifo(path)
            else:
                path.symlink_to("/dev/zero")
            return str(path)

        return make

    @linux
    @pytest.mark.parametrize(
        ("name", "read"),
        [
            ("x.txt", lambda path: find_rasters([path])),
            ("x.json", jobs.from_file),
            ("x.toml", read_experiment),
        ],
    )
    def test_is_refused_at_once(self, endless: Any, name: str, read: Any) -> None:
        with pytest.raises(InputError, match="is a pipe or a device, not a file"):
            read(endless(name))

    @linux
    @pytest.mark.parametrize("beside", ["a.tif.aux.xml", "a.tif.ovr", "a.tif.msk", "a.aux", "a.IMD", "a_rpc.txt"])
    def test_is_not_waited_for_beside_a_raster(self, endless: Any, beside: str, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "a.tif", np.ones((1, 20, 20), np.uint8))
        endless(beside)
        with pytest.raises(InputError, match="has a pipe or a device beside it"):
            RasterSource(raster)

    @linux
    def test_is_not_waited_for_beside_a_truth_raster(self, endless: Any, land_cover: str, tmp_path: Path) -> None:
        truth = write_raster(tmp_path / "truth.tif", np.ones((1, 16, 16), np.uint8))
        endless("truth.tif.aux.xml")
        with pytest.raises(InputError, match="has a pipe or a device beside it"):
            run(Assess(land_cover, truth=truth))

    @linux
    @pytest.mark.parametrize("beside", ["l.cpg", "l.qix", "l.sbn"])
    def test_is_not_waited_for_beside_labels(self, endless: Any, beside: str, tmp_path: Path) -> None:
        labels = tmp_path / "l.shp"
        geopandas.GeoDataFrame({"cover": ["a"]}, geometry=[on_map(pixel_box(0, 0, 1, 1))], crs=CRS).to_file(labels)
        (tmp_path / beside).unlink(missing_ok=True)
        endless(beside)
        with pytest.raises(InputError, match="has a pipe or a device beside it"):
            read_table(str(labels), None, Listener().feedback)

    @linux
    def test_may_lie_in_the_same_folder_under_another_name(self, endless: Any, tmp_path: Path) -> None:
        endless("ab.ovr")
        (tmp_path / "a.gone").symlink_to("nowhere")
        RasterSource(write_raster(tmp_path / "a.tif", np.ones((1, 20, 20), np.uint8)))

    @linux
    def test_is_refused_among_the_links_of_a_catalog(self, endless: Any, tmp_path: Path) -> None:
        endless("child.json")
        catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "a", "description": "a",
                   "links": [{"rel": "child", "href": "./child.json"}]}  # fmt: skip
        (tmp_path / "catalog.json").write_text(json.dumps(catalog))
        with pytest.raises(InputError):
            find_rasters([str(tmp_path / "catalog.json")])

    def test_memory_that_runs_out_while_names_are_looked_up_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def give_up(*_: Any) -> None:
            raise MemoryError

        monkeypatch.setattr("false_core.dispatch.with_rasters_found", give_up)
        with pytest.raises(FalseError, match="The memory ran out"):
            run(Pretrain(("a.txt",), str(tmp_path / "e")), Listener())


@pytest.mark.thorough
@linux
def test_a_folder_that_is_gone_stops_only_what_begins_there(land_cover: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "false_core", "polygonise", "--map", land_cover, "--output"]
    loads = 'mkdir "$0/x"; cd "$0/x"; rmdir "$0/x"; "$@"'
    done = subprocess.run(["bash", "-c", loads, str(tmp_path), *command, str(tmp_path / "p.gpkg")], capture_output=True)
    assert (done.returncode, (tmp_path / "p.gpkg").exists()) == (0, True), done
    done = subprocess.run(["bash", "-c", loads, str(tmp_path), *command, "p.gpkg"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "is gone, and --output would lie there: p.gpkg." in " ".join(done.stderr.split())


def test_what_begins_in_a_folder_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch, land_cover: str) -> None:
    monkeypatch.setattr("false_core.dispatch.has_left_folder", lambda: True)
    with pytest.raises(RequestError, match="is gone, and output would lie there: p.gpkg") as caught:
        run(Polygonise(map=land_cover, output="p.gpkg"))
    assert caught.value.remedy == "Go to a folder that is there, or name the whole path."


class TestALongJob:
    @pytest.mark.thorough
    def test_of_a_million_letters_is_understood(self, warm: list[str], tmp_path: Path) -> None:
        rasters = tuple(f"{tmp_path}/a-rather-long-name-of-a-raster-{number:06d}.tif" for number in range(20_000))
        text = jobs.to_json(Pretrain(rasters, str(tmp_path / "nowhere" / "e.safetensors"), device="cpu"))
        assert len(text) > 1_000_000
        process = subprocess.Popen(
            [*warm, "-m", "false_core.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text + "\n")
        process.stdin.flush()
        said = process.stdout.read()
        process.stdin.close()
        assert process.wait(60) == 1
        assert "nowhere, does not exist" in said
        assert all(events.decode(line) for line in said.splitlines())
        (tmp_path / "job.json").write_text(text)
        assert jobs.from_file(str(tmp_path / "job.json")) == jobs.from_json(text)

    def test_longer_than_any_is_refused_with_the_reason(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import io

        from false_core import worker

        monkeypatch.setattr(worker, "LONGEST_TEXT", 1000)
        monkeypatch.setattr("sys.stdin", io.StringIO('{"job": "check", "device": "' + "x" * 2000 + '"}\n'))
        with pytest.raises(FalseError, match="The job has more than 1,000 characters"):
            worker._received(worker.Stop())
