"""Numbers as they are written in another language."""

from __future__ import annotations

import re

WRITTEN_NUMBER = r"(?:[-+±]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?(?: ?%)?|-?nan|-?inf)"
"""A regular expression of a number as the library writes it, with its percent sign: 1,234.5 or 83.7 %."""
_ALONE = re.compile(rf"{WRITTEN_NUMBER}(?: ± {WRITTEN_NUMBER})?")
_SIGNS = str.maketrans(",.", ".,")


def is_number(text: str) -> bool:
    """Return whether ``text`` is a number, a share in percent, or one of these with its interval, and nothing else."""
    return _ALONE.fullmatch(text) is not None


def with_decimal_comma(text: str) -> str:
    """Return the numbers in ``text``, which holds nothing else with a point or a comma, with the two exchanged."""
    return text.translate(_SIGNS)
