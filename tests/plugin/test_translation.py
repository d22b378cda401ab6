"""With a German QGIS, dialogs, help and messages are German; with any other language they are English."""

from __future__ import annotations

import ast
import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QCoreApplication, QTranslator, QUrl
from qgis.PyQt.QtWidgets import QLabel, QPushButton, QScrollArea, QTextBrowser, QWidget

from false_core import jobs

ROOT = Path(__file__).resolve().parents[2]
SINKS = {
    "QgsProcessingException", "NoEnvironment", "ProcessingCancelled", "_Broken", "pushWarning", "pushInfo",
    "setProgressText", "setHelp", "_broken", "_stage", "Choice", "QGroupBox", "QLabel", "QPushButton", "addRow",
    "setToolTip", "setText",
}  # fmt: skip
"""Calls by which the plugin talks to people."""
SAME_IN_GERMAN = {
    "Backbone": "German papers on machine learning use the English word.",
    "Encoder": "German papers on machine learning use the English word.",
    "Raster": "It is a German word too, and the plural is the same.",
}
"""Texts that German leaves as they are, and why."""


@pytest.fixture
def speak(provider):
    """Return a function that makes QGIS speak a language, as its options do, and the plugin follow."""
    from qgis_false import translation

    settings = QgsSettings()
    installed = []

    def start(locale: str):
        settings.setValue("locale/overrideFlag", True)
        settings.setValue("locale/userLocale", locale)
        installed.append(translation.install_translator())
        provider.refreshAlgorithms()
        return provider

    yield start
    for translator in installed:
        translation.remove(translator)
    settings.remove("locale/overrideFlag")
    settings.remove("locale/userLocale")
    provider.refreshAlgorithms()


@pytest.mark.parametrize("locale", ["de", "de_AT"])
def test_titles_labels_and_help_are_german(speak, locale):
    algorithm = speak(locale).algorithm("classify")
    assert algorithm.displayName() == "3. Ein Raster klassifizieren"
    assert algorithm.shortHelpString().startswith("Macht mit einem Modell aus einem Raster eine Landbedeckungskarte.")
    shown = {definition.name(): definition for definition in algorithm.parameterDefinitions()}
    assert shown["OUTPUT"].description() == "Klassifiziertes Raster"
    assert shown["RASTER"].help().startswith("Das Raster, das klassifiziert wird. Es kann eine Datei, ")
    assert algorithm.outputDefinition("PIXELS").description() == "Klassifizierte Pixel"


@pytest.mark.parametrize("locale", ["en_GB", "fr", "ja_JP"])
def test_without_a_translation_they_are_english(speak, locale):
    algorithm = speak(locale).algorithm("classify")
    assert algorithm.displayName() == "3. Classify a raster"
    assert QUrl(algorithm.helpUrl()).toLocalFile().endswith("/help/en/classify.html")


def test_nothing_of_a_job_is_left_in_english(speak):
    """Only what is the same in both languages may stay."""
    from qgis_false.tasks import TASKS

    declared = (*jobs.JOBS.values(), *TASKS.values())
    english = {text for job in declared for p in jobs.parameters(job).values() for text in (p.label, p.help)}
    english -= SAME_IN_GERMAN.keys()
    for algorithm in speak("de").algorithms():
        for definition in algorithm.parameterDefinitions():
            assert definition.description() not in english, (algorithm.name(), definition.name())
            assert definition.help() not in english, (
                f"false:{algorithm.name()} has an English {definition.name()}: write the German text into "
                "qgis_false/i18n/false_de.ts and run make generate"
            )


def test_the_help_button_opens_a_german_page(speak):
    provider = speak("de")
    for algorithm in provider.algorithms():
        if not hasattr(algorithm, "JOB"):
            continue  # A model that comes with the plugin.
        page = Path(QUrl(algorithm.helpUrl()).toLocalFile())
        assert page.is_file(), f"false:{algorithm.name()} has no help page: run make generate"
        text = page.read_text("utf-8")
        assert algorithm.displayName() in text
        for definition in algorithm.parameterDefinitions():
            assert definition.help().replace("'", "&#x27;").replace('"', "&quot;").replace("<", "&lt;") in text


def test_what_is_wrong_is_said_in_german(speak, context):
    algorithm = speak("de").algorithm("classify").create()
    ok, what = algorithm.checkParameterValues({}, context)
    assert not ok
    assert "“Modell” (MODEL) fehlt." in what


def test_the_model_that_comes_with_the_plugin_is_german(speak):
    model = speak("de").algorithm("Map from a few labels")
    for one in (model, model.create()):
        assert one.id() == "false:Map from a few labels"  # Scripts know it.
        assert one.displayName() == "Karte aus wenigen Trainingsflächen"
        assert one.parameterDefinition("field").description() == "Klassenfeld"
        assert "wenigen Trainingsflächen" in one.shortHelpString()


def test_the_options_page_is_german(speak, qgis_parent, tmp_path):
    from qgis_false import settings
    from qgis_false.options import OptionsFactory

    speak("de")
    page = OptionsFactory().createWidget(qgis_parent)
    page.resize(760, 700)
    page.show()
    QCoreApplication.processEvents()
    shown = {label.text() for label in page.findChildren(QLabel)}
    assert {"Gerät", "Speicher für Pixel (GB)", "Cache-Ordner", "Protokoll"} <= shown
    assert not {setting.help for setting in settings.PLUGIN_SETTINGS} & shown
    assert {button.text() for button in page.findChildren(QPushButton)} >= {"Einrichten...", "Prüfen...", "Diagnose..."}
    assert page.grab().save(str(Path(os.environ.get("DIALOG_PICTURES", tmp_path)) / "options_de.png"))
    page.close()


def test_without_an_environment_german_words_say_what_to_do(speak, no_environment):
    can, why = speak("de").algorithm("classify").canExecute()
    assert not can
    assert why.startswith("FALSE hat noch keine Rechenumgebung")
    assert "Rechenumgebung einrichten" in why and "FALSE_CORE_PYTHON" in why


@pytest.mark.thorough
def test_the_report_of_the_diagnostics_stays_english(speak, no_environment, context, feedback, tmp_path):
    """It is for whoever mends it, who may not know the user's language."""
    algorithm = speak("de").algorithm("diagnostics").create()
    assert algorithm.displayName() == "Diagnose"
    results, ok = algorithm.run({"REPORT": str(tmp_path / "report.txt")}, context, feedback)
    assert ok
    text = Path(results["REPORT"]).read_text("utf-8")
    assert "FALSE has no compute environment yet" in text
    assert "Memory for pixels (GB): 1 (from the default)" in text
    assert "Rechenumgebung" not in text.partition("Last errors")[0]


@pytest.mark.parametrize(("locale", "written"), [("en_GB", "12.3%"), ("C", "12.3%"), ("de", "12,3\u00a0%")])
def test_percents_are_written_as_the_language_writes_them(speak, locale, written):
    from qgis_false.translation import in_english, in_percent

    speak(locale)
    assert in_percent(0.1234, 1) == written
    with in_english():
        assert in_percent(0.9) == "90%"


def test_percents_are_written_in_one_place():
    own = [
        path.name
        for path in (ROOT / "qgis_false").rglob("*.py")
        if re.search(r"\{[^{}]*:[^{}]*%\}", path.read_text("utf-8")) or '}%"' in path.read_text("utf-8")
    ]
    assert not own


@pytest.mark.parametrize(("locale", "shown"), [("de", "0,8125"), ("de_AT", "0,8125"), ("en", "0.8125"), ("en_GB", "0.8125")])
def test_results_in_the_log_have_the_decimal_sign_of_the_language_and_scripts_get_numbers(
    speak, monkeypatch, locale, shown, tmp_path
):
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback

    monkeypatch.setattr("qgis_false.compute.worker.run_job", lambda job, feedback: {"oa": 0.8125, "model": job.model})
    job = jobs.Finetune("land.tif", "labels.gpkg", "cover", str(tmp_path / "m.safetensors"))
    monkeypatch.setattr("qgis_false.algorithms.base.JobAlgorithm._job", lambda *given: job)
    algorithm, feedback = speak(locale).algorithm("finetune").create(), QgsProcessingFeedback(False)
    results = algorithm.processAlgorithm({}, QgsProcessingContext(), feedback)
    assert results["OA"] == 0.8125
    assert shown in feedback.textLog()


@pytest.fixture
def no_environment(monkeypatch, tmp_path):
    from qgis.core import QgsApplication

    from qgis_false.environment import interpreters

    monkeypatch.delenv("FALSE_CORE_PYTHON", raising=False)
    monkeypatch.delenv("FALSE_MEMORY_GB", raising=False)
    monkeypatch.setattr(interpreters, "PLUGIN_FOLDER", tmp_path)
    monkeypatch.setattr(QgsApplication, "qgisSettingsDirPath", lambda: f"{tmp_path}/")


@pytest.mark.parametrize(
    ("locale", "number", "said"),
    [
        ("en", 1, "1 label waits for its part of the raster."),
        ("en", 2, "2 labels wait for their part of the raster."),
        ("de", 1, "1 Trainingsfläche wartet auf ihren Teil des Rasters."),
        ("de", 0, "0 Trainingsflächen warten auf ihren Teil des Rasters."),
    ],
)
def test_words_go_by_the_number_that_is_told(speak, locale, number, said):
    from qgis_false.translation import tr

    speak(locale)
    text = "{number} {number:label waits for its|labels wait for their} part of the raster."
    assert tr(text, number=number) == said
    assert tr("{number:03d}", number=number) == f"00{number}"


NO_PLURALS = "comes|does|has|holds|is|makes|names|refuses|was"
"""Words that end as a plural does and come behind a name."""
ALWAYS_SEVERAL = {
    "Learned from {number} labels.": "One label is a problem, which is told in its place.",
    "Does it on the part of the raster that the map shows, in about a minute: at most {pixels} pixels across, and {steps} "
    "steps of a training. Its results are temporary; what is entered here stays.": "They are constants.",
    "A map holds {number} classes at most, and these are more.": "It is a constant.",
    "By {number} points {accuracy} ± {error} of the map are right, in 95 of 100 cases.": "Each class has two of them.",
    "Each of the {number} classes in the field {field} has one shape only. Then it cannot be told how good the map is. "
    "Perhaps this is not the field with the classes, or the classes need more shapes.": "One class alone is not told of.",
    "{kind} files (*.{extension})": "They are files of a kind.",
}


def test_no_text_tells_of_1_labels_in_either_language():
    """A word behind a number is written for one and for several, as in ``{number} {number:label|labels}``."""
    file = ROOT / "qgis_false" / "i18n" / "false_de.ts"
    german = {one.findtext("source"): one.find("translation") for one in ElementTree.parse(file).getroot().iter("message")}
    used = {text: one.text for text, one in german.items() if one.get("type") != "vanished"}
    plural = re.compile(rf"\{{\w+\}} (?!({NO_PLURALS})\b)[a-z]+s\b")
    assert {text for text in used if plural.search(text)} == ALWAYS_SEVERAL.keys()
    chosen = re.compile(r"\{(\w+):[^{}]*\|[^{}]*\}")
    both = {text: translated for text, translated in used.items() if chosen.search(text)}
    assert len(both) > 10
    for text, translated in both.items():
        assert set(chosen.findall(translated)) <= set(chosen.findall(text)), text
        assert chosen.search(translated), f"The German of this says the same of one and of several: {text}"


def test_the_dialog_is_german(speak, monkeypatch, qgis_parent, tmp_path):
    import processing.gui.ParametersPanel
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    monkeypatch.setattr(processing.gui.ParametersPanel, "iface", None)
    algorithm = speak("de").algorithm("finetune").create()
    dialog = AlgorithmDialog(algorithm, False, qgis_parent)
    dialog.resize(1000, 900)
    dialog.show()
    QCoreApplication.processEvents()
    dialog.mainWidget().findChild(QWidget, "grpAdvanced").setProperty("collapsed", False)
    QCoreApplication.processEvents()
    assert dialog.mainWidget().findChild(QScrollArea) is not None
    texts = " ".join(label.text() for label in dialog.findChildren(QLabel))
    for words in ("Trainingsflächen", "Klassenfeld", "Voreinstellung", "Startwert des Zufalls"):
        assert words in texts
    assert any("Digitalisieren Sie etwa 1 %" in browser.toPlainText() for browser in dialog.findChildren(QTextBrowser))
    assert dialog.grab().save(str(Path(os.environ.get("DIALOG_PICTURES", tmp_path)) / "finetune_de.png"))
    dialog.close()


def test_the_compiled_file_holds_what_the_source_says(qgis_app):
    """What QGIS loads is compiled by tools/build_translations.py, and is as old as the last time it was run."""
    for file in (ROOT / "qgis_false" / "i18n").glob("*.ts"):
        compiled = QTranslator()
        assert compiled.load(str(file.with_suffix(".qm")))
        for message in ElementTree.parse(file).getroot().iter("message"):
            translation = message.find("translation")
            if translation.get("type") is None:
                source = message.findtext("source").encode()  # As text, a translator takes ASCII only.
                assert compiled.translate("FALSE", source) == translation.text


def test_the_plugin_says_nothing_that_cannot_be_translated():
    """A text written straight into a message never reaches the translators; ``tr`` is what they look for."""
    found = []
    for file in (ROOT / "qgis_false").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in SINKS:
                found += [f"{file.name}:{text.lineno}: {ast.unparse(text)}" for arg in node.args for text in _bare(arg)]
    assert not found, "\n".join(found)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _bare(node: ast.AST):
    """Yield the texts with words in them that neither ``tr`` nor ``failure`` stands around."""
    if isinstance(node, ast.Call) and _name(node.func) in ("tr", "failure"):
        return
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and " " in node.value.strip()
        and "{" not in node.value
    ):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _bare(child)


def test_what_is_filled_in_moves_no_cursor_and_tells_no_secret(provider):
    from qgis_false.translation import tr

    source = "PG:password='hunter2' \x1b[2J\u202e" + "x" * 100_000
    shown = tr("{name} is at {path}, {number} times.", name="layer", path=source, number=3)
    assert shown.startswith("layer is at PG:password='***'") and shown.endswith(", 3 times.")
    assert shown.isprintable() and len(shown) < 30_000


@pytest.mark.parametrize(("locale", "spoken"), [("de_AT", "de"), ("en_GB", "en"), ("fr", "fr")])
def test_the_compute_process_is_told_the_language_of_qgis(speak, locale, spoken, monkeypatch):
    from qgis_false import settings

    monkeypatch.delenv("FALSE_LANGUAGE", raising=False)
    speak(locale)
    assert settings.for_the_library()["FALSE_LANGUAGE"] == spoken
    monkeypatch.setenv("FALSE_LANGUAGE", "en")
    assert settings.for_the_library()["FALSE_LANGUAGE"] == "en"
