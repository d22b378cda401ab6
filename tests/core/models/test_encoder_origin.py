"""Reports name each encoder of a model, its weights, their source and licence, and what it then learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_model_report import CARD

from false_core.dispatch import run
from false_core.jobs import Change, Classify, FindSimilar, Finetune
from false_core.models.encoder_origin import encoder_rows, encoders_of, encoders_section, started_from
from false_core.models.fused import FusedSpec, Member
from false_core.models.general import BACKBONE, ORIGIN
from false_core.models.model_file import ModelCard
from false_core.models.model_report import model_report
from false_core.training.finetuning_report import finetuning_report

GENERAL_IN_WORDS = f"the general encoder {BACKBONE} (ImageNet-1k, with labels, {ORIGIN['source']}, Apache-2.0)"
BANDS = "The weights take band 3 for red, band 2 for green and band 1 for blue, by their names."
TIMM = {"timm": "resnet18.a1_in1k", "source": "https://example.org/resnet18", "licence": "apache-2.0"}
PRETRAINED = {"rasters": ["land.tif", "sea.tif"], "weights": {**ORIGIN, "bands": BANDS}}
METHOD = {"name": "false", "steps": 250}


def card_with(encoders: tuple[str, ...], part: str = "encoder 0 at 1", **provenance: Any) -> ModelCard:
    spec = FusedSpec(encoders, ((1,),) * len(encoders), (Member((part,), 1.0),))
    return replace(CARD, encoder=encoders[-1] if encoders else "", head=spec, provenance=provenance)


def rows_of(card: ModelCard) -> list[list[str]]:
    return encoder_rows(encoders_of(card))


@pytest.mark.parametrize("weights", [{**ORIGIN, "bands": BANDS}, TIMM, {"file": "own.safetensors"}])
def test_one_that_others_trained_stands_with_its_source_and_licence(weights: Mapping[str, str]) -> None:
    card = card_with((BACKBONE,), encoder="untrained", pretraining={}, weights=weights)
    for report in (finetuning_report(card, None, None, []), model_report(card, "m", 1.0, 1)):
        assert all(value in report for value in weights.values())
    assert rows_of(card)[0] == ["Encoder", BACKBONE] and rows_of(card)[-1] == ["Pretraining", "none"]


@pytest.mark.parametrize("weights", [{}, {**ORIGIN, "bands": BANDS}])
def test_of_two_each_stands_with_what_it_learned_from(weights: Mapping[str, str]) -> None:
    card = card_with((BACKBONE, BACKBONE), encoder=PRETRAINED, pretraining=METHOD, weights=weights)
    general = ["Started from", GENERAL_IN_WORDS]
    assert rows_of(card) == [
        ["Encoder 1", BACKBONE], general, ["Bands for its colours", BANDS], ["Pretraining", "none"],
        ["Encoder 2", f"{BACKBONE}; this head takes nothing of it"], general, ["Bands for its colours", BANDS],
        ["Pretraining", "method false, 250 steps"], ["Pretrained on", "land.tif, sea.tif"],
    ]  # fmt: skip
    assert f"{BACKBONE} + {BACKBONE}" in model_report(card, "m", 1.0, 1)


def test_an_encoder_that_went_on_from_a_file_names_what_that_had_started_from() -> None:
    further = {"file": "first.safetensors", "method": METHOD, "provenance": PRETRAINED}
    told = started_from(further)
    assert told == [
        ["Started from", "first.safetensors: method false, 250 steps"],
        ["Started from", GENERAL_IN_WORDS],
        ["Bands for its colours", BANDS],
    ]
    source = {"rasters": ["land.tif"], "weights": further}
    card = card_with((BACKBONE, BACKBONE), encoder=source, pretraining=METHOD)
    assert rows_of(card)[1] == ["Started from", GENERAL_IN_WORDS], "the file of the second one keeps the general one"


def test_random_weights_and_no_encoder_are_called_so() -> None:
    assert ["Started from", "random weights"] in rows_of(replace(CARD, provenance={"encoder": "untrained"}))
    assert "colours and texture alone" in encoders_section(encoders_of(card_with((), "texture"))).text


@pytest.mark.parametrize("told", ["x", 1, [1], {"weights": [2], "rasters": 3}, {"weights": {"provenance": {"weights": 4}}}])
def test_what_a_strange_file_says_stops_no_report(told: Any) -> None:
    card = card_with((BACKBONE, BACKBONE), encoder=told, pretraining=told, weights=told)
    assert model_report(card, "m", 1.0, 1) and finetuning_report(card, None, None, [])


@pytest.mark.thorough
def test_the_reports_of_jobs_name_source_and_licence(frozen_model: str, land: str, labels: str, tmp_path: Path) -> None:
    out = {name: str(tmp_path / f"{name}.html") for name in ("map", "training", "change", "similar")}
    run(Classify(land, frozen_model, str(tmp_path / "map.tif"), report=out["map"], device="cpu"))
    run(Finetune(land, labels, "cover", str(tmp_path / "m.safetensors"), report=out["training"], device="cpu"))
    run(Change(land, land, str(tmp_path / "change.tif"), model=frozen_model, report=out["change"], device="cpu"))
    run(FindSimilar((land,), labels, str(tmp_path / "similar.gpkg"), report=out["similar"], device="cpu"))
    for path in out.values():
        html = Path(path).read_text("utf-8")
        assert ORIGIN["source"] in html and ORIGIN["licence"] in html and "bands" in html, path
