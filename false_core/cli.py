"""The command line ``false-core``: the jobs as they are declared, and ``run``, ``info``, ``rerun`` and the like."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, get_type_hints

import tyro
from rich import markup
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from false_core import __version__, events, jobs
from false_core.cancellation import Stop, cancelled_by_signals, end_at_deadline
from false_core.computing.distributed import share
from false_core.computing.memory import keep_memory
from false_core.computing.native_libraries import set_up_gdal
from false_core.dispatch import run
from false_core.errors import Cancelled, FalseError, RequestError, presentable, printable
from false_core.language.localised_events import error_for_user, localised_event
from false_core.standard_streams import leave_removed_folder, open_streams, raise_no_warnings, start_in_utf8
from false_core.untrusted.network import names_address, network_closed
from false_core.worker import serve_file


@dataclasses.dataclass(frozen=True)
class RunJob:
    """Run a job from a JSON file, such as QGIS exports it; also under torchrun: torchrun -m false_core run job.json."""

    job: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help="JSON file with the job.")]
    events: Annotated[
        tyro.conf.FlagCreatePairsOff[bool],
        tyro.conf.arg(
            help="For other programs: instead of a bar, one line of JSON per event on stdout. A line cancel on stdin ends "
            "the run, as does removing the file."
        ),
    ] = False
    scheduler: Annotated[
        str | None,
        tyro.conf.arg(
            help="Has the parts of maps computed with Dask: local, local:4, slurm:8, pbs:8, or the address of a scheduler. "
            "FALSE_SCHEDULER does the same, for all commands."
        ),
    ] = None


@dataclasses.dataclass(frozen=True)
class Info:
    """Print what a model file is, in words."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help="A model or encoder file.")]


@dataclasses.dataclass(frozen=True)
class RunExperiment:
    """Compare methods on datasets with truth: run what is missing, then write the tables as CSV and HTML."""

    config: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help="TOML file, as those in the folder experiments.")]


@dataclasses.dataclass(frozen=True)
class RunBenchmark:
    """Compare encoders on many tasks with few labels: which one to start from. Writes a page, a CSV and a JSON.

    Without tasks of your own it runs on a generated scene.
    """

    tasks: Annotated[
        tyro.conf.Positional[tuple[str, ...]],
        tyro.conf.arg(help="Folders with a raster and its truth, labels or areas, or TOML files with [[tasks]]."),
    ] = ()
    data: Annotated[
        str | None, tyro.conf.arg(help="A folder with deepglobe/ and scenes/, whose tasks are known; see the documentation.")
    ] = None
    encoders: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            help="none (colours and texture alone), general, random (untrained), backbones and weights of timm, encoder "
            "files; general+FILE looks with both."
        ),
    ] = ("none", "random", "general")
    output: Annotated[str, tyro.conf.arg(help="Folder to write to. What was computed before is used again.")] = "benchmark"
    labels: Annotated[tuple[int, ...], tyro.conf.arg(help="Numbers of labels of each class.")] = (1, 5, 20)
    shares: Annotated[tuple[float, ...], tyro.conf.arg(help="Shares of the pixels that labels cover.")] = (0.001, 0.01, 0.1)
    draws: Annotated[int | None, tyro.conf.arg(help="How often labels are drawn: 5 times, or 3 with --quick.")] = None
    quick: Annotated[
        tyro.conf.FlagCreatePairsOff[bool],
        tyro.conf.arg(help="Fewer draws, fewer pixels to score, a smaller scene."),
    ] = False
    device: Annotated[str, tyro.conf.arg(help="The device to compute on.")] = "auto"


@dataclasses.dataclass(frozen=True)
class Rerun:
    """Make a model or encoder again from what its file says of its making, and say what is different now.

    Reads the files that the model file names. Without an output it only lists them.
    """

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help="A model or encoder file.")]
    output: Annotated[str | None, tyro.conf.arg(help="The file to write. Empty: only say what would be done.")] = None
    report: Annotated[str | None, tyro.conf.arg(help="HTML report to write.")] = None
    input: Annotated[
        tuple[str, ...], tyro.conf.arg(help="NAME=PATH of what lies elsewhere now, such as labels=/data/labels.gpkg.")
    ] = ()


WorkResult = TypeVar("WorkResult")


def escape(text: str) -> str:
    """Return ``text``, which may hold names from anywhere, so that it is shown as it is: no markup, no escape sequences."""
    return markup.escape(printable(text))


def entry() -> NoReturn:
    """Run the command line, and end the process as soon as it is done."""
    start_in_utf8()
    leave_removed_folder()
    raise_no_warnings()
    open_streams()
    keep_memory()
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Skips the teardown of torch, GDAL and their threads, which has been seen to abort after a cancel.
    os._exit(code)


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 bad request, 3 cancelled."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(f"false-core {__version__}")
        return
    console = Console(stderr=True)
    warnings.showwarning = lambda message, category, *rest, **more: console.print(
        f"[dim]{escape(presentable(f'{category.__name__}: {message}'))}[/]", highlight=False
    )
    try:
        command = _parsed(arguments)
        if isinstance(command, RunJob):
            if command.scheduler is not None:
                os.environ["FALSE_SCHEDULER"] = command.scheduler
            if command.events:
                serve_file(command.job)
            _run(jobs.from_file(command.job))
        elif isinstance(command, Info):
            _print_info(command.model)
        elif isinstance(command, Rerun):
            _rerun(command, console)
        elif isinstance(command, RunExperiment):
            _run_experiment(command.config, console)
        elif isinstance(command, RunBenchmark):
            _run_benchmark(command, console)
        else:
            with jobs.parameters_named_by(jobs.BY_OPTION):
                _run(jobs.JOBS[arguments[0]](**dataclasses.asdict(command)))
    except FalseError as error:
        _say(error, console)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # While nothing ran yet, or nothing runs any longer.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _say(Cancelled(), console)
        sys.exit(Cancelled.exit_code)
    except Exception as error:
        if os.environ.get("FALSE_TRACEBACK"):
            raise
        what = f"Something went wrong that should not: {type(error).__name__}: {error}"
        console.print(f"[bold red]{escape(presentable(what))}[/] Set FALSE_TRACEBACK=1 to see where, and please report it.")
        sys.exit(1)


def _parsed(arguments: list[str]) -> Any:
    """Return what was entered: one of the commands above, or the form of a job."""
    # Only the form that is asked for is built. Of the other jobs the overview shows names and descriptions.
    forms = {name: _form(job, with_parameters=arguments[:1] == [name]) for name, job in jobs.JOBS.items()}
    return tyro.extras.subcommand_cli_from_dict(
        {**forms, "run": RunJob, "info": Info, "rerun": Rerun, "experiment": RunExperiment, "benchmark": RunBenchmark},
        prog="false-core",
        description="Land-cover maps from a few labels: pretrain, finetune, classify.",
        args=arguments,
    )


def _say(error: FalseError, console: Console) -> None:
    if share().is_main:
        what, remedy = error_for_user(error)
        console.print(f"[bold red]{escape(what)}[/] {escape(remedy)}")


def _form(job: type[jobs.Job], with_parameters: bool = True) -> Any:
    """Return a dataclass like ``job`` whose types carry the help texts as tyro wants them, or an empty one."""
    fields: list[tuple[str, Any, Any]] = []
    for f in dataclasses.fields(job) if with_parameters else ():
        parameter: jobs.Parameter = f.metadata["parameter"]
        unit = f" In {parameter.unit}." if parameter.unit else ""
        choices = f" One of {', '.join(parameter.choices)}." if parameter.choices else ""
        value = _type_of(f, job)
        hint = Annotated[value, tyro.conf.arg(help=parameter.help + unit + choices)]  # type: ignore[valid-type]
        fields.append((f.name, hint, dataclasses.field(default=f.default)))
    return dataclasses.make_dataclass(job.__name__, fields, frozen=True, namespace={"__doc__": job.__doc__})


def _type_of(field: dataclasses.Field[Any], job: type[jobs.Job]) -> Any:
    """Return the type of a parameter of ``job``, as Python resolves it in the module of the job."""
    annotated = types.SimpleNamespace(__annotations__={field.name: field.type})
    try:
        return get_type_hints(annotated, vars(sys.modules[job.__module__]))[field.name]
    except Exception as error:
        raise FalseError(
            f"The command {job.NAME} has no form: the type of its parameter {field.name} is not understood: {error}.",
            "Mend its declaration. The other commands work.",
        ) from error


def _run(job: jobs.Job) -> None:
    began = time.monotonic()
    # Of several processes one shows how it goes. What is wrong is said all the same, after the work.
    quiet = not share().is_main
    outputs = _watched(lambda on_event, cancel: run(job, on_event, cancel), Console(stderr=True, quiet=quiet))
    table = Table(title=f"{type(job).__name__}: done in {_duration(time.monotonic() - began)}", show_header=False)
    labels = {result.name: result.label for result in job.RESULTS}
    labels.update({name: parameter.label for name, parameter in jobs.parameters(job).items()})
    for name, value in outputs.items():
        shown = f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
        table.add_row(labels.get(name, name), escape(shown))
    Console(quiet=quiet).print(table)


def _watched(work: Callable[[Callable[[events.Event], None], threading.Event], WorkResult], console: Console) -> WorkResult:
    """Do ``work`` with a progress bar, and return what it returns. Ctrl-C cancels it, and so does SIGTERM."""
    cancel = Stop()
    with (
        cancelled_by_signals(cancel),
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
        ) as bar,
    ):
        task = bar.add_task("Starting", total=1.0, rate="", left="")

        def show(said: events.Event) -> None:
            event = localised_event(said)
            if isinstance(event, events.Progress):
                left = f"{_duration(event.eta_s)} left" if event.eta_s is not None else ""
                bar.update(task, completed=event.fraction, description=escape(event.stage), rate=event.rate, left=left)
            elif isinstance(event, events.Message):
                style = "yellow" if event.level == events.WARNING else "dim"
                bar.console.print(f"[{style}]{escape(event.text)}[/]", highlight=False)

        def tell(reason: FalseError) -> None:
            bar.stop()  # It has hidden the cursor.
            _say(reason, console)

        end_at_deadline(cancel, tell)
        outcome: list[WorkResult] = []
        problem: list[BaseException] = []

        def go() -> None:
            try:
                outcome.append(work(show, cancel))
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread, below.
                problem.append(error)

        # In a thread, so that Ctrl-C reaches the work at its next step instead of tearing it apart.
        thread = threading.Thread(target=go)
        thread.start()
        while thread.is_alive():  # With a limit: on Windows, a wait without one lets no Ctrl-C through.
            thread.join(0.2)
    if problem:
        raise problem[0]
    if cancel.is_set():
        raise Cancelled()
    return outcome[0]


@contextmanager
def _left_out_of_plugin() -> Iterator[None]:
    """Raise RequestError where a room of the library is imported that the zip of the plugin does not have."""
    try:
        yield
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("false_core."):
            raise
        raise RequestError(
            "The library that comes with the plugin runs no experiments and no benchmark.",
            "Install false-core by itself, or use a checkout.",
        ) from error


def _run_experiment(path: str, console: Console) -> None:
    with _left_out_of_plugin():
        from false_core.experiments.config import read_experiment
        from false_core.experiments.runner import run_experiment

    experiment = read_experiment(path)
    began = time.monotonic()
    summary = _watched(lambda on_event, cancel: run_experiment(experiment, on_event, cancel), console)
    table = Table(title=f"{escape(experiment.name)}: done in {_duration(time.monotonic() - began)}", show_header=False)
    table.add_row("Tables", escape(str(summary.page)))
    table.add_row("Every run", escape(str(summary.table)))
    table.add_row("Runs", f"{summary.run} now, {summary.cells} in all")
    Console().print(table)
    if summary.failed:
        raise FalseError(f"{len(summary.failed)} of {summary.cells} runs failed.", "Mend the cause, then run it again.")


def _run_benchmark(command: RunBenchmark, console: Console) -> None:
    with _left_out_of_plugin():
        from false_core.benchmark.encoders import encoder_called
        from false_core.benchmark.ready_tasks import generated_tasks, tasks_of_data
        from false_core.benchmark.runner import run_benchmark
        from false_core.benchmark.settings import settings_of
        from false_core.benchmark.tasks import lead_to_server, read_tasks
    from false_core.computing.device import choose_device
    from false_core.feedback import Feedback

    began = time.monotonic()
    settings = settings_of(
        command.labels, command.shares, command.draws, command.quick, choose_device(command.device, Feedback())
    )
    encoders = [encoder_called(name) for name in command.encoders]
    output = Path(command.output)
    set_up_gdal()
    with network_closed(unless=names_address(command.data) or lead_to_server(command.tasks)):
        tasks = list(read_tasks(command.tasks))
        if command.data is not None:
            tasks += tasks_of_data(Path(command.data))
        if command.data is not None or not tasks:
            tasks += generated_tasks(output / "data", command.quick)
        summary = _watched(
            lambda on_event, cancel: run_benchmark(tasks, encoders, settings, output, on_event, cancel), console
        )
    table = Table(title=f"Benchmark: done in {_duration(time.monotonic() - began)}", show_header=False)
    table.add_row("Answer", escape(summary.answer))
    table.add_row("Tables", escape(str(summary.page)))
    table.add_row("Every fit", escape(str(summary.table)))
    table.add_row("Means and ranks", escape(str(summary.body)))
    table.add_row("Encoders on tasks", f"{summary.done} now, {summary.runs} in all, {len(summary.failed)} not possible")
    Console().print(table)
    if len(summary.failed) == summary.runs:
        raise FalseError("No encoder could be measured on any task.", "Mend the cause, then run it again.")


def _rerun(command: Rerun, console: Console) -> None:
    from false_core.rerun import plan, rerun

    replaced = dict(text.partition("=")[::2] for text in command.input)
    # Without an output the job still needs the name of one to be a job.
    planned = plan(command.model, command.output or command.model, command.report, replaced)
    table = Table("Input", "Path", "", title=f"{type(planned.job).__name__}", title_justify="left")
    for one in planned.inputs:
        table.add_row(one.parameter, escape(one.path), one.state)
    for name, then, now in planned.tools:
        table.add_row(name, f"{escape(then)} then, {escape(now)} now", "differs")
    answers = Console()
    answers.print(table)
    if planned.is_the_same:
        answers.print("Nothing is known to be different: the result should be the same to the last bit.")
    if command.output is None:
        return
    largest = _watched(lambda on_event, cancel: rerun(planned, command.model, on_event, cancel), console)
    same = "The weights are the same to the last bit."
    differ = f"The weights differ by up to {largest:.3g}."
    answers.print(f"{escape(command.output)} is written. {differ if largest else same}")


def _print_info(path: str) -> None:
    from false_core.models.model_file import read_card
    from false_core.models.model_report import kind_in_words, model_sections

    card = read_card(path)
    console = Console()
    console.print(f"[bold]{escape(path)}[/]: {kind_in_words(card)}")
    for section in model_sections(card):
        table = Table(*section.header, title=section.heading, title_justify="left", show_header=bool(section.header))
        for number, row in enumerate(section.rows):
            swatch = f"[on {section.colors[number]}]  [/] " if section.colors else ""
            table.add_row(swatch + escape(row[0]), *map(escape, row[1:]))
        console.print(table)
        if section.text:
            console.print(escape(section.text))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


if __name__ == "__main__":
    entry()
