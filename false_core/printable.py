"""Names from strangers, fit to be shown."""

from __future__ import annotations


def on_one_line(name: str) -> str:
    """Return ``name`` without the control characters that break lists, XML files and terminals, nor half characters."""
    return "".join(character if character.isprintable() else " " for character in name)
