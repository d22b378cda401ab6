"""The class field is the one that the layer is styled by, or the only one that may be it, and never a key."""

from __future__ import annotations

import pytest
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsEditorWidgetSetup,
    QgsFeature,
    QgsGraduatedSymbolRenderer,
    QgsProcessingException,
    QgsRuleBasedRenderer,
    QgsSymbol,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from small_labels import add, memory_layer, square


def layer_with(**kinds: str) -> QgsVectorLayer:
    fields = "".join(f"&field={name}:{kind}" for name, kind in kinds.items())
    made = QgsVectorLayer(f"Polygon?crs=EPSG:32633{fields}", "labels", "memory")
    assert made.isValid()
    return made


@pytest.fixture
def field_of(provider):
    from qgis_false.layers.class_field import class_field_of

    return class_field_of


def test_the_style_says_which(field_of):
    layer = layer_with(fid="integer", remark="string", land_cover="string", code="integer")
    assert field_of(layer) == ""
    layer.setRenderer(QgsCategorizedSymbolRenderer("land_cover", []))
    assert field_of(layer) == "land_cover"
    layer.setRenderer(QgsCategorizedSymbolRenderer('upper("remark")', []))
    assert field_of(layer) == "remark"


def test_rules_and_ranges_say_it_too(field_of):
    layer = layer_with(code="integer", more="integer")
    for value in (1, 1, 2):
        add(layer, square(0), value, value)
    layer.setRenderer(QgsGraduatedSymbolRenderer("more", []))
    assert field_of(layer) == "more"
    root = QgsRuleBasedRenderer.Rule(None)
    root.appendChild(QgsRuleBasedRenderer.Rule(QgsSymbol.defaultSymbol(layer.geometryType()), 0, 0, '"code" = 1'))
    layer.setRenderer(QgsRuleBasedRenderer(root))
    assert field_of(layer) == "code"


@pytest.mark.parametrize("key", ["fid", "id", "OGC_FID", "objectid"])
def test_a_key_is_none_even_where_the_layer_is_styled_by_it(field_of, key):
    layer = layer_with(**{key: "integer", "name": "string"})
    layer.setRenderer(QgsCategorizedSymbolRenderer(key, []))
    assert field_of(layer) == "name"


def test_numbers_of_which_none_comes_twice_are_a_key(field_of):
    layer = layer_with(number="integer", code="integer")
    for number, code in ((5, 1), (6, 1), (9, 2)):
        add(layer, square(number), number, code)
    assert field_of(layer) == "code"


@pytest.mark.parametrize("what", ["keys", "classes"])
def test_few_features_are_read_to_tell_keys(field_of, monkeypatch, tmp_path, what):
    memory = layer_with(number="integer", code="integer")
    features = []
    for number in range(3000):
        features.append(QgsFeature(memory.fields()))
        features[-1].setAttributes([number, number % 7 if what == "classes" else number])
    assert memory.dataProvider().addFeatures(features)[0]
    path, read = str(tmp_path / "labels.csv"), []
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "CSV"
    QgsVectorFileWriter.writeAsVectorFormatV3(memory, path, memory.transformContext(), options)
    get_features = QgsVectorLayer.getFeatures

    def counted(layer: QgsVectorLayer, *request: object):
        for feature in get_features(layer, *request):
            read.append(feature)
            yield feature

    monkeypatch.setattr(QgsVectorLayer, "getFeatures", counted)
    for layer in (memory, QgsVectorLayer(f"file://{path}?detectTypes=yes", "labels", "delimitedtext")):
        read.clear()
        assert layer.fields()[0].isNumeric() and field_of(layer) == ("code" if what == "classes" else "")
        assert 0 < len(read) < 600


@pytest.mark.parametrize("cause", ["a server", "a slow folder"])
def test_what_takes_long_is_not_read_to_tell_keys(field_of, monkeypatch, cause):
    layer = layer_with(number="integer")
    for number in (5, 6, 9):
        add(layer, square(number), number)
    assert field_of(layer) == ""
    if cause == "a server":
        monkeypatch.setattr(QgsVectorLayer, "providerType", lambda _: "WFS")
        monkeypatch.setattr(QgsVectorLayer, "getFeatures", lambda *_: pytest.fail("it is read"))
    else:
        monkeypatch.setattr("qgis_false.layers.class_field.READING_S", -1)
    assert field_of(layer) == "number"


def test_of_several_the_likeliest_is_guessed_where_a_person_sees_it(field_of):
    layer = layer_with(length="double", day="date", remark="string", kind="string")
    assert field_of(layer) == ""
    assert field_of(layer, guess=True) == "remark"
    layer.setEditorWidgetSetup(3, QgsEditorWidgetSetup("ValueMap", {"map": []}))
    assert field_of(layer) == "kind"
    assert field_of(layer_with(length="double"), guess=True) == ""
    assert field_of(None) == ""


class TestARunWithoutAClassField:
    def test_takes_the_one_of_the_layer(self, algorithm, context, raster, labels, tmp_path):
        context.project().addMapLayer(labels)
        values = {"RASTER": raster.source(), "LABELS": labels.id(), "MODEL": str(tmp_path / "m.safetensors")}
        assert algorithm("finetune").checkParameterValues(values, context) == (True, "")

    def test_says_which_fields_there_are_where_it_cannot_tell(self, algorithm, context, raster, tmp_path):
        layer = layer_with(fid="integer", kind="string", remark="string")
        context.project().addMapLayer(layer)
        values = {"RASTER": raster.source(), "LABELS": layer.id(), "MODEL": str(tmp_path / "m.safetensors")}
        good, why = algorithm("finetune").checkParameterValues(values, context)
        assert not good
        assert "“Class field” (FIELD) is missing. It may be one of kind, remark." in why


def test_outside_a_dialog_it_warns(algorithm, context, feedback, raster, tmp_path, monkeypatch):
    layer = memory_layer()
    for place, name in enumerate(("urban", "Urban")):
        add(layer, square(10 * place), name)
    context.project().addMapLayer(layer)
    monkeypatch.setenv("FALSE_CORE_PYTHON", str(tmp_path / "none"))
    values = {"RASTER": raster.source(), "LABELS": layer.id(), "MODEL": str(tmp_path / "m.safetensors")}
    with pytest.raises(QgsProcessingException):
        algorithm("finetune").run(values, context, feedback, {}, False)
    assert any("The classes are taken from the field class." in text for text in feedback.infos)
    assert any("one shape only" in text for text in feedback.warnings)
    assert any('"Urban" / "urban"' in text for text in feedback.warnings)
