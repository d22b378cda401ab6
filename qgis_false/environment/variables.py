"""Environment variables for processes that are started from QGIS: the user's, without those QGIS set for itself."""

from __future__ import annotations

from typing import Dict

from qgis_false.environment.host import Host

_PREFIXES = ("PYTHON", "VIRTUAL_ENV", "CONDA_", "_CE_", "QGIS_", "LD_", "DYLD_")
_TABLES = ("GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA")
_INSTALLERS = ("PIP_", "UV_")
_SOMEWHERE_ELSE = (
    "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV", "UV_PYTHON", "UV_TARGET",
    "UV_PREFIX", "UV_SYSTEM_PYTHON", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_WORKING_DIR", "UV_DRY_RUN",
)  # fmt: skip
"""Settings of the installers that would send the packages to another place."""


def compute_variables(host: Host) -> Dict[str, str]:
    """Return the variables for the compute process.

    PYTHONHOME and its kin would give the child the wrong standard library, PROJ_LIB and GDAL_DATA the wrong tables, and
    the library paths the wrong libraries. PYTHONEXECUTABLE, which OSGeo4W sets, makes a virtual environment forget that it
    is one. Whatever points into the installation of QGIS goes, also certificates and folders in PATH. Variables of ours
    (FALSE_*) and settings such as GDAL_CACHEMAX or proxies stay.
    """
    kept = {}
    for name, value in host.variables.items():
        upper = name.upper()
        if upper.startswith("FALSE_"):
            kept[name] = value
        elif upper == "PATH":
            folders = value.split(host.list_separator)
            kept[name] = host.list_separator.join(folder for folder in folders if not host.lies_in_qgis(folder))
        elif not upper.startswith(_PREFIXES + _INSTALLERS) and upper not in _TABLES and not _is_of_qgis(host, value):
            kept[name] = value
    return kept


def install_variables(host: Host) -> Dict[str, str]:
    """Return the variables for pip and uv: those of the compute process, and what the user has set for the two.

    Which index they take the packages from is the user's setting or their own default.
    """
    kept = compute_variables(host)
    for name, value in host.variables.items():
        upper = name.upper()
        if upper.startswith(_INSTALLERS) and upper not in _SOMEWHERE_ELSE and not _is_of_qgis(host, value):
            kept[name] = value
    # Where an office looks into encrypted traffic, only the system knows its certificates. pip asks the system by itself.
    # The older name is for the older uv.
    if not {"UV_SYSTEM_CERTS", "UV_NATIVE_TLS"} & kept.keys():
        kept.update(UV_SYSTEM_CERTS="1", UV_NATIVE_TLS="1")
    kept.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PYTHONIOENCODING="utf-8", NO_COLOR="1")
    return kept


def _is_of_qgis(host: Host, value: str) -> bool:
    """Return whether ``value`` is a path, or several, inside the installation of QGIS and nowhere else."""
    parts = [part for part in value.split(host.list_separator) if part.strip()]
    return bool(parts) and all(host.lies_in_qgis(part) for part in parts)
