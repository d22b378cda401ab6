"""The remedy where a package is missing from the environment that computes."""

from __future__ import annotations

import sys


def how_to_install(requirement: str) -> str:
    """Return how to come by a package: an environment of the plugin, made by uv, has no pip of its own."""
    return (
        "In QGIS, run Set up the compute environment: it installs what is missing. In a Python of your own, run: "
        f'"{sys.executable}" -m pip install {requirement}'
    )
