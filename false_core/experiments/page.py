"""The page of an experiment: tables and a figure in the layout of the paper, as one HTML file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from false_core import jobs
from false_core.experiments.cells import PROTOCOL_TITLES, confidence_title, variant_title
from false_core.experiments.config import (
    BASELINES,
    COORDINATES,
    PATCHES,
    SCENE,
    SCORE_PIXELS,
    SUPERVISED,
    TILES_ALONE,
    TILES_LEFT_OUT,
    Experiment,
)
from false_core.experiments.folders import BLACK
from false_core.experiments.results import RunResult
from false_core.experiments.tables import (
    METRICS,
    Group,
    Row,
    Spread,
    difference,
    interval_holds,
    regret_of,
    spread,
)
from false_core.jobs import UNTRAINED
from false_core.reports.figures import INK, as_svg
from false_core.reports.page import write_report
from false_core.reports.sections import Section

_MARKS = "They are means ± standard deviations over the seeds. The best mean is bold, the second best is underlined."
_DECIMALS = 2
MOST_BASELINES = 8
"""Rows that the others are compared with in a table."""


@dataclass(frozen=True)
class Part(Section):
    """One part of the page: a section in which cells that are ``Markup`` are not escaped again.

    Attributes:
        over: Titles over several columns, and how many, from the second column on.
    """

    over: Sequence[tuple[str, int]] = ()


def write_page(
    path: Path,
    experiment: Experiment,
    groups: Sequence[Group],
    results: Sequence[RunResult],
    cells: int,
    failed: Mapping[str, str],
) -> None:
    """Write the page of an experiment.

    Args:
        path: The path of the HTML file.
        experiment: Experiment that was asked for.
        groups, results: Groups and results that there are.
        cells: Cells of the whole grid.
        failed: Errors, by the title of the cell.

    Raises:
        OutputError: It cannot be written.
    """
    parts = [
        *_methods(experiment, groups),
        *_without_black(experiment, groups),
        *_differences(experiment, groups),
        *_choices(experiment, groups),
        *_confidences(experiment, groups),
        *_figure(experiment, groups),
        *(_everything(experiment, group) for group in groups),
        *_times(experiment, results),
    ]
    notes = _notes(experiment, results, cells, failed)
    write_report(str(path), page_of_parts(experiment.name, _summary(experiment, results), notes, parts))


def page_of_parts(title: str, summary: str, notes: Sequence[str], parts: Sequence[Part]) -> str:
    """Return a page of parts as HTML.

    Args:
        notes: Facts that may spoil the result.
    """
    # Names of classes and datasets come from the user: everything is escaped but what is marked up here.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("false_core.experiments"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("experiment.html").render(title=title, summary=summary, notes=notes, parts=parts)


def _summary(experiment: Experiment, results: Sequence[RunResult]) -> str:
    said = {
        SCENE: "The models learn from label polygons of one scene. They are scored on pixels of known class that no label "
        "polygon covers, and on further rasters.",
        TILES_ALONE: "Each part of a scene learns from its own label polygons and is scored on itself, on the classes that "
        "these show; the figure is the mean over the parts. Encoders see the whole scene.",
        TILES_LEFT_OUT: "Each part of a scene is mapped with the label polygons of all other parts; the figure is the "
        "mean over the parts. Encoders see the whole scene.",
        PATCHES: f"Images are cut in patches of {experiment.patch_size} x {experiment.patch_size} pixels. All patches are "
        "used for pretraining, and a share of them for fine-tuning. The models are scored on other images.",
    }
    words = [said[protocol] for protocol in experiment.protocols]
    if experiment.score == SCORE_PIXELS:
        words.append(f"Heads are scored on {experiment.scored_pixels:,} random pixels of each raster, networks on all.")
    found = {str(r.facts["classifier"]) for r in results if "classifier" in r.facts}
    if found:
        and_texture = ", and of local means and deviations" if len(experiment.baselines) > 1 else ""
        words.append(
            f"Beside them stands what {' or '.join(sorted(found))} makes of the coordinates of a pixel alone, without the "
            f"image{and_texture}."
        )
    return " ".join(words)


def _notes(experiment: Experiment, results: Sequence[RunResult], cells: int, failed: Mapping[str, str]) -> list[str]:
    notes = [f"{title} failed: {error}" for title, error in failed.items()]
    if len(results) < cells:
        notes.append(f"{cells - len(results)} of {cells} runs have no result yet. Run the experiment again to go on.")
    if len(experiment.seeds) < 3:
        notes.append("There are fewer than three seeds, so small differences between methods may be chance.")
    versions = sorted({str(result.facts.get("version")) for result in results})
    if len(versions) > 1:
        notes.append(f"The results come from several versions of the library: {', '.join(versions)}.")
    return notes


def _methods(experiment: Experiment, groups: Sequence[Group]) -> list[Part]:
    """Return the comparison of methods over all datasets (Table V)."""
    parts = []
    for setting in dict.fromkeys(_setting(experiment, group) for group in groups):
        chosen = [group for group in groups if _setting(experiment, group) == setting]
        columns = [(group, name) for group in chosen for name in ("oa", "miou", "macc")]
        header = ["Method", *(METRICS[name] for _, name in columns)]
        keys = list(dict.fromkeys(row.variant for group in chosen for row in group.rows))
        table = []
        for key in keys:
            rows = [next((row for row in group.rows if row.variant == key), None) for group, _ in columns]
            table.append([spread(row.scores[name] if row else ()) for row, (_, name) in zip(rows, columns)])
        parts.append(
            Part(
                f"Methods: {setting}",
                f"The scores are in %. {_MARKS} Table V of the paper has the same layout.",
                over=[(group.where, 3) for group in chosen],
                header=header,
                rows=[[variant_title(key, experiment), *cells] for key, cells in zip(keys, _marked(table))],
            )
        )
    return parts


def _without_black(experiment: Experiment, groups: Sequence[Group]) -> list[Part]:
    """Return mIoU with and without the class that is drawn in black: what an image does not show, easy as that is to map."""
    parts = []
    for group in groups:
        shown = [number for number, c in enumerate(group.classes) if c.color != BLACK]
        name = next((c.name for c in group.classes if c.color == BLACK), None)
        if name is None:
            continue
        table = []
        for row in group.rows:
            without = [spread(values).mean for values in zip(*(row.iou[number] for number in shown))]
            table.append([spread(row.scores["miou"]), spread(without)])
        parts.append(
            Part(
                f"With and without {name}: {group.where}, {_setting(experiment, group)}",
                f"The published mIoU counts a class of black pixels too, which lifts the mean. {_MARKS}",
                header=["Method", f"mIoU of all {len(group.classes)} classes", f"mIoU without {name}"],
                rows=[[variant_title(row.variant, experiment), *cells] for row, cells in zip(group.rows, _marked(table))],
            )
        )
    return parts


def _differences(experiment: Experiment, groups: Sequence[Group]) -> list[Part]:
    """Return by how much each row is better than those a user would compare it with."""
    parts = []
    for group in groups:
        compared = (COORDINATES, SUPERVISED, UNTRAINED, "simclr")
        baselines = [row for name in compared for row in group.rows if row.variant.method == name][:MOST_BASELINES]
        rows = [
            [
                variant_title(row.variant, experiment),
                *("" if row is baseline else _gain(difference(row, baseline, "miou")) for baseline in baselines),
            ]
            for row in group.rows
        ]
        if baselines and len(rows) > 1:
            parts.append(
                Part(
                    f"What a method adds: {group.where}, {_setting(experiment, group)}",
                    "The numbers are the mIoU less that of another row with the same seed, in percentage points: mean ± "
                    "standard error over the seeds."
                    + (
                        " Without pretraining, a network's encoder is always trained too."
                        * (jobs.NETWORK_HEAD in experiment.heads)
                    ),
                    header=["Method", *(f"over {variant_title(row.variant, experiment)}" for row in baselines)],
                    rows=rows,
                )
            )
    return parts


def _choices(experiment: Experiment, groups: Sequence[Group]) -> list[Part]:
    """Return how well *auto* chooses, and how often the interval that it tells holds the accuracy of the map."""
    rows = []
    for group in groups:
        for row in group.rows:
            regrets = [regret_of(result, group.raster) for result in row.results]
            holds = [interval_holds(result, group.raster) for result in row.results]
            known = [one for one in holds if one is not None]
            if row.variant.method in BASELINES or (all(map(math.isnan, regrets)) and not known):
                continue
            told = spread(result.held_out.get("oa", math.nan) for result in row.results).mean
            rows.append(
                [
                    f"{group.where}, {_setting(experiment, group)}: {variant_title(row.variant, experiment)}",
                    _percent(spread(regrets)),
                    _percent(Spread(told, math.nan, 1)) if known else "-",
                    _percent(spread(row.scores["oa"])),
                    f"{sum(known)} of {len(known)}" if known else "-",
                    str(sum(one is None for one in holds)),
                ]
            )
    text = (
        "Regret is by how much the best of the candidates that auto compares has a higher mIoU than the chosen one, in "
        "percentage points. The interval is the one of 95 % that is told from the labels alone; it holds where the accuracy "
        "of the map lies in it. It is unknown where there are too few polygons, and is not told of parts or other rasters."
    )
    header = ["Run", "Regret", "Accuracy told", "Accuracy of the map", "Interval holds", "Unknown"]
    return [Part("What auto chooses, and what it promises", text, header=header, rows=rows)] if rows else []


def _confidences(experiment: Experiment, groups: Sequence[Group]) -> list[Part]:
    """Return IoU by class and confidence weight of FALSE (Tables II to IV)."""
    parts = []
    for group in groups:
        rows = _weights(group)
        if len(rows) < 2:
            continue
        by_class = [[spread(row.iou[k]) for row in rows] for k in range(len(group.classes))]
        parts.append(
            Part(
                f"Confidence weights: {group.where}, {_setting(experiment, group)}",
                f"The numbers are the IoU of each class in % by confidence weight α. {_MARKS} Tables II to IV of the paper "
                "have the same layout.",
                header=["α", *(confidence_title(_weight(row)) for row in rows)],
                # Here the best of a class stands in its row.
                rows=[[c.name, *_mark(values)] for c, values in zip(group.classes, by_class)],
                colors=[c.color for c in group.classes],
            )
        )
    return parts


def _figure(experiment: Experiment, groups: Sequence[Group]) -> list[Part]:
    """Return mIoU by confidence weight, a panel per group (Fig. 3)."""
    shown = [group for group in groups if len(_weights(group)) > 1]
    if not shown:
        return []
    across = min(3, len(shown))
    down = math.ceil(len(shown) / across)
    figure = Figure(figsize=(4.2 * across, 3.2 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, group in zip(panels, shown):
        _draw_weights(axes, group, _setting(experiment, group))
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    text = (
        "The line is the mean mIoU by confidence weight, a bar is its standard deviation, and a dot is one seed. Fig. 3 of "
        "the paper has the same layout."
    )
    return [Part("Confidence weights and mIoU", text, as_svg(figure))]


def _draw_weights(axes: Axes, group: Group, setting: str) -> None:
    rows = _weights(group)
    numbers = [row for row in rows if not isinstance(row.variant.confidence, str)]
    # The adaptive weight is no number; it stands beside the others.
    place = {_weight(row): float(_weight(row)) for row in numbers} | {"adaptive": 1.2}
    for row in rows:
        values = [100 * value for value in row.scores["miou"]]
        axes.scatter([place[_weight(row)]] * len(values), values, s=12, color=INK, alpha=0.45, linewidths=0)
    means = [spread(row.scores["miou"]) for row in rows]
    for part, line in ((numbers, "-"), ([row for row in rows if row not in numbers], "")):
        chosen = [(place[_weight(row)], mean) for row, mean in zip(rows, means) if row in part]
        chosen.sort(key=lambda pair: pair[0])
        if chosen:
            bars = [0.0 if math.isnan(mean.std) else 100 * mean.std for _, mean in chosen]
            heights = [100 * mean.mean for _, mean in chosen]
            axes.errorbar(
                [x for x, _ in chosen], heights, yerr=bars, linestyle=line, marker="o", markersize=4, capsize=3, color=INK
            )
    axes.set_xticks([place[_weight(row)] for row in rows], [confidence_title(_weight(row)) for row in rows])
    axes.set_xlabel("confidence weight α")
    axes.set_ylabel("mIoU (%)")
    # A dollar in a name is a dollar, no formula.
    axes.set_title(f"{group.where}\n{setting}", fontsize=9, parse_math=False)
    axes.grid(alpha=0.3)


def _everything(experiment: Experiment, group: Group) -> Part:
    """Return every score of every method."""
    table = _marked([[*map(spread, row.iou), *(spread(row.scores[name]) for name in METRICS)] for row in group.rows])
    seeds = [str(len(row.scores["oa"])) for row in group.rows]
    return Part(
        f"All scores: {group.where}, {_setting(experiment, group)}",
        f"The IoU of each class comes first, then the scores of the whole map, all in %. {_MARKS}",
        header=["Method", *(c.name for c in group.classes), *METRICS.values(), "Seeds"],
        rows=[
            [variant_title(row.variant, experiment), *cells, number] for row, cells, number in zip(group.rows, table, seeds)
        ],
    )


def _times(experiment: Experiment, results: Sequence[RunResult]) -> list[Part]:
    keys = list(dict.fromkeys((r.cell.dataset, r.cell.protocol, r.cell.variant) for r in results))
    rows = []
    for key in keys:
        own = [r for r in results if (r.cell.dataset, r.cell.protocol, r.cell.variant) == key]
        means = [spread(r.seconds.get(stage, math.nan) for r in own).mean for stage in ("pretrain", "finetune", "classify")]
        words = [key[0], variant_title(key[2], experiment), PROTOCOL_TITLES[key[1]]]
        rows.append([", ".join(filter(None, words)), *(f"{seconds:,.0f}" for seconds in means)])
    text = "The first run with a seed computes the features for the others. " if experiment.score == SCORE_PIXELS else ""
    text += f"The numbers are mean seconds of a run, with the preset {experiment.preset} on the device {experiment.device}."
    return [Part("Time", text, header=["Run", "Pretrain", "Fine-tune", "Classify or score"], rows=rows)] if rows else []


def _marked(table: Sequence[Sequence[Spread]]) -> list[list[str]]:
    """Return a table as text, the best of each column marked."""
    columns = [_mark(column) for column in zip(*table)]
    return [list(row) for row in zip(*columns)]


def _mark(values: Sequence[Spread]) -> list[str]:
    """Return spreads as text, the best in bold and the second best underlined, as they are shown: equal ones alike."""
    rounded = [round(100 * value.mean, _DECIMALS) for value in values]
    ranks = sorted({value for value in rounded if not math.isnan(value)}, reverse=True)
    marks = dict(zip(ranks, ("b", "u"))) if len(ranks) > 1 else {}
    return [
        Markup("<{0}>{1}</{0}>").format(marks[key], _percent(value)) if key in marks else _percent(value)
        for key, value in zip(rounded, values)
    ]


def _percent(value: Spread) -> str:
    if math.isnan(value.mean):
        return "-"
    mean = f"{100 * value.mean:.{_DECIMALS}f}"
    return mean if math.isnan(value.std) else f"{mean} ± {100 * value.std:.{_DECIMALS}f}"


def _gain(value: Spread) -> str:
    if math.isnan(value.mean):
        return "-"
    mean = f"{100 * value.mean:+.{_DECIMALS}f}"
    return mean if math.isnan(value.error) else f"{mean} ± {100 * value.error:.{_DECIMALS}f}"


def _weights(group: Group) -> list[Row]:
    """Return the rows of FALSE where they differ in nothing but the confidence weight."""
    rows = [row for row in group.rows if row.variant.confidence is not None]
    return rows if len({replace(row.variant, confidence=None) for row in rows}) == 1 else []


def _weight(row: Row) -> float | str:
    assert row.variant.confidence is not None
    return row.variant.confidence


def _setting(experiment: Experiment, group: Group) -> str:
    words = f"{100 * group.fraction:.3g} % of the labels"
    how = f", encoder {'frozen' if group.frozen else 'trained too'}"
    return words + how * (jobs.NETWORK_HEAD in experiment.heads)
