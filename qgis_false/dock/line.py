"""Lines of text in the dock. They are wrapped, and none makes the page wider than the dock."""

from __future__ import annotations

from typing import Optional

from qgis.PyQt.QtWidgets import QLabel, QSizePolicy


class Line(QLabel):
    """A wrapped text. Of a word that is longer than the dock, such as a path, the end is seen in the tooltip."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setWordWrap(True)
        policy = self.sizePolicy()
        policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)
        self.setSizePolicy(policy)

    def setText(self, text: Optional[str]) -> None:
        """Show another text."""
        super().setText(text)
        self.setToolTip(text)
