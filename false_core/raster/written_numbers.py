"""Numbers that headers and tables of rasters hold as texts."""

from __future__ import annotations


def number_in(text: str | None) -> float | None:
    """Return the number that a text is; None where it is none."""
    try:
        return float(text) if text else None
    except ValueError:
        return None
