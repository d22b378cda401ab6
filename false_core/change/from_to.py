"""The classes of a map of change: no change, and each pair of classes that a change goes from and to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from false_core.language.catalogue import localised
from false_core.raster.classes import LARGEST_MAP_CODE, ClassTable, LandCoverClass
from false_core.reports.figures import rgb_of

NO_CHANGE_CODE, CHANGED_CODE = 1, 2
"""Codes. Those from ``CHANGED_CODE`` on are all changes."""
NO_CHANGE_COLOUR, CHANGED_COLOUR = "#e6e6e6", "#d7301f"
MOST_PAIRS_OF_CLASSES = LARGEST_MAP_CODE - CHANGED_CODE
"""Pairs of classes that get a code of their own, the largest ones. All others share one."""
SHARE_OF_BEFORE = 0.25
"""Part of the colour of the class before in that of a change; the rest is that of the class after."""


@dataclass(frozen=True)
class ChangeClasses:
    """The codes of a map of change.

    Attributes:
        table: Classes that the codes stand for.
        pairs: The class before and the class after of each code from ``CHANGED_CODE`` on, as numbers of ``of_ground``; none
            where the map says only where the ground changed.
        of_ground: The classes of the ground; none where they are not known.
    """

    table: ClassTable
    pairs: tuple[tuple[int, int], ...] = ()
    of_ground: tuple[LandCoverClass, ...] = ()

    @property
    def names(self) -> dict[int, tuple[str, str]]:
        """The names of the class before and the class after of each code that has them."""
        found = enumerate(self.pairs, start=CHANGED_CODE)
        return {code: (self.of_ground[i].name, self.of_ground[j].name) for code, (i, j) in found}

    def codes_of(self, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return the codes of pairs of classes, each the number of one times the number of classes plus the other."""
        if not self.pairs:
            return np.full(pairs.shape, CHANGED_CODE, np.uint8)
        count = len(self.of_ground)
        codes = np.full(count * count, CHANGED_CODE + len(self.pairs), np.uint8)
        for code, (i, j) in enumerate(self.pairs, start=CHANGED_CODE):
            codes[i * count + j] = code
        return codes[pairs]


def change_alone() -> ChangeClasses:
    """Return the codes of a map that says where the ground changed, and not from what to what."""
    return ChangeClasses(ClassTable((_no_change(), LandCoverClass(CHANGED_CODE, localised("change"), CHANGED_COLOUR))))


def changes_between(classes: ClassTable, pixels: npt.NDArray[np.int64]) -> ChangeClasses:
    """Return the codes of a map that says from what to what the ground changed: those of all pairs that occur.

    Args:
        classes: The classes of the ground.
        pixels: Changed pixels of each pair, of shape (classes * classes,).
    """
    order = np.argsort(-pixels, kind="stable")
    present = order[pixels[order] > 0]
    kept = np.sort(present[:MOST_PAIRS_OF_CLASSES])
    ground = tuple(classes)
    pairs = tuple((int(pair) // len(ground), int(pair) % len(ground)) for pair in kept)
    entries = [_no_change()]
    for code, (i, j) in enumerate(pairs, start=CHANGED_CODE):
        colour = _mixed((ground[i].color, ground[j].color))
        entries.append(LandCoverClass(code, f"{ground[i].name} → {ground[j].name}", colour))
    if len(present) > len(kept):
        entries.append(LandCoverClass(CHANGED_CODE + len(kept), localised("other change"), CHANGED_COLOUR))
    if not pairs:
        return change_alone()
    return ChangeClasses(ClassTable(tuple(entries)), pairs, ground)


def _no_change() -> LandCoverClass:
    return LandCoverClass(NO_CHANGE_CODE, localised("no change"), NO_CHANGE_COLOUR)


def _mixed(colours: Sequence[str]) -> str:
    before, after = (np.array(rgb_of(colour), float) for colour in colours)
    mixed = np.rint(SHARE_OF_BEFORE * before + (1 - SHARE_OF_BEFORE) * after).astype(int)
    return "#" + "".join(f"{value:02x}" for value in mixed.tolist())
