"""The jobs that say how right a map is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

from false_core.jobs.declarations import usual
from false_core.jobs.job import Job, Result
from false_core.jobs.kinds import INTEGER, NEW_REPORT, NEW_TABLE, NEW_VECTOR, NUMBER, RASTER, VECTOR, parameter


@dataclass(frozen=True)
class SamplePoints(Job, done_by="false_core.accuracy.sample_points:sample_points"):
    """Draw the points at which to look up what is really there, to assess a map.

    A stratified random sample: in each class of the map, every pixel has the same chance. How many points there are follows
    from the standard error wanted; a rare class gets a minimum, the others share the rest in proportion to their area. Fill
    in the field class of each point on screen, by name or by code, then hand the layer to Assess a map. The points do not
    say what the map shows, and come in random order, so that the person who fills them in is not led by the map.
    """

    map: str = parameter(RASTER, "Map", "Raster of class codes, as Classify a raster writes it.")
    output: str = parameter(
        NEW_VECTOR,
        "Sample points",
        "The points to write, as GeoPackage or another format that goes by its extension. Fields: id, and class, which is "
        "empty; the form of QGIS offers the classes of the map.",
    )
    standard_error: float = parameter(
        NUMBER,
        "Standard error wanted",
        "This is the standard error of the overall accuracy. Half of it takes four times as many points. The 95 % interval "
        "reaches about twice as far to either side.",
        0.02,
        minimum=0.001,
        maximum=0.2,
    )
    users_accuracy: float = parameter(
        NUMBER,
        "User's accuracy expected",
        "Share of the pixels of each mapped class that are probably right. 0.5 is the careful guess: it takes the most "
        "points.",
        0.8,
        minimum=0.5,
        maximum=0.99,
    )
    minimum: int = parameter(
        INTEGER,
        "Fewest points per class",
        "A class too rare for its share of the points gets this many. 50 to 100 are usual. A class with fewer pixels gives "
        "all it has.",
        50,
        minimum=2,
        maximum=100_000,
    )
    seed: int = usual.seed()
    key: Optional[str] = parameter(
        NEW_TABLE,
        "Table of the mapped classes",
        "Optional: what the map shows at each point, the answers so to say. Do not show it to the person who fills in "
        "the classes. Assess a map does not need it.",
        None,
        advanced=True,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("points", "Points drawn"),
        Result("expected_error", "Expected standard error of the overall accuracy"),
    )


@dataclass(frozen=True)
class Assess(Job, done_by="false_core.accuracy.assess:assess"):
    """Find out how good a map is, from reference labels or a raster of the truth.

    It says how often map and reference agree, and which class is taken for which. From points that were drawn at random
    within the classes of the map it also estimates the accuracy of the whole map, and the area of each class, with 95 %
    confidence intervals (Olofsson et al. 2014). Sample points to assess a map draws such points.
    """

    map: str = parameter(RASTER, "Map", "Raster of class codes, as Classify a raster writes it.")
    reference: Optional[str] = parameter(
        VECTOR,
        "Reference labels",
        "Points, lines or polygons with a class field. They are reprojected to the map where needed. Points are compared "
        "one by one, lines and polygons pixel by pixel. Give these or a truth raster.",
        None,
        of="map",
    )
    field: Optional[str] = usual.class_field(
        "Names of the map's classes, in capitals or not, or their codes. Empty values are left out and counted.",
        "reference",
        None,
    )
    truth: Optional[str] = parameter(
        RASTER,
        "Truth raster",
        "Raster of the true classes, on any grid and in any CRS. Its numbers are names of the map's classes, such as 112, "
        "or their codes. It is looked up at the centre of each pixel of the map. Give this or reference labels.",
        None,
    )
    legend: Optional[str] = usual.legend(
        "the values of the class field are called", style="the style of the reference labels"
    )
    report: Optional[str] = parameter(NEW_REPORT, "Report", "HTML report with scores, confusion matrix and areas.", None)
    table: Optional[str] = parameter(
        NEW_TABLE, "Table", "CSV table with the confusion matrix and the scores and areas per class.", None
    )

    EXACTLY_ONE: ClassVar[Tuple[Tuple[str, ...], ...]] = (("reference", "truth"),)
    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("oa", "Overall accuracy"),
        Result("miou", "Mean intersection over union"),
        Result("macc", "Mean class accuracy"),
        Result("kappa", "Cohen's kappa"),
        Result("f1", "Mean F1"),
        Result("adjusted_oa", "Overall accuracy of the whole map, area-adjusted"),
        Result("adjusted_oa_error", "Half width of its 95 % confidence interval"),
        Result("compared", "Points or pixels compared"),
    )
