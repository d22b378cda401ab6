"""Takes out of a text what is private: passwords, keys, the user's name."""

from __future__ import annotations

import ntpath
import re
from typing import Mapping

from false_core.redaction import without_secrets


def without_what_is_private(text: str, home: str, variables: Mapping[str, str]) -> str:
    """Return ``text`` without secrets and without the user's name. The arguments are those of ``without_user``."""
    return without_user(without_secrets(text), home, variables)


def without_user(text: str, home: str, variables: Mapping[str, str]) -> str:
    """Return ``text`` with the user's folder as ``~`` and without the user's name in other paths.

    Args:
        text: Any text with paths in it, of this system or written with the other slash.
        variables: Environment variables, one of which may say what the user is called.
    """
    for folder in sorted({home, variables.get("USERPROFILE", ""), variables.get("HOME", "")}, key=len, reverse=True):
        if len(folder.strip("/\\")) > 1 and not folder.endswith((":\\", ":/")):
            pattern = r"[\\/]".join(map(re.escape, re.split(r"[\\/]", folder.rstrip("/\\"))))
            text = re.sub(pattern + r"(?![\w.-])", "~", text, flags=re.IGNORECASE)
    names = {variables.get(name, "") for name in ("USERNAME", "USER", "LOGNAME")} | {ntpath.basename(home.rstrip("/\\"))}
    for name in sorted(filter(None, names), key=len, reverse=True):
        # As a part of a path only: the name may be a word of the language.
        text = re.sub(rf"(?<=[\\/]){re.escape(name)}(?=[\\/\s'\",;:]|$)", "USER", text, flags=re.IGNORECASE)
    # The short name of a user's folder, such as MAXMUS~1, tells less, but tells.
    return re.sub(r"(?i)(?<=[\\/]Users[\\/])[^\\/\s]+~\d", "USER", text)
