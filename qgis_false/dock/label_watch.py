"""The labels of a layer as they are now, whoever changed them: the dock, QGIS's own tools, or another program."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeature,
    QgsFeatureRequest,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QElapsedTimer, QObject, QTimer, pyqtSignal

from false_core.session_protocol import MAX_CODE, Label
from qgis_false.dock.label_file import CLASS_FIELD

LOOK_AFTER_MS = 60
"""Wait after a signal of the layer: several come with one edit."""
SLICE_MS = 25
"""Milliseconds that QGIS may be held up at a time while a large layer is looked through."""
FILE_POLL_MS = 1000
MOST_IN_ONE_REQUEST = 2000


@dataclass(frozen=True)
class LabelChanges:
    """The differences from what was told before: labels in the CRS of the raster, and ids of those that are gone."""

    changed: Tuple[Label, ...]
    removed: Tuple[int, ...]


class LabelWatch(QObject):
    """Tells of each change of the labels of a layer.

    Attributes:
        has_more: True where the change that is told belongs to the ones that follow at once.

    Args:
        layer: The labels. Where it is edited, its edits count before they are saved.
        crs: The CRS of the raster, to which geometries go by QGIS's own ways.
    """

    changed = pyqtSignal(object)
    """``LabelChanges``; not emitted where nothing is different, but for the last one after others with ``has_more``."""
    looking = pyqtSignal()
    """The layer is about to be looked through, as it or its file has changed."""

    def __init__(self, layer: QgsVectorLayer, crs: QgsCoordinateReferenceSystem, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._layer, self._crs = layer, crs
        self._told: Dict[int, Tuple[int, int]] = {}
        self._codes: Dict[int, int] = {}
        self.has_more = self._owes_last = False
        self._file = layer.dataProvider().dataSourceUri().split("|")[0]
        self._signature = self._signature_of_file()
        self._looking: Optional[Iterator[None]] = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._begin)
        self._slices = QTimer(self)
        self._slices.timeout.connect(self._go_on)
        self._poll = QTimer(self)
        self._poll.timeout.connect(self.look_for_others)
        self._poll.start(FILE_POLL_MS)
        for signal in (
            layer.featureAdded, layer.featureDeleted, layer.geometryChanged, layer.attributeValueChanged,
            layer.editingStopped, layer.afterRollBack, layer.dataChanged, layer.subsetStringChanged,
        ):  # fmt: skip
            signal.connect(self.look)

    def look_for_others(self) -> None:
        """Look through the layer, soon, where another program has written to the file since the last look.

        It is asked before each edit here too: after it nobody can tell who has written.
        """
        signature = self._signature_of_file()
        if signature != self._signature:
            self._signature = signature
            self._layer.triggerRepaint()
            self.look()

    def look(self, *_: object) -> None:
        """Look through the layer, soon."""
        self._later.start(LOOK_AFTER_MS)

    def look_at(self, ids: Sequence[int]) -> None:
        """Look at some labels at once. The rest of the layer is as it was."""
        found = {}
        for feature in self._layer.getFeatures(QgsFeatureRequest().setFilterFids(list(ids))):
            found[feature.id()] = self._label(feature)
        self._signature = self._signature_of_file()
        if self._looking is not None:
            self._begin()  # What is read now may be older than this.
        self._tell([one for one in found.values() if one is not None], {one for one in ids if found.get(one) is None})

    def reset(self) -> None:
        """Tell everything anew, as to a session that has just begun."""
        self._told.clear()
        self._codes.clear()
        self._later.start(0)

    def code_of(self, label: int) -> int:
        """Return the code of the class of a label, 0 where it has none."""
        return self._codes.get(label, 0)

    def counts(self) -> Dict[int, int]:
        """Return how many labels each class has."""
        found: Dict[int, int] = {}
        for code in self._codes.values():
            found[code] = found.get(code, 0) + 1
        return found

    def _begin(self) -> None:
        self.looking.emit()
        self._looking = self._look_through()
        self._slices.start(0)

    def _go_on(self) -> None:
        clock = QElapsedTimer()
        clock.start()
        while self._looking is not None and clock.elapsed() < SLICE_MS:
            if next(self._looking, self) is self:
                self._looking = None
                self._slices.stop()

    def _look_through(self) -> Iterator[None]:
        seen: Set[int] = set()
        waiting: List[Label] = []
        self._signature = self._signature_of_file()
        for feature in self._layer.getFeatures():
            label = self._label(feature)
            if label is not None:
                seen.add(label.id)
                waiting.append(label)
            if len(waiting) > MOST_IN_ONE_REQUEST:
                self.has_more = True
                self._tell(waiting[:-1], set())
                waiting = waiting[-1:]
            yield
        self.has_more = False
        self._tell(waiting, set(self._told) - seen)

    def stop(self) -> None:
        """Look no more."""
        for timer in (self._later, self._slices, self._poll):
            timer.stop()

    def _tell(self, labels: Sequence[Label], gone: Set[int]) -> None:
        changed = []
        for label in labels:
            what = (label.code, hash(label.wkb))
            if self._told.get(label.id) != what:
                self._told[label.id] = what
                self._codes[label.id] = label.code
                changed.append(label)
        removed = sorted(one for one in gone if self._told.pop(one, None) is not None)
        for one in removed:
            self._codes.pop(one, None)
        if changed or removed or (self._owes_last and not self.has_more):
            self._owes_last = self.has_more
            self.changed.emit(LabelChanges(tuple(changed), tuple(removed)))

    def _label(self, feature: QgsFeature) -> Optional[Label]:
        """Return a label as the session knows it, or None where it has no class, no shape, or lies where the CRS ends.

        A code that no map can hold is no class: with it the session would refuse all labels that are told at once.
        """
        field, geometry = feature.fieldNameIndex(CLASS_FIELD), feature.geometry()
        code = feature.attribute(field) if field >= 0 else None  # A person may have deleted the field.
        if not isinstance(code, int) or not 1 <= code <= MAX_CODE or geometry.isNull() or geometry.isEmpty():
            return None
        if self._layer.crs() != self._crs and self._layer.crs().isValid() and self._crs.isValid():
            way = QgsCoordinateTransform(self._layer.crs(), self._crs, QgsProject.instance().transformContext())
            try:
                geometry.transform(way)
            except QgsCsException:
                return None
        return Label(feature.id(), code, bytes(geometry.asWkb()).hex())

    def _signature_of_file(self) -> Tuple[Tuple[int, int], ...]:
        """Return what changes when any program writes to the file: the log beside it comes first."""
        found = []
        for path in (self._file, self._file + "-wal"):
            try:
                known = os.stat(path)
            except OSError:
                continue
            found.append((known.st_mtime_ns, known.st_size))
        return tuple(found)
