"""A scene to try everything on: a raster, labels in the colours of their classes, and where wanted the true classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from false_core.feedback import Feedback
from false_core.jobs import ExampleData
from false_core.outputs.publish import published
from false_core.synthetic.classes import CLASSES
from false_core.synthetic.files import LAND_COVER, LAYER, labels_of, write_image, write_truth
from false_core.synthetic.scene import generate
from false_core.vector.layer_file import write_vector
from false_core.vector.layer_style import keep_style, style_of_labels

LABELLED = 0.01
"""Share of the area that the labels cover."""


def example_data(job: ExampleData, feedback: Feedback) -> dict[str, Any]:
    """Run an ``ExampleData`` job: write the files. Return the number of label polygons.

    Raises:
        OutputError: A file cannot be written.
    """
    with feedback.stage("Generating a scene", 0.8):
        scene = generate(job.size, job.size, job.seed)
    with feedback.stage("Writing it", 0.2):
        with published(job.raster) as (scratch,):
            write_image(scratch, scene)
        if job.truth:
            with published(job.truth) as (scratch,):
                write_truth(scratch, scene)
        labels = labels_of(scene, LABELLED, job.seed)
        style = style_of_labels(LAND_COVER, CLASSES)

        def finish(package: Path) -> None:
            keep_style(style, package, job.labels, job.raster)

        write_vector(job.labels, labels, LAYER, finish)
    feedback.info(f"{len(labels)} label polygons of {len(CLASSES)} classes. Their class field is {LAND_COVER}.")
    return {"polygons": len(labels)}
