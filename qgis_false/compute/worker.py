"""Runs one job in the compute process: sends it, turns its events into feedback, ends it when the user cancels.

Where the user has set a launcher, it is what is started, and the compute process is somewhere behind it.
"""

from __future__ import annotations

import collections
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, Callable, Deque, Dict, List, Optional, Sequence, Set, Tuple

from qgis.core import QgsProcessingException, QgsProcessingFeedback

import false_core
from false_core import events, jobs
from false_core.errors import presentable
from false_core.events import CANCEL_DEADLINE_S, Event, Failed, Finished, Message, Progress, Started
from false_core.line_protocol import ProtocolError
from false_core.outputs.hidden_names import unfinished_of
from false_core.redaction import without_secrets
from qgis_false import LIBRARY_FOLDER, settings
from qgis_false.compute import last_errors
from qgis_false.compute.launcher import JOB_FILE, Launcher, folder_for_files, launcher_for
from qgis_false.environment import versions
from qgis_false.environment.host import this_host
from qgis_false.environment.interpreters import REQUIRED_PACKAGES, NoEnvironment, find_interpreter, how_to_complete
from qgis_false.environment.processes import (
    MOST_OUTPUT_BYTES,
    OUTPUT_POLL_S,
    TERMINATE_S,
    CancelWatch,
    LineReader,
    ProcessingCancelled,
    end,
    signal_group,
    start,
    still_there,
)
from qgis_false.environment.supervisor import folder_for_a_job
from qgis_false.environment.variables import compute_variables
from qgis_false.parameter_names import label_and_name, with_labels_and_names
from qgis_false.translation import tr

KILL_AFTER_S = CANCEL_DEADLINE_S + 0.4
"""Seconds that a cancelled job may take to end itself."""
CANCEL_EXIT_S = 2.0
"""Seconds that the process may take to go after it said its last word."""
TEXT_INTERVAL_S = 10.0
"""Seconds between two progress texts of the same stage: the dialog keeps each of them in its log."""
MAX_FAILURE_LINES = 30
"""Lines of the process's own output that are shown when it fails."""
LOG_LINES_KEPT = 200
"""Lines of it that go to the log while it runs."""
SHARED_S = 10.0
"""Seconds that an output of another computer may take to be seen here."""

# Runs in the compute interpreter. The folder comes first, so that plugin and library can never disagree on a version.
START_CODE = """\
import sys, runpy, importlib.util
folder, module, remedy, incomplete, outdated, *needed = sys.argv[1:]
sys.path.insert(0, folder)
from false_core import events
missing = [name for name in needed if importlib.util.find_spec(name) is None]
what = incomplete.replace("{packages}", ", ".join(missing)) if missing else outdated if sys.version_info < (3, 10) else ""
if what:
    print(events.encode(events.Failed(what, remedy, "environment")))
    sys.exit(1)
del sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def worker_command(python: str, module: str = "false_core.worker") -> List[str]:
    """Return the command line of a compute process in the interpreter ``python``: of a module of the library."""
    incomplete = tr("The compute environment {python} has no {packages}.", python=python, packages="{packages}")
    outdated = tr("The compute environment {python} is older than Python 3.10.", python=python)
    texts = [how_to_complete(python), incomplete, outdated]
    return [python, "-I", "-u", "-c", START_CODE, str(LIBRARY_FOLDER), module, *texts, *REQUIRED_PACKAGES]


def child_variables() -> Dict[str, str]:
    """Return the environment variables of a compute process: the user's, and what was set on the options page."""
    return {**compute_variables(this_host()), **settings.for_the_library()}


def run_job(job: jobs.Job, feedback: QgsProcessingFeedback, command: Optional[Sequence[str]] = None) -> Dict[str, Any]:
    """Run ``job`` in a process of its own and return its outputs: paths of the files written, numbers and texts.

    Args:
        job: Job to do. Its paths must mean the same to another process.
        feedback: Gets progress and messages, and is asked ten times a second whether to stop.
        command: Command line to start instead of the worker in the compute environment.

    Raises:
        QgsProcessingException: The job failed, was cancelled, or its process did not keep to the protocol. No process of
            the job is left, and nothing half-written.
    """
    if command is not None:
        given = command
        return _followed(job, lambda: _ComputeProcess(job, feedback, given, child_variables()))
    launcher = launcher_for(type(job))
    if launcher is None:
        command = _command_here(feedback)
        return _followed(job, lambda: _ComputeProcess(job, feedback, command, child_variables()))
    with folder_for_a_job(folder_for_files(type(job))) as folder:
        file = Path(folder) / JOB_FILE
        file.write_text(jobs.to_json(launcher.mapping.job_there(job)) + "\n", encoding="utf-8")
        return _followed(job, lambda: _LaunchedProcess(job, feedback, launcher, file))


def _command_here(feedback: QgsProcessingFeedback) -> List[str]:
    """Return the command line of the compute Python alone, and say which one it is."""
    try:
        interpreter = find_interpreter()
    except NoEnvironment as error:
        raise QgsProcessingException(str(error)) from error
    feedback.pushInfo(tr("Computing with {path} (from {origin})", path=interpreter.path, origin=interpreter.origin))
    outdated = versions.problem_of_environment(interpreter)
    if outdated:
        feedback.pushWarning(outdated)
    return worker_command(str(interpreter.path))


def _followed(job: jobs.Job, begin: Callable[[], _ComputeProcess]) -> Dict[str, Any]:
    """Start the process and return the outputs of its job. Where it fails, nothing half-written is left."""
    before = _half_written(job)
    try:
        return begin().outputs()
    except BaseException as error:
        # A process that was killed could not tidy up.
        for folder in _half_written(job) - before:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, QgsProcessingException) and not isinstance(error, ProcessingCancelled):
            last_errors.remember_error(job.NAME, str(error))
        raise


class _ComputeProcess:
    """The compute process of one job."""

    _wait_for_exit_s = CANCEL_EXIT_S

    def __init__(
        self, job: jobs.Job, feedback: QgsProcessingFeedback, command: Sequence[str], variables: Dict[str, str]
    ) -> None:
        self._job, self._feedback = job, feedback
        self._last_words: Deque[str] = collections.deque(maxlen=MAX_FAILURE_LINES)
        self._log_lines: Deque[str] = collections.deque(maxlen=LOG_LINES_KEPT)
        self._log_level = settings.log_level()
        # All of it where everything was asked for, none where only warnings were.
        self._log_left = {"warning": 0, "info": LOG_LINES_KEPT}.get(self._log_level, sys.maxsize)
        self._ended = False
        self._stage, self._text_sent = "", 0.0
        self._watch = CancelWatch(feedback)
        if self._log_level == "debug":
            feedback.pushDebugInfo(f"Starting {list(command)}")
        self._child = start(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=variables)
        self._lines = LineReader(self._child.stdout, events.LONGEST_LINE + 2)
        self._log_reader = self._thread(self._read_log)
        # In a thread, because a pipe that is not emptied must not keep this one from seeing the cancel button.
        self._writer = self._thread(lambda: self._send(self._first_line()))

    def outputs(self) -> Dict[str, Any]:
        """Follow the job to its end and return its outputs."""
        try:
            last = self._listen()
            return self._checked(last)
        finally:
            self._end()
            self._pass_on_log()  # What was said beside the last event, and read after it.

    def _thread(self, target: Any) -> threading.Thread:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        return thread

    def _first_line(self) -> str:
        return jobs.to_json(self._job)

    def _send(self, line: str) -> None:
        data = line.encode() + b"\n"
        stdin: IO[bytes] = self._child.stdin  # type: ignore[assignment]
        try:
            while data:
                data = data[stdin.write(data) or 0 :]
        except OSError:
            return  # The process is gone, or no longer listens. Its exit code says more than this.

    def _read_log(self) -> None:
        with open(self._child.stderr.fileno(), "rb", closefd=False) as stream:  # type: ignore[union-attr]
            for line in iter(lambda: stream.readline(MOST_OUTPUT_BYTES), b""):
                text = presentable(line.decode("utf-8", "replace").rstrip(), events.LONGEST_MESSAGE)
                self._last_words.append(text)
                self._log_lines.append(text)

    def _listen(self) -> Optional[Event]:
        """Pass events on until the last one. Return it, or None where the process ended without one."""
        silent_since: Optional[float] = None
        while True:
            self._stop_if_cancelled()
            self._pass_on_log()
            try:
                line = self._lines.get(OUTPUT_POLL_S)
            except queue.Empty:
                # The end of the process is not the end of the pipe: a process of its own may still hold it open.
                if self._child.poll() is None:
                    continue
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > 3 * OUTPUT_POLL_S:
                    return None
                continue
            if line is None:
                return None
            event = self._decoded(line)
            if isinstance(event, (Finished, Failed)):
                return event
            if event is not None:
                self._pass_on(event)

    def _pass_on_log(self) -> None:
        while self._log_lines and self._log_left:
            self._log_left -= 1
            self._log_line(self._log_lines.popleft())

    def _log_line(self, text: str) -> None:
        self._feedback.pushDebugInfo(f"[child] {text}")

    def _decoded(self, line: bytes) -> Optional[Event]:
        """Return the event in a line of stdout; None where it is no event, and need not be one."""
        try:
            return events.decode(line.decode("utf-8"))
        except (ProtocolError, UnicodeDecodeError) as error:
            raise self._broken(
                tr("The compute process said something that is not an event: {error}.", error=error)
            ) from error

    def _pass_on(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._feedback.setProgress(100.0 * event.fraction)
            now = time.monotonic()
            if event.stage != self._stage or now - self._text_sent >= TEXT_INTERVAL_S:
                self._stage, self._text_sent = event.stage, now
                self._feedback.setProgressText(progress_text(event))
        elif isinstance(event, Message):
            if event.level == events.WARNING:
                self._feedback.pushWarning(event.text)
            elif self._log_level != "warning":
                self._feedback.pushInfo(event.text)
        elif isinstance(event, Started):
            different = self._problem_of_library(event.version)
            if different:
                self._feedback.pushWarning(different)

    def _problem_of_library(self, version: str) -> str:
        return versions.problem_of_library(version)

    def _stop_if_cancelled(self) -> None:
        if not self._watch.is_cancelled():
            return
        deadline = time.monotonic() + KILL_AFTER_S
        if self._writer.is_alive():
            deadline = 0.0  # It has not even read the job: more would only wait behind it.
        else:
            self._tell_to_stop()
        while self._child.poll() is None and time.monotonic() < deadline:
            # Emptied on, so that the last words of the process find room in the pipe.
            try:
                self._lines.get(OUTPUT_POLL_S / 2)
            except queue.Empty:
                continue
        raise ProcessingCancelled(tr("Cancelled."))

    def _tell_to_stop(self) -> None:
        # In a thread: the pipe of a process that does not read may be full.
        self._writer = self._thread(lambda: self._send("cancel"))

    def _checked(self, last: Optional[Event]) -> Dict[str, Any]:
        """Return the outputs of a job that ended with the event ``last``, or say why they cannot be trusted."""
        if isinstance(last, Failed):
            raise self._failed(last)
        code = self._exit_code()
        if last is None:
            last = self._without_last_word(code)
        if code not in (0, None):
            raise self._broken(tr("The compute process failed after its result: {how}.", how=how_it_ended(code)))
        assert isinstance(last, Finished)
        for name, path in jobs.outputs(self._job).items():
            if not self._is_there(path):
                raise self._broken(
                    tr(
                        "The compute process says it has finished, but {name} is not there: {path}.",
                        name=label_and_name(self._job, name),
                        path=path,
                    )
                )
        return last.outputs

    def _without_last_word(self, code: Optional[int]) -> Event:
        """Return the event that a process which ended without one stands for."""
        raise self._broken(tr("The compute process ended without a result: {how}.", how=how_it_ended(code)))

    def _is_there(self, path: str) -> bool:
        return _is_written(path)

    def _exit_code(self) -> Optional[int]:
        """Wait for the process to go. None where it stays although it has said its last word: then it is ended."""
        deadline = time.monotonic() + self._wait_for_exit_s
        while self._child.poll() is None:
            if time.monotonic() > deadline:
                return None
            time.sleep(OUTPUT_POLL_S / 5)
        return self._child.returncode

    def _failed(self, failed: Failed) -> QgsProcessingException:
        if failed.details:
            self._feedback.pushConsoleInfo(failed.details)
        if failed.code == "cancelled":
            return self._broken(tr("The compute process was told to stop, but not by QGIS."))
        return QgsProcessingException(with_labels_and_names(self._job, f"{failed.what} {failed.remedy}".strip()))

    def _broken(self, what: str) -> QgsProcessingException:
        """Return an error with the last words of the process."""
        self._end()
        words = "\n".join(self._last_words).strip()
        left = tr("Its last lines:") + f"\n{words}" if words else tr("It left no message.")
        return QgsProcessingException(f"{what}\n{left}")

    def _end(self) -> None:
        """Leave nothing behind: no process, no process of that process, no thread that waits."""
        if self._ended:
            return
        self._ended = True
        self._lines.abandon()
        if not end(self._child):
            self._feedback.pushWarning(still_there(self._child))
        self._lines.close()
        self._log_reader.join(TERMINATE_S)
        if self._child.stderr is not None and not self._log_reader.is_alive():
            self._child.stderr.close()
        if self._child.stdin is not None and not self._writer.is_alive():
            self._child.stdin.close()


class _LaunchedProcess(_ComputeProcess):
    """The launcher of one job. It may have more to say than the job, and the job may run on another computer."""

    _wait_for_exit_s = 5 * CANCEL_EXIT_S

    def __init__(self, job: jobs.Job, feedback: QgsProcessingFeedback, launcher: Launcher, file: Path) -> None:
        self._launcher, self._file, self._started = launcher, file, False
        self._before = {path: _signature(path) for path in jobs.outputs(job).values()}
        command = launcher.command(job, str(file), feedback)
        self._name = command[0] if command else launcher.template
        shown = " ".join(map(shlex.quote, command))
        feedback.pushInfo(tr("Starting with the launcher: {command}", command=without_secrets(shown)))
        unknown = launcher.mapping.left_out(job) if launcher.mapping.pairs else []
        if unknown:
            feedback.pushWarning(
                tr(
                    "The path mapping says nothing about {paths}. The launcher is to find them under the same path.",
                    paths=", ".join(unknown),
                )
            )
        super().__init__(job, feedback, command, launcher.variables())

    def _first_line(self) -> str:
        return "here"  # From now on the end of stdin means that QGIS is gone.

    def _pass_on(self, event: Event) -> None:
        if isinstance(event, Started):
            # Once more, for torchrun may have started the job again, with a new process to read it.
            self._send(self._first_line())
        super()._pass_on(event)

    def _log_line(self, text: str) -> None:
        if self._started:
            super()._log_line(text)
        else:
            self._feedback.pushInfo(f"[launcher] {text}")  # Such as that the job waits in a queue.

    def _decoded(self, line: bytes) -> Optional[Event]:
        text = line.decode("utf-8", "replace").rstrip()
        try:
            event = events.decode(text)
        except ProtocolError:
            if self._started:
                return super()._decoded(line)  # It fails, and says so.
            self._last_words.append(text[:10_000])
            self._log_lines.append(text[:10_000])
            return None
        self._started = True
        return self._launcher.mapping.event_here(event)

    def _problem_of_library(self, version: str) -> str:
        if version == false_core.__version__:
            return ""
        return tr(
            "The launcher started version {library} of the library, and the plugin is of {plugin}. Install the same one "
            "there: {command}",
            library=version,
            plugin=false_core.__version__,
            command=f'python -m pip install "{LIBRARY_FOLDER}"',
        )

    def _tell_to_stop(self) -> None:
        self._file.unlink(missing_ok=True)  # Tells those as well that stdin does not reach.
        if not self._started:
            # There is no job yet that would listen, and perhaps a place in a queue to give up.
            signal_group(self._child, kill=False)
        super()._tell_to_stop()

    def _without_last_word(self, code: Optional[int]) -> Event:
        if self._started:
            return super()._without_last_word(code)
        outputs = jobs.outputs(self._job)
        if code == 0 and not outputs:
            raise self._broken(
                tr(
                    "{program}, the launcher, passed on nothing, and this job writes no file to judge by.",
                    program=self._name,
                )
            )
        if code == 0 and all(self._is_there(path) and _signature(path) != self._before[path] for path in outputs.values()):
            self._feedback.pushInfo(tr("The launcher passed on no events, but the outputs are there."))
            return Finished(dict(outputs))
        raise self._broken(
            tr(
                "{program}, the launcher, ended before anything was heard of the job: {how}.",
                program=self._name,
                how=how_it_ended(code),
            )
        )

    def _is_there(self, path: str) -> bool:
        # A folder that computers share may show a new file a little later here.
        deadline = time.monotonic() + SHARED_S
        while not _is_written(path):
            if time.monotonic() > deadline or self._watch.is_cancelled():
                return False
            time.sleep(OUTPUT_POLL_S)
        return True


def _is_written(path: str) -> bool:
    return os.path.isdir(path) or (os.path.isfile(path) and os.path.getsize(path) > 0)


def _signature(path: str) -> Optional[Tuple[int, int]]:
    """Return what changes when a file is written anew, or None where there is none."""
    try:
        known = os.stat(path)
    except OSError:
        return None
    return known.st_mtime_ns, known.st_size


def progress_text(progress: Progress) -> str:
    """Return what to show under the bar: stage, rate and time left, as far as they are known."""
    parts = [
        progress.stage,
        progress.rate,
        tr("{time} left", time=_duration(progress.eta_s)) if progress.eta_s is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def how_it_ended(code: Optional[int]) -> str:
    """Return in words how a process ended that exited with ``code``, or with None where it has not."""
    if code is None:
        return tr("it stopped talking, and did not go")
    if code == 0:
        return tr("it exited as if all were well (code 0)")
    if code < 0:
        name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
        if name == "SIGKILL":
            return tr("it was killed (SIGKILL), most often because the computer ran out of memory. Try a smaller batch size")
        return tr("it crashed ({reason})", reason=name)
    if code < 2**31:
        return tr("exit code {code}", code=code)
    return tr("it crashed ({reason})", reason=f"0x{code:08X}")


def _half_written(job: jobs.Job) -> Set[str]:
    """Return the hidden folders in which outputs of ``job`` grow until they are complete (``outputs.publish``)."""
    return {folder for path in jobs.outputs(job).values() for folder in unfinished_of(path)}
