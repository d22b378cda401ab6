"""Writes the help: a page per algorithm, for the documentation and for the Help button of the dialogs.

    python tools/build_help.py           after a job has changed
    python tools/build_help.py --check   writes nothing; fails where something would be written

Everything comes from the declarations in ``false_core/jobs`` and ``qgis_false/tasks.py``; the titles come from
``qgis_false/algorithms``. The Markdown in ``docs/algorithms`` is English. The HTML in ``qgis_false/help`` is there for each
language of the plugin: it lies in the zip, one file per page without anything to load, so that help needs no network. Run
``tools/build_translations.py`` first. Standard library only.
"""

from __future__ import annotations

import ast
import dataclasses
import html
import inspect
import json
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from build_translations import LANGUAGES, translations  # noqa: E402
from shipped_models import Entry, ShippedModel, shipped_models  # noqa: E402

from false_core import jobs, presets  # noqa: E402
from qgis_false.dock.first_steps import first_steps  # noqa: E402
from qgis_false.dock.guide import dock_guide  # noqa: E402
from qgis_false.tasks import EXPORT, EXPORT_NAME, TASKS, can_be_exported, name_of  # noqa: E402

PRESETS = ROOT / "qgis_false" / "dialogs" / "presets.json"
"""The values of the presets, by job, preset and parameter: the dialogs show it where nothing is entered."""
ORIGINAL = "en"
DOCK_PAGE = "label_and_map"
TUTORIAL_PAGE = "first_steps"
MARKDOWN = ROOT / "docs" / "algorithms"
HTML = ROOT / "qgis_false" / "help"
ALGORITHMS = ROOT / "qgis_false" / "algorithms"
GROUPS_OF_MODELS = {"Map from a few labels": "start", "Map a folder of rasters": "map", "Improve a map": "improve"}
"""As in ``qgis_false/provider.py``, which imports QGIS."""
NOTICE = "<!-- Written by tools/build_help.py from false_core/jobs and qgis_false/tasks.py. Change it there. -->"

Translate = Callable[[str], str]


@dataclass(frozen=True)
class Algorithm:
    """The entry of an algorithm in the plugin: its name in ``false:name``, its title, and the class that declares it."""

    name: str
    title: str
    job: str
    group: str


@dataclass(frozen=True)
class Page:
    """One page: of a job, its algorithm, or both."""

    algorithm: Algorithm | None
    job: type[Any]

    @property
    def name(self) -> str:
        """Name of the file, without its ending."""
        return self.algorithm.name if self.algorithm else name_of(self.job)

    @property
    def title(self) -> str:
        return self.algorithm.title if self.algorithm else name_of(self.job)

    @property
    def paragraphs(self) -> list[str]:
        text = inspect.getdoc(self.job) or ""
        return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]

    @property
    def runs_without_qgis(self) -> bool:
        """Return whether the library does it, and not the plugin itself."""
        return self.job in jobs.JOBS.values()


def main() -> int:
    """Write every page, or check them. Return the exit code."""
    wanted = files()
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    orphans = [path for path in _present() if path not in wanted]
    if sys.argv[1:] == ["--check"]:
        for path in (*stale, *orphans):
            print(f"{path.relative_to(ROOT)} is stale. Run tools/build_help.py.", file=sys.stderr)
        return 1 if stale or orphans else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
        print(path.relative_to(ROOT))
    for path in orphans:
        path.unlink()
        print(f"{path.relative_to(ROOT)} removed")
    return 0


def files() -> dict[Path, str]:
    """Return every file that the help consists of, and its text."""
    found = {MARKDOWN / "index.md": index(), MARKDOWN / f"{DOCK_PAGE}.md": dock_as_markdown()}
    for page in pages():
        found[MARKDOWN / f"{page.name}.md"] = as_markdown(page)
    for model in shipped_models():
        found[MARKDOWN / f"{model.page}.md"] = model_as_markdown(model)
    for language in (ORIGINAL, *LANGUAGES):
        known = translations(language) if language != ORIGINAL else {}

        def tr(text: str, known: dict[str, str] = known) -> str:
            return known.get(text, text)

        for page in pages():
            if page.algorithm:
                found[HTML / language / f"{page.name}.html"] = as_html(page, language, tr)
        for model in shipped_models():
            found[HTML / language / f"{model.page}.html"] = model_as_html(model, language, tr)
        found[HTML / language / f"{DOCK_PAGE}.html"] = dock_as_html(language, tr)
        found[HTML / language / f"{TUTORIAL_PAGE}.html"] = tutorial_as_html(language, tr)
        found[HTML / language / "index.html"] = index_as_html(language, tr)
    found[PRESETS] = json.dumps(said_by_presets(), indent=1) + "\n"
    return found


def said_by_presets() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the values that a preset gives to the parameters of a job which may be left to it."""
    pretrain = jobs.Pretrain(rasters=("raster.tif",), encoder="encoder.safetensors")
    settings: dict[str, dict[str, Any]] = {
        "pretrain": {name: presets.pretrain_settings(name, pretrain) for name in presets.PRETRAIN},
        "finetune": presets.FINETUNE,
    }
    return {job: {name: _said(job, values) for name, values in of.items()} for job, of in settings.items()}


def _said(job: str, settings: Any) -> dict[str, Any]:
    declared = jobs.parameters(jobs.JOBS[job])
    open_to_it = {field.name for field in dataclasses.fields(jobs.JOBS[job]) if field.default is None}
    values = {"backbone": settings.encoder, **dataclasses.asdict(settings)}
    # 0 steps are as many as the epochs take, and a share of the places is no number of them.
    return {
        name: values[name]
        for name in sorted(open_to_it & set(values) - {"encoder"})
        if (values[name] is False or values[name]) and not declared[name].kind.problem(declared[name], values[name])
    }


def _present() -> Iterator[Path]:
    yield from MARKDOWN.glob("*.md")
    yield from HTML.glob("*/*.html")


# --- what there is to describe ---------------------------------------------------------------------------------------------


def pages() -> list[Page]:
    """Return a page per job, in the order of ``jobs.JOBS``, then one for each thing that the plugin does itself."""
    by_job = {algorithm.job: algorithm for algorithm in algorithms()}
    return [Page(by_job.get(job.__name__), job) for job in (*jobs.JOBS.values(), *TASKS.values())]


def algorithms() -> Iterator[Algorithm]:
    """Yield the algorithms of the plugin, read from its files: this runs where there is no QGIS."""
    for file in sorted(ALGORITHMS.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            values = {name: value for part in node.body for name, value in _assigned(part)}
            if values.get("TITLE"):
                name = values.get("NAME") or values["JOB"].lower()
                yield Algorithm(name, values["TITLE"], values["JOB"], values["GROUP"].lower())


def _assigned(part: ast.stmt) -> Iterator[tuple[str, str]]:
    if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
        if isinstance(part.value, ast.Constant) and isinstance(part.value.value, str):
            yield part.targets[0].id, part.value.value
        elif isinstance(part.value, ast.Attribute):  # JOB = jobs.Classify
            yield part.targets[0].id, part.value.attr


def defaults(job: type[Any]) -> dict[str, Any]:
    """Return the default of each parameter; ``dataclasses.MISSING`` where a value must be given."""
    return {field.name: field.default for field in dataclasses.fields(job)}


def range_of(parameter: jobs.Parameter, tr: Translate) -> str:
    """Return unit, range and choices in words, or nothing."""
    low, high = parameter.minimum, parameter.maximum
    limits = ""
    if low is not None and high is not None:
        limits = tr("{low} to {high}").format(low=f"{low:.15g}", high=f"{high:.15g}")
    elif low is not None:
        limits = tr("at least {limit}").format(limit=f"{low:.15g}")
    elif high is not None:
        limits = tr("at most {limit}").format(limit=f"{high:.15g}")
    parts = [limits, ", ".join(parameter.choices), tr(parameter.unit) if parameter.unit else ""]
    return "; ".join(part for part in parts if part)


def default_in_words(value: Any, parameter: jobs.Parameter, tr: Translate) -> str:
    """Return what holds where nothing is given."""
    if value is dataclasses.MISSING:
        return tr("must be given")
    if value is None or value == ():
        return tr("not written") if parameter.kind.is_output else tr("empty")
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def example(job: type[Any]) -> dict[str, Any]:
    """Return values for the parameters that must be given, so that together they are a valid job."""
    declared, given = jobs.parameters(job), defaults(job)
    names = [name for name in declared if given[name] is dataclasses.MISSING]
    # Of some groups of parameters just one must be given: the first one stands for them, with the field that belongs to it.
    names += [choice[0] for choice in getattr(job, "EXACTLY_ONE", ()) if choice[0] not in names]
    names += [name for name, parameter in declared.items() if parameter.kind == jobs.FIELD and parameter.of in names]
    return {name: declared[name].example for name in declared if name in names}


def shell_call(job: type[Any]) -> str:
    """Return the call of the command line with the values of ``example``."""
    words = ["false-core", name_of(job)]
    for name, value in example(job).items():
        words += [f"--{name.replace('_', '-')}", *_texts(value)]
    return _wrapped(words, lambda word: word.startswith("--"))


def qgis_call(job: type[Any], name: str) -> str:
    """Return the call of ``qgis_process`` with the values of ``example``."""
    declared = jobs.parameters(job)
    values = {key: value for key, value in example(job).items() if declared[key].dialog}
    words = ["qgis_process", "run", f"false:{name}", *(["--"] if values else [])]
    words += [f"{key.upper()}={text}" for key, value in values.items() for text in _texts(value, job, key)]
    return _wrapped(words, lambda word: "=" in word)


def _texts(value: Any, job: type[Any] | None = None, key: str = "") -> list[str]:
    if isinstance(value, tuple):
        joined = job is not None and not jobs.parameters(job)[key].kind.is_path
        return [",".join(map(str, value))] if joined else [str(one) for one in value]
    return [str(value)]


def _wrapped(words: list[str], begins_line: Callable[[str], bool], width: int = 110) -> str:
    quoted = [word if word == "--" else shlex.quote(word) for word in words]
    if len(" ".join(quoted)) <= width:
        return " ".join(quoted)
    lines = [""]
    for word, text in zip(words, quoted):
        if begins_line(word):
            lines.append(f"    {text}")
        else:
            lines[-1] = f"{lines[-1]} {text}".lstrip() if len(lines) == 1 else f"{lines[-1]} {text}"
    return " \\\n".join(lines)


def json_job(job: type[Any]) -> str:
    """Return the values of ``example`` as a job in JSON."""
    return json.dumps({"job": name_of(job), **example(job)}, indent=2)


# --- Markdown --------------------------------------------------------------------------------------------------------------


def index() -> str:
    """Return the list of all pages."""
    lines = [
        "# Algorithms",
        "",
        NOTICE,
        "",
        "All of them are in the Processing toolbox under FALSE, and work in batch, in models, in scripts and with",
        "`qgis_process`. The command line `false-core` runs the same jobs without QGIS.",
        "",
        f"Labels are drawn in the dock [FALSE: label and map]({DOCK_PAGE}.md), which uses some of them.",
        "",
        "| algorithm | what it does | in QGIS | command line |",
        "|---|---|---|---|",
    ]
    for page in pages():
        about = _escaped(page.paragraphs[0]) if page.paragraphs else ""
        in_qgis = f"`false:{page.algorithm.name}`" if page.algorithm else ""
        command = f"`false-core {name_of(page.job)}`" if page.runs_without_qgis else ""
        lines.append(f"| [{_escaped(page.title)}]({page.name}.md) | {about} | {in_qgis} | {command} |")
    for model in shipped_models():
        about = _escaped(model.about.partition(". ")[0])
        lines.append(f"| [{model.title}]({model.page}.md) | {about}. | `false:{model.title}` | |")
    return "\n".join(
        [
            *lines,
            "",
            "The command line has five more commands, `run`, `info`, `rerun`, `experiment` and `benchmark`: see",
            "[Command line](../command-line.md).",
            "",
        ]
    )


def as_markdown(page: Page) -> str:
    """Return the page for the documentation."""
    lines = [f"# {_escaped(page.title)}", "", NOTICE, ""]  # MkDocs takes a title from the very first line only.
    for paragraph in page.paragraphs:
        lines += [_escaped(paragraph), ""]
    if page.algorithm:
        lines += [f"In QGIS: *Processing Toolbox > FALSE > {_escaped(page.title)}*, or `false:{page.algorithm.name}`.", ""]
    lines += [*_tables(page.job), *_calls(page)]
    return "\n".join(lines)


def model_as_markdown(model: ShippedModel) -> str:
    """Return the page of a model for the documentation."""
    lines = [f"# {model.title}", "", NOTICE, "", _escaped(model.about), ""]
    lines += [f"In QGIS: *Processing Toolbox > FALSE > {model.title}*, or `false:{model.title}`.", ""]
    for heading, entries in (("## Parameters", model.inputs), ("## Files written", model.outputs)):
        lines += [heading, "", "| parameter | what it is |", "|---|---|"]
        lines += [f"| **{_escaped(e.label)}**<br>`{e.name}` | {_escaped(e.help)} |" for e in entries]
        lines.append("")
    lines += ["## Without the dialog", "", "The values below are examples.", ""]
    return "\n".join([*lines, *_code("sh", model.call)])


def _in_qgis(job: type[Any]) -> dict[str, jobs.Parameter]:
    """Return the parameters that a dialog has for ``job``: its own, and that to export it."""
    shown = {name: parameter for name, parameter in jobs.parameters(job).items() if parameter.dialog}
    return {**shown, **({EXPORT_NAME: EXPORT} if can_be_exported(job) else {})}


def _tables(job: type[Any]) -> Iterator[str]:
    declared, given = {**jobs.parameters(job), **_in_qgis(job)}, defaults(job)
    groups = {
        "## Parameters": {n: p for n, p in declared.items() if not p.advanced and not p.kind.is_output},
        "## Advanced parameters": {n: p for n, p in declared.items() if p.advanced and not p.kind.is_output},
        "## Files written": {n: p for n, p in declared.items() if p.kind.is_output},
    }
    for heading, group in groups.items():
        if not group:
            continue
        yield from (heading, "", "| parameter | what it is | kind | default | values |", "|---|---|---|---|---|")
        for name, parameter in group.items():
            where = "" if parameter.dialog else " QGIS fills it in."
            where += " In QGIS only." if name not in given else ""
            default = _escaped(default_in_words(given.get(name), parameter, str))
            yield (
                f"| **{_escaped(parameter.label)}**<br>`{name}` | {_escaped(parameter.help)}{where} "
                f"| {parameter.kind.words} | {default} | {_escaped(range_of(parameter, str))} |"
            )
        yield ""
    if not job.RESULTS:
        return
    yield from ("## Results", "", "Numbers and texts that come back beside the files.", "")
    yield from ("| result | what it is |", "|---|---|")
    yield from (f"| `{result.name}` | {_escaped(result.label)} |" for result in job.RESULTS)
    yield ""


def _calls(page: Page) -> Iterator[str]:
    yield from ("## Without the dialog", "")
    if example(page.job):
        yield from ("The values below are examples.", "")
    if page.runs_without_qgis:
        yield from ('=== "Command line"', "", *_code("sh", shell_call(page.job)))
    if page.algorithm:
        yield from ('=== "qgis_process"', "", *_code("sh", qgis_call(page.job, page.algorithm.name)))
    if page.runs_without_qgis:
        yield from ('=== "Python"', "", *_code("python", _python_call(page.job)))
        yield from ('=== "JSON"', "", *_code("json", json_job(page.job)))


def _python_call(job: type[Any]) -> str:
    arguments = ", ".join(f"{name}={json.dumps(value) if not isinstance(value, tuple) else _tuple(value)}"
                          for name, value in example(job).items())  # fmt: skip
    public = job.NAME in ("pretrain", "finetune", "classify", "assess")
    call = f"false_core.{job.NAME}({arguments})" if public else f"false_core.run({job.__name__}({arguments}))"
    if len(call) > 90:
        indent = "    " if public else "        "
        lines = arguments.replace(", ", f",\n{indent}")
        call = (
            f"false_core.{job.NAME}(\n{indent}{lines},\n)"
            if public
            else f"false_core.run(\n    {job.__name__}(\n{indent}{lines},\n    )\n)"
        )
        call = re.sub(r'\(("[^()]*),\n\s+', r"(\1, ", call)
    imports = "import false_core" if public else f"import false_core\nfrom false_core.jobs import {job.__name__}"
    return f"{imports}\n\n{call}"


def _tuple(value: tuple[Any, ...]) -> str:
    return (
        f"({', '.join(json.dumps(one) for one in value)},)" if len(value) == 1 else f"({', '.join(map(json.dumps, value))})"
    )


def _code(language: str, text: str) -> Iterator[str]:
    yield f"    ```{language}"
    yield from (f"    {line}" if line else "" for line in text.splitlines())
    yield from ("    ```", "")


def _escaped(text: str) -> str:
    text = re.sub(r"([\\`*_\[\]])", r"\\\1", text)
    return text.replace("|", "\\|").replace("<", "&lt;")


# --- HTML ------------------------------------------------------------------------------------------------------------------

STYLE = """\
body { font-family: sans-serif; line-height: 1.45; max-width: 50rem; margin: 1.5rem auto; padding: 0 1rem; color: #222;
  background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
dt { font-weight: bold; margin-top: 1rem; } dd { margin: 0.2rem 0 0 1.2rem; }
dd.facts { color: #666; font-size: 0.9rem; }
code, pre { font-family: monospace; background: #f2f2f2; } pre { padding: 0.6rem; overflow-x: auto; }
"""


def as_html(page: Page, language: str, tr: Translate) -> str:
    """Return the page for the Help button, in the language that ``tr`` translates to."""
    assert page.algorithm is not None
    lines = [f"<p>{html.escape(tr(paragraph))}</p>" for paragraph in page.paragraphs]
    lines += [*_definitions(page.job, tr), f"<h2>{html.escape(tr('Without the dialog'))}</h2>"]
    if example(page.job):
        lines.append(f"<p>{html.escape(tr('The values are examples.'))}</p>")
    calls = [qgis_call(page.job, page.name), *([shell_call(page.job)] if page.runs_without_qgis else [])]
    lines += [f"<pre>{html.escape(call)}</pre>" for call in calls]
    return _html(tr(page.title), language, lines)


def model_as_html(model: ShippedModel, language: str, tr: Translate) -> str:
    """Return the page of a model for the Help button."""

    def listed(heading: str, entries: tuple[Entry, ...]) -> Iterator[str]:
        yield from (f"<h2>{html.escape(heading)}</h2>", "<dl>")
        for entry in entries:
            yield f"<dt>{html.escape(tr(entry.label))} <code>{html.escape(entry.name)}</code></dt>"
            yield f"<dd>{html.escape(tr(entry.help))}</dd>"
        yield "</dl>"

    lines = [f"<p>{html.escape(tr(model.about))}</p>", *listed(tr("Parameters"), model.inputs)]
    lines += [*listed(tr("Files written"), model.outputs), f"<h2>{html.escape(tr('Without the dialog'))}</h2>"]
    lines += [f"<p>{html.escape(tr('The values are examples.'))}</p>", f"<pre>{html.escape(model.call)}</pre>"]
    return _html(tr(model.title), language, lines)


def dock_as_html(language: str, tr: Translate) -> str:
    """Return the page of the dock."""
    lines = []
    for heading, text in dock_guide(tr):
        lines += [f"<h2>{html.escape(heading)}</h2>", f"<p>{html.escape(text)}</p>"]
    return _html(tr("FALSE: label and map"), language, lines)


def tutorial_as_html(language: str, tr: Translate) -> str:
    """Return the page that leads through a first map."""
    lines = []
    for number, step in enumerate(first_steps(tr), 1):
        lines += [f"<h2>{number}. {html.escape(step.heading)}</h2>", f"<p>{html.escape(step.text)}</p>"]
        if step.picture:
            lines.append(f'<p><img src="../images/{step.picture}" alt="{html.escape(step.heading)}"></p>')
    return _html(tr("Your first map"), language, lines)


def dock_as_markdown() -> str:
    """Return the page of the dock for the documentation."""
    notice = NOTICE.replace("false_core/jobs and qgis_false/tasks.py", "qgis_false/dock/guide.py")
    lines = ["# FALSE: label and map", "", notice]
    for heading, text in dock_guide(str):
        lines += ["", f"## {heading}", "", *textwrap.wrap(text, 115)]
    return "\n".join([*lines, ""])


def index_as_html(language: str, tr: Translate) -> str:
    """Return the list of all pages of the plugin, by the groups of the toolbox."""
    groups = {"start": tr("1 Start here"), "map": tr("2 Map"), "check": tr("3 Check"), "improve": tr("4 Improve"),
              "files": tr("5 Models and files")}  # fmt: skip
    entries = [(p.algorithm.group, p.name, tr(p.title), tr(p.paragraphs[0])) for p in pages() if p.algorithm]
    entries += [(GROUPS_OF_MODELS[one.title], one.page, tr(one.title), tr(one.about)) for one in shipped_models()]
    title, about = tr("FALSE: label and map"), dock_guide(tr)[0][1]
    tutorial, steps = tr("Your first map"), tr("From an image to a map, step by step, with pictures.")
    lines = ["<dl>", f'<dt><a href="{TUTORIAL_PAGE}.html">{html.escape(tutorial)}</a></dt><dd>{html.escape(steps)}</dd>']
    lines += [f'<dt><a href="{DOCK_PAGE}.html">{html.escape(title)}</a></dt><dd>{html.escape(about)}</dd>', "</dl>"]
    for group, heading in groups.items():
        lines += [f"<h2>{html.escape(heading)}</h2>", "<dl>"]
        for _, page, title, about in sorted((e for e in entries if e[0] == group), key=lambda entry: entry[2]):
            lines.append(f'<dt><a href="{page}.html">{html.escape(title)}</a></dt><dd>{html.escape(about)}</dd>')
        lines.append("</dl>")
    return _html("FALSE", language, lines)


def _html(title: str, language: str, lines: list[str]) -> str:
    title = html.escape(title)
    before = [
        "<!DOCTYPE html>",
        f'<html lang="{language}">',
        "<head>",
        '<meta charset="utf-8">',
        f"<title>{title}</title>",
        f"<style>\n{STYLE}</style>",
        "</head>",
        "<body>",
        f"<h1>{title}</h1>",
    ]
    return "\n".join([*before, *lines, "</body>", "</html>", ""])


def _definitions(job: type[Any], tr: Translate) -> Iterator[str]:
    shown = _in_qgis(job)
    groups = {
        tr("Parameters"): {n: p for n, p in shown.items() if not p.advanced and not p.kind.is_output},
        tr("Advanced parameters"): {n: p for n, p in shown.items() if p.advanced and not p.kind.is_output},
        tr("Files written"): {n: p for n, p in shown.items() if p.kind.is_output},
    }
    for heading, group in groups.items():
        if not group:
            continue
        yield from (f"<h2>{html.escape(heading)}</h2>", "<dl>")
        for name, parameter in group.items():
            value = defaults(job).get(name)
            default = default_in_words(value, parameter, tr)
            if value is not dataclasses.MISSING:
                default = tr("default: {value}").format(value=default)
            facts = [tr(parameter.kind.words), default, range_of(parameter, tr)]
            yield f"<dt>{html.escape(tr(parameter.label))} <code>{name.upper()}</code></dt>"
            yield f"<dd>{html.escape(tr(parameter.help))}</dd>"
            yield f'<dd class="facts">{html.escape("; ".join(fact for fact in facts if fact))}</dd>'
        yield "</dl>"
    if not job.RESULTS:
        return
    yield from (f"<h2>{html.escape(tr('Results'))}</h2>", "<ul>")
    yield from (f"<li>{html.escape(tr(result.label))} <code>{result.name.upper()}</code></li>" for result in job.RESULTS)
    yield "</ul>"


if __name__ == "__main__":
    sys.exit(main())
