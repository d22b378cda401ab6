"""The translation that was compiled with Qt 5 is read by Qt 6, and the options page is German."""

from __future__ import annotations

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QDate, QDateTime, QTime
from qgis.PyQt.QtWidgets import QLabel, QPushButton


@pytest.fixture
def german(qgis_app, monkeypatch):
    from qgis_false import translation

    monkeypatch.setattr(QgsApplication, "locale", staticmethod(lambda: "de_AT"))
    installed = translation.install_translator()
    assert installed is not None
    yield translation
    translation.remove(installed)


def test_texts_are_german_and_english_again_afterwards(german, qgis_app):
    assert german.language() == "de"
    assert german.tr("Compute environment") == "Rechenumgebung"
    assert german.tr("{path} (from {origin})", path="/a", origin="b").startswith("/a (")
    with german.in_english():
        assert german.tr("Compute environment") == "Compute environment"


def test_the_options_page_is_german(german, qgis_parent, pictures):
    from qgis_false.options import OptionsFactory

    page = OptionsFactory().createWidget(qgis_parent)
    page.resize(760, 700)
    page.show()
    QgsApplication.processEvents()
    assert {"Gerät", "Speicher für Pixel (GB)"} <= {label.text() for label in page.findChildren(QLabel)}
    assert {button.text() for button in page.findChildren(QPushButton)} >= {"Einrichten...", "Prüfen...", "Diagnose..."}
    assert page.grab().save(str(pictures / "options_de.png"))


def test_dates_of_labels_are_written_as_iso(qgis_app):
    from qgis_false.layers.legend import _plain

    day, hour = QDate(2026, 2, 3), QTime(4, 5, 6)
    assert [_plain(value) for value in (day, hour, QDateTime(day, hour))] == [
        "2026-02-03",
        "04:05:06",
        "2026-02-03T04:05:06",
    ]
