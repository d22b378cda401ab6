"""A fused segmenter computes what its classifiers say of the features at each place, and files make no other network."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy.interpolate import RegularGridInterpolator
from timm.layers import Conv2dSame
from torch import nn

from false_core.errors import ModelFileError
from false_core.inference.folding import for_inference
from false_core.models.from_file import segmenter_from
from false_core.models.fused import CURVES, SPECTRUM, TEXTURE, FusedSegmenter, FusedSpec, Member, places_around
from false_core.models.header import MODEL_FORMAT, SEGMENTER
from false_core.models.model_file import ModelCard, read_card, save_model
from false_core.models.segmenter import class_probabilities
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.statistics import Normalisation

BANDS, CLASSES = 4, 3
MEMBERS = (
    Member(("encoder 0 at 1", "encoder 0 at 2", TEXTURE), 0.5),
    Member(("encoder 0 at 2",), 0.25),
    Member((TEXTURE,), 0.125),
    Member((SPECTRUM,), 0.0625),
    Member((CURVES,), 0.0625),
)


def segmenter(
    smoothing: float = 0.0,
    encoders: tuple[str, ...] = ("resnet10t",),
    members: tuple[Member, ...] = MEMBERS,
) -> FusedSegmenter:
    """Return a segmenter with random encoders and random classifiers."""
    torch.manual_seed(2)
    network = FusedSegmenter(FusedSpec(encoders, ((1, 2),) * len(encoders), members, smoothing), BANDS, CLASSES).eval()
    features = network.features
    features.random_features.draw(
        torch.full((features.statistics.channels,), 0.3),
        torch.ones(features.statistics.channels),
        torch.Generator().manual_seed(0),
    )
    for number, member in enumerate(members):
        channels = {part: sum(features.channels(part)) for part in member.parts}
        weights = {part: torch.randn(CLASSES, width) / width**0.5 for part, width in channels.items()}
        network.set_member(number, weights, torch.randn(CLASSES))
    return network


def pixels(height: int = 64, width: int = 128, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, BANDS, height, width, generator=torch.Generator().manual_seed(1))


def sampled(level: np.ndarray, x: float, y: float) -> np.ndarray:
    """Return the value of (channels, height, width) between the middles of its pixels, from 0 to 1 across it."""
    _, height, width = level.shape
    column, row = min(max(x * width - 0.5, 0), width - 1), min(max(y * height - 0.5, 0), height - 1)
    total = np.zeros(len(level))
    for r, of_row in ((math.floor(row), 1 - row % 1), (min(math.floor(row) + 1, height - 1), row % 1)):
        for c, of_column in ((math.floor(column), 1 - column % 1), (min(math.floor(column) + 1, width - 1), column % 1)):
            total += of_row * of_column * level[:, r, c]
    return total


def by_hand(network: FusedSegmenter, levels: Mapping[str, list[np.ndarray]], x: float, y: float) -> np.ndarray:
    """Return the fused scores at a place, from 0 to 1 across the image, of levels by part."""
    layer = network.features.random_features
    directions, offsets = layer.directions.double().numpy(), layer.offsets.double().numpy()
    of_curves = layer.offsets_of_values.double().numpy()
    features = {part: np.concatenate([sampled(level, x, y) for level in levels[part]]) for part in levels}
    features[TEXTURE] = np.maximum(features[TEXTURE] @ directions + offsets, 0)
    if CURVES in features:
        of_values = directions[:BANDS] * (len(directions) / BANDS) ** 0.5
        features[CURVES] = np.maximum(features[CURVES] @ of_values + of_curves, 0)
    total = np.zeros(CLASSES)
    rows = dict.fromkeys(levels, 0)
    for number, member in enumerate(network.spec.members):
        scores = network.bias[number].double().numpy().copy()
        for part in member.parts:
            weights = network.weights[part.replace(" ", "_")].double().numpy()
            scores += weights[rows[part] : rows[part] + CLASSES] @ features[part]
            rows[part] += CLASSES
        total += member.weight * (scores - np.log(np.exp(scores).sum()))
    return total


def test_scores_are_features_times_weights_at_each_place() -> None:
    """By another way: features are sampled first, and multiplied and fused place by place."""
    network, image = segmenter(), pixels()
    height, width = image.shape[-2:]
    with torch.inference_mode():
        found = network(image)[0].double().numpy()
        levels = {part: [x[0].double().numpy() for x in network.features.levels(image, part)] for part in network.spec.parts}
    chance = np.random.default_rng(0)
    for row, column in zip(chance.integers(0, height, 40), chance.integers(0, width, 40)):
        wanted = by_hand(network, levels, (column + 0.5) / width, (row + 0.5) / height)
        np.testing.assert_allclose(found[:, row, column], wanted, atol=2e-4)


@pytest.mark.thorough
def test_where_an_encoder_takes_part_scores_of_one_of_four_pixels_are_enlarged() -> None:
    """By another way: each place is the middle of four pixels, whose texture is averaged, and scipy enlarges."""
    network, image = segmenter(members=MEMBERS[:3]), pixels(64, 64)
    height, width = image.shape[-2:]
    with torch.inference_mode():
        found = network(image)[0].double().numpy()
        levels = {part: [x[0].double().numpy() for x in network.features.levels(image, part)] for part in network.spec.parts}
    (texture,) = levels[TEXTURE]
    levels[TEXTURE] = [texture.reshape(len(texture), height // 2, 2, width // 2, 2).mean(axis=(2, 4))]
    grid = np.zeros((CLASSES, height // 2, width // 2))
    for row in range(height // 2):
        for column in range(width // 2):
            grid[:, row, column] = by_hand(network, levels, (column + 0.5) / (width // 2), (row + 0.5) / (height // 2))
    ys, xs = (np.clip((np.arange(length) + 0.5) / 2 - 0.5, 0, length // 2 - 1) for length in (height, width))
    for number in range(CLASSES):
        wanted = RegularGridInterpolator((np.arange(height // 2), np.arange(width // 2)), grid[number])(
            np.stack(np.meshgrid(ys, xs, indexing="ij"), axis=-1)
        )
        np.testing.assert_allclose(found[number], wanted, atol=2e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("members", [MEMBERS, MEMBERS[:3], MEMBERS[2:3]], ids=["spectrum", "encoder", "texture"])
def test_scores_of_a_part_of_an_image_are_those_of_the_whole(members: tuple[Member, ...]) -> None:
    network, image = segmenter(members=members), pixels(192, 192)
    wanted = slice(67, 100), slice(75, 76)
    around = places_around(wanted, image.shape[-2:])
    with torch.inference_mode():
        features = dict(network.encoded(image))
        features[TEXTURE] = [level[(..., *around)] for level in network.features.levels(image, TEXTURE)]
        found = network.fused(image, features, wanted)
        torch.testing.assert_close(found, network(image)[(..., *wanted)], atol=1e-5, rtol=1e-5)


@pytest.mark.thorough
def test_a_transformer_that_lacks_a_level_gives_scores_of_the_others() -> None:
    network = segmenter(encoders=("pvt_v2_b0",))
    assert network.features.channels("encoder 0 at 1")[0] == 0
    with torch.inference_mode():
        probabilities = class_probabilities(network, pixels())
        folded = class_probabilities(for_inference(copy.deepcopy(network), BANDS), pixels())
    assert probabilities.shape == (1, CLASSES, 64, 128) and torch.allclose(folded, probabilities, atol=1e-3)
    assert torch.allclose(probabilities.sum(1), torch.ones(1, 64, 128), atol=1e-4)


def test_images_of_a_batch_do_not_touch_each_other() -> None:
    network, images = segmenter(), pixels(batch=2)
    with torch.inference_mode():
        torch.testing.assert_close(network(images)[1:], network(images[1:]), atol=1e-4, rtol=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_encoders_may_compute_in_half_precision(half: torch.dtype) -> None:
    """As they do on a GPU. Classifiers do not."""
    network, image = segmenter(smoothing=3.0), pixels()
    with torch.inference_mode():
        wanted = network(image)
        with torch.autocast("cpu", half):
            found = network(image)
    assert found.dtype == torch.float32
    assert float((found.softmax(dim=1) - wanted.softmax(dim=1)).abs().max()) < 0.05


@pytest.mark.thorough
@pytest.mark.parametrize("backbone", ["resnet10t", "tf_efficientnet_lite0"])
def test_scores_are_the_same_after_folding(backbone: str) -> None:
    network, image = segmenter(encoders=(backbone,)), pixels()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    folded = for_inference(network, BANDS)
    with torch.inference_mode():
        torch.testing.assert_close(folded(image), network(image), atol=1e-3, rtol=1e-3)
        ran: list[nn.Module] = []
        for module in folded.modules():
            if isinstance(module, nn.BatchNorm2d | Conv2dSame):
                module.register_forward_hook(lambda module, *_: ran.append(module))
        folded(image)
    assert not ran


@pytest.mark.thorough
@pytest.mark.parametrize("size", [(64, 64), (63, 65), (1, 1), (40, 131)])
@pytest.mark.parametrize("smoothing", [0.0, 5.0])
def test_probabilities_have_any_size_and_add_up_to_1(size: tuple[int, int], smoothing: float) -> None:
    with torch.inference_mode():
        found = class_probabilities(segmenter(smoothing=smoothing), pixels(*size))
    assert found.shape == (1, CLASSES, *size)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(1, *size), atol=1e-5, rtol=0)


@pytest.mark.thorough
def test_what_is_filled_up_does_not_reach_far() -> None:
    """An image whose sides are no multiples of the stride shows the same at its upper left as the whole it was cut from."""
    network, image = segmenter(), pixels(256, 256)
    with torch.inference_mode():
        whole, part = (class_probabilities(network, some)[..., :64, :64] for some in (image, image[..., :250, :250]))
    assert float((whole - part).abs().max()) < 0.05


def test_smoothing_averages_the_probabilities_of_classes_and_loses_none() -> None:
    image = pixels(128, 128)
    plain, smooth = segmenter(), segmenter(smoothing=6.0)
    with torch.inference_mode():
        before, after = (network(image).softmax(dim=1) for network in (plain, smooth))
    assert plain.state_dict().keys() == smooth.state_dict().keys()
    torch.testing.assert_close(after.mean(dim=(2, 3)), before.mean(dim=(2, 3)), atol=0.02, rtol=0)
    assert float(after.std(dim=(2, 3)).mean()) < 0.6 * float(before.std(dim=(2, 3)).mean())


def card(spec: FusedSpec) -> ModelCard:
    ones, zeros = (1.0,) * BANDS, (0.0,) * BANDS
    names = tuple(f"band {number}" for number in range(BANDS))
    classes = ClassTable(tuple(LandCoverClass(code, f"class {code}", "#123456") for code in range(1, CLASSES + 1)))
    normalisation = Normalisation(zeros, ones, zeros, ones)
    return ModelCard(
        SEGMENTER, "resnet10t", names, (1, 2, 3, 4), "uint8", normalisation, 1.0, 1.0, 128, head=spec, classes=classes
    )


def test_a_model_file_brings_back_the_same_network(tmp_path: Path) -> None:
    network, path = segmenter(smoothing=2.5), str(tmp_path / "model.safetensors")
    save_model(path, card(network.spec), network)
    read = read_card(path, SEGMENTER)
    assert read.head == network.spec
    again = segmenter_from(path, read)
    with torch.inference_mode():
        assert again(pixels()).equal(network(pixels()))
    assert again.stride == network.stride == 64


def test_curves_are_computed_for_the_pixels_that_are_wanted_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    network, image, seen = segmenter(encoders=(), members=MEMBERS[4:]), pixels(), []
    wanted = slice(32, 40), slice(96, 104)
    rows, columns = places_around(wanted, image.shape[-2:])
    forward = network.features.random_features.forward
    monkeypatch.setattr(network.features.random_features, "forward", lambda x: (seen.append(len(x)), forward(x))[1])
    with torch.inference_mode():
        network.fused(image, {}, wanted)
    assert sum(seen) == (rows.stop - rows.start) * (columns.stop - columns.start)


@pytest.mark.thorough
def test_a_file_from_before_curves_had_offsets_of_their_own_computes_what_it_did(tmp_path: Path) -> None:
    network, path = segmenter(), str(tmp_path / "model.safetensors")
    own = network.features.random_features.offsets_of_values
    own.copy_(network.features.random_features.offsets)
    save_model(path, card(network.spec), network)
    weights = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "pt") as file:
        header = file.metadata()
    del weights["features.random_features.offsets_of_values"]
    safetensors.torch.save_file(weights, path, header)
    again = segmenter_from(path, read_card(path, SEGMENTER))
    with torch.inference_mode():
        assert again(pixels()).equal(network(pixels()))


def test_a_spec_survives_json() -> None:
    zooms = ((1, 2), (2, 4))
    spec = FusedSpec(("resnet10t", "resnet18"), zooms, (Member(("encoder 1 at 4", SPECTRUM), 1.0),), 3.5)
    assert FusedSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert spec.parts == ("encoder 1 at 4", SPECTRUM) and spec.stride == 128


HOSTILE: dict[str, dict[str, Any]] = {
    "no members": {"members": []},
    "too many members": {"members": [{"parts": [SPECTRUM], "weight": 0.01}] * 33},
    "a member without parts": {"members": [{"parts": [], "weight": 1.0}]},
    "a part of an encoder that is not there": {"members": [{"parts": ["encoder 1 at 1"], "weight": 1.0}]},
    "a zoom that is not there": {"members": [{"parts": ["encoder 0 at 4"], "weight": 1.0}]},
    "a part of no name": {"members": [{"parts": ["eval"], "weight": 1.0}]},
    "no weight": {"members": [{"parts": [SPECTRUM], "weight": 0.0}]},
    "a weight below 0": {"members": [{"parts": [SPECTRUM], "weight": -1.0}]},
    "a weight that is no number": {"members": [{"parts": [SPECTRUM], "weight": "nan"}]},
    "a member that is a text": {"members": ["spectrum"]},
    "members that are a number": {"members": 3},
    "too many encoders": {"encoders": ["resnet10t"] * 5},
    "an encoder of another place": {"encoders": ["hf_hub:somebody/something"]},
    "an encoder that nobody knows": {"encoders": ["no_such_network"]},
    "a zoom of 0": {"zooms": [[0, 1, 2]]},
    "a zoom too far": {"zooms": [[1, 2, 1000]]},
    "the same zoom again and again": {"zooms": [[1, 2] * 8]},
    "a zoom that is no number": {"zooms": [[1, "twice"]]},
    "zooms of no encoder": {"zooms": [[1, 2]] * 2},
    "an encoder without zooms": {"zooms": []},
    "smoothing below 0": {"smoothing": -1.0},
    "smoothing without end": {"smoothing": "inf"},
    "smoothing that is no number": {"smoothing": "nan"},
    "nothing": {"members": None},
}


@pytest.mark.thorough
@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_file_with_a_hostile_head_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    network, path = segmenter(), tmp_path / "model.safetensors"
    save_model(str(path), card(network.spec), network)
    weights = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "pt") as file:
        body = json.loads(file.metadata()[MODEL_FORMAT])
    body["head"] |= change
    safetensors.torch.save_file(weights, path, {MODEL_FORMAT: json.dumps(body)})
    with pytest.raises(ModelFileError):
        segmenter_from(str(path), read_card(str(path), SEGMENTER))


def test_a_head_that_the_weights_do_not_fit_is_refused(tmp_path: Path) -> None:
    """Before there is memory for it."""
    network, path = segmenter(), str(tmp_path / "model.safetensors")
    other = copy.deepcopy(network.spec)
    save_model(path, card(FusedSpec(other.encoders, other.zooms, other.members[:1])), network)
    with pytest.raises(ModelFileError, match="do not fit its own description"):
        segmenter_from(path, read_card(path, SEGMENTER))
