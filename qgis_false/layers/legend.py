"""The style of a label layer as a legend: what the classes are called and which colours they have, as QGIS shows them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from qgis.core import (
    QgsApplication,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsFeature,
    QgsFeatureRenderer,
    QgsFeatureRequest,
    QgsFields,
    QgsMapLayer,
    QgsProcessingFeedback,
    QgsRenderContext,
    QgsRendererCategory,
    QgsRuleBasedRenderer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime

from qgis_false.layers.sources import is_null
from qgis_false.layers.symbol_colour import colour_of
from qgis_false.translation import tr
from qgis_false.whole_file import write_whole

LEGEND_FILE = "legend.json"
MOST_VALUES = 1000
"""Values of a field: of one with more a map cannot be made, and its style is not asked any further."""
ENOUGH_FEATURES = 1000
"""Features of one value. More are not looked at: a layer may have millions."""
MAX_CLASSES_NAMED = 5
"""Values that one sentence names."""
SINGLE, CATEGORISED, GRADUATED, BY_RULES = "singleSymbol", "categorizedSymbol", "graduatedSymbol", "RuleRenderer"
EMBEDDED = "embeddedSymbol"
"""Renderers by what QGIS calls them."""


@dataclass(frozen=True)
class LegendEntry:
    """The name and colour of one value of the class field; several values in a list are one class.

    Attributes:
        color: ``#rrggbb``, or None where QGIS shows none.
    """

    value: Any
    name: str
    color: Optional[str]


@dataclass
class _Shown:
    """The symbols that drew the features of one value.

    Attributes:
        number: Number of features.
        chains: The category, the range or the rules within rules that drew them, the outermost first.
        colours: Their colours.
    """

    value: Any
    number: int = 0
    chains: List[Tuple[str, ...]] = field(default_factory=list)
    colours: List[Optional[str]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The symbol or rule that drew all of them, or nothing: of rules the innermost one that all have in common."""
        common = ""
        for level in zip(*self.chains):
            if len(set(level)) > 1:
                break
            common = level[0]
        return common

    @property
    def colour(self) -> Optional[str]:
        """The colour of all of them, or of the first one where they are shades of one class; or None."""
        return self.colours[0] if self.colours and (len(self.colours) == 1 or self.key) else None


class LabelStyle:
    """The style of a label layer for the values of its class field, found out from the features it draws.

    So every renderer counts by what it shows: categories, expressions, rules, ranges and colours that come from the data.
    Make it in the main thread, which the layer belongs to. Then it works on copies, in any thread.

    Attributes:
        attributes: Numbers of the fields that it needs of each feature.
    """

    def __init__(self, layer: QgsVectorLayer, class_field: str) -> None:
        self._fields: QgsFields = layer.fields()
        self._index = self._fields.lookupField(class_field)
        self._class_field = class_field
        self._renderer = innermost(layer.renderer()).clone()
        self._context = QgsRenderContext()
        scopes = QgsExpressionContextUtils.globalProjectLayerScopes(layer)
        self._context.setExpressionContext(QgsExpressionContext(scopes))
        self._context.expressionContext().setFields(self._fields)
        self._names = _names_in_form(layer, self._index)
        self._shown: Dict[str, _Shown] = {}
        self._started = False
        if self._renderer.type() == CATEGORISED:
            for index in range(len(self._renderer.categories())):
                # Also a category or a rule that is not ticked is what its features look like.
                self._renderer.updateCategoryRenderState(index, True)
        if self._renderer.type() == BY_RULES:
            for rule in self._renderer.rootRule().descendants():
                rule.setActive(True)
        used = self._renderer.usedAttributes(self._context)
        known = [self._fields.lookupField(name) for name in used]
        everything = list(range(self._fields.count()))
        self.attributes = everything if -1 in known else sorted({self._index, *known})
        self._draws_alike = self._draws_a_value_alike()
        self._drawn: Set[Any] = set()
        """Values of which one feature was looked at, where they are all drawn alike."""

    def look_at(self, feature: QgsFeature) -> None:
        """Note how a feature is drawn."""
        value = raw = feature.attribute(self._index)
        if self._draws_alike and isinstance(raw, (str, int)) and raw in self._drawn:
            return
        if is_null(value) or value != value or _plain(value) == "":
            return  # What is nothing, no number or empty is no class.
        value = _plain(value)
        if len(self._shown) >= MOST_VALUES and _text(value) not in self._shown:
            return
        shown = self._shown.setdefault(_text(value), _Shown(value))
        shown.number += 1
        if shown.number > ENOUGH_FEATURES:
            return
        if self._draws_alike and isinstance(raw, (str, int)):
            self._drawn.add(raw)
        if not self._started:
            self._renderer.startRender(self._context, self._fields)
            self._started = True
        self._context.expressionContext().setFeature(feature)
        if self._renderer.type() == BY_RULES:
            chain, symbol = _rules_of(self._renderer.rootRule(), feature, self._context)
        else:
            chain = tuple(self._renderer.legendKeysForFeature(feature, self._context))
            symbol = self._renderer.symbolForFeature(feature, self._context)
        if chain not in shown.chains:
            shown.chains.append(chain)
        colour = colour_of(symbol, self._context.expressionContext()) if symbol is not None else None
        if colour not in shown.colours:
            shown.colours.append(colour)

    def entries(self, feedback: QgsProcessingFeedback) -> List[LegendEntry]:
        """Return names and colours of the values that were seen, and say where the style shows what a legend cannot."""
        if self._started:
            self._renderer.stopRender(self._context)
            self._started = False
        made = self._entries(feedback)
        styled = {_text(value) for entry in made for value in _listed(entry.value)}
        named = [
            LegendEntry(shown.value, self._names[text], None)
            for text, shown in self._shown.items()
            if text in self._names and text not in styled
        ]
        return made + named

    def _entries(self, feedback: QgsProcessingFeedback) -> List[LegendEntry]:
        kind = self._renderer.type()
        if kind in (SINGLE, EMBEDDED):
            return self._coloured_alone(feedback)
        if kind not in (CATEGORISED, GRADUATED, BY_RULES):
            return []
        if not self._goes_by_field():
            feedback.pushWarning(
                tr(
                    "The style of the label layer does not go by the field {field}: the classes have neither names nor "
                    "colours from it.",
                    field=self._class_field,
                )
            )
            return []
        labels = self._labels()
        groups: Dict[str, List[_Shown]] = {}
        for shown in self._shown.values():
            if shown.key in labels:
                groups.setdefault(shown.key, []).append(shown)
        made, alike, categories = [], [], self._categories_of_field()
        for key in labels:
            group = groups.get(key, [])
            if key in categories:
                # Also what none of these features has: others may follow.
                symbol = categories[key].symbol()
                colour = group[0].colour if group else colour_of(symbol, self._context.expressionContext())
                values = [shown.value for shown in group]
                listed = [_plain(one) for one in _listed(categories[key].value()) if not is_null(one)]
                # Without those that were seen drawn in several ways. Of two categories for one value the last counts.
                known = {"", *map(_text, values), *(text for text, shown in self._shown.items() if not shown.key)}
                values += [one for one in listed if _text(one) not in known]
                if values:
                    made.append(self._entry(values, labels[key], colour))
                continue
            if not group:
                continue
            if len(group) > 1 and not self._makes_one_class(key):
                alike += [_text(shown.value) for shown in group]
                continue
            made.append(self._entry([shown.value for shown in group], labels[key], group[0].colour))
        self._warn_of_what_is_lost(made, alike, feedback)
        return made

    def _warn_of_what_is_lost(self, made: Sequence[LegendEntry], alike: List[str], feedback: QgsProcessingFeedback) -> None:
        """Say which values the style shows in a way that a legend cannot; ``alike`` are those it does not tell apart."""
        if alike:
            feedback.pushWarning(
                tr(
                    "The style of the label layer shows several values of {field} alike: {values}. They are classes of "
                    "their own here, and keep their values as names.",
                    field=self._class_field, values=_some(alike),
                )
            )  # fmt: skip
        styled = {_text(value) for entry in made for value in _listed(entry.value)} | set(alike)
        lacking = [text for text, shown in self._shown.items() if text not in styled and len(shown.chains) == 1]
        if lacking:
            feedback.pushWarning(
                tr(
                    "The style of the label layer has no class of its own for these values of {field}: {values}. They are "
                    "classes all the same, and keep their values as names.",
                    field=self._class_field, values=_some(lacking),
                )
            )  # fmt: skip
        unclear = [_text(shown.value) for shown in self._shown.values() if len(shown.chains) > 1 and not shown.key]
        if unclear:
            feedback.pushWarning(
                tr(
                    "The style of the label layer shows one value of {field} in several ways: {values}. The class has "
                    "neither a name nor a colour from it.",
                    field=self._class_field, values=_some(unclear),
                )
            )  # fmt: skip

    def _coloured_alone(self, feedback: QgsProcessingFeedback) -> List[LegendEntry]:
        """Return the colours that one symbol takes from the data, where each value has one of its own."""
        colours = [shown.colours for shown in self._shown.values()]
        if len({tuple(one) for one in colours}) < 2:
            return []
        if any(len(one) > 1 for one in colours):
            feedback.pushWarning(
                tr(
                    "The colours of the label layer do not go by the field {field}: the classes get other ones.",
                    field=self._class_field,
                )
            )
            return []
        return [
            LegendEntry(shown.value, self._names.get(text, text), shown.colours[0]) for text, shown in self._shown.items()
        ]

    def _draws_a_value_alike(self) -> bool:
        """Return whether one feature of a value tells how all are drawn: by the field itself, and no colour by the data."""
        if self._renderer.type() not in (CATEGORISED, GRADUATED):
            return False
        is_by_field = self._fields.lookupField(self._renderer.classAttribute()) == self._index
        return is_by_field and not any(one.hasDataDefinedProperties() for one in self._renderer.symbols(self._context))

    def _goes_by_field(self) -> bool:
        return self._index in self._columns(self._expressions())

    def _expressions(self) -> List[str]:
        if self._renderer.type() != BY_RULES:
            return [self._renderer.classAttribute()]
        return [rule.filterExpression() for rule in self._renderer.rootRule().descendants() if rule.filterExpression()]

    def _columns(self, expressions: Sequence[str]) -> List[int]:
        """Return the numbers of the fields in expressions. The name of a field, quoted or not, is one too."""
        found = []
        for expression in expressions:
            alone = self._fields.lookupField(expression)
            names = [] if alone >= 0 else QgsExpression(expression).referencedColumns()
            found += [alone] if alone >= 0 else [self._fields.lookupField(name) for name in names]
            if QgsFeatureRequest.ALL_ATTRIBUTES in names:  # A function that is told the name of a field, as attribute() is.
                found.append(self._index)
        return found

    def _labels(self) -> Dict[str, str]:
        """Return the labels of what draws classes, by its key and in its order. "All other values" is no class."""
        if self._renderer.type() == BY_RULES:
            rules = self._renderer.rootRule().descendants()
            return {rule.ruleKey(): rule.label().strip() for rule in rules if _is_for_some(rule)}
        items = self._renderer.legendSymbolItems()
        if self._renderer.type() == CATEGORISED:
            categories = self._renderer.categories()
            items = [item for item, one in zip(items, categories) if not is_null(one.value()) and one.value() != ""]
        return {item.ruleKey(): item.label().strip() for item in items}

    def _makes_one_class(self, key: str) -> bool:
        """Return whether the user made several values of the field one class by a rule for them."""
        if self._renderer.type() != BY_RULES:
            return False
        rule = self._renderer.rootRule().findRuleByKey(key)
        return bool(set(self._columns([rule.filterExpression()])) == {self._index})

    def _categories_of_field(self) -> Dict[str, QgsRendererCategory]:
        """Return the categories by their keys, where they are values of the field itself and not of an expression."""
        if self._renderer.type() != CATEGORISED:
            return {}
        name = self._renderer.classAttribute()
        if self._fields.lookupField(name) < 0 and not QgsExpression(name).isField():
            return {}
        keys = [item.ruleKey() for item in self._renderer.legendSymbolItems()]
        return dict(zip(keys, self._renderer.categories()))

    def _entry(self, values: List[Any], label: str, colour: Optional[str]) -> LegendEntry:
        name = label or self._names.get(_text(values[0]), "") or _text(values[0])
        return LegendEntry(values if len(values) > 1 else values[0], name, colour)


def style_of(layer: Optional[QgsMapLayer], class_field: str) -> Optional[LabelStyle]:
    """Return the style of a label layer; None where it has none, or no such field. Call it in the main thread."""
    if not isinstance(layer, QgsVectorLayer) or layer.renderer() is None or layer.fields().lookupField(class_field) < 0:
        return None
    return LabelStyle(layer, class_field)


def write_legend(entries: List[LegendEntry], folder: Path) -> str:
    """Write ``entries`` as a job's ``legend`` into ``folder`` and return the path."""
    path = folder / LEGEND_FILE
    write_whole(path, json.dumps([asdict(entry) for entry in entries]))
    return str(path)


def innermost(renderer: QgsFeatureRenderer) -> QgsFeatureRenderer:
    """Return the renderer that draws single features: one that inverts, merges or clusters them has another one inside."""
    inside = renderer.embeddedRenderer()
    return renderer if inside is None else innermost(inside)


def _rules_of(
    root: QgsRuleBasedRenderer.Rule, feature: QgsFeature, context: QgsRenderContext
) -> Tuple[Tuple[str, ...], Any]:
    """Return the rules that draw a feature, the outermost first, and the symbol. Of several side by side the last counts."""
    chain: Tuple[str, ...] = ()
    symbol = None
    for rule in _drawing(root, feature, context):
        if not _is_for_some(rule):
            continue
        above: List[str] = []
        one = rule
        while one is not None:
            if _is_for_some(one):
                above.insert(0, one.ruleKey())
            one = one.parent()
        if len(above) >= len(chain) or chain[: len(above)] != tuple(above):
            chain = tuple(above)
            symbol = rule.symbol() or symbol
    return chain, symbol


def _drawing(
    rule: QgsRuleBasedRenderer.Rule, feature: QgsFeature, context: QgsRenderContext
) -> Iterator[QgsRuleBasedRenderer.Rule]:
    """Give the rules that draw a feature as QGIS draws it: ELSE is for what no other rule beside it draws."""
    if not rule.isFilterOK(feature, context):
        return
    yield rule
    inside = rule.children()
    found = [one for inner in inside if not inner.isElse() for one in _drawing(inner, feature, context)]
    found = found or [one for inner in inside if inner.isElse() for one in _drawing(inner, feature, context)]
    yield from found


def _is_for_some(rule: QgsRuleBasedRenderer.Rule) -> bool:
    """Return whether a rule is for some features alone: one with a filter, or ELSE within one. ELSE for all is no class."""
    if rule.isElse():
        return rule.parent() is not None and _is_for_some(rule.parent())
    return bool(rule.filterExpression())


def _names_in_form(layer: QgsVectorLayer, index: int) -> Dict[str, str]:
    """Return what the form of a layer calls the values of a field, by their text."""
    setup = layer.editorWidgetSetup(index)
    if setup.type() in ("ValueRelation", "RelationReference"):
        return _names_in_relation(layer, index)
    listed = setup.config().get("map") if setup.type() == "ValueMap" else None
    # A list of maps with one entry each, or one map in the projects of older versions.
    pairs = [pair for one in (listed if isinstance(listed, list) else [listed or {}]) for pair in one.items()]
    return {_text(_plain(value)): str(name) for name, value in pairs if not is_null(value)}


def _names_in_relation(layer: QgsVectorLayer, index: int) -> Dict[str, str]:
    """Return what the features are called that the values of a field refer to, by the text of the values."""
    setup = layer.editorWidgetSetup(index)
    values = [value for value in layer.uniqueValues(index, MOST_VALUES) if not is_null(value)]
    formatter = QgsApplication.fieldFormatterRegistry().fieldFormatter(setup.type())
    names = {_text(_plain(value)): formatter.representValue(layer, index, setup.config(), None, value) for value in values}
    # What refers to nothing is shown in brackets.
    return {text: name for text, name in names.items() if name not in ("", text, f"({text})")}


def _plain(value: Any) -> Any:
    """Return the value of a field as JSON holds it, and as the library reads it from a file."""
    if isinstance(value, (QDate, QDateTime, QTime)):
        return value.toString(Qt.DateFormat.ISODate)
    if isinstance(value, str):
        return value.strip()
    return value if isinstance(value, (bool, int, float)) else str(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _listed(value: Any) -> List[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_CLASSES_NAMED]) + (", ..." if len(names) > MAX_CLASSES_NAMED else "")
