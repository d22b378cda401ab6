"""The job that finds what has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

from false_core.jobs.declarations import usual
from false_core.jobs.declarations.choices import LABELLED_AFTER, LABELLED_BEFORE, LABELLED_BOTH
from false_core.jobs.job import Job, Result
from false_core.jobs.kinds import CHOICE, MODEL, NEW_RASTER, NEW_REPORT, NEW_VECTOR, NUMBER, RASTER, VECTOR, parameter
from false_core.jobs.names_for_user import name_for_user


@dataclass(frozen=True)
class Change(Job, done_by="false_core.change.find_change:find_change"):
    """Find out where a place changed between two dates, and from what to what.

    It needs no labels. From the place itself it learns how each kind of ground looks at one date that looked a certain way
    at the other. Season, light and another sensor change all ground of a kind alike, and are no change; a place that does
    not go the way of its kind is. So most of the place must be unchanged. With a few labels, or a model, it also says from
    which class to which, and what changed its look but surely not its class is no change.

    The two rasters may lie on different grids and in different CRSs. The result lies on the grid of the raster before, where
    both have data. What is nodata at one of the dates, such as clouds, stays unknown.
    """

    before: str = parameter(RASTER, "Raster before", "The raster of the earlier date." + usual.STANDS_FOR_ONE)
    after: str = parameter(
        RASTER,
        "Raster after",
        "The raster of the later date, with the same bands. It is read on the grid of the one before.",
    )
    output: str = parameter(
        NEW_RASTER,
        "Change map",
        "The map to write: one Byte band with a code for no change and one for change, or for each pair of classes.",
    )
    labels: Optional[str] = parameter(
        VECTOR,
        "Labels",
        "Optional: polygons, lines or points with a class field, so that the map says from what to what the ground changed. "
        "Some 20 are a start. They hold at one date; where the ground has not changed, they hold at the other one too.",
        None,
        of="before",
    )
    field: Optional[str] = usual.class_field(
        "The field of the labels that holds the class. Empty values are left out.", "labels", None
    )
    labelled: str = parameter(
        CHOICE,
        "Labels hold",
        "before: at the earlier date. after: at the later date. both: at both dates, as they lie where nothing changed.",
        LABELLED_BEFORE,
        choices=(LABELLED_BEFORE, LABELLED_AFTER, LABELLED_BOTH),
    )
    model: Optional[str] = parameter(
        MODEL,
        "Model",
        "Model file from fine-tuning, in place of labels, for the same bands and about the same pixel size. It classifies "
        "both dates.",
        None,
        of="segmenter",
        advanced=True,
    )
    minimum_area: Optional[float] = parameter(
        NUMBER,
        "Minimum area",
        "A change smaller than this is left out, and so is an unchanged gap within one. The area is in square map units, or "
        "in m² of ground where the map is in degrees or not true to scale, as in Web Mercator. Empty: that of 256 pixels.",
        None,
        unit="square CRS units",
        minimum=0.0,
    )
    threshold: float = parameter(
        NUMBER,
        "Threshold",
        "The probability of change from which on a place is shown as changed. How much has changed is measured first, so "
        "0.5 suits most places. Less finds more changes and more false ones.",
        0.5,
        minimum=0.01,
        maximum=0.99,
    )
    shift: float = parameter(
        NUMBER,
        "Shift",
        "How far the two rasters may be shifted against each other, in working pixels. A place counts as unchanged if it "
        "fits the other date anywhere within this distance.",
        2.0,
        minimum=0.0,
        maximum=4.0,
        advanced=True,
    )
    encoder: Optional[str] = usual.encoder_file()
    bands: Tuple[int, ...] = usual.bands_of_encoder(of="before")
    extent: Optional[str] = usual.extent("Look only at this part", "everything", of="before")
    pixel_size: Optional[float] = usual.working_pixel_size(
        "Both rasters are averaged to about this pixel size first. Empty: that of the encoder file, or that of the raster "
        "before."
    )
    weights: str = usual.general_encoder()
    seed: int = usual.seed()
    device: str = usual.device()
    legend: Optional[str] = usual.legend("the classes are called and how they look", style="the label layer's style")
    confidence: Optional[str] = parameter(
        NEW_RASTER,
        "Probability of change",
        "Optional second raster: the probability that a place changed, in percent, 255 for nodata.",
        None,
    )
    polygons: Optional[str] = parameter(
        NEW_VECTOR,
        "Changes as polygons",
        "Optional layer: a polygon for each change, with the classes before and after where they are known, its area, and "
        "how sure it is in percent.",
        None,
    )
    report: Optional[str] = parameter(
        NEW_REPORT,
        "Report",
        "HTML report with both dates and the changes in pictures, and how much changed from what to what, and how "
        "probable that is.",
        None,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("changed", "Share of the pixels that changed"),
        Result("changed_low", "Share with a probability of change of 90 % and more"),
        Result("changed_high", "Share with a probability of change of 10 % and more"),
        Result("compared", "Pixels compared"),
    )

    def contradiction(self) -> Optional[Tuple[str, str]]:
        """Say so where both labels and a model are to tell the classes."""
        if self.labels is None or self.model is None:
            return None
        return (
            f"{name_for_user(self, 'labels')} and {name_for_user(self, 'model')} were both given.",
            "Either labels or a model tell which classes there are.",
        )
