"""The guided filter: an average around each place that does not cross the edges of a picture.

He, Sun and Tang, "Guided image filtering", IEEE TPAMI 2013, with several channels in the guide (Eq. 19 to 21), a Gaussian
window, and places without data left out. In each window the values are a linear function of the guide, as far as that
explains them; where it explains nothing, they are their average.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

REACH_IN_DEVIATIONS = 3
"""Standard deviations of the window to each side of its middle."""


def guided_average(values: Tensor, guide: Tensor, valid: Tensor, sigma: float, smoothing: float) -> Tensor:
    """Return values averaged within the edges of a guide; 0 where nothing around is valid.

    Args:
        values: Values of shape (height, width).
        guide: Picture of shape (channels, height, width), with values of about 1.
        valid: Mask of shape (height, width): 1 where values and guide are known, 0 elsewhere.
        sigma: Standard deviation of the window, in pixels.
        smoothing: Variance of the guide below which it shows no edges: the regularisation of Eq. 20.
    """
    channels, height, width = guide.shape
    upper, right = torch.triu_indices(channels, channels)
    seen = torch.cat([values[None], guide, guide * values, guide[upper] * guide[right]])
    value, means, with_value, products = torch.split(averaged(seen, valid, sigma), [1, channels, channels, len(upper)])
    covariance = guide.new_empty(channels, channels, height, width)
    covariance[upper, right] = covariance[right, upper] = products - means[upper] * means[right]
    ridge = smoothing * torch.eye(channels, device=guide.device)
    matrices = covariance.permute(2, 3, 0, 1) + ridge
    slopes = torch.linalg.solve(matrices, (with_value - means * value).permute(1, 2, 0)[..., None])[..., 0].permute(2, 0, 1)
    offset = value[0] - (slopes * means).sum(dim=0)
    lines = averaged(torch.cat([slopes, offset[None]]), valid, sigma)
    return (lines[:-1] * guide).sum(dim=0) + lines[-1]


def averaged(values: Tensor, valid: Tensor, sigma: float) -> Tensor:
    """Return values (channels, height, width) averaged in a Gaussian window over what is valid; 0 where nothing in it is."""
    reach = reach_of_window(sigma)
    steps = torch.arange(-reach, reach + 1, device=values.device)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    both = torch.cat([values * valid, valid[None].to(values)])[:, None]
    down = conv2d(pad(both, (0, 0, reach, reach)), weights.view(1, 1, -1, 1))
    total = conv2d(pad(down, (reach, reach, 0, 0)), weights.view(1, 1, 1, -1))[:, 0]
    share = total[-1]
    return torch.where(share > 0, total[:-1] / share.clamp(min=1e-6), torch.zeros_like(total[:-1]))


def reach_of_window(sigma: float) -> int:
    """Return the pixels of a window to each side of its middle."""
    return int(REACH_IN_DEVIATIONS * sigma)
