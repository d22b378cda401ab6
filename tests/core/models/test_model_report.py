"""What reports say of a model's accuracy: with its interval, or that it is unknown; never a bare number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from false_core.models.header import SEGMENTER
from false_core.models.model_file import LEANS_TO, ModelCard
from false_core.models.model_report import accuracy_in_short, accuracy_in_words, accuracy_tiles, model_report
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.statistics import Normalisation
from false_core.training.finetuning_report import LEARNING_WAS_CHECKED, LEARNS_FROM_RASTER, finetuning_report
from false_core.training.heads.choice import ACCURACY_GAINED

CARD = ModelCard(
    kind=SEGMENTER, encoder="resnet10t", bands=("red",), band_numbers=(1,), dtype="uint8",
    normalisation=Normalisation((0.0,), (1.0,), (0.5,), (0.1,)), pixel_size=1.0, ground_sample_distance=None,
    patch_size=128, classes=ClassTable((LandCoverClass(3, "forest", "#00ff00"), LandCoverClass(7, "water", "#0000ff"))),
)  # fmt: skip
KNOWN = {"oa": 0.769, "oa_low": 0.701, "oa_high": 0.823, "miou": 0.6, "macc": 0.7, "kappa": 0.65, "shapes": 91}


def card(**provenance: Any) -> ModelCard:
    return replace(CARD, provenance=provenance)


def test_a_known_accuracy_stands_with_its_interval_and_what_it_rests_on() -> None:
    known = card(scores=KNOWN)
    assert accuracy_tiles(known)[0] == ("overall accuracy", "76.9 % (70.1 % to 82.3 %)")
    for report in (model_report(known, "m", 1.0, 1), finetuning_report(known, None, None, [])):
        assert "76.9 % (70.1 % to 82.3 %)" in report and "91 label shapes" in report
        assert "76.9 %<" not in report


@pytest.mark.parametrize("scores", [{"shapes": 5}, {}])
def test_an_unknown_one_says_what_to_digitise(scores: dict[str, float]) -> None:
    unknown = card(scores=scores, missing_shapes={"7": 3})
    assert accuracy_tiles(unknown) == [("overall accuracy", "unknown, known with 3 label shapes more")]
    assert accuracy_in_short(unknown) == "unknown; known with so many label shapes more: 3 of water"
    for report in (model_report(unknown, "m", 1.0, 1), finetuning_report(unknown, None, None, [])):
        assert "3 of water" in report and "of forest" not in report and "unknown" in report and "mean IoU" not in report


def test_a_score_of_an_older_model_is_marked_as_one_without_interval() -> None:
    older = card(scores={"oa": 0.945, "miou": 0.9})
    assert accuracy_tiles(older)[0] == ("overall accuracy", "94.5 % (interval unknown)")
    assert "much worse" in accuracy_in_words(older)


@pytest.mark.parametrize("learns", [True, False])
def test_a_model_that_learned_from_pixels_without_a_label_says_so(learns: bool) -> None:
    report = finetuning_report(replace(card(scores=KNOWN), method={LEARNS_FROM_RASTER: learns}), None, None, [])
    assert ("pixels of the raster that it was surest about" in report) == learns


@pytest.mark.parametrize("checked", [True, False])
def test_that_learning_from_them_does_no_harm_is_claimed_only_where_it_was_checked(checked: bool) -> None:
    method = {LEARNS_FROM_RASTER: True, LEARNING_WAS_CHECKED: checked}
    report = finetuning_report(replace(card(scores=KNOWN), method=method), None, None, [])
    assert ("not clearly worse" in report) == checked
    assert ("could not be checked" in report) != checked


@pytest.mark.parametrize(("told", "said"), [({"3": 0.9, "7": 0.1}, True), ({}, False), ("much", False), ({"3": "x"}, False)])
def test_what_a_head_leans_to_is_said_where_it_does(told: Any, said: bool) -> None:
    leaning = replace(card(scores=KNOWN), method={LEARNS_FROM_RASTER: True, LEARNING_WAS_CHECKED: True, LEANS_TO: told})
    for report in (model_report(leaning, "m", 1.0, 1), finetuning_report(leaning, None, None, [])):
        assert ("most to forest (90.0 %)" in report) == ("most from water (10.0 %)" in report) == said


def test_a_report_says_what_decides_between_heads() -> None:
    method = {"head": "texture", "compared": {"texture": 0.5, "spectrum": 0.6}}
    report = finetuning_report(replace(card(scores=KNOWN), method=method), None, None, [])
    assert f"where enough shapes were held out, also that it is right about {100 * ACCURACY_GAINED:.0f} % more" in report


def test_where_nothing_was_held_out_nothing_is_claimed() -> None:
    assert accuracy_tiles(card(scores={})) == []
