"""The rooms of library and plugin stand in layers, and imports point down, as ARCHITECTURE.md lists them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from false_core import jobs

ROOT = Path(__file__).resolve().parents[2]
LIBRARY, PLUGIN = "false_core", "qgis_false"
LISTS = {LIBRARY: "layers", PLUGIN: "layers-of-the-plugin"}
each_package = pytest.mark.parametrize("package", LISTS)


@dataclass(frozen=True)
class Import:
    """One import of a module of ours by another one, anywhere in the file."""

    file: Path
    line: int
    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.target}"


def modules(package: str) -> dict[str, Path]:
    """Return the files of a package by the names of their modules."""
    found = {}
    for file in sorted((ROOT / package).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(package: str) -> Iterator[Import]:
    """Yield the imports within a package, those in functions too; not those for the type checker alone."""
    known = modules(package)
    for source, file in known.items():
        for node in _statements(ast.parse(file.read_text("utf-8")).body):
            if not isinstance(node, (ast.Import, ast.ImportFrom)):
                continue
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" if f"{node.module}.{name}" in known else str(node.module) for name in names]
            for target in names:
                if target in known and target not in (source, package):
                    yield Import(file, node.lineno, source, target)
    if package == LIBRARY:
        for job in jobs.JOBS.values():
            yield Import(known["false_core.dispatch"], 1, "false_core.dispatch", job.DONE_BY.partition(":")[0])


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements and those within them, but for what only the type checker reads."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and getattr(statement.test, "id", "") == "TYPE_CHECKING":
            continue
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _statements(getattr(statement, name, []))


def room(module: str) -> str:
    """Return the folder of a module, or the module itself where it stands in none."""
    return module.split(".")[1]


def layers(package: str) -> dict[str, int]:
    """Return the layer of each room of a package, as ARCHITECTURE.md lists them, the lowest first."""
    block = re.search(rf"```{LISTS[package]}\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.DOTALL)
    assert block, f"ARCHITECTURE.md has no list of the layers of {package}."
    return {name: number for number, line in enumerate(block[1].splitlines()) for name in line.split()}


@each_package
def test_every_room_stands_in_a_layer(package: str) -> None:
    rooms = {room(module) for module in modules(package) if module != package}
    assert rooms == set(layers(package)), (
        f"Add what is new to the list of layers of {package} in ARCHITECTURE.md, and take out what is gone."
    )


@each_package
def test_imports_point_down(package: str) -> None:
    layer = layers(package)
    up = [
        str(one)
        for one in imports(package)
        if one.source != package
        and room(one.source) != room(one.target)
        and layer[room(one.source)] <= layer[room(one.target)]
    ]
    assert not up, "These imports point up, or to the side. Move what is needed into a room below both."


@pytest.mark.thorough
@each_package
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    needs: dict[str, set[str]] = {module: set() for module in modules(package)}
    for one in imports(package):
        needs[one.source].add(one.target)
    while free := [module for module, needed in needs.items() if not needed]:
        for module in free:
            del needs[module]
        for needed in needs.values():
            needed.difference_update(free)
    assert not needs, "These modules form a circle, or need one. An import in a function only hides it."


def way_to_the_pixel() -> list[str]:
    """Return the files that ARCHITECTURE.md lists from the dialog of *Classify* to the written pixel."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    section = text.partition("## From the dialog to the pixel\n")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `(.+?)`", section, re.MULTILINE)


def handed_on_to(file: str) -> Iterator[str]:
    """Yield the modules that a file imports or names in a text, and those behind the package ``false_core.jobs``."""
    names = {*loaded_with(ROOT / file)}
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):  # Those in functions too.
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value.partition(":")[0])
    yield from names
    if "false_core.jobs" in names:
        yield from loaded_with(ROOT / "false_core" / "jobs" / "__init__.py")


def test_the_way_from_the_dialog_to_the_pixel_takes_at_most_fourteen_files_each_of_which_one_before_hands_on_to() -> None:
    files = way_to_the_pixel()
    assert 0 < len(files) <= 14
    reached = {files[0].removesuffix(".py").replace("/", ".")}
    for file in files:
        assert file.removesuffix(".py").replace("/", ".") in reached, f"No file before {file} in the list hands on to it."
        reached.update(handed_on_to(file))


@pytest.mark.thorough
def test_a_session_waits_for_nothing_that_it_does_not_use() -> None:
    files = modules(LIBRARY)
    wanted, loaded, heavy = ["false_core.session.session", "false_core.session.__main__"], set(), set()
    while wanted:
        module = wanted.pop()
        loaded.add(module)
        for name in loaded_with(files[module]):
            if name.partition(".")[0] in ("matplotlib", "pandas", "geopandas", "pyogrio", "jinja2"):
                heavy.add(f"{module} imports {name}")
            elif name in files and name not in loaded:
                wanted.append(name)
    assert "false_core.training.heads.fit" in loaded
    assert not heavy, "It would take the first picture of a session longer to be there. Import these where they are used."


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda file: file.stem)
def test_a_benchmark_limits_the_threads_of_numpy_before_it_loads_it(file: Path) -> None:
    """Loaded before, numpy takes all cores for matrices of any size, which no job of ours lets it do."""
    heavy = {"numpy", "torch", "scipy", "pandas", "geopandas", "shapely", "rasterio", "pyogrio", "affine"}
    for node in ast.parse(file.read_text("utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None)]
        if {"false_core.computing.native_libraries", "false_core.dispatch"} & set(names):
            return
        loaded = [name for name in names if name and name.partition(".")[0] in heavy]
        assert not loaded, f"Import false_core.computing.native_libraries before {loaded[0]}."


def loaded_with(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports as soon as it is imported itself."""
    wanted: list[ast.AST] = [ast.parse(file.read_text("utf-8"))]
    while wanted:
        node = wanted.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            wanted += ast.iter_child_nodes(node)
