"""Writes down what a maintainer needs to know of a computer, and leaves out what is private."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Union

from qgis.core import Qgis, QgsProcessingException, QgsProcessingFeedback, QgsSettings
from qgis.PyQt.QtCore import PYQT_VERSION_STR, QT_VERSION_STR

import false_core
from false_core import jobs
from false_core.redaction import HIDDEN, without_secrets
from qgis_false import LIBRARY_FOLDER, PLUGIN_FOLDER, settings
from qgis_false.compute import last_errors
from qgis_false.compute.worker import child_variables, run_job, worker_command
from qgis_false.environment import versions
from qgis_false.environment.gpus import find_gpus
from qgis_false.environment.host import Host, this_host
from qgis_false.environment.interpreters import (
    INSTALLED_PACKAGES,
    Interpreter,
    NoEnvironment,
    candidates,
    false_folder,
    find_interpreter,
    interpreter_variables,
    managed_folder,
    probe,
    uv_places,
    why_not,
)
from qgis_false.environment.processes import ProcessingCancelled, ask, run_program
from qgis_false.environment.state import read_state
from qgis_false.environment.variables import install_variables
from qgis_false.redaction import without_what_is_private
from qgis_false.translation import in_english

SHOWN_VARIABLES = (
    "FALSE_", "PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "OSGEO4W_ROOT", "QGIS_PREFIX_PATH",
    "QGIS_CUSTOM_CONFIG_PATH", "QGIS_PLUGINPATH", "QT_QPA_PLATFORM", "GDAL_", "PROJ_", "CUDA_", "NVIDIA_VISIBLE_DEVICES",
    "OMP_", "MKL_", "PYTORCH_", "TORCH_", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_", "SSL_CERT_", "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE", "FLATPAK_ID", "SNAP_NAME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TEMP", "HF_HOME",
)  # fmt: skip
"""Variables whose value is shown, by the beginning of their name."""
MENTIONED = (
    "PIP_", "UV_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "HF_", "XDG_CACHE_HOME", "XDG_DATA_HOME",
    settings.AUTHOR.variable,
)  # fmt: skip
"""Variables of which only is said that they are set: they may hold addresses with passwords, or the name of the user."""
_ENVIRONMENT = """\
import importlib.metadata as m, json, sys
said = {"packages": {}}
for name in sys.argv[1:]:
    try:
        said["packages"][name] = m.version(name)
    except m.PackageNotFoundError:
        said["packages"][name] = None
try:
    import torch
    said["torch"] = {"cuda build": torch.version.cuda, "cuda available": torch.cuda.is_available(),
        "gpus": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
        "architectures": torch.cuda.get_arch_list(), "threads": torch.get_num_threads(),
        "mps": torch.backends.mps.is_available()}
except Exception as error:
    said["torch"] = {"error": f"{type(error).__name__}: {error}"}
print(json.dumps(said))
"""


def diagnose(feedback: QgsProcessingFeedback) -> str:
    """Return the report, in English."""
    host = this_host()
    sections = (
        ("Versions", _versions(host)),
        ("This computer", _computer(host, feedback)),
        ("Settings", _settings()),
        ("Compute environment", _environment(host, feedback)),
        ("Check", _check(feedback)),
        ("Pythons and installers found", _pythons(host, feedback)),
        ("Environment variables of QGIS", shown_variables(host.variables, child_variables()) or ["none that matters"]),
        ("Last errors", _errors()),
    )
    lines = [f"FALSE diagnostics, {time.strftime('%Y-%m-%d %H:%M:%S')}"]
    # The reader of the report need not know the user's language.
    with in_english():
        for heading, content in sections:
            feedback.setProgressText(heading)
            lines += ["", heading, "-" * len(heading), *content]
    return without_what_is_private("\n".join(lines), host.home, host.variables) + "\n"


def _versions(host: Host) -> Iterator[str]:
    yield f"plugin and its library: {false_core.__version__} in {PLUGIN_FOLDER}, {LIBRARY_FOLDER}"
    on_disk = _version_on_disk()
    if on_disk and on_disk != false_core.__version__:
        yield versions.problem_of_library(on_disk)
    yield f"QGIS: {Qgis.QGIS_VERSION} ({host.kind}), Qt {QT_VERSION_STR}, PyQt {PYQT_VERSION_STR}"
    yield f"QGIS's Python: {platform.python_version()} in {sys.base_prefix}; sys.executable is {sys.executable}"
    try:
        from osgeo import gdal

        yield f"GDAL: {gdal.__version__}"
    except ImportError as error:
        yield f"GDAL cannot be imported: {error}"


def _version_on_disk() -> str:
    """Return the version of the library's files, which another version may have replaced since they were loaded."""
    for line in (LIBRARY_FOLDER / "false_core" / "__init__.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("__version__ ="):
            return line.partition("=")[2].strip().strip("\"'")
    return ""


def _computer(host: Host, feedback: QgsProcessingFeedback) -> Iterator[str]:
    yield f"{platform.platform()}, {host.machine}"
    gpus = find_gpus(host, install_variables(host), feedback)
    for gpu in gpus:
        capability = ".".join(map(str, gpu.capability)) if gpu.capability else "unknown"
        yield f"{gpu.name}, driver {'.'.join(map(str, gpu.driver))}, compute capability {capability}"
    if not gpus:
        yield "no NVIDIA GPU with a driver (nvidia-smi says nothing)"
    for folder in (false_folder(host), managed_folder()):
        existing = next((one for one in (folder, *folder.parents) if one.exists()), None)
        if existing is not None:
            yield f"{folder}: {'there' if folder.exists() else 'not there'}, {_free(existing)} free"


def _free(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e9:.1f} GB"
    except OSError as error:
        return f"unknown ({error.strerror})"


def _settings() -> Iterator[str]:
    for setting in settings.PLUGIN_SETTINGS:
        value = "not shown" if setting is settings.AUTHOR and setting.value() else setting.value() or "none"
        yield f"{setting.label}: {value} (from {setting.origin()})"
    of_qgis = QgsSettings()
    used = of_qgis.value("proxy/proxyEnabled", False, type=bool)
    signed_in = "with" if of_qgis.value("proxy/authcfg") or of_qgis.value("proxy/proxyUser") else "without"
    yield f"proxy of QGIS: {of_qgis.value('proxy/proxyType')}, {signed_in} a sign-in" if used else "proxy of QGIS: none"


def _environment(host: Host, feedback: QgsProcessingFeedback) -> Iterator[str]:
    interpreter = _interpreter()
    if isinstance(interpreter, str):
        yield interpreter
        return
    yield f"{interpreter.path} (from {interpreter.origin})"
    yield versions.problem_of_environment(interpreter) or "its versions fit the plugin"
    state = read_state(managed_folder())
    if state is not None:
        yield f"set up here: {state.stage}, by version {state.version}, from {state.base}, build {state.build or 'unknown'}"
    probed = probe(str(interpreter.path), child_variables(), (), feedback)
    if probed is None:
        yield "it does not answer"
        return
    yield f"Python {probed.version_text}, {probed.platform}, made from {probed.executable}"
    said = _said_by(str(interpreter.path), feedback)
    if said is None:
        yield "it cannot list its packages"
        return
    pins = _pins()
    for name, version in said["packages"].items():
        pinned = (
            f" (tested with {pins[name]})" if version and name in pins and pins[name] != version.partition("+")[0] else ""
        )
        yield f"  {name}: {version or 'MISSING'}{pinned}"
    for name, value in said["torch"].items():
        yield f"  torch, {name}: {value}"


def _said_by(python: str, feedback: QgsProcessingFeedback) -> Optional[Dict[str, Dict[str, str]]]:
    """Ask the environment for its packages and what PyTorch sees. That may take a minute, and can be cancelled."""
    names = [name.replace("_", "-") for name in INSTALLED_PACKAGES]
    lines: List[str] = []
    run_program(
        [python, "-I", "-c", _ENVIRONMENT, "false-core", *names], child_variables(), feedback, lines.append, lambda: None,
        str(PLUGIN_FOLDER),
    )  # fmt: skip
    try:
        said = json.loads(lines[-1])
    except (ValueError, IndexError):
        return None
    return said if isinstance(said, dict) else None


def _pins() -> Dict[str, str]:
    text = (LIBRARY_FOLDER / "constraints.txt").read_text(encoding="utf-8")
    lines = [line.partition(";")[0].strip() for line in text.splitlines() if "==" in line]
    return {line.partition("==")[0]: line.partition("==")[2] for line in lines}


def _interpreter() -> Union[Interpreter, str]:
    try:
        return find_interpreter()
    except NoEnvironment as error:
        return str(error)


def _check(feedback: QgsProcessingFeedback) -> Iterator[str]:
    interpreter = _interpreter()
    if isinstance(interpreter, str):
        yield "not run: there is no compute environment"
        return
    try:
        results = run_job(jobs.Check(), feedback, worker_command(str(interpreter.path)))
    except ProcessingCancelled:
        raise
    except QgsProcessingException as error:
        yield f"FAILED: {error}"
        return
    for result in jobs.Check.RESULTS:
        yield f"{result.label}: {results.get(result.name)}"


def _pythons(host: Host, feedback: QgsProcessingFeedback) -> Iterator[str]:
    variables = install_variables(host)
    for place in uv_places(host, str(false_folder(host) / "uv")):
        yield f"{place}: {ask([place, '--version'], variables, feedback).strip() or 'does not answer'}"
    for candidate in candidates(host):
        if feedback.isCanceled():
            raise ProcessingCancelled("Cancelled.")
        probed = probe(candidate.path, interpreter_variables(candidate, variables), (), feedback)
        if probed is None:
            yield f"{candidate.path} (from {candidate.origin}): does not answer"
            continue
        reason = why_not(probed, host) or ("only where there is no other" if candidate.of_qgis else "could be used")
        yield f"{candidate.path} (from {candidate.origin}): Python {probed.version_text}, {probed.platform}: {reason}"


def shown_variables(variables: Mapping[str, str], passed_on: Mapping[str, str]) -> List[str]:
    """Return one line for each variable that matters, without values that may be secret."""
    lines = []
    for name, value in sorted(variables.items()):
        upper = name.upper()
        if upper.startswith(MENTIONED):
            lines.append(f"{name} is set")
        elif upper.startswith(SHOWN_VARIABLES):
            secret = without_secrets(f"{name}={value}").endswith(f"={HIDDEN}")
            kept = " (passed on in part)" if name in passed_on else " (not passed on)"
            lines.append(f"{name}={HIDDEN if secret else value}{'' if passed_on.get(name) == value else kept}")
    return lines


def _errors() -> Iterator[str]:
    errors = last_errors.recall()
    if not errors:
        yield "none"
    for entry in errors:
        yield f"{entry['when']} {entry['what']}: {entry['text']}"
