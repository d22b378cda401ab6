"""The field of a label layer that holds the classes, and what is odd about its values, before anything is computed."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set

from qgis.core import (
    QgsExpression,
    QgsFeatureRequest,
    QgsField,
    QgsMapLayer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProviderRegistry,
    QgsRenderContext,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QMetaType

from qgis_false.layers.class_styles import MOST_CLASSES
from qgis_false.layers.legend import SINGLE, innermost
from qgis_false.layers.sources import is_null, layer_of
from qgis_false.translation import tr

KEY_FIELDS = ("fid", "id", "ogc_fid", "gid", "oid", "objectid", "uuid", "fclass_id", "pk")
"""Names that formats and programs give to the key of a table."""
FEATURES_LOOKED_AT = 100_000
ENOUGH_TO_TELL_KEYS = 1000
"""Features that are looked at to tell a key from a field of classes, while QGIS waits."""
READING_S = 0.3
"""Time after which it is left open whether a field is a key: a folder of the network may be slow."""
MAX_SPELLINGS_NAMED = 5
"""Pairs of names, or classes, that one sentence names."""


def class_field_of(layer: Optional[QgsMapLayer], guess: bool = False) -> str:
    """Return the field that holds the classes of a label layer, or nothing where nobody can tell.

    That is the field by which QGIS draws the layer; where it draws all alike, the only field that may hold classes. Keys
    never do.

    Args:
        guess: True where the likeliest field is taken if several may hold classes.
    """
    if not isinstance(layer, QgsVectorLayer):
        return ""
    possible = fields_of_classes(layer)
    drawn_by = [name for name in _drawn_by(layer) if name in possible]
    if len(drawn_by) == 1:
        return drawn_by[0]
    return possible[0] if possible and (guess or len(possible) == 1) else ""


def fields_of_classes(layer: QgsVectorLayer) -> List[str]:
    """Return the fields that may hold classes, the likeliest first: those with a list of values, then texts. Where there are
    texts, numbers are left out: they are mostly codes or measures beside them."""
    keys = {layer.fields().at(index).name() for index in layer.primaryKeyAttributes()}
    others = [f for f in layer.fields() if f.name() not in keys and f.name().lower() not in KEY_FIELDS]
    possible = [f for f in others if _may_hold_classes(f)]
    listed = [f for f in possible if layer.editorWidgetSetup(layer.fields().lookupField(f.name())).type() in _LISTS]
    texts = [f for f in possible if f.type() == QMetaType.Type.QString]
    numbers = [f for f in possible if f not in texts and not _all_different(layer, f.name())]
    found = listed or texts or numbers
    return [field.name() for field in found]


_LISTS = ("ValueMap", "ValueRelation", "Classification", "UniqueValues")
"""Forms that offer values."""


def _may_hold_classes(field: QgsField) -> bool:
    types = QMetaType.Type
    return field.type() in (types.QString, types.Bool, types.Int, types.LongLong, types.UInt, types.ULongLong)


def _drawn_by(layer: QgsVectorLayer) -> Set[str]:
    """Return the fields that the style of a layer looks at."""
    renderer = layer.renderer()
    if renderer is None or innermost(renderer).type() == SINGLE:
        return set()
    renderer = innermost(renderer)
    attribute = renderer.classAttribute() if hasattr(renderer, "classAttribute") else ""
    if attribute and layer.fields().lookupField(attribute) >= 0:
        return {layer.fields().at(layer.fields().lookupField(attribute)).name()}
    used = QgsExpression(attribute).referencedColumns() if attribute else renderer.usedAttributes(QgsRenderContext())
    indexes = [layer.fields().lookupField(name) for name in used]
    return {layer.fields().at(index).name() for index in indexes if index >= 0}


def _all_different(layer: QgsVectorLayer, name: str) -> bool:
    """Return whether no value of a field comes twice, as of a key. A layer of a server is not asked."""
    if not _is_at_hand(layer):
        return False
    end, seen = time.monotonic() + READING_S, set()
    for value in _values(layer, name, ENOUGH_TO_TELL_KEYS):
        if value in seen or time.monotonic() > end:
            return False
        seen.add(value)
        if len(seen) > MOST_CLASSES:
            return True
    return len(seen) > 1


def _is_at_hand(layer: QgsVectorLayer) -> bool:
    """Return whether a layer lies in memory or in a file, so that its first features are read in a moment."""
    provider = layer.providerType()
    path = QgsProviderRegistry.instance().decodeUri(provider, layer.source()).get("path", "")
    return provider == "memory" or bool(path and os.path.exists(path))


def warnings_about_run(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], labels: str, field: str, context: QgsProcessingContext
) -> List[str]:
    """Return what is probably not meant about the labels that an algorithm is to learn from, in sentences.

    Args:
        labels, field: The names of the parameters.
    """
    source = algorithm.parameterAsSource(parameters, labels, context)
    name = algorithm.parameterAsString(parameters, field, context) or class_field_of(
        layer_of(parameters.get(labels), context)
    )
    return warnings_about_classes(source, name) if source is not None else []


def warnings_about_classes(source: QgsProcessingFeatureSource, name: str) -> List[str]:
    """Return what is probably not meant about the classes in a field of labels that a model is to learn, in sentences."""
    if source.fields().lookupField(name) < 0:
        return []
    counted = _counted(source, name)
    found = []
    if len(counted) > 1 and max(counted.values()) == 1:
        found.append(
            tr(
                "Each of the {number} classes in the field {field} has one shape only. Then it cannot be told how good the "
                "map is. Perhaps this is not the field with the classes, or the classes need more shapes.",
                number=len(counted),
                field=name,
            )
        )
    alike = _differ_in_spelling(counted)
    if alike:
        shown = "; ".join(" / ".join(f'"{one}"' for one in names) for names in alike[:MAX_SPELLINGS_NAMED])
        found.append(
            tr(
                "Some classes in the field {field} differ only in capitals or blanks, and each will be a class of its own: "
                "{names}.",
                field=name,
                names=shown,
            )
        )
    return found


def name_as_compared(name: str) -> str:
    """Return a name as it is compared: capitals and blanks make no other one."""
    return "".join(name.split()).casefold()


def _differ_in_spelling(values: Iterable[Any]) -> List[List[str]]:
    groups: Dict[str, List[str]] = {}
    for value in values:
        if isinstance(value, str):
            groups.setdefault(name_as_compared(value), []).append(value)
    return [sorted(names) for names in groups.values() if len(names) > 1]


def _counted(source: Any, name: str) -> Counter[Any]:
    """Return how often each value of a field comes, without those that are no class."""
    return Counter(_values(source, name, FEATURES_LOOKED_AT))


def _values(source: Any, name: str, features: int) -> Iterator[Any]:
    """Yield the values of a field in the first features, without those that are no class."""
    index = source.fields().lookupField(name)
    request = QgsFeatureRequest().setLimit(features).setSubsetOfAttributes([index])
    request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
    for feature in source.getFeatures(request):
        value = feature.attribute(index)
        value = value.strip() if isinstance(value, str) else value
        if not is_null(value) and value != "":
            yield value
