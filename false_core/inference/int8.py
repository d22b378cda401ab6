"""Networks in int8: on a CPU they take a third of the time, and few pixels get another class.

The frozen encoders of a head, or encoder and decoder, are exported as ONNX and quantised for onnxruntime: weights channel by
channel, results of layers by the range that they have on the crops around its labels which a model keeps. What a head makes
of features stays as it was. So the model alone decides which network that is: strips of a map, its parts in other processes
and maps of other rasters come from the same one. It is quantised once and kept in the cache folder, under a digest of all
that decides it.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import false_core.computing.native_libraries  # noqa: F401  # Before onnxruntime is imported.
from false_core.computing.precision import has_instructions
from false_core.errors import DeviceError, FalseError, OutputError
from false_core.feedback import Feedback
from false_core.inference.folding import for_inference
from false_core.models.encoder import channels_of
from false_core.models.from_file import segmenter_from
from false_core.models.fused import FusedSegmenter, reduced
from false_core.models.header import SEGMENTER
from false_core.models.label_crops import UNLABELLED, LabelCrops
from false_core.models.missing_package import how_to_install
from false_core.models.model_file import read_card, read_crops
from false_core.models.onnx_file import export_network
from false_core.models.segmenter import InPrecision, class_probabilities, stride_of
from false_core.outputs.publish import make_own_folder
from false_core.raster.disk_cache import DiskCache
from false_core.settings import cache_folder, disk_cache_bytes

INT8_FORMAT = 1
"""The way in which networks are quantised. What was kept of another one is not found."""
INSTRUCTIONS_FOR_INT8 = ("avx512_vnni", "avx_vnni", "amx_int8")
"""Instructions of x86 that were built for int8, as PyTorch calls them."""
MOST_CHANGED = 0.1
"""The share of pixels around the labels that may get another class."""
MOST_KEPT = 1_000_000_000
"""Bytes of networks that are kept, unless the limit of the disk cache is lower."""


@dataclass(frozen=True)
class Agreement:
    """The classes that a network in int8 gives the crops around the labels of its model, beside those in float32.

    The model has learned from these labels, and the network in int8 is calibrated on the crops. So it compares the two, and
    says nothing of the accuracy of a map.

    Attributes:
        labelled: Number of labelled pixels.
        right: Share of them that get the class of their label in int8.
        right_in_float32: The same in float32.
        changed: Share of the pixels with data that get another class in int8 than in float32.
    """

    labelled: int
    right: float
    right_in_float32: float
    changed: float

    def told(self) -> str:
        """Return it in a sentence."""
        return (
            f"Of {self.labelled:,} labelled pixels that the model learned from and keeps, {100 * self.right:.1f} % are "
            f"right in int8 and {100 * self.right_in_float32:.1f} % in float32. That compares the two, and is not the "
            f"accuracy of the map. Of all pixels with data around them, {100 * self.changed:.1f} % get another class."
        )


@dataclass(frozen=True)
class Int8Segmenter:
    """A segmenter in int8 on the CPU, and how it agrees with the one in float32."""

    network: nn.Module
    agreement: Agreement


def int8_segmenter(model: str, feedback: Feedback | None = None) -> Int8Segmenter:
    """Return the segmenter of a model file in int8, made ready for inference.

    Jobs ask for it several times, and maps of many rasters again and again. So the last one is remembered, and so is why
    there is none.

    Args:
        feedback: The listener that is told of making it, and may cancel that.

    Raises:
        DeviceError: There is none, and why.
        ModelFileError: As ``segmenter_from`` does.
    """
    digest = hashlib.sha256(json.dumps(_decisive()).encode() + Path(model).read_bytes()).hexdigest()
    key = digest, torch.get_num_threads()
    if key not in _last:
        try:
            made: Int8Segmenter | DeviceError = _int8_segmenter(model, *key, feedback or Feedback())
        except DeviceError as error:
            made = DeviceError(error.what, error.remedy)
        _last.clear()
        _last[key] = made
    found = _last[key]
    if isinstance(found, DeviceError):
        raise DeviceError(found.what, found.remedy)
    return found


_last: dict[tuple[str, int], Int8Segmenter | DeviceError] = {}


def _int8_segmenter(model: str, digest: str, threads: int, feedback: Feedback) -> Int8Segmenter:
    card = read_card(model, SEGMENTER)
    if card.head and not card.head.encoders:
        raise DeviceError("The head of the model has no encoder that int8 would make faster.")
    crops = read_crops(model, card)
    if crops is None:
        raise DeviceError(
            "The model keeps no crops around its labels, as it is of an earlier version or has very many bands.",
            "Fine-tune it again.",
        )
    disk = _own_cache()
    exact: nn.Module = for_inference(segmenter_from(model, card), len(card.bands)).to(memory_format=torch.channels_last)
    try:
        network = _quantised(exact, crops, lambda part, make: _kept(disk, f"{digest}/{part}", make), threads, feedback)
        agreement = Agreement(**json.loads(_kept(disk, f"{digest}/agreement", lambda: _agreement(network, exact, crops))))
    except (FalseError, MemoryError):
        raise
    except Exception as error:
        raise DeviceError(f"The network of the model cannot be computed in int8 ({_first_line(error)}).") from error
    if agreement.changed > MOST_CHANGED:
        raise DeviceError(
            f"In int8, {100 * agreement.changed:.0f} % of the pixels around the labels of the model would get another class."
        )
    return Int8Segmenter(InPrecision(network, torch.int8), agreement)


def _quantised(
    exact: nn.Module,
    crops: LabelCrops,
    kept: Callable[[str, Callable[[], bytes]], bytes],
    threads: int,
    feedback: Feedback,
) -> nn.Module:
    """Return a network in int8 in the place of one that is exact, or of its encoders.

    Args:
        kept: Returns an ONNX file by its name, which is made where it is not kept.
    """
    pixels = _filled_up(crops.pixels.float(), stride_of(exact))
    if not isinstance(exact, FusedSegmenter):
        file = kept("segmenter", lambda: _onnx_in_int8(exact, ["scores"], [crop[None] for crop in pixels], feedback))
        return _OnnxSegmenter(_session(file, threads), stride_of(exact))
    network = copy.deepcopy(exact)
    parts = network.features
    for number, encoder in enumerate(exact.features.encoders):
        zooms = {parts.zoom_of(part) for part in exact.spec.parts if parts.encoder_of(part) == number}
        if zooms:
            inputs = [reduced(crop[None], zoom) for zoom in sorted(zooms) for crop in pixels]
            levels = _Levels(encoder)
            make = functools.partial(_onnx_in_int8, levels, levels.names, inputs, feedback)
            parts.encoders[number] = _OnnxEncoder(_session(kept(f"encoder_{number}", make), threads), levels.channels)
    return network


class _Levels(nn.Module):
    """The levels of an encoder that hold something, without the input."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.channels = encoder, channels_of(encoder)
        self.names = [f"level_{level}" for level, width in enumerate(self.channels) if level and width]

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return them, finest first."""
        levels: list[Tensor] = self.encoder(pixels)
        return tuple(level for level, width in zip(levels[1:], self.channels[1:]) if width)


class _OnnxEncoder(nn.Module):
    """An encoder that onnxruntime computes. It gives what ``build_encoder`` says."""

    def __init__(self, session: Any, channels: Sequence[int]) -> None:
        super().__init__()
        self._session, self.out_channels = session, list(channels)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return the input itself and its levels."""
        computed = iter(_computed(self._session, pixels))
        # Transformers have no features at stride 2.
        return [pixels, *(next(computed) if width else pixels[:, :0] for width in self.out_channels[1:])]


class _OnnxSegmenter(nn.Module):
    """A segmenter that onnxruntime computes."""

    def __init__(self, session: Any, stride: int) -> None:
        super().__init__()
        self._session, self.stride = session, stride

    def forward(self, pixels: Tensor) -> Tensor:
        """Return scores before softmax."""
        return _computed(self._session, pixels)[0]


def _computed(session: Any, pixels: Tensor) -> list[Tensor]:
    return [torch.from_numpy(result) for result in session.run(None, {"input": pixels.float().contiguous().numpy()})]


def _onnx_in_int8(network: nn.Module, outputs: Sequence[str], inputs: Sequence[Tensor], feedback: Feedback) -> bytes:
    """Return an ONNX file of a network in int8.

    Args:
        inputs: Inputs on which the ranges of its results are found.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Inputs(quantization.CalibrationDataReader):  # type: ignore[misc]
        """The inputs, one after the other."""

        def __init__(self) -> None:
            self._left = iter(inputs)

        def get_next(self) -> dict[str, Any] | None:
            """Return the next one by its name, None after the last."""
            feedback.stop_if_cancelled()
            return next(({"input": pixels.contiguous().numpy()} for pixels in self._left), None)

    feedback.info("The network is converted to int8, once for this model.")
    feedback.stop_if_cancelled()
    with tempfile.TemporaryDirectory() as folder:
        exact, ready, quantised = (Path(folder) / f"{name}.onnx" for name in ("exact", "ready", "quantised"))
        export_network(network.eval(), inputs[0], str(exact), outputs, of_any_size=True)
        quant_pre_process(str(exact), str(ready), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(ready),
            str(quantised),
            Inputs(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return quantised.read_bytes()


def _session(file: bytes, threads: int) -> Any:
    """Return what computes an ONNX file, with so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # They wait for the next tile beside PyTorch's, which want the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without instructions for them, sums of products of 8 bits overflow on x86, unless they are computed more slowly.
    options.add_session_config_entry("session.x64quantprecision", "0" if has_instructions(INSTRUCTIONS_FOR_INT8) else "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _agreement(network: nn.Module, exact: nn.Module, crops: LabelCrops) -> bytes:
    """Return the fields of an ``Agreement`` as JSON."""
    labelled = right = right_in_float32 = with_data = changed = 0
    for pixels, targets in zip(crops.pixels.float(), crops.targets):
        short, long = (
            class_probabilities(InPrecision(one, numbers), pixels[None])[0].argmax(dim=0)
            for one, numbers in ((network, torch.int8), (exact, torch.float32))
        )
        known = targets != UNLABELLED
        labelled += int(known.sum())
        right += int((short == targets)[known].sum())
        right_in_float32 += int((long == targets)[known].sum())
        valid = (pixels != 0).any(dim=0)  # Nodata is 0 after normalisation.
        with_data += int(valid.sum())
        changed += int((short != long)[valid].sum())
    counted = max(1, labelled)
    agreement = Agreement(labelled, right / counted, right_in_float32 / counted, changed / max(1, with_data))
    return json.dumps(asdict(agreement)).encode()


def _filled_up(pixels: Tensor, stride: int) -> Tensor:
    """Return crops whose sides are multiples of a stride, as ``class_probabilities`` makes them."""
    return nn.functional.pad(pixels, (0, -pixels.shape[-1] % stride, 0, -pixels.shape[-2] % stride))


def _own_cache() -> DiskCache | None:
    """Return where networks are kept: a folder of this user alone. None where nothing is to be kept, or it is another's."""
    folder, limit = cache_folder() / "int8", min(disk_cache_bytes(), MOST_KEPT)
    if not limit:
        return None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_own_folder(folder)
        folder.chmod(0o700)
    except (OSError, OutputError):
        return None
    return DiskCache(folder, limit)


def _kept(disk: DiskCache | None, what: str, make: Callable[[], bytes]) -> bytes:
    """Return what is kept under a name, or make and keep it."""
    key = hashlib.sha256(what.encode()).hexdigest()
    content = disk.get(key) if disk else None
    if content is None:
        content = make()
        if disk:
            disk.put(key, content)
    return content


def int8_version() -> int:
    """Return a number of all that decides, beside a model, which network in int8 is made of it. Raises as ``_decisive``."""
    return int(hashlib.sha256(json.dumps(_decisive()).encode()).hexdigest()[:12], 16)


def _decisive() -> list[Any]:
    """Return all that decides, beside a model, which network in int8 is made of it.

    Raises:
        DeviceError: A package for that is missing, or cannot be loaded.
    """
    try:
        import onnx
        import onnxruntime
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name in ("onnx", "onnxruntime"):
            raise DeviceError(
                f"Maps in int8 take the package {error.name}, which is not installed in the compute environment.",
                how_to_install(error.name),
            ) from error
        raise DeviceError(f"The packages for maps in int8 cannot be loaded ({_first_line(error)}).") from error
    return [INT8_FORMAT, onnx.__version__, onnxruntime.__version__, str(torch.__version__)]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0]
