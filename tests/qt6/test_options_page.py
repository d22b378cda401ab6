"""The options page under PyQt6: the tests of the plugin once more."""

from __future__ import annotations

from test_options import *  # noqa: F403
