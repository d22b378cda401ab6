"""Features of a raster on disk: computed once, at all the pixels that an experiment asks for, so that a head costs seconds.

A folder holds what was seen of one raster with one seed. In it, a file for each part and each time that pixels were asked
for holds their positions and features, in half precision. What a part is called there names the encoder by its weights, so
that encoders which several cells share are looked through once.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import safetensors.torch
from torch import Tensor

from false_core.models import encoder, fused, texture
from false_core.models.fused import FeatureParts
from false_core.outputs.publish import published
from false_core.raster.source import RasterSource
from false_core.training.heads import samples
from false_core.training.heads.samples import FeatureSampler, FloatArray, LabelledPoints

HalfArray = npt.NDArray[np.float16]
_LARGEST = float(np.finfo(np.float16).max)
_FINEST = 2
"""Steps per pixel of the file, along each axis, in which positions are told apart."""
_STATE, _SAMPLE = "state.safetensors", "sample.safetensors"


@dataclass
class KeptFeatures:
    """A source of features that computes those alone which are not on disk.

    Attributes:
        sampler: Sampler that computes them.
        folder: Folder that they are kept in.
        names: Parts to compute together with those that the sampler is for, as other cells will ask for them.
        ahead: Returns positions in working pixels of a raster, of shape (n, 2), to look at together with those asked for.
        marks: Mark of each part, which tells it from the same part of other encoders.
        together: Mark of all encoders together, which tells them from others.
    """

    sampler: FeatureSampler
    folder: Path
    names: tuple[str, ...]
    ahead: Callable[[RasterSource], npt.NDArray[np.float64]]
    marks: dict[str, str] = field(default_factory=dict)
    together: str = ""
    _seed_folder: Path | None = None

    def __post_init__(self) -> None:
        self.names = tuple(dict.fromkeys((*self.sampler.names, *self.names)))
        if not self.marks:
            weights = [digest_of_weights(network.state_dict()) for network in self.sampler.parts.encoders]
            self.marks = _marks(self.sampler.parts, self.names, weights)
            told = json.dumps([weights, self.sampler.parts.zooms])
            self.together = hashlib.sha256(told.encode()).hexdigest()[:16]

    def adapt_to_raster(self, seed: int) -> dict[str, FloatArray]:
        """Show the batch norms of the encoders the raster, and return features of random pixels by part."""
        self._seed_folder = folder = self.folder / f"{_mark_of_raster(self.sampler)}-seed{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        state, parts = folder / f"{self.together}.{_STATE}", self.sampler.parts
        files = {name: folder / f"{self.marks[name]}.{_SAMPLE}" for name in self.names}
        if state.is_file() and all(files[name].is_file() for name in self.sampler.names):
            parts.load_state_dict(safetensors.torch.load_file(state))
        else:
            missing = tuple(name for name in self.names if not files[name].is_file())
            for name, values in replace(self.sampler, names=missing).adapt_to_raster(seed).items():
                _write(files[name], {"features": _half(values)})
            tensors = {name: tensor.cpu().contiguous() for name, tensor in parts.state_dict().items()}
            with published(state) as (partial,):
                safetensors.torch.save_file(tensors, partial)
        found = {name: safetensors.numpy.load_file(files[name])["features"] for name in self.sampler.names}
        return {name: values.astype(np.float32) for name, values in found.items()}

    def at(self, points: LabelledPoints) -> tuple[dict[str, FloatArray], LabelledPoints]:
        """Return the features of points by part, and those of the points that are valid."""
        wanted = self._keys(points.positions)
        kept = {name: _KeptPart.read(files) for name, files in self._files().items()}
        if any(len(kept[name].lacking(wanted)) for name in self.sampler.names):
            self._look_at(points.positions, kept)
            kept = {name: _KeptPart.read(files) for name, files in self._files().items()}
        rows = {name: kept[name].rows_of(wanted) for name in self.sampler.names}
        valid = np.all([own >= 0 for own in rows.values()], axis=0)
        features = {name: kept[name].features[own[valid]].astype(np.float32) for name, own in rows.items()}
        return features, points.subset(valid)

    def on(self, source: RasterSource, ahead: npt.NDArray[np.float64]) -> KeptFeatures:
        """Return the features of another raster, as encoders see it that got used to this one."""
        assert self._seed_folder is not None
        folder = self._seed_folder / f"on {_mark_of_raster(replace(self.sampler, source=source))}"
        folder.mkdir(exist_ok=True)
        sampler = replace(self.sampler, source=source)
        return KeptFeatures(sampler, self.folder, self.names, lambda _: ahead, self.marks, self.together, folder)

    def _look_at(self, positions: npt.NDArray[np.float64], kept: dict[str, _KeptPart]) -> None:
        """Compute what is missing of some positions, and of those that others will ask for, and keep it."""
        assert self._seed_folder is not None
        every = np.concatenate([positions, self.ahead(self.sampler.source)])
        keys, first = np.unique(self._keys(every), return_index=True)
        missing = {name: kept[name].lacking(keys) for name in kept}
        names = tuple(name for name, lacking in missing.items() if len(lacking))
        lacking = np.unique(np.concatenate([missing[name] for name in names]))
        chosen = first[np.searchsorted(keys, lacking)]
        asked = LabelledPoints(every[chosen], np.arange(len(chosen)), np.zeros(len(chosen), np.int64))
        self.sampler.parts.to(self.sampler.device)
        found, seen = replace(self.sampler, names=names).at(asked)
        rows = np.full(len(lacking), -1, np.int64)
        rows[seen.owners] = np.arange(len(seen.owners))
        for name in names:
            number = len(self._files()[name])
            values = found.get(name, np.zeros((0, 1), np.float32))
            _write(
                self._seed_folder / f"{self.marks[name]}.{number}.safetensors",
                {"keys": lacking, "rows": rows, "features": _half(values)},
            )

    def _files(self) -> dict[str, list[Path]]:
        assert self._seed_folder is not None
        folder = self._seed_folder
        found = {}
        for name in self.names:
            files = folder.glob(f"{self.marks[name]}.[0-9]*.safetensors")
            found[name] = sorted(files, key=lambda file: int(file.suffixes[0][1:]))
        return found

    def _keys(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return a number for each position (n, 2) in working pixels."""
        steps = np.rint(positions * self.sampler.source.factor * _FINEST).astype(np.int64)
        keys: npt.NDArray[np.int64] = (steps[:, 1] << 32) + steps[:, 0]
        return keys


@dataclass(frozen=True)
class _KeptPart:
    """The features of one part that are kept.

    Attributes:
        keys: Numbers of positions, rising, of shape (n,).
        rows: Row of the features of each position; -1 where the raster has no data.
        features: Array of shape (valid positions, channels).
    """

    keys: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    features: HalfArray

    @classmethod
    def read(cls, files: list[Path]) -> _KeptPart:
        """Read the files of a part."""
        bodies = [safetensors.numpy.load_file(file) for file in files]
        if not bodies:
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0), np.float16))
        before = np.cumsum([0, *(len(body["features"]) for body in bodies)])
        keys = np.concatenate([body["keys"] for body in bodies])
        rows = np.concatenate([np.where(body["rows"] < 0, -1, body["rows"] + n) for body, n in zip(bodies, before)])
        keys, first = np.unique(keys, return_index=True)
        # Where all positions asked for at a time are without data there are no features, of no known number of channels.
        features = [body["features"] for body in bodies if len(body["features"])] or [bodies[0]["features"]]
        return cls(keys, rows[first], np.concatenate(features))

    def lacking(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return those of some positions that are not kept."""
        return np.setdiff1d(keys, self.keys)

    def rows_of(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the rows of positions that are kept."""
        return self.rows[np.searchsorted(self.keys, keys)]


def _half(values: FloatArray) -> HalfArray:
    half: HalfArray = np.clip(values, -_LARGEST, _LARGEST).astype(np.float16)
    return half


def _write(file: Path, tensors: dict[str, npt.NDArray[np.generic]]) -> None:
    with published(file) as (partial,):
        safetensors.numpy.save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, partial)


def _marks(parts: FeatureParts, names: tuple[str, ...], weights: list[str]) -> dict[str, str]:
    """Return for each part what decides its features, but for the raster and the seed."""
    marks = {}
    for name in names:
        number = parts.encoder_of(name)
        seen = ["" if number is None else weights[number], str(None if number is None else parts.zooms[number])]
        told = json.dumps([*seen, name.replace(f"encoder {number} ", ""), parts.channels(name)])
        marks[name] = hashlib.sha256(told.encode()).hexdigest()[:16]
    return marks


def digest_of_weights(weights: dict[str, Tensor]) -> str:
    """Return a digest of weights by their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def mark_of_code() -> str:
    """Return what tells the code that makes features from other versions of it."""
    sources = "".join(inspect.getsource(module) for module in (encoder, fused, samples, texture))
    return hashlib.sha256(sources.encode()).hexdigest()


def _mark_of_raster(sampler: FeatureSampler) -> str:
    source, file = sampler.source, Path(sampler.source.path)
    what = [file.stat().st_size, source.width, source.height, source.factor, source.bands]
    told = json.dumps([mark_of_code(), os.path.basename(file), *what, sampler.normalisation.to_dict()], default=str)
    return f"{file.stem}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
