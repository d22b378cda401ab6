"""Takes out of a text what is private: passwords, keys, the user's name."""

from __future__ import annotations

import ntpath
import re
from typing import Mapping

_IN_ADDRESS = re.compile(r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@'\"]*@")
_WORDS = r"token|secret|passw|passwd|api[_-]?key|credential|authorization|signature"
_NAMED = re.compile(
    rf"(?P<name>\b(?:[\w.-]*(?:{_WORDS})[\w.-]*|sig)\s*[=:]\s*)(?P<value>(?:(?:Bearer|Basic)\s+)?[^\s&'\",;]+)",
    re.IGNORECASE,
)
HIDDEN = "***"


def without_secrets(text: str) -> str:
    """Return ``text`` without user and password in addresses, and without the values of what is named like a secret."""
    text = _IN_ADDRESS.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _NAMED.sub(rf"\g<name>{HIDDEN}", text)


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
