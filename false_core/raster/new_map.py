"""A new map beside one that is there, window by window: with the names and colours of its classes, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from false_core.outputs.publish import published
from false_core.raster.classes import ClassTable
from false_core.raster.map_file import RasterFile, build_overviews, sidecars, write_class_names, write_style
from false_core.raster.source import RasterSource, Window


@contextmanager
def new_map(path: str, source: RasterSource, classes: ClassTable, raster: str | None = None) -> Iterator[RasterFile]:
    """Give the file of a map to be written; on leaving it gets its overviews and what belongs beside it.

    Args:
        path: A GeoTIFF.
        source: The map on whose pixels it lies.
        classes: Classes that its codes stand for. Pixels without one are ``classes.nodata``.
        raster: The path of what the map was made of, where that is not the file of ``source``.

    Raises:
        OutputError: It cannot be written.
    """
    beside = sidecars(path, raster or source.path)
    with published(path, *beside) as paths:
        with RasterFile(paths[0], source, Window(0, 0, source.width, source.height), classes.nodata) as file:
            file.set_classes(classes)
            yield file
        build_overviews(paths[0])
        for sidecar in paths[1:]:
            (write_style if sidecar.suffix == ".qml" else write_class_names)(sidecar, classes)
