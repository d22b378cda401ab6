"""Finds the Python that computes: an interpreter of its own, with torch and rasterio, never the one of QGIS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, Mapping, Optional, Tuple

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsApplication

from qgis_false import LIBRARY_FOLDER, PLUGIN_FOLDER
from qgis_false.translation import tr

VARIABLE = "FALSE_CORE_PYTHON"
SETTING = "FALSE_CORE_PYTHON"
SETTINGS_GROUP = "FALSE"
SETTING_LABEL = "Python of the compute environment"
REQUIRED_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "segmentation_models_pytorch",
    "rasterio",
    "geopandas",
    "pyogrio",
    "shapely",
    "safetensors",
    "matplotlib",
    "jinja2",
    "numpy",
    "scipy",
)
"""What a compute environment must have before a job is worth starting."""


class NoEnvironment(Exception):
    """There is no compute environment. The text says what to do."""


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter that is there, and who named it."""

    path: Path
    origin: str


def add_setting() -> None:
    """Add the interpreter to Processing's options page."""
    ProcessingConfig.settingIcons[SETTINGS_GROUP] = QgsApplication.getThemeIcon("/processingAlgorithm.svg")
    ProcessingConfig.addSetting(Setting(SETTINGS_GROUP, SETTING, tr(SETTING_LABEL), "", valuetype=Setting.FILE))
    ProcessingConfig.readSettings()


def remove_setting() -> None:
    """Take the interpreter off Processing's options page. What the user chose is kept."""
    ProcessingConfig.removeSetting(SETTING)


def find_interpreter() -> Interpreter:
    """Return the interpreter to compute with. Looks at files only and starts nothing.

    Raises:
        NoEnvironment: None is there, or the one that was named is not.
    """
    for path, origin in _named():
        if not _is_program(path):
            raise NoEnvironment(
                tr(
                    "{origin} names {path}, which is not a program. Correct it or clear it.",
                    origin=f"{origin[0].upper()}{origin[1:]}",
                    path=path,
                )
            )
        return Interpreter(path, origin)
    for path, origin in _usual():
        if _is_program(path):
            return Interpreter(path, origin)
    raise NoEnvironment(
        tr(
            "FALSE has no compute environment yet: a Python 3.10 or newer of its own, with torch. Make one in a terminal: "
            "{make}, then {fill}. Or name the Python of an existing one in Settings > Options > Processing > {setting}, or "
            "in the variable {variable}.",
            make=f'python3 -m venv "{managed_folder()}"',
            fill=f'"{_python_in(managed_folder())}" -m pip install "{LIBRARY_FOLDER}"',
            setting=f"{SETTINGS_GROUP} > {tr(SETTING_LABEL)}",
            variable=VARIABLE,
        )
    )


def managed_folder() -> Path:
    """Return the folder in the QGIS profile where the plugin looks for an environment."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "false" / "environment"


def how_to_complete(interpreter: str) -> str:
    """Return what to run so that ``interpreter`` gets the packages it lacks."""
    return tr("Install what it needs: {command}", command=f'"{interpreter}" -m pip install "{LIBRARY_FOLDER}"')


def _named() -> Iterator[Tuple[Path, str]]:
    """Interpreters that somebody chose. The first one counts, and is not passed over when it is wrong."""
    variable = os.environ.get(VARIABLE, "").strip()
    if variable:
        yield Path(variable), tr("the variable {variable}", variable=VARIABLE)
    setting = ProcessingConfig.getSetting(SETTING) or ""
    if setting.strip():
        yield Path(setting.strip()), tr("the setting {setting}", setting=f"{SETTINGS_GROUP} > {tr(SETTING_LABEL)}")


def _usual() -> Iterator[Tuple[Path, str]]:
    """Places where an environment lies when nobody chose one."""
    if LIBRARY_FOLDER == PLUGIN_FOLDER.parent:
        yield _python_in(LIBRARY_FOLDER / ".venv"), tr("the checkout's .venv")
    yield _python_in(managed_folder()), tr("the QGIS profile")


def _python_in(environment: Path) -> Path:
    return environment / "Scripts" / "python.exe" if os.name == "nt" else environment / "bin" / "python"


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def child_environment(inherited: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
    """Return the environment variables for the compute process: the user's, without those QGIS set for itself.

    PYTHONHOME and its kin would give the child the wrong standard library, PROJ_LIB and GDAL_DATA the wrong tables, and
    the library paths the wrong libraries. Variables of ours (FALSE_*) and settings such as GDAL_CACHEMAX or proxies stay.
    """
    inherited = os.environ if inherited is None else inherited
    kept = {name: value for name, value in inherited.items() if not _belongs_to_qgis(name, value)}
    if os.name == "nt":
        # QGIS's DLLs would be loaded in place of those that rasterio and torch bring.
        folders = kept.get("PATH", "").split(os.pathsep)
        kept["PATH"] = os.pathsep.join(folder for folder in folders if not _lies_in_qgis(folder))
    return kept


_PREFIXES = ("PYTHON", "VIRTUAL_ENV", "CONDA_", "_CE_", "QGIS_", "LD_", "DYLD_", "PIP_")
_TABLES = ("GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA")


def _belongs_to_qgis(name: str, value: str) -> bool:
    name = name.upper()
    if name.startswith(_PREFIXES) or name in _TABLES:
        return True
    return name.startswith(("GDAL_", "PROJ_")) and _lies_in_qgis(value)


def _lies_in_qgis(value: str) -> bool:
    """Whether ``value`` is a path inside the QGIS installation. On Linux that is all of /usr, which tells nothing."""
    if not os.path.isabs(value):
        return False
    prefix = Path(QgsApplication.prefixPath())
    roots = [prefix.parent.parent if prefix.parent.name == "apps" else prefix]
    if os.environ.get("OSGEO4W_ROOT"):
        roots.append(Path(os.environ["OSGEO4W_ROOT"]))
    path = Path(value)
    return any(root == path or root in path.parents for root in roots if root != Path("/usr"))
