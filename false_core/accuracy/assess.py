"""Assessing: a map, and reference labels or a truth raster in; scores, a confusion matrix and areas out."""

from __future__ import annotations

from typing import Any

from false_core.accuracy.assessment import conclude
from false_core.accuracy.assessment_picture import draw_compared
from false_core.accuracy.assessment_report import assessment_report
from false_core.accuracy.assessment_table import write_assessment_table
from false_core.accuracy.comparison import Comparison, compare_labels, compare_raster
from false_core.feedback import Feedback
from false_core.jobs import Assess
from false_core.labels.reading import Labels, read_labels
from false_core.raster.class_map import ClassMap
from false_core.raster.classes import read_legend
from false_core.raster.georeference import ground_facts
from false_core.reports.page import write_report


def assess(job: Assess, feedback: Feedback) -> dict[str, Any]:
    """Run an ``Assess`` job: write the report and the table, if asked for. Return its results by name."""
    the_map = ClassMap(job.map)
    with feedback.stage("Comparing", 0.95):
        labels = None if job.truth else _labels(job, the_map, feedback)
        assessment = conclude(the_map, _compare(job, the_map, labels, feedback))
    for what, number in assessment.left_out.items():
        feedback.info(f"Not compared: {number:,} {what}.")
    for note in assessment.notes:
        feedback.warn(note)
    with feedback.stage("Writing", 0.05):
        if job.report:
            picture, about = draw_compared(the_map, assessment.classes, labels), ground_facts(the_map.source)
            report = assessment_report(assessment, picture, about)
            # Drawing takes seconds on a slow computer: who cancels meanwhile is left no file at all.
            feedback.stop_if_cancelled()
            write_report(job.report, report)
        if job.table:
            write_assessment_table(job.table, assessment)
    scores, adjusted = assessment.scores, assessment.adjusted
    return {
        "oa": scores.oa,
        "miou": scores.miou,
        "macc": scores.macc,
        "kappa": scores.kappa,
        "f1": scores.mf1,
        "adjusted_oa": float(adjusted.oa.value),
        "adjusted_oa_error": float(adjusted.oa.error),
        "compared": assessment.compared,
    }


def _labels(job: Assess, the_map: ClassMap, feedback: Feedback) -> Labels:
    assert job.reference and job.field  # The job was validated.
    return read_labels(job.reference, job.field, the_map.source, feedback)


def _compare(job: Assess, the_map: ClassMap, labels: Labels | None, feedback: Feedback) -> Comparison:
    if labels is None:
        assert job.truth  # The job was validated.
        return compare_raster(the_map, job.truth, feedback)
    return compare_labels(the_map, labels, read_legend(job.legend), feedback)
