"""Remembers what went wrong lately, for the diagnostics. Kept in the QGIS profile, a few entries only, without secrets."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Dict, List

from qgis.core import QgsApplication

from false_core.redaction import without_secrets
from qgis_false.whole_file import write_whole

MAX_ENTRIES = 10
MAX_ENTRY_CHARACTERS = 4000
"""Characters of one entry."""


def remember_error(what: str, text: str) -> None:
    """Add an error of ``what``, a job or the set-up."""
    entry = {"when": time.strftime("%Y-%m-%d %H:%M:%S"), "what": what, "text": without_secrets(text)[-MAX_ENTRY_CHARACTERS:]}
    try:
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps([*recall(), entry][-MAX_ENTRIES:], indent=1))
    except OSError:
        pass  # Without room for it the error itself is still shown; a second one about this would only hide it.


def recall() -> List[Dict[str, str]]:
    """Return the errors, the latest last."""
    try:
        entries = json.loads(_file().read_text(encoding="utf-8"))
        return [{name: str(entry[name]) for name in ("when", "what", "text")} for entry in entries]
    except (OSError, ValueError, TypeError, KeyError):
        return []  # None yet, or a file that another program has written.


def _file() -> Path:
    return Path(QgsApplication.qgisSettingsDirPath()) / "false" / "last_errors.json"
