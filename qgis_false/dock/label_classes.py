"""The classes of a label layer: its style and its file say the same, whoever changes either of them."""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

from qgis.core import QgsProcessingException, QgsVectorLayer
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from qgis_false.dock.busy_file import FileIsBusy, check_not_busy
from qgis_false.dock.class_sources import free_code, joined_classes, named
from qgis_false.dock.label_file import (
    CLASS_COLOURS,
    LabelClass,
    classes_in_file,
    classes_of_labels,
    classes_when_stored,
    merged_classes,
    note_stored_classes,
    show_classes,
    store_classes,
)
from qgis_false.translation import failure

STORE_AGAIN_MS = 2000
"""Wait before classes that the file did not take are stored again."""


class LabelClasses(QObject):
    """Keeps the classes of a label layer the same in its style and in its file, until ``stop``.

    Attributes:
        known: The classes.
        problem: The problem that keeps classes out of the file, where that is not held by another program; else empty.
    """

    changed = pyqtSignal()
    not_stored = pyqtSignal(str)
    """The file did not take the classes, and why. It is tried again."""
    tried_again = pyqtSignal()

    def __init__(self, layer: QgsVectorLayer, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._layer = layer
        self.problem = ""
        self._is_over = False
        self._store_later = QTimer(self)
        """Runs while classes are owed to the file, as it did not take them."""
        self._store_later.setSingleShot(True)
        self._store_later.setInterval(STORE_AGAIN_MS)
        self._store_later.timeout.connect(self._store_again)
        self._stored: List[LabelClass] = []
        """The classes that are known to be in the file."""
        self._gone: Dict[int, Tuple[int, LabelClass]] = {}
        """The classes that were taken away, by their codes, with their places in the list."""
        self.known = self._at_first()
        layer.rendererChanged.connect(self._follow_style)

    @property
    def are_waiting(self) -> bool:
        """Return whether classes are not in the file yet, as it did not take them."""
        return bool(self._store_later.isActive())

    def change(self, change: Callable[[List[LabelClass]], Sequence[LabelClass]]) -> None:
        """Change the classes that there are. Labels of others wait for theirs.

        Args:
            change: Returns the classes that are wanted, from those of now: another QGIS may just have changed them.
        """
        self.follow_file()
        self._show(list(change(list(self.known))))

    def add(self, name: str) -> LabelClass:
        """Add a class and return it.

        Raises:
            QgsProcessingException: There is one of that name.
        """
        made: List[LabelClass] = []

        def with_it(known: List[LabelClass]) -> List[LabelClass]:
            _check_new(name, known)
            code = free_code([*known, *(one for _, one in self._gone.values())])  # Labels of those may come back.
            made.append(LabelClass(code, name, CLASS_COLOURS[(code - 1) % len(CLASS_COLOURS)]))
            return [*known, *made]

        self.change(with_it)
        return made[0]

    def edit(self, code: int, name: str = "", color: str = "") -> None:
        """Give a class another name, another colour, or both.

        Raises:
            QgsProcessingException: There is another one of that name.
        """

        def edited(known: List[LabelClass]) -> List[LabelClass]:
            _check_new(name, [one for one in known if one.code != code])
            return [LabelClass(code, name or one.name, color or one.color) if one.code == code else one for one in known]

        self.change(edited)

    def join(self, others: Sequence[LabelClass]) -> Dict[int, int]:
        """Add the classes of another file, as far as there are none of their names. Return the codes here by those there."""
        codes: Dict[int, int] = {}

        def joined(known: List[LabelClass]) -> List[LabelClass]:
            classes, found = joined_classes(known, others)
            codes.update({one.code: code for one, code in zip(others, found)})
            return classes

        if others:
            self.change(joined)
        return codes

    def bring_back(self, codes: Set[int]) -> None:
        """Bring classes back that were taken away since the beginning, as their labels came back."""
        gone = [self._gone[code] for code in codes if code in self._gone]
        wanted = sorted(gone, key=lambda found: (found[0], -found[1].code))
        if wanted:

            def with_them(known: List[LabelClass]) -> List[LabelClass]:
                for place, one in wanted:
                    if one.code not in {other.code for other in known}:
                        known.insert(place, one)
                return known

            self.change(with_them)

    def follow_file(self) -> None:
        """Take over classes that another program has put into the file, such as another QGIS on the same raster."""
        if self.are_waiting:  # What is in the file is older. ``_take`` adds what is new there.
            return
        found = classes_in_file(self._layer)
        if found and found != self._stored:
            self._stored = found
            note_stored_classes(self._layer, found)
            classes_in_file(self._layer, taken_over=True)

    def stop(self) -> None:
        """Leave the classes as they are."""
        self._is_over = True
        self._store_later.stop()

    def _at_first(self) -> List[LabelClass]:
        """Return the classes of layer and file, in both from now on: each may have been changed before."""
        own, stored = classes_of_labels(self._layer), classes_in_file(self._layer)
        # Those that are gone in the layer are none that were there before: a class in the file may have labels, and stays.
        before = [one for one in classes_when_stored(self._layer) if one.code in {known.code for known in own}]
        classes = merged_classes(own, before, stored) or stored
        self._stored = stored
        if classes == stored:
            classes_in_file(self._layer, taken_over=True)
        else:
            if classes != own:
                show_classes(self._layer, classes)
            self._store()
        note_stored_classes(self._layer, self._stored)
        return classes

    def _follow_style(self) -> None:
        """The style of the layer has changed: by ``change``, or by a person in QGIS's own window of styles."""
        classes = classes_of_labels(self._layer)
        # A layer that is shown otherwise for a while, such as in a single colour, keeps its classes.
        if classes and not self._is_over:
            self._take(classes)

    def _take(self, classes: List[LabelClass]) -> None:
        """Take the classes of the style into the file, and tell of them."""
        self._store_later.stop()
        if classes != self._stored:
            merged = merged_classes(classes, self._stored, classes_in_file(self._layer))
            if merged and merged != classes:
                show_classes(self._layer, merged)  # Heard again by ``_follow_style``.
                return
            self._store()
        if classes != self.known:
            codes = {one.code for one in classes}
            self._gone.update({one.code: (place, one) for place, one in enumerate(self.known)})
            self._gone = {code: one for code, one in self._gone.items() if code not in codes}
            self.known = classes
            self.changed.emit()

    def _store(self) -> None:
        """Keep the style in the file. What the file does not take is owed to it."""
        try:
            store_classes(self._layer)
            self.problem = ""
        except QgsProcessingException as error:
            self.problem = "" if isinstance(error, FileIsBusy) else str(error)
            self.not_stored.emit(str(error))
            self._store_later.start()
        self._stored = classes_in_file(self._layer)
        note_stored_classes(self._layer, self._stored)

    def _store_again(self) -> None:
        try:
            check_not_busy(self._layer.source(), 0)
        except FileIsBusy:
            self._store_later.start()
            return
        self._show(self.known)
        self.tried_again.emit()

    def _show(self, classes: List[LabelClass]) -> None:
        show_classes(self._layer, classes)  # ``_follow_style`` hears of it.
        if not classes:
            self._take([])


def _check_new(name: str, classes: Sequence[LabelClass]) -> None:
    one = named(name, classes) if name else None
    if one is not None:
        raise failure(
            "There is a class {name} already. To merge two classes, remove one: its labels become labels of the other one.",
            name=one.name,
        )
