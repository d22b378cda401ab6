"""What the figures of a report have in common: how pixels become colours, and how a figure gets into an HTML file."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

Colours = npt.NDArray[np.uint8]
"""A picture of shape (height, width, 3)."""
# Names of classes may hold dollars: they are names, not formulas. A text keeps what holds when it is made.
matplotlib.rcParams["text.parse_math"] = False
RANGE = 2.5
"""Deviations from the mean of a band that are shown from dark to bright."""


def in_colour(pixels: npt.NDArray[np.floating]) -> Colours:
    """Return a picture of normalised pixels (bands, height, width): the first three bands as red, green and blue.

    Where there are fewer than three bands, the first is shown in grey.
    """
    shown = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)
    return as_bytes((shown + RANGE) / (2 * RANGE)).transpose(1, 2, 0)


def as_bytes(values: npt.NDArray[np.floating]) -> Colours:
    """Return values from 0 to 1 as 0 to 255; what lies beyond is clipped."""
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def as_svg(figure: Figure) -> str:
    """Return ``figure`` as SVG source. Pictures in it become PNGs within that source."""
    buffer = io.StringIO()
    # Text stays text, so that it can be searched; a fixed salt and no date make equal reports equal files.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "false"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def show_picture(axes: Any, picture: Colours) -> None:
    """Draw ``picture`` in ``axes`` pixel for pixel, without ticks and frame."""
    # SVG keeps the pixels as they are; other interpolations would make every PNG as fine as the page.
    axes.imshow(picture, interpolation="none")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
