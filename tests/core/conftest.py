"""How the tests of the library are run. Their fixtures are in ``small_fixtures.py``."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from error_messages import (  # noqa: F401 - it lies beside the folders of tests.
    pytest_addoption,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from preloaded_python import preloaded_python

PRELOADED = pytest.StashKey[list[str]]()
"""The words that start a Python which has imported everything already."""


def pytest_configure(config: pytest.Config) -> None:
    """Have the processes that test together share one Python that has imported everything, for the programs they start.

    They are no copies of it themselves: a copy has GDAL with the drivers that its origin found. The one that shares out the
    tests has no use for the fixtures, and imports nothing.
    """
    if hasattr(config, "workerinput") or not config.getoption("tx", None) or config.option.collectonly:
        config.pluginmanager.import_plugin("small_fixtures")
        return
    preloaded = contextlib.ExitStack()
    config.add_cleanup(preloaded.close)
    # PyTorch reads the number of threads as it is imported, and the fixtures ask for one.
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    config.stash[PRELOADED] = preloaded.enter_context(preloaded_python(variables=variables))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell one of several processes that test together how to start a Python that has imported everything."""
    node.workerinput["preloaded"] = node.config.stash[PRELOADED]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a file unread whose tests are all thorough, where none of them is to run: importing it would cost a second."""
    if collection_path.suffix == ".py" and "not thorough" in config.option.markexpr:
        return "\npytestmark = pytest.mark.thorough\n" in collection_path.read_text("utf-8") or None
    return None


LONGEST = ("test_on_a_simulated_gpu.py", "test_contributing.py")
"""Files with tests of a minute or so."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests. Begun last, one would be waited for with nothing left to do beside it."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over all that was imported, which lives to the end."""
    gc.collect()
    gc.freeze()
