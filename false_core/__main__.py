"""``python -m false_core`` is the command line."""

from false_core.cli import entry

entry()
