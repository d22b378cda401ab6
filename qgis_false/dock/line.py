"""Lines of text in the dock. They are wrapped, and none makes the page wider than the dock."""

from __future__ import annotations

from qgis.PyQt.QtCore import QEvent
from qgis.PyQt.QtGui import QHelpEvent
from qgis.PyQt.QtWidgets import QLabel, QSizePolicy, QToolTip


class Line(QLabel):
    """A wrapped text. Of a word that is longer than the dock, such as a path, the end is seen in the tooltip."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setWordWrap(True)
        policy = self.sizePolicy()
        policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)
        self.setSizePolicy(policy)

    def event(self, event: QEvent) -> bool:
        """Have a tooltip show the whole text where a word of it is cut, unless there is another one."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            is_cut = self.minimumSizeHint().width() > self.width()  # No other event may ask: the text may be half changed.
            if is_cut and not self.toolTip():
                QToolTip.showText(event.globalPos(), self.text(), self)
                return True
        return bool(super().event(event))
