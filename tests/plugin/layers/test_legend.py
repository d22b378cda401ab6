"""The names and colours of classes are those that QGIS shows."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from qgis.core import (
    NULL,
    QgsCategorizedSymbolRenderer,
    QgsEditorWidgetSetup,
    QgsEmbeddedSymbolRenderer,
    QgsFeature,
    QgsFeatureRequest,
    QgsFillSymbol,
    QgsGraduatedSymbolRenderer,
    QgsInvertedPolygonRenderer,
    QgsLinePatternFillSymbolLayer,
    QgsLineSymbol,
    QgsMarkerSymbol,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsProperty,
    QgsRelation,
    QgsRendererCategory,
    QgsRendererRange,
    QgsRuleBasedRenderer,
    QgsSimpleFillSymbolLayer,
    QgsSimpleLineSymbolLayer,
    QgsSingleSymbolRenderer,
    QgsSymbolLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QTime
from qgis.PyQt.QtGui import QColor
from small_labels import add, memory_layer, square


class TestLegend:
    @staticmethod
    def style(layer: QgsVectorLayer, categories: list[tuple[object, str, str]], field: str = "class") -> None:
        made = [
            QgsRendererCategory(value, QgsFillSymbol.createSimple({"color": color}), label)
            for value, color, label in categories
        ]
        layer.setRenderer(QgsCategorizedSymbolRenderer(field, made))

    @pytest.fixture
    def legend(self, provider, feedback):
        from qgis_false.layers.legend import style_of

        def entries(layer, field="class"):
            style = style_of(layer, field)
            assert style
            for feature in layer.getFeatures(QgsFeatureRequest().setSubsetOfAttributes(style.attributes)):
                style.look_at(feature)
            return [(e.value, e.name, e.color) for e in style.entries(feedback)]

        return entries

    def test_names_and_colours_of_the_categories(self, legend, labels, feedback):
        self.style(labels, [("road", "#808080", "Paved road"), ("roof", "#ff0000", ""), ("tree", "#00ff00", "Tree")])
        assert legend(labels) == [
            ("road", "Paved road", "#808080"), ("roof", "roof", "#ff0000"), ("tree", "Tree", "#00ff00")
        ]  # fmt: skip
        assert not feedback.warnings

    def test_all_other_values_is_no_class(self, legend, labels, feedback):
        self.style(labels, [("road", "#808080", "Road"), ("", "#000000", "other"), (None, "#000000", "null")])
        assert legend(labels) == [("road", "Road", "#808080")]
        assert "no class of its own for these values of class: roof, tree" in feedback.warnings[0]

    @pytest.mark.parametrize("field", ['"class"', "CLASS", 'trim("class")', 'upper(lower("Class"))', "coalesce(class, '')"])
    def test_however_the_style_says_the_field(self, legend, labels, field):
        road = "ROAD" if field.startswith("upper") else "road"
        self.style(labels, [(road, "#808080", "Road"), ("nothing like it", "#000000", "?")], field)
        assert legend(labels)[0] == ("road", "Road", "#808080")

    def test_a_field_in_other_capitals_is_the_same_field(self, legend, labels):
        self.style(labels, [("road", "#808080", "Road")])
        assert legend(labels, "CLASS") == [("road", "Road", "#808080")]

    def test_a_category_of_several_values_is_one_class(self, legend, labels, feedback):
        self.style(labels, [(["road", "roof", "bridge"], "#808080", "Sealed"), ("tree", "#00ff00", "Tree")])
        assert legend(labels) == [(["road", "roof", "bridge"], "Sealed", "#808080"), ("tree", "Tree", "#00ff00")]
        assert not feedback.warnings

    def test_what_is_nothing_in_a_category_is_left_out(self, legend, labels):
        self.style(labels, [(["road", None, ""], "#808080", "Road or nothing")])
        assert legend(labels) == [("road", "Road or nothing", "#808080")]

    def test_values_that_blanks_tell_apart_are_one_that_is_shown_in_several_ways(self, legend, labels, feedback):
        add(labels, square(50), "road ")
        self.style(labels, [("road", "#808080", "One"), ("road ", "#ff0000", "Two")])
        assert legend(labels) == []
        assert any("one value of class in several ways: road" in warning for warning in feedback.warnings)

    def test_of_two_categories_for_one_value_the_last_is_drawn(self, legend, labels):
        self.style(labels, [("road", "#808080", "One"), ("road", "#ff0000", "Two")])
        assert legend(labels)[-1] == ("road", "Two", "#ff0000")

    def test_features_may_bring_their_symbols(self, legend, qgis_app):
        layer = memory_layer()
        for number, value in enumerate(("road", "roof")):
            feature = QgsFeature(layer.fields())
            feature.setAttributes([value, 1])
            feature.setEmbeddedSymbol(QgsFillSymbol.createSimple({"color": f"#00000{number + 1}"}))
            layer.dataProvider().addFeatures([feature])
        layer.setRenderer(QgsEmbeddedSymbolRenderer(QgsFillSymbol.createSimple({"color": "#ffffff"})))
        assert legend(layer) == [("road", "road", "#000001"), ("roof", "roof", "#000002")]

    @pytest.mark.parametrize("said", ["attribute('class')", "attribute($currentfeature, 'class')"])
    def test_a_function_may_be_told_the_field(self, legend, labels, said):
        self.style(labels, [("road", "#808080", "Road")], said)
        assert legend(labels) == [("road", "Road", "#808080")]

    def test_what_is_drawn_with_no_opacity_has_no_colour(self, legend, labels):
        symbol = QgsFillSymbol.createSimple({"color": "#808080"})
        symbol.setOpacity(0)
        labels.setRenderer(QgsCategorizedSymbolRenderer("class", [QgsRendererCategory("road", symbol, "Road")]))
        assert legend(labels) == [("road", "Road", None)]

    def test_a_category_that_is_not_ticked_is_one_too(self, legend, labels):
        self.style(labels, [("road", "#808080", "Road")])
        labels.renderer().updateCategoryRenderState(0, False)
        assert legend(labels) == [("road", "Road", "#808080")]

    def test_none_without_classes_in_the_style(self, legend, labels, feedback):
        assert legend(labels) == []
        assert not feedback.warnings

    def test_a_style_by_another_field_gives_none_and_says_so(self, legend, labels, feedback):
        self.style(labels, [(1, "#808080", "One")], field="other")
        assert legend(labels) == []
        assert "does not go by the field class" in feedback.warnings[0]

    @pytest.mark.parametrize(
        ("drawn", "colour"),
        [({"color": "#ff0000", "outline_color": "#00ff00"}, "#ff0000"),
         ({"color": "#ffffff", "style": "no", "outline_color": "#00ff00"}, "#00ff00"),
         ({"color": "255,255,255,0", "outline_color": "#00ff00"}, "#00ff00"),
         ({"color": "#ff0000", "style": "b_diagonal", "outline_style": "no"}, "#ff0000"),
         ({"style": "no", "outline_style": "no"}, None)],
    )  # fmt: skip
    def test_the_colour_is_the_one_that_is_seen(self, legend, labels, drawn, colour):
        symbol = QgsFillSymbol.createSimple(drawn)
        labels.setRenderer(QgsCategorizedSymbolRenderer("class", [QgsRendererCategory("road", symbol, "Road")]))
        assert legend(labels) == [("road", "Road", colour)]

    def test_also_where_an_outline_or_a_pattern_is_a_layer_of_its_own(self, legend, labels):
        outlined, patterned = QgsFillSymbol.createSimple({}), QgsFillSymbol.createSimple({})
        outlined.changeSymbolLayer(0, QgsSimpleLineSymbolLayer(QColor("#123456")))
        hatched = QgsLinePatternFillSymbolLayer()
        hatched.setSubSymbol(QgsLineSymbol.createSimple({"color": "#654321"}))
        hidden = QgsSimpleFillSymbolLayer(QColor("#ffffff"))
        hidden.setEnabled(False)
        patterned.changeSymbolLayer(0, hatched)
        patterned.appendSymbolLayer(hidden)
        pairs = (("road", outlined), ("roof", patterned))
        labels.setRenderer(
            QgsCategorizedSymbolRenderer("class", [QgsRendererCategory(value, one, value) for value, one in pairs])
        )
        assert legend(labels) == [("road", "road", "#123456"), ("roof", "roof", "#654321")]

    @pytest.mark.parametrize(
        ("kind", "wkt", "symbol", "colour"),
        [("Point", "Point(1 2)", lambda: QgsMarkerSymbol.createSimple({"color": "#ff0000"}), "#ff0000"),
         ("Point", "Point(1 2)", lambda: QgsMarkerSymbol.createSimple({"name": "x", "outline_color": "#00ff00"}), "#00ff00"),
         ("LineString", "LineString(0 0, 1 1)", lambda: QgsLineSymbol.createSimple({"color": "#0000ff"}), "#0000ff")],
    )  # fmt: skip
    def test_points_and_lines_have_theirs(self, legend, qgis_app, kind, wkt, symbol, colour):
        layer = memory_layer(kind)
        add(layer, wkt, "road")
        layer.setRenderer(QgsCategorizedSymbolRenderer("class", [QgsRendererCategory("road", symbol(), "Road")]))
        assert legend(layer) == [("road", "Road", colour)]

    @pytest.mark.parametrize("categorised", [True, False])
    def test_colours_may_come_from_the_data(self, legend, labels, categorised):
        colours = "CASE WHEN \"class\" = 'road' THEN '#808080' WHEN \"class\" = 'roof' THEN '#ff0000' ELSE '#00ff00' END"
        symbol = QgsFillSymbol.createSimple({"color": "#cccccc"})
        symbol.symbolLayer(0).setDataDefinedProperty(QgsSymbolLayer.PropertyFillColor, QgsProperty.fromExpression(colours))
        values = ("road", "roof", "tree")
        labels.setRenderer(
            QgsCategorizedSymbolRenderer("class", [QgsRendererCategory(v, symbol.clone(), v.title()) for v in values])
            if categorised
            else QgsSingleSymbolRenderer(symbol)
        )
        names = [value.title() if categorised else value for value in values]
        assert legend(labels) == list(zip(values, names, ["#808080", "#ff0000", "#00ff00"]))

    @pytest.mark.parametrize(("colour", "looks"), [("", 2), ("if($id % 2, '#ff0000', '#0000ff')", 20)])
    def test_one_feature_of_a_value_is_looked_at_where_all_are_drawn_alike(
        self, legend, qgis_app, monkeypatch, colour, looks
    ):
        from qgis_false.layers import legend as styles

        labels, symbol = memory_layer(), QgsFillSymbol.createSimple({"color": "#808080"})
        for number in range(20):
            add(labels, square(10 * number), ("road", "roof")[number // 10])
        if colour:
            symbol.symbolLayer(0).setDataDefinedProperty(
                QgsSymbolLayer.PropertyFillColor, QgsProperty.fromExpression(colour)
            )
        categories = [QgsRendererCategory(value, symbol.clone(), value.title()) for value in ("road", "roof")]
        labels.setRenderer(QgsCategorizedSymbolRenderer("class", categories))
        looked_at, colour_of = [], styles.colour_of
        monkeypatch.setattr(styles, "colour_of", lambda *given: looked_at.append(given) or colour_of(*given))
        assert [name for _, name, _ in legend(labels)] == ["Road", "Roof"]
        assert len(looked_at) == looks

    def test_colours_that_differ_within_a_class_are_told(self, legend, labels, feedback):
        add(labels, square(50), "road")
        symbol = QgsFillSymbol.createSimple({"color": "#cccccc"})
        symbol.symbolLayer(0).setDataDefinedProperty(
            QgsSymbolLayer.PropertyFillColor, QgsProperty.fromExpression("if($id > 3, '#ff0000', '#00ff00')")
        )
        labels.setRenderer(QgsSingleSymbolRenderer(symbol))
        assert legend(labels) == []
        assert "do not go by the field class" in feedback.warnings[0]

    def test_rules_made_of_categories(self, legend, labels, feedback):
        self.style(labels, [("road", "#808080", "Paved road"), ("roof", "#ff0000", "Roof")])
        labels.setRenderer(QgsRuleBasedRenderer.convertFromRenderer(labels.renderer()))
        assert legend(labels) == [("road", "Paved road", "#808080"), ("roof", "Roof", "#ff0000")]
        assert ["tree" in warning for warning in feedback.warnings] == [True]

    def rules(self, layer, *rules):
        """Style a layer by rules (level, filter, label, colour); an empty colour is a group."""
        root = QgsRuleBasedRenderer.Rule(None)
        above = {0: root}
        for level, expression, label, colour in rules:
            symbol = QgsFillSymbol.createSimple({"color": colour}) if colour else None
            rule = QgsRuleBasedRenderer.Rule(symbol, 0, 0, expression, label)
            above[level].appendChild(rule)
            above[level + 1] = rule
        layer.setRenderer(QgsRuleBasedRenderer(root))

    def test_one_rule_for_several_values_is_one_class(self, legend, labels):
        self.rules(
            labels, (0, "\"class\" IN ('road', 'roof')", "Sealed", "#808080"), (0, "ELSE", "Other", "#000000")
        )  # fmt: skip
        assert legend(labels) == [(["road", "roof"], "Sealed", "#808080")]

    def test_rules_within_a_rule_are_shades_of_its_class(self, legend, labels):
        add(labels, "Polygon((0 0, 50 0, 50 50, 0 0))", "tree")
        self.rules(
            labels, (0, "\"class\" = 'tree'", "Tree", ""), (1, "$area > 100", "large", "#00ff00"),
            (1, "$area <= 100", "small", "#008800"), (0, "\"class\" = 'road'", "Road", "#808080"),
        )  # fmt: skip
        assert [(value, name) for value, name, _ in legend(labels)] == [("tree", "Tree"), ("road", "Road")]

    def test_a_rule_for_all_others_is_a_class_only_within_another_rule(self, legend, labels, feedback):
        add(labels, square(50), "water")
        self.rules(
            labels, (0, "\"class\" IN ('road', 'roof')", "Sealed", ""), (1, "\"class\" = 'roof'", "Roof", "#333333"),
            (1, "ELSE", "Road", "#444444"), (0, "ELSE", "Other", ""), (1, "\"class\" = 'tree'", "Tree", "#555555"),
            (1, "ELSE", "Rest", "#666666"),
        )  # fmt: skip
        assert sorted(legend(labels)) == [
            ("road", "Road", "#444444"),
            ("roof", "Roof", "#333333"),
            ("tree", "Tree", "#555555"),
        ]
        assert ["water" in warning for warning in feedback.warnings] == [True]

    def test_a_rule_that_is_not_ticked_is_one_too(self, legend, labels):
        self.rules(labels, (0, "\"class\" = 'road'", "Road", "#808080"))
        labels.renderer().rootRule().children()[0].setActive(False)
        assert legend(labels) == [("road", "Road", "#808080")]

    def test_a_rule_for_all_does_not_hide_the_others(self, legend, labels):
        self.rules(labels, (0, "", "Outlines", "#000000"), (0, "\"class\" = 'road'", "Road", "#808080"))
        assert legend(labels) == [("road", "Road", "#808080")]

    def test_rules_that_do_not_go_by_the_field_are_told(self, legend, labels, feedback):
        self.rules(labels, (0, "$area > 100", "large", "#00ff00"), (0, "$area <= 100", "small", "#008800"))
        assert legend(labels) == []
        assert "does not go by the field class" in feedback.warnings[0]

    def test_a_value_that_is_shown_in_several_ways_is_told(self, legend, labels, feedback):
        add(labels, square(50), "road")
        self.rules(
            labels, (0, "\"class\" = 'road' AND $id = 1", "Road A", "#00ff00"),
            (0, "\"class\" = 'road' AND $id <> 1", "Road B", "#008800"), (0, "\"class\" = 'roof'", "Roof", "#ff0000"),
        )  # fmt: skip
        assert legend(labels) == [("roof", "Roof", "#ff0000")]
        assert "shows one value of class in several ways: road" in feedback.warnings[-1]

    def test_an_expression_that_lumps_values_together_leaves_them_apart_and_says_so(self, legend, labels, feedback):
        self.style(labels, [("ro", "#808080", "Ro..."), ("tr", "#00ff00", "Tr...")], field='left("class", 2)')
        assert legend(labels) == [("tree", "Tr...", "#00ff00")]
        assert "several values of class alike: road, roof" in feedback.warnings[0]

    def test_ranges(self, legend, qgis_app, feedback):
        layer = memory_layer(field="class:integer")
        for value in (1, 2, 7):
            add(layer, square(10 * value), value)
        ranges = [(0, 1.5, "Low", "#0000ff"), (1.5, 5, "Middle", "#00ff00"), (5, 10, "High", "#ff0000")]
        layer.setRenderer(
            QgsGraduatedSymbolRenderer(
                "class",
                [
                    QgsRendererRange(a, b, QgsFillSymbol.createSimple({"color": colour}), name)
                    for a, b, name, colour in ranges
                ],
            )
        )
        assert legend(layer) == [(1, "Low", "#0000ff"), (2, "Middle", "#00ff00"), (7, "High", "#ff0000")]
        add(layer, square(100), 8)
        assert legend(layer) == [(1, "Low", "#0000ff"), (2, "Middle", "#00ff00")]
        assert "several values of class alike: 7, 8" in feedback.warnings[-1]

    @pytest.mark.parametrize(
        ("kind", "value", "text"),
        [("date", QDate(2020, 5, 1), "2020-05-01"), ("datetime", QDateTime(2020, 5, 1, 12, 30), "2020-05-01T12:30:00"),
         ("time", QTime(12, 30), "12:30:00")],
    )  # fmt: skip
    def test_dates_are_iso_texts(self, legend, qgis_app, kind, value, text):
        layer = memory_layer(field=f"class:{kind}")
        add(layer, square(0), value)
        self.style(layer, [(value, "#808080", "Then")])
        assert legend(layer) == [(text, "Then", "#808080")]

    @pytest.mark.parametrize(
        ("kind", "nothing"), [("date", QDate()), ("double", math.nan), ("string", "  "), ("string", NULL), ("integer", NULL)]
    )
    def test_what_is_nothing_is_no_class(self, legend, qgis_app, feedback, kind, nothing):
        layer = memory_layer(field=f"class:{kind}")
        add(layer, square(0), nothing)
        self.style(layer, [(NULL, "#808080", "nothing")])
        assert legend(layer) == []
        assert not feedback.warnings

    @pytest.mark.parametrize("older", [True, False])
    def test_a_value_map_gives_names_where_the_style_does_not(self, legend, qgis_app, older):
        layer = memory_layer(field="class:integer")
        for value in (1, 2, 3):
            add(layer, square(10 * value), value)
        pairs = {"Field": "1", "Forest": "2", "None": "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"}
        configuration = {"map": pairs if older else [{name: value} for name, value in pairs.items()]}
        layer.setEditorWidgetSetup(0, QgsEditorWidgetSetup("ValueMap", configuration))
        assert legend(layer) == [(1, "Field", None), (2, "Forest", None)]
        self.style(layer, [(2, "#00ff00", "Wald"), (3, "#0000ff", "Wasser")])
        assert legend(layer) == [(2, "Wald", "#00ff00"), (3, "Wasser", "#0000ff"), (1, "Field", None)]

    @pytest.mark.parametrize("widget", ["ValueRelation", "RelationReference"])
    def test_another_layer_gives_names_where_the_style_does_not(self, legend, qgis_app, widget):
        names = QgsVectorLayer("NoGeometry?field=key:integer&field=name:string", "names", "memory")
        for key, name in ((1, "Field"), (2, "Forest")):
            add(names, "", key, name)
        names.setDisplayExpression('"name"')
        layer = memory_layer(field="class:integer")
        for value in (1, 2, 3):
            add(layer, square(10 * value), value)
        QgsProject.instance().addMapLayers([names, layer], False)
        relation = QgsRelation()
        relation.setId("classes")
        relation.setReferencingLayer(layer.id())
        relation.setReferencedLayer(names.id())
        relation.addFieldPair("class", "key")
        QgsProject.instance().relationManager().addRelation(relation)
        said = {"Layer": names.id(), "Key": "key", "Value": "name"} if widget == "ValueRelation" else {"Relation": "classes"}
        layer.setEditorWidgetSetup(0, QgsEditorWidgetSetup(widget, said))
        assert legend(layer) == [(1, "Field", None), (2, "Forest", None)]

    def test_a_renderer_around_another_one_is_looked_through(self, legend, labels):
        self.style(labels, [("road", "#808080", "Road")])
        labels.setRenderer(QgsInvertedPolygonRenderer(labels.renderer().clone()))
        assert legend(labels) == [("road", "Road", "#808080")]

    def test_it_is_written_as_the_job_wants_it(self, provider, tmp_path):
        from qgis_false.layers.legend import LegendEntry, write_legend

        path = write_legend([LegendEntry("Straße", "Straße, öffentlich", "#808080")], tmp_path)
        assert json.loads(Path(path).read_text("utf-8")) == [
            {"value": "Straße", "name": "Straße, öffentlich", "color": "#808080"}
        ]

    @pytest.mark.parametrize("how", ["layer", "id", "selected only", "property"])
    def test_the_style_is_found_however_the_layer_is_named(self, provider, labels, context, how):
        from qgis_false.layers.sources import layer_of

        QgsProject.instance().addMapLayer(labels)
        value = {
            "layer": labels, "id": labels.id(), "selected only": QgsProcessingFeatureSourceDefinition(labels.id(), True),
            "property": QgsProperty.fromValue(labels.id()),
        }[how]  # fmt: skip
        assert layer_of(value, context) == labels
