"""What of ``qgis.core`` is Qt alone, on PyQt6. Every other name can be imported and subclassed, and does nothing.

Whoever calls one of these learns that it takes a QGIS: no test here can pretend to have tried QGIS.
"""

import os
import tempfile

from PyQt6.QtCore import QLocale, QSettings
from PyQt6.QtWidgets import QApplication

PROFILE = tempfile.mkdtemp(prefix="qgis-profile-")
NULL = None


class NeedsQgis(Exception):
    """Something was called that only QGIS can do."""


class _Name(type):
    """Has whatever attribute is asked for, such as ``Qgis.MessageLevel.Warning``."""

    def __getattr__(cls, name: str) -> "_Name":
        if name.startswith("_"):
            raise AttributeError(name)
        made = _Name(name, (Nothing,), {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.{name}"})
        setattr(cls, name, made)
        return made

    def __or__(cls, other: object) -> "_Name":
        return cls


class Nothing(metaclass=_Name):
    def __new__(cls, *arguments: object, **more: object) -> "Nothing":
        raise NeedsQgis(cls.__qualname__)


class EmptyRegistry:
    """A registry of Processing in which there is nothing."""

    def algorithmById(self, name: str) -> None:
        return None


class QgsApplication(QApplication):
    """QGIS's application is one of Qt that knows more. This one knows where the profile is, and the language."""

    @staticmethod
    def qgisSettingsDirPath() -> str:
        return PROFILE + "/"

    @staticmethod
    def locale() -> str:
        return QLocale().name()

    @staticmethod
    def processingRegistry() -> EmptyRegistry:
        return EmptyRegistry()

    @staticmethod
    def prefixPath() -> str:
        return "/usr"


class QgsSettings(QSettings):
    """Settings in a file of the profile, as QGIS keeps them."""

    def __init__(self) -> None:
        super().__init__(os.path.join(PROFILE, "QGIS.ini"), QSettings.Format.IniFormat)


class QgsProcessingException(Exception):
    """The error that Processing shows."""


def __getattr__(name: str) -> type:
    if name.startswith("_"):
        raise AttributeError(name)
    made = globals()[name] = _Name(name, (Nothing,), {"__module__": __name__})
    return made
