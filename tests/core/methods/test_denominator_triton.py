"""The kernels for NVIDIA GPUs compute what the plain form computes: on a GPU where there is one, in Triton's interpreter
everywhere else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not there; on this system the kernels are not used")

CHECK = """
import itertools, torch
from false_core.methods import denominator_triton as kernels
from false_core.methods.denominator import log_denominator
from false_core.methods.pairs import directions

device = {device!r}
for (anchors, dimensions), temperature in itertools.product(((2, 5), (4, 3), (64, 16), (130, 20), (200, 100)), (0.05, 0.5)):
    generator = torch.Generator().manual_seed(anchors)
    z = directions(torch.randn(anchors, dimensions, generator=generator, dtype=torch.float64)).requires_grad_()
    slope = torch.linspace(-1, 2, anchors, dtype=torch.float64)
    wanted, wanted_nearest = log_denominator(z, temperature, 1)
    torch.autograd.backward((wanted * slope).sum())
    single = z.detach().float().to(device)
    denominator, nearest = kernels.scan(single, temperature, True)
    torch.testing.assert_close(denominator.cpu().double(), wanted.detach(), rtol=1e-5, atol=1e-5)
    assert torch.equal(nearest.cpu(), wanted_nearest)
    gradient = kernels.gradient(single, denominator, slope.float().to(device), temperature).cpu().double()
    torch.testing.assert_close(gradient, z.grad, rtol=1e-3, atol=1e-5 * float(z.grad.abs().max()) + 1e-4)
    assert kernels.scan(single, temperature, False)[1].shape == (anchors, 0)

same = torch.ones(8, 3) / 3**0.5
assert kernels.scan(same.to(device), 0.5, True)[1][:4, 0].tolist() == [1, 0, 0, 0], "of equals the lowest index wins"
print("agrees")
"""


def run_check(device: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CHECK.format(device=device)], capture_output=True, text=True, check=False,
        env={**os.environ, **variables},
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.thorough
def test_in_the_interpreter_they_agree_with_the_plain_form() -> None:
    assert run_check("cpu", TRITON_INTERPRET="1").strip() == "agrees"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU")
def test_on_the_card_they_agree_with_the_plain_form() -> None:
    assert run_check("cuda").strip() == "agrees"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU")
def test_on_the_card_the_loss_uses_them() -> None:
    from false_core.methods.denominator import _working_kernels

    assert _working_kernels(torch.device("cuda")) is not None
