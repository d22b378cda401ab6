"""The pictures that a method can show in the report, beside its curves. ``training.method_pictures`` draws it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

SHOWN_PATCHES = 6
"""Patches in a picture of the report."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels of a view."""


@dataclass(frozen=True)
class NeighbourPairs:
    """The others of a batch that a method takes to be related to each anchor.

    Attributes:
        name: Word for a related one.
        indices: The related ones, by their rows among the 2N embeddings, the first ones first, of shape (2N, k).
        counts: Mask of those that are related, bool of shape (2N, k).
    """

    heading: str
    text: str
    name: str
    level: str
    indices: Tensor
    counts: Tensor


@dataclass(frozen=True)
class MarkedView:
    """One view of a patch and what a method looks at in it.

    Attributes:
        pixels: Normalised, of shape (bands, height, width).
        attention: Weights from 0 to 1, of shape (height, width); None: there is none.
        boxes: Parts of the view. Those in the same place of the list have the same colour in all of them.
    """

    pixels: Tensor
    attention: Tensor | None = None
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class MarkedViews:
    """Views of some patches.

    Attributes:
        rows: Captions of the views of a patch, one text for each row.
        columns: Marked views of each patch, one for each row.
    """

    heading: str
    text: str
    rows: tuple[str, ...]
    columns: tuple[tuple[MarkedView, ...], ...]
