"""The report of an assessment: how good the map is, what it mixes up, and how large its classes really are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from false_core.accuracy.area_adjusted import WithInterval
from false_core.accuracy.assessment import Assessment
from false_core.accuracy.comparison import POINT_REFERENCE
from false_core.language.catalogue import localised
from false_core.reports.figures import as_svg, confusion_figure
from false_core.reports.page import page, percent
from false_core.reports.sections import Section, next_steps

LEAST_SHARE = 0.01
"""The share of the map from which on it is worth while to make a class better."""
MOST_COUNTED = 16
"""Classes up to which the confusion matrix is also shown as counts; the table has them all."""


def assessment_report(assessment: Assessment, picture: str = "", about: Sequence[tuple[str, str]] = ()) -> str:
    """Return the report of an assessment, as HTML.

    Args:
        picture: The map with its reference, as SVG.
        about: CRS and pixel size.
    """
    a, scores = assessment, assessment.scores
    whole = interval_in_words(float(a.adjusted.oa.value), float(a.adjusted.oa.error))
    known = [] if a.is_census else ["interval unknown"]
    of_compared = [percent(scores.oa), *(f"({localised(word)})" for word in known)]
    tiles = [
        # The first number is the one to quote: of the whole map where chance chose the points.
        ("overall accuracy of the whole map", whole)
        if a.kind == POINT_REFERENCE
        else (f"overall accuracy of the {_units(a)}", " ".join(localised(word) for word in of_compared)),
        (f"{_units(a)} compared", f"{a.compared:,}"),
        ("mean IoU", percent(scores.miou)),
        ("kappa", f"{scores.kappa:.2f}"),
    ]
    shown = [Section("The map and its reference", figure=picture)] if picture else []
    sections = [*shown, *_whole_map(a), _compared(a), _scores(a), *_confusion(a), *_next(a)]
    return page("Assessment of a map", f"How good {a.map_name} is.", tiles, a.notes, sections, about)


def _next(a: Assessment) -> list[Section]:
    on_map = np.array([c.pixels / a.pixels for c in a.classes])
    users = np.where(on_map >= LEAST_SHARE, a.adjusted.users.value, np.nan)
    wrong = ""
    if np.isfinite(users).any() and np.nanmin(users) < 1:
        worst = int(np.nanargmin(users))
        wrong = (
            f"What the map shows as {a.classes[worst].name} is so in {percent(float(users[worst]))} of the cases only. "
            "Digitise places that look like it and are something else, then fine-tune and classify again."
        )
    if a.kind != POINT_REFERENCE:
        return next_steps(
            "For numbers that you can hand in, draw points with 'Sample points to assess a map', fill in their classes, and "
            "assess the map with them."
            if not a.is_census
            else "",
            wrong,
        )
    return next_steps(
        "Quote the overall accuracy of the whole map and the adjusted areas, each with its interval.",
        "Where the intervals are too wide, draw more points: four times as many halve them.",
        wrong,
    )


def _compared(a: Assessment) -> Section:
    rows = [["Map", a.map_name], ["Reference", a.kind], ["Compared", _counted(a.compared, _units(a))]]
    return Section("What was compared", rows=[*rows, *(["Left out", _counted(n, who)] for who, n in a.left_out.items())])


def _counted(number: int, what: str) -> str:
    return f"{localised(f'{number:,}')} {localised(what)}"


def _units(a: Assessment) -> str:
    return "points" if a.kind == POINT_REFERENCE else "pixels"


def _scores(a: Assessment) -> Section:
    s, what = a.scores, _units(a).capitalize()
    sample = (
        ""
        if a.is_census
        else " Where a class has more of them than its share of the map, the scores of the whole map differ."
    )
    rows = [
        [
            c.name,
            *(percent(v[k]) for v in (s.iou, s.producers, s.users, s.f1)),
            f"{int(a.confusion[k].sum()):,}",
            f"{int(a.confusion[:, k].sum()):,}",
        ]
        for k, c in enumerate(a.classes)
    ]
    return Section(
        "Scores per class",
        f"All {_units(a)} that were compared count the same.{sample} Producer's accuracy is the share of what is truly of "
        "the class that the map shows as such. User's accuracy is the share of what the map shows as the class that is so.",
        header=("Class", "IoU", "Producer's accuracy", "User's accuracy", "F1", f"{what} in truth", f"{what} on map"),
        rows=rows,
        colors=[c.color for c in a.classes],
    )


def _confusion(a: Assessment) -> list[Section]:
    names = [c.name for c in a.classes]
    text = "The rows are the true classes and the columns the mapped ones, in percent of the row."
    sections = [Section("Confusion matrix", text, confusion_figure(a.confusion, names))]
    if len(names) <= MOST_COUNTED:
        rows = [[name, *(f"{int(n):,}" for n in row)] for name, row in zip(names, a.confusion)]
        text = "The rows are the true classes and the columns the mapped ones."
        sections.append(
            Section("Confusion matrix in numbers", text, header=("", *names), rows=rows, colors=[c.color for c in a.classes])
        )
    return sections


def _whole_map(a: Assessment) -> list[Section]:
    j, whole = a.adjusted, a.pixels * a.adjusted.covered * a.unit.per_pixel
    rows = [
        [
            c.name,
            percent(c.pixels / a.pixels),
            *(interval_in_words(float(e.value[k]), float(e.error[k])) for e in (j.users, j.producers)),
            area_in_words(c.pixels * a.unit.per_pixel, whole),
            area_in_words(whole * float(j.shares.value[k]), whole)
            if a.is_census
            else area_with_interval(j.shares, k, whole),
        ]
        for k, c in enumerate(a.classes)
    ]
    unit = a.unit.name
    return [
        Section(
            "The whole map, by area",
            f"{_trust(a)} Each mapped class counts as much as its share of the map, as in Olofsson et al. (2014), Remote "
            "Sensing of Environment 148, 42-57; ± is the 95 % confidence interval. The adjusted area of a class corrects "
            "for what the map shows too much or too little of. Where all samples of a class are right the interval is "
            "± 0: a larger sample may still find errors. Of a class that the reference does not have, a sample tells no "
            "area: it is not known.",
            _area_figure(a, whole),
            header=(
                "Class",
                "Share of the map",
                "User's accuracy",
                "Producer's accuracy",
                f"Mapped ({unit})",
                f"Adjusted ({unit})",
            ),
            rows=rows,
            colors=[c.color for c in a.classes],
        )
    ]


def _trust(a: Assessment) -> str:
    if a.kind == POINT_REFERENCE:
        return (
            "You may trust these numbers where chance alone chose the points, within each class of this very map, as "
            "'Sample points to assess a map' does, or all over it. You may not where points were set by hand, where they "
            "were easy to reach, or where they helped to make the map."
        )
    if a.is_census:
        return (
            "The truth is known for every pixel of the map, so nothing is estimated: these are the accuracies and areas "
            "themselves, and the intervals mean nothing."
        )
    return (
        "These numbers are made for points that chance chose, within the classes of the map. The reference is not of that "
        "kind: take them as a hint, and the intervals as too narrow."
    )


def _area_figure(a: Assessment, whole: float) -> str:
    """Return mapped and adjusted areas with their intervals as SVG."""
    figure = Figure(figsize=(7.5, 0.9 + 0.45 * len(a.classes)), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(a.classes))
    mapped = [c.pixels * a.unit.per_pixel for c in a.classes]
    axes.barh(place - 0.2, mapped, 0.36, color="#c9ccd1", label=localised("mapped"))
    shares = a.adjusted.shares
    known = np.flatnonzero(~np.isnan(shares.value))
    axes.barh(
        place[known] + 0.2,
        whole * shares.value[known],
        0.36,
        xerr=whole * np.nan_to_num(shares.error[known]),
        color=[a.classes[k].color for k in known],
        edgecolor="#555",
        linewidth=0.5,
        capsize=2.5,
        error_kw={"linewidth": 1},
        label=localised("adjusted"),
    )
    axes.set_yticks(place, [c.name for c in a.classes], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(localised(f"Area ({a.unit.name}): mapped in grey, adjusted in colour with its 95 % interval"))
    axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)


def area_with_interval(shares: WithInterval, k: int, whole: float) -> str:
    """Return the estimated area of class ``k`` with half the width of its interval, or that nothing is known of it."""
    value, error = whole * float(shares.value[k]), whole * float(shares.error[k])
    if math.isnan(value):
        return "not known"
    return area_in_words(value, whole) + ("" if math.isnan(error) else f" ± {area_in_words(error, whole)}")


def interval_in_words(value: float, error: float) -> str:
    """Return a share in percent with half the width of its interval, where that is known."""
    if math.isnan(value) or math.isnan(error):
        return percent(value)
    return f"{100 * value:.1f} ± {100 * error:.1f} %"


def area_in_words(area: float, whole: float) -> str:
    """Return an area with as many decimals as the area of the whole map needs to have about four digits."""
    digits = 3 - math.floor(math.log10(whole)) if whole > 0 else 0
    return "-" if math.isnan(area) else f"{area:,.{max(0, digits)}f}"
