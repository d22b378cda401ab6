"""The tasks of a benchmark: what one is, and how it is read from a TOML file or found in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from false_core.errors import InputError, RequestError
from false_core.experiments.config import ConfigTable, read_config
from false_core.feedback import Feedback
from false_core.labels.label_file import read_layer
from false_core.labels.layer_path import LayerPath
from false_core.untrusted.network import names_address

SEGMENTATION, AREAS, LIKENESS, CHANGE = "segmentation", "areas", "likeness", "change"
TASK_KINDS = (SEGMENTATION, AREAS, LIKENESS, CHANGE)
TASK_FILE = "task.toml"
"""A folder may say with a file of this name what its task is; otherwise the names of its files tell."""
_RASTER_ENDINGS, _LAYER_ENDINGS = (".tif", ".tiff", ".vrt", ".jp2"), (".gpkg", ".geojson", ".shp")
_TRUTH, _LABELS, _AREAS, _BEFORE, _AFTER, _LAND_COVER = "truth", "labels", "areas", "before", "after", "land_cover"
_USUAL_FIELDS = ("class", "code", "land_cover", "scene", "label", "type")
"""Fields that hold the class, where a layer has several and nothing says which."""


@dataclass(frozen=True)
class BenchmarkTask:
    """One task: data, and how an encoder is asked about them.

    Attributes:
        name: Its name in tables.
        kind: One of ``TASK_KINDS``.
        raster: The raster that is learned from; of change, that of the earlier date.
        truth: Raster on the same pixels: the class codes of a segmentation, where empty means that labels alone are scored
            on; for change, a raster that is 0 where nothing changed.
        labels: Label polygons; of areas and likeness, the areas with their classes. Empty: drawn from the truth. For change,
            label polygons of the earlier date; empty where there are none.
        field: The field of these that holds the class.
        split: Field of areas and likeness that says ``train`` or ``test``; empty: blocks of space are kept to score in.
        unseen_raster, unseen_truth: Another raster of a segmentation that alone is scored, and its truth; empty: the same
            one.
        after: Raster of the later date, for change.
        land_cover: Raster of the class codes at the earlier date, on its pixels: labels of change are drawn from it where
            there are no polygons. Empty: change is found without labels alone.
    """

    name: str
    kind: str
    raster: str
    truth: str = ""
    labels: str = ""
    field: str = ""
    split: str = ""
    unseen_raster: str = ""
    unseen_truth: str = ""
    after: str = ""
    land_cover: str = ""

    @property
    def mark(self) -> str:
        """A digest of its kind, its fields, and the names and sizes of its files: alike on every computer that has these."""
        sizes = [[Path(file).name, Path(file).stat().st_size] for file in self.files if Path(file).is_file()]
        told = [self.kind, self.field, self.split, sizes]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:10]

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of its files."""
        labels = LayerPath.parse(self.labels).file if self.labels else ""
        paths = (self.raster, self.truth, labels, self.unseen_raster, self.unseen_truth, self.after, self.land_cover)
        return tuple(path for path in paths if path)


def read_tasks(paths: Sequence[str]) -> tuple[BenchmarkTask, ...]:
    """Return the tasks of TOML files and folders.

    Raises:
        InputError: A file or folder is missing or is no task.
        RequestError: A key is unknown or missing, or a value is not admitted.
    """
    found: list[BenchmarkTask] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += _in_folder(path)
        elif path.exists() or path.suffix.lower() == ".toml":
            table = read_config(path, "The file of tasks")
            found += [task for part in table.tables("tasks") for task in _tasks_of(part)]
            table.finish()
        else:
            raise InputError(f"{path} is no folder and no file.", "Name folders with a task, or a TOML file with [[tasks]].")
    check_names(found)
    return tuple(found)


def lead_to_server(paths: Sequence[str]) -> bool:
    """Return whether what ``read_tasks`` takes leads to a server: a path, or a task in a file that is named there.

    What a folder says of itself does not count: it may come from anyone, with the data.

    Raises:
        InputError, RequestError: As ``read_tasks``.
    """
    files = [path for path in paths if not Path(path).is_dir()]
    return names_address(list(paths)) or names_address([file for task in read_tasks(files) for file in task.files])


def check_names(tasks: Sequence[BenchmarkTask]) -> None:
    """Raise RequestError where two tasks could not be told apart in a table."""
    names = [task.name.casefold() for task in tasks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestError(f"Several tasks are called {', '.join(twice)}.", "Give each a name of its own.")


def _tasks_of(table: ConfigTable) -> list[BenchmarkTask]:
    """Return the tasks of a table: of several kinds one each, as areas can be classified and be found."""
    kinds = table.one_or_more("kind", TASK_KINDS)
    name = table.text("name")
    tasks = [
        BenchmarkTask(
            name if len(kinds) == 1 else f"{name}, {kind}",
            kind,
            str(table.path("raster")),
            _path(table, "truth") if kind in (SEGMENTATION, CHANGE) else "",
            table.label_path("labels"),
            table.text("field", ""),
            table.text("split", "") if kind in (AREAS, LIKENESS) else "",
            _path(table, "unseen_raster") if kind == SEGMENTATION else "",
            _path(table, "unseen_truth") if kind == SEGMENTATION else "",
            _path(table, "after") if kind == CHANGE else "",
            _path(table, "land_cover") if kind == CHANGE else "",
        )
        for kind in kinds
    ]
    table.finish()
    for task in tasks:
        _check(task, table.where)
    return tasks


def _path(table: ConfigTable, key: str) -> str:
    return str(table.path(key)) if key in table.body else str(table.text(key, ""))


def _check(task: BenchmarkTask, where: str) -> None:
    if task.kind == SEGMENTATION and not (task.truth or task.labels):
        raise RequestError(f"{where} needs truth or labels.", "Name a raster of class codes, or a layer of label polygons.")
    if task.kind == CHANGE and not (task.truth and task.after):
        raise RequestError(f"{where} needs after and truth.", "Name the raster of the later date, and that of known change.")
    if task.kind in (AREAS, LIKENESS) and not task.labels:
        raise RequestError(f"{where} needs labels.", "Name the layer of areas with their classes.")
    if task.labels and not task.field:
        raise RequestError(f"{where} needs field, the field of the labels that holds the class.")
    if bool(task.unseen_raster) != bool(task.unseen_truth) or (task.unseen_raster and not task.truth):
        raise RequestError(
            f"{where}: unseen_raster and unseen_truth go together, beside truth.", "Name all three, or truth alone."
        )


def _in_folder(folder: Path) -> list[BenchmarkTask]:
    """Return the tasks of a folder, by its ``task.toml`` or by the names of its files."""
    if (folder / TASK_FILE).is_file():
        # It may come from anyone, with the data: what the environment says is not for it.
        table = read_config(folder / TASK_FILE, "The task", with_environment=False)
        table.body = {"name": folder.resolve().name, **table.body}
        return _tasks_of(table)
    files = sorted(file for file in folder.iterdir() if file.is_file())
    rasters = [file for file in files if file.suffix.lower() in _RASTER_ENDINGS]
    layers = [file for file in files if file.suffix.lower() in _LAYER_ENDINGS]
    truth, before, after = (_called(rasters, stem) for stem in (_TRUTH, _BEFORE, _AFTER))
    labels, areas = _called(layers, _LABELS), _called(layers, _AREAS)
    if before and after and truth:
        cover = str(_called(rasters, _LAND_COVER) or "")
        field = _class_field(labels) if labels else ""
        name, given = folder.resolve().name, str(labels or "")
        return [BenchmarkTask(name, CHANGE, str(before), str(truth), given, field, after=str(after), land_cover=cover)]
    images = [file for file in rasters if file != truth]
    if len(images) != 1 or not (truth or labels or areas):
        raise InputError(
            f"{folder} is no task: it holds {len(images)} rasters beside the truth, and "
            f"{'no truth.tif, labels or areas' if not (truth or labels or areas) else 'its truth, labels or areas'}.",
            "A task is one raster with truth.tif, labels.gpkg or areas.gpkg; or before.tif, after.tif and truth.tif. "
            f"Or write a {TASK_FILE} into the folder.",
        )
    name, raster = folder.resolve().name, str(images[0])
    tasks = []
    if truth or labels:
        field = _class_field(labels) if labels else ""
        tasks.append(BenchmarkTask(name, SEGMENTATION, raster, str(truth or ""), str(labels or ""), field))
    if areas:
        field, split = _class_field(areas), _split_field(areas)
        kinds = (AREAS, LIKENESS)
        tasks += [BenchmarkTask(f"{name}, {kind}", kind, raster, "", str(areas), field, split) for kind in kinds]
    return tasks


def _called(files: Sequence[Path], stem: str) -> Path | None:
    return next((file for file in files if file.stem.lower() == stem), None)


def _fields(layer: Path) -> list[str]:
    table = read_layer(str(LayerPath.parse(str(layer)).file), Feedback())
    return [str(name) for name in table.columns if name != table.geometry.name]


def _split_field(layer: Path) -> str:
    return "split" if "split" in _fields(layer) else ""


def _class_field(layer: Path) -> str:
    fields = [name for name in _fields(layer) if name != "split"]
    usual = [name for name in fields if name.lower() in _USUAL_FIELDS]
    if len(usual) != 1 and len(fields) != 1:
        raise InputError(
            f"Which field of {layer} holds the class? It has {', '.join(fields) or 'none'}.",
            f'Call it class, or write a {TASK_FILE} with field = "..." into the folder.',
        )
    return usual[0] if len(usual) == 1 else fields[0]
