"""Setting up the compute environment: made, gone on with, repaired, brought up to date. uv is played, all else is real."""

from __future__ import annotations

import atexit
import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProcessingException

FAKE_UV = Path(__file__).parents[1] / "fake_uv.py"
pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 10), reason="this Python is too old to make a compute environment from"),
    pytest.mark.skipif(os.name == "nt", reason="the played uv is started by its first line"),
]


class Bench:
    """A profile of its own, with a blank and an umlaut in its name, and a uv that notes what it was asked for."""

    template: Path | None = None

    def __init__(self, folder: Path, feedback: object) -> None:
        self.profile, self.feedback = folder / "Profil für FALSE", feedback
        self.environment = self.profile / "false" / "environment"
        self.python = self.environment / "bin" / "python"
        self.log, self.hang = folder / "log", folder / "hang"
        self.uv = folder / "uv"

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def site(self) -> Path:
        return next(self.environment.glob("lib/python3*/site-packages"))

    @property
    def state(self) -> dict:
        return json.loads((self.environment / "false-setup.json").read_text())

    def set_up_before(self) -> None:
        """Have what a set-up leaves behind. It is made once for all tests, and copied."""
        if Bench.template is None:
            self.set_up()
            Bench.template = Path(tempfile.mkdtemp(prefix="false-template-")) / "environment"
            shutil.copytree(self.environment, Bench.template, symlinks=True)
            atexit.register(shutil.rmtree, Bench.template.parent, ignore_errors=True)
        else:
            shutil.copytree(Bench.template, self.environment, symlinks=True)

    def set_up(self, **request: object):
        from qgis_false.installation.install import set_up
        from qgis_false.tasks import SetUpEnvironment

        self.log.unlink(missing_ok=True)
        return set_up(SetUpEnvironment(**request), self.feedback)


@pytest.fixture
def bench(provider, tmp_path, monkeypatch, feedback) -> Bench:
    from qgis_false.environment.interpreters import InterpreterCandidate
    from qgis_false.installation import install, installers

    made = Bench(tmp_path, feedback)
    # Not Python's path after the "#!": that takes none with a space.
    made.uv.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(FAKE_UV)])} "$@"\n', "utf-8")
    made.uv.chmod(0o755)
    monkeypatch.setenv("FAKE_UV_LOG", str(made.log))
    monkeypatch.setenv("FAKE_UV_HANG", str(made.hang))
    monkeypatch.delenv("FALSE_CORE_PYTHON", raising=False)
    monkeypatch.setattr(QgsApplication, "qgisSettingsDirPath", lambda: str(made.profile) + "/")
    monkeypatch.setattr(installers, "uv_places", lambda host, own: [str(made.uv)])
    monkeypatch.setattr(installers, "candidates", lambda host: [InterpreterCandidate(sys.executable, "here")])
    monkeypatch.setattr(install, "INSTALLED_PACKAGES", ("torch", "rasterio"))
    made.find_gpus = install.find_gpus
    monkeypatch.setattr(install, "find_gpus", lambda *_: [])
    monkeypatch.setattr(install, "run_job", computes)
    return made


def computes(job: object, feedback: object, command: list[str]) -> dict[str, object]:
    """Stand in for the check: import what a job would import, in the interpreter it would run in."""
    done = subprocess.run([command[0], "-I", "-c", "import torch, rasterio; print(torch.__version__)"], capture_output=True,
                          text=True, check=False)  # fmt: skip
    if done.returncode:
        raise QgsProcessingException(f"The compute environment is broken: {done.stderr.splitlines()[-1]}")
    return {"torch": done.stdout.strip(), "device": "cpu"}


def kinds(calls: list[str]) -> list[str]:
    return [call.partition(" ")[0] for call in calls]


@pytest.mark.thorough
def test_it_is_made_in_the_profile_and_used_from_then_on(bench):
    from qgis_false.environment.interpreters import find_interpreter

    ready = bench.set_up()
    assert ready.python == str(bench.python)
    assert ready.results["device"] == "cpu"
    assert bench.state["stage"] == "works"
    assert kinds(bench.calls) == ["venv", "pip"]
    if not (Path(__file__).resolve().parents[3] / ".venv" / "bin" / "python").exists():
        assert find_interpreter().path == bench.python


@pytest.mark.thorough
def test_progress_rises_to_the_end_and_what_is_done_is_told(bench, feedback):
    bench.set_up()
    assert feedback.fractions == sorted(feedback.fractions)
    assert feedback.fractions[-1] == 100.0
    assert len({round(fraction) for fraction in feedback.fractions if 10 < fraction < 85}) >= 2
    assert any("Installing PyTorch" in text for text in feedback.texts)
    assert any("Downloading torch (500.0MiB)" in line for line in feedback.consoles)


@pytest.mark.thorough
def test_once_it_works_a_second_run_only_checks(bench):
    bench.set_up_before()
    bench.set_up()
    assert bench.calls == []


@pytest.mark.thorough
@pytest.mark.parametrize(("scheduler", "extra"), [("local:4", "dask"), ("slurm:8", "jobqueue")])
def test_dask_is_installed_as_soon_as_a_scheduler_is_set(bench, monkeypatch, scheduler, extra):
    from qgis_false import LIBRARY_FOLDER

    bench.set_up_before()
    monkeypatch.setenv("FALSE_SCHEDULER", scheduler)
    bench.set_up()
    assert [call.rpartition(" ")[2] for call in bench.calls] == [f"{LIBRARY_FOLDER}[{extra}]"]


@pytest.mark.thorough
def test_a_build_that_cannot_be_had_is_replaced_by_a_smaller_one(bench, feedback, monkeypatch):
    from qgis_false.environment.torch_build import Gpu
    from qgis_false.installation import install

    monkeypatch.setattr(install, "find_gpus", lambda *_: [Gpu("an old GPU", (535, 1), (6, 1))])
    monkeypatch.setenv("FAKE_UV_UNREACHABLE", "cu126")
    assert bench.set_up().results["torch"] == "2.15.0+cpu"
    assert any("cannot be had" in warning and "does not use the GPU" in warning for warning in feedback.warnings)
    bench.set_up()
    assert bench.calls == []


@pytest.mark.thorough
def test_nothing_larger_than_needed_is_fetched_without_a_word_of_the_user(bench, monkeypatch):
    """The index has a build of several GB for GPUs, of no use here, where that for the CPU cannot be had."""
    monkeypatch.setenv("FAKE_UV_UNREACHABLE", "cpu")
    with pytest.raises(QgsProcessingException) as refused:
        bench.set_up()
    told = str(refused.value)
    assert "cannot be used: build.example cannot be reached. The package index" in told
    assert "3 GB to download in place of 0.5, and takes 6 GB on the disk. To have it, choose index as Build" in told
    assert [call for call in bench.calls if "torch" in call and "--torch-backend cpu" not in call] == []
    assert bench.set_up(build="index").results["torch"] == "2.15.0+index"


@pytest.mark.thorough
def test_how_much_is_downloaded_and_taken_is_said_before(bench, feedback):
    bench.set_up()
    (told,) = [info for info in feedback.infos if "GB are downloaded" in info]
    assert told.startswith("Up to 0.5 GB are downloaded, and 1.5 GB taken on the disk of ")


@pytest.mark.thorough
def test_without_a_network_it_says_so(bench, monkeypatch):
    monkeypatch.setenv("FAKE_UV_UNREACHABLE", "cpu *")
    with pytest.raises(
        QgsProcessingException, match=r"^There is no network: index\.example cannot be reached.*run this again: it"
    ):
        bench.set_up()
    monkeypatch.setenv("FAKE_UV_UNREACHABLE", "")
    bench.set_up()
    assert kinds(bench.calls) == ["pip"]


@pytest.mark.thorough
def test_a_full_disk_is_no_reason_to_try_another_build(bench, monkeypatch):
    monkeypatch.setenv("FAKE_UV_FULL", "yes")
    with pytest.raises(QgsProcessingException, match="^The disk is full. Make room on the disk of .*run this again"):
        bench.set_up()
    assert kinds(bench.calls) == ["venv", "pip"]


@pytest.mark.thorough
def test_what_cannot_be_told_from_the_output_stands_above(bench):
    bench.set_up_before()
    (bench.environment / "false-setup.json").unlink()
    bench.uv.write_text('#!/bin/sh\n[ "$1" = --version ] && exec echo "uv 0.13.8"\necho something new\nexit 2\n', "utf-8")
    with pytest.raises(QgsProcessingException, match="The packages cannot be installed; the reason stands above"):
        bench.set_up(build="index")


@pytest.mark.thorough
def test_without_a_network_no_environment_is_removed_to_mend_it(bench, monkeypatch):
    bench.set_up_before()
    (bench.site / "rasterio" / "__init__.py").write_text("")
    Path(f"{bench.log}.spoilt").touch()
    monkeypatch.setenv("FAKE_UV_UNREACHABLE", "cpu *")
    with pytest.raises(QgsProcessingException, match="^There is no network"):
        bench.set_up()
    assert bench.python.exists() and (bench.site / "torch").exists()


@pytest.mark.thorough
def test_the_proxy_and_the_certificates_of_qgis_reach_uv_and_no_log(bench, feedback, monkeypatch):
    from qgis_false.installation.install import set_up
    from qgis_false.installation.network import Network
    from qgis_false.tasks import SetUpEnvironment

    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    noted = bench.profile.parent / "variables"
    bench.uv.write_text(bench.uv.read_text().replace("exec", f'env >> "{noted}"\necho "Trying $HTTPS_PROXY"\nexec', 1))
    network = Network("http://anna:geheim@proxy.example.org:3128", certificates="PEM")
    set_up(SetUpEnvironment(), feedback, network)
    assert "HTTPS_PROXY=http://anna:geheim@proxy.example.org:3128\n" in noted.read_text()
    file = bench.profile / "false" / "certificates.pem"
    assert f"SSL_CERT_FILE={file}\n" in noted.read_text() and file.read_text() == "PEM"
    said = [*feedback.infos, *feedback.warnings, *feedback.consoles, *feedback.texts, *feedback.debugs]
    assert any("Trying" in line for line in said) and not any("geheim" in line for line in said)


@pytest.mark.thorough
def test_cancel_ends_all_that_was_started_and_the_next_run_goes_on(bench, feedback):
    bench.hang.write_text("")

    def cancel_when_it_hangs() -> None:
        while not bench.hang.read_text():
            time.sleep(0.05)
        feedback.cancel()

    threading.Thread(target=cancel_when_it_hangs, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(QgsProcessingException, match="Cancelled.*run it again to go on"):
        bench.set_up()
    assert time.monotonic() - began < 30
    child = int(bench.hang.read_text())
    bench.hang.unlink()
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2][:3]:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("what uv had started lives on")
    from conftest import Listener

    bench.feedback = Listener()
    bench.set_up()
    assert kinds(bench.calls) == ["pip"], "the environment itself was there already"


def hanging(folder: Path, bench: Bench) -> str:
    """Return a program that starts another one, notes that, and never answers."""
    program = folder / "hanging"
    program.write_text(f'#!/bin/sh\nsleep 60 &\necho $! > "{bench.hang}"\nwait\n')
    program.chmod(0o755)
    return str(program)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "stage",
    ["asking for GPUs", "asking uv", "asking a Python", "making the environment", "installing", "checking"],
)
def test_every_stage_can_be_cancelled_and_nothing_lives_on(bench, feedback, tmp_path, monkeypatch, stage):
    from qgis_false.compute.worker import run_job
    from qgis_false.environment import torch_build
    from qgis_false.environment.interpreters import InterpreterCandidate
    from qgis_false.installation import install, installers

    if stage == "asking for GPUs":
        monkeypatch.setattr(install, "find_gpus", bench.find_gpus)
        monkeypatch.setattr(torch_build, "nvidia_smi_places", lambda host: [hanging(tmp_path, bench)])
    elif stage == "asking a Python":
        monkeypatch.setattr(installers, "candidates", lambda host: [InterpreterCandidate(hanging(tmp_path, bench), "here")])
    elif stage == "checking":
        bench.set_up_before()
        monkeypatch.setattr(install, "run_job", lambda job, told, command: run_job(job, told, [hanging(tmp_path, bench)]))
    else:
        bench.hang.write_text("")
        at = {"asking uv": "--version", "making the environment": "venv", "installing": "pip"}
        monkeypatch.setenv("FAKE_UV_HANG_AT", at[stage])
    began: list[float] = []

    def cancel_when_it_hangs() -> None:
        while not (bench.hang.exists() and bench.hang.read_text().strip()):
            time.sleep(0.05)
        began.append(time.monotonic())
        feedback.cancel()

    threading.Thread(target=cancel_when_it_hangs, daemon=True).start()
    with pytest.raises(QgsProcessingException, match="Cancelled"):
        bench.set_up()
    assert time.monotonic() - began[0] < 10, "2 s are promised, but on a busy computer"
    assert ends(int(bench.hang.read_text()))


@pytest.mark.thorough
def test_removing_what_is_there_can_be_cancelled_and_is_gone_on_with(bench, feedback, monkeypatch):
    from conftest import Listener

    bench.set_up_before()
    monkeypatch.setattr(feedback, "setProgressText", lambda text: text.startswith("Removing") and feedback.cancel())
    with pytest.raises(QgsProcessingException, match="Cancelled.*run it again to go on"):
        bench.set_up(from_scratch=True)
    bench.feedback = Listener()
    assert bench.set_up().results["device"] == "cpu"


def ends(process_id: int) -> bool:
    for _ in range(100):
        try:
            if Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):  # The latter where it ends between opening and reading.
            return True
        time.sleep(0.05)
    return False


@pytest.mark.thorough
@pytest.mark.parametrize("harm", ["folder", "cut off", "metadata"])
def test_a_broken_package_is_installed_again_and_nothing_else(bench, harm):
    bench.set_up_before()
    if harm == "folder":
        shutil.rmtree(bench.site / "rasterio")
    elif harm == "cut off":
        (bench.site / "rasterio" / "__init__.py").write_text("")
    else:
        next(bench.site.glob("rasterio-*.dist-info/RECORD")).unlink()
    bench.set_up()
    (call,) = bench.calls
    assert "--reinstall-package rasterio" in call and "--reinstall-package torch" not in call
    assert "--offline" in call
    assert (bench.site / "rasterio" / "__init__.py").read_text()


@pytest.mark.thorough
def test_a_package_that_is_broken_in_uv_s_store_too_is_downloaded_again(bench):
    """The store's files and the environment's may be the same ones: what is cut off here is cut off there."""
    bench.set_up_before()
    (bench.site / "rasterio" / "__init__.py").write_text("")
    Path(f"{bench.log}.spoilt").touch()
    bench.set_up()
    assert kinds(bench.calls) == ["pip", "cache", "pip"]
    assert bench.calls[1] == "cache clean rasterio"
    assert "--offline" not in bench.calls[2]


@pytest.mark.thorough
def test_a_package_that_is_gone_altogether_is_installed_again(bench):
    bench.set_up_before()
    shutil.rmtree(bench.site / "rasterio")
    shutil.rmtree(next(bench.site.glob("rasterio-*.dist-info")))
    bench.set_up()
    assert kinds(bench.calls) == ["pip"]


@pytest.mark.thorough
def test_a_broken_link_to_python_is_made_again_without_installing(bench):
    bench.set_up_before()
    bench.python.unlink()
    bench.python.symlink_to("/gone/python3")
    bench.set_up()
    (call,) = bench.calls
    assert call.startswith("venv ") and "--allow-existing" in call


@pytest.mark.thorough
def test_what_cannot_be_mended_is_made_anew(bench, feedback):
    bench.set_up_before()
    shutil.rmtree(bench.environment / "bin")
    (bench.environment / "pyvenv.cfg").unlink()
    bench.set_up()
    assert kinds(bench.calls) == ["venv", "pip"]


@pytest.mark.thorough
def test_an_environment_that_is_whole_but_does_not_compute_is_made_anew(bench, feedback, monkeypatch):
    from qgis_false.installation import install

    bench.set_up_before()
    answers = iter([QgsProcessingException("The compute environment is broken: a DLL is missing."), {"device": "cpu"}])

    def once_broken(*_: object) -> dict:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(install, "run_job", once_broken)
    bench.set_up()
    assert kinds(bench.calls) == ["venv", "pip"]
    assert any("a DLL is missing" in warning for warning in feedback.warnings)


def test_a_device_that_is_not_there_is_no_reason_to_install_again(bench, monkeypatch):
    from qgis_false.installation import install

    bench.set_up_before()

    def no_such_device(*_: object) -> dict:
        raise QgsProcessingException(
            "The device cuda:9, which FALSE_DEVICE or the options of the plugin name, cannot be used."
        )

    monkeypatch.setattr(install, "run_job", no_such_device)
    with pytest.raises(QgsProcessingException, match="cuda:9"):
        bench.set_up()
    assert bench.calls == []


@pytest.mark.thorough
@pytest.mark.parametrize("damage", ["", "{", "[]", '{"stage": "works"}', '{"stage": "works", "version": "9", "colour": 1}'])
def test_a_state_that_cannot_be_read_means_installing_again(bench, damage):
    bench.set_up_before()
    (bench.environment / "false-setup.json").write_text(damage)
    bench.set_up()
    assert kinds(bench.calls) == ["pip"]


@pytest.mark.thorough
def test_another_version_of_the_plugin_says_so_and_the_set_up_mends_it(bench, monkeypatch):
    from qgis_false.environment import versions
    from qgis_false.environment.interpreters import Interpreter
    from qgis_false.environment.state import read_state, write_state

    bench.set_up_before()
    state = read_state(bench.environment)
    assert state is not None
    mine = Interpreter(bench.python, "here")
    assert versions.problem_of_environment(mine) == ""
    write_state(bench.environment, dataclasses.replace(state, version="0.0.9", key="other"))
    told = versions.problem_of_environment(mine)
    assert "set up by version 0.0.9" in told and "Run Set up the compute environment" in told
    bench.set_up()
    assert kinds(bench.calls) == ["pip"]
    assert versions.problem_of_environment(mine) == ""


@pytest.mark.thorough
def test_an_interrupted_set_up_is_mentioned_until_it_is_finished(bench, monkeypatch):
    from qgis_false.environment import versions
    from qgis_false.environment.interpreters import Interpreter, NoEnvironment, find_interpreter

    monkeypatch.setattr("qgis_false.environment.interpreters.LIBRARY_FOLDER", bench.profile)
    with monkeypatch.context() as offline:
        offline.setenv("FAKE_UV_UNREACHABLE", "cpu *")
        with pytest.raises(QgsProcessingException):
            bench.set_up()
    assert "was interrupted" in versions.problem_of_environment(Interpreter(bench.python, "here"))
    with pytest.raises(NoEnvironment, match="was interrupted"):  # So that dialogs and the dock offer to go on with it.
        find_interpreter()
    bench.set_up()
    assert find_interpreter().path == bench.python


def test_another_python_is_never_told_to_be_set_up(bench):
    from qgis_false.environment import versions
    from qgis_false.environment.interpreters import Interpreter

    assert versions.problem_of_environment(Interpreter(Path(sys.executable), "the user")) == ""


def test_a_folder_that_is_not_ours_is_left_alone(bench):
    bench.environment.mkdir(parents=True)
    (bench.environment / "thesis.docx").write_text("years of work")
    with pytest.raises(QgsProcessingException, match="is in the way"):
        bench.set_up()
    assert (bench.environment / "thesis.docx").read_text() == "years of work"


def test_an_environment_that_is_a_link_to_another_folder_is_not_removed(bench, tmp_path):
    bench.set_up_before()
    elsewhere = tmp_path / "elsewhere"
    bench.environment.rename(elsewhere)
    bench.environment.symlink_to(elsewhere)
    with pytest.raises(QgsProcessingException, match="cannot be removed: it is a link to a folder elsewhere. It may be in"):
        bench.set_up(from_scratch=True)
    assert (elsewhere / "bin" / "python").exists()


@pytest.mark.thorough
def test_what_is_still_broken_when_it_was_made_anew_is_said(bench, feedback):
    bench.set_up_before()
    (bench.site / "rasterio" / "__init__.py").write_text("")
    Path(f"{bench.log}.spoilt").mkdir()  # The played uv cannot clean its store then.
    with pytest.raises(QgsProcessingException, match="^rasterio cannot be mended"):
        bench.set_up()
    assert any("rasterio cannot be mended. The environment is made anew" in warning for warning in feedback.warnings)


def test_a_uv_that_is_taken_away_in_the_meantime_is_said_to_be(bench):
    """As a guard against viruses does when it has had a closer look."""
    bench.uv.write_text('#!/bin/sh\necho "uv 0.13.8"\nrm "$0"\n', "utf-8")
    with pytest.raises(QgsProcessingException, match="uv cannot be started: No such file or directory"):
        bench.set_up()


def test_two_at_a_time_do_not_undo_each_other(bench):
    from qgis.PyQt.QtCore import QLockFile

    (bench.profile / "false").mkdir(parents=True)
    other = QLockFile(str(bench.profile / "false" / "setup.lock"))
    assert other.tryLock(0)
    with pytest.raises(QgsProcessingException, match="Another QGIS is setting up"):
        bench.set_up()
    other.unlock()


def test_without_room_on_the_disk_nothing_is_begun(bench, monkeypatch):
    from qgis_false.installation import workspace

    monkeypatch.setattr(workspace.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**10, 9 * 10**9, 10**9))
    with pytest.raises(QgsProcessingException, match=r"1\.0 GB free.*Make room"):
        bench.set_up()
    assert bench.calls == []


def test_without_a_python_it_says_what_was_looked_at(bench, monkeypatch):
    from qgis_false.installation import installers

    monkeypatch.setattr(installers, "uv_places", lambda host, own: [])
    monkeypatch.setattr(installers, "candidates", lambda host: [])
    with pytest.raises(QgsProcessingException, match="No Python from 3.10 on was found.*Install one, or uv"):
        bench.set_up()


def test_with_uv_a_python_is_not_needed(bench, monkeypatch):
    from qgis_false.installation import installers

    monkeypatch.setattr(installers, "candidates", lambda host: [])
    with pytest.raises(QgsProcessingException):
        bench.set_up()  # The played uv gets none.
    assert "--python 3.12 " in bench.calls[0]


def test_a_python_of_one_s_own_is_used_as_it_is_and_remembered(bench, monkeypatch):
    from qgis_false import settings
    from qgis_false.environment.interpreters import find_interpreter
    from qgis_false.installation import install

    monkeypatch.setattr(install, "REQUIRED_PACKAGES", ("json",))
    monkeypatch.setattr(install, "run_job", lambda *_: {"device": "cpu"})
    try:
        assert bench.set_up(existing_python=sys.executable).python == sys.executable
        assert str(find_interpreter().path) == sys.executable
    finally:
        settings.INTERPRETER.store("")
    assert bench.calls == []
    assert not bench.environment.exists()


def test_nothing_is_installed_into_a_python_that_is_not_ours(bench, monkeypatch):
    from qgis_false import settings
    from qgis_false.installation import install

    monkeypatch.setattr(install, "REQUIRED_PACKAGES", ("json", "no_such_package"))
    with pytest.raises(QgsProcessingException, match="has no no_such_package. Install what it needs"):
        bench.set_up(existing_python=sys.executable)
    assert settings.INTERPRETER.stored() == ""


def test_a_python_of_one_s_own_that_is_too_old_is_refused(bench, tmp_path):
    """The last one that is no longer enough, played by today's: only what it says of itself differs."""
    from qgis_false import settings

    python = tmp_path / "python3.9"
    other_version = """sed 's/"version": .[^]]*/"version": [3, 9, 21/'"""
    python.write_text(f'#!/bin/sh\n{shlex.quote(sys.executable)} "$@" | {other_version}\n', "utf-8")
    python.chmod(0o755)
    with pytest.raises(QgsProcessingException, match=r"python3\.9 is Python 3\.9\.21\. At least 3\.10 is needed"):
        bench.set_up(existing_python=str(python))
    assert settings.INTERPRETER.stored() == ""


def test_a_program_that_is_no_python_is_refused(bench):
    with pytest.raises(QgsProcessingException, match="does not answer as a Python does"):
        bench.set_up(existing_python="/bin/ls")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("global.index-url='https://packages.example.org/simple'\n",
         {"UV_DEFAULT_INDEX": "https://packages.example.org/simple", "UV_INDEX_STRATEGY": "unsafe-best-match"}),
        (":env:.index-url='https://a.example.org/'\nglobal.extra-index-url='https://b.example.org/ https://c.example.org/'\n",
         {"UV_DEFAULT_INDEX": "https://a.example.org/", "UV_INDEX": "https://b.example.org/ https://c.example.org/",
          "UV_INDEX_STRATEGY": "unsafe-best-match"}),
        # Beside the default index, not in place of it: uv goes its own way.
        ("global.extra-index-url='https://b.example.org/'\nglobal.cert='/etc/ssl/office.pem'\n", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_uv_is_told_of_the_index_that_pip_is_set_to(provider, said, told):
    from qgis_false.installation.package_index import pip_index

    assert pip_index(said) == told


def test_uv_is_told_of_the_proxy_and_the_certificates_that_pip_is_set_to(provider):
    from qgis_false.installation.package_index import pip_network

    said = (
        "global.cert='/etc/ssl/office.pem'\nglobal.proxy='http://anna:geheim@proxy.example.org:3128'\nglobal.timeout='9'\n"
    )
    told = pip_network(said, {"PATH": "/bin"})
    assert told.pop("SSL_CERT_FILE") == "/etc/ssl/office.pem"
    assert told == dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"), "http://anna:geheim@proxy.example.org:3128")
    assert pip_network(said, {"https_proxy": "http://mine", "SSL_CERT_FILE": "/mine.pem"}) == {}
    assert pip_network("", {}) == {}


@pytest.mark.parametrize(
    ("lines", "share"),
    [
        (["Resolved 75 packages in 5.09s"], 0.0),
        (["Downloading torch (500.0MiB)", "Downloading numpy (500.0MiB)", " Downloaded numpy"], 0.4),
        (["Downloading torch (0.5GiB)", " Downloaded torch"], 0.8),
        (["Downloading torch-2.15.0-cp312-cp312-win_amd64.whl (120.9 MB)"], 0.0),
    ],
)
def test_how_far_it_is_can_be_told_from_what_uv_and_pip_print(provider, lines, share):
    from qgis_false.installation.downloads import Downloads

    followed = Downloads()
    for line in lines:
        followed.take(line)
    assert followed.share == pytest.approx(share)


def test_other_requirements_or_another_build_mean_installing_again(provider, tmp_path):
    from qgis_false.environment.torch_build import Build, BuildChoice
    from qgis_false.installation import plan

    for name in ("pyproject.toml", "constraints.txt", "false_core/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    choice = BuildChoice((Build("cpu"),), "")
    before = plan.key(tmp_path, choice)
    assert plan.key(tmp_path, BuildChoice((Build("cpu"),), "for another reason")) == before
    assert plan.key(tmp_path, BuildChoice((Build("cuda", "auto"),), "")) != before
    (tmp_path / "constraints.txt").write_text("torch==9")
    assert plan.key(tmp_path, choice) != before


def test_an_old_build_of_pytorch_gets_versions_that_exist_for_it(provider):
    from qgis_false.environment.torch_build import Build
    from qgis_false.installation import plan

    text = 'numpy==2.4.6\ntorch==2.15.0 ; python_version >= "3.11"\ntorchmetrics==1.9.0\ntorchvision==0.29.2\n'
    assert plan.constraints_for(text, Build("cuda")) == text
    old = plan.constraints_for(text, Build("cuda", "cu126", "<2.15")).splitlines()
    assert old == ["numpy==2.4.6", "torchmetrics==1.9.0", "torch<2.15"]


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        ({"works": False}, ("create", "install", "check")),
        ({"works": False, "same_python": True}, ("relink",)),
        ({"works": True}, ("install", "check")),
        ({"works": True, "is_current": True, "broken": ("timm",)}, ("mend", "check")),
        ({"works": True, "is_current": True}, ("check",)),
    ],
)
def test_only_what_is_needed_is_done(provider, found, steps):
    from qgis_false.installation import plan

    assert plan.steps(plan.Found(**found)) == steps
    assert plan.steps(plan.Found(**found), from_scratch=True) == ("create", "install", "check")


def test_pip_does_it_where_there_is_no_uv(provider):
    from qgis_false.environment.torch_build import Build
    from qgis_false.installation import plan

    assert plan.create("", "/p", "/e") == ["/p", "-m", "venv", "/e"]
    command = plan.install_command("", "/e/bin/python", "/c.txt", "/library", Build("cuda"))
    assert command[:4] == ["/e/bin/python", "-m", "pip", "install"] and command[-1] == "/library"
    mending = plan.mend_with_pip("/e/bin/python", "/c.txt", "/library", ["timm", "false-core"])
    assert mending[-2:] == ["timm", "/library"]


def test_no_command_needs_a_shell_or_names_an_index(provider):
    from recorded_hosts import NAMES, recorded_host

    from qgis_false.environment.torch_build import Build
    from qgis_false.installation import plan

    for name in NAMES:
        host = recorded_host(name)
        for command in (
            plan.fetch_uv("/p", "/uv", host),
            plan.create("/uv", plan.python_for_uv(host), "/e"),
            plan.install_command("/uv", "/e/python", "/c", "/l", Build("cuda", "auto")),
        ):
            assert all(isinstance(part, str) and "://" not in part for part in command)


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("macos_app", "cpython-3.12-macos-aarch64-none"),
        ("standalone", "cpython-3.12-windows-x86_64-none"),
        ("debian", "3.12"),
    ],
)
def test_the_python_that_uv_gets_is_one_for_this_computer(provider, name, python):
    from recorded_hosts import recorded_host

    from qgis_false.installation import plan

    assert plan.python_for_uv(recorded_host(name)) == python
