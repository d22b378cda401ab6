"""A Python that has imported everything already: what it is told to run begins at once instead of after some seconds.

A process waits with the library and torch imported. For each program it makes a copy of itself, which does what a Python
that was just started does, with the arguments, variables, folder and streams that it is given. The command that asked for it
lasts as long as the program, passes signals on, and ends in the same way. How a process starts is looked at by those tests
that take ``sys.executable``.

This file is both ends. ``python -I -S preloaded_python.py ADDRESS -m MODULE ...`` or ``... SCRIPT ...`` is the command,
which imports next to nothing. ``python preloaded_python.py ADDRESS`` is the process that waits.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, NoReturn

IMPORTED = (
    "false_core.worker", "false_core.cli", "false_core.training.pretrain", "false_core.training.finetune",
    "false_core.mapping.classify.classify_many", "false_core.mapping.embed", "false_core.mapping.polygonise",
    "false_core.mapping.compare_maps", "false_core.mapping.edit_map",
    "false_core.mapping.suggest_labels", "false_core.accuracy.assess", "false_core.accuracy.sample_points",
    "false_core.labels.annotation", "geopandas", "pyogrio", "torch.distributed.run",
    # Optimisers of PyTorch import it when they are made. Dask is not here: it reads the variables as it is imported.
    "torch._dynamo",
    # What tests compare with.
    "sklearn.cluster", "sklearn.linear_model", "sklearn.metrics", "sklearn.neighbors",
)  # fmt: skip
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) if os.name == "posix" else ()


@contextlib.contextmanager
def preloaded_python(python: str = sys.executable, variables: dict[str, str] | None = None) -> Iterator[list[str]]:
    """Give the words that stand for ``[python]`` as long as this lasts.

    Where processes cannot be copied well they are just that.

    Args:
        python: An interpreter with the library.
        variables: What it is started with; otherwise what this process has.
    """
    if sys.platform != "linux":
        yield [python]
        return
    with tempfile.TemporaryDirectory() as folder:
        address = os.path.join(folder, "s")  # A path to a socket may have a hundred characters.
        waiting = subprocess.Popen([python, __file__, address], stdout=subprocess.PIPE, env=variables)
        try:
            assert waiting.stdout is not None
            assert waiting.stdout.readline() == b"ready\n"
            yield [python, "-I", "-S", __file__, address]
        finally:
            waiting.kill()
            waiting.communicate()


def wait_for_programs(address: str) -> NoReturn:
    """Import everything, and make a copy of this process for whoever asks."""
    import gc
    import importlib

    for module in IMPORTED:
        importlib.import_module(module)
    assert len(os.listdir("/proc/self/task")) == 1, "A process that has threads cannot be copied."
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    os.write(1, b"ready\n")
    while True:
        asking, _ = listener.accept()
        if not os.fork():
            listener.close()
            _keep(asking)
        asking.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # Keepers that are done.
                pass


def _keep(asking: socket.socket) -> NoReturn:
    """Start a program, end it when nobody asks any more, and say how it ended."""
    os.setsid()
    said, streams, _, _ = socket.recv_fds(asking, 1 << 20, 3)
    while not said.endswith(b"\n"):
        more = asking.recv(1 << 20)
        if not more:
            os._exit(1)
        said += more
    program = os.fork()
    if not program:
        asking.close()
        _become(streams, **json.loads(said))
    for stream in streams:
        os.close(stream)
    import select

    over = os.pidfd_open(program)
    asking.sendall(f"{program}\n".encode())
    ready, _, _ = select.select([over, asking], [], [])
    if over not in ready:  # It says nothing more: it is gone.
        os.kill(program, signal.SIGKILL)
    _, status = os.waitpid(program, 0)
    with contextlib.suppress(OSError):
        asking.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(streams: list[int], arguments: list[str], variables: dict[str, str], folder: str) -> NoReturn:
    """Be the program from here on."""
    import runpy
    import traceback
    import types

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    # Open as long as the process.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
    while arguments[0] in ("-u", "-I"):
        del arguments[0]
    code: Any = 0
    try:
        if arguments[0] == "-c":
            sys.argv[:] = ["-c", *arguments[2:]]
            sys.path[0] = ""
            sys.modules.pop("false_core.worker", None)  # It runs from its beginning, where the program runs it.
            sys.modules["__main__"] = types.ModuleType("__main__")
            exec(arguments[1], vars(sys.modules["__main__"]))  # noqa: S102 - as Python does with -c.
        elif arguments[0] == "-m":
            sys.argv[:] = arguments[1:]
            sys.path[0] = folder
            if not hasattr(sys.modules.get(arguments[1]), "__path__"):
                sys.modules.pop(arguments[1], None)  # It runs from its beginning.
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv[:] = arguments
            sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:  # noqa: BLE001 - as Python does at the end of a program.
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code or 0)


def ask(address: str, arguments: list[str]) -> NoReturn:
    """Have a program run, last as long, and end as it does."""
    asked = {"arguments": arguments, "variables": dict(os.environ), "folder": os.getcwd()}
    waiting: list[int] = []
    program = 0

    def pass_on(number: int, _: object) -> None:
        if program:
            with contextlib.suppress(ProcessLookupError):
                os.kill(program, number)
        else:
            waiting.append(number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        said = json.dumps(asked).encode() + b"\n"
        sent = socket.send_fds(connection, [said], [0, 1, 2])
        connection.sendall(said[sent:])
        # They are the program's alone: whoever reads its output must see its end.
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        answers = connection.makefile("r")
        program = int(answers.readline())
        for number in waiting:
            os.kill(program, number)
        code = int(answers.readline() or 1)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        ask(sys.argv[1], sys.argv[2:])
    wait_for_programs(sys.argv[1])
