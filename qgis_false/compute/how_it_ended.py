"""The end of a process, in words."""

from __future__ import annotations

import signal
from typing import Optional

from qgis_false.translation import tr


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
