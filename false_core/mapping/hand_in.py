"""Handing in a map: one folder with the map, its styles and polygons, the areas, the method in plain words, and the jobs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from false_core import jobs
from false_core.accuracy.assessment import AssessedClass, Assessment, conclude
from false_core.accuracy.assessment_picture import draw_compared
from false_core.accuracy.assessment_report import assessment_report, interval_in_words
from false_core.accuracy.assessment_table import write_assessment_table
from false_core.accuracy.comparison import POINT_REFERENCE, compare_labels
from false_core.checks.protection import protect_inputs
from false_core.errors import ModelFileError
from false_core.feedback import Feedback
from false_core.jobs import Classify, HandIn, Polygonise
from false_core.labels.reading import Labels, read_labels
from false_core.mapping.hand_in_report import Handed, hand_in_report
from false_core.mapping.polygonise import polygonise
from false_core.models.header import SEGMENTER
from false_core.models.model_file import ModelCard, read_card
from false_core.models.model_report import UNKNOWN_ACCURACY
from false_core.models.record import here, read_record
from false_core.outputs.publish import published
from false_core.outputs.sidecars import is_style_of_user, styles_kept
from false_core.raster.areas import unit_of_map
from false_core.raster.class_map import ClassMap
from false_core.raster.classes import MOST_CLASSES, ClassTable, LandCoverClass, read_legend
from false_core.raster.georeference import ground_facts
from false_core.raster.map_file import RasterFile, build_overviews, write_class_names, write_sld, write_style
from false_core.raster.opening import late_complaint
from false_core.raster.source import RasterSource, Window
from false_core.reports.page import write_report

MAP_FILE, POLYGONS_FILE, AREAS_FILE = "map.tif", "polygons.gpkg", "areas.csv"
REPORT_FILE, ASSESSMENT_FILE = "report.html", "assessment.html"
CLASSIFY_FILE, TRAINING_FILE = "job_classify.json", "job_finetune.json"
LOWEST_CODE = -(2**31)
"""The value of pixels without data where codes do not fit into bytes."""
COPY_BYTES = 16_000_000
"""Bytes that are copied between two looks at whether the job is cancelled."""
_WRITTEN = (MAP_FILE, POLYGONS_FILE, AREAS_FILE, REPORT_FILE, ASSESSMENT_FILE, CLASSIFY_FILE, TRAINING_FILE)


def hand_in(job: HandIn, feedback: Feedback) -> dict[str, Any]:
    """Run a ``HandIn`` job: fill the folder. Return its results by name.

    Raises:
        InputError: The map, the reference or the model cannot be used.
        OutputError: The folder cannot be written to, or what is in it is an input.
    """
    folder = Path(job.output)
    protect_inputs(job, job, [folder / name for name in _WRITTEN])
    the_map = ClassMap(job.map)
    card = read_card(job.model, SEGMENTER) if job.model else None
    labels, assessment = None, None
    with feedback.stage("Counting pixels", 0.3):
        if job.reference and job.field:
            labels = read_labels(job.reference, job.field, the_map.source, feedback)
            assessment = conclude(the_map, compare_labels(the_map, labels, read_legend(job.legend), feedback))
        classes = assessment.classes if assessment else _counted(the_map, feedback)
    folder.mkdir(exist_ok=True)
    with feedback.stage("Copying the map", 0.1):
        _copy_map(the_map, classes, folder, feedback)
    feedback_of_polygons = feedback.part("Polygons", 0.4, 0.5)
    polygons = polygonise(
        Polygonise(str(folder / MAP_FILE), str(folder / POLYGONS_FILE), job.minimum_area), feedback_of_polygons
    )["polygons"]
    files = [MAP_FILE, POLYGONS_FILE, AREAS_FILE, *_write_jobs(job, card, folder, feedback)]
    if assessment:
        for note in assessment.notes:
            feedback.warn(note)
        about, picture = ground_facts(the_map.source), draw_compared(the_map, classes, labels)
        write_report(str(folder / ASSESSMENT_FILE), assessment_report(assessment, picture, about))
        write_assessment_table(str(folder / AREAS_FILE), assessment)
        files.append(ASSESSMENT_FILE)
    else:
        _write_areas(folder / AREAS_FILE, classes, the_map.source)
    write_report(
        str(folder / REPORT_FILE), _report(job, the_map, card, classes, assessment, labels, files, feedback.warnings)
    )
    accuracy = UNKNOWN_ACCURACY
    if assessment and assessment.kind == POINT_REFERENCE:
        accuracy = interval_in_words(float(assessment.adjusted.oa.value), float(assessment.adjusted.oa.error))
    return {"accuracy": accuracy, "polygons": polygons}


def _counted(the_map: ClassMap, feedback: Feedback) -> tuple[AssessedClass, ...]:
    counts = the_map.count(feedback)
    named = {code: the_map.class_of(code) for code in counts}
    return tuple(AssessedClass(code, named[code].name, named[code].color, pixels) for code, pixels in counts.items())


def _copy_map(the_map: ClassMap, classes: Sequence[AssessedClass], folder: Path, feedback: Feedback) -> None:
    """Copy the map as a GeoTIFF, with files beside it that hold the names and the colours of its classes."""
    target, source = folder / MAP_FILE, the_map.source
    table = _table(classes)
    names, style, sld = target.with_name(f"{MAP_FILE}.aux.xml"), target.with_suffix(".qml"), target.with_suffix(".sld")
    writers: dict[Path, Callable[[Path, ClassTable], None]] = {names: write_class_names, sld: write_sld, style: write_style}
    if is_style_of_user(style):
        del writers[style]
        for sentence in styles_kept([target]):
            feedback.info(sentence)
    beside = list(writers) if table else []
    with published(target, *beside) as paths:
        if _stands_alone(source):
            for done in _copied(Path(source.path), paths[0]):
                feedback.advance(done, 1.0)
        else:
            _write_again(the_map, classes, table, paths[0], feedback)
        if table:
            for write, path in zip(writers.values(), paths[1:]):
                write(path, table)


def _stands_alone(source: RasterSource) -> bool:
    """Return whether the file of a map says all that counts: nothing that lies beside it, nor what is said in its place."""
    if source.name_in_jobs != source.path or not Path(source.path).is_file():
        return False
    with rasterio.open(source.path) as dataset:
        whole = _facts(dataset)
    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO", GDAL_GEOREF_SOURCES="INTERNAL"),
        rasterio.open(source.path) as dataset,
    ):
        return bool(dataset.driver == "GTiff" and _facts(dataset) == whole)


def _facts(dataset: Any) -> tuple[Any, ...]:
    late_complaint(dataset)
    return dataset.crs, dataset.transform, str(dataset.nodatavals), dataset.mask_flag_enums, len(dataset.gcps[0])


def _write_again(
    the_map: ClassMap, classes: Sequence[AssessedClass], table: ClassTable | None, path: Path, feedback: Feedback
) -> None:
    """Write the map as it is read."""
    source = the_map.source
    in_bytes = table is not None and len(table.classes) == sum(c.code is not None for c in classes)
    nodata, dtype = (table.nodata, "uint8") if table and in_bytes else (LOWEST_CODE, "int32")
    with RasterFile(path, source, Window(0, 0, source.width, source.height), nodata, dtype=dtype) as file:
        if table and in_bytes:
            file.set_classes(table)
        for window in the_map.windows(feedback):
            codes, valid = the_map.read(window)
            file.write(window.column, window.row, np.where(valid, codes, nodata).astype(dtype))
    build_overviews(path)


def _copied(source: Path, target: Path) -> Iterator[float]:
    """Copy a file and yield the share that is done now and then."""
    size = max(1, source.stat().st_size)
    with source.open("rb") as file, target.open("wb") as copy:
        while data := file.read(COPY_BYTES):
            copy.write(data)
            yield min(1.0, file.tell() / size)


def _table(classes: Sequence[AssessedClass]) -> ClassTable | None:
    """Return the classes of the map as a style can hold them; None where it cannot."""
    on_map = [LandCoverClass(c.code, c.name, c.color) for c in classes if c.code is not None and 0 <= c.code <= 254]
    return ClassTable(tuple(on_map)) if 0 < len(on_map) <= MOST_CLASSES else None


def _write_areas(path: Path, classes: Sequence[AssessedClass], source: RasterSource) -> None:
    unit = unit_of_map(source)
    total = sum(c.pixels for c in classes)
    with published(path) as (partial,), partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "class", "map_pixels", "map_share", f"map_area_{unit.name.replace(' ', '_')}"])
        for c in classes:
            writer.writerow([c.code, c.name, c.pixels, f"{c.pixels / total:.10g}", f"{c.pixels * unit.per_pixel:.10g}"])


def _write_jobs(job: HandIn, card: ModelCard | None, folder: Path, feedback: Feedback) -> list[str]:
    """Write the jobs that make the map again, as far as they are known. Return the names of their files."""
    written = []
    if job.raster and job.model:
        again = Classify(job.raster, str(Path(job.model).absolute()), str((folder / MAP_FILE).absolute()))
        _write_text(folder / CLASSIFY_FILE, jobs.to_json(again))
        written.append(CLASSIFY_FILE)
    if card and job.model:
        try:
            record = read_record(card, job.model)
        except ModelFileError as error:
            feedback.info(error.what)
        else:
            training = {**{name: _here(value) for name, value in record.job.items()}, "model": "model.safetensors"}
            _write_text(folder / TRAINING_FILE, json.dumps(training, indent=1, ensure_ascii=False))
            written.append(TRAINING_FILE)
    return written


def _here(value: Any) -> Any:
    if isinstance(value, list):
        return [_here(one) for one in value]
    return here(value) if isinstance(value, str) else value


def _write_text(path: Path, text: str) -> None:
    with published(path) as (partial,):
        partial.write_text(text + "\n", encoding="utf-8")


def _report(
    job: HandIn,
    the_map: ClassMap,
    card: ModelCard | None,
    classes: Sequence[AssessedClass],
    assessment: Assessment | None,
    labels: Labels | None,
    files: Sequence[str],
    notes: Sequence[str],
) -> str:
    handed = Handed(
        title=job.title or the_map.source.name,
        raster=RasterSource(job.raster).name if job.raster else "",
        card=card,
        classes=classes,
        unit=unit_of_map(the_map.source),
        assessment=assessment,
        picture=draw_compared(the_map, classes, labels),
        files=files,
        minimum_area=job.minimum_area,
    )
    return hand_in_report(handed, notes, ground_facts(the_map.source))
