"""MoCo: the loss is that of a plain loop and of another library, and the queue holds the latest keys."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import naive_contrast
import pytest
import torch
from lightly.loss import NTXentLoss
from torch import Tensor

from false_core.dispatch import run
from false_core.errors import RequestError
from false_core.jobs import Pretrain
from false_core.methods.moco import BATCHES_OF_A_QUEUE, MoCo
from false_core.methods.pcl import proto_nce
from false_core.models.encoder import build_encoder
from false_core.presets import IMAGE, PRETRAIN, pretrain_settings

SETTINGS = replace(
    PRETRAIN["quick"], method="moco", encoder="test_resnet", hidden=16, dimensions=8, level=IMAGE, batch_size=4
)


def vectors(count: int, seed: int) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def new_moco(**changes: int) -> MoCo:
    torch.manual_seed(0)
    return MoCo(build_encoder("test_resnet", 2), MoCo.adapted(replace(SETTINGS, **changes)))


class TestTheLoss:
    def test_a_plain_loop_gives_the_same(self) -> None:
        queries, keys, earlier = vectors(5, 0), vectors(5, 1), vectors(9, 2)
        method = new_moco(queue=9)
        method.register_buffer("image_queue", torch.nn.functional.normalize(earlier, dim=1))
        total = 0.0
        for q, k in zip(queries.tolist(), keys.tolist()):
            alike = [naive_contrast.cosine(naive_contrast.unit(q), naive_contrast.unit(o)) for o in (k, *earlier.tolist())]
            powers = [math.exp(one / 0.2) for one in alike]
            total -= math.log(powers[0] / sum(powers))
        loss = method.compare_all({IMAGE: torch.cat([queries, keys])}).loss
        assert loss.item() == pytest.approx(total / 5, rel=1e-12)

    def test_that_of_lightly_with_a_memory_bank_is_the_same(self) -> None:
        theirs = NTXentLoss(temperature=0.2, memory_bank_size=(9, 6))
        theirs.memory_bank.bank = torch.nn.functional.normalize(vectors(9, 2), dim=1).float()
        theirs.memory_bank.bank_ptr = torch.zeros(1, dtype=torch.long)
        queries, keys = vectors(5, 0).float(), vectors(5, 1).float()
        wanted = theirs(queries, keys).item()
        method = new_moco(queue=9)
        method.register_buffer("image_queue", torch.nn.functional.normalize(vectors(9, 2).float(), dim=1))
        assert method.compare_all({IMAGE: torch.cat([queries, keys])}).loss.item() == pytest.approx(wanted, rel=1e-5)

    def test_is_0_where_the_queue_is_empty(self) -> None:
        assert proto_nce(vectors(5, 0), vectors(5, 1), [], 0.2, torch.zeros(0, 6)).loss.item() == 0


class TestTheQueue:
    def test_holds_the_latest_keys_once_they_have_been_compared(self) -> None:
        method = new_moco(queue=6)
        started = method.get_buffer("image_queue").clone()
        first = torch.cat([vectors(4, 0), vectors(4, 1)]).float()[:, :6]
        method.register_buffer("image_queue", started[:, :6].clone())
        method.compare_all({IMAGE: first})
        queue = method.get_buffer("image_queue")
        torch.testing.assert_close(queue[:2], started[4:, :6])
        torch.testing.assert_close(queue[2:], torch.nn.functional.normalize(first[4:], dim=1))

    def test_is_a_few_batches_long_and_never_shorter_than_one(self, land: str, tmp_path: Path) -> None:
        assert MoCo.adapted(SETTINGS).queue == BATCHES_OF_A_QUEUE * 4
        job = Pretrain((land,), str(tmp_path / "e.safetensors"), preset="quick", device="cpu", method="moco", queue=100)
        with pytest.raises(RequestError, match="A queue of 100 does not hold the 768 embeddings of a batch"):
            run(job)

    def test_is_as_published_with_the_preset_paper(self) -> None:
        settings = pretrain_settings("paper", Pretrain(("a.tif",), "e.safetensors", method="moco"))
        assert (settings.queue, settings.temperature, settings.transfer) == (65_536, 0.2, 0)


def test_the_momentum_encoder_follows_and_gets_no_gradients() -> None:
    method = new_moco()
    before = next(method.slow_encoder.parameters()).clone()
    with torch.no_grad():
        next(method.encoder.parameters()).add_(1)
    method.after_step(10**6, 10**7)
    torch.testing.assert_close(next(method.slow_encoder.parameters()), before + 0.001)
    assert not any(p.requires_grad for p in method.slow_encoder.parameters())
