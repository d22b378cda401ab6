"""The configuration of an experiment, read from a TOML file."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from false_core import jobs
from false_core.errors import InputError, RequestError
from false_core.raster.classes import ClassTable, default_colour
from false_core.untrusted import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCENE, TILES_ALONE, TILES_LEFT_OUT, PATCHES = "scene", "tiles_alone", "tiles_left_out", "patches"
PROTOCOLS = (SCENE, TILES_ALONE, TILES_LEFT_OUT, PATCHES)
SCORE_PIXELS, SCORE_MAP = "pixels", "map"
"""The pixels that are scored: random pixels, at which alone a model is asked, or a whole map."""
PAIR, POTSDAM, DEEPGLOBE = "pair", "potsdam", "deepglobe"
SUPERVISED = "supervised"
"""Fine-tuning without pretraining: with the general encoder, or with none."""
NO_CLASSES = ClassTable(())
WITH_FNCC = "+fncc"
"""Ending of the name of a method that finds false negatives and calibrates them, as FALSE does."""
COORDINATES, FOREST, VALUES = "coordinates", "forest", "values"
BASELINES = (COORDINATES, FOREST, VALUES)
"""Baselines beside figures: the place alone, without the image; trees on texture; trees on the values of a pixel."""
RUN_METHODS = (*jobs.METHODS, *(f"{method}{WITH_FNCC}" for method in jobs.CALIBRATED), SUPERVISED)
SCORED_PIXELS = 20_000
"""An overall accuracy of 0.8 is told to 0.003 by as many."""

_SET_BY_THE_GRID = {
    jobs.Pretrain: (
        *("rasters", "encoder", "preset", "method", "seed", "device"),
        *("confidence", "false_negatives", "backbone", "weights", "report"),
    ),
    jobs.Finetune: (
        *("raster", "labels", "field", "model", "encoder"),
        *("preset", "seed", "device", "freeze", "head", "backbone", "weights", "legend", "report"),
    ),
}


@dataclass(frozen=True)
class RasterPair:
    """A raster and its truth: a raster of class codes on the same pixels."""

    name: str
    image: Path
    truth: Path


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset as the config names it.

    Attributes:
        name: Its name in tables and file names.
        kind: ``"pair"``, ``"potsdam"`` or ``"deepglobe"``.
        pair: Raster of a pair that is learned from.
        transfer: Further rasters of a pair, which are only mapped and scored.
        folder: Folder of a dataset of another kind, as it was distributed.
        images, truths: Folders of Potsdam to use. Empty: the usual ones.
        pad: Side of the patches that images of Potsdam are filled up to with black, which is then a class of its own, as
            published; 0: they stay as they are.
        train, test: Names of images of a dataset of another kind than a pair. Empty: the published split, or a seeded one.
        test_share: Share of the tiles of DeepGlobe that is kept for the test, where ``test`` is empty.
        labels, field: Label layer and class field of the scene. Without one, polygons are drawn.
        label_share: Share of the area that such polygons cover.
        parts: Layer of polygons that part the scene.
        parts_across, parts_down: Number of equal rectangles that part it instead.
        classes: Codes, names and colours. Empty: the kind's own, or the codes in the truth.
        as_written: The dataset as JSON, with paths as in the config. Part of the name of every result.
    """

    name: str
    kind: str
    pair: RasterPair | None = None
    transfer: tuple[RasterPair, ...] = ()
    folder: Path | None = None
    images: str = ""
    truths: str = ""
    pad: int = 0
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    test_share: float = 0.2
    labels: str = ""
    field: str = ""
    label_share: float = 0.01
    parts: str = ""
    parts_across: int = 1
    parts_down: int = 1
    classes: ClassTable = NO_CLASSES
    as_written: str = ""


@dataclass(frozen=True)
class Experiment:
    """A whole experiment.

    Attributes:
        name: Its title.
        output: Folder for everything it writes.
        encoders: Folder for the encoders, where it is not in ``output``. Experiments that name the same one share those
            that are alike.
        protocols: ``"scene"``: one raster, some label polygons, the rest of it scored, as in QGIS. ``"tiles_alone"``: each
            part of the raster learns from its own labels and is scored on itself. ``"tiles_left_out"``: each part is scored
            with the labels of all others. ``"patches"``: images cut in patches, a share of them labelled, other images
            scored, as published; it stands alone.
        datasets: Datasets that it runs on.
        methods: Names from ``RUN_METHODS``.
        backbones: Names in timm; None: the preset's.
        weights: Weights that encoders start from, as the parameter of pretraining says it; None: the preset's.
        heads: Names from ``jobs.HEADS``.
        baselines: Names from ``BASELINES``.
        confidences: Confidence weights of FALSE: numbers from 0 to 1, or ``"adaptive"``.
        seeds: Seeds, each of a run of its own.
        fractions: Share of the label polygons (scene) or of the patches (patches) that is learned from.
        frozen: True for an encoder that stays as it is while the decoder learns. Both may be asked for.
        score: ``"pixels"`` or ``"map"``. A network is always scored on its map.
        scored_pixels: Number of random pixels of each raster that are scored.
        preset: The preset of the jobs.
        device: The device of the jobs.
        patch_size: Side of a patch in pixels of the images.
        keep: True where models and maps are kept too.
        pretrain, finetune: Values of the jobs' own parameters.
        varied: Parameters of pretraining of which several values are compared, with those.
    """

    name: str
    output: Path
    encoders: Path
    protocols: tuple[str, ...]
    datasets: tuple[DatasetSpec, ...]
    methods: tuple[str, ...] = ("false", "supervised")
    confidences: tuple[float | str, ...] = (1.0,)
    backbones: tuple[str | None, ...] = (None,)
    weights: tuple[str | None, ...] = (None,)
    heads: tuple[str, ...] = ("auto",)
    baselines: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    fractions: tuple[float, ...] = (1.0,)
    frozen: tuple[bool, ...] = (False,)
    score: str = SCORE_PIXELS
    scored_pixels: int = SCORED_PIXELS
    preset: str = "auto"
    device: str = "auto"
    patch_size: int = 256
    keep: bool = False
    pretrain: Mapping[str, Any] | None = None
    finetune: Mapping[str, Any] | None = None
    varied: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    @property
    def on_patches(self) -> bool:
        """Return whether images are cut in patches, as published."""
        return PATCHES in self.protocols


def read_experiment(path: str | os.PathLike[str]) -> Experiment:
    """Read an experiment from a TOML file.

    Relative paths start at the folder of the file. ``$NAME`` in a path stands for the environment variable.

    Raises:
        InputError: The file is missing or is no TOML.
        RequestError: A key is unknown or missing, a value is not admitted, or an environment variable is not set.
    """
    file = Path(path)
    table = read_config(file, "The experiment")
    body = table.body
    protocols = table.one_or_more("protocol", PROTOCOLS)
    on_patches = PATCHES in protocols
    if on_patches and len(protocols) > 1:
        raise RequestError(f"{file.name}: the protocol {PATCHES} stands alone.", "Write another config for the others.")
    pretrain, varied = table.pretraining("pretrain")
    experiment = Experiment(
        name=table.text("name"),
        output=table.path("output"),
        protocols=protocols,
        datasets=tuple(_dataset(part) for part in table.tables("datasets")),
        methods=table.choices("methods", RUN_METHODS, ("false", SUPERVISED)),
        confidences=table.confidences("confidences", (1.0,)),
        backbones=table.texts("backbones") or (None,),
        weights=table.weights("weights") or (None,),
        heads=table.choices("heads", jobs.HEADS, ("auto",)),
        baselines=table.texts("baselines", BASELINES) if "baselines" in body else () if on_patches else _known_baselines(),
        seeds=table.whole_numbers("seeds", (0,)),
        fractions=table.shares("fractions", (0.01,) if on_patches else (1.0,)),
        frozen=table.frozen("frozen", on_patches),
        score=table.choice(
            "score", (SCORE_MAP,) if on_patches else (SCORE_PIXELS, SCORE_MAP), SCORE_MAP if on_patches else SCORE_PIXELS
        ),
        scored_pixels=table.whole_number("scored_pixels", SCORED_PIXELS, minimum=100),
        preset=table.choice("preset", jobs.PRESETS, "auto"),
        device=table.text("device", "auto"),
        patch_size=table.whole_number("patch_size", 256, minimum=8),
        keep=table.flag("keep", False),
        pretrain=pretrain,
        varied=varied,
        finetune=table.overrides("finetune", jobs.Finetune),
        encoders=table.path("encoders", f"{table.text('output')}/encoders"),
    )
    table.finish()
    names = [dataset.name for dataset in experiment.datasets]
    if not names:
        raise RequestError(f"{file.name} names no dataset.", "Add one under [[datasets]].")
    if len({name.casefold() for name in names}) < len(names):
        raise RequestError(f"{file.name} has two datasets with the same name.", "Their results would be mixed up.")
    for dataset in experiment.datasets:
        _check_parts(dataset, protocols)
    if experiment.score == SCORE_PIXELS and (experiment.finetune or {}).get("smoothing"):
        raise RequestError(
            f"{file.name}: single pixels cannot be smoothed.", 'Leave smoothing out of [finetune], or write score = "map".'
        )
    return experiment


def read_config(file: Path, what: str, with_environment: bool = True) -> ConfigTable:
    """Read a TOML file as a table whose keys are taken one by one.

    Args:
        what: Name of the file in messages, at the beginning of a sentence.
        with_environment: Meaning of ``$NAME``, as in ``ConfigTable``.

    Raises:
        InputError: The file is missing or is no TOML.
    """
    try:
        body = tomllib.loads(read_text(str(file), what))
    except OSError as error:
        raise InputError(f"{what} {file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{what} {file} is not valid TOML: {error}.") from error
    return ConfigTable(body, file.name, file.resolve().parent, with_environment)


def _known_baselines() -> tuple[str, ...]:
    """Return the baselines that can be computed here: trees take scikit-learn, which the library does not need itself."""
    return (COORDINATES, FOREST) if importlib.util.find_spec("sklearn") else (COORDINATES,)


def _check_parts(dataset: DatasetSpec, protocols: tuple[str, ...]) -> None:
    of_parts = [protocol for protocol in protocols if protocol in (TILES_ALONE, TILES_LEFT_OUT)]
    parted = bool(dataset.parts) or dataset.parts_across * dataset.parts_down > 1
    if of_parts and not parted:
        raise RequestError(
            f"{dataset.name} has no parts for the protocol {of_parts[0]}.",
            "Name a layer of polygons with parts, or say how many equal parts with parts_across and parts_down.",
        )


def _dataset(table: ConfigTable) -> DatasetSpec:
    kind = table.choice("kind", (PAIR, POTSDAM, DEEPGLOBE))
    name = table.text("name", kind)
    _check_name(table, name)
    labels = table.label_path("labels")
    field = table.text("field", "") if not labels else table.text("field")
    shared: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "labels": labels,
        "field": field,
        "label_share": table.share("label_share", 0.01),
        "parts": table.label_path("parts"),
        "parts_across": table.whole_number("parts_across", 1, minimum=1),
        "parts_down": table.whole_number("parts_down", 1, minimum=1),
        "classes": _classes(table),
        "as_written": json.dumps(table.body, sort_keys=True, default=str),
    }
    if kind == PAIR:
        pair = RasterPair(name, table.path("raster"), table.path("truth"))
        transfer = tuple(_pair(part) for part in table.tables("transfer"))
        names = [name, *(t.name for t in transfer)]
        if len(set(names)) < len(names):
            raise RequestError(f"{table.where} has two rasters with the same name.")
        spec = DatasetSpec(**shared, pair=pair, transfer=transfer)
    else:
        spec = DatasetSpec(
            **shared,
            folder=table.path("folder"),
            images=table.text("images", "") if kind == POTSDAM else "",
            truths=table.text("truths", "") if kind == POTSDAM else "",
            pad=table.whole_number("pad", 0) if kind == POTSDAM else 0,
            train=table.texts("train"),
            test=table.texts("test"),
            test_share=table.share("test_share", 0.2) if kind == DEEPGLOBE else 0.0,
        )
    table.finish()
    return spec


def _pair(table: ConfigTable) -> RasterPair:
    image = table.path("raster")
    pair = RasterPair(table.text("name", image.stem), image, table.path("truth"))
    _check_name(table, pair.name)
    table.finish()
    return pair


def _check_name(table: ConfigTable, name: str) -> None:
    if not re.fullmatch(r"\w[\w .-]*", name):
        what = f"{table.where}: {name!r} cannot be a part of file names."
        raise RequestError(what, "Give it a name of letters, digits, blanks, . _ and -.")


def _classes(table: ConfigTable) -> ClassTable:
    body = []
    for number, part in enumerate(table.tables("classes")):
        code = part.whole_number("code", minimum=0)
        colour = part.text("color", default_colour(number))
        body.append({"code": code, "name": part.text("name", str(code)), "color": colour.lower()})
        part.finish()
    if not body:
        return NO_CLASSES
    try:
        table_of_classes = ClassTable.from_list(sorted(body, key=lambda c: c["code"]))
    except ValueError as error:
        raise RequestError(f"{table.where}: {error}.") from error
    names = [c.name.casefold() for c in table_of_classes]
    if len(set(names)) < len(names):
        raise RequestError(f"{table.where} has two classes with the same name.")
    return table_of_classes


class ConfigTable:
    """A table of the file, read key by key. A key that was not read is an error in the end.

    Args:
        body: The table.
        where: Name of the table in messages.
        folder: Folder that relative paths start from.
        with_environment: True where ``$NAME`` in a path stands for the environment variable.
    """

    def __init__(self, body: Mapping[str, Any], where: str, folder: Path, with_environment: bool = True) -> None:
        self.body, self.where, self._folder, self._with_environment = body, where, folder, with_environment
        self._known: set[str] = set()

    def finish(self) -> None:
        """Raise RequestError where the table holds a key that means nothing."""
        unknown = sorted(set(self.body) - self._known)
        if unknown:
            raise RequestError(
                f"{self.where} has no {', '.join(unknown)}.", f"It can have {', '.join(sorted(self._known))}."
            )

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or (not value.strip() and value != default):
            raise self._wrong(key, "a text that is not empty")
        return value

    def texts(self, key: str, admitted: tuple[str, ...] | None = None) -> tuple[str, ...]:
        if admitted is not None:
            return self._list(key, (), lambda v: v in admitted, f"a list of {', '.join(admitted)}")
        return self._list(key, (), lambda v: isinstance(v, str) and bool(v.strip()), "a list of texts")

    def one_or_more(self, key: str, admitted: tuple[str, ...]) -> tuple[str, ...]:
        """Return a text, or the texts of a list."""
        if isinstance(self._get(key, None), list):
            return self.choices(key, admitted, ())
        return (self.choice(key, admitted),)

    def weights(self, key: str) -> tuple[str, ...]:
        """Return names of weights, and paths of those that are files."""
        files = [(text, self._folder / self._expanded(text)) for text in self.texts(key)]
        return tuple(str(file) if file.is_file() else text for text, file in files)

    def choice(self, key: str, admitted: tuple[str, ...], default: str | None = None) -> str:
        value = self._get(key, default)
        if value not in admitted:
            raise self._wrong(key, f"one of {', '.join(admitted)}")
        return str(value)

    def choices(self, key: str, admitted: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
        return self._some(key, default, lambda v: v in admitted, f"a list of {', '.join(admitted)}")

    def path(self, key: str, default: str | None = None) -> Path:
        return self._folder / self._expanded(self.text(key, default))

    def label_path(self, key: str) -> str:
        """Return the path of a layer, which may end in ``|layername=NAME``; empty where there is none."""
        text = self.text(key, "")
        if not text:
            return ""
        file, bar, layer = self._expanded(text).partition("|")
        return f"{self._folder / file}{bar}{layer}"

    def flag(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def frozen(self, key: str, default: bool) -> tuple[bool, ...]:
        value = self._get(key, default)
        if value == "both":
            return (True, False)
        if not isinstance(value, bool):
            raise self._wrong(key, 'true, false or "both"')
        return (value,)

    def whole_number(self, key: str, default: int | None = None, minimum: int = 0) -> int:
        value = self._get(key, default)
        if not _is_whole(value) or value < minimum:
            raise self._wrong(key, f"a whole number of at least {minimum}")
        return int(value)

    def whole_numbers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        return self._some(key, default, lambda v: _is_whole(v) and 0 <= v < 2**31, "a list of whole numbers from 0 upwards")

    def share(self, key: str, default: float) -> float:
        value = self._get(key, default)
        if not _is_share(value):
            raise self._wrong(key, "a number above 0 and at most 1")
        return float(value)

    def shares(self, key: str, default: tuple[float, ...]) -> tuple[float, ...]:
        values = self._some(key, default, _is_share, "a list of numbers above 0 and at most 1")
        return tuple(float(value) for value in values)

    def confidences(self, key: str, default: tuple[float | str, ...]) -> tuple[float | str, ...]:
        def admitted(value: Any) -> bool:
            return value == jobs.ADAPTIVE or (_is_number(value) and 0 <= value <= 1)

        values = self._some(key, default, admitted, f'a list of numbers from 0 to 1 and "{jobs.ADAPTIVE}"')
        return tuple(value if isinstance(value, str) else float(value) for value in values)

    def tables(self, key: str) -> list[ConfigTable]:
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            raise self._wrong(key, f"tables, written [[{key}]]")
        return [
            ConfigTable(part, f"{key}[{number}]", self._folder, self._with_environment)
            for number, part in enumerate(value, start=1)
        ]

    def overrides(self, key: str, job: Any) -> dict[str, Any]:
        """Return values of the parameters of ``job``, checked as the job would check them."""
        value = self._get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, f"a table, written [{key}]")
        fixed = sorted(set(value) & set(_SET_BY_THE_GRID[job]))
        if fixed:
            raise RequestError(f"[{key}] cannot set {', '.join(fixed)}: the experiment does.")
        needed = {jobs.Pretrain: {"rasters": ["-"], "encoder": "-"}}.get(
            job, {"raster": "-", "labels": "-", "field": "-", "model": "+"}
        )
        try:
            whole = jobs.from_mapping({"job": job.NAME, **needed, **value})
        except RequestError as error:
            raise RequestError(f"[{key}]: {error.what}", error.remedy) from error
        return {name: getattr(whole, name) for name in value}

    def pretraining(self, key: str) -> tuple[dict[str, Any], tuple[tuple[str, tuple[Any, ...]], ...]]:
        """Return values of pretraining, and those parameters of which a list says that several values are compared."""
        value = self._get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, f"a table, written [{key}]")
        takes_lists = {name for name, p in jobs.parameters(jobs.Pretrain).items() if p.kind in (jobs.BANDS, jobs.RASTERS)}
        lists = {name: values for name, values in value.items() if isinstance(values, list) and name not in takes_lists}
        plain = {name: one for name, one in value.items() if name not in lists}
        varied = []
        for name, values in lists.items():
            parts = [ConfigTable({key: {**plain, name: one}}, self.where, self._folder) for one in values]
            found = tuple(part.overrides(key, jobs.Pretrain)[name] for part in parts)
            if not found or len(set(found)) < len(found):
                raise RequestError(f"[{key}]: {name} must be a value or a list of several, each once; it is {values!r}.")
            varied.append((name, found))
        self.body = {**self.body, key: plain}
        return self.overrides(key, jobs.Pretrain), tuple(varied)

    def _some(self, key: str, default: tuple[Any, ...], admitted: Any, wanted: str) -> tuple[Any, ...]:
        values = self._list(key, default, admitted, wanted)
        if not values:
            raise self._wrong(key, f"{wanted}, and not empty")
        return values

    def _list(self, key: str, default: tuple[Any, ...], admitted: Any, wanted: str) -> tuple[Any, ...]:
        values = self._get(key, list(default))
        if not isinstance(values, list) or not all(map(admitted, values)):
            raise self._wrong(key, wanted)
        if len(set(values)) < len(values):
            raise self._wrong(key, f"{wanted}, each once")
        return tuple(values)

    def _get(self, key: str, default: Any) -> Any:
        self._known.add(key)
        if key not in self.body and default is None:
            raise RequestError(f"{self.where} needs {key}.")
        return self.body.get(key, default)

    def _wrong(self, key: str, wanted: str) -> RequestError:
        return RequestError(f"{self.where}: {key} must be {wanted}; it is {self.body.get(key)!r}.")

    def _expanded(self, text: str) -> str:
        if not self._with_environment:
            return os.path.expanduser(text)
        expanded = os.path.expanduser(os.path.expandvars(text))
        unset = re.search(r"\$(\w+|\{\w+\})", expanded)
        if unset:
            raise RequestError(f"{self.where}: the environment variable {unset.group(1).strip('{}')} is not set.")
        return expanded


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 < value <= 1
