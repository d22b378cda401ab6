"""The icons as Qt 6 draws them: the tests of the plugin once more."""

from __future__ import annotations

from test_icons import *  # noqa: F403
