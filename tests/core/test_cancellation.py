"""Ctrl-C and SIGTERM end a job, whatever it is in the middle of and however often they come."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from false_core.cancellation import cancelled_by_signals

SIGNALS = [signal.SIGTERM, signal.SIGINT]

# One call into a library, which takes far longer than anybody waits, and of which Python sees nothing before it ends.
BUSY = """
import hashlib, sys, threading
from false_core.cancellation import Stop
from false_core.cancellation import cancelled_by_signals
from false_core.cancellation import end_at_deadline

cancel = Stop()
with cancelled_by_signals(cancel):
    end_at_deadline(cancel, lambda reason: print(reason.what, flush=True))
    print("computing", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2_000_000_000)
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends other processes no signals")
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
def test_ends_a_process_in_the_midst_of_a_long_computation(number: signal.Signals, again: bool) -> None:
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "computing\n"
            process.send_signal(number)
            deadline = time.monotonic() + 30
            while again and process.poll() is None and time.monotonic() < deadline:
                process.send_signal(number)
                time.sleep(0.001)
            assert process.communicate(timeout=30) == ("Cancelled.\n", "")
            assert process.returncode == 3
        finally:
            process.kill()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
class TestInThisProcess:
    def test_what_was_there_before_is_there_again_when_nobody_cancelled(self, number: signal.Signals) -> None:
        before, waking = signal.getsignal(number), signal.set_wakeup_fd(-1)
        with cancelled_by_signals(cancel := threading.Event()):
            assert signal.getsignal(number) is not before
        assert not cancel.is_set()
        assert signal.getsignal(number) is before
        assert signal.set_wakeup_fd(waking) == -1

    def test_signals_keep_being_taken_once_it_is_cancelled(self, number: signal.Signals) -> None:
        before = {one: signal.getsignal(one) for one in SIGNALS}
        waking = signal.set_wakeup_fd(-1)
        try:
            with cancelled_by_signals(cancel := threading.Event()):
                signal.raise_signal(number)
                assert cancel.wait(30)
            signal.raise_signal(number)  # Would end the tests otherwise.
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
            assert signal.set_wakeup_fd(waking) == -1

    def test_another_thread_leaves_them_alone(self, number: signal.Signals) -> None:
        taken = []

        def look() -> None:
            with cancelled_by_signals(threading.Event()):
                taken.append(signal.getsignal(number))

        before = signal.getsignal(number)
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert taken == [before]
