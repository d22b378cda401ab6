"""The exchange of labels in a layer for others, in its file at once: the one step that all edits are made of."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

from qgis.core import QgsFeature, QgsProcessingException, QgsVectorDataProvider, QgsVectorLayer

from qgis_false.dock.label_file import CLASS_FIELD
from qgis_false.translation import failure, tr


class LabelReplacement:
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
            done, added = _added(provider, copies_for(fresh, layer, [one.name() for one in layer.fields()]))
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


def copies_for(labels: Sequence[QgsFeature], layer: QgsVectorLayer, names: Sequence[str]) -> List[QgsFeature]:
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
