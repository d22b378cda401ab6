"""The plugin in the language of QGIS.

The texts of the jobs are plain Python and know nothing of Qt; ``tr`` translates them where the plugin shows them, and so it
does with those of the settings.
``tools/build_translations.py`` collects every text that passes through here into ``i18n/false_*.ts``, and makes the ``.qm``
beside it that is loaded. The compute process speaks the language of QGIS by itself, see ``false_core.language``.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import Any, Iterator, Optional

from qgis.core import QgsApplication, QgsProcessingException, QgsProcessingModelAlgorithm
from qgis.PyQt.QtCore import QCoreApplication, QLocale, QTranslator

from false_core.errors import presentable
from false_core.events import LONGEST_MESSAGE
from qgis_false import PLUGIN_FOLDER

CONTEXT = "FALSE"
LANGUAGE_FOLDER = PLUGIN_FOLDER / "i18n"
MODEL_TEXTS = ("description", "component_description", "help")
"""Keys of a model's own description under which texts for people stand."""


def tr(text: str, /, **values: Any) -> str:
    """Return ``text`` in the language of QGIS, or as it is where there is no translation.

    Args:
        text: English text. Written out in the call, or a text of a job or a setting: only then the translators get to see
            it. Words that go by a number stand in its hole, those for one first: ``{number} {number:label|labels}``.
    """
    translated = text if _english.on else QCoreApplication.translate(CONTEXT, text) if text else ""
    return translated.format(**{name: _shown(value) for name, value in values.items()}) if values else translated


def _shown(value: Any) -> Any:
    """Return a value as it may be shown: names of files and layers may move a cursor, and sources hold passwords."""
    if isinstance(value, int):
        return _Number(value)
    return value if isinstance(value, (float, Percent)) else presentable(str(value), LONGEST_MESSAGE)


class _Number(int):
    """A whole number in a text, which has the words that go by it."""

    def __format__(self, written: str) -> str:
        one, bar, several = written.partition("|")
        return (one if self == 1 else several) if bar else super().__format__(written)


def with_decimal_sign(number: str) -> str:
    """Return a number that was written with a point, with the decimal sign of the language of QGIS."""
    return number if _english.on else number.replace(".", QLocale(QgsApplication.locale()).decimalPoint())


class Percent(str):
    """A share in percent as ``in_percent`` writes it. ``tr`` shows it as it is, with a space that is no plain one."""


def in_percent(share: float, decimals: int = 0) -> Percent:
    """Return a share in percent as the language of QGIS writes it: ``12.3%``, or with a comma and a space."""
    languages = QLocale.Language
    is_english = _english.on or QLocale(QgsApplication.locale()).language() in (languages.English, languages.C)
    sign = "%" if is_english else "\u00a0%"  # No line ends there.
    return Percent(with_decimal_sign(f"{100 * share:.{decimals}f}") + sign)


def in_time(seconds: float) -> str:
    """Return a span of time for people, as ``40 s``, ``3 min`` or ``1 h 5 min``, which are the same in all languages."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def failure(text: str, /, **values: Any) -> QgsProcessingException:
    """Return the error that tells the user ``text`` in the language of QGIS, as ``tr`` does."""
    return QgsProcessingException(tr(text, **values))


class _English(threading.local):
    on = False


_english = _English()


@contextmanager
def in_english() -> Iterator[None]:
    """Have ``tr`` in this thread return texts as they are, for what is written for others than the user."""
    before, _english.on = _english.on, True
    try:
        yield
    finally:
        _english.on = before


def language() -> str:
    """Return the code of the language of QGIS, such as ``de``."""
    return QLocale(QgsApplication.locale()).name().partition("_")[0]


def install_translator() -> Optional[QTranslator]:
    """Speak the language of QGIS from now on, where there is a translation. Return what ``remove`` takes back.

    The one who calls must keep it: Qt holds a bare pointer to it.
    """
    translator = QTranslator()
    if not translator.load(QLocale(QgsApplication.locale()), "false", "_", str(LANGUAGE_FOLDER)):
        return None
    QCoreApplication.installTranslator(translator)
    return translator


def remove(translator: Optional[QTranslator]) -> None:
    """Take back what ``install`` did."""
    if translator is not None:
        QCoreApplication.removeTranslator(translator)


def translate_model(model: QgsProcessingModelAlgorithm) -> None:
    """Translate the texts of a model that comes with the plugin, but for its title, which is also its name."""
    written = model.toVariant()
    translated = _translated(written)
    if translated != written:
        model.loadVariant(translated)


def _translated(value: Any, is_help: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            key: tr(one) if isinstance(one, str) and (is_help or key in MODEL_TEXTS) else _translated(one, key == "help")
            for key, one in value.items()
        }
    return [_translated(one) for one in value] if isinstance(value, list) else value
