"""The labels of a fine-tuning, read onto the working grid of their raster."""

from __future__ import annotations

from false_core.computing.distributed import ALONE, World
from false_core.feedback import Feedback
from false_core.jobs import Finetune
from false_core.labels.annotation import Annotation
from false_core.labels.label_warnings import label_warnings
from false_core.labels.reading import read_annotation
from false_core.raster.classes import read_legend
from false_core.raster.source import RasterSource
from false_core.sampling.cache import ChunkCache
from false_core.sampling.labelled import LabelledRaster, on_valid_pixels
from false_core.settings import memory_for_pixels
from false_core.training.start import Start, measured_raster


def labelled_raster(start: Start, feedback: Feedback, world: World = ALONE) -> LabelledRaster:
    """Open the raster of a job with a head of frozen features, and read its labels."""
    job = start.job
    source, normalisation = measured_raster(start, feedback, world)
    annotation = labels_on_data(
        job, source, ChunkCache([source], normalisation, memory_for_pixels(), start.device), feedback
    )
    warn_of_labels(annotation, None, False, source, feedback)
    return LabelledRaster(source, normalisation, annotation)


def labels_on_data(job: Finetune, source: RasterSource, cache: ChunkCache, feedback: Feedback) -> Annotation:
    """Read the labels of a job, on pixels with data alone."""
    annotation = read_annotation(job.labels, job.field, source, read_legend(job.legend), feedback)
    return on_valid_pixels(annotation, cache, feedback)


def warn_of_labels(
    annotation: Annotation, held_out: Annotation | None, scored: bool, source: RasterSource, feedback: Feedback
) -> None:
    """Tell what may be wrong with labels.

    Args:
        annotation: The labels.
        held_out: Labels that score the model, if there are any.
        scored: True where some were to be held out.
        source: The raster on its working grid.
        feedback: The listener that is told.
    """
    for warning in label_warnings(annotation, held_out, scored, source.width, source.height):
        feedback.warn(warning)
