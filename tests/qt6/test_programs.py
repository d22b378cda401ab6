"""While the main thread waits for a program, Qt 6 goes on serving what the user does."""

from __future__ import annotations

import sys
import time

import pytest
from qgis.PyQt.QtCore import QTimer


class Feedback:
    """Only what waiting asks of it; cancelled by an event."""

    cancelled = False

    def isCanceled(self) -> bool:
        return self.cancelled

    def cancel(self) -> None:
        self.cancelled = True


def test_the_cancel_button_ends_a_program_that_says_nothing(qgis_app, tmp_path):
    from qgis_false.environment.processes import ProcessingCancelled, run_program

    feedback, began = Feedback(), time.monotonic()
    QTimer.singleShot(200, feedback.cancel)
    with pytest.raises(ProcessingCancelled):
        run_program(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            {},
            feedback,
            lambda line: None,
            lambda: None,
            str(tmp_path),
        )
    assert time.monotonic() - began < 30
