"""The report of pretraining holds curves and pictures, needs nothing beside itself, and shows names as they are."""

from __future__ import annotations

import base64
import dataclasses
import re
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from small_world import FROM_NOTHING, GRID, Listener, textured_land, write_raster

from false_core import presets
from false_core.dispatch import run
from false_core.errors import Cancelled, InputError
from false_core.events import Message, Progress
from false_core.jobs import METHODS, Pretrain
from false_core.methods.registry import METHOD_CLASSES

pytestmark = pytest.mark.thorough


@pytest.fixture
def truth(tmp_path: Path) -> str:
    kinds = np.repeat(np.array([1, 2, 3], "uint8"), 57)[:170]
    return write_raster(tmp_path / "truth.tif", np.broadcast_to(kinds, (1, 120, 170)).copy())


def report_of(folder: Path, raster: str, **more: object) -> str:
    """Pretrain for two steps and return the report."""
    path = folder / "report.html"
    run(Pretrain((raster,), str(folder / "e.safetensors"), report=str(path), **{**FROM_NOTHING, **more}))
    return path.read_text(encoding="utf-8")


def headings(html: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", html)


def figures(html: str) -> list[str]:
    return re.findall(r"<svg.*?</svg>", html, re.DOTALL)


class TestTheReport:
    def test_shows_curves_false_negatives_and_features(self, land: str, truth: str, tmp_path: Path) -> None:
        html = report_of(tmp_path, land, steps=2, batch_size=4, threshold=-1.0, search="published", truth=truth)
        assert headings(html)[:5] == [
            "Loss and learning rate",
            "What looks alike to the encoder",
            "Are they of the same class?",
            "False negatives that were found",
            "What the encoder sees",
        ]
        loss, alike, purity, gallery, features = figures(html)
        assert "Learning rate" in loss
        assert "similarity of false negatives" in alike and "Benchmark anchors" in alike
        for name in ("purity of false negatives", "purity in other patches", "purity by chance"):
            assert name in purity
        assert gallery.count("data:image/png;base64") == 3 * 8
        assert "same class" in gallery
        assert features.count("data:image/png;base64") == 2
        assert "8 of " in html

    def test_needs_nothing_beside_itself_and_runs_nothing(self, land: str, tmp_path: Path) -> None:
        html = report_of(tmp_path, land, steps=1, batch_size=2)
        assert "<script" not in html
        for address in re.findall(r"(?:href|src)=\"(.*?)\"", html):
            assert address.startswith(("#", "data:image/png;base64,"))
        for picture in re.findall(r"data:image/png;base64,([^\"]*)", html):
            assert base64.b64decode(picture).startswith(b"\x89PNG")
        for figure in figures(html):
            ET.fromstring(figure)
        assert len(html) < 1_000_000

    def test_says_where_no_false_negative_was_found(self, land: str, tmp_path: Path) -> None:
        html = report_of(tmp_path, land, steps=1, batch_size=2, threshold=1.0)
        assert "False negatives that were found" in headings(html)
        assert "There are none. Of " in html and "more alike than the similarity threshold, 1." in html

    def test_says_which_places_are_taken_where_they_lie_elsewhere(self, land: str, tmp_path: Path) -> None:
        html = report_of(tmp_path, land, steps=2, batch_size=4)
        assert "Benchmark anchors are the 25 % of the anchors that are most like what they found." in html
        assert "the places most like the anchor that are not of its own ground. They should show" in html
        assert "similarity threshold" not in re.sub("<table.*?</table>", "", html, flags=re.DOTALL)

    def test_shows_a_name_as_it_is(self, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "<b>a&amp;$x_1$.tif", textured_land(), nodata=0)
        html = report_of(tmp_path, raster, steps=1, batch_size=2)
        assert "<b>a" not in html
        assert html.count("&lt;b&gt;a&amp;amp;$x_1$.tif") >= 3

    @pytest.mark.parametrize("method", [method for method in METHODS if method != "false"])
    def test_of_other_methods_shows_what_they_have(self, land: str, truth: str, tmp_path: Path, method: str) -> None:
        html = report_of(tmp_path, land, steps=2, batch_size=4, method=method, truth=truth)
        shown = headings(html)
        assert "What the encoder sees" in shown
        assert "Are they of the same class?" not in shown
        # Of two levels each has a part of its own. What learns by a task of its own compares no places.
        compares = "contrastive" in METHOD_CLASSES[method].paradigm
        assert any(heading.startswith("Nearest neighbours") for heading in shown) == compares
        assert ("What looks alike to the encoder" in shown) == compares

    def test_of_two_levels_shows_both(self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        both = dataclasses.replace(presets.PRETRAIN["quick"], level="both", threshold=-1.0)
        monkeypatch.setitem(presets.PRETRAIN, "quick", both)
        html = report_of(tmp_path, land, steps=1, batch_size=2)
        assert {"False negatives that were found (patches)", "False negatives that were found (points)"} <= set(
            headings(html)
        )
        assert "similarity of positives (image)" in html and "similarity of positives (points)" in html


class TestTheRun:
    def test_of_a_truth_elsewhere_is_refused_before_it_begins(self, land: str, tmp_path: Path) -> None:
        away = write_raster(tmp_path / "away.tif", np.ones((1, 9, 9), "uint8"), transform=GRID * Affine.translation(5000, 0))
        with pytest.raises(InputError, match="does not overlap"):
            report_of(tmp_path, land, steps=1, batch_size=2, truth=away)
        with pytest.raises(InputError, match="does not exist"):
            report_of(tmp_path, land, steps=1, batch_size=2, truth=str(tmp_path / "nowhere.tif"))

    def test_cancelled_while_it_draws_goes_on_from_its_last_step(
        self, land: str, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cancel = threading.Event()

        def stop_when_drawing(event: object) -> None:
            if isinstance(event, Progress) and event.stage == "Looking at what it learned":
                cancel.set()

        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        encoder, report = str(tmp_path / "e.safetensors"), str(tmp_path / "r.html")
        job = Pretrain((land,), encoder, preset="quick", device="cpu", steps=3, batch_size=2, seed=7, report=report)
        with pytest.raises(Cancelled):
            run(job, stop_when_drawing, cancel)
        assert list(tmp_path.iterdir()) == []
        run(job, listener)
        assert "Going on from step 3" in " ".join(message.text for message in listener.all(Message))
        whole = Path(report).read_text(encoding="utf-8")
        run(job)
        assert Path(report).read_text(encoding="utf-8") == whole
