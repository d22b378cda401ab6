"""On every kind of computer, the right Python is found and QGIS's own surroundings stay with QGIS."""

from __future__ import annotations

import json

import pytest
from recorded_hosts import NAMES, recorded_host

each_host = pytest.mark.parametrize("name", NAMES)


def candidates(name: str) -> list[str]:
    from qgis_false.environment.interpreters import candidates

    return [one.path for one in candidates(recorded_host(name))]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("osgeo4w", "OSGeo4W"),
        ("standalone", "standalone installer"),
        ("macos_app", "macOS app"),
        ("macos_app_old", "macOS app"),
        ("flatpak", "Flatpak"),
        ("conda_linux", "conda"),
        ("conda_windows", "conda"),
        ("debian", "system packages"),
    ],
)
def test_it_is_known_how_qgis_was_installed(provider, name, kind):
    assert recorded_host(name).kind == kind


@each_host
def test_nothing_that_points_into_qgis_reaches_the_compute_process(provider, name):
    from qgis_false.environment.variables import compute_variables

    host = recorded_host(name)
    passed = compute_variables(host)
    for variable, value in passed.items():
        for part in value.split(host.list_separator):
            assert not host.lies_in_qgis(part), f"{variable}={value}"
        assert not variable.upper().startswith(("PYTHON", "CONDA_", "LD_", "DYLD_", "QGIS_", "PIP_", "UV_"))
    assert not {"GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA", "QT_PLUGIN_PATH"} & set(passed)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("osgeo4w", {"HTTPS_PROXY", "GDAL_FILENAME_IS_UTF8", "TEMP", "SYSTEMROOT", "VSI_CACHE", "LOCALAPPDATA"}),
        ("standalone", {"FALSE_CACHE", "SystemRoot", "LOCALAPPDATA"}),
        ("macos_app", {"HOME", "TMPDIR", "SHELL"}),
        ("flatpak", {"FLATPAK_ID", "XDG_CACHE_HOME", "HOME"}),
        ("conda_linux", {"CUDA_VISIBLE_DEVICES", "PROJ_NETWORK", "SSL_CERT_FILE"}),
        ("debian", {"GDAL_CACHEMAX", "LANG", "XDG_RUNTIME_DIR"}),
    ],
)
def test_what_is_the_user_s_own_does_reach_it(provider, name, kept):
    from qgis_false.environment.variables import compute_variables

    host = recorded_host(name)
    passed = compute_variables(host)
    assert {variable: passed.get(variable) for variable in kept} == {name: host.variables[name] for name in kept}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("osgeo4w", r"C:\Windows\system32;C:\Windows;C:\Windows\system32\WBem"),
        ("standalone", r"C:\Windows\system32;C:\Windows;C:\Users\ana\AppData\Local\Microsoft\WindowsApps"),
        ("macos_app", "/usr/bin:/bin:/usr/sbin:/sbin"),
        ("macos_app_old", "/opt/homebrew/bin:/usr/bin:/bin"),
        ("flatpak", "/usr/bin"),
        ("conda_linux", "/home/kim/miniforge3/condabin:/usr/local/bin:/usr/bin:/bin"),
        ("conda_windows", r"C:\Users\kim\miniforge3\condabin;C:\Windows\system32"),
        ("debian", "/home/eva/.local/bin:/usr/local/bin:/usr/bin:/bin"),
    ],
)
def test_folders_of_qgis_leave_the_path_by_short_name_and_long(provider, name, path):
    from qgis_false.environment.variables import compute_variables

    passed = compute_variables(recorded_host(name))
    assert next(value for variable, value in passed.items() if variable.upper() == "PATH") == path


def test_pip_and_uv_get_the_user_s_settings_but_none_that_sends_packages_elsewhere(provider):
    from qgis_false.environment.variables import install_variables

    assert install_variables(recorded_host("osgeo4w"))["PIP_INDEX_URL"] == "https://user:geheim@packages.example.org/simple"
    assert "UV_PYTHON" not in install_variables(recorded_host("debian"))


def test_certificates_are_the_user_s_or_the_system_s_never_those_of_qgis(provider):
    from qgis_false.environment.variables import install_variables

    for name in ("osgeo4w", "standalone"):
        passed = install_variables(recorded_host(name))
        assert "SSL_CERT_FILE" not in passed and "SSL_CERT_DIR" not in passed
        assert passed["UV_SYSTEM_CERTS"] == "1"
    assert install_variables(recorded_host("conda_linux"))["SSL_CERT_FILE"] == "/etc/ssl/office.pem"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        # The registered one that is gone is not among them, the older ones come later, QGIS's own last.
        ("osgeo4w", [
            r"C:\Users\Jörg Müller\AppData\Local\Programs\Python\Python311\python.exe",
            r"C:\Users\Jörg Müller\AppData\Local\Programs\Python\Python39\python.exe",
            r"C:\OSGeo4W\apps\Python312\python.exe", r"C:\OSGeo4W\apps\Python312\python3.exe",
        ]),
        ("standalone", [r"C:\PROGRA~1\QGIS34~1.15\apps\Python312\python.exe"]),
        ("macos_app", ["/Applications/QGIS.app/Contents/MacOS/python3.12"]),
        ("macos_app_old", [
            "/Library/Frameworks/Python.framework/Versions/3.12/bin/python3.12", "/opt/homebrew/bin/python3.13",
            "/Library/Frameworks/Python.framework/Versions/3.11/bin/python3.11",
            "/Applications/QGIS-LTR.app/Contents/MacOS/bin/python3.9",
            "/Applications/QGIS-LTR.app/Contents/MacOS/bin/python3",
        ]),
        ("flatpak", ["/usr/bin/python3.11", "/usr/bin/python3"]),
        ("conda_linux", [
            "/home/kim/.pyenv/versions/3.12.4/bin/python3.12", "/usr/bin/python3",
            "/home/kim/.pyenv/versions/3.9.18/bin/python",
            "/home/kim/miniforge3/envs/qgis/bin/python3.13", "/home/kim/miniforge3/envs/qgis/bin/python3",
        ]),
        ("conda_windows", [r"C:\Users\kim\miniforge3\envs\qgis\python.exe"]),
    ],
)  # fmt: skip
def test_pythons_are_found_the_best_first_and_that_of_qgis_last(provider, name, found):
    assert list(dict.fromkeys(candidates(name)))[: len(found)] == found


@each_host
def test_what_opens_a_window_is_never_started(provider, name):
    """QGIS itself, which sys.executable names; the store's python.exe; macOS's offer to install the developer tools."""
    host = recorded_host(name)
    for path in candidates(name):
        file = path.replace("\\", "/").rpartition("/")[2].lower()
        assert "qgis" not in file
        assert "WindowsApps" not in path
        assert host.system != "Darwin" or not path.startswith("/usr/bin/")


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("macos_app", "/Applications/QGIS.app/Contents/Frameworks"),
        ("macos_app_old", "/Applications/QGIS-LTR.app/Contents/MacOS"),
    ],
)
def test_the_app_s_python_is_told_where_its_library_lies(provider, name, home):
    from qgis_false.environment.interpreters import candidates

    (own, *_) = [one for one in candidates(recorded_host(name)) if one.of_qgis]
    assert own.variables == (("PYTHONHOME", home),)


@pytest.mark.parametrize(
    ("name", "place"),
    [("standalone", [r"C:\Users\ana\.local\bin\uv.exe"]), ("macos_app_old", ["/opt/homebrew/bin/uv"]), ("debian", [])],
)
def test_a_uv_that_is_there_is_found(provider, name, place):
    from qgis_false.environment.interpreters import uv_places

    assert uv_places(recorded_host(name), "/nowhere/uv") == place


@pytest.mark.parametrize(
    ("name", "environment", "python"),
    [
        ("osgeo4w", r"C:\Users\Jörg Müller\e", r"C:\Users\Jörg Müller\e\Scripts\python.exe"),
        ("macos_app", "/Users/zoé/e", "/Users/zoé/e/bin/python"),
        ("debian", "/home/eva/e", "/home/eva/e/bin/python"),
    ],
)
def test_an_environment_has_its_python_where_the_system_puts_it(provider, name, environment, python):
    assert recorded_host(name).python_in(environment) == python


def test_the_environment_lies_in_the_profile_and_on_windows_where_it_is_not_copied_at_every_login(provider):
    from qgis.core import QgsApplication

    from qgis_false import PLUGIN_FOLDER
    from qgis_false.environment.interpreters import false_folder

    profile = QgsApplication.qgisSettingsDirPath().rstrip("/")
    assert str(false_folder(recorded_host("debian"))) == f"{profile}/false"
    assert str(false_folder(recorded_host("standalone"))).startswith(r"C:\Users\ana\AppData\Local")
    for name in NAMES:
        assert PLUGIN_FOLDER not in false_folder(recorded_host(name)).parents


@pytest.mark.parametrize(
    ("system", "machine", "kernel", "real"),
    [
        ("Darwin", "arm64", "Darwin Kernel Version 24.1.0: root:xnu-11215/RELEASE_ARM64_T6000", "arm64"),
        # QGIS for Intel on an Apple processor, translated.
        ("Darwin", "x86_64", "Darwin Kernel Version 24.1.0: root:xnu-11215/RELEASE_ARM64_T6000", "arm64"),
        ("Darwin", "x86_64", "Darwin Kernel Version 22.6.0: root:xnu-8796/RELEASE_X86_64", "x86_64"),
        ("Windows", "AMD64", "10.0.22631", "AMD64"),
    ],
)
def test_a_translated_qgis_does_not_hide_the_processor(provider, system, machine, kernel, real):
    from qgis_false.environment.host import _machine

    assert _machine(system, machine, kernel) == real


def said(**changed: object) -> str:
    """Return what a good interpreter says of itself, with something changed."""
    facts = {
        "version": [3, 12, 4], "implementation": "cpython", "wide": True, "platform": "linux-x86_64", "free_threaded": False,
        "executable": "/usr/bin/python3.12", "prefix": "/usr", "conda": False, "working": ["ssl", "ctypes", "venv", "zlib"],
        "has": {"torch": True},
    }  # fmt: skip
    return "a greeting of sitecustomize\n" + json.dumps({**facts, **changed})


@pytest.mark.parametrize(
    ("name", "changed", "reason"),
    [
        ("debian", {}, ""),
        ("debian", {"version": [3, 9, 2]}, "at least 3.10"),
        ("debian", {"version": [3, 15, 0]}, "no packages yet"),
        ("debian", {"implementation": "pypy"}, "not CPython"),
        ("debian", {"free_threaded": True}, "without the global lock"),
        ("debian", {"conda": True}, ""),
        ("osgeo4w", {"platform": "win32", "wide": False}, "32 bits"),
        ("osgeo4w", {"platform": "win-arm64"}, "win-amd64"),
        ("osgeo4w", {"platform": "win-amd64"}, ""),
        ("osgeo4w", {"platform": "win-amd64", "working": ["ctypes", "venv", "zlib"]}, "cannot import ssl"),
        ("conda_windows", {"platform": "win-amd64", "conda": True}, "belongs to conda"),
        ("macos_app", {"platform": "macosx-11.0-arm64"}, ""),
        ("macos_app", {"platform": "macosx-10.9-universal2"}, ""),
        ("macos_app", {"platform": "macosx-10.9-x86_64"}, "Apple processors"),
    ],
)
def test_a_python_that_will_not_do_is_passed_over_and_it_is_said_why(provider, name, changed, reason):
    from qgis_false.environment.interpreters import parse_probe, why_not

    probed = parse_probe(said(**changed))
    assert probed is not None
    told = why_not(probed, recorded_host(name))
    assert reason in told if reason else told == ""


@pytest.mark.parametrize(
    "answer", ["", "Python was not found; run without arguments to install from the Store.", "[]", "{}"]
)
def test_what_is_no_python_is_not_taken_for_one(provider, answer):
    from qgis_false.environment.interpreters import parse_probe

    assert parse_probe(answer) is None
