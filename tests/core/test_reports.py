"""Every report says when, by whom and on what ground it was made, shows map and labels, and says what to do next."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rasterio.crs import CRS
from small_world import Listener

from false_core.dispatch import run
from false_core.jobs import Assess, Classify, Finetune
from false_core.language.catalogue import catalogue_of
from false_core.raster.georeference import pixel_in_words
from false_core.raster.in_words import length_in_words
from false_core.reports.page import page
from false_core.reports.sections import Section, next_steps


def words(html: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL).split())


class TestThePage:
    def test_says_when_and_by_whom_it_was_made(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        monkeypatch.setenv("FALSE_AUTHOR", "Ada <L>")
        said = page("Title", "Summary.", [], [], [], [("CRS", "EPSG:32633")])
        assert "Made on: 2023-11-14, 22:13" in words(said) and "By: Ada &lt;L&gt;" in said and "CRS: EPSG:32633" in said
        monkeypatch.delenv("FALSE_AUTHOR")
        assert "By:" not in page("Title", "Summary.", [], [], [])

    def test_prints_on_a4_and_keeps_headings_with_what_follows(self) -> None:
        said = page("Title", "Summary.", [], [], [])
        assert "size: A4" in said and "break-after: avoid" in said and "table-header-group" in said

    def test_is_german_but_for_names(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FALSE_LANGUAGE", "de")
        table = Section("Scores per class", header=("Class", "Share"), rows=[["points", "12.5 %"]])
        said = words(page("Assessment of a map", "A map of loss.tif.", [("kappa", "0.25")], [], [table]))
        assert "Bewertung einer Karte" in said and "Eine Karte von loss.tif." in said and "0,25 Kappa" in said
        assert "Werte je Klasse Klasse Anteil points 12,5 %" in said

    def test_ends_with_what_to_do_next(self) -> None:
        steps = next_steps("Do this.", "", "Then <that>.")
        assert "<li>Do this.</li><li>Then &lt;that&gt;.</li>" in page("Title", "Summary.", [], [], steps)
        assert next_steps("", "") == []


@pytest.mark.parametrize(
    ("size", "metres", "said"),
    [(0.5, 0.5, "0.5 m"), (0.0001, 11.1, "0.0001 CRS units (11.1 m)"), (2.0, None, "2 CRS units")],
)
def test_the_size_of_a_pixel_is_said_in_metres_where_they_are_known(size: float, metres: float | None, said: str) -> None:
    assert pixel_in_words(size, metres) == said


@pytest.mark.parametrize(
    ("code", "said", "in_german"),
    [(32633, "0.5 m", "0,5 m"), (4326, "0.5 degrees", "0,5 Grad"), (2264, "0.5 ft", "0.5 ft"),
     (None, "0.5 CRS units", "0,5 Einheiten des KBS")],
)  # fmt: skip
def test_a_length_is_said_in_the_unit_of_the_crs(code: int | None, said: str, in_german: str) -> None:
    length = length_in_words(0.5, CRS.from_epsg(code) if code else None)
    assert length == said
    assert (catalogue_of("de").translated(length) or length) == in_german


@pytest.mark.thorough
def test_reports_show_where_the_labels_lie_and_repeat_no_table(
    land: str, labels: str, tmp_path: Path, listener: Listener
) -> None:
    model, the_map = str(tmp_path / "m.safetensors"), str(tmp_path / "map.tif")
    reports = {name: tmp_path / f"{name}.html" for name in ("finetune", "classify", "assess")}
    run(Finetune(land, labels, "cover", model, head="linear", device="cpu", report=str(reports["finetune"])), listener)
    run(Classify(land, model, the_map, device="cpu", report=str(reports["classify"])), listener)
    run(Assess(the_map, labels, "cover", report=str(reports["assess"])), listener)
    html = {name: path.read_text("utf-8") for name, path in reports.items()}
    headings = {name: re.findall(r"<h2>(.*?)</h2>", text) for name, text in html.items()}
    for name, text in html.items():
        assert "CRS: EPSG:" in words(text) and "Pixel size: " in words(text), name
        assert headings[name][-1] == "What to do next", name
        assert "data:image/png" in text, name
    assert headings["finetune"][0] == "Where the labels lie"
    assert headings["assess"][0] == "The map and its reference"
    # Weights, source and licence stand in every report.
    shared = set(headings["finetune"]) & set(headings["classify"]) - {"What to do next", "The encoders"}
    assert not shared
