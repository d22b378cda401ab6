"""The page of a benchmark: the answer, the ranks, a table and a figure for each task, and what an encoder costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from false_core.benchmark.budgets import Budget
from false_core.benchmark.measurements import SCORE_OF_KIND, SCORE_TITLES
from false_core.benchmark.ranks import Interval, RankedEncoder
from false_core.benchmark.tables import TaskTable, answer_in_words
from false_core.benchmark.tasks import AREAS, CHANGE, LIKENESS, SEGMENTATION
from false_core.experiments.page import Part, page_of_parts
from false_core.models.weights import NONE
from false_core.reports.figures import LINE_COLOURS, as_svg
from false_core.reports.page import write_report

_KINDS = {
    SEGMENTATION: "Pixels are classified by the head that fine-tuning compares others with: on the features of the encoder "
    "and on texture; without an encoder, on texture alone.",
    AREAS: "Areas are classified by the head of classifyareas on the encoder's features, pooled over each area.",
    LIKENESS: "Areas are found by examples of each class, as findsimilar does; it counts how many of the first are right.",
    CHANGE: "Change is found as the job change does, without labels and with some of the earlier date. Without, a draw is "
    "another seed. A fit is a whole run.",
}
_PANELS_ACROSS = 3


def write_benchmark_page(
    path: Path,
    tables: Sequence[TaskTable],
    ranked: Sequence[RankedEncoder],
    shared: Sequence[str],
    encoders: Sequence[str],
    draws: int,
    failed: Mapping[str, str],
) -> None:
    """Write the page of a benchmark.

    Args:
        ranked, shared: Ranks and tasks as ``ranking`` gives them.
        encoders: Their names, in the order of the rows.
        draws: Number of times that labels were to be drawn.
        failed: Errors by task and encoder.

    Raises:
        OutputError: It cannot be written.
    """
    parts = [*_ranks(tables, ranked, shared), *_figure(tables, encoders), *(_scores(table) for table in tables)]
    parts += [*_gains(tables, encoders), *_tasks(tables), *_costs(tables)]
    notes = _notes(tables, encoders, shared, draws, failed)
    write_report(str(path), page_of_parts("Which encoder to start from", answer_in_words(ranked, shared), notes, parts))


def _notes(
    tables: Sequence[TaskTable],
    names: Sequence[str],
    shared: Sequence[str],
    draws: int,
    failed: Mapping[str, str],
) -> list[str]:
    notes = [f"{title} failed: {error}" for title, error in failed.items()]
    left_out = [table.task.name for table in tables if table.task.name not in shared]
    if left_out and len(names) > 1:
        notes.append(f"Ranks leave out {', '.join(left_out)}, on which fewer than two encoders have results.")
    for name in names:
        without = [table.task.name for table in tables if table.task.name in shared and name not in table.encoders]
        if without and len(without) < len(shared):
            notes.append(f"{name} has no results on {', '.join(without)}. There the others are ranked without it.")
    if len(shared) < 3 and len(names) > 1:
        notes.append("Ranks over fewer than three tasks say little of data of another kind.")
    if draws < 3:
        notes.append("There are fewer than three draws of the labels, so small differences may be chance.")
    return notes


def _ranks(tables: Sequence[TaskTable], ranked: Sequence[RankedEncoder], shared: Sequence[str]) -> list[Part]:
    rows = []
    for one in ranked:
        wins = sum(_is_won(table, budget, one.encoder) for table in tables for budget in table.budgets)
        runs = [table.runs[one.encoder] for table in tables if one.encoder in table.runs]
        looks = {(table.task.raster, table.task.labels, table.task.unseen_raster): table.runs for table in tables}
        features = sum(own[one.encoder].seconds_of_features for own in looks.values() if one.encoder in own)
        rows.append(
            [
                one.encoder,
                _interval(one.rank, 1, 2),
                "-" if one is ranked[0] else _interval(one.behind, 1, 2, signed=True),
                str(wins),
                _millions(max(run.parameters for run in runs)),
                f"{features:,.0f}",
                f"{sum(run.seconds_of_a_fit for run in runs) / len(runs):,.1f}",
            ]
        )
    text = (
        "In each draw of the labels encoders are ranked by their score, and the best is 1. Draws, budgets and the "
        f"{len(shared)} tasks count alike. On a task that an encoder cannot do, the others are ranked without it, on the "
        "same scale. In brackets is the interval of 95 % of a bootstrap over tasks and draws. Clear "
        "wins are the budgets of tasks in which an encoder is better than every other one and the paired interval over "
        "draws leaves out 0."
    )
    header = ["Encoder", "Mean rank", "Behind the first", "Clear wins", "Parameters", "Features (s)", "A fit (s)"]
    return [Part("Ranks", text, header=header, rows=rows)] if rows else []


def _is_won(table: TaskTable, budget: Budget, encoder: str) -> bool:
    others = [name for name in table.encoders if name != encoder]
    return bool(others) and all(table.difference(budget, encoder, other).low > 0 for other in others)


def _scores(table: TaskTable) -> Part:
    kind = table.task.kind
    columns = []
    for budget in table.budgets:
        best = table.best(budget)
        columns.append([_cell(table, budget, name, best) for name in table.encoders])
    text = (
        f"{SCORE_TITLES[SCORE_OF_KIND[kind]]} in %: means, in brackets the interval of 95 % over the draws of labels. The "
        "best mean is bold; underlined are those that the paired interval over the draws does not tell apart from it. Of "
        "one draw there is no interval. "
        f"{_KINDS[kind]}"
    )
    return Part(
        table.task.name,
        text,
        header=["Encoder", *(budget.title for budget in table.budgets)],
        rows=[[name, *cells] for name, cells in zip(table.encoders, zip(*columns))],
    )


def _cell(table: TaskTable, budget: Budget, name: str, best: str | None) -> str:
    shown = _interval(table.interval(budget, name), 100, 1)
    if name == best:
        return Markup("<b>{}</b>").format(shown)
    behind = Interval(math.nan, math.nan, math.nan, 0) if best is None else table.difference(budget, name, best)
    if not math.isnan(behind.low) and not behind.leaves_zero:
        return Markup("<u>{}</u>").format(shown)
    return shown


def _gains(tables: Sequence[TaskTable], names: Sequence[str]) -> list[Part]:
    """Return by how much each encoder is better than no encoder, or than the first one."""
    reference = NONE if NONE in names else names[0]
    rows = [
        [
            f"{table.task.name}, {budget.title}",
            *(
                _interval(table.difference(budget, name, reference), 100, 1, signed=True)
                for name in names
                if name != reference
            ),
        ]
        for table in tables
        for budget in table.budgets
        if reference in table.encoders
    ]
    text = "The numbers are percentage points of the score of the task: means of paired differences, with intervals of 95 %."
    header = ["Task and labels", *(name for name in names if name != reference)]
    title = "What an encoder adds to colours and texture" if reference == NONE else f"What an encoder adds to {reference}"
    return [Part(title, text, header=header, rows=rows)] if rows and len(names) > 1 else []


def _tasks(tables: Sequence[TaskTable]) -> list[Part]:
    rows = []
    for table in tables:
        facts = next(iter(table.runs.values())).facts
        rows.append(
            [
                table.task.name,
                table.task.kind,
                str(len(facts["classes"])),
                f"{facts['labels']:,}",
                facts["scored"],
                f"{facts['pixel_size']:g}",
                table.task.mark,
            ]
        )
    header = ["Task", "Kind", "Classes", "Labels to draw from", "Scored", "Working pixel", "Mark"]
    text = "Two tables that show the same mark are of the same data."
    return [Part("Tasks", text, header=header, rows=rows)] if rows else []


def _costs(tables: Sequence[TaskTable]) -> list[Part]:
    rows = [
        [
            table.task.name,
            name,
            f"{run.seconds_of_features:,.1f}",
            f"{run.seconds_of_a_fit:,.2f}",
            _millions(run.parameters),
        ]
        for table in tables
        for name, run in table.runs.items()
    ]
    text = (
        "Features are computed once for a raster and an encoder; tasks on the same areas share them, and show the same time."
    )
    header = ["Task", "Encoder", "Features (s)", "A fit (s)", "Parameters"]
    return [Part("Cost", text, header=header, rows=rows)] if rows else []


def _figure(tables: Sequence[TaskTable], names: Sequence[str]) -> list[Part]:
    if not tables:
        return []
    across = min(_PANELS_ACROSS, len(tables))
    down = math.ceil(len(tables) / across)
    figure = Figure(figsize=(4.4 * across, 3.1 * down + 0.5), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, table in zip(panels, tables):
        _draw(axes, table, names)
    for axes in panels[len(tables) :]:
        axes.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return [Part("Scores by number of labels", "A bar is the interval of 95 % over draws of labels.", as_svg(figure))]


def _draw(axes: Axes, table: TaskTable, names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        means = [table.interval(budget, name) for budget in table.budgets]
        reach = [
            [0.0 if math.isnan(one.low) else 100 * abs(limit - one.mean) for one, limit in ends]
            for ends in ([(one, one.low) for one in means], [(one, one.high) for one in means])
        ]
        places = [place + 0.08 * (number - (len(names) - 1) / 2) for place in range(len(means))]
        colour = LINE_COLOURS[number % len(LINE_COLOURS)]
        marker = "os^Dv*"[number // len(LINE_COLOURS) % 6]
        heights = [100 * one.mean for one in means]
        axes.errorbar(places, heights, reach, color=colour, marker=marker, markersize=4, capsize=2, linestyle="", label=name)
    axes.set_xticks(range(len(table.budgets)), [budget.title for budget in table.budgets], fontsize=7, rotation=20)
    axes.set_xlim(-0.5, len(table.budgets) - 0.5)
    axes.set_ylabel(f"{SCORE_TITLES[SCORE_OF_KIND[table.task.kind]]} (%)", fontsize=8)
    axes.set_title(table.task.name, fontsize=9)
    axes.grid(axis="y", alpha=0.3)


def _interval(value: Interval, factor: float, decimals: int, signed: bool = False) -> str:
    if math.isnan(value.mean):
        return "-"
    sign = "+" if signed else ""
    mean = f"{factor * value.mean:{sign}.{decimals}f}"
    if math.isnan(value.low):
        return mean
    return f"{mean} ({factor * value.low:{sign}.{decimals}f} to {factor * value.high:{sign}.{decimals}f})"


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} million" if parameters else "none"
