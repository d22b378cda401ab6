"""Lists show their choices in the language of QGIS, and give the words that scripts know."""

from __future__ import annotations

import pytest
from qgis.PyQt.QtWidgets import QComboBox

from false_core import jobs

CHOICES = sorted(
    {c for job in jobs.JOBS.values() for p in jobs.parameters(job).values() if p.kind == jobs.CHOICE for c in p.choices}
)


@pytest.fixture
def german(provider):
    from qgis.core import QgsSettings

    from qgis_false import translation

    settings = QgsSettings()
    settings.setValue("locale/overrideFlag", True)
    settings.setValue("locale/userLocale", "de")
    translator = translation.install_translator()
    yield
    translation.remove(translator)
    settings.remove("locale/overrideFlag")
    settings.remove("locale/userLocale")


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_has_a_name_that_leads_back_to_it(choice):
    from qgis_false.choice_names import choice_name

    shown = choice_name(choice)
    assert shown[0].isupper()
    assert choice in shown or "".join(filter(str.isalnum, shown.lower())) == choice.replace("_", "")


def test_in_german_the_presets_are_german(german):
    from qgis_false.choice_names import choice_name

    assert [choice_name(preset) for preset in jobs.PRESETS] == [
        "Automatisch (auto)", "Schnell (quick)", "Standard", "Wie veröffentlicht (paper)"
    ]  # fmt: skip


def test_in_german_what_a_preset_gives_stands_beside_its_german_name(german):
    from qgis_false.dialogs.presets import texts_of_preset

    texts = texts_of_preset("pretrain", "auto")
    assert texts["steps"] == "aus der Voreinstellung: 250 (Schnell), 10000 (Standard)"
    assert texts["temperature"] == "aus der Voreinstellung: 0,2"


def test_a_dialog_shows_names_and_runs_with_the_choices(german, provider, monkeypatch, qgis_parent):
    import processing.gui.ParametersPanel

    from qgis_false.dialogs.dialog import FalseDialog

    monkeypatch.setattr(processing.gui.ParametersPanel, "iface", None)
    dialog = FalseDialog(provider.algorithm("pretrain").create(), qgis_parent)
    panel = dialog.mainWidget()
    box = panel.wrappers["PRESET"].wrappedWidget()
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(box.findText("Schnell (quick)"))
    assert panel.wrappers["PRESET"].parameterValue() == "quick"
    panel.wrappers["PRESET"].setParameterValue("paper", panel.processing_context)
    assert box.currentText() == "Wie veröffentlicht (paper)"
