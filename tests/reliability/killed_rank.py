"""One of the processes that do a small job together, to be killed: see ``killed_together.py``.

    python -m torch.distributed.run --standalone --nproc-per-node 2 tests/reliability/killed_rank.py run job.json

It does what ``-m false_core`` does with these arguments, with small parts, and leaves notes of what it did in the folder
``KILLED_NOTES``. Where it is rank ``KILLED_RANK``, it kills itself before system call number ``KILLED_BEFORE``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from job_server import make_small, watched_calls

# Not what imports torch: a real process has not loaded it either when it begins.
from false_core import dispatch as running
from false_core.cli import main
from false_core.computing.memory import keep_memory


def be_one_of_them() -> None:
    """Do the job and end this process."""
    rank, notes = os.environ.get("RANK", "0"), Path(os.environ["KILLED_NOTES"])
    keep_memory()
    # torchrun starts it again with the same variables.
    first_life = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
    is_killed = first_life and os.environ.get("KILLED_RANK") == rank
    calls = watched_calls(int(os.environ["KILLED_BEFORE"]) if is_killed else None)
    made: list[int] = []
    really_do = running._done

    def do(*given: Any) -> dict[str, Any]:
        (notes / (f"ready-{rank}" if first_life else "restarted")).touch()
        make_small()
        _count_parts(made)
        return really_do(*given)

    running._done = do
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    (notes / f"done-{rank}.json").write_text(json.dumps({"calls": calls(), "made": made}), encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _count_parts(made: list[int]) -> None:
    """Write down which strips of a map this process finishes."""
    from false_core.mapping.classify.store import StripStore

    finish = StripStore.finish

    def finish_and_count(store: StripStore, strip: Any, *given: Any) -> None:
        finish(store, strip, *given)
        made.append(strip.number)

    StripStore.finish = finish_and_count  # type: ignore[method-assign]


if __name__ == "__main__":
    be_one_of_them()
