"""Whatever the compute process does, QGIS hears how it ended, and nothing of it stays behind."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from qgis.core import QgsProcessingException
from qgis.PyQt.QtCore import QTimer

from false_core.jobs import Check, Classify
from false_core.outputs.publish import published

FAKE = Path(__file__).parents[1] / "fake_worker.py"
SOON_S = 20.0
"""A run that takes longer than this waits for one of the fake worker's sleeps of a minute. It bounds hanging, not speed."""


@pytest.fixture
def job(tmp_path) -> Classify:
    return Classify(raster="/r.tif", model="/m.safetensors", output=str(tmp_path / "map.tif"))


@pytest.fixture
def run(provider, job, feedback, tmp_path):
    """Run the job with a worker that behaves as named, and see to it that nothing hangs."""
    from qgis_false.compute.worker import run_job

    def cancel_when_it_runs() -> None:
        wait_for_note(tmp_path)
        feedback.cancel()

    def run_mode(mode: str, cancel: bool = False):
        if cancel:
            threading.Thread(target=cancel_when_it_runs, daemon=True).start()
        began = time.monotonic()
        try:
            return run_job(job, feedback, [sys.executable, str(FAKE), mode, str(tmp_path / "note")])
        finally:
            assert time.monotonic() - began < SOON_S

    return run_mode


def ends(process_id: int) -> bool:
    """Whether the process is gone, or goes now: the system takes a moment after the signal."""
    for _ in range(100):
        if not lives(process_id):
            return True
        time.sleep(0.05)
    return False


def lives(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # Also where it ends between opening and reading.
        return False
    return state != "Z"


def wait_for_note(tmp_path: Path) -> str:
    for _ in range(200):
        if (tmp_path / "note").exists() and (tmp_path / "note").read_text():
            return (tmp_path / "note").read_text()
        time.sleep(0.05)
    raise AssertionError("the fake worker left no note")


def leftovers(tmp_path: Path) -> list[str]:
    return [path.name for path in tmp_path.iterdir() if path.name != "note"]


def test_events_become_progress_text_messages_and_outputs(run, feedback, job):
    outputs = run("well behaved")
    assert outputs == {"output": job.output, "pixels": 12}
    assert feedback.fractions == [25.0, 50.0]
    assert feedback.texts == ["Reading", "Classifying, 12 tiles/s, 2 min left"]
    assert feedback.infos == ["On the CPU."]
    assert feedback.warnings == ["No pixel is like the labels."]


@pytest.mark.thorough
def test_chatter_of_the_process_is_for_the_debug_log_only(run, feedback):
    run("flood")
    assert feedback.debugs and all(text.startswith("[child] ") for text in feedback.debugs)
    assert len(feedback.debugs) <= 200
    assert not feedback.infos and not feedback.warnings


@pytest.mark.thorough
def test_a_flood_of_progress_does_not_flood_the_log(run, feedback):
    run("flood")
    assert len(feedback.texts) < 10


def test_a_failure_is_told_in_the_library_s_words(run):
    with pytest.raises(QgsProcessingException) as caught:
        run("fails")
    assert str(caught.value) == "The model is for 4 bands, the raster has 3. Choose another raster."


def test_the_traceback_of_a_bug_goes_to_the_console(run, feedback):
    with pytest.raises(QgsProcessingException, match="Something went wrong"):
        run("bug")
    assert feedback.consoles == ["Traceback: line 7"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("mode", "what"),
    [
        ("garbage", "not an event.*Downloading"),
        ("binary garbage", "not an event"),
        ("endless line", "not an event"),
        ("crash", r"SIGSEGV[\s\S]*a pointer to nowhere"),
        ("out of memory", "SIGKILL.*ran out of memory"),
        ("exit without a result", r"without a result[\s\S]*I am tired"),
        ("falls silent", "without a result: it stopped talking"),
        ("half an event", "not an event"),
        ("unknown event", "not an event.*celebrated"),
        ("event of wrong types", "not an event.*a lot"),
        ("empty file", r"“Classified raster” \(OUTPUT\) is not there: .*map.tif"),
        ("missing file", r"“Classified raster” \(OUTPUT\) is not there: .*map.tif"),
        ("bad exit code", "failed after its result.*exit code 7"),
        ("grandchild holds the pipe, no result", "without a result"),
    ],
)
def test_a_process_that_breaks_the_protocol_is_an_error_that_says_how(run, tmp_path, mode, what):
    with pytest.raises(QgsProcessingException, match=what):
        run(mode)
    assert leftovers(tmp_path) in ([], ["map.tif"])
    if mode not in ("bad exit code", "empty file"):
        assert leftovers(tmp_path) == []


@pytest.mark.parametrize("name", ["map.tif", "map [2].tif", f"{'long' * 20}.tif"])
def test_what_the_library_was_writing_is_found_whatever_its_name(provider, tmp_path, name):
    from qgis_false.compute.worker import _half_written

    job = Classify(raster="/r.tif", model="/m.safetensors", output=str(tmp_path / name))
    with published(job.output) as (scratch,):
        scratch.touch()
        assert _half_written(job) == {str(scratch.parent)}


def test_a_program_that_cannot_be_started_is_an_error(provider, job, feedback, tmp_path):
    from qgis_false.compute.worker import run_job

    program = tmp_path / "python"
    program.write_text("no program")
    with pytest.raises(QgsProcessingException, match="cannot be started"):
        run_job(job, feedback, [str(program)])


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["silent", "ignores cancel", "endless flood"])
def test_cancel_ends_a_process_that_does_not_listen_and_all_it_started(run, tmp_path, feedback, mode):
    with pytest.raises(QgsProcessingException, match="Cancelled"):
        run(mode, cancel=True)
    assert ends(int(wait_for_note(tmp_path)))
    assert leftovers(tmp_path) == []


@pytest.mark.thorough
def test_cancel_ends_a_process_that_is_stopped(provider, job, feedback, tmp_path):
    """It hears nothing then, as in native code that never ends."""
    from qgis_false.compute.worker import run_job

    def stop_and_cancel() -> None:
        os.kill(int(wait_for_note(tmp_path)), signal.SIGSTOP)
        feedback.cancel()

    threading.Thread(target=stop_and_cancel, daemon=True).start()
    with pytest.raises(QgsProcessingException, match="Cancelled"):
        run_job(job, feedback, [sys.executable, str(FAKE), "silent", str(tmp_path / "note")])
    assert ends(int(wait_for_note(tmp_path)))


@pytest.mark.thorough
def test_of_two_jobs_at_once_one_is_cancelled_and_the_other_goes_on(provider, job, feedback, compute_python, tmp_path):
    from conftest import Listener

    from qgis_false.compute.worker import run_job, worker_command

    cancelled: list[str] = []

    def run_and_cancel() -> None:
        try:
            run_job(job, feedback, [sys.executable, str(FAKE), "silent", str(tmp_path / "note")])
        except QgsProcessingException as error:
            cancelled.append(str(error))

    first = threading.Thread(target=run_and_cancel)
    first.start()
    wait_for_note(tmp_path)
    other = Listener()
    other.setProgressText = lambda text: feedback.cancel()
    assert run_job(Check(device="cpu"), other, worker_command(compute_python))["device"] == "cpu"
    first.join(SOON_S)
    assert cancelled == ["Cancelled."]


@pytest.mark.thorough
def test_cancel_arrives_by_qt_s_event_loop_too(run, feedback, tmp_path):
    """As Ctrl-C does in qgis_process and the button in the batch dialog, where the job runs in the main thread."""
    watch = QTimer()
    watch.timeout.connect(lambda: (tmp_path / "note").exists() and feedback.cancel())
    watch.start(50)
    with pytest.raises(QgsProcessingException, match="Cancelled"):
        run("silent")


def test_the_steps_of_a_cancel_add_up_to_what_users_are_promised(provider):
    from qgis_false.compute.followed_process import KILL_AFTER_S, OUTPUT_POLL_S, TERMINATE_S

    assert OUTPUT_POLL_S + KILL_AFTER_S + TERMINATE_S <= 2.0


@pytest.mark.thorough
def test_cancel_does_not_wait_for_a_process_that_never_read_its_job(provider, feedback, tmp_path):
    from false_core.jobs import Pretrain
    from qgis_false.compute.worker import run_job

    job = Pretrain(rasters=tuple(f"/{'x' * 200}/{n}.tif" for n in range(2000)), encoder=str(tmp_path / "e.safetensors"))
    threading.Timer(0.5, feedback.cancel).start()
    began = time.monotonic()
    with pytest.raises(QgsProcessingException, match="Cancelled"):
        run_job(job, feedback, [sys.executable, str(FAKE), "does not read the job"])
    assert time.monotonic() - began < SOON_S


def test_cancel_lets_a_process_that_listens_end_by_itself(run, tmp_path):
    with pytest.raises(QgsProcessingException, match="Cancelled"):
        run("cancels nicely", cancel=True)
    assert wait_for_note(tmp_path) == "it was told"


def test_what_is_said_after_the_result_does_not_change_it(run, job):
    assert run("talks on after its result") == {"output": job.output, "pixels": 12}


def test_a_library_of_another_version_is_mentioned_and_what_mends_it(run, feedback):
    run("another version")
    (warning,) = feedback.warnings
    assert "of version 9.9.9" in warning and "restart QGIS" in warning


@pytest.mark.thorough
@pytest.mark.parametrize(("level", "infos", "debugs"), [("warning", 0, 0), ("info", 1, 1), ("debug", 1, 2)])
def test_the_log_holds_what_was_asked_for_and_warnings_always(run, feedback, monkeypatch, level, infos, debugs):
    monkeypatch.setenv("FALSE_LOG_LEVEL", level)
    run("well behaved")
    assert len(feedback.warnings) == 1
    assert len(feedback.infos) == infos
    assert len(feedback.debugs) == debugs


def test_the_log_holds_what_the_process_said_after_its_last_event(run, feedback, monkeypatch):
    monkeypatch.setenv("FALSE_LOG_LEVEL", "debug")
    run("talks on after its result")
    assert feedback.debugs[-1] == "[child] good bye"


@pytest.fixture
def windows(provider, monkeypatch):
    """Windows, as far as starting and ending processes goes. Return the programs that are called there."""
    from qgis_false.environment import processes

    called: list[list[str]] = []
    monkeypatch.setattr(processes, "IS_WINDOWS", True)
    monkeypatch.setattr(processes.watchdog, "IS_WINDOWS", True)
    monkeypatch.setattr(processes.subprocess, "run", lambda command, **more: called.append(command))
    return called


def test_on_windows_no_console_opens_and_the_process_has_a_group_of_its_own(windows):
    from qgis_false.environment import processes

    no_window, new_group = 0x08000000, 0x00000200  # CREATE_NO_WINDOW, CREATE_NEW_PROCESS_GROUP
    assert processes.own_process_group() == {"creationflags": no_window | new_group}
    assert processes.quiet_start() == {"creationflags": no_window}


def test_on_windows_a_process_is_ended_with_all_it_started(windows):
    from qgis_false.environment import processes

    class Child:
        pid = 4711

    processes.signal_group(Child(), kill=False)
    processes.signal_group(Child(), kill=True)
    assert windows == [["taskkill", "/T", "/PID", "4711"], ["taskkill", "/T", "/PID", "4711", "/F"]]


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["grandchild holds the pipe", "does not go"])
def test_a_finished_job_is_delivered_even_if_somebody_stays_on(run, tmp_path, job, mode):
    assert run(mode) == {"output": job.output, "pixels": 12}
    assert ends(int(wait_for_note(tmp_path)))


def test_variables_of_qgis_do_not_reach_the_process_but_ours_and_the_user_s_do(run, feedback, monkeypatch):
    for name in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "QGIS_PREFIX_PATH", "PROJ_LIB", "GDAL_DATA",
                 "PIP_INDEX_URL", "DYLD_LIBRARY_PATH"):  # fmt: skip
        monkeypatch.setenv(name, "/of/qgis")
    for name in ("FALSE_CACHE", "GDAL_CACHEMAX", "CUDA_VISIBLE_DEVICES", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "mine")
    run("shows its surroundings")
    seen = json.loads(feedback.infos[0])
    assert not [name for name, value in seen.items() if value == "/of/qgis"]
    assert {name for name, value in seen.items() if value == "mine"} == {
        "FALSE_CACHE", "GDAL_CACHEMAX", "CUDA_VISIBLE_DEVICES", "HTTPS_PROXY"}  # fmt: skip
    assert seen["PATH"] == os.environ["PATH"]


def test_an_interpreter_without_the_packages_says_what_to_install(provider, feedback, monkeypatch):
    from qgis_false.compute.worker import run_job, worker_command

    monkeypatch.setattr("qgis_false.compute.worker.REQUIRED_PACKAGES", ("json", "no_such_package"))
    with pytest.raises(QgsProcessingException, match=r"has no no_such_package\. Install what it needs: .*-m pip install"):
        run_job(Check(), feedback, worker_command(sys.executable))


@pytest.mark.thorough
def test_the_real_worker_runs_this_plugin_s_library_and_no_other(provider, feedback, compute_python, monkeypatch, tmp_path):
    from qgis_false.compute.worker import run_job

    decoy = tmp_path / "false_core"
    decoy.mkdir()
    (decoy / "__init__.py").write_text("raise RuntimeError('the wrong library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("FALSE_CORE_PYTHON", compute_python)
    import false_core

    assert run_job(Check(device="cpu"), feedback)["version"] == false_core.__version__


@pytest.mark.thorough
def test_a_cancel_is_said_in_a_word_and_not_as_a_traceback(algorithm, context, feedback, compute_python):
    """QGIS shows the traceback of every exception that is not just a ``QgsProcessingException``, even of its subclasses."""
    feedback.cancel()
    assert algorithm("checkenvironment").run({}, context, feedback, {}, True) == ({}, False)
    assert feedback.errors == ["Cancelled."]
