"""What is fuzzed: everything that reads what a stranger may have written. Only the declared errors may come out."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import json
import os
import random
import re
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grammar

GRAMMAR = b"\x01"
"""What an input begins with whose bytes are choices of ``grammar``."""
FOLDER = Path(tempfile.mkdtemp(prefix="false-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
"""In memory where the system has such a place: a million files are written."""
LONGEST_MESSAGE = 5_000
TIDY_EVERY = 1000
"""Inputs. A table that was read is held by a circle of references."""
MOST_FEATURES = 10_000
"""Of an input. Memory is set aside for as many each time: for the two million that labels may have that takes longest."""
LABEL_SUFFIXES = (".geojson", ".gpkg", ".shp", ".csv", ".kml", ".fgb", ".gml", ".json", ".dxf", ".vrt")
"""What a file of labels is called. The first byte of an input chooses."""


@dataclasses.dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        run: Hands it an input. Returns where the input was read or refused as declared; raises anything else.
        seeds: Gives inputs to start from.
        longest: Bytes of an input.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    longest: int

    def words(self) -> list[str]:
        """Return what occurs in the inputs, for the fuzzer to put together: all that is quoted in the seeds."""
        found = {word for seed in self.seeds() for word in re.findall(rb'"([\w.-]{2,40})"', seed)}
        return sorted(word.decode("ascii") for word in found if word.isascii())


def targets() -> dict[str, Target]:
    """Return the targets by name. What they read with is imported here, so that atheris can watch the imports."""
    return {
        "job": Target(_job(), _jobs, 4096),
        "event": Target(_event(), _events, 4096),
        "request": Target(_request(), _requests, 4096),
        "model": Target(_model(), _models, 8192),
        "labels": Target(_labels(), _label_files, 16384),
    }


def _check(error: Exception) -> None:
    """A declared error must be one that can be read."""
    assert len(str(error)) < LONGEST_MESSAGE
    assert "\x1b" not in str(error)


def _job() -> Callable[[bytes], None]:
    from false_core import jobs
    from false_core.errors import RequestError

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        try:
            job = jobs.from_json(text)
        except RequestError as error:
            _check(error)
            return
        # What was understood is a job: it can be sent on, and is the same again.
        assert jobs.from_json(jobs.to_json(job)) == job
        jobs.outputs(job)

    return run


def _event() -> Callable[[bytes], None]:
    from false_core import events
    from false_core.line_protocol import ProtocolError

    def run(data: bytes) -> None:
        try:
            event = events.decode(data.decode("utf-8", "surrogateescape"))
        except ProtocolError:
            return
        line = events.encode(event)
        # Compared as text: a metric may be NaN, which is not even itself.
        assert repr(events.decode(line)) == repr(event) or "inf" in repr(event) or "1e" in line

    return run


def _network() -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1))


def _model() -> Callable[[bytes], None]:
    import torch

    from false_core.errors import ModelFileError
    from false_core.models.header import MODEL_FORMAT
    from false_core.models.model_file import is_model_file, load_weights, read_card
    from false_core.models.model_report import model_sections
    from false_core.models.record import read_record

    torch.set_num_threads(1)
    path, network = FOLDER / "model.safetensors", _network()
    good = [(json.loads(content[: content.index(b"\0")]), content) for content in _models() if content.startswith(b"{")]

    def run(data: bytes) -> None:
        if data[:1] == GRAMMAR:
            known, content = good[len(data) % len(good)]
            data = grammar.header(grammar.Choices(data[1:]), known, MODEL_FORMAT) + content[content.index(b"\0") :]
        path.write_bytes(_with_length(data))
        is_model_file(str(path))
        for read in (_read_and_describe, lambda: load_weights(str(path), network)):
            try:
                read()
            except ModelFileError as error:
                _check(error)

    def _read_and_describe() -> None:
        card = read_card(str(path))
        model_sections(card)
        read_record(card, str(path))

    return run


def _with_length(data: bytes) -> bytes:
    """Return a file whose first 8 bytes say the length of the header, as they must, where the input begins with a brace.

    Fuzzing would spend nearly all of its time on guessing them. An input that does not begin so is taken as it is.
    """
    if not data.startswith(b"{"):
        return data
    header, _, weights = data.partition(b"\0")
    return struct.pack("<Q", len(header)) + header + weights


def _labels() -> Callable[[bytes], None]:
    import warnings

    import pyogrio

    from false_core.errors import InputError
    from false_core.feedback import Feedback
    from false_core.labels import label_file
    from false_core.labels.reading import read_annotation
    from false_core.raster.classes import read_legend
    from false_core.raster.source import RasterSource, Window

    warnings.simplefilter("ignore")
    label_file.MOST_FEATURES = MOST_FEATURES
    # A file must not have GDAL ask the network, and files that are no labels need not be tried as such.
    pyogrio.set_gdal_config_options({"GDAL_HTTP_TIMEOUT": "1", "GDAL_HTTP_CONNECTTIMEOUT": "1", "CPL_LOG": "/dev/null"})
    source, feedback = RasterSource(_raster()), Feedback(lambda event: None)
    legend, good = FOLDER / "legend.json", FOLDER / "good.gpkg"
    _write_good_labels(good)

    def _look_at_raster(data: bytes) -> None:
        """Look through what a VRT of rasters leads to, and read it where that is nothing that is refused."""
        path = FOLDER / "parts.vrt"
        path.write_text(grammar.raster_vrt(grammar.Choices(data), ("raster.tif", "parts.vrt", "nowhere.tif", "good.gpkg")))
        try:
            RasterSource(str(path)).read(Window(0, 0, 8, 8))
        except InputError as error:
            _check(error)

    count = itertools.count(1)
    # Looking through all that was imported, again and again, took three quarters of the time.
    gc.collect()
    gc.freeze()

    def run(data: bytes) -> None:
        # Python looks for such circles when many objects are there, however much memory they hold: that came to gigabytes.
        if next(count) % TIDY_EVERY == 0:
            gc.collect()
        if not data:
            return
        if data[0] >= 0xF0:
            legend.write_bytes(data[1:])
            try:
                read_legend(str(legend))
            except InputError as error:
                _check(error)
            return
        if data[0] >= 0xE0:
            _look_at_raster(data[1:])
            return
        path = FOLDER / f"labels{LABEL_SUFFIXES[data[0] % len(LABEL_SUFFIXES)]}"
        choices = grammar.Choices(data[1:])
        if data[0] >= 0xD0:
            path = path.with_suffix(".vrt")
            path.write_text(grammar.layer_vrt(choices, ("labels.csv", "good.gpkg", "labels.vrt", "nowhere.gpkg")))
        elif data[0] >= 0xC0:
            path = path.with_suffix(".gpkg")
            grammar.geopackage(choices, path, good)
        else:
            path.write_bytes(data[1:])
        try:
            read_annotation(str(path), "cover", source, [], feedback)
        except InputError as error:
            _check(error)
        finally:
            for left in FOLDER.glob("labels.*"):
                left.unlink()

    return run


def _write_good_labels(path: Path) -> None:
    import geopandas
    import shapely

    shapes = [shapely.box(500_005, 5_599_950, 500_015, 5_599_960), shapely.box(500_020, 5_599_950, 500_030, 5_599_960)]
    table = geopandas.GeoDataFrame({"cover": ["a", "b"]}, geometry=shapes, crs="EPSG:32633")
    table.to_file(path, driver="GPKG", layer="labels", engine="pyogrio")


def _raster() -> str:
    import numpy as np
    import rasterio

    path = str(FOLDER / "raster.tif")
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(1.0, 0.0, 500_000.0, 0.0, -1.0, 5_600_000.0)}
    with rasterio.open(path, "w", driver="GTiff", width=64, height=64, count=1, dtype="uint8", **place) as file:
        file.write(np.ones((1, 64, 64), np.uint8))
    return path


# Inputs to start from.


def _jobs() -> Iterator[bytes]:
    from false_core import jobs

    generator = random.Random(0)
    for name, kind in jobs.JOBS.items():
        declared = jobs.parameters(kind)
        for _ in range(8):
            body: dict[str, Any] = {"job": name}
            for field in dataclasses.fields(kind):
                if field.default is dataclasses.MISSING or generator.random() < 0.6:
                    body[field.name] = _value(declared[field.name], generator)
            yield json.dumps(body).encode()


def _value(parameter: Any, generator: random.Random) -> Any:
    from false_core import jobs

    if parameter.choices and generator.random() < 0.8:
        return generator.choice(parameter.choices)
    examples: dict[str, list[Any]] = {
        jobs.RASTERS: [["a.tif"], ["a.tif", "b.vrt"], []],
        jobs.BANDS: [[1], [3, 2, 1], [0]],
        jobs.EXTENT: ["0,1,0,1", "1,2,3,4 [EPSG:4326]", "2,1,0,1"],
        jobs.INTEGER: [0, 1, 50, 2**31, -1],
        jobs.NUMBER: [0, 0.5, 1e300, -1.5],
        jobs.NUMBER_OR_WORD: ["adaptive", 0.5],
        jobs.FLAG: [True, False, None],
    }
    return generator.choice(examples.get(parameter.kind, ["a.tif", "ü/地図.gpkg|layername=x", "", None]))


def _request() -> Callable[[bytes], None]:
    from false_core.line_protocol import ProtocolError
    from false_core.session_protocol import ANSWERS, REQUESTS, Picture, pixels_of

    def run(data: bytes) -> None:
        for words in (REQUESTS, ANSWERS):
            try:
                message = words.decode(data.decode("utf-8", "surrogateescape"))
                if isinstance(message, Picture):
                    pixels_of(message)
            except ProtocolError:
                continue
            assert words.decode(words.encode(message)) == message or "inf" in repr(message)

    return run


def _requests() -> Iterator[bytes]:
    from false_core.session_protocol import (
        ANSWERS,
        REQUESTS,
        ChangeLabels,
        ClassEntry,
        Label,
        Open,
        Picture,
        SetClasses,
        View,
        Withdraw,
        Withdrawn,
        packed,
    )

    yield REQUESTS.encode(Open(1, "land.tif", bands=(1, 2, 3))).encode()
    yield REQUESTS.encode(SetClasses(2, (ClassEntry(1, "water", "#0000ff"),))).encode()
    yield REQUESTS.encode(ChangeLabels(3, (Label(1, 2, "0101000000000000000000f03f000000000000f03f"),), (4,))).encode()
    yield REQUESTS.encode(View(4, (0.0, 1.0, 0.0, 1.0), 10, 10)).encode()
    yield REQUESTS.encode(Withdraw(5, 4)).encode()
    yield ANSWERS.encode(Withdrawn(5, True)).encode()
    yield ANSWERS.encode(Picture(4, 3, (0.0, 1.0, 0.0, 1.0), 2, 2, "classes", 1.0, packed(b"1234"))).encode()


def _events() -> Iterator[bytes]:
    from false_core.events import Artifact, Failed, Finished, Message, Metric, Progress, Started, encode

    for event in (
        Started("pretrain", "0.1.0", 1),
        Progress(0.5, "Training", 12.5, "3 crops/s"),
        Progress(1.0, "Writing"),
        Metric(3, "loss", 1e-9),
        Message("warning", "Ü \u202e"),
        Artifact("report", "r.html"),
        Finished({"oa": 0.5, "maps": [1, {"a": None}]}),
        Failed("what", "remedy", "bug", "Traceback\n"),
    ):
        yield encode(event).encode()


def _models() -> Iterator[bytes]:
    from false_core.models.header import ENCODER, SEGMENTER
    from false_core.models.model_file import ModelCard, save_model
    from false_core.raster.classes import ClassTable, LandCoverClass
    from false_core.raster.statistics import Normalisation

    one = Normalisation((0.0,), (1.0,), (0.5,), (0.25,))
    made_by = {"job": {"job": "pretrain", "rasters": ["~/a.tif"]}, "inputs": {"~/a.tif": "0a"}, "made_with": {"torch": "2"}}
    common: dict[str, Any] = {"bands": ("red",), "band_numbers": (1,), "dtype": "uint8", "normalisation": one}
    common.update(pixel_size=0.5, ground_sample_distance=0.5, patch_size=64, method={"name": "false", "steps": 2})
    classes = ClassTable((LandCoverClass(1, "forest", "#1b7837"), LandCoverClass(2, "Wasser", "#2b7bba")))
    encoder = {"rasters": ["a.tif"], "loss": 0.5, "made_by": made_by}
    told = {"labels": {"1": [2, 30]}, "scores": {"oa": 0.5}, "encoder": encoder, "pretraining": {"name": "false"}}
    path = FOLDER / "seed.safetensors"
    for card in (
        ModelCard(kind=ENCODER, encoder="resnet10t", provenance=encoder, **common),
        ModelCard(
            kind=SEGMENTER, encoder="resnet10t", decoder="segformer", classes=classes,
            provenance={**told, "made_by": made_by}, **common,
        ),
    ):  # fmt: skip
        save_model(str(path), card, _network())
        content = path.read_bytes()
        length = struct.unpack("<Q", content[:8])[0]
        yield content[8 : 8 + length].rstrip() + b"\0" + content[8 + length :]
        yield content
        yield from (GRAMMAR + random.Random(seed).randbytes(40) for seed in range(20))


def _label_files() -> Iterator[bytes]:
    import geopandas
    import shapely

    shapes = [shapely.box(500_005, 5_599_950, 500_015, 5_599_960), shapely.Point(500_030, 5_599_970)]
    lines = [shapely.LineString([(500_001, 5_599_999), (500_050, 5_599_950)]), shapes[0]]
    for geometries, values in ((shapes, ["a", "b"]), (lines, [1, 2]), (shapes[:1] * 2, [1.5, None])):
        table = geopandas.GeoDataFrame({"cover": values}, geometry=geometries, crs="EPSG:32633")
        for number, (suffix, driver) in enumerate(
            ((".geojson", "GeoJSON"), (".gpkg", "GPKG"), (".shp", "ESRI Shapefile"), (".csv", "CSV"), (".kml", "KML"))
        ):
            path = FOLDER / f"seed{suffix}"
            try:
                table.to_file(path, driver=driver, engine="pyogrio")
            except Exception as error:  # noqa: BLE001 - a format that does not hold these shapes is no seed.
                print(f"No seed as {driver}: {str(error)[:80]}")
                continue
            if suffix == ".gpkg":
                with sqlite3.connect(path) as database:
                    database.execute("PRAGMA page_size = 512")
                    database.execute("VACUUM")
            yield bytes([number]) + path.read_bytes()[:16000]
            path.unlink()
    yield bytes([9]) + (
        b"<OGRVRTDataSource><OGRVRTLayer name='a'><SrcDataSource>labels.csv</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )
    for kind in (0xC0, 0xD0, 0xE0):
        yield from (bytes([kind]) + random.Random(seed).randbytes(60) for seed in range(20))
    yield b"\xf0" + json.dumps([{"value": 1, "name": "Forest", "color": "#1b7837"}]).encode()
