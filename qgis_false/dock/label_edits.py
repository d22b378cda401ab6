"""Edits of labels: each is in the file before the next one begins, and each can be undone.

They go to the provider of the layer and not into the buffer of QGIS's editing, which keeps them in memory until somebody
saves: what was drawn must outlive the end of QGIS in that very moment. What a person edits with QGIS's own tools stays in
that buffer, untouched.

While another program holds the file, labels that are drawn wait, and are written as soon as it lets go: ``waiting_edits``.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsVectorLayer,
    QgsVectorLayerUtils,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QObject, pyqtSignal

from qgis_false.dock.busy_file import PATIENCE_MS, FileIsBusy, check_not_busy
from qgis_false.dock.crs import in_crs
from qgis_false.dock.label_file import CLASS_FIELD
from qgis_false.dock.label_replacement import LabelReplacement
from qgis_false.dock.waiting_edits import WaitingEdits
from qgis_false.layers.sources import is_null
from qgis_false.translation import failure


class LabelEdits(QObject):
    """Adds, removes and reclassifies the labels of a layer, with undo and redo.

    Attributes:
        waiting: The edits that wait for the file.
    """

    begun = pyqtSignal()
    """The file is about to be written to."""
    edited = pyqtSignal(list)
    """Ids of the labels that are new, changed or gone."""

    def __init__(self, layer: QgsVectorLayer, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self.layer = layer
        self.waiting = WaitingEdits(layer, self._write, self)
        self._done: List[LabelReplacement] = []
        self._undone: List[LabelReplacement] = []

    def can_undo(self) -> bool:
        """Return whether there is something to undo."""
        return bool(self._done or self.waiting.edits)

    def can_redo(self) -> bool:
        """Return whether there is something to do again."""
        return bool(self._undone)

    def undo(self) -> None:
        """Take the last edit back, if there is one.

        Raises:
            QgsProcessingException: The file does not take it.
        """
        if self.waiting.edits:
            self._undone.append(self.waiting.take_last())
        elif self._done:
            self._check()
            self.begun.emit()
            self._done[-1].undo()
            self._undone.append(self._done.pop())
            self._tell(self._undone[-1])

    def redo(self) -> None:
        """Do again what was taken back last, if there is something.

        Raises:
            QgsProcessingException: The file does not take it.
        """
        if self._undone:
            self._do(self._undone[-1])
            self._undone.pop()

    def add(self, labels: Sequence[Tuple[QgsGeometry, int]]) -> None:
        """Add labels: shapes in the CRS of the layer, and codes.

        Raises:
            QgsProcessingException: None is an area, or the file does not take them.
        """
        features = []
        context, field = self.layer.createExpressionContext(), self.layer.fields().lookupField(CLASS_FIELD)
        for geometry, code in labels:
            areas = _as_areas(geometry)
            if not areas.isEmpty():  # With the default values that a person has given to other fields of the layer.
                features.append(QgsVectorLayerUtils.createFeature(self.layer, areas, {field: code}, context))
        if not features:
            raise failure("What was drawn encloses no area.")
        self._do_anew(LabelReplacement(self.layer, [], features))

    def remove(self, ids: Sequence[int]) -> None:
        """Remove labels."""
        found = self._features(ids)
        if found:
            self._do_anew(LabelReplacement(self.layer, found, []))

    def reclassify(self, ids: Sequence[int], code: int) -> None:
        """Give labels another class."""
        before = self._features(ids)
        after = []
        for feature in before:
            changed = QgsFeature(feature)
            changed.setAttribute(CLASS_FIELD, code)
            after.append(changed)
        if before:
            self._do_anew(LabelReplacement(self.layer, before, after))

    def of_class(self, code: int) -> List[int]:
        """Return the ids of all labels of a class that are in the file."""
        request = QgsFeatureRequest().setFilterExpression(f'"{CLASS_FIELD}" = {int(code)}')
        request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
        return [feature.id() for feature in self.layer.getFeatures(request) if feature.id() > 0]

    def take_up(self, labels: Sequence[QgsFeature], crs: QgsCoordinateReferenceSystem, codes: Dict[int, int]) -> int:
        """Write labels that waited when the work ended, without those that are in the file already. Return how many.

        Args:
            labels: Features with a field ``class``, in the CRS ``crs``.
            codes: The codes of classes here by those in ``labels``, where they are others.

        Raises:
            QgsProcessingException: The file does not take them.
        """
        self._check()
        context, fields, features = self.layer.createExpressionContext(), self.layer.fields(), []
        for label in labels:
            if is_null(label[CLASS_FIELD]):
                continue
            shape = in_crs(label.geometry(), crs, self.layer.crs())
            if shape is None:
                raise failure("What was drawn lies outside what the CRS of the label layer can show.")
            values = {
                fields.lookupField(name): label[name]
                for name in label.fields().names()
                if fields.lookupField(name) not in (-1, *self.layer.primaryKeyAttributes()) and not is_null(label[name])
            }
            code = values[fields.lookupField(CLASS_FIELD)] = codes.get(label[CLASS_FIELD], label[CLASS_FIELD])
            if not self._holds(shape, code):
                features.append(QgsVectorLayerUtils.createFeature(self.layer, shape, values, context))
        if features:
            self._write(LabelReplacement(self.layer, [], features))
        return len(features)

    def _holds(self, shape: QgsGeometry, code: int) -> bool:
        """Return whether a label is in the file."""
        alike = self.layer.getFeatures(QgsFeatureRequest().setFilterRect(shape.boundingBox()))
        return any(one[CLASS_FIELD] == code and one.geometry().equals(shape) for one in alike)

    def _check(self, patience_ms: int = PATIENCE_MS) -> None:
        """Check that the file takes an edit.

        Raises:
            QgsProcessingException: It does not.
        """
        if self.layer.isEditable() and self.layer.dataProvider().transaction() is not None:
            raise failure(
                "The label layer is edited in a transaction, which keeps labels out of the file. End the editing first."
            )
        if self.layer.fields().lookupField(CLASS_FIELD) < 0:
            raise failure(
                "The label layer has no field {field} any more, which holds the classes. Give it back: a field of whole "
                "numbers of that name.",
                field=CLASS_FIELD,
            )
        check_not_busy(self.layer.source(), patience_ms)

    def _do_anew(self, exchange: LabelReplacement) -> None:
        self._do(exchange)
        self._undone.clear()

    def _do(self, exchange: LabelReplacement) -> None:
        """Do an edit. One that only adds waits where another program holds the file, behind others that wait."""
        only_adds = not exchange.before
        try:
            if not (only_adds and self.waiting.edits):
                self._write(exchange)
                return
        except FileIsBusy:
            if not only_adds:
                raise
        self.waiting.append(exchange)

    def _write(self, exchange: LabelReplacement, patience_ms: int = PATIENCE_MS) -> None:
        self._check(patience_ms)
        self.begun.emit()
        exchange.do()
        self._done.append(exchange)
        self._tell(exchange)

    def _tell(self, exchange: LabelReplacement) -> None:
        self.edited.emit(sorted({feature.id() for feature in (*exchange.before, *exchange.after)}))

    def _features(self, ids: Sequence[int]) -> List[QgsFeature]:
        stored = [one for one in ids if one > 0]  # Others wait in the buffer of QGIS's own editing, and belong to it.
        return list(self.layer.getFeatures(QgsFeatureRequest().setFilterFids(stored))) if stored else []


def _as_areas(geometry: QgsGeometry) -> QgsGeometry:
    """Return the areas of a shape as one multi-part polygon without mistakes; empty where it has none."""
    valid = geometry if geometry.isGeosValid() else geometry.makeValid()
    parts = [
        part
        for part in valid.asGeometryCollection()
        if part.type() == QgsWkbTypes.GeometryType.PolygonGeometry and part.area() > 0
    ]
    if not parts:
        return QgsGeometry()
    areas = QgsGeometry.collectGeometry(parts)
    areas.convertToMultiType()
    return areas
