"""The jobs on finished maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

from false_core.jobs.declarations import usual
from false_core.jobs.job import Job, Result
from false_core.jobs.kinds import (
    FIELD,
    MODEL,
    NEW_FOLDER,
    NEW_RASTER,
    NEW_REPORT,
    NEW_TABLE,
    NEW_VECTOR,
    NUMBER,
    RASTER,
    TEXT,
    VECTOR,
    parameter,
)


@dataclass(frozen=True)
class Polygonise(Job, done_by="false_core.mapping.polygonise:polygonise"):
    """Turn a map into polygons, one for each region.

    A region is made of connected pixels of one class. Neighbours share their border line point by point: there are no gaps
    and no overlaps, also where lines are smoothed or small regions are dissolved. Each polygon carries the code, the name
    and the colour of its class, and its area. Nodata becomes no polygon.
    """

    map: str = parameter(RASTER, "Map", "A raster with one band of class codes, such as classifying writes it.")
    output: str = parameter(
        NEW_VECTOR,
        "Polygons",
        "The polygons to write. The ending says the format: .gpkg, .geojson, .shp and others that OGR writes.",
    )
    minimum_area: float = parameter(
        NUMBER,
        "Minimum area",
        "A region smaller than this becomes part of the neighbour with which it shares the longest border (minimum mapping "
        "unit). The area is in square map units, or in m² of ground where the map is in degrees or not true to scale, as in "
        "Web Mercator. 0: all regions stay.",
        0.0,
        unit="square CRS units",
        minimum=0.0,
    )
    smoothing: float = parameter(
        NUMBER,
        "Smoothing",
        "0: the polygons follow the edges of the pixels. Up to 1: borders run straight across the stairs of the pixels. No "
        "border moves by more than a pixel, and the edge of the raster stays as it is. Around nodata polygons lose some "
        "area: on a map full of islands of nodata of a pixel or two they covered 4.2 % less than the map.",
        0.0,
        minimum=0.0,
        maximum=1.0,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("polygons", "Polygons"),
        Result("dissolved", "Regions dissolved"),
    )


@dataclass(frozen=True)
class CompareMaps(Job, done_by="false_core.mapping.compare_maps:compare_maps"):
    """Find out how two maps of a place differ: which share of the pixels changed, from which class to which, and where.

    A class is the same on both where it has the same name, in capitals or not, whatever its codes; maps without names are
    compared by their codes, as in Assess a map. The two may lie on different grids and in different CRSs: the map before is
    looked up at the centre of each pixel of the map after. Pixels that only one of them has are left out.

    What differs is not all change on the ground: each map has errors of its own.
    """

    before: str = parameter(RASTER, "Map before", "Raster of class codes, as Classify a raster writes it.")
    after: str = parameter(
        RASTER, "Map after", "Raster of class codes of the same place: a later one, or one by another model."
    )
    output: Optional[str] = parameter(
        NEW_RASTER,
        "Where they differ",
        "A map of what changed: where the two differ it shows the class of the map after, elsewhere that nothing changed.",
        None,
    )
    table: Optional[str] = parameter(
        NEW_TABLE, "Table", "CSV table with a row for each pair of classes: pixels, share of the whole, and area.", None
    )
    report: Optional[str] = parameter(
        NEW_REPORT, "Report", "HTML report with pictures, and what became of each class.", None
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("changed", "Share of the pixels that changed"),
        Result("compared", "Pixels compared"),
    )


@dataclass(frozen=True)
class EditMap(Job, done_by="false_core.mapping.edit_map:edit_map"):
    """Correct a finished map: paint over parts of it, and merge or rename its classes.

    Polygons with a class field overwrite what the map shows below them, where the map has data. A small polygon within a
    larger one counts. A class that the map does not have yet becomes a new one. All else stays as it is, with its codes,
    names and colours. The result is a new map; the old one is not changed.
    """

    map: str = parameter(RASTER, "Map", "Raster of class codes, as Classify a raster writes it.")
    output: str = parameter(NEW_RASTER, "Corrected map", "The new map, a GeoTIFF.")
    patches: Optional[str] = parameter(
        VECTOR,
        "Polygons to paint",
        "Polygons, lines or points with a class field. They are reprojected to the map where needed.",
        None,
        of="map",
    )
    field: Optional[str] = usual.class_field("Names of classes, in capitals or not, or codes of the map.", "patches", None)
    names: Optional[str] = parameter(
        TEXT,
        "Merge and rename",
        "Old names and new ones, such as: scrub = forest; road = street. A class that gets the name of another one becomes "
        "one with it. The names of polygons may be old ones or new ones.",
        None,
    )
    legend: Optional[str] = usual.legend("the values of the class field are called", style="the style of the polygons")

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("repainted", "Pixels that have another class now"),
        Result("classes", "Classes of the new map"),
    )


@dataclass(frozen=True)
class HandIn(Job, done_by="false_core.mapping.hand_in:hand_in"):
    """Put all that belongs to a map into one folder, to hand it in.

    The folder gets the map with its style, its polygons, the area of each class, a report that says in plain words how the
    map was made and how good it is, and the jobs that make it again. In QGIS it also gets a page to print, with the map, its
    legend, scale bar, north arrow, date and CRS.

    With the points of Sample points to assess a map, their classes filled in, accuracy and areas come with their intervals.
    """

    map: str = parameter(RASTER, "Map", "Raster of class codes, as Classify a raster writes it.")
    output: str = parameter(
        NEW_FOLDER, "Folder", "The folder is made where it does not exist. Files of an earlier run are replaced."
    )
    reference: Optional[str] = parameter(
        VECTOR,
        "Reference labels",
        "Points at which it was looked up what is really there. Without them the report says that the accuracy of the "
        "map is not known.",
        None,
        of="map",
    )
    field: Optional[str] = parameter(
        FIELD, "Class field", "Names of the map's classes, in capitals or not, or their codes.", None, of="reference"
    )
    model: Optional[str] = parameter(
        MODEL,
        "Model",
        "The model that made the map. The report says from it how the map was made.",
        None,
        of="segmenter",
    )
    raster: Optional[str] = parameter(
        RASTER, "Raster", "The raster that the map was made of. It is named in the report and in the job.", None
    )
    minimum_area: float = parameter(
        NUMBER,
        "Minimum area",
        "A region smaller than this becomes part of its neighbour among the polygons, as in Map to polygons. The map stays.",
        0.0,
        unit="square CRS units",
        minimum=0.0,
    )
    title: Optional[str] = parameter(
        TEXT, "Title", "The title of the report and of the page. Empty: the name of the map.", None
    )
    legend: Optional[str] = usual.legend(
        "the values of the class field are called", style="the style of the reference labels"
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("accuracy", "Overall accuracy and its limits, or: unknown", TEXT),
        Result("polygons", "Polygons"),
    )
