"""The names and colours of classes are those that QGIS shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFillSymbol,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsProperty,
    QgsRendererCategory,
    QgsVectorLayer,
)


class TestLegend:
    @staticmethod
    def style(layer: QgsVectorLayer, categories: list[tuple[object, str, str]], field: str = "class") -> None:
        made = [
            QgsRendererCategory(value, QgsFillSymbol.createSimple({"color": color}), label)
            for value, color, label in categories
        ]
        layer.setRenderer(QgsCategorizedSymbolRenderer(field, made))

    @pytest.fixture
    def legend(self, provider):
        from qgis_false.legend import legend_of

        return lambda layer, field="class": [(e.value, e.name, e.color) for e in legend_of(layer, field)]

    def test_names_and_colours_of_the_categories(self, legend, labels):
        self.style(labels, [("road", "#808080", "Paved road"), ("roof", "#ff0000", "")])
        assert legend(labels) == [("road", "Paved road", "#808080"), ("roof", "roof", "#ff0000")]

    def test_all_other_values_is_no_class(self, legend, labels):
        self.style(labels, [("road", "#808080", "Road"), ("", "#000000", "other"), (None, "#000000", "null")])
        assert legend(labels) == [("road", "Road", "#808080")]

    def test_a_quoted_field_is_the_same_field(self, legend, labels):
        self.style(labels, [("road", "#808080", "Road")], field='"class"')
        assert legend(labels) == [("road", "Road", "#808080")]

    def test_a_category_of_several_values(self, legend, labels):
        self.style(labels, [(["road", "roof"], "#808080", "Sealed")])
        assert legend(labels) == [("road", "Sealed", "#808080"), ("roof", "Sealed", "#808080")]

    def test_another_field_or_another_style_gives_none(self, legend, labels):
        assert legend(labels) == []
        self.style(labels, [(1, "#808080", "One")], field="other")
        assert legend(labels) == []

    def test_it_is_written_as_the_job_wants_it(self, provider, tmp_path):
        from qgis_false.legend import LegendEntry, write_legend

        path = write_legend([LegendEntry("Straße", "Straße, öffentlich", "#808080")], tmp_path)
        assert json.loads(Path(path).read_text("utf-8")) == [
            {"value": "Straße", "name": "Straße, öffentlich", "color": "#808080"}
        ]

    @pytest.mark.parametrize("how", ["layer", "id", "selected only", "property"])
    def test_the_style_is_found_however_the_layer_is_named(self, provider, labels, context, how):
        from qgis_false.layers import layer_of

        QgsProject.instance().addMapLayer(labels)
        value = {
            "layer": labels, "id": labels.id(), "selected only": QgsProcessingFeatureSourceDefinition(labels.id(), True),
            "property": QgsProperty.fromValue(labels.id()),
        }[how]  # fmt: skip
        assert layer_of(value, context) == labels
