"""What is kept of an encoder stays as it is to the last bit while the rest learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from false_core.dispatch import run
from false_core.errors import RequestError
from false_core.jobs import KEPT, Pretrain
from false_core.models.encoder import build_encoder
from false_core.models.model_file import read_card
from false_core.presets import PRETRAIN, pretrain_settings
from false_core.training.kept_levels import keep_levels

LEVELS = {"stride2": 1, "stride4": 2, "stride8": 3, "stride16": 4}
"""By what is kept, the coarsest level of features that stays, counted from the pixels themselves."""
BACKBONES = ["resnet10t", "tf_efficientnet_lite0", "pca"]


def learning(encoder: torch.nn.Module) -> set[str]:
    return {name for name, parameter in encoder.named_parameters() if parameter.requires_grad}


class TestLevels:
    @pytest.mark.thorough
    @pytest.mark.parametrize("backbone", BACKBONES)
    @pytest.mark.parametrize("keep", LEVELS)
    def test_whatever_is_done_to_the_weights_that_learn_kept_features_are_what_they_were(
        self, backbone: str, keep: str
    ) -> None:
        encoder = build_encoder(backbone, 3)
        keep_levels(encoder, keep, backbone)
        pixels = torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            before = encoder(pixels)
            for parameter in encoder.parameters():
                if parameter.requires_grad:
                    parameter.add_(1.0)
            after = encoder(pixels)
        same = [one.equal(other) for one, other in zip(before, after)]
        assert same == [level <= LEVELS[keep] for level in range(6)]

    @pytest.mark.thorough
    @pytest.mark.parametrize("keep", LEVELS)
    def test_each_more_keeps_more(self, keep: str) -> None:
        encoder, further = (build_encoder("resnet10t", 3) for _ in range(2))
        keep_levels(encoder, keep, "resnet10t")
        keep_levels(further, "stride16", "resnet10t")
        assert learning(further) <= learning(encoder)
        assert learning(further)

    def test_nothing_keeps_nothing(self) -> None:
        encoder = build_encoder("resnet10t", 3)
        keep_levels(encoder, "nothing", "resnet10t")
        assert all(parameter.requires_grad for parameter in encoder.parameters())
        assert all(module.training for module in encoder.modules())

    def test_norms_alone_can_be_kept(self) -> None:
        encoder = build_encoder("resnet10t", 3)
        keep_levels(encoder, "norms", "resnet10t")
        norms = {name for name, one in encoder.named_modules() if isinstance(one, torch.nn.BatchNorm2d)}
        kept = {name for name, parameter in encoder.named_parameters() if not parameter.requires_grad}
        assert kept == {f"{name}.{part}" for name in norms for part in ("weight", "bias")}
        assert not any(one.training for one in encoder.modules() if isinstance(one, torch.nn.BatchNorm2d))

    def test_a_backbone_without_such_a_level_says_so(self) -> None:
        with pytest.raises(RequestError, match="backbone pvt_v2_b0 has no layers that stride2 would keep"):
            keep_levels(build_encoder("pvt_v2_b0", 3), "stride2", "pvt_v2_b0")

    def test_a_transformer_keeps_its_stages(self) -> None:
        encoder = build_encoder("pvt_v2_b0", 3)
        keep_levels(encoder, "stride4", "pvt_v2_b0")
        assert {name.split(".")[1] for name in learning(encoder)} == {"stages_1", "stages_2", "stages_3"}


@pytest.mark.thorough
class TestPretraining:
    def job(self, land: str, folder: Path, **more: Any) -> Pretrain:
        settings = {"steps": 3, "batch_size": 4, "method": "simclr", **more}
        return Pretrain((land,), str(folder / "e.safetensors"), preset="quick", device="cpu", **settings)

    def weights(self, path: str) -> dict[str, Tensor]:
        return {name: one for name, one in safetensors.torch.load_file(path).items() if not name.startswith("general")}

    # One that trains by itself, one with a momentum encoder, and one that looks at the gradients of a first look.
    @pytest.mark.parametrize("method", ["simclr", "moco", "grass"])
    @pytest.mark.parametrize("keep", ["stride8", "norms"])
    def test_leaves_what_is_kept_as_it_was_and_moves_all_else(
        self, land: str, tmp_path: Path, encoder: str, method: str, keep: str
    ) -> None:
        backbone = read_card(encoder).encoder
        job = self.job(land, tmp_path, method=method, keep=keep, weights=encoder, backbone=backbone)
        run(job)
        assert read_card(job.encoder).method["keep"] == keep
        before, after = self.weights(encoder), self.weights(job.encoder)
        moved = {name for name in before if not before[name].equal(after[name])}
        network = build_encoder(backbone, len(read_card(encoder).bands))
        keep_levels(network, keep, backbone)
        wanted = learning(network)
        still = {name for name, module in network.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
        still = {name for name in still if not network.get_submodule(name).training}
        wanted |= {
            name for name, _ in network.named_buffers() if name.rpartition(".")[0] not in still
        }  # The batch norms of what learns move on.
        assert moved == wanted

    def test_goes_on_from_the_general_encoder(self, land: str, tmp_path: Path) -> None:
        assert run(self.job(land, tmp_path, keep="stride4"))["steps"] == 3

    @pytest.mark.parametrize("keep", KEPT[1:])
    def test_from_random_weights_is_refused(self, land: str, tmp_path: Path, keep: str) -> None:
        with pytest.raises(RequestError, match="no weights that could be kept: the encoder starts from random ones"):
            run(self.job(land, tmp_path, keep=keep, weights="none"))


class TestTheLearningRate:
    def test_is_the_one_that_the_job_names_from_random_weights_too(self) -> None:
        named = pretrain_settings("quick", Pretrain(("a.tif",), "e.safetensors", learning_rate=1e-4))
        assert (named.learning_rate, named.rate_from_nothing) == (1e-4, 0.0)

    def test_is_otherwise_that_of_the_preset(self) -> None:
        settings = pretrain_settings("quick", Pretrain(("a.tif",), "e.safetensors"))
        assert settings.learning_rate == PRETRAIN["quick"].learning_rate
        assert settings.rate_from_nothing == PRETRAIN["quick"].rate_from_nothing
