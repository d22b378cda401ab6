"""How the script of the label budget divides polygons and counts what is right; a whole run is in tests/process."""

from __future__ import annotations

import importlib.util
import random
import re
import sys
from pathlib import Path

import pytest
from qgis.core import QgsFeature, QgsGeometry, QgsProcessingException, QgsVectorLayer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script(qgis_app, provider):
    spec = importlib.util.spec_from_file_location("budget", ROOT / "processing_scripts" / "label_budget_curve.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Not registered, as QGIS does not register its scripts either.
    assert "budget" not in sys.modules
    spec.loader.exec_module(module)
    return module


def squares(*counts: int) -> list[tuple[str, int]]:
    """Return so many polygons of class 1, 2, ..., each with a name in place of a shape."""
    return [(f"{code}/{number}", code) for code, count in enumerate(counts, 1) for number in range(count)]


class TestDividing:
    def test_shares_hold_one_another_and_never_what_is_set_aside(self, script):
        before: set = set()
        for share in (0.1, 0.3, 0.6, 1.0):
            training, test = script.split(squares(20, 10, 2), share, 0.3, random.Random("0"))
            assert before <= set(training)
            assert not set(training) & set(test)
            assert sorted(code for _, code in test) == [1] * 6 + [2] * 3 + [3]
            before = set(training)
        assert len(before) == 32 - 10

    def test_every_class_is_in_the_smallest_share(self, script):
        training, _ = script.split(squares(50, 2, 3), 0.01, 0.3, random.Random("0"))
        assert sorted(code for _, code in training) == [1, 2, 3]

    def test_another_repeat_sets_others_aside_and_the_same_one_the_same(self, script):
        tests = [script.split(squares(20, 20), 1, 0.3, random.Random(f"0 {repeat}"))[1] for repeat in (0, 0, 1)]
        assert tests[0] == tests[1] != tests[2]


class TestCounting:
    def test_by_hand(self, script):
        """Truth 1: 3 right, 1 taken for 2. Truth 2: 4 right, 2 taken for 1. IoU 3 / 6 and 4 / 7."""
        oa, miou = script.accuracy({(1, 1): 3, (1, 2): 1, (2, 2): 4, (2, 1): 2})
        assert oa == pytest.approx(7 / 10)
        assert miou == pytest.approx((3 / 6 + 4 / 7) / 2)

    def test_what_was_not_mapped_is_wrong(self, script):
        assert script.accuracy({(1, 1): 1, (1, 0): 1}) == (0.5, 0.5)

    def test_a_class_that_is_never_found_counts_as_nothing_right(self, script):
        assert script.accuracy({(1, 1): 5, (2, 1): 5}) == (0.5, 0.25)


class TestReading:
    def layer(self, *values: str | None) -> QgsVectorLayer:
        made = QgsVectorLayer("Polygon?crs=EPSG:32633&field=class:string", "labels", "memory")
        for x, value in enumerate(values):
            feature = QgsFeature(made.fields())
            feature.setGeometry(QgsGeometry.fromWkt(f"Polygon(({x} 0, {x + 1} 0, {x + 1} 1, {x} 0))"))
            feature.setAttribute(0, value)
            made.dataProvider().addFeatures([feature])
        return made

    def test_classes_are_sorted_and_empty_ones_left_out(self, script):
        classes, polygons = script.polygons_of(self.layer("b", "a", None, "a", "", "b"), "class")
        assert classes == ["a", "b"]
        assert [code for _, code in polygons] == [2, 1, 1, 2]

    @pytest.mark.parametrize(
        ("values", "what"),
        [(("a", "a"), "holds 1 class;"), (("a", "a", "b"), "Only one polygon each: b"), ((), "holds 0 classes;")],
    )
    def test_too_little_is_an_error_that_says_of_what(self, script, values, what):
        with pytest.raises(QgsProcessingException, match=what):
            script.polygons_of(self.layer(*values), "class")

    def test_heights_and_curves_are_left_behind(self, script):
        curved = QgsGeometry.fromWkt("CurvePolygonZ(CircularStringZ(0 0 5, 1 1 5, 2 0 5, 1 -1 5, 0 0 5))")
        flat = script.flat(curved)
        assert re.match(r"MultiPolygon \(", flat.asWkt(1))
        assert flat.area() == pytest.approx(3.1416, rel=1e-2)


def test_the_page_escapes_what_users_called_their_classes(script):
    runs = [script.Run("pretrained", 0.5, 0, 4, 0.8, 0.7), script.Run("pretrained", 1.0, 0, 8, 0.9, 0.8)]
    page = script.page(runs, ["<b>wood</b>", "water"])
    assert "&lt;b&gt;wood&lt;/b&gt;" in page
    assert "<td>50%<td>4<td>1<td>0.800<td>0.700" in page
