"""The rescue file: labels that wait for their file lie in it meanwhile, so that they outlive any end of QGIS.

It is a GeoPackage beside the label file, or among the user's documents. A lock says that a QGIS still cares for it. One
without is taken up when the labels are opened again; one whose lock is of another computer, when a person says so. The name
of its layer tells it from any other file that is called so, which is left alone.
"""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from qgis.core import QgsCoordinateReferenceSystem, QgsFeature, QgsProcessingException, QgsVectorLayer
from qgis.PyQt.QtCore import QLockFile, QStandardPaths, QSysInfo

from qgis_false.dialogs.destinations import documents, numbered
from qgis_false.dock.label_file import (
    CLASS_FIELD,
    LabelClass,
    classes_of_labels,
    label_layer,
    show_classes,
    store_classes,
)
from qgis_false.dock.label_replacement import LabelReplacement, copies_for
from qgis_false.translation import failure

WAITING_TABLE = "false_waiting_labels"
"""The layer of a rescue file. No file of anybody else has one of that name."""


class RescueFile:
    """The labels of one layer that wait, in a file of their own.

    Attributes:
        path: Path of the file; None where no label waits.
    """

    def __init__(self, layer: QgsVectorLayer) -> None:
        self._file, self._crs = Path(layer.source().split("|")[0]), layer.crs()
        self._keys = [layer.fields().at(number).name() for number in layer.primaryKeyAttributes()]
        self.path: Optional[Path] = None
        self._layer: Optional[QgsVectorLayer] = None
        self._lock: Optional[QLockFile] = None
        self._kept: Dict[int, Tuple[QgsFeature, QgsFeature]] = {}
        """The labels, each with its copy in the file, by the numbers that Python has for the former."""
        self._classes: List[LabelClass] = []

    def keep(self, labels: Sequence[QgsFeature], classes: Sequence[LabelClass]) -> None:
        """Have the file hold these labels and classes, and no others. Where there are no labels, there is no file.

        Raises:
            QgsProcessingException: Neither the folder of the label file nor that of the user's documents takes it.
        """
        if self._layer is not None and labels:
            try:
                self._write(self._layer, labels, classes)
                return
            except (OSError, QgsProcessingException):
                self.let_go()  # Another file may take them.
        self._remove()
        problem: Optional[Exception] = None
        for start in _starts(self._file) if labels else ():
            try:
                self._write(self._begin(start), labels, classes)
                return
            except (OSError, QgsProcessingException) as error:  # Such as a drive that is not there any more.
                problem = problem or error
                self._remove()
        if isinstance(problem, OSError):
            raise failure("The labels cannot be written to {path}: {reason}.", path=self._file.parent, reason=problem)
        if problem is not None:
            raise problem

    def let_go(self) -> None:
        """Leave the file to whoever opens the labels next."""
        self._layer, self.path = None, None  # First, as the lock is for the layer.
        self._kept.clear()
        self._classes = []
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None

    def _begin(self, start: Path) -> QgsVectorLayer:
        for path in numbered(start, ".gpkg"):
            if path.exists():
                continue
            self._lock = _lock_of(path)
            if self._lock.tryLock(0) or self._lock.error() != QLockFile.LockError.LockFailedError:
                break  # Where there can be no lock, there can be no file, as is seen next.
        self._layer = label_layer(path, self._crs, WAITING_TABLE)
        self.path = path
        return self._layer

    def _write(self, layer: QgsVectorLayer, labels: Sequence[QgsFeature], classes: Sequence[LabelClass]) -> None:
        wanted = {id(label) for label in labels}
        gone = [number for number in self._kept if number not in wanted]
        LabelReplacement(layer, [self._kept.pop(number)[1] for number in gone], []).do()
        new = [label for label in labels if id(label) not in self._kept]
        copies = self._add(layer, new) if new else []
        self._kept.update({id(label): (label, copy) for label, copy in zip(new, copies)})
        if classes and self._classes != list(classes):
            show_classes(layer, classes)
            with suppress(QgsProcessingException):  # The labels are there, which is more.
                store_classes(layer)
            self._classes = list(classes)

    def _add(self, layer: QgsVectorLayer, labels: Sequence[QgsFeature]) -> List[QgsFeature]:
        fields = {one.name(): one for label in labels for one in label.fields() if one.name() not in self._keys}
        for name, field in fields.items():
            if layer.fields().lookupField(name) < 0:  # Each alone: a file has no field of some types and names.
                layer.dataProvider().addAttributes([field])
        layer.updateFields()
        names = [one for one in fields if layer.fields().lookupField(one) not in (-1, *layer.primaryKeyAttributes())]
        copies = copies_for(labels, layer, names)
        try:
            LabelReplacement(layer, [], copies).do()
        except QgsProcessingException:  # Class and shape are what was drawn.
            copies = copies_for(labels, layer, [CLASS_FIELD])
            LabelReplacement(layer, [], copies).do()
        return copies

    def _remove(self) -> None:
        path, self._layer = self.path, None
        if path is not None:
            _remove_file(path)
        self.let_go()


@dataclass
class RescuedLabels:
    """Labels that still waited when a QGIS ended.

    Attributes:
        labels: The labels in the CRS ``crs``.
        classes: The classes that they had.
    """

    path: Path
    crs: QgsCoordinateReferenceSystem
    labels: List[QgsFeature]
    classes: List[LabelClass]

    def remove(self) -> None:
        """Remove the file: all is in the label file."""
        _remove_file(self.path)


@dataclass(frozen=True)
class LabelsElsewhere:
    """Labels that wait in a rescue file of a QGIS on another computer, which may have been killed.

    Attributes:
        host: Name of that computer.
    """

    path: Path
    host: str
    number: int


def rescued_labels(layer: QgsVectorLayer, given_up: Sequence[Path] = ()) -> Iterator[RescuedLabels]:
    """Yield what waited for the file of a label layer and no QGIS cares for any more, one file after the other.

    No other QGIS takes it up before the next one is asked for.

    Args:
        layer: The label layer.
        given_up: Rescue files of other computers, of which a person says that no QGIS there has them any more.
    """
    for path in _rescue_files(layer):
        lock = _lock_of(path)
        if path in given_up:
            lock.removeStaleLockFile()  # It refuses where the folder tells that a process still holds it.
        if lock.tryLock(0):
            try:
                found = _read(path)
                if found is not None:
                    yield found
            finally:
                lock.unlock()


def labels_elsewhere(layer: QgsVectorLayer) -> Iterator[LabelsElsewhere]:
    """Yield what waits for the file of a label layer in rescue files of other computers.

    Whether a process there still runs cannot be told from here.
    """
    for path in _rescue_files(layer):
        is_known, _, host, _ = _lock_of(path).getLockInfo()
        found = _read(path) if is_known and host not in ("", QSysInfo.machineHostName()) else None
        if found is not None and found.labels:
            yield LabelsElsewhere(path, host, len(found.labels))


def _rescue_files(layer: QgsVectorLayer) -> Iterator[Path]:
    """Yield the files that are called as rescue files of a label layer are, and hold something."""
    for start in _starts(Path(layer.source().split("|")[0])):
        name = re.compile(re.escape(start.name) + r"(_\d+)?")
        for path in sorted(one for one in start.parent.glob("*.gpkg") if name.fullmatch(one.stem)):
            if _holds_something(path):
                yield path


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:  # Another QGIS has just removed it.
        return False


def _read(path: Path) -> Optional[RescuedLabels]:
    try:
        layer = label_layer(path, QgsCoordinateReferenceSystem(), WAITING_TABLE)
    except QgsProcessingException:  # It holds something else, or was damaged.
        return None
    return RescuedLabels(path, layer.crs(), list(layer.getFeatures()), classes_of_labels(layer))


def _starts(file: Path) -> Iterator[Path]:
    """Yield the beginnings of the names of rescue files of a label file: beside it, and among what belongs to no file.

    That is the folder of the project, which may be another one the next time, or that of the user's documents.
    """
    yield file.parent / f"{file.stem}_waiting"
    whole = zlib.crc32(str(file).encode("utf-8", "surrogateescape"))  # Another folder may have a file of that name.
    usual = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation))
    for folder in dict.fromkeys((documents() or Path.home(), usual)):
        yield folder / f"{file.stem}_{whole:08x}_waiting"


def _lock_of(path: Path) -> QLockFile:
    lock = QLockFile(str(path.with_name(f".{path.name}.lock")))
    lock.setStaleLockTime(0)  # It is old when its QGIS is gone, and not before.
    return lock


def _remove_file(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + ending).unlink()
    with suppress(OSError, QgsProcessingException):  # Another program holds it: what is in it must not come back.
        if path.exists():
            layer = label_layer(path, QgsCoordinateReferenceSystem(), WAITING_TABLE)
            layer.dataProvider().truncate()
