"""The encoders that heads build on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from false_core.jobs import Finetune
from false_core.models.general import BACKBONE, general_weights
from false_core.training.heads.fit import FrozenEncoder
from false_core.training.start import begin, frozen_encoders, measured_raster
from tests.core.small_world import Listener

ASKED_FOR = "resnet10t"


def encoders_of(job: Finetune, listener: Listener) -> tuple[list[FrozenEncoder], dict[str, Any]]:
    start = begin(job, listener.feedback, is_recorded=False)
    source, _ = measured_raster(start, listener.feedback)
    return frozen_encoders(job, start.base, source, listener.feedback)


def job_with(land: str, labels: str, **more: Any) -> Finetune:
    return Finetune(land, labels, "cover", "model.safetensors", device="cpu", preset="quick", backbone=ASKED_FOR, **more)


class TestABackboneOfAHead:
    def test_that_timm_has_weights_of_is_what_the_head_builds_on(
        self, land: str, labels: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create, given = timm.create_model, timm.create_model(ASKED_FOR)

        def create_model(name: str, pretrained: bool = False, **more: Any) -> nn.Module:
            return given if pretrained else create(name, **more)

        monkeypatch.setattr("timm.create_model", create_model)
        (encoder,), origin = encoders_of(job_with(land, labels), listener)
        assert encoder.backbone == ASKED_FOR
        assert origin["timm"].startswith(f"{ASKED_FOR}.")
        torch.testing.assert_close(encoder.weights["model.conv1.1.weight"], given.state_dict()["conv1.1.weight"])

    @pytest.mark.thorough
    def test_that_cannot_be_downloaded_gives_way_to_the_general_encoder_and_is_told(
        self, land: str, labels: str, listener: Listener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        (encoder,), origin = encoders_of(job_with(land, labels), listener)
        assert encoder.backbone == origin["general"] == BACKBONE
        name = "bn1.weight"
        torch.testing.assert_close(encoder.weights[f"model.{name}"], general_weights()[name])
        assert f"The general encoder {BACKBONE} is taken instead." in listener.warnings

    def test_other_than_that_of_the_encoder_file_is_told_not_to_be_used(
        self, land: str, labels: str, encoder: str, listener: Listener
    ) -> None:
        job = Finetune(
            land, labels, "cover", "model.safetensors", encoder, device="cpu", preset="quick", backbone="resnet18"
        )
        found, _ = encoders_of(job, listener)
        assert [one.backbone for one in found] == [BACKBONE, "test_resnet"]
        assert "holds a test_resnet: the backbone resnet18 is not used" in listener.warnings

    def test_is_not_fetched_for_a_head_that_looks_at_no_encoder_and_that_is_told(
        self, land: str, labels: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create, asked = timm.create_model, []

        def create_model(name: str, pretrained: bool = False, **more: Any) -> nn.Module:
            asked.append((name, pretrained))
            return create(name, **more)

        monkeypatch.setattr("timm.create_model", create_model)
        encoders_of(job_with(land, labels, head="texture"), listener)
        assert not [name for name, pretrained in asked if pretrained or name == ASKED_FOR]
        assert f"The backbone {ASKED_FOR} is not used" in listener.warnings

    @pytest.mark.parametrize(
        ("head", "weights", "is_told"),
        [("auto", "none", True), ("auto", "general", False), ("network", "none", False), ("texture", "none", True)],
    )
    def test_is_told_not_to_be_used_where_no_encoder_is_built(
        self, head: str, weights: str, is_told: bool, land: str, labels: str, listener: Listener
    ) -> None:
        begin(job_with(land, labels, head=head, weights=weights), listener.feedback, is_recorded=False)
        assert ("is not used" in listener.warnings) == is_told


class TestAParameterThatTheHeadDoesNotLookAt:
    @pytest.mark.parametrize(
        ("head", "given", "told"),
        [
            ("auto", {"steps": 5}, "Training steps (steps) is not used"),
            ("linear", {"freeze": False}, "Freeze the encoder (freeze) is not used"),
            ("texture", {"validation": 0.0}, "Share of labels held out (validation) is not used"),
            ("network", {"smoothing": 4.0}, "Smoothing (smoothing) is not used"),
            ("network", {"unlabelled": False}, "Learn from pixels without a label (unlabelled) is not used"),
        ],
    )
    def test_is_named(self, head: str, given: dict[str, Any], told: str, land: str, labels: str, listener: Listener) -> None:
        job = Finetune(land, labels, "cover", "model.safetensors", device="cpu", preset="quick", head=head, **given)
        begin(job, listener.feedback, is_recorded=False)
        assert told in listener.warnings

    @pytest.mark.parametrize(
        ("head", "given"),
        [
            ("auto", {"freeze": True, "smoothing": 4.0, "unlabelled": False}),
            ("network", {"freeze": False, "steps": 5, "validation": 0.0}),
        ],
    )
    def test_is_not_told_of_where_it_looks_at_it(
        self, head: str, given: dict[str, Any], land: str, labels: str, listener: Listener
    ) -> None:
        job = Finetune(land, labels, "cover", "model.safetensors", device="cpu", preset="quick", head=head, **given)
        begin(job, listener.feedback, is_recorded=False)
        assert "is not used" not in listener.warnings
