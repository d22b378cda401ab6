"""Edits of labels: each is in the file before the next one begins, and each can be undone.

They go to the provider of the layer and not into the buffer of QGIS's editing, which keeps them in memory until somebody
saves: what was drawn must outlive the end of QGIS in that very moment. What a person edits with QGIS's own tools stays in
that buffer, untouched.

While another program holds the file, labels that are drawn wait here, and are written as soon as it lets go. At the end of
the work they go to a file of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from qgis.core import (
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsProcessingException,
    QgsVectorDataProvider,
    QgsVectorLayer,
    QgsVectorLayerUtils,
    QgsWkbTypes,
)
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from qgis_false.dialogs.destinations import documents, free_path
from qgis_false.dock.busy_file import PATIENCE_MS, FileIsBusy, check_not_busy
from qgis_false.dock.label_file import CLASS_FIELD, label_layer
from qgis_false.translation import failure, tr

TRY_AGAIN_MS = 1000


class LabelEdits(QObject):
    """Adds, removes and reclassifies the labels of a layer, with undo and redo.

    Attributes:
        problem: The problem that keeps labels waiting, where it is another one than a file that is held; else empty.
    """

    begun = pyqtSignal()
    """The file is about to be written to."""
    edited = pyqtSignal(list)
    """Ids of the labels that are new, changed or gone."""
    waiting_changed = pyqtSignal()
    """Others wait for the file than before, or it has let go; see ``waiting``."""

    def __init__(self, layer: QgsVectorLayer, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self.layer = layer
        self.problem = ""
        self._source, self._crs = layer.source(), layer.crs()  # Known also when the layer is gone.
        self._keys = [layer.fields().at(number).name() for number in layer.primaryKeyAttributes()]
        self._done: List[_LabelReplacement] = []
        self._undone: List[_LabelReplacement] = []
        self._waiting: List[_LabelReplacement] = []
        self._try_again = QTimer(self)
        self._try_again.timeout.connect(self._write_waiting)

    def waiting(self) -> List[QgsGeometry]:
        """Return the labels that are drawn but not in the file yet, as another program holds it."""
        return [feature.geometry() for exchange in self._waiting for feature in exchange.after]

    def can_undo(self) -> bool:
        """Return whether there is something to undo."""
        return bool(self._done or self._waiting)

    def can_redo(self) -> bool:
        """Return whether there is something to do again."""
        return bool(self._undone)

    def undo(self) -> None:
        """Take the last edit back, if there is one.

        Raises:
            QgsProcessingException: The file does not take it.
        """
        if self._waiting:
            self._undone.append(self._waiting.pop())
            self._show_waiting()
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
        self._do_anew(_LabelReplacement(self.layer, [], features))

    def remove(self, ids: Sequence[int]) -> None:
        """Remove labels."""
        found = self._features(ids)
        if found:
            self._do_anew(_LabelReplacement(self.layer, found, []))

    def reclassify(self, ids: Sequence[int], code: int) -> None:
        """Give labels another class."""
        before = self._features(ids)
        after = []
        for feature in before:
            changed = QgsFeature(feature)
            changed.setAttribute(CLASS_FIELD, code)
            after.append(changed)
        if before:
            self._do_anew(_LabelReplacement(self.layer, before, after))

    def of_class(self, code: int) -> List[int]:
        """Return the ids of all labels of a class that are in the file."""
        request = QgsFeatureRequest().setFilterExpression(f'"{CLASS_FIELD}" = {int(code)}')
        request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
        return [feature.id() for feature in self.layer.getFeatures(request) if feature.id() > 0]

    def close(self) -> str:
        """Write what waits into the file, or into another one where that does not take it. The layer may be gone by now.

        Returns:
            The words that a person has to read then, or nothing.

        Raises:
            QgsProcessingException: No file takes it.
        """
        self._try_again.stop()
        told = ""
        labels = [feature for exchange in self._waiting for feature in exchange.after]
        if labels:
            try:
                check_not_busy(self._source)
                _LabelReplacement(QgsVectorLayer(self._source, "", "ogr"), [], labels).do()
            except QgsProcessingException as error:
                told = tr(
                    "{number} labels are not in {file}, but in {path}. Copy them into the label layer. {reason}",
                    number=len(labels), file=self._file().name, path=self._rescue(labels), reason=error,
                )  # fmt: skip
            self._waiting.clear()
            if not sip.isdeleted(self.layer):
                self.layer.triggerRepaint()
        return told

    def _rescue(self, labels: Sequence[QgsFeature]) -> Path:
        """Write labels into a new file beside that of the layer, or else among the user's documents. Return its path."""
        file = self._file()
        try:
            return self._write_new(file.parent, labels)
        except QgsProcessingException:
            return self._write_new(documents() or Path.home(), labels)

    def _write_new(self, folder: Path, labels: Sequence[QgsFeature]) -> Path:
        path = free_path(folder / f"{self._file().stem}_waiting", ".gpkg")
        layer = label_layer(path, self._crs)
        fields = {one.name(): one for label in labels for one in label.fields() if one.name() not in self._keys}
        for name, field in fields.items():
            if layer.fields().lookupField(name) < 0:  # Each alone: a file has no field of some types and names.
                layer.dataProvider().addAttributes([field])
        layer.updateFields()
        names = [one for one in fields if layer.fields().lookupField(one) not in (-1, *layer.primaryKeyAttributes())]
        try:
            _LabelReplacement(layer, [], _copies(labels, layer, names)).do()
        except QgsProcessingException:  # Class and shape are what was drawn.
            _LabelReplacement(layer, [], _copies(labels, layer, [CLASS_FIELD])).do()
        return path

    def _file(self) -> Path:
        return Path(self._source.split("|")[0])

    def _write_waiting(self) -> None:
        try:
            while self._waiting:
                self._write(self._waiting[0], 0)
                del self._waiting[0]
            problem = ""
        except QgsProcessingException as error:  # They wait on.
            problem = "" if isinstance(error, FileIsBusy) else str(error)
            if problem == self.problem:
                return
        self.problem = problem
        self._show_waiting()

    def _show_waiting(self) -> None:
        if not self._waiting:
            self._try_again.stop()
        elif not self._try_again.isActive():
            self._try_again.start(TRY_AGAIN_MS)
        self.waiting_changed.emit()

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

    def _do_anew(self, exchange: _LabelReplacement) -> None:
        self._do(exchange)
        self._undone.clear()

    def _do(self, exchange: _LabelReplacement) -> None:
        """Do an edit. One that only adds waits where another program holds the file, behind others that wait."""
        only_adds = not exchange.before
        try:
            if not (only_adds and self._waiting):
                self._write(exchange)
                return
        except FileIsBusy:
            if not only_adds:
                raise
        self._waiting.append(exchange)
        self._show_waiting()

    def _write(self, exchange: _LabelReplacement, patience_ms: int = PATIENCE_MS) -> None:
        self._check(patience_ms)
        self.begun.emit()
        exchange.do()
        self._done.append(exchange)
        self._tell(exchange)

    def _tell(self, exchange: _LabelReplacement) -> None:
        self.edited.emit(sorted({feature.id() for feature in (*exchange.before, *exchange.after)}))

    def _features(self, ids: Sequence[int]) -> List[QgsFeature]:
        stored = [one for one in ids if one > 0]  # Others wait in the buffer of QGIS's own editing, and belong to it.
        return list(self.layer.getFeatures(QgsFeatureRequest().setFilterFids(stored))) if stored else []


class _LabelReplacement:
    """Labels in place of others. They keep their ids, so that later edits still find them."""

    def __init__(self, layer: QgsVectorLayer, before: List[QgsFeature], after: List[QgsFeature]) -> None:
        self._layer, self.before, self.after = layer, before, after

    def do(self) -> None:
        """Put the new ones in place of the old ones."""
        self._exchange(self.before, self.after)

    def undo(self) -> None:
        """Put the old ones in place of the new ones."""
        self._exchange(self.after, self.before)

    def _exchange(self, old: List[QgsFeature], new: List[QgsFeature]) -> None:
        layer = self._layer
        if not layer.isValid():
            raise _not_written(layer, layer.error().summary())
        provider: QgsVectorDataProvider = layer.dataProvider()
        kept = {feature.id() for feature in old} & {feature.id() for feature in new}
        gone = [feature.id() for feature in old if feature.id() not in kept]
        fresh = [feature for feature in new if feature.id() not in kept]
        field = layer.fields().lookupField(CLASS_FIELD)
        values: Dict[int, Dict[int, Any]] = {
            feature.id(): {field: feature.attribute(CLASS_FIELD)} for feature in new if feature.id() in kept
        }
        key = _key_field(provider)
        done = not gone or provider.deleteFeatures(gone)
        if done and fresh:
            # The layer may have other fields by now.
            done, added = _added(provider, _copies(fresh, layer, [one.name() for one in layer.fields()]))
            for feature, stored in zip(fresh, added if done else []):
                feature.setId(stored.id())
                if key >= 0:  # So that it comes back under the same one.
                    feature.setAttribute(layer.fields().at(key).name(), stored.id())
        if done and values:
            done = provider.changeAttributeValues(values)
        if not done:
            reason = "; ".join(provider.errors())
            provider.clearErrors()
            raise _not_written(layer, reason)
        layer.updateExtents()
        layer.triggerRepaint()


def _copies(labels: Sequence[QgsFeature], layer: QgsVectorLayer, names: Sequence[str]) -> List[QgsFeature]:
    """Return labels for another layer, with those of the named fields that each of them has."""
    copies = []
    for label in labels:
        copies.append(QgsFeature(layer.fields()))
        copies[-1].setGeometry(label.geometry())
        for name in names:
            if label.fields().lookupField(name) >= 0:
                copies[-1].setAttribute(name, label.attribute(name))
    return copies


def _not_written(layer: QgsVectorLayer, reason: str) -> QgsProcessingException:
    reason = reason or tr("the file does not take it")
    return failure("The labels cannot be written to {path}: {reason}.", path=layer.source(), reason=reason)


def _added(provider: QgsVectorDataProvider, features: List[QgsFeature]) -> Tuple[bool, List[QgsFeature]]:
    done, added = provider.addFeatures(features)
    return bool(done), list(added)


def _key_field(provider: QgsVectorDataProvider) -> int:
    keys = provider.pkAttributeIndexes()
    return int(keys[0]) if len(keys) == 1 else -1


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
