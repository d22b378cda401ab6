"""The imprint above every report: when it was made, by whom, and with which version."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from false_core import __version__
from false_core.settings import author


def imprint() -> list[tuple[str, str]]:
    """Return what is to be said, as names and values.

    ``SOURCE_DATE_EPOCH``, seconds since 1970, stands for the present time, as in other programs whose results are compared.
    """
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(fixed), timezone.utc) if fixed.isdigit() else datetime.now()
    by = [("By", author())] if author() else []
    return [("Made on", f"{now:%Y-%m-%d, %H:%M}"), *by, ("FALSE", __version__)]
