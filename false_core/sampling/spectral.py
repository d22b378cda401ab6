"""Changes of light and sensor that leave the ground the same, for any number of bands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class SpectralJitter:
    """Random changes of normalised pixels (mean 0, deviation 1 per band).

    Attributes:
        brightness: Deviation of an offset shared by all bands, and of half as large ones per band.
        contrast: Deviation of the logarithm of a gain shared by all bands, and of half as large ones per band.
        gamma: Deviation of the logarithm of the exponent of a tone curve.
        blur: Share of crops blurred with a Gaussian of 0.1 to 2 pixels.
        drop: Share of crops that lose one band (only where there are at least three).
    """

    brightness: float = 0.3
    contrast: float = 0.2
    gamma: float = 0.2
    blur: float = 0.3
    drop: float = 0.1

    def scaled(self, strength: float) -> SpectralJitter:
        """Return changes ``strength`` times as strong. Blur stays: it changes sharpness, not colour."""
        return replace(
            self,
            brightness=self.brightness * strength,
            contrast=self.contrast * strength,
            gamma=self.gamma * strength,
            drop=self.drop * strength,
        )

    def __call__(self, crops: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed ``crops`` (batch, bands, height, width). ``generator`` is on the CPU, so that every device sees
        the same chance."""
        batch, bands = crops.shape[:2]

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator).to(crops.device)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator).to(crops.device)

        if self.gamma:
            # A tone curve over the range where nearly all normalised values lie; its ends stay where they are.
            exponent = torch.exp(self.gamma * normal(batch, 1, 1, 1))
            crops = ((crops + 4) / 8).clamp(1e-4, 1).pow(exponent) * 8 - 4
        gain = torch.exp(self.contrast * (normal(batch, 1, 1, 1) + 0.5 * normal(batch, bands, 1, 1)))
        offset = self.brightness * (normal(batch, 1, 1, 1) + 0.5 * normal(batch, bands, 1, 1))
        crops = crops * gain + offset
        if self.blur:
            crops = self._blurred(crops, uniform(batch), uniform(batch))
        if self.drop and bands >= 3:
            lost = (uniform(batch, bands).argsort(dim=1) == 0) & (uniform(batch, 1) < self.drop)
            crops = crops.masked_fill(lost[:, :, None, None], 0.0)
        return crops

    def _blurred(self, crops: Tensor, chance: Tensor, width: Tensor) -> Tensor:
        radius = 3
        sigma = (0.1 + 1.9 * width).clamp(min=0.1)
        sigma = torch.where(chance < self.blur, sigma, torch.full_like(sigma, 1e-3))
        offsets = torch.arange(-radius, radius + 1, device=crops.device, dtype=crops.dtype)
        kernel = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
        kernel = kernel / kernel.sum(dim=1, keepdim=True)
        batch, bands, height, width_px = crops.shape
        flat = crops.reshape(1, batch * bands, height, width_px)
        weights = kernel.repeat_interleave(bands, dim=0)
        padded = torch.nn.functional.pad(flat, (radius, radius, radius, radius), mode="replicate")
        flat = torch.nn.functional.conv2d(padded, weights[:, None, None, :], groups=batch * bands)
        flat = torch.nn.functional.conv2d(flat, weights[:, None, :, None], groups=batch * bands)
        return flat.reshape(batch, bands, height, width_px)


def torch_generator(*numbers: int) -> torch.Generator:
    """Return a CPU generator seeded by several numbers, for example the job's seed and the training step."""
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + number + 1) % (2**63 - 1)
    generator = torch.Generator()
    generator.manual_seed(seed)
    return generator


QUIET = SpectralJitter(brightness=0.1, contrast=0.1, gamma=0.05, blur=0.0, drop=0.0)
"""For fine-tuning, where colour itself tells classes apart."""
