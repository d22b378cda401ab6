"""Segmenters of frozen encoders at several pixel sizes, texture and the pixels themselves, under linear classifiers.

Nothing in them was trained step by step: the encoders are taken as they are, and each classifier is a logistic regression.
A classifier is linear, so that it is applied to the levels of an encoder where these have the fewest pixels, and its
scores are enlarged instead of the features. Where an encoder takes part, that is done for one of four pixels, and what comes
of them is enlarged: it takes half the time, and the map is as good (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import lcm
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, log_softmax

from false_core.models.encoder import DEPTH, build_encoder, channels_of
from false_core.models.texture import (
    MOST_PIXELS_AT_A_TIME,
    MOST_STEP,
    PIXELS_AT_A_TIME,
    RANDOM_FEATURES,
    LocalStatistics,
    RandomFeatures,
    reach_of,
    smoothed,
)

TEXTURE, SPECTRUM, CURVES = "texture", "spectrum", "curves"
"""Local statistics, the pixel's own values, and random features of these, of which a classifier makes curved borders."""
WITHOUT_ENCODER = (TEXTURE, SPECTRUM, CURVES)
HEAD_CONTEXT_PX = 48
"""Working pixels around a place that a tile of a map sees at least. What depends on more: docs/performance.md."""
MOST_ZOOM, MOST_ENCODERS, MOST_MEMBERS = 8, 4, 32


EVERYWHERE = (slice(None), slice(None))
"""All rows and columns of an image."""
SCORED_STRIDE = 2
"""Working pixels, along each axis, per place at which scores are computed where an encoder is among the parts. Its finest
features have that stride."""
ZOOMS = (1, 2)
"""Working pixels per pixel that an encoder sees, in each of its passes over an image that is large enough."""


@dataclass(frozen=True)
class Member:
    """A linear classifier among several.

    Attributes:
        parts: The names of the parts of the network whose features it takes.
        weight: The exponent of its probabilities in the product of all.
    """

    parts: tuple[str, ...]
    weight: float


@dataclass(frozen=True)
class FusedSpec:
    """The specification of a fused segmenter. It stands in the model file.

    Attributes:
        encoders: timm backbones.
        zooms: The working pixels per pixel that an encoder sees in each of its passes over an image, for each encoder.
        members: The classifiers.
        smoothing: Standard deviation of the Gaussian window in which probabilities are averaged, in working pixels; 0: none.
    """

    encoders: tuple[str, ...]
    zooms: tuple[tuple[int, ...], ...]
    members: tuple[Member, ...]
    smoothing: float = 0.0

    @property
    def stride(self) -> int:
        """The number of working pixels that the sides of an image are multiples of."""
        wanted = set(self.parts)
        # Of windows in which is averaged, too, so that they lie the same in tiles of one image.
        averaged = MOST_STEP if self.smoothing or TEXTURE in wanted else 1
        return lcm(
            averaged,
            *(
                stride_at(zoom)
                for number, zooms in enumerate(self.zooms)
                for zoom in zooms
                if encoder_part(number, zoom) in wanted
            ),
        )

    @property
    def scored_stride(self) -> int:
        """Working pixels, along each axis, per place at which scores are computed.

        It is 1 where the pixels' own values are a part, as they would be averaged, and where there is no encoder.
        """
        passes = {encoder_part(number, zoom) for number, zooms in enumerate(self.zooms) for zoom in zooms}
        beside_texture = set(self.parts) - {TEXTURE}
        return SCORED_STRIDE if beside_texture and beside_texture <= passes else 1

    @property
    def context(self) -> int:
        """Working pixels around a place that scores there depend on."""
        return HEAD_CONTEXT_PX + (reach_of(self.smoothing) if self.smoothing else 0)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts whose features some member takes, in the order in which they are computed."""
        wanted = {part for member in self.members for part in member.parts}
        return tuple(part for part in known_parts(self.zooms) if part in wanted)

    def to_dict(self) -> dict[str, Any]:
        """Return what a model file keeps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Any) -> FusedSpec:
        """Read what ``to_dict`` wrote, of an untrusted file.

        Raises:
            ValueError, TypeError, KeyError: It describes no network that could be built.
        """
        members = tuple(Member(tuple(map(str, m["parts"])), float(m["weight"])) for m in body["members"])
        spec = cls(
            tuple(map(str, body["encoders"])),
            tuple(tuple(map(int, zooms)) for zooms in body["zooms"]),
            members,
            float(body["smoothing"]),
        )
        every = set(known_parts(spec.zooms))
        if (
            not 1 <= len(members) <= MOST_MEMBERS
            or not len(spec.zooms) == len(spec.encoders) <= MOST_ENCODERS
            or not all(1 <= zoom <= MOST_ZOOM for own in spec.zooms for zoom in own)
            or not all(len(set(own)) == len(own) for own in spec.zooms)
            or not all(member.parts and set(member.parts) <= every and 0 < member.weight <= 1 for member in members)
            or not 0 <= spec.smoothing <= 1000
        ):
            raise ValueError("the head names parts that it does not have")
        return spec


def encoder_part(number: int, zoom: int) -> str:
    """Return the name of the features of an encoder, counted from 0, on pixels ``zoom`` times as large as working pixels."""
    return f"encoder {number} at {zoom}"


def stride_at(zoom: int) -> int:
    """Return the working pixels per pixel of the coarsest features of an encoder at a zoom."""
    return zoom << DEPTH


def known_parts(zooms: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Return the names of all parts where encoders see an image at these zooms."""
    return (*(encoder_part(n, zoom) for n, own in enumerate(zooms) for zoom in own), *WITHOUT_ENCODER)


class FeatureParts(nn.Module):
    """All features that classifiers may take, by part: frozen encoders at several pixel sizes, texture, spectrum.

    Args:
        encoders: timm backbones.
        zooms: The working pixels per pixel in the passes of each.
        bands: Number of input bands.
    """

    def __init__(self, encoders: Sequence[str], zooms: Sequence[Sequence[int]], bands: int) -> None:
        super().__init__()
        self.zooms, self.bands = tuple(map(tuple, zooms)), bands
        self.encoders = nn.ModuleList([build_encoder(name, bands) for name in encoders])
        self.statistics = LocalStatistics(bands)
        self.random_features = RandomFeatures(self.statistics.channels, self.statistics.components)

    def channels(self, part: str) -> list[int]:
        """Return the number of features of each level of a part."""
        if part in (TEXTURE, CURVES):
            return [RANDOM_FEATURES]
        if part == SPECTRUM:
            return [self.bands]
        return channels_of(self.encoders[self._pass_of(part)[0]])[1:]

    def levels(self, pixels: Tensor, part: str) -> list[Tensor]:
        """Return the features of each level of a part, each (batch, channels, height, width) at its own stride.

        Those of the texture are the statistics that the random features are made of, as these take much memory. So are
        those of the curves, the values among these statistics.
        """
        if part == CURVES:
            return [self.statistics.mixed(pixels)]
        if part == SPECTRUM:
            return [pixels]
        if part == TEXTURE:
            return [self.statistics(pixels)]
        number, zoom = self._pass_of(part)
        levels: list[Tensor] = self.encoders[number](reduced(pixels, zoom).contiguous(memory_format=torch.channels_last))
        return levels[1:]

    def zoom_of(self, part: str) -> int:
        """Return the working pixels per pixel that the encoder of a part sees; 1 where it comes from none."""
        return 1 if part in WITHOUT_ENCODER else self._pass_of(part)[1]

    def encoder_of(self, part: str) -> int | None:
        """Return the number of the encoder that a part comes from; None where it comes from none."""
        return None if part in WITHOUT_ENCODER else self._pass_of(part)[0]

    def _pass_of(self, part: str) -> tuple[int, int]:
        """Return the number of the encoder that a part comes from, and the zoom at which it sees the image."""
        return next(
            (number, zoom) for number, zooms in enumerate(self.zooms) for zoom in zooms if encoder_part(number, zoom) == part
        )


HALF_MAX = 65_504.0
"""The largest number in half precision."""


def in_half(values: Tensor) -> Tensor:
    """Return values in half precision; what is too large for it becomes the largest number there is."""
    return values.clamp(-HALF_MAX, HALF_MAX).half()


def places_around(wanted: tuple[slice, slice], size: Sequence[int]) -> tuple[slice, slice]:
    """Return the rows and columns of an image between which the scores of those wanted are interpolated.

    They begin and end where places do at which scores are computed, with one place more on each side where there is one.

    Args:
        size: Height and width of the image.
    """

    def wider(some: slice, length: int) -> slice:
        start, stop = some.start // SCORED_STRIDE - 1, -(-some.stop // SCORED_STRIDE) + 1
        return slice(max(0, start * SCORED_STRIDE), min(length, stop * SCORED_STRIDE))

    return wider(wanted[0], size[0]), wider(wanted[1], size[1])


def reduced(pixels: Tensor, factor: int) -> Tensor:
    """Return the means of squares of ``factor`` x ``factor`` pixels."""
    return pixels if factor == 1 else avg_pool2d(pixels, factor)


class FusedSegmenter(nn.Module):
    """A segmenter of frozen features. Called on (batch, bands, height, width), it returns scores of the classes there.

    Args:
        spec: Specification of its encoders, parts and classifiers.
        bands: Number of input bands.
        classes: Number of classes.
        features: The features, where they are there already; without them they are made, and untrained.
    """

    def __init__(self, spec: FusedSpec, bands: int, classes: int, features: FeatureParts | None = None) -> None:
        super().__init__()
        self.spec, self.classes = spec, classes
        self.features = features or FeatureParts(spec.encoders, spec.zooms, bands)
        self.weights = nn.ParameterDict()
        """Weights of all classes for each member of a part, by part, of shape (members * classes, channels)."""
        for part in spec.parts:
            rows = classes * sum(part in member.parts for member in spec.members)
            self.weights[_key(part)] = nn.Parameter(
                torch.zeros(rows, sum(self.features.channels(part))), requires_grad=False
            )
        self.bias = nn.Parameter(torch.zeros(len(spec.members), classes), requires_grad=False)

    @property
    def encoder(self) -> nn.Module:
        """The encoder that was pretrained last. There is one unless ``spec.encoders`` is empty."""
        return self.features.encoders[-1]

    @property
    def stride(self) -> int:
        """The number of pixels that the sides of an image are multiples of."""
        return self.spec.stride

    def set_member(self, number: int, weights: dict[str, Tensor], bias: Tensor) -> None:
        """Put in the weights of a member, by part of shape (classes, channels), and its bias of shape (classes,)."""
        for part, values in weights.items():
            row = self.classes * sum(part in member.parts for member in self.spec.members[:number])
            self.weights[_key(part)].data[row : row + self.classes] = values
        self.bias.data[number] = bias

    def forward(self, pixels: Tensor) -> Tensor:
        """Return scores before softmax of shape (batch, classes, height, width). Sides are multiples of ``stride``."""
        features = self.encoded(pixels)
        with torch.autocast(pixels.device.type, enabled=False):
            return self.fused(pixels.float(), features)

    def encoded(self, pixels: Tensor) -> dict[str, list[Tensor]]:
        """Return the features of the encoders by part, level by level, in half precision.

        So may those be that were kept: from them come the same scores as from the pixels.
        """
        parts = [part for part in self.spec.parts if part not in WITHOUT_ENCODER]
        return {part: [in_half(level) for level in self.features.levels(pixels, part)] for part in parts}

    def fused(
        self, pixels: Tensor, features: Mapping[str, list[Tensor]], wanted: tuple[slice, slice] = EVERYWHERE
    ) -> Tensor:
        """Return the logarithms of the fused probabilities, of shape (batch, classes, height, width).

        Args:
            pixels: Normalised, in single precision.
            features: Features of the encoders by part, as ``encoded`` gives them. Statistics of the texture may be among
                them, where they are at hand: those of the pixels that ``places_around`` returns for the wanted ones.
            wanted: The rows and columns of the pixels for which probabilities are wanted. Where they are averaged, those
                near its border are as if there was nothing beyond.
        """
        # Scores are sums of many terms that nearly cancel, and are not computed in half precision.
        step = self.spec.scored_stride
        size = pixels.shape[-2] // step, pixels.shape[-1] // step
        whole = wanted == EVERYWHERE
        around = wanted if whole else places_around(wanted, pixels.shape[-2:])
        places = around if whole else _shrunk(around, step)
        totals = [self.bias[number][None, :, None, None] for number in range(len(self.spec.members))]
        for part in self.spec.parts:
            takers = [number for number, member in enumerate(self.spec.members) if part in member.parts]
            scores = self._scores(self._levels(pixels, part, features), part, size, places).chunk(len(takers), dim=1)
            for number, share in zip(takers, scores):
                totals[number] = totals[number] + share
        fused = torch.zeros_like(totals[0])
        for member, total in zip(self.spec.members, totals):
            fused = fused + member.weight * log_softmax(total, dim=1)
        if whole:
            fused = _resized(fused, (pixels.shape[-2], pixels.shape[-1]))
        else:
            rows, columns = around
            fused = _resized(fused, (rows.stop - rows.start, columns.stop - columns.start))
            fused = fused[..., _within(wanted[0], rows), _within(wanted[1], columns)]
        if self.spec.smoothing:
            fused = smoothed(fused.softmax(dim=1), self.spec.smoothing).clamp(min=1e-12).log()
        return fused

    def _levels(self, pixels: Tensor, part: str, features: Mapping[str, list[Tensor]]) -> list[Tensor]:
        """Return the features of a part; of the texture group by group, as all of them together take much memory."""
        if part != TEXTURE:
            return features[part] if part in features else self.features.levels(pixels, part)
        groups = features[part] if part in features else self.features.statistics.groups(pixels)
        return [reduced(group, self.spec.scored_stride) for group in groups]

    def _scores(self, levels: list[Tensor], part: str, size: tuple[int, int], places: tuple[slice, slice]) -> Tensor:
        weights = self.weights[_key(part)]
        if part in (TEXTURE, CURVES):
            # Those of the texture are at hand for these places alone.
            here = levels if part == TEXTURE else [level[(..., *places)] for level in levels]
            return self._scores_of_random_features(here, weights)
        total: Tensor | None = None
        for level, own in zip(levels, weights.split(self.features.channels(part), dim=1)):
            if not level.shape[1]:
                continue  # Transformers have no features at stride 2.
            projected = _resized(conv2d(level.float(), own[:, :, None, None]), size)
            total = projected if total is None else total.add_(projected)
        assert total is not None
        return total[(..., *places)]

    def _scores_of_random_features(self, statistics: list[Tensor], weights: Tensor) -> Tensor:
        _, _, height, width = statistics[0].shape
        rows = [group.permute(0, 2, 3, 1).reshape(-1, group.shape[1]) for group in statistics]
        most = PIXELS_AT_A_TIME.get(weights.device.type, MOST_PIXELS_AT_A_TIME)
        # An exported network takes batches of any size: it is not cut by the size of the one that it was traced with.
        some = [rows] if torch.onnx.is_in_onnx_export() else zip(*(torch.split(group, most) for group in rows))
        scores = torch.cat([self.features.random_features(torch.cat(groups, dim=1)) @ weights.T for groups in some])
        return scores.view(-1, height, width, len(weights)).permute(0, 3, 1, 2)


def _shrunk(some: tuple[slice, slice], step: int) -> tuple[slice, slice]:
    """Return the rows and columns of places that lie ``step`` pixels apart."""
    rows, columns = some
    return slice(rows.start // step, rows.stop // step), slice(columns.start // step, columns.stop // step)


def _within(some: slice, whole: slice) -> slice:
    return slice(some.start - whole.start, some.stop - whole.start)


def _key(part: str) -> str:
    return part.replace(" ", "_")


def _resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(values.shape[-2:]) == size:
        return values
    return interpolate(values, size, mode="bilinear", align_corners=False)
