"""A QGIS that runs one job after another gets no larger. ``benchmarks/many_jobs.py`` does 200; here it does some."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from qgis_profile import LIMIT_S, ROOT


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="reads /proc")
def test_memory_files_threads_and_processes_stay_as_they_are(profile, tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "many_jobs.py"), "--jobs", "16"], capture_output=True, text=True,
        env={**os.environ, "FALSE_CORE_PYTHON": profile.variables["FALSE_CORE_PYTHON"], "QT_QPA_PLATFORM": "offscreen",
             "QGIS_CUSTOM_CONFIG_PATH": str(tmp_path)},
        timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing grew." in done.stdout
