"""Keys of the canvas while labels are drawn or selected: they come before the shortcuts of QGIS, and go back to it then."""

from __future__ import annotations

from typing import Callable, Dict, Optional

from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QEvent, QObject, Qt
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QWidget

_WITHOUT = Qt.KeyboardModifier.NoModifier
_KEYPAD = Qt.KeyboardModifier.KeypadModifier
_CONTROL = Qt.KeyboardModifier.ControlModifier
_SHIFT = Qt.KeyboardModifier.ShiftModifier
WITHOUT_MODIFIER: Dict[int, str] = {
    Qt.Key.Key_Return: "complete", Qt.Key.Key_Enter: "complete", Qt.Key.Key_Escape: "cancel",
    Qt.Key.Key_Delete: "remove", Qt.Key.Key_Backspace: "remove", Qt.Key.Key_N: "next_place",
    Qt.Key.Key_0: "pass_over",
}  # fmt: skip
WITH_CONTROL: Dict[int, str] = {Qt.Key.Key_Z: "undo", Qt.Key.Key_Y: "redo"}
"""The actions of keys, by their numbers: a keyboard may have more of them than Qt has names for."""
WHILE_SELECTING = ("remove", "undo", "redo")
"""The actions that count also while labels are selected with a tool of QGIS."""


class CanvasKeys(QObject):
    """Calls what belongs to a key that is pressed over the canvas.

    Args:
        is_on: Tells whether the keys are ours now.
        is_selecting: Tells whether those of ``WHILE_SELECTING`` are ours, where ``is_on`` does not say so of all.
        press_number: Called with 1 to 9; returns whether there was such a class.
        actions: Called by name: ``complete``, ``cancel``, ``remove``, ``undo``, ``redo``, ``next_place``,
            ``pass_over``. What returns False leaves the key to QGIS.
        panel: Window whose buttons and lists keep the keys only until the mouse is over the canvas again.
    """

    def __init__(
        self,
        canvas: QgsMapCanvas,
        is_on: Callable[[], bool],
        is_selecting: Callable[[], bool],
        press_number: Callable[[int], bool],
        actions: Dict[str, Callable[[], object]],
        panel: QWidget,
    ) -> None:
        super().__init__(panel)
        self._is_on, self._is_selecting, self._press_number, self._actions = is_on, is_selecting, press_number, actions
        self._canvas, self._panel = canvas, panel
        for watched in (canvas, canvas.viewport()):
            watched.installEventFilter(self)

    def remove(self) -> None:
        """Leave all keys to QGIS."""
        for watched in (self._canvas, self._canvas.viewport()):
            watched.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Claim our keys, and do what they say."""
        if event.type() == QEvent.Type.MouseMove and self._is_on() and self._keeps_keys(QApplication.focusWidget()):
            self._canvas.setFocus()
        if not isinstance(event, QKeyEvent):
            return False
        if event.type() == QEvent.Type.ShortcutOverride and self._of(event) is not None:
            event.accept()  # It comes as a key now, whatever shortcut QGIS has for it.
            return True
        if event.type() == QEvent.Type.KeyPress:
            action = self._of(event)
            if action is not None:
                return action() is not False
        return False

    def _keeps_keys(self, focused: Optional[QWidget]) -> bool:
        """Return whether a button or a list of the panel has the keys. What is being typed there is left alone."""
        return self._panel.isAncestorOf(focused) and not isinstance(focused, (QLineEdit, QAbstractSpinBox))

    def _of(self, event: QKeyEvent) -> Optional[Callable[[], object]]:
        key, modifiers = event.key(), event.modifiers() & ~_KEYPAD
        is_on = self._is_on()
        if is_on and modifiers == _WITHOUT and Qt.Key.Key_1 <= key <= Qt.Key.Key_9:
            number = int(key) - int(Qt.Key.Key_0)
            return lambda: self._press_number(number)
        name = ""
        if modifiers == _WITHOUT:
            name = WITHOUT_MODIFIER.get(key, "")
        elif modifiers == _CONTROL:
            name = WITH_CONTROL.get(key, "")
        elif modifiers == _CONTROL | _SHIFT and key == Qt.Key.Key_Z:
            name = "redo"
        is_ours = is_on or (name in WHILE_SELECTING and self._is_selecting())
        return self._actions.get(name) if is_ours else None
